package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// TestT10_NoTaskIsLost lets 8 writers commit and roll back as fast as they can while two relays work: what was
// committed runs, what was rolled back does not (D1), and nothing runs twice without a crash.
func TestT10_NoTaskIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(b.relay(nil))
	b.start(b.relay(nil))
	const writers, each = 8, 250
	var committed, undone sync.Map
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				one := task("work")
				err := pg.InTx(t.Context(), b.Pool, func(tx pgx.Tx) error {
					batch := new(pgx.Batch)
					delivery.Queue(batch, one, b.now())
					if err := tx.SendBatch(t.Context(), batch).Close(); err != nil {
						return err
					}
					if (w+i)%5 == 0 {
						return errUndo
					}
					return nil
				})
				switch {
				case errors.Is(err, errUndo):
					undone.Store(one.ID, true)
				case err != nil:
					return err
				default:
					committed.Store(one.ID, true)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for range writers * each * 4 / 5 {
		b.wait()
	}
	committed.Range(func(id, _ any) bool {
		if n := b.count(id.(identity.ObjectID)); n != 1 {
			t.Errorf("committed task %s ran %d times", id, n)
		}
		return true
	})
	undone.Range(func(id, _ any) bool {
		if n := b.count(id.(identity.ObjectID)); n != 0 {
			t.Errorf("undone task %s ran %d times", id, n)
		}
		return true
	})
	if n := value[int](b, `select count(*) from outbox`); n != 0 {
		t.Errorf("%d rows are left in the outbox", n)
	}
}

var errUndo = errors.New("undo")

// TestP5_PoisonStopsNoOther puts tasks that fail, panic and have no handler before good ones.
func TestP5_PoisonStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"started", "drained"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var logged strings.Builder
			var mu sync.Mutex
			r := b.relay(func(c *delivery.Config) {
				c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &logged}, nil))
				c.Handlers["poison"] = func(context.Context, delivery.Task) error { return errors.New("poison") }
				c.Handlers["panic"] = func(context.Context, delivery.Task) error { panic("Trần Văn An 099215000123") }
			})
			bad := []delivery.Task{task("poison"), task("panic"), task("unheard.of")}
			good := []delivery.Task{task("work"), task("work"), task("work")}
			b.queue(bad...)
			b.queue(good...)
			switch how {
			case "started":
				b.start(r)
			case "drained":
				err := r.Drain(t.Context())
				if !errors.Is(err, delivery.ErrUnknownKind) || !errors.Is(err, delivery.ErrPanic) || !strings.Contains(err.Error(), "poison") {
					t.Errorf("drain: %v, want all three failures", err)
				}
			}
			for range good {
				b.wait()
			}
			for _, one := range good {
				if n := b.count(one.ID); n != 1 {
					t.Errorf("good task ran %d times", n)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(logged.String(), "099215000123") || strings.Contains(logged.String(), "Trần") {
				t.Errorf("the log repeats what a handler panicked with:\n%s", logged.String())
			}
		})
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestD3_FailingTaskComesBack fails a task twice and finds its attempts counted, its arguments whole and its success
// final.
func TestD3_FailingTaskComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var tries atomic.Int32
	r := b.relay(func(c *delivery.Config) {
		c.Handlers["flaky"] = func(ctx context.Context, one delivery.Task) error {
			if int(tries.Add(1)) <= 2 {
				return errors.New("not yet")
			}
			return b.remember(ctx, one)
		}
	})
	one := task("flaky")
	one.Organisation = "commune-a"
	b.queue(one)
	for try := range 2 {
		if err := r.Drain(t.Context()); err == nil {
			t.Fatalf("try %d: no failure reported", try)
		}
		if got := value[int](b, `select attempts from outbox`); got != try+1 {
			t.Fatalf("%d attempts counted after try %d", got, try+1)
		}
		if err := r.Drain(t.Context()); err != nil {
			t.Fatalf("it came back before its time: %v", err)
		}
		b.advance(time.Minute)
	}
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := b.wait()
	if got.ID != one.ID || got.Vault != one.Vault || got.Organisation != one.Organisation || got.Attempts != 2 {
		t.Errorf("came back as %+v", got)
	}
	var want, have map[string]string
	if err := errors.Join(json.Unmarshal(one.Args, &want), json.Unmarshal(got.Args, &have)); err != nil || have["relation_id"] != want["relation_id"] {
		t.Errorf("arguments came back as %s: %v", got.Args, err)
	}
	if n := value[int](b, `select count(*) from outbox`); n != 0 {
		t.Error("the task is still there")
	}
}

// TestD3_RetryByRiver lets River retry: the second attempt follows about a second after the first.
func TestD3_RetryByRiver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var tries atomic.Int32
	b.start(b.relay(func(c *delivery.Config) {
		c.Handlers["flaky"] = func(ctx context.Context, one delivery.Task) error {
			if tries.Add(1) == 1 {
				return errors.New("not yet")
			}
			return b.remember(ctx, one)
		}
	}))
	one := task("flaky")
	b.queue(one)
	if got := b.wait(); got.ID != one.ID || got.Attempts != 1 {
		t.Errorf("came back as %+v", got)
	}
}

