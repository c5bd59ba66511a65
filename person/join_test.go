package person_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// join is one joining with the civil register as its basis.
func (o *office) join(main, alias identity.VaultID) error {
	o.t.Helper()
	return o.Join(context.Background(), open{}, registrar(o.t), main, alias, evidence(person.CivilRegister))
}

// all returns the vaults of a person.
func (o *office) all(vault identity.VaultID) ([]identity.VaultID, error) {
	o.t.Helper()
	b := new(pgx.Batch)
	reading := o.QueueVaults(b, vault)
	if err := pg.Pipeline(o.t.Context(), o.db.Pool, b); err != nil {
		return nil, err
	}
	return reading.Result()
}

// living returns where a vault went.
func (o *office) living(vault identity.VaultID) (identity.VaultID, error) {
	o.t.Helper()
	b := new(pgx.Batch)
	reading := o.QueueLiving(b, vault)
	if err := pg.Pipeline(o.t.Context(), o.db.Pool, b); err != nil {
		return vault, err
	}
	return reading.Of(vault)
}

func TestJoin(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	o.relate(an, "proposed")
	if vaults := must(o.VaultsOf(t.Context(), du))(t); !slices.Equal(vaults, []identity.VaultID{du}) {
		t.Errorf("before the join: %v", vaults)
	}
	must(0, o.join(du, an))(t)
	for range 2 { // where it was joined, it is seen at once
		if vaults := must(o.VaultsOf(t.Context(), du))(t); !slices.Equal(vaults, []identity.VaultID{du, an}) {
			t.Errorf("after the join: %v", vaults)
		}
	}
	o.leads(byNotice(t, anNotice), du)
	o.leads(byNumber(t, duNumber), du)
	if vaults := must(o.all(du))(t); !slices.Equal(vaults, []identity.VaultID{du, an}) {
		t.Errorf("vaults %v", vaults)
	}
	for _, vault := range []identity.VaultID{du, an} {
		if got := must(o.living(vault))(t); got != du {
			t.Errorf("%s lives in %s", vault, got)
		}
		if lines := o.record(vault); lines[len(lines)-1] != "vault_joined done civil_register" {
			t.Errorf("record %q", lines)
		}
	}
	o.counts(1, `select count(*) from vaults where state = 'joined' and vault_id = $1`, an)
	o.counts(1, `select count(*) from outbox where kind = 'relation.decide' and vault_id = $1`, an)
	thi := o.enrol(o.thi())
	before := o.fingerprint()
	must(0, o.join(du, an))(t)
	for what, act := range map[string]func() error{
		"bind to the alias": func() error { return o.bind(an, number(t, anNumber)) },
		"add to the alias": func() error {
			return o.AddIdentifier(t.Context(), open{}, registrar(t), an, byEntry(t, "1", "2"), evidence(person.CivilRegister))
		},
		"join the alias again": func() error { return o.join(thi, an) },
		"join into the alias":  func() error { return o.join(an, thi) },
		"join backwards":       func() error { return o.join(an, du) },
	} {
		if err := act(); !errors.Is(err, person.ErrJoined) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	b := new(pgx.Batch)
	person.QueueGoodStanding(b, an)
	if err := pg.Pipeline(t.Context(), o.db.Pool, b); pg.Refused(err) != person.CodeBlocked {
		t.Errorf("somebody signed in to a vault that was left behind may act: %v", err)
	}
}

// TestN4_JoinedTwiceOver: a vault that was joined into one that was joined is one step from the living vault.
func TestN4_JoinedTwiceOver(t *testing.T) {
	t.Parallel()
	o := setup(t)
	a, b, c := o.pending(anNotice), o.pending(songNotice), o.enrol(o.du())
	must(0, o.join(b, a))(t)
	must(0, o.join(c, b))(t)
	for notice, vault := range map[string]identity.VaultID{anNotice: a, songNotice: b} {
		o.leads(byNotice(t, notice), c)
		if got := must(o.living(vault))(t); got != c {
			t.Errorf("%s lives in %s, want %s", vault, got, c)
		}
	}
	vaults := must(o.all(c))(t)
	if len(vaults) != 3 || vaults[0] != c || !slices.Contains(vaults, a) || !slices.Contains(vaults, b) {
		t.Errorf("vaults %v", vaults)
	}
	o.counts(0, `select count(*) from identifiers i join vaults v on v.vault_id = i.vault_id where v.state = 'joined'`)
}

func TestRefusedJoins(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi, an := o.enrol(o.du()), o.enrol(o.thi()), o.pending(anNotice)
	before := o.fingerprint()
	for name, c := range map[string]struct {
		main, alias identity.VaultID
		want        error
	}{
		"into itself":         {du, du, person.ErrSameVault},
		"two numbers":         {du, thi, person.ErrTwoNumbers},
		"account left behind": {an, du, person.ErrWrongWay},
		"nobody into one":     {du, identity.NewVaultID(), person.ErrNotFound},
		"one into nobody":     {identity.NewVaultID(), du, person.ErrNotFound},
		"nobody into nobody":  {identity.NewVaultID(), identity.NewVaultID(), person.ErrNotFound},
	} {
		if err := o.join(c.main, c.alias); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := o.Join(t.Context(), open{}, registrar(t), du, an, person.Evidence{}); !errors.Is(err, person.ErrEvidence) {
		t.Errorf("without evidence: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	for _, vault := range []identity.VaultID{du, thi} {
		if !slices.Contains(o.record(vault), "vault_joined refused two_numbers") {
			t.Errorf("the attempt is not in the record of %s", vault)
		}
	}
}

// TestJoinOfTwoNumbers: where a decision replaced a number, the number of main is the person's and the other still leads to them.
func TestJoinOfTwoNumbers(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi := o.enrol(o.du()), o.enrol(o.thi())
	must(0, o.Join(t.Context(), open{}, registrar(t), du, thi, evidence(person.NumberReplaced)))(t)
	o.leads(byNumber(t, duNumber), du)
	o.leads(byNumber(t, thiNumber), du)
	if p := must(o.Profile(t.Context(), o.db.Pool, o.keys(du)))(t); p.Number.Reveal() != duNumber {
		t.Error("the number of main was replaced")
	}
	o.counts(1, `select count(*) from identifiers where valid_until is not null`)
}

// TestJoinBringsTheNumber: a pending vault that is kept is pending no longer when the other one has the number.
func TestJoinBringsTheNumber(t *testing.T) {
	t.Parallel()
	o := setup(t)
	kept, other := o.pending(anNotice), o.pending(emNotice)
	must(0, o.bind(other, number(t, anNumber)))(t)
	o.propose(kept, number(t, anNumber), "bhxh")
	o.relate(kept, "proposed")
	must(0, o.join(kept, other))(t)
	o.leads(byNumber(t, anNumber), kept)
	if p := must(o.Profile(t.Context(), o.db.Pool, o.keys(kept)))(t); p.Kind != person.Citizen || p.Number.Reveal() != anNumber {
		t.Error("the number is still pending")
	}
	o.counts(1, `select count(*) from number_proposals where state = 'bound'`)
	o.counts(1, `select count(*) from outbox where kind = 'relation.decide' and vault_id = $1`, kept)
}

// TestN4_JoinsMakeNoCircle: a hundred joins at once, in every direction between three vaults, end in a tree, and nobody waits for ever.
func TestN4_JoinsMakeNoCircle(t *testing.T) {
	t.Parallel()
	o := setup(t)
	v := []identity.VaultID{o.pending(anNotice), o.pending(songNotice), o.pending(emNotice)}
	for _, err := range together(100, func(i int) error { return o.join(v[i%3], v[(i/3+i%3+1+i/50)%3]) }) {
		if err != nil && !errors.Is(err, person.ErrJoined) && !errors.Is(err, person.ErrSameVault) {
			t.Error(err)
		}
	}
	o.counts(1, `select count(*) from vaults where state = 'open'`)
	main := must(o.living(v[0]))(t)
	for _, vault := range v {
		if got := must(o.living(vault))(t); got != main {
			t.Errorf("%s lives in %s, want %s", vault, got, main)
		}
	}
	o.counts(3, `select count(*) from identifiers where vault_id = $1`, main)
	if vaults := must(o.all(main))(t); len(vaults) != 3 {
		t.Errorf("vaults %v", vaults)
	}
}

// TestN2_AlteredAliasIsNotBelieved: a row that the service did not write opens nobody's papers.
func TestN2_AlteredAliasIsNotBelieved(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi, an := o.enrol(o.du()), o.enrol(o.thi()), o.pending(anNotice)
	must(0, o.join(du, an))(t)
	o.exec(`insert into vault_aliases (vault_id, alias_vault_id, joined_at, evidence, mac) select $1, vault_id, joined_at, evidence, mac from vault_aliases`, thi)
	if vaults, err := o.all(thi); !errors.Is(err, seal.ErrTampered) || vaults != nil {
		t.Errorf("a forged alias gave %v, %v", vaults, err)
	}
	o.exec(`update vault_aliases set alias_vault_id = $1 where vault_id = $2`, thi, du)
	for what, act := range map[string]func() error{
		"all":    func() error { _, err := o.all(du); return err },
		"living": func() error { _, err := o.living(thi); return err },
		"join":   func() error { return o.join(du, o.pending(emNotice)) },
	} {
		if err := act(); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
