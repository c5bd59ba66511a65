package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// TestG1_Pipeline: whatever goes wrong in a pipeline, alone or in a transaction, none of it is stored, and the error says
// what it was.
func TestG1_Pipeline(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		batch func() *pgx.Batch
		check func(error) bool
	}{
		"refused by a later statement": {
			func() *pgx.Batch { return batch(sqlInsert, args{1, "a"}, sqlRequire, args{false, "not_yet"}) },
			func(err error) bool { return pg.Refused(err) == "not_yet" },
		},
		"refused by an unknown condition": {
			func() *pgx.Batch { return batch(sqlRequire, args{nil, "unsure"}, sqlInsert, args{1, "a"}) },
			func(err error) bool { return pg.Refused(err) == "unsure" },
		},
		"duplicate": {
			func() *pgx.Batch { return batch(sqlInsert, args{1, "a"}, sqlInsert, args{1, "b"}) },
			func(err error) bool {
				var d *pg.Duplicate
				return errors.As(err, &d) && d.Constraint == "entries_key"
			},
		},
		"check": {
			func() *pgx.Batch { return batch(sqlInsert, args{1, "a"}, sqlInsert, args{2, strings.Repeat("x", 30)}) },
			func(err error) bool { return sqlState(err) == pgerrcode.CheckViolation },
		},
		"no such table": {
			func() *pgx.Batch { return batch(sqlInsert, args{1, "a"}, `insert into nothing values ($1)`, args{1}) },
			func(err error) bool { return sqlState(err) == pgerrcode.UndefinedTable },
		},
		"argument of a wrong type": {
			func() *pgx.Batch { return batch(sqlInsert, args{1, "a"}, sqlInsert, args{"no number", "b"}) },
			func(err error) bool { return err != nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			conn, err := db.Pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			for where, run := range map[string]func() error{
				"pool": func() error { return pg.Pipeline(t.Context(), db.Pool, test.batch()) },
				"conn": func() error { return pg.Pipeline(t.Context(), conn, test.batch()) },
				"pgx":  func() error { return pg.Pipeline(t.Context(), conn.Conn(), test.batch()) },
				"tx": func() error {
					return pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error { return pg.Pipeline(t.Context(), tx, test.batch()) })
				},
			} {
				for range 2 { // the second time with statements that are prepared already
					err := run()
					if !test.check(err) {
						t.Errorf("%s: err = %v", where, err)
					}
					if errors.Is(err, pg.ErrOutcomeUnknown) {
						t.Errorf("%s: %v, but PostgreSQL said no", where, err)
					}
					wantKeys(t, db.Pool)
				}
			}
		})
	}
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestG1_CommitError: a constraint that is checked at commit is an error like any other, not a success.
func TestG1_CommitError(t *testing.T) {
	t.Parallel()
	twins := func() *pgx.Batch { return batch(sqlTwin, args{1}, sqlTwin, args{2}) }
	for name, run := range map[string]func(context.Context, *pgxpool.Pool) error{
		"pipeline": func(ctx context.Context, pool *pgxpool.Pool) error { return pg.Pipeline(ctx, pool, twins()) },
		"transaction": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pg.InTx(ctx, pool, func(tx pgx.Tx) error { return pg.Pipeline(ctx, tx, twins()) })
		},
		"exchange": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pg.Exchange(ctx, pool,
				func(b *pgx.Batch) error { b.Queue(sqlTwin, 1); return nil },
				func(b *pgx.Batch) error { b.Queue(sqlTwin, 2); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			var d *pg.Duplicate
			if err := run(t.Context(), db.Pool); !errors.As(err, &d) || d.Constraint != "entries_twin" || errors.Is(err, pg.ErrOutcomeUnknown) {
				t.Errorf("err = %v, want a duplicate of entries_twin", err)
			}
			wantKeys(t, db.Pool)
		})
	}
}

