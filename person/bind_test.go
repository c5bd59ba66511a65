package person_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// bind is one binding with the population database as its basis.
func (o *office) bind(vault identity.VaultID, n identity.PersonalNumber) error {
	o.t.Helper()
	return o.Bind(context.Background(), open{}, registrar(o.t), vault, n, evidence(person.PopulationDatabase))
}

func TestBind(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an := o.pending(anNotice)
	o.propose(an, number(t, anNumber), "bhxh")
	o.propose(an, number(t, songNumber), "ubnd-gia-loc")
	o.relate(an, "proposed")
	o.relate(an, "active")
	must(0, o.bind(an, number(t, anNumber)))(t)

	o.leads(byNumber(t, anNumber), an)
	o.leads(byNotice(t, anNotice), an)
	if found := must(o.find(byNotice(t, anNotice)))(t); !found[0].NumberKnown {
		t.Error("the number is still pending")
	}
	p := must(o.Profile(t.Context(), o.db.Pool, o.keys(an)))(t)
	if p.Kind != person.Citizen || p.Number.Reveal() != anNumber || p.Level != 0 || p.Name.Reveal() != "TRẦN MINH AN" {
		t.Error("the profile does not show the number")
	}
	o.counts(1, `select count(*) from number_proposals where state = 'bound'`)
	o.counts(1, `select count(*) from number_proposals where state = 'open'`)
	o.counts(1, `select count(*) from outbox where kind = 'relation.decide'`)
	o.counts(1, `select count(*) from outbox where kind = 'relation.decide' and vault_id = $1 and args = '{}'`, an)
	if diff := cmp.Diff([]string{"number_proposed done ", "number_proposed done ", "identifier_bound done population_database"}, o.record(an)); diff != "" {
		t.Error(diff)
	}
}

// relate puts a relation of a vault's person into the database.
func (o *office) relate(vault identity.VaultID, state string) identity.RelationID {
	o.t.Helper()
	id := identity.NewID[identity.RelationID]()
	o.exec(`insert into relations (vault_id, relation_id, side, state, valid_from, sealed, mac, changed_at) values ($1, $2, 'home', $3, $4, '\x00', '\x00', $4)`,
		vault, id, state, o.now())
	return id
}

