package consent_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// shape is how many rows of which kind there are: two equal ones mean that nothing was done twice and nothing half.
func (h *house) shape() map[string]int {
	h.t.Helper()
	shape := map[string]int{}
	for table, by := range map[string]string{
		"relations": "side || state", "relation_facts": "kind", "relation_waits": "''", "consent_requests": "state", "request_parties": "state",
		"grants": "state || coalesce(uses_left, -1)", "grant_events": "kind", "disclosures": "''", "idempotency": "''", "outbox": "kind", "access_log": "kind",
	} {
		rows, err := h.db.Owner(h.t).Query(h.t.Context(), fmt.Sprintf(`select %s, count(*) from %s group by 1`, by, table))
		if err != nil {
			h.t.Fatal(err)
		}
		var kind string
		var n int
		if _, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error { shape[table+" "+kind] = n; return nil }); err != nil {
			h.t.Fatal(err)
		}
	}
	return shape
}

// acts are the writes of this package. Each prepares a house and returns the act, which is done once on a faulty pool and again on a good one.
var acts = map[string]func(h *house) func(*house) error{
	"create": func(h *house) func(*house) error {
		f := h.family()
		return func(h *house) error {
			_, _, err := h.Create(h.t.Context(), pg.All(), h.enrolmentRequest(f, ""))
			return err
		}
	},
	"decide": func(h *house) func(*house) error {
		f := h.family()
		id, who := h.ask(f, ""), h.acting(f.mother)
		return func(h *house) error {
			_, err := h.Decide(h.t.Context(), pg.All(), must(h.Who(who.Actor, app, who.Handle))(h.t), yes(id, childName), nil)
			return err
		}
	},
	"replace": func(h *house) func(*house) error {
		f := h.family()
		_, old := h.standing(f, "old", consent.Until, 0)
		id, who := h.ask(f, ""), h.acting(f.mother)
		return func(h *house) error {
			d := yes(id, childName)
			d.Replaces = old.ID
			_, err := h.Decide(h.t.Context(), pg.All(), must(h.Who(who.Actor, app, who.Handle))(h.t), d, nil)
			return err
		}
	},
	"withdraw": func(h *house) func(*house) error {
		f := h.family()
		_, g := h.standing(f, "", consent.Until, 0)
		who := h.acting(f.mother)
		return func(h *house) error {
			_, err := h.Withdraw(h.t.Context(), pg.All(), must(h.Who(who.Actor, app, who.Handle))(h.t), g.ID)
			return err
		}
	},
	"restrict": func(h *house) func(*house) error {
		f := h.family()
		return func(h *house) error {
			return h.Restrict(h.t.Context(), pg.All(), h.registrar(), f.child, f.relations[0], "court_order")
		}
	},
	"confirm": func(h *house) func(*house) error {
		f := h.family()
		p := h.proposal(f.child, consent.LegalRepresentative, "hoa", h.enrol("hoa", 2))
		p.MandateCovers = false
		id := h.propose(f.child, p)[0]
		h.drain()
		return func(h *house) error { return h.Confirm(h.t.Context(), pg.All(), h.registrar(), f.child, id) }
	},
	"judge": func(h *house) func(*house) error {
		f := h.family()
		h.propose(f.child, h.proposal(f.child, consent.Mother, "hoa", h.enrol("hoa", 2)))
		return func(h *house) error {
			return h.DecideRelations(h.t.Context(), delivery.Task{Kind: consent.TaskDecide, Vault: f.child})
		}
	},
	"mirror": func(h *house) func(*house) error {
		child, mother := h.enrol("khang", 0), h.enrol("dan", 2)
		id := h.propose(child, h.proposal(child, consent.Mother, "dan", mother))[0]
		return func(h *house) error {
			return h.MirrorRelation(h.t.Context(), delivery.Task{Kind: consent.TaskMirror, Vault: child, Args: []byte(`{"relation_id":"` + id.String() + `"}`)})
		}
	},
	"follow": func(h *house) func(*house) error {
		f := h.family()
		id, _, _ := h.granted(f, "")
		return func(h *house) error {
			return h.FollowRequest(h.t.Context(), delivery.Task{Kind: consent.TaskFollow, Args: []byte(`{"request_id":"` + id.String() + `"}`)})
		}
	},
	"use": func(h *house) func(*house) error {
		f := h.family()
		id, _ := h.standing(f, "", consent.Uses, 2)
		var last identity.DisclosureID // as prefill keeps it under the client's idempotency key, in the same transaction
		return func(h *house) error {
			if h.count(`select count(*) from disclosures where disclosure_id = $1`, last) > 0 {
				p, err := h.redeem(id, reading{again: last})
				if err == nil && p.Disclosure() != last {
					return errors.New("another release")
				}
				return err
			}
			_, err := h.redeem(id, reading{seen: &last})
			return err
		}
	},
}

// TestP3_FailedWritesAreTriedAgain fails each act at each of its round trips, before the database did it and after, tries again, and finds what one
// undisturbed act leaves behind.
func TestP3_FailedWritesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, prepare := range acts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			if err := prepare(h)(h); err != nil {
				t.Fatal(err)
			}
			want := h.shape()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				h := setupOn(t, db)
				act := prepare(h)
				failed := act(h.on(faulty))
				if err := act(h); err != nil {
					t.Fatalf("again: %v, after %v", err, failed)
				}
				if diff := cmp.Diff(want, h.shape()); diff != "" {
					t.Errorf("after %v: %s", failed, diff)
				}
			})
		})
	}
}
