package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/migrations"
)

func TestMain(m *testing.M) { Main(m) }

// little is a small schema of our own, so that these tests do not depend on the house's.
func little() fs.FS {
	return fstest.MapFS{
		"0001_little.sql": {Data: []byte(`
create table things (id int primary key, what text not null);
create table facts (id int generated always as identity primary key, thing int not null);
`)},
		"roles.sql": {Data: []byte(`
do $$ begin
	if not exists (select from pg_roles where rolname = 'vidan_serve') then create role vidan_serve nologin; end if;
exception when duplicate_object or unique_violation then null;
end $$;
grant select, insert on things, facts to vidan_serve;
`)},
	}
}

func newLittle(t testing.TB) *DB { return NewFrom(t, little()) }

const (
	sqlInsertThing = `insert into things (id, what) values ($1, $2) on conflict (id) do nothing`
	sqlInsertFact  = `insert into facts (thing) values ($1)`
	sqlCount       = `select (select count(*) from things), (select count(*) from facts)`
)

func count(t testing.TB, db interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}) (things, facts int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sqlCount).Scan(&things, &facts); err != nil {
		t.Fatal(err)
	}
	return things, facts
}

// TestD1_OwnDatabase: parallel tests write the same key and each sees only its own, under the service's role.
func TestD1_OwnDatabase(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := newLittle(t)
			if _, err := db.Pool.Exec(t.Context(), sqlInsertThing, 1, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
			var what, role string
			if err := db.Pool.QueryRow(t.Context(), `select what, current_user::text from things`).Scan(&what, &role); err != nil {
				t.Fatal(err)
			}
			if what != fmt.Sprint(i) || role != Serve {
				t.Errorf("%q as %s", what, role)
			}
			if _, err := db.Pool.Exec(t.Context(), `delete from things`); err == nil {
				t.Error("the service may delete")
			}
			if _, err := db.Owner(t).Exec(t.Context(), `delete from things`); err != nil {
				t.Errorf("the owner may not delete: %v", err)
			}
		})
	}
}

// TestD1_HouseSchema: New has the schema of the house.
func TestD1_HouseSchema(t *testing.T) {
	t.Parallel()
	db := New(t)
	var table *string
	if err := db.Pool.QueryRow(t.Context(), `select to_regclass('public.vaults')::text`).Scan(&table); err != nil || table == nil {
		t.Errorf("vaults: %v %v", table, err)
	}
}

// TestD2_Dropped: a database is gone soon after its test, even if connections were open.
func TestD2_Dropped(t *testing.T) {
	t.Parallel()
	var name string
	var c *cluster
	t.Run("user", func(t *testing.T) {
		db := newLittle(t)
		name, c = db.Name, db.cluster
		stray, err := pgx.Connect(t.Context(), db.DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stray.Close(context.Background()) })
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for exists := true; exists; {
		if err := c.admin.QueryRow(ctx, sqlExists, name).Scan(&exists); err != nil {
			t.Fatalf("still there: %v", err)
		}
	}
}

// TestD2_Sweep: the databases of a run that is dead are dropped, those of one that lives are not.
func TestD2_Sweep(t *testing.T) {
	t.Parallel()
	c := join(t)
	ctx := t.Context()
	dead, alive := clonePrefix+"dead0000_1", clonePrefix+"a11fe000_1"
	for _, name := range []string{dead, alive} {
		if err := c.copy(ctx, "template0", name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.dropNow(context.Background(), name) })
	}
	conn, err := c.admin.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, sqlHold, runKey("a11fe000")); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(context.Background(), sqlRelease, runKey("a11fe000"))
	if err := c.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{dead: false, alive: true} {
		var exists bool
		if err := c.admin.QueryRow(ctx, sqlExists, name).Scan(&exists); err != nil || exists != want {
			t.Errorf("%s exists: %t, %v; want %t", name, exists, err, want)
		}
	}
}

// TestD3_HalfTemplate: what a run killed while migrating left is not taken for a template.
func TestD3_HalfTemplate(t *testing.T) {
	t.Parallel()
	c := join(t)
	files := little().(fstest.MapFS)
	files["0002_more.sql"] = &fstest.MapFile{Data: fmt.Appendf(nil, `create table more (); -- %s %d`, c.run, c.clones.Add(1))}
	fingerprint, err := pg.Fingerprint(files)
	if err != nil {
		t.Fatal(err)
	}
	half := templatePrefix + fingerprint[:16]
	if err := c.copy(t.Context(), "template0", half); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, sql := range []string{`alter database ` + half + ` is_template false`, `drop database ` + half} {
			if _, err := c.admin.Exec(context.Background(), sql); err != nil {
				t.Error(err)
			}
		}
	})
	db := NewFrom(t, files)
	if _, err := db.Owner(t).Exec(t.Context(), `select from more, things`); err != nil {
		t.Error(err)
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			tx := RollbackFrom(t, little())
			if things, _ := count(t, tx); things != 0 {
				t.Errorf("%d things of another test", things)
			}
			b := &pgx.Batch{}
			b.Queue(sqlInsertFact, 1)
			if err := pg.Pipeline(t.Context(), tx, b); err != nil {
				t.Fatal(err)
			}
			if _, facts := count(t, tx); facts != 1 {
				t.Errorf("%d facts, want 1", facts)
			}
		})
	}
}

