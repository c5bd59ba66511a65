package consent_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// between is a guard that lets everybody in, and lets something happen after the operation has read and before it writes.
type between struct{ fn func() }

func (between) Queue(*pgx.Batch) {}
func (g between) Check() error {
	g.fn()
	return nil
}

// TestRestrictedInBetween: whoever loses the right between the reading and the writing of an operation writes nothing (R1).
func TestRestrictedInBetween(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(h *house, g pg.Guard, who consent.Acting, r identity.RequestID, id identity.GrantID) error{
		"decide": func(h *house, g pg.Guard, who consent.Acting, r identity.RequestID, _ identity.GrantID) error {
			_, err := h.Decide(h.t.Context(), g, who, yes(r, childName), nil)
			return err
		},
		"withdraw": func(h *house, g pg.Guard, who consent.Acting, _ identity.RequestID, id identity.GrantID) error {
			_, err := h.Withdraw(h.t.Context(), g, who, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			f := h.family()
			_, g := h.standing(f, "standing", consent.Until, 0)
			r, who := h.ask(f, ""), h.acting(f.father)
			before := h.count(`select count(*) from grant_events`)
			restrict := between{func() {
				if err := h.Restrict(context.Background(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
					t.Error(err)
				}
			}}
			if err := act(h, restrict, who, r, g.ID); !errors.Is(err, consent.ErrNotFound) {
				t.Errorf("written: %v", err)
			}
			h.counts(before, `select count(*) from grant_events`)
			h.counts(1, `select count(*) from grants where state = 'active'`)
		})
	}
}

// TestDecidedInBetween: a decision that was made after another had read is seen by that other, and completes it.
func TestDecidedInBetween(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.account(f.child)
	h.goTo(beginning.AddDate(4, 0, 0))
	id, mother, child := h.ask(f, ""), h.acting(f.mother), h.me(f.child)
	g := between{func() { h.decide(child, yes(id, childName)) }}
	a, err := h.Decide(t.Context(), g, mother, yes(id, childName, childBirth), nil)
	if err != nil || !a.Complete || !a.Grant.ByBoth {
		t.Errorf("%+v: %v", a, err)
	}
	h.counts(1, `select count(*) from grants`)
	h.counts(2, `select count(*) from grant_events`)
}

// TestPausedInBetween: two who pause at once are one pause with one receipt.
func TestPausedInBetween(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	_, grant := h.standing(f, "", consent.Until, 0)
	var fathers string
	g := between{func() { fathers = must(h.Pause(t.Context(), pg.All(), h.acting(f.father), grant.ID))(t) }}
	mothers := must(h.Pause(t.Context(), g, h.acting(f.mother), grant.ID))(t)
	if mothers != fathers {
		t.Error("two receipts for one pause")
	}
	h.counts(1, `select count(*) from grant_events where kind = 'paused'`)
}

// TestPermitEndsWithItsTransaction: a permit that was kept counts no use of a grant that was withdrawn since.
func TestPermitEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, g := h.standing(f, "", consent.Until, 0)
	kept := must(h.redeem(id, reading{}))(t)
	if _, err := h.Withdraw(t.Context(), pg.All(), h.acting(f.mother), g.ID); err != nil {
		t.Fatal(err)
	}
	h.exec(`delete from disclosures`)
	b := new(pgx.Batch)
	if err := h.QueueUse(b, kept, h.allKeys(f.child), consent.Use{}, h.now()); err != nil {
		t.Fatal(err)
	}
	if err := pg.Pipeline(t.Context(), h.pool, b); pg.Refused(err) != consent.CodeConsumed {
		t.Errorf("used: %v", err)
	}
	h.counts(0, `select count(*) from disclosures`)
	h.counts(1, `select count(*) from grant_events where kind = 'used'`)
}

// TestP3_BusyAtOnce: while a request is being made, the same key is refused at once and waits for nobody.
func TestP3_BusyAtOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	block := must(h.db.Owner(t).Begin(t.Context()))(t)
	defer func() { _ = block.Rollback(context.Background()) }()
	// The lock of the kindergarten's requests to this child, which the first takes after that of its key.
	id := f.child.Bytes()
	if _, err := block.Exec(t.Context(), `select pg_advisory_xact_lock($1)`, int64(pg.NewLockKey("consent.asked", id[:], []byte(school)))); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		_, _, err := h.Create(context.Background(), pg.All(), h.enrolmentRequest(f, ""))
		first <- err
	}()
	h.waitForLock()
	if _, _, err := h.Create(t.Context(), pg.All(), h.enrolmentRequest(f, "")); pg.Refused(err) != pg.CodeBusy {
		t.Errorf("the same key meanwhile: %v", err)
	}
	if err := block.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	// Whoever read before and writes after is given the first request.
	late := between{func() { must(h.Status(t.Context(), pg.All(), school, h.ask(f, "late")))(t) }}
	if _, created, err := h.Create(t.Context(), late, h.enrolmentRequest(f, "late")); err != nil || created {
		t.Errorf("late: created %v, %v", created, err)
	}
}