// TestSnoozeIsNoFailure lets a task say that it is not due.
func TestSnoozeIsNoFailure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var calls atomic.Int32
	r := b.relay(func(c *delivery.Config) {
		c.Handlers["later"] = func(ctx context.Context, one delivery.Task) error {
			if calls.Add(1) == 1 {
				return delivery.Snooze(time.Hour)
			}
			return b.remember(ctx, one)
		}
	})
	b.queue(task("later"))
	if err := r.Drain(t.Context()); err != nil {
		t.Fatalf("snoozing counts as failing: %v", err)
	}
	b.advance(59 * time.Minute)
	if err := r.Drain(t.Context()); err != nil || calls.Load() != 1 {
		t.Fatalf("woken early: %v", err)
	}
	b.advance(2 * time.Minute)
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.wait(); got.Attempts != 0 {
		t.Errorf("%d attempts counted", got.Attempts)
	}
}

// TestD7_DueByTheCallersClock queues work for next week and moves the clock there.
func TestD7_DueByTheCallersClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(nil)
	next := task("work")
	next.NotBefore = b.now().AddDate(0, 0, 7)
	b.queue(next, task("work"))
	if err := r.Drain(t.Context()); err != nil || b.distinct() != 1 {
		t.Fatalf("%d tasks ran, want the one that is due: %v", b.distinct(), err)
	}
	b.advance(7 * 24 * time.Hour)
	b.start(r)
	for range 2 {
		b.wait()
	}
	if b.count(next.ID) != 1 {
		t.Error("next week's task did not run")
	}
}

// TestStartOnceStopTwice walks through the life of a relay.
func TestStartOnceStopTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	r := b.relay(func(c *delivery.Config) {
		c.Handlers["slow"] = func(ctx context.Context, one delivery.Task) error {
			close(entered)
			<-leave
			return b.remember(ctx, one)
		}
	})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); !errors.Is(err, delivery.ErrStarted) {
		t.Errorf("second start: %v, want ErrStarted", err)
	}
	one := task("slow")
	b.queue(one)
	<-entered
	var leaving atomic.Bool
	var g errgroup.Group
	for range 2 {
		g.Go(func() error {
			err := r.Stop(context.Background())
			if !leaving.Load() {
				return errors.New("stop did not wait for the handler")
			}
			return err
		})
	}
	leaving.Store(true)
	close(leave)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if b.count(one.ID) != 1 {
		t.Error("the handler at work was not finished")
	}
	if err := r.Start(t.Context()); !errors.Is(err, delivery.ErrStarted) {
		t.Errorf("start after stop: %v, want ErrStarted", err)
	}
	never := b.relay(nil)
	if err := errors.Join(never.Stop(t.Context()), never.Stop(t.Context())); err != nil {
		t.Errorf("stop before start: %v", err)
	}
	if err := never.Start(t.Context()); !errors.Is(err, delivery.ErrStarted) {
		t.Errorf("start after stop: %v, want ErrStarted", err)
	}
}

// TestA5_StopInTimeLosesNothing stops while a handler hangs: it is told to leave, and the next process does its task.
func TestA5_StopInTimeLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered := make(chan struct{})
	hanging := b.relay(func(c *delivery.Config) {
		c.Handlers["hang"] = func(ctx context.Context, _ delivery.Task) error {
			close(entered)
			<-ctx.Done()
			return ctx.Err()
		}
	})
	if err := hanging.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	one := task("hang")
	b.queue(one)
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := hanging.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v, want the deadline", err)
	}
	b.start(b.relay(func(c *delivery.Config) { c.Handlers["hang"] = b.remember }))
	if got := b.wait(); got.ID != one.ID {
		t.Errorf("got %s", got.ID)
	}
}

// TestD6_OneJobForEachTask hands over from ten relays at once.
func TestD6_OneJobForEachTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var tasks []delivery.Task
	for range 300 {
		tasks = append(tasks, task("work"))
	}
	b.queue(tasks...)
	for range 10 {
		b.start(b.relay(func(c *delivery.Config) { c.Batch, c.Workers = 50, 1 }))
	}
	for range tasks {
		b.wait()
	}
	if n := value[int](b, `select count(*) from river.river_job`); n != len(tasks) {
		t.Errorf("%d jobs for %d tasks", n, len(tasks))
	}
	for _, one := range tasks {
		if n := b.count(one.ID); n != 1 {
			t.Errorf("a task ran %d times", n)
		}
	}
}

