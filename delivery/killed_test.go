package delivery_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/delivery"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// The test binary becomes another process when dieVariable names a database: one that is killed the moment its
// handler's effect has committed. dieHow says what it was doing.
const (
	dieVariable = "VIDAN_TEST_DIE"
	dieHow      = "VIDAN_TEST_DIE_HOW"
)

// sqlEffect is the effect of the tests' tasks: as for every handler, a unique key makes the second time change nothing.
const sqlEffect = `insert into sandbox_messages (message_id, at, channel, address, template, body_vi, body_en)
  values ($1, $2, 'sms', '', '', '', '') on conflict (message_id) do nothing`

// effect returns a handler with that effect and then does what follows.
func effect(pool *pgxpool.Pool, after func()) delivery.Handler {
	return func(ctx context.Context, t delivery.Task) error {
		if _, err := pool.Exec(ctx, sqlEffect, t.ID, time.Now()); err != nil {
			return err
		}
		after()
		return nil
	}
}

// die is the other process; it does not return.
func die(dsn string) {
	ctx := context.Background()
	pool, err := pg.Open(ctx, dsn, pg.Config{Role: pgtest.Serve})
	if err != nil {
		panic(err)
	}
	r, err := delivery.New(pool, delivery.Config{
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
		Handlers: map[string]delivery.Handler{"work": effect(pool, func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		})},
	})
	if err != nil {
		panic(err)
	}
	if os.Getenv(dieHow) == "drain" {
		panic(r.Drain(ctx))
	}
	if err := r.Start(ctx); err != nil {
		panic(err)
	}
	select {}
}

// TestFault18_KilledBetweenEffectAndCompletion kills a process after the effect and before the task was marked as done:
// the task runs again, in another process, and the effect is there once.
func TestFault18_KilledBetweenEffectAndCompletion(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"drain", "work"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			one := task("work")
			b.queue(one)
			b.kill(how)
			if n := value[int](b, `select count(*) from sandbox_messages where message_id = $1`, one.ID); n != 1 {
				t.Fatalf("the process died before its effect")
			}
			switch how {
			case "drain":
				if n := value[int](b, `select count(*) from outbox`); n != 1 {
					t.Fatalf("%d rows in the outbox, want the task", n)
				}
			case "work":
				// The job is running in a process that is no more: let the time pass after which it is anybody's.
				owner := b.db.Owner(t)
				for _, sql := range []string{
					`update river.river_job set attempted_at = attempted_at - interval '1 hour' where state = 'running'`,
					`delete from river.river_leader`,
				} {
					if tag, err := owner.Exec(t.Context(), sql); err != nil || tag.RowsAffected() != 1 {
						t.Fatalf("%s: %v, %v", sql, tag, err)
					}
				}
			}
			again := b.relay(func(c *delivery.Config) {
				c.Handlers["work"] = effect(b.Pool, func() { b.ran <- one })
				delivery.Impatient(c)
			})
			if how == "drain" {
				if err := again.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				b.start(again)
			}
			b.wait()
			if n := value[int](b, `select count(*) from sandbox_messages`); n != 1 {
				t.Errorf("the effect is there %d times", n)
			}
		})
	}
}

// kill runs the other process until it is dead.
func (b *bundle) kill(how string) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.tb.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), dieVariable+"="+b.db.DSN(""), dieHow+"="+how)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || ctx.Err() != nil {
		b.tb.Fatalf("the process ended with %v, want to be killed by itself\n%s", err, out)
	}
}
