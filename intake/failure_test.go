package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// TestArrival_29_FailAndRepeat: for every outcome that writes, the connection breaks at each of its round trips, before the server has done it
// and after; the client sends the same bytes again, and there is one revision, one receipt, one record (P2, P3).
func TestArrival_29_FailAndRepeat(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]struct {
		// arrange prepares; it returns what is done, by whatever process, and what must be there afterwards.
		arrange func(w *world) (act func(w *world) error, want map[string]int)
	}{
		"store": {func(w *world) (func(*world) error, map[string]int) {
			w.enrol("an", "du", "thi")
			return sending(w.commune(), w.birth("an")), map[string]int{
				"receipts": 1, "document_revisions": 1, "papers": 1, "relations where side = 'home' and state = 'active'": 2,
				"access_log where kind = 'result_stored'": 1, "access_log where kind = 'relation_active'": 2, "outbox where kind = 'relation.mirror'": 2,
			}
		}},
		"open a vault": {func(w *world) (func(*world) error, map[string]int) {
			return sending(w.commune(), w.newborn("an")), map[string]int{
				"receipts": 1, "document_revisions": 1, "papers": 1, "vaults": 1, "vault_keys": 3, "identifiers": 1, "people": 1,
				"access_log where kind = 'result_stored'": 1,
			}
		}},
		"wait": {func(w *world) (func(*world) error, map[string]int) {
			return sending(w.insurance(), w.card("an")), map[string]int{"receipts": 1, "waiting_results": 1, "waiting_identifiers": 1, "papers": 0}
		}},
		"quarantine": {func(w *world) (func(*world) error, map[string]int) {
			w.enrol("an")
			p := w.card("an")
			w.insurance().accepted(p)
			return sending(w.insurance(), p.again(map[string]any{"dossier_code": "other"})), map[string]int{
				"receipts": 2, "quarantine": 1, "document_revisions": 1, "access_log where kind = 'result_quarantined'": 1, "outbox where kind = 'event'": 1,
			}
		}},
		"refuse": {func(w *world) (func(*world) error, map[string]int) {
			act := sending(w.insurance(), w.card("an").with(map[string]any{"revision": 0}))
			return func(w *world) error {
				err := act(w)
				if wrong := new(intake.Invalid); errors.As(err, &wrong) {
					return nil
				}
				return err
			}, map[string]int{"receipts": 0, "document_revisions": 0, "waiting_results": 0}
		}},
		"resolve": {func(w *world) (func(*world) error, map[string]int) {
			khang, id := w.ambiguous()
			return func(w *world) error {
					err := w.Resolve(context.Background(), pg.All(), intake.Registrar, id, officer(), intake.Resolution{Action: intake.Store, Vault: khang, Reason: "why"})
					if errors.Is(err, intake.ErrResolved) {
						return nil
					}
					return err
				}, map[string]int{
					"quarantine where state = 'stored'": 1, "document_revisions": 2, "papers": 2, "access_log where kind = 'result_resolved'": 1,
					"access_log where kind = 'result_stored'": 2, "outbox where kind = 'event'": 2, "receipts": 2,
				}
		}},
		"apply": {func(w *world) (func(*world) error, map[string]int) {
			w.insurance().accepted(w.card("an"))
			w.enrol("an")
			return func(w *world) error { return w.applyAll() }, map[string]int{
				"receipts": 1, "document_revisions": 1, "papers": 1, "access_log where kind = 'result_stored'": 1, "waiting_results where state = 'applied'": 1,
			}
		}},
		"give": {func(w *world) (func(*world) error, map[string]int) {
			w.enrol("mau")
			w.commune().accepted(w.death())
			w.enrol("thi")
			return func(w *world) error { return w.applyAll() }, map[string]int{
				"holdings where side = 'home'": 1, "waiting_results where state = 'applied'": 1, "access_log where kind = 'holding_opened'": 1,
			}
		}},
		"copy": {func(w *world) (func(*world) error, map[string]int) {
			w.enrol("mau")
			w.commune().accepted(w.marriage()) // the first of the two is not known yet
			return func(w *world) error { return w.applyAll() }, map[string]int{
				"document_revisions": 1, "access_log where kind = 'result_stored'": 1, "waiting_results where state = 'waiting'": 1,
			}
		}},
		"give up": {func(w *world) (func(*world) error, map[string]int) {
			w.insurance().accepted(w.card("an"))
			w.advance(waitingFor)
			return func(w *world) error { return w.Overdue(context.Background()) }, map[string]int{
				"quarantine where reason = 'number_unknown'": 1, "waiting_results where state = 'quarantined'": 1, "receipts": 1,
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				w := setupOn(t, db)
				act, want := outcome.arrange(w)
				if err := act(w.on(faulty)); err != nil && !pg.Transient(err) {
					t.Errorf("a broken connection is told as %v", err)
				}
				ok(t, act(w))
				for rows, n := range want {
					w.counts(n, `select count(*) from `+rows)
				}
			})
		})
	}
}

// sending delivers one result, the same bytes each time, in a request of its own, whose token and proof were checked before anything broke.
func sending(g *agency, p payload) func(*world) error {
	compact := g.sign(p)
	return func(w *world) error {
		_, err := w.Accept(context.Background(), must(g.call())(g.w.t), compact)
		return err
	}
}

// applyAll runs what the outbox has for the waiting room, as the relay would, again and again.
func (w *world) applyAll() error {
	rows, err := w.db.Owner(w.t).Query(context.Background(), `select outbox_id, args from outbox where kind = 'waiting.apply' order by outbox_id`)
	if err != nil {
		return err
	}
	var tasks []delivery.Task
	for rows.Next() {
		task := delivery.Task{Kind: intake.KindApply}
		var args []byte
		if err := rows.Scan(&task.ID, &args); err != nil {
			return err
		}
		task.Args = json.RawMessage(args)
		tasks = append(tasks, task)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, task := range slices.Concat(tasks, tasks) {
		if err := w.Apply(context.Background(), task); err != nil {
			return err
		}
	}
	return nil
}

// ambiguous makes a result that the registrar has to decide on, and returns whose it is.
func (w *world) ambiguous() (identity.VaultID, identity.ObjectID) {
	w.t.Helper()
	khang := w.enrol("khang")
	w.commune().accepted(w.newborn("an"))
	answer := w.commune().quarantined(w.birth("khang").says(map[string]any{"/birth_notice_number": nil}).about(map[string]any{
		"personal_number": w.of("khang").PersonalNumber, "birth_notice_number": w.of("an").BirthNoticeNumber,
	}), intake.SubjectAmbiguous)
	return khang, must(identity.Parse[identity.ObjectID](answer.Quarantine))(w.t)
}
