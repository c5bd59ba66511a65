package person_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
)

// shape is how many rows of which kind there are: two equal ones mean that nothing was done twice and nothing half.
func (o *office) shape() map[string]int {
	o.t.Helper()
	shape := map[string]int{}
	for table, by := range map[string]string{
		"vaults": "state", "vault_keys": "purpose", "people": "kind", "identifiers": "kind || state || (valid_until is null)", "vault_aliases": "''",
		"number_proposals": "state", "contacts": "kind || state",
		"approvals": "kind || state", "recoveries": "state", "death_reports": "state", "sessions": "state", "activation_codes": "(used_at is null)::text", "credentials": "kind", "messages": "template",
		"outbox": "kind", "idempotency": "''", "access_log": "kind",
	} {
		rows, err := o.db.Owner(o.t).Query(o.t.Context(), fmt.Sprintf(`select %s, count(*) from %s group by 1`, by, table))
		if err != nil {
			o.t.Fatal(err)
		}
		var kind string
		var n int
		if _, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error { shape[table+" "+kind] = n; return nil }); err != nil {
			o.t.Fatal(err)
		}
	}
	return shape
}

// TestP3_FailedWritesAreTriedAgain fails each act at each of its round trips, before the database did it and after, tries again, and finds
// what one undisturbed act leaves behind.
func TestP3_FailedWritesAreTriedAgain(t *testing.T) {
	t.Parallel()
	// Each prepares an office and returns the act, and what a second try may say once the first was done.
	acts := map[string]func(o *office) (act func(o *office) error, again func(error) bool){
		"enrol": func(o *office) (func(*office) error, func(error) bool) {
			e := o.du()
			e.IdempotencyKey = "key-1"
			return func(o *office) error {
				_, err := o.Enrol(o.t.Context(), open{}, registrar(o.t), e)
				return err
			}, nil
		},
		"enrol a pending newborn": func(o *office) (func(*office) error, func(error) bool) {
			o.propose(o.pending(anNotice), number(o.t, anNumber), "bhxh")
			e := o.du()
			e.Number, e.Pending, e.IdempotencyKey = number(o.t, anNumber), byNotice(o.t, anNotice), "key-2"
			return func(o *office) error {
				_, err := o.Enrol(o.t.Context(), open{}, registrar(o.t), e)
				return err
			}, nil
		},
		"bind": func(o *office) (func(*office) error, func(error) bool) {
			an := o.pending(anNotice)
			o.propose(an, number(o.t, anNumber), "bhxh")
			o.relate(an, "proposed")
			must(o.wait(byNumber(o.t, anNumber)))(o.t)
			return func(o *office) error { return o.bind(an, number(o.t, anNumber)) }, nil
		},
		"replace a number": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			return func(o *office) error {
				return o.Bind(o.t.Context(), open{}, registrar(o.t), du, number(o.t, khangNumber), evidence(person.NumberReplaced))
			}, nil
		},
		"add an entry": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			return func(o *office) error {
				return o.AddIdentifier(o.t.Context(), open{}, registrar(o.t), du, byEntry(o.t, "03/1993", "77/1993"), evidence(person.CivilRegister))
			}, nil
		},
		"join": func(o *office) (func(*office) error, func(error) bool) {
			du, an, em := o.enrol(o.du()), o.pending(anNotice), o.pending(emNotice)
			must(0, o.join(an, em))(o.t)
			return func(o *office) error { return o.join(du, an) }, nil
		},
		"open a vault": func(o *office) (func(*office) error, func(error) bool) {
			must(o.wait(byNotice(o.t, anNotice)))(o.t)
			return func(o *office) error {
				_, err := o.openPending(newborn(o.t, anNotice), byNotice(o.t, anNotice), byEntry(o.t, "01/2026", "12/2026"))
				return err
			}, func(err error) bool { return pg.Refused(err) == person.CodeKnown }
		},
		"propose a number": func(o *office) (func(*office) error, func(error) bool) {
			an := o.pending(anNotice)
			return func(o *office) error { return o.tryPropose(an, number(o.t, anNumber), "bhxh") }, nil
		},
		"activate": func(o *office) (func(*office) error, func(error) bool) {
			code := o.sent(o.enrol(o.du()))
			return func(o *office) error {
				a, err := o.CheckActivation(o.t.Context(), byNumber(o.t, duNumber), code)
				if err != nil {
					return err
				}
				return o.use(a)
			}, func(err error) bool { return errors.Is(err, person.ErrCode) }
		},
	}
	for name, prepare := range counterActs() {
		acts[name] = prepare
	}
	for name, prepare := range acts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed := setup(t)
			act, _ := prepare(undisturbed)
			must(0, act(undisturbed))(t)
			want := undisturbed.shape()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				o := on(t, db)
				act, again := prepare(o)
				first := act(o.through(faulty).under(o.d, faulty)) // keys are read too
				if second := act(o); second != nil && (again == nil || !again(second)) {
					t.Errorf("the first try said %v, the second %v", first, second)
				}
				if diff := cmp.Diff(want, o.shape()); diff != "" {
					t.Errorf("the first try said %v; %s", first, diff)
				}
			})
		})
	}
}

