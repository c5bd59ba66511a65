package person_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

func TestFind(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	found := must(o.find(byNumber(t, duNumber), byNotice(t, anNotice), byNumber(t, thiNumber), byNumber(t, duNumber)))(t)
	want := []person.Found{{Vault: du, NumberKnown: true}, {Vault: an}, {}, {Vault: du, NumberKnown: true}}
	if !equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if people := person.People(found); !equal(people, []person.Found{want[0], want[1]}) {
		t.Errorf("people %v", people)
	}
	if none := must(o.find())(t); len(none) != 0 || len(person.People(none)) != 0 {
		t.Errorf("nothing was asked for, %v found", none)
	}
}

func equal(a, b []person.Found) bool {
	return cmp.Equal(a, b, cmp.Comparer(func(x, y identity.VaultID) bool { return x == y }))
}

// TestKindsOfIdentifiersNeverMeet: the digits of a number as the number of a register entry are another identifier.
func TestKindsOfIdentifiersNeverMeet(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.enrol(o.du())
	o.leads(must(person.RegistrationIdentifier(duNumber, duNumber, duNumber))(t), identity.VaultID{})
	vault, err := o.openPending(newborn(t, anNotice), byEntry(t, "01/2026", "12/2026"))
	if err != nil {
		t.Fatal(err)
	}
	o.leads(byEntry(t, "01/2026", "12/2026"), vault)
	o.leads(byEntry(t, "12/2026", "01/2026"), identity.VaultID{})
	o.leads(must(person.RegistrationIdentifier("ubnd-gia-phuc", "01/2026", "12/2026"))(t), identity.VaultID{})
}

// TestN2_AlteredIdentifierIsNotBelieved: whoever can write to the database still moves no number to another vault.
func TestN2_AlteredIdentifierIsNotBelieved(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]string{
		"vault":    `update identifiers set vault_id = (select vault_id from people where kind = 'pending') where kind = 'personal_number'`,
		"kind":     `update identifiers set kind = 'registration' where kind = 'personal_number'`,
		"from":     `update identifiers set valid_from = valid_from - interval '1 second' where kind = 'personal_number'`,
		"until":    `update identifiers set valid_until = now() where kind = 'personal_number'`,
		"evidence": `update identifiers set evidence = 'court_decision' where kind = 'personal_number'`,
		"mac":      `update identifiers set mac = set_byte(mac, 9, get_byte(mac, 9) # 1) where kind = 'personal_number'`,
		"digest":   `update identifiers set digest = set_byte(digest, 0, get_byte(digest, 0) # 1) where kind = 'birth_notice'`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			vault := o.enrol(o.du())
			o.pending(anNotice)
			if what == "digest" { // an identifier that nobody asks for, but of a vault that is found
				must(o.find(byNumber(t, duNumber)))(t)
				o.exec(`update identifiers set vault_id = $1 where kind = 'birth_notice'`, vault)
			}
			o.exec(change)
			if _, err := o.find(byNumber(t, duNumber)); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("the altered row was believed: %v", err)
			}
			before := o.fingerprint()
			if err := o.Bind(t.Context(), open{}, registrar(t), vault, number(t, duNumber), evidence(person.PopulationDatabase)); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("a binding stood on an altered row: %v", err)
			}
			if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// rotated returns the office as a process that has a second, newer PRF key.
func (o *office) rotated() *office {
	o.t.Helper()
	_, fresh, err := seal.NewDeployment(o.t.Context(), o.kek, deployment)
	if err != nil {
		o.t.Fatal(err)
	}
	rows := make([]seal.DeploymentKey, 0, len(o.rows)+1)
	for i, row := range o.rows {
		if row.Purpose == seal.Identifier {
			rows = append(rows, fresh[i])
			row.State = seal.Retired
		}
		rows = append(rows, row)
	}
	return o.under(must(seal.OpenDeployment(o.t.Context(), o.kek, deployment, rows))(o.t), o.db.Pool)
}

// TestDigestsUnderEveryKey: while the PRF key is being replaced, both digests are written, and either finds the row; a process that has not heard of the
// new key yet meets one that has.
func TestDigestsUnderEveryKey(t *testing.T) {
	t.Parallel()
	old := setup(t)
	both := old.rotated()
	du := old.enrol(old.du())
	thi := both.enrol(both.thi())
	old.counts(3, `select count(*) from identifiers`)
	for _, o := range []*office{old, both} {
		o.leads(byNumber(t, duNumber), du)
		o.leads(byNumber(t, thiNumber), thi)
	}
	if _, err := both.Enrol(t.Context(), open{}, registrar(t), both.du()); !errors.Is(err, person.ErrNumberTaken) {
		t.Errorf("a number under the old key was enrolled again: %v", err)
	}
	vaults := []identity.VaultID{old.pending(anNotice), both.pending(songNotice)}
	errs := together(20, func(i int) error {
		o := []*office{old, both}[i%2]
		return o.Bind(context.Background(), open{}, registrar(t), vaults[i/2%2], number(t, anNumber), evidence(person.PopulationDatabase))
	})
	for _, err := range errs {
		if err != nil && !errors.Is(err, person.ErrNumberTaken) {
			t.Error(err)
		}
	}
	old.counts(1, `select count(distinct vault_id) from identifiers where kind = 'personal_number' and vault_id = any($1)`, []identity.VaultID{vaults[0], vaults[1]})
}

// TestFindingJoinsAnotherBatch: a search is one statement in whatever batch its caller sends.
func TestFindingJoinsAnotherBatch(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	b := new(pgx.Batch)
	var one int
	b.Queue(`select 1`).QueryRow(func(row pgx.Row) error { return row.Scan(&one) })
	finding := o.QueueFind(b, []person.Identifier{byNumber(t, duNumber)})
	profile := o.QueueProfile(b, du)
	standing := person.QueueStanding(b, du)
	if b.Len() != 5 {
		t.Errorf("%d statements", b.Len())
	}
	if err := pg.Pipeline(t.Context(), o.db.Pool, b); err != nil {
		t.Fatal(err)
	}
	if found := must(finding.Result())(t); one != 1 || found[0].Vault != du {
		t.Errorf("found %v", found)
	}
	if p := must(profile.Result(o.keys(du)))(t); p.Name.Reveal() != "NGUYỄN THỊ DỤ" || p.Number.Reveal() != duNumber || p.Level != 2 {
		t.Error("the profile is not that of the enrolment")
	}
	if !standing.Good() || standing.Level != 2 || standing.Kind != person.Citizen {
		t.Errorf("standing %+v", *standing)
	}
}
