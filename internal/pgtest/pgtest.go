// Package pgtest gives each test a PostgreSQL database of its own, migrated as production is and used under production's
// role, in the time it takes to copy a template in memory.
//
// The server is the one at TEST_DATABASE_URL (a superuser's address) or a private one (internal/localpg) that all test
// processes of one "go test ./..." share; the last process out stops it. A package that uses it has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// Invariants:
//
//	D1  A test sees a schema made by pg.Migrate from the same files that production gets, and nothing of other tests.
//	D2  A database is gone after its test. What a killed run left is swept by the next, which tells the dead from the
//	    living by a lock that a process holds as long as it lives.
//	D3  A template is never written after it is complete: it is marked so by its last step, and half a template is made
//	    anew.
//	D4  A fault that a test asked for and that never happened fails the test: it would have proved nothing.
//	D5  When a broken connection reports its error, the server has finished with it: what was committed is visible, what
//	    was not is undone and its locks are free.
//
// It is for tests only and unreachable from binaries (internal/arch).
package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/migrations"
)

// Serve is the role of DB.Pool: what the service may do, and no more.
const Serve = "vidan_serve"

// DB is one test's database.
type DB struct {
	Name string
	Pool *pgxpool.Pool // as Serve

	cluster *cluster
	owner   func() (*pgxpool.Pool, error)
}

// Main runs the tests of a package and leaves the server as it should be, also after Ctrl-C.
func Main(m *testing.M) {
	process.main = true
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		go func() { // a second time: at once
			<-stop
			os.Exit(130)
		}()
		interrupted()
		os.Exit(130)
	}()
	code := m.Run()
	if err := leave(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// New returns a database with the schema of package migrations, gone when the test ends.
func New(t testing.TB) *DB {
	t.Helper()
	return NewFrom(t, migrations.FS)
}

// NewFrom is New with other migration files.
func NewFrom(t testing.TB, files fs.FS) *DB {
	t.Helper()
	c := join(t)
	ctx := limited(t)
	template, err := c.template(ctx, files)
	if err != nil {
		t.Fatal(err)
	}
	name, err := c.clone(ctx, template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(name) })
	return c.open(t, name)
}

// Empty returns a database without any schema, as a first migration finds it. Its pool is the owner's.
func Empty(t testing.TB) *DB {
	t.Helper()
	c := join(t)
	name, err := c.clone(limited(t), "template0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(name) })
	db := &DB{Name: name, cluster: c}
	db.Pool = db.open(t, pg.Config{})
	db.owner = func() (*pgxpool.Pool, error) { return db.Pool, nil }
	return db
}

func (c *cluster) open(t testing.TB, name string) *DB {
	db := &DB{Name: name, cluster: c}
	db.Pool = db.open(t, pg.Config{Role: Serve})
	db.owner = sync.OnceValues(func() (*pgxpool.Pool, error) { return db.pool(t, pg.Config{}) })
	return db
}

// Owner returns a pool with the owner's rights, to arrange what the service may not and to look at everything.
func (db *DB) Owner(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := db.owner()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// DSN returns the database's address for programs under test; an empty role is the owner's.
func (db *DB) DSN(role string) string { return db.cluster.dsn(db.Name, role) }

// Open returns another pool, closed when the test ends, with the limits of cfg.
func (db *DB) Open(t testing.TB, cfg pg.Config) *pgxpool.Pool {
	t.Helper()
	return db.open(t, cfg)
}

func (db *DB) open(t testing.TB, cfg pg.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := db.pool(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// patience replaces limits that a loaded test machine would exceed without anything being wrong.
const patience = 30 * time.Second

func (db *DB) pool(t testing.TB, cfg pg.Config) (*pgxpool.Pool, error) {
	cfg.AcquireTimeout = cmp.Or(cfg.AcquireTimeout, patience)
	cfg.StatementTimeout = cmp.Or(cfg.StatementTimeout, patience)
	cfg.AnswerTimeout = cmp.Or(cfg.AnswerTimeout, 2*patience)
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 8)
	cfg.AppName = cmp.Or(cfg.AppName, t.Name())
	pool, err := pg.Open(limited(t), db.cluster.dsn(db.Name, ""), cfg)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool, nil
}

// closePool closes the pool, which waits for every connection that is in use: one that never comes back is a leak.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("%d database connections were never given back", pool.Stat().AcquiredConns())
	}
}

// Rollback returns a transaction, as Serve, on a database that all tests share; what it does is undone when the test
// ends. It costs a tenth of New. It is for tests that need not see a commit, and cannot be committed.
func Rollback(t testing.TB) pgx.Tx {
	t.Helper()
	return RollbackFrom(t, migrations.FS)
}

// RollbackFrom is Rollback with other migration files.
func RollbackFrom(t testing.TB, files fs.FS) pgx.Tx {
	t.Helper()
	c := join(t)
	ctx := limited(t)
	pool, err := c.shared(ctx, files)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Errorf("roll back: %v", err)
		}
	})
	return undone{tx, t}
}

// undone is a transaction that is never committed.
type undone struct {
	pgx.Tx
	t testing.TB
}

// Commit fails the test.
func (u undone) Commit(context.Context) error {
	u.t.Error("pgtest.Rollback's transaction cannot be committed: use pgtest.New")
	return pgx.ErrTxCommitRollback
}

// limited is a context for the harness's own work.
func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}