// TestCounted proves the figures of round trips that callers plan with, keys in the cache: a registrar's act is two, whatever it changes.
func TestCounted(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an, em, song := o.enrol(o.du()), o.pending(anNotice), o.pending(emNotice), o.pending(songNotice)
	for _, vault := range []identity.VaultID{du, an, em, song} {
		o.keys(vault)
	}
	onPending := o.thi()
	onPending.Number, onPending.Pending = number(t, songNumber), byNotice(t, songNotice)
	by, ev := registrar(t), evidence(person.PopulationDatabase)
	code := o.sent(du)
	var a person.Activation
	for _, c := range []struct {
		what  string
		trips int
		act   func(o *office) error
	}{
		{"find", 1, func(o *office) error { _, err := o.find(byNumber(t, duNumber), byNotice(t, anNotice)); return err }},
		{"resolve", 1, func(o *office) error { _, err := o.Resolve(t.Context(), o.db.Pool, byNumber(t, duNumber)); return err }},
		{"profile", 1, func(o *office) error { _, err := o.Profile(t.Context(), o.db.Pool, o.keys(du)); return err }},
		{"pending list", 1, func(o *office) error { _, _, err := o.Pending(t.Context(), open{}, "registry", "", 10); return err }},
		{"proposals", 1, func(o *office) error { _, _, err := o.Proposals(t.Context(), open{}, by, an); return err }},
		{"enrol", 2, func(o *office) error { _, err := o.Enrol(t.Context(), open{}, by, o.thi()); return err }},
		{"enrol a pending newborn", 3, func(o *office) error { _, err := o.Enrol(t.Context(), open{}, by, onPending); return err }},
		{"bind", 2, func(o *office) error { return o.Bind(t.Context(), open{}, by, an, number(t, anNumber), ev) }},
		{"bind again", 2, func(o *office) error { return o.Bind(t.Context(), open{}, by, an, number(t, anNumber), ev) }},
		{"join", 2, func(o *office) error { return o.Join(t.Context(), open{}, by, du, em, ev) }},
		{"try a code", 2, func(o *office) (err error) {
			a, err = o.CheckActivation(t.Context(), byNumber(t, duNumber), code)
			return err
		}},
		{"use a code", 1, func(o *office) error { return o.use(a) }},
	} {
		trips := &pgtest.Fault{When: pgtest.FailBefore, Trip: c.trips + 1}
		if err := c.act(o.through(o.db.Open(t, pg.Config{Role: pgtest.Serve, Intercept: trips.Intercept}))); err != nil || trips.Fired() {
			t.Errorf("%s took more than %d round trips, %v", c.what, c.trips, err)
		}
	}
}