// TestDrainTakesWhatRiverHas hands tasks to River with a relay that is then stopped, and drains with another.
func TestDrainTakesWhatRiverHas(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.relay(func(c *delivery.Config) {
		c.Handlers["work"] = func(context.Context, delivery.Task) error { return errors.New("not here") }
	})
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tasks []delivery.Task
	for range 20 {
		tasks = append(tasks, task("work"))
	}
	b.queue(tasks...)
	for value[int](b, `select count(*) from river.river_job where state in ('retryable', 'available') and attempt > 0`) < len(tasks) {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Hour)
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, one := range tasks {
		if n := b.count(one.ID); n != 1 {
			t.Errorf("a task ran %d times", n)
		}
	}
	if got := b.wait(); got.Attempts < 1 {
		t.Errorf("%d attempts remembered, want River's", got.Attempts)
	}
}

// TestDrainBesideARunningRelay drains again and again while relays work: each drain returns only when everything queued
// before is done.
func TestDrainBesideARunningRelay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(nil)
	b.start(r)
	b.start(b.relay(nil))
	for range 20 {
		one, two := task("work"), task("work")
		b.queue(one, two)
		if err := r.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []identity.ObjectID{one.ID, two.ID} {
			for b.count(id) == 0 { // in the hands of the other relay, which this process does not wait for
				<-b.ran
			}
			if b.count(id) != 1 {
				t.Fatal("ran twice")
			}
		}
	}
}

// TestDrainsSideBySide drains from 3 goroutines: every task runs once, and every drain returns with nothing due.
func TestDrainsSideBySide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var tasks []delivery.Task
	for range 100 {
		tasks = append(tasks, task("chain"))
	}
	b.queue(tasks...)
	var g errgroup.Group
	for range 3 { // each drain holds a connection and its handler another
		g.Go(func() error {
			r := b.relay(func(c *delivery.Config) {
				c.Handlers["chain"] = func(ctx context.Context, one delivery.Task) error {
					batch := new(pgx.Batch)
					delivery.Queue(batch, delivery.Task{ID: identity.FromBytes[identity.ObjectID](flip(one.ID)), Kind: "work"}, b.now())
					if err := pg.Pipeline(ctx, b.Pool, batch); err != nil {
						return err
					}
					return b.remember(ctx, one)
				}
			})
			if err := r.Drain(t.Context()); err != nil {
				return err
			}
			if b.distinct() != 2*len(tasks) {
				return errors.New("a drain returned before everything was done")
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, one := range tasks {
		if b.count(one.ID) != 1 {
			t.Error("a task did not run once")
		}
	}
}

// flip makes another id of an id, always the same.
func flip(id identity.ObjectID) [16]byte {
	raw := id.Bytes()
	raw[15] ^= 0xff
	return raw
}

// TestPollOnly works without LISTEN.
func TestPollOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(b.relay(func(c *delivery.Config) { c.PollOnly = true }))
	b.queue(task("work"))
	b.wait()
}

// TestBacklogAndAge counts what waits, where, and for how long.
func TestBacklogAndAge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(func(c *delivery.Config) {
		c.Handlers["poison"] = func(context.Context, delivery.Task) error { return errors.New("poison") }
	})
	if age, err := delivery.OutboxAge(t.Context(), b.Pool, b.now()); err != nil || age != 0 {
		t.Errorf("empty outbox: %v, %v", age, err)
	}
	later := task("work")
	later.NotBefore = b.now().Add(10 * time.Hour)
	b.queue(task("poison"), later)
	b.advance(time.Hour)
	if age, err := delivery.OutboxAge(t.Context(), b.Pool, b.now()); err != nil || age < time.Hour || age > 61*time.Minute {
		t.Errorf("age %v, want an hour: %v", age, err)
	}
	for range 5 {
		if err := r.Drain(t.Context()); err == nil {
			t.Fatal("poison went through")
		}
		b.advance(time.Minute)
	}
	got, err := delivery.Count(t.Context(), b.Pool, b.now())
	if err != nil {
		t.Fatal(err)
	}
	if want := (delivery.Backlog{Due: 1, Later: 1, Failing: 1}); got != want {
		t.Errorf("backlog %+v, want %+v", got, want)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := func() delivery.Config {
		return delivery.Config{Now: b.now, Logger: slog.New(slog.DiscardHandler)}
	}
	if _, err := delivery.New(nil, good()); !errors.Is(err, delivery.ErrConfig) {
		t.Errorf("without a pool: %v", err)
	}
	for name, spoil := range map[string]func(*delivery.Config){
		"clock":       func(c *delivery.Config) { c.Now = nil },
		"logger":      func(c *delivery.Config) { c.Logger = nil },
		"nil handler": func(c *delivery.Config) { c.Handlers = map[string]delivery.Handler{"a": nil} },
		"event":       func(c *delivery.Config) { c.Handlers = map[string]delivery.Handler{"event": b.remember} },
		"workers":     func(c *delivery.Config) { c.Workers = -1 },
	} {
		c := good()
		spoil(&c)
		if _, err := delivery.New(b.Pool, c); !errors.Is(err, delivery.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
}