// TestN6_BindingTwiceIsOne: in sequence, and a hundred at once.
func TestN6_BindingTwiceIsOne(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an := o.pending(anNotice)
	must(o.wait(byNumber(t, anNumber)))(t)
	for _, err := range together(100, func(int) error { return o.bind(an, number(t, anNumber)) }) {
		if err != nil {
			t.Error(err)
		}
	}
	once := o.fingerprint()
	must(0, o.bind(an, number(t, anNumber)))(t)
	if diff := cmp.Diff(once, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	o.counts(1, `select count(*) from identifiers where kind = 'personal_number'`)
	o.counts(1, `select count(*) from outbox where kind = 'waiting.apply'`)
	o.counts(1, `select count(*) from access_log where kind = 'identifier_bound'`)
}

// TestN1_OneWinner: a hundred registrars bind one number to different vaults at once.
func TestN1_OneWinner(t *testing.T) {
	t.Parallel()
	o := setup(t)
	var vaults []identity.VaultID
	for _, notice := range []string{anNotice, songNotice, emNotice, "99999.GCS.00004.26"} {
		vaults = append(vaults, o.pending(notice))
	}
	n := number(t, anNumber)
	errs := together(100, func(i int) error { return o.bind(vaults[i%len(vaults)], n) })
	winner := must(o.find(byNumber(t, anNumber)))(t)[0].Vault
	for i, err := range errs {
		if own := vaults[i%len(vaults)] == winner; own && err != nil || !own && !errors.Is(err, person.ErrNumberTaken) {
			t.Errorf("winner %v: %v", own, err)
		}
	}
	o.counts(1, `select count(*) from identifiers where kind = 'personal_number'`)
	o.counts(1, `select count(*) from people where kind = 'citizen'`)
	o.counts(75, `select count(*) from access_log where kind = 'identifier_bound' and vault_id <> $1`, winner)
}

// TestN6_RefusedBindingChangesNothing: but the record of the person it was tried for.
func TestN6_RefusedBindingChangesNothing(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an, song := o.enrol(o.du()), o.pending(anNotice), o.pending(songNotice)
	must(0, o.bind(song, number(t, songNumber)))(t)
	before := o.fingerprint()
	for _, c := range []struct {
		vault  identity.VaultID
		number string
		basis  person.Basis
		want   error
		record string
	}{
		{an, duNumber, person.PopulationDatabase, person.ErrNumberTaken, "number_taken"},
		{an, duNumber, person.NumberReplaced, person.ErrNumberTaken, "number_taken"},
		{du, anNumber, person.PopulationDatabase, person.ErrOtherNumber, "other_number"},
		{identity.NewVaultID(), anNumber, person.PopulationDatabase, person.ErrNotFound, ""},
		{identity.NewVaultID(), duNumber, person.PopulationDatabase, person.ErrNotFound, ""},
	} {
		err := o.Bind(t.Context(), open{}, registrar(t), c.vault, number(t, c.number), evidence(c.basis))
		if !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		if c.record == "" {
			continue
		}
		lines := o.record(c.vault)
		if last := lines[len(lines)-1]; last != "identifier_bound refused "+c.record {
			t.Errorf("recorded: %s", last)
		}
	}
	for _, ev := range []person.Evidence{{}, {Basis: "hearsay", Reference: "x"}, {Basis: person.SignedResult, Reference: "x"}, {Basis: person.IdentityCard}, {Basis: person.IdentityCard, Reference: " x"}} {
		if err := o.Bind(t.Context(), open{}, registrar(t), an, number(t, anNumber), ev); !errors.Is(err, person.ErrEvidence) {
			t.Errorf("evidence %q: %v", ev.Basis, err)
		}
	}
	if err := o.bind(an, identity.PersonalNumber{}); !errors.Is(err, person.ErrIdentifier) {
		t.Errorf("no number: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
}

// TestReplacedNumber: a person whose number was replaced has the new one, and papers under the old one still find them.
func TestReplacedNumber(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	for range 2 {
		must(0, o.Bind(t.Context(), open{}, registrar(t), du, number(t, khangNumber), evidence(person.NumberReplaced)))(t)
	}
	o.leads(byNumber(t, duNumber), du)
	o.leads(byNumber(t, khangNumber), du)
	if p := must(o.Profile(t.Context(), o.db.Pool, o.keys(du)))(t); p.Number.Reveal() != khangNumber {
		t.Error("the profile shows the old number")
	}
	o.counts(2, `select count(*) from identifiers`)
	o.counts(1, `select count(*) from identifiers where valid_until is not null`)
	if err := o.bind(o.pending(anNotice), number(t, duNumber)); !errors.Is(err, person.ErrNumberTaken) {
		t.Errorf("a replaced number was given to somebody else: %v", err)
	}
}

func TestAddIdentifier(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	add := func(vault identity.VaultID, id person.Identifier) error {
		return o.AddIdentifier(t.Context(), open{}, registrar(t), vault, id, evidence(person.CivilRegister))
	}
	for range 2 {
		must(0, add(du, byEntry(t, "03/1993", "77/1993")))(t)
	}
	o.leads(byEntry(t, "03/1993", "77/1993"), du)
	before := o.fingerprint()
	for id, want := range map[person.Identifier]error{
		byNotice(t, anNotice):    person.ErrNumberTaken,
		byNumber(t, khangNumber): person.ErrRegistrarOnly,
		{}:                       person.ErrIdentifier,
	} {
		if err := add(du, id); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := add(identity.NewVaultID(), byNotice(t, songNotice)); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	if p := must(o.Profile(t.Context(), o.db.Pool, o.keys(an)))(t); p.Kind != person.Pending {
		t.Error("an entry made a number known")
	}
	if got := o.record(du); !slices.Equal(got[1:], []string{"identifier_bound done civil_register", "identifier_bound refused number_taken"}) {
		t.Errorf("record %q", got)
	}
}

// TestGuardComesFirst: behind a shut guard every act answers as the guard does, whoever it is about, and changes nothing; so do those whose guard fails in the
// process, after the database let it pass.
func TestGuardComesFirst(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	nobody := identity.NewVaultID()
	altered := errors.New("mandate altered")
	taken, onPending := o.du(), o.thi()
	onPending.Pending = byNotice(t, anNotice)
	unknownPending := o.thi()
	unknownPending.Pending = byNotice(t, songNotice)
	by, ev := registrar(t), evidence(person.PopulationDatabase)
	acts := map[string]func(g pg.Guard) error{}
	for who, vault := range map[string]identity.VaultID{"of du": du, "of an": an, "of nobody": nobody} {
		acts["bind "+who] = func(g pg.Guard) error { return o.Bind(t.Context(), g, by, vault, number(t, anNumber), ev) }
		acts["bind taken "+who] = func(g pg.Guard) error { return o.Bind(t.Context(), g, by, vault, number(t, duNumber), ev) }
		acts["add "+who] = func(g pg.Guard) error { return o.AddIdentifier(t.Context(), g, by, vault, byNotice(t, anNotice), ev) }
		acts["proposals "+who] = func(g pg.Guard) error {
			p, list, err := o.Proposals(t.Context(), g, by, vault)
			if list != nil || !p.Name.IsZero() {
				t.Error("something was told behind a shut guard")
			}
			return err
		}
	}
	em := o.pending(emNotice)
	acts["join"] = func(g pg.Guard) error { return o.Join(t.Context(), g, by, du, em, ev) }
	acts["join nobody"] = func(g pg.Guard) error { return o.Join(t.Context(), g, by, du, nobody, ev) }
	for name, e := range map[string]person.Enrolment{"new": o.thi(), "taken": taken, "pending": onPending, "unknown pending": unknownPending} {
		acts["enrol "+name] = func(g pg.Guard) error {
			_, err := o.Enrol(t.Context(), g, by, e)
			return err
		}
	}
	before, recorded := o.fingerprint(), o.count(`select count(*) from access_log where kind <> 'list_read'`)
	for name, act := range acts {
		if err := act(shut{code: "mandate_missing"}); pg.Refused(err) != "mandate_missing" {
			t.Errorf("%s: %v", name, err)
		}
		if err := act(shut{err: altered}); !errors.Is(err, altered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	o.counts(recorded, `select count(*) from access_log where kind <> 'list_read'`)
}

// TestP7_NothingWithoutItsRecord: when the record cannot be written, no act happens and no reading is answered.
func TestP7_NothingWithoutItsRecord(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an, em := o.enrol(o.du()), o.pending(anNotice), o.pending(emNotice)
	by, ev := registrar(t), evidence(person.PopulationDatabase)
	before := o.fingerprint()
	o.exec(`revoke insert on access_log from vidan_serve`)
	for name, act := range map[string]func() error{
		"bind":         func() error { return o.Bind(t.Context(), open{}, by, an, number(t, anNumber), ev) },
		"refused bind": func() error { return o.Bind(t.Context(), open{}, by, an, number(t, duNumber), ev) },
		"add":          func() error { return o.AddIdentifier(t.Context(), open{}, by, an, byEntry(t, "1", "2"), ev) },
		"join":         func() error { return o.Join(t.Context(), open{}, by, du, em, ev) },
		"enrol":        func() error { _, err := o.Enrol(t.Context(), open{}, by, o.thi()); return err },
		"proposals":    func() error { _, _, err := o.Proposals(t.Context(), open{}, by, an); return err },
	} {
		if err := act(); err == nil || errors.Is(err, person.ErrNumberTaken) {
			t.Errorf("%s went on without its record: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
}