// TestPipelineCallbacks: callbacks read in order; their own error is returned but undoes nothing, and PostgreSQL's goes
// before theirs.
func TestPipelineCallbacks(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	var got []string
	b := &pgx.Batch{}
	b.Queue(sqlInsert, 1, "a").Exec(func(tag pgconn.CommandTag) error {
		got = append(got, tag.String())
		return nil
	})
	b.Queue(sqlWhat, 1).QueryRow(func(row pgx.Row) error {
		var what string
		defer func() { got = append(got, what) }()
		return row.Scan(&what)
	})
	b.Queue(sqlKeys).Query(func(rows pgx.Rows) error {
		keys, err := pgx.CollectRows(rows, pgx.RowTo[int])
		got = append(got, fmt.Sprint(keys))
		return err
	})
	if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil {
		t.Fatal(err)
	}
	if want := "[INSERT 0 1 a [1]]"; fmt.Sprint(got) != want {
		t.Errorf("callbacks saw %v, want %v", got, want)
	}

	absent := func(b *pgx.Batch) {
		b.Queue(sqlWhat, 99).QueryRow(func(row pgx.Row) error {
			var what string
			return row.Scan(&what)
		})
	}
	b = &pgx.Batch{}
	absent(b)
	b.Queue(sqlInsert, 2, "b").Exec(func(pgconn.CommandTag) error {
		t.Error("a callback ran after one that failed")
		return nil
	})
	if err := pg.Pipeline(t.Context(), db.Pool, b); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("err = %v, want %v", err, pgx.ErrNoRows)
	}
	wantKeys(t, db.Pool, 1, 2)

	b = &pgx.Batch{}
	absent(b)
	b.Queue(sqlInsert, 3, "c")
	b.Queue(sqlRequire, false, "no")
	if err := pg.Pipeline(t.Context(), db.Pool, b); pg.Refused(err) != "no" {
		t.Errorf("err = %v, want the refusal", err)
	}
	wantKeys(t, db.Pool, 1, 2)

	b = &pgx.Batch{}
	b.Queue(sqlInsert, 4, "no number")
	b.Queue(sqlWhat, 4).QueryRow(func(row pgx.Row) error {
		var n int
		return row.Scan(&n)
	})
	if err := pg.Pipeline(t.Context(), db.Pool, b); err == nil || errors.Is(err, pg.ErrOutcomeUnknown) || pg.Transient(err) {
		t.Errorf("unreadable: err = %v, want a certain one", err)
	}
	wantKeys(t, db.Pool, 1, 2, 4)

	if err := pg.Pipeline(t.Context(), db.Pool, &pgx.Batch{}); err != nil {
		t.Errorf("empty batch: %v", err)
	}
}

// TestRefusalKeepsStatements: a refusal does not make the connection forget what it has prepared.
func TestRefusalKeepsStatements(t *testing.T) {
	t.Parallel()
	pool := newDB(t).Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1})
	prepared := func() (at string) {
		if err := pool.QueryRow(t.Context(), `select max(prepare_time)::text from pg_prepared_statements where statement like '%vidan_require%'`).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	refuse := func() {
		if err := pg.Pipeline(t.Context(), pool, batch(sqlRequire, args{false, "no"}, sqlInsert, args{1, "a"})); pg.Refused(err) != "no" {
			t.Fatal(err)
		}
	}
	refuse()
	first := prepared()
	refuse()
	if again := prepared(); again != first {
		t.Error("prepared again after a refusal")
	}
}

// TestStalePlan: after a migration changed what a statement returns, a connection fails once and then works again.
func TestStalePlan(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	pool := db.Open(t, pg.Config{MaxConns: 1})
	read := func() error { return pg.Pipeline(t.Context(), pool, batch(sqlWhat, args{1})) }
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Owner(t).Exec(t.Context(), `alter table entries alter what type varchar(30)`); err != nil {
		t.Fatal(err)
	}
	if err := read(); !pg.Transient(err) {
		t.Errorf("err = %v, want a transient one", err)
	}
	if err := read(); err != nil {
		t.Errorf("next attempt: %v", err)
	}
}

// TestTryLock: of a hundred at once that want one key, those that run while it is held are refused at once, and nothing
// of theirs is stored.
func TestTryLock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	key := pg.NewLockKey("test", []byte("one"))
	var done, busy atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			b := &pgx.Batch{}
			pg.TryLock(b, key)
			b.Queue(sqlOnce, 1, "a")
			switch err := pg.Pipeline(t.Context(), db.Pool, b); {
			case err == nil:
				done.Add(1)
			case pg.Refused(err) == pg.CodeBusy:
				busy.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() == 0 || done.Load()+busy.Load() != 100 {
		t.Errorf("%d done, %d busy", done.Load(), busy.Load())
	}
	wantKeys(t, db.Pool, 1)

	err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
		held := &pgx.Batch{}
		pg.TryLock(held, key)
		if err := pg.Pipeline(t.Context(), tx, held); err != nil {
			return err
		}
		for name, want := range map[string]string{"one": pg.CodeBusy, "two": ""} {
			b := &pgx.Batch{}
			pg.TryLock(b, pg.NewLockKey("test", []byte(name)))
			if err := pg.Pipeline(t.Context(), db.Pool, b); pg.Refused(err) != want {
				t.Errorf("key %s while one is held: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLockKey: different names give different keys, however their parts are cut.
func TestLockKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.Byte(), 0, 3)
		a, b := rapid.SliceOfN(part, 0, 3).Draw(t, "a"), rapid.SliceOfN(part, 0, 3).Draw(t, "b")
		same := fmt.Sprintf("%x", a) == fmt.Sprintf("%x", b) && len(a) == len(b)
		if (pg.NewLockKey("s", a...) == pg.NewLockKey("s", b...)) != same {
			t.Errorf("%x and %x", a, b)
		}
		if pg.NewLockKey("s", a...) == pg.NewLockKey("t", a...) {
			t.Error("the space does not count")
		}
	})
}

func BenchmarkPipeline(b *testing.B) {
	db := newDB(b)
	for name, ok := range map[string]bool{"done": true, "refused": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := pg.Pipeline(b.Context(), db.Pool, batch(sqlRequire, args{ok, "no"}, sqlWhat, args{1}, sqlOnce, args{1, "a"}))
				if (err == nil) != ok {
					b.Fatal(err)
				}
			}
		})
	}
}