// TestFaults shows for each kind of operation what a broken connection leaves, and that the next attempt works.
func TestFaults(t *testing.T) {
	t.Parallel()
	pipeline := func(ctx context.Context, pool *pgxpool.Pool) error {
		b := &pgx.Batch{}
		b.Queue(sqlInsertThing, 1, "x")
		b.Queue(sqlInsertFact, 1)
		return pg.Pipeline(ctx, pool, b)
	}
	inTx := func(ctx context.Context, pool *pgxpool.Pool) error {
		return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sqlInsertThing, 1, "x"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, sqlInsertFact, 1)
			return err
		})
	}
	single := func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, `insert into facts (thing) values (7)`) // the simple protocol
		return err
	}
	for name, test := range map[string]struct {
		op    func(context.Context, *pgxpool.Pool) error
		when  When
		match string
		facts int // persisted by the broken attempt
	}{
		"pipeline, first statement, before": {pipeline, FailBefore, "into things", 0},
		"pipeline, first statement, after":  {pipeline, FailAfter, "into things", 1},
		"pipeline, last statement, before":  {pipeline, FailBefore, "INTO FACTS", 0},
		"pipeline, last statement, after":   {pipeline, FailAfter, "into facts", 1},
		"transaction, begin, after":         {inTx, FailAfter, "begin", 0},
		"transaction, statement, before":    {inTx, FailBefore, "into facts", 0},
		"transaction, statement, after":     {inTx, FailAfter, "into facts", 0},
		"transaction, commit, before":       {inTx, FailBefore, "commit", 0},
		"transaction, commit, after":        {inTx, FailAfter, "commit", 1},
		"simple, before":                    {single, FailBefore, "into facts", 0},
		"simple, after":                     {single, FailAfter, "into facts", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newLittle(t)
			faulty := db.FailOn(t, test.when, test.match)
			err := test.op(t.Context(), faulty)
			if err == nil || !pg.Transient(err) {
				t.Errorf("err = %v, want a transient one", err)
			}
			// D5: at once, without waiting.
			if _, facts := count(t, db.Pool); facts != test.facts {
				t.Errorf("%d facts after the fault, want %d", facts, test.facts)
			}
			if err := test.op(t.Context(), faulty); err != nil {
				t.Errorf("next attempt: %v", err)
			}
			if _, facts := count(t, db.Pool); facts != test.facts+1 {
				t.Errorf("%d facts in the end, want %d", facts, test.facts+1)
			}
		})
	}
}

// TestD5_LocksAreFree: after a fault in a transaction its locks are free when the error arrives.
func TestD5_LocksAreFree(t *testing.T) {
	t.Parallel()
	db := newLittle(t)
	for range 20 {
		f := &Fault{When: FailBefore, Match: "into facts"}
		pool := db.Open(t, pg.Config{Role: Serve, Intercept: f.Intercept, MaxConns: 1})
		err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `select pg_advisory_xact_lock(1)`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), sqlInsertFact, 1)
			return err
		})
		if !errors.Is(err, errBroken.Err) {
			t.Fatal(err)
		}
		var free bool
		if err := db.Pool.QueryRow(t.Context(), `select pg_try_advisory_xact_lock(1)`).Scan(&free); err != nil || !free {
			t.Fatalf("the lock is still held (%v)", err)
		}
	}
}

// TestEveryFault: all round trips of an operation are visited, both ways, and no more.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	EveryFaultFrom(t, little(), func(t *testing.T, db *DB, faulty *pgxpool.Pool) {
		op := func(pool *pgxpool.Pool) error { // begin, one batch, one statement, commit: 4 round trips
			return pg.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				b := &pgx.Batch{}
				b.Queue(sqlInsertThing, 1, "x")
				b.Queue(sqlCount)
				if err := pg.Pipeline(t.Context(), tx, b); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), sqlInsertThing, 2, "y")
				return err
			})
		}
		err := op(faulty)
		if err := op(db.Pool); err != nil {
			t.Fatal(err)
		}
		if things, _ := count(t, db.Pool); things != 2 {
			t.Errorf("%d things, want 2", things)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			seen["broken"]++
		} else {
			seen["whole"]++
		}
		if errors.Is(err, pg.ErrOutcomeUnknown) {
			seen["unknown"]++
		}
	})
	if seen["broken"] != 8 || seen["whole"] != 2 || seen["unknown"] != 2 {
		t.Errorf("%v, want 8 broken (2 of them unknown) and 2 whole", seen)
	}
}

// TestFrames: answers are counted right however the stream is cut.
func TestFrames(t *testing.T) {
	t.Parallel()
	stream := []byte("Z\x00\x00\x00\x05I" + "D\x00\x00\x00\x07ZZZ" + "C\x00\x00\x00\x04" + "Z\x00\x00\x00\x05T")
	for size := 1; size <= len(stream); size++ {
		var f frames
		n := 0
		for at := 0; at < len(stream); at += size {
			n += f.ready(stream[at:min(at+size, len(stream))])
		}
		if n != 2 {
			t.Errorf("pieces of %d: %d, want 2", size, n)
		}
	}
}

// BenchmarkNew measures what a test waits for: a database and a first connection. Dropping goes on beside it.
func BenchmarkNew(b *testing.B) {
	c := join(b)
	for name, files := range map[string]fs.FS{"little": little(), "house": migrations.FS} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			for b.Loop() {
				template, err := c.template(ctx, files)
				if err != nil {
					b.Fatal(err)
				}
				clone, err := c.clone(ctx, template)
				if err != nil {
					b.Fatal(err)
				}
				pool, err := pg.Open(ctx, c.dsn(clone, ""), pg.Config{Role: Serve})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				pool.Close()
				if err := c.dropNow(ctx, clone); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkDrop(b *testing.B) {
	c := join(b)
	ctx := b.Context()
	template, err := c.template(ctx, little())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		clone, err := c.clone(ctx, template)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := c.dropNow(ctx, clone); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRollback(b *testing.B) {
	for b.Loop() {
		tx := RollbackFrom(b, little())
		if err := tx.Rollback(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
