package delivery_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/delivery"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// TestD1_QueueingFailsBeforeOrAfter breaks the connection on either side of the commit that queues, and the caller
// tries again under the same id: the task is there once.
func TestD1_QueueingFailsBeforeOrAfter(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		one := task("work")
		queue := func(pool *pgxpool.Pool) error {
			batch := new(pgx.Batch)
			delivery.Queue(batch, one, b.now())
			return pg.Pipeline(t.Context(), pool, batch)
		}
		if first := queue(faulty); first != nil {
			var duplicate *pg.Duplicate
			if again := queue(b.Pool); again != nil && !errors.As(again, &duplicate) {
				t.Fatal(again)
			}
		}
		if err := b.relay(nil).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := b.count(one.ID); n != 1 {
			t.Errorf("the task ran %d times", n)
		}
	})
}

// TestD2_HandOverFailsBeforeOrAfter breaks the connection before and after each round trip in which the outbox is
// handed to River: each task still becomes one job and runs once.
func TestD2_HandOverFailsBeforeOrAfter(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		tasks := []delivery.Task{task("work"), task("work")}
		b.queue(tasks...)
		broken := setupOn(t, db)
		broken.Pool = faulty
		_ = delivery.HandOver(t.Context(), broken.relay(nil))
		good := b.relay(nil)
		if err := delivery.HandOver(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		if n := value[int](b, `select count(*) from river.river_job`); n != len(tasks) {
			t.Errorf("%d jobs for %d tasks", n, len(tasks))
		}
		b.start(good)
		for range tasks {
			b.wait()
		}
		for _, one := range tasks {
			if n := b.count(one.ID); n != 1 {
				t.Errorf("a task ran %d times", n)
			}
		}
	})
}

// TestD2_DrainFailsBeforeOrAfter breaks the connection before and after each round trip of a drain: no task is lost,
// and the effect of one that ran twice is there once.
func TestD2_DrainFailsBeforeOrAfter(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		b.queue(task("effect"), task("poison"))
		withEffect := func(c *delivery.Config) {
			c.Handlers["effect"] = effect(b.Pool, func() {})
			c.Handlers["poison"] = func(context.Context, delivery.Task) error { return errUndo }
		}
		broken := setupOn(t, db)
		broken.Pool = faulty
		_ = broken.relay(withEffect).Drain(t.Context())
		_ = b.relay(withEffect).Drain(t.Context())
		if n := value[int](b, `select count(*) from sandbox_messages`); n != 1 {
			t.Errorf("%d effects, want 1", n)
		}
		if n := value[int](b, `select count(*) from outbox`); n != 1 {
			t.Errorf("%d rows are left, want the one that fails", n)
		}
	})
}
