package pg_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

func TestInTx(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	insert := func(key int, then error) error {
		return pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), sqlInsert, key, "a"); err != nil {
				return err
			}
			return then
		})
	}
	if err := insert(1, nil); err != nil {
		t.Fatal(err)
	}
	why := errors.New("changed my mind")
	if err := insert(2, why); err != why {
		t.Errorf("err = %v, want it unchanged", err)
	}
	var d *pg.Duplicate
	if err := insert(1, nil); !errors.As(err, &d) {
		t.Errorf("err = %v, want a duplicate", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), sqlInsert, 3, "a"); err != nil {
				t.Error(err)
			}
			panic("in the middle")
		})
	}()
	var level string
	err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select 1/0 where $1`, true)
		if err == nil {
			t.Error("no error")
		}
		return nil // swallowed: the transaction is broken all the same
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pg.ErrOutcomeUnknown) {
		t.Errorf("err = %v, want %v", err, pgx.ErrTxCommitRollback)
	}
	if err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select current_setting('transaction_isolation')`).Scan(&level)
	}); err != nil || level != "read committed" {
		t.Errorf("level %q, %v", level, err)
	}
	wantKeys(t, db.Pool, 1)
	if n := db.Pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections not given back", n)
	}
}

// TestInTxKeepsConnection: a caller that goes away in the middle costs no connection.
func TestInTxKeepsConnection(t *testing.T) {
	t.Parallel()
	pool := newDB(t).Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1})
	backend := func() (pid int) {
		if err := pool.QueryRow(t.Context(), `select pg_backend_pid()`).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	before := backend()
	ctx, cancel := context.WithCancel(t.Context())
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlInsert, 1, "a"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, pg.ErrOutcomeUnknown) || pg.Transient(err) {
		t.Errorf("err = %v, want a certain cancellation", err)
	}
	wantKeys(t, pool)
	if after := backend(); after != before {
		t.Error("a new connection was made")
	}
}

// TestExchange: answer decides by what ask read, in one transaction of two round trips.
func TestExchange(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	refused := errors.New("there already")
	add := func(ctx context.Context, pool *pgxpool.Pool, key int) error {
		var found bool
		return pg.Exchange(ctx, pool,
			func(b *pgx.Batch) error {
				b.Queue(`select pg_advisory_xact_lock($1)`, 7)
				b.Queue(`select exists (select from entries where key = $1)`, key).QueryRow(func(row pgx.Row) error { return row.Scan(&found) })
				return nil
			},
			func(b *pgx.Batch) error {
				if found {
					return refused
				}
				b.Queue(sqlInsert, key, "a")
				return nil
			})
	}
	var wg sync.WaitGroup
	results := make([]error, 100)
	for i := range results {
		wg.Go(func() { results[i] = add(t.Context(), db.Pool, 1) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, refused):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d winners of 100, want 1", won)
	}
	wantKeys(t, db.Pool, 1)

	for name, parts := range map[string][2]func(*pgx.Batch) error{
		"ask fails":      {func(b *pgx.Batch) error { b.Queue(sqlInsert, 2, "a"); return refused }, nil},
		"refused in ask": {func(b *pgx.Batch) error { b.Queue(sqlInsert, 2, "a"); b.Queue(sqlRequire, false, "no"); return nil }, nil},
		"callback of ask": {func(b *pgx.Batch) error {
			b.Queue(sqlInsert, 2, "a")
			b.Queue(sqlWhat, 9).QueryRow(scanNothing)
			return nil
		}, nil},
		"answer fails":        {func(b *pgx.Batch) error { b.Queue(sqlInsert, 2, "a"); return nil }, func(*pgx.Batch) error { return refused }},
		"refused in answer":   {func(b *pgx.Batch) error { b.Queue(sqlInsert, 2, "a"); return nil }, func(b *pgx.Batch) error { b.Queue(sqlRequire, false, "no"); return nil }},
		"duplicate in answer": {func(b *pgx.Batch) error { b.Queue(sqlInsert, 2, "a"); return nil }, func(b *pgx.Batch) error { b.Queue(sqlInsert, 1, "a"); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			answer := parts[1]
			if answer == nil {
				answer = func(*pgx.Batch) error { t.Error("asked for an answer"); return nil }
			}
			err := pg.Exchange(t.Context(), db.Pool, parts[0], answer)
			if err == nil || errors.Is(err, pg.ErrOutcomeUnknown) {
				t.Errorf("err = %v", err)
			}
			wantKeys(t, db.Pool, 1)
		})
	}
	if n := db.Pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections not given back", n)
	}
}

