package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// TestMain runs the tests, or the part of a process that dies (see killed_test.go).
func TestMain(m *testing.M) {
	if dsn := os.Getenv(dieVariable); dsn != "" {
		die(dsn)
	}
	pgtest.Main(m)
}

// bundle is what most tests stand on: a database of their own, a clock that they move, and a handler that remembers.
type bundle struct {
	*pgxpool.Pool
	db     *pgtest.DB
	tb     testing.TB
	offset atomic.Int64 // of the clock, nanoseconds

	mu   sync.Mutex
	runs map[identity.ObjectID]int // guarded by mu: how often each task reached its handler
	ran  chan delivery.Task        // one for each run; large enough for every test
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	return setupOn(tb, pgtest.New(tb))
}

func setupOn(tb testing.TB, db *pgtest.DB) *bundle {
	tb.Helper()
	return &bundle{Pool: db.Pool, db: db, tb: tb, runs: make(map[identity.ObjectID]int), ran: make(chan delivery.Task, 100_000)}
}

// now is the clock of the bundle: the real one, moved.
func (b *bundle) now() time.Time { return time.Now().Add(time.Duration(b.offset.Load())) }

func (b *bundle) advance(d time.Duration) { b.offset.Add(int64(d)) }

// remember is a handler that always succeeds.
func (b *bundle) remember(_ context.Context, t delivery.Task) error {
	b.mu.Lock()
	b.runs[t.ID]++
	b.mu.Unlock()
	b.ran <- t
	return nil
}

// count returns how often a task ran.
func (b *bundle) count(id identity.ObjectID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs[id]
}

// distinct returns how many tasks ran at least once.
func (b *bundle) distinct() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs)
}

// relay makes a relay whose "work" is remembered; more handlers and settings come from change.
func (b *bundle) relay(change func(*delivery.Config)) *delivery.Relay {
	b.tb.Helper()
	cfg := delivery.Config{
		Handlers: map[string]delivery.Handler{"work": b.remember},
		Now:      b.now,
		Logger:   slog.New(slog.DiscardHandler),
		Poll:     10 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	r, err := delivery.New(b.Pool, cfg)
	if err != nil {
		b.tb.Fatal(err)
	}
	return r
}

// start starts a relay and stops it when the test ends.
func (b *bundle) start(r *delivery.Relay) {
	b.tb.Helper()
	if err := r.Start(b.tb.Context()); err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			b.tb.Errorf("stop: %v", err)
		}
	})
}

// task is a task of the kind, with an id that the test knows.
func task(kind string) delivery.Task {
	id := identity.NewID[identity.ObjectID]()
	return delivery.Task{ID: id, Kind: kind, Vault: identity.NewVaultID(), Args: json.RawMessage(fmt.Sprintf(`{"relation_id":%q}`, id))}
}

// queue commits tasks in one transaction.
func (b *bundle) queue(tasks ...delivery.Task) {
	b.tb.Helper()
	batch := new(pgx.Batch)
	for _, t := range tasks {
		delivery.Queue(batch, t, b.now())
	}
	if err := pg.Pipeline(b.tb.Context(), b.Pool, batch); err != nil {
		b.tb.Fatal(err)
	}
}

// wait returns the next task that ran.
func (b *bundle) wait() delivery.Task {
	b.tb.Helper()
	select {
	case t := <-b.ran:
		return t
	case <-time.After(20 * time.Second):
		b.tb.Fatal("no task ran")
	}
	return delivery.Task{}
}

// value reads one value.
func value[T any](b *bundle, sql string, args ...any) T {
	b.tb.Helper()
	rows, err := b.Query(b.tb.Context(), sql, args...)
	if err != nil {
		b.tb.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		b.tb.Fatal(err)
	}
	return v
}

// open is a guard that lets everybody through.
type open struct{}

func (open) Queue(*pgx.Batch) {}
func (open) Check() error     { return nil }