func scanNothing(row pgx.Row) error {
	var what string
	return row.Scan(&what)
}

// TestG2_EveryFault: wherever the connection breaks, the operation is stored at most once, ErrOutcomeUnknown is said
// where and only where it may have been, and the next attempt ends with one record.
func TestG2_EveryFault(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]func(context.Context, *pgxpool.Pool) error{
		"pipeline": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pg.Pipeline(ctx, pool, batch(sqlOnce, args{1, "a"}, sqlWhat, args{1}))
		},
		"transaction": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, sqlOnce, 1, "a")
				return err
			})
		},
		"exchange": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pg.Exchange(ctx, pool,
				func(b *pgx.Batch) error { b.Queue(sqlWhat, 1); return nil },
				func(b *pgx.Batch) error { b.Queue(sqlOnce, 1, "a"); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.EveryFaultFrom(t, schema(), func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				err := op(t.Context(), faulty)
				var stored int
				if err := db.Pool.QueryRow(t.Context(), `select count(*) from entries`).Scan(&stored); err != nil {
					t.Fatal(err)
				}
				switch {
				case err == nil && stored != 1:
					t.Errorf("no error and %d stored", stored)
				case err != nil && stored == 1 && !errors.Is(err, pg.ErrOutcomeUnknown):
					t.Errorf("stored, but err = %v", err)
				case err != nil && !pg.Transient(err):
					t.Errorf("a lost connection is not transient: %v", err)
				}
				if err := op(t.Context(), db.Pool); err != nil {
					t.Error(err)
				}
				wantKeys(t, db.Pool, 1)
			})
		})
	}
	t.Run("only at the commit", func(t *testing.T) {
		t.Parallel()
		db := newDB(t)
		err := pg.InTx(t.Context(), db.FailOn(t, pgtest.FailAfter, "into entries"), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sqlInsert, 1, "a")
			return err
		})
		if err == nil || errors.Is(err, pg.ErrOutcomeUnknown) {
			t.Errorf("err = %v, want one that is certain", err)
		}
	})
}

// TestG2_StandbyDoesNotConfirm: a commit that waits for a standby in vain ends as an unknown outcome, whether we give
// up (G3) or the wait is cut short on the server, which calls it a success with a warning (T7).
func TestG2_StandbyDoesNotConfirm(t *testing.T) {
	t.Parallel()
	server := pgtest.Private(t)
	ctx := t.Context()
	open := func(c pg.Config) *pgxpool.Pool {
		pool, err := pg.Open(ctx, server.DSN("", ""), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	other := open(pg.Config{})
	for _, sql := range []string{
		`create table entries (key int, what text)`,
		`alter system set synchronous_standby_names = 'elsewhere'`,
		`select pg_reload_conf()`,
	} {
		if _, err := other.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	ops := map[string]func(*pgxpool.Pool, int) error{
		"pipeline": func(pool *pgxpool.Pool, key int) error {
			return pg.Pipeline(ctx, pool, batch(sqlInsert, args{key, "a"}))
		},
		"transaction": func(pool *pgxpool.Pool, key int) error {
			return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, sqlInsert, key, "a")
				return err
			})
		},
		"exchange": func(pool *pgxpool.Pool, key int) error {
			return pg.Exchange(ctx, pool, func(*pgx.Batch) error { return nil }, func(b *pgx.Batch) error { b.Queue(sqlInsert, key, "a"); return nil })
		},
	}
	const sqlCancel = `select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'`
	for name, op := range ops {
		pool := open(pg.Config{MaxConns: 1})
		for names := ""; names == ""; { // until the session has read the new configuration
			if err := pool.QueryRow(ctx, `select current_setting('synchronous_standby_names')`).Scan(&names); err != nil {
				t.Fatal(err)
			}
		}
		answer := make(chan error, 1)
		go func() { answer <- op(pool, 1) }()
		for cancelled := 0; cancelled == 0; {
			if err := other.QueryRow(ctx, sqlCancel).Scan(&cancelled); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-answer; !errors.Is(err, pg.ErrOutcomeUnknown) {
			t.Errorf("%s, cancelled: err = %v, want unknown", name, err)
		}
		if err := pg.Pipeline(ctx, pool, batch(`select $1::int`, args{1})); err != nil {
			t.Errorf("%s: the next operation on the connection: %v", name, err)
		}
		if err := op(open(pg.Config{AnswerTimeout: 100 * time.Millisecond}), 2); !errors.Is(err, pg.ErrOutcomeUnknown) {
			t.Errorf("%s, given up: err = %v, want unknown", name, err)
		}
	}
	var stored int // of those given up each may be there by now
	if err := other.QueryRow(ctx, `select count(*) from entries where key = 1`).Scan(&stored); err != nil || stored != 3 {
		t.Errorf("%d cancelled commits stored, want 3 (%v)", stored, err)
	}
}

// TestG7_Deadlock: two transactions that lock crosswise both succeed, one of them at a later attempt.
func TestG7_Deadlock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	if err := pg.Pipeline(t.Context(), db.Pool, batch(sqlInsert, args{1, "a"}, sqlInsert, args{2, "b"})); err != nil {
		t.Fatal(err)
	}
	const sqlTouch = `update entries set what = what || 'x' where key = $1`
	var met sync.WaitGroup
	met.Add(2)
	var wg sync.WaitGroup
	attempts := make([]int, 2)
	for i := range attempts {
		wg.Go(func() {
			err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
				attempts[i]++
				if _, err := tx.Exec(t.Context(), sqlTouch, 1+i); err != nil {
					return err
				}
				if attempts[i] == 1 {
					met.Done()
					met.Wait()
				}
				_, err := tx.Exec(t.Context(), sqlTouch, 2-i)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if attempts[0]+attempts[1] < 3 {
		t.Errorf("attempts %v: there was no deadlock", attempts)
	}
	var whats string
	if err := db.Pool.QueryRow(t.Context(), `select string_agg(what, ' ' order by key) from entries`).Scan(&whats); err != nil || whats != "axx bxx" {
		t.Errorf("%q, %v", whats, err)
	}
}

// TestG7_Bounded: a race that is lost every time ends, and other errors are not tried again.
func TestG7_Bounded(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for code, want := range map[string]int{
		pgerrcode.SerializationFailure: 5, pgerrcode.DeadlockDetected: 5,
		pgerrcode.UniqueViolation: 1, pgerrcode.LockNotAvailable: 1, pgerrcode.QueryCanceled: 1,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
				attempts++
				_, err := tx.Exec(t.Context(), `do $$ begin raise exception using errcode = '`+code+`'; end $$`)
				return err
			})
			if err == nil || attempts != want {
				t.Errorf("%d attempts, want %d (%v)", attempts, want, err)
			}
		})
	}
}

func BenchmarkInTx(b *testing.B) {
	db := newDB(b)
	b.ReportAllocs()
	for b.Loop() {
		err := pg.InTx(b.Context(), db.Pool, func(tx pgx.Tx) error {
			return pg.Pipeline(b.Context(), tx, batch(sqlRequire, args{true, "no"}, sqlWhat, args{1}, sqlOnce, args{1, "a"}))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	db := newDB(b)
	b.ReportAllocs()
	for b.Loop() {
		err := pg.Exchange(b.Context(), db.Pool,
			func(q *pgx.Batch) error { q.Queue(sqlWhat, 1); return nil },
			func(q *pgx.Batch) error { q.Queue(sqlOnce, 1, "a"); return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
