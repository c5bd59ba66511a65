package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

func one[T any](t testing.TB, db pg.Querier, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestG3_Busy: when all connections are taken, every way to ask for one ends in time with ErrBusy; a caller who goes
// away first gets his own reason.
func TestG3_Busy(t *testing.T) {
	t.Parallel()
	pool := newDB(t).Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1, AcquireTimeout: 20 * time.Millisecond})
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func(context.Context) error{
		"pipeline": func(ctx context.Context) error { return pg.Pipeline(ctx, pool, batch(sqlKeys, args{})) },
		"transaction": func(ctx context.Context) error {
			return pg.InTx(ctx, pool, func(pgx.Tx) error { return nil })
		},
		"exchange": func(ctx context.Context) error {
			return pg.Exchange(ctx, pool, func(*pgx.Batch) error { return nil }, func(*pgx.Batch) error { return nil })
		},
		"query": func(ctx context.Context) error {
			var n int
			return pool.QueryRow(ctx, `select 1`).Scan(&n)
		},
		"begin": func(ctx context.Context) error { _, err := pool.Begin(ctx); return err },
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, way := range ways {
		if err := way(t.Context()); !errors.Is(err, pg.ErrBusy) || !pg.Transient(err) {
			t.Errorf("%s: err = %v, want ErrBusy", name, err)
		}
		if err := way(gone); !errors.Is(err, context.Canceled) || errors.Is(err, pg.ErrBusy) || pg.Transient(err) {
			t.Errorf("%s: err = %v, want the caller's", name, err)
		}
	}
	held.Release()
	for name, way := range ways {
		if name == "begin" {
			continue // keeps its connection
		}
		if err := way(t.Context()); err != nil {
			t.Errorf("%s, when one is free: %v", name, err)
		}
	}
}

// TestG3_Limits: locks, statements and idle transactions end by themselves.
func TestG3_Limits(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	if err := pg.Pipeline(t.Context(), db.Pool, batch(sqlInsert, args{1, "a"})); err != nil {
		t.Fatal(err)
	}
	short := db.Open(t, pg.Config{LockTimeout: 20 * time.Millisecond, StatementTimeout: 200 * time.Millisecond})
	err := pg.InTx(t.Context(), db.Owner(t), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `select from entries where key = $1 for update`, 1); err != nil {
			return err
		}
		err := pg.Pipeline(t.Context(), short, batch(`update entries set what = 'b' where key = $1`, args{1}))
		if sqlState(err) != pgerrcode.LockNotAvailable || !pg.Transient(err) {
			t.Errorf("lock: err = %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = pg.Pipeline(t.Context(), short, batch(`select pg_sleep($1)`, args{60}))
	if sqlState(err) != pgerrcode.QueryCanceled || !pg.Transient(err) || errors.Is(err, pg.ErrOutcomeUnknown) {
		t.Errorf("statement: err = %v", err)
	}
	idle := db.Open(t, pg.Config{IdleTimeout: time.Millisecond})
	err = pg.InTx(t.Context(), idle, func(tx pgx.Tx) error {
		// Wait on another connection until the server has ended this one.
		for pid := int(tx.Conn().PgConn().PID()); one[int](t, db.Owner(t), `select count(*) from pg_stat_activity where pid = $1`, pid) > 0; {
		}
		_, err := tx.Exec(t.Context(), sqlInsert, 2, "b")
		return err
	})
	if err == nil || !pg.Transient(err) {
		t.Errorf("idle transaction: err = %v", err)
	}
	wantKeys(t, db.Pool, 1)
}

// TestG5_Role: a serving session has its role from the start, and the settings of every session are ours.
func TestG5_Role(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	pool := db.Open(t, pg.Config{Role: pgtest.Serve, AppName: "some test"})
	for setting, want := range map[string]string{
		"role": pgtest.Serve, "application_name": "some test", "timezone": "UTC", "lock_timeout": "2s",
		"default_transaction_isolation": "read committed", "idle_in_transaction_session_timeout": "10s",
	} {
		if got := one[string](t, pool, `select current_setting($1)`, setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	if got := one[string](t, pool, `select current_user::text`); got != pgtest.Serve {
		t.Errorf("user %q", got)
	}
	var e *pgconn.PgError
	if _, err := pool.Exec(t.Context(), `delete from entries`); !errors.As(err, &e) || e.Code != pgerrcode.InsufficientPrivilege {
		t.Errorf("delete: %v", err)
	}
	if _, err := pg.Open(t.Context(), db.DSN(""), pg.Config{Role: "nobody_at_all"}); err == nil {
		t.Error("opened as a role that does not exist")
	}
}

// TestG4_Environment: PG* variables neither redirect nor change a session.
func TestG4_Environment(t *testing.T) {
	db := newDB(t) // not parallel: it sets the environment
	for name, value := range map[string]string{
		"PGHOST": "/nonexistent", "PGPORT": "1", "PGUSER": "nobody_at_all", "PGDATABASE": "nothing", "PGSSLMODE": "verify-full",
		"PGOPTIONS": "-c search_path=nowhere", "PGTZ": "Mars/Olympus", "PGAPPNAME": "another", "PGTARGETSESSIONATTRS": "read-only",
		"PGCONNECT_TIMEOUT": "nonsense", "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require",
		"PGMINPROTOCOLVERSION": "3.2", "PGSSLNEGOTIATION": "direct", "PGSSLSNI": "0",
	} {
		t.Setenv(name, value)
	}
	u, err := url.Parse(db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, dsn := range map[string]string{
		"URL":   fmt.Sprintf("postgres://%s@/%s?host=%s", q.Get("user"), db.Name, url.QueryEscape(q.Get("host"))),
		"pairs": fmt.Sprintf("host='%s' user = %s dbname=%s", q.Get("host"), q.Get("user"), db.Name),
		"local": db.DSN(pgtest.Serve),
	} {
		pool, err := pg.Open(t.Context(), dsn, pg.Config{Role: pgtest.Serve})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := one[string](t, pool, `select current_setting('search_path') || ' ' || current_setting('timezone') || ' ' || current_database()`); got != `"$user", public UTC `+db.Name {
			t.Errorf("%s: session %s", name, got)
		}
		pool.Close()
	}
	t.Setenv("PGSERVICE", "elsewhere")
	if _, err := pg.Open(t.Context(), db.DSN(""), pg.Config{}); !errors.Is(err, pg.ErrAddress) || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("PGSERVICE: %v", err)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:p@h/db":                                     "u@h:5432/db",
		"postgresql://u@h:6000/db?sslmode=disable":                "u@h:6000/db",
		"postgres://u@h1:6001,h2:6002/db":                         "u@h1:6001/db",
		"postgres://u@[::1]/db":                                   "u@::1:5432/db",
		"postgres://u@[::1]:6000/db":                              "u@::1:6000/db",
		"postgres:///db?host=/run/pg&user=u&port=7":               "u@/run/pg:7/db",
		"postgres://u@/?host=/run/pg&dbname=db":                   "u@/run/pg:5432/db",
		"postgres://u@h/db?options=-c%20role%3Dvidan_serve":       "u@h:5432/db -c role=vidan_serve",
		`host=h user=u dbname=db`:                                 "u@h:5432/db",
		"  host = 'h'\n user='u'  dbname = 'a \\'b\\' c' port=7 ": "u@h:7/a 'b' c",
		`host=h user=u database=db options='-c role=x'`:           "u@h:5432/db -c role=x",
	} {
		cfg, err := pg.ParseAddress(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		c := cfg.ConnConfig
		got := fmt.Sprintf("%s@%s:%d/%s", c.User, c.Host, c.Port, c.Database)
		if o := c.RuntimeParams["options"]; o != "" {
			got += " " + o
		}
		if got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
	for _, dsn := range []string{
		"", "h", "postgres://", "postgres://u@h", "postgres:///db", "postgres://u@h/?port=1", "host=h", "dbname=db", "host=h dbname='db",
		"postgres://u:canary@h:canary/db", "host=h dbname=db port=canary password=canary", "postgres://u@h/db?%zz=canary", "mysql://u@h/db",
	} {
		_, err := pg.ParseAddress(dsn)
		if !errors.Is(err, pg.ErrAddress) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// FuzzAddress: no address makes us panic, quote it, or leave out what the environment could fill in.
func FuzzAddress(f *testing.F) {
	for _, dsn := range []string{"postgres://u:p@h:1/db?sslmode=disable", "host='h' dbname=d\\ b port=1", "postgres:///db?host=/x", "host=h dbname='", "=", "postgres://0/ ", "postgres://h//"} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		cfg, err := pg.ParseAddress(dsn)
		if err != nil {
			if err != pg.ErrAddress {
				t.Errorf("%q: %v", dsn, err)
			}
			return
		}
		if c := cfg.ConnConfig; c.Host == "" || c.Database == "" || c.RuntimeParams["timezone"] != "UTC" {
			t.Errorf("%q: %+v", dsn, c.Config)
		}
	})
}

// TestG6_NoValues: what PostgreSQL quotes of our values is in no error text.
func TestG6_NoValues(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	const canary = "079299000111"
	for name, b := range map[string]*pgx.Batch{
		"syntax of a value": batch(`select $1::text::date`, args{canary}),
		"out of range":      batch(`select ($1::text || '000')::int`, args{canary}),
		"check":             batch(sqlInsert, args{1, canary + canary}),
		"raised":            batch(`select raise($1)`, args{canary}),
	} {
		if name == "raised" {
			if _, err := db.Owner(t).Exec(t.Context(), `create function raise(text) returns void language plpgsql as $$ begin raise exception 'no: %', $1; end $$`); err != nil {
				t.Fatal(err)
			}
		}
		err := pg.Pipeline(t.Context(), db.Pool, b)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %q", err, err, err), canary) {
			t.Errorf("%s: %v", name, err)
		}
		if sqlState(err) == "" || !strings.Contains(err.Error(), sqlState(err)) {
			t.Errorf("%s: %v does not tell its SQLSTATE", name, err)
		}
	}
	if err := pg.Pipeline(t.Context(), db.Pool, batch(sqlInsert, args{1, "a"})); err != nil {
		t.Fatal(err)
	}
	if err := pg.Pipeline(t.Context(), db.Pool, batch(sqlInsert, args{1, canary})); err == nil || err.Error() != "pg: duplicate of entries_key" {
		t.Errorf("duplicate: %v", err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	if pg.Classify(nil) != nil || pg.Classify(io.EOF) != io.EOF {
		t.Error("what is not PostgreSQL's was changed")
	}
	once := pg.Classify(&pgconn.PgError{Code: pgerrcode.DeadlockDetected, Message: "deadlock detected"})
	if again := pg.Classify(fmt.Errorf("do it: %w", once)); again.Error() != "do it: "+once.Error() {
		t.Errorf("twice: %v", again)
	}
	if err := pg.Classify(&pgconn.PgError{Code: pgerrcode.TooManyConnections}); !errors.Is(err, pg.ErrBusy) {
		t.Errorf("too many connections: %v", err)
	}
}

func TestTransient(t *testing.T) {
	t.Parallel()
	server := func(code string) error { return pg.Classify(&pgconn.PgError{Code: code}) }
	for err, want := range map[error]bool{
		server(pgerrcode.SerializationFailure): true, server(pgerrcode.DeadlockDetected): true, server(pgerrcode.AdminShutdown): true,
		server(pgerrcode.CannotConnectNow): true, server(pgerrcode.DiskFull): true, server(pgerrcode.TooManyConnections): true,
		server(pgerrcode.ReadOnlySQLTransaction): true, server(pgerrcode.ConnectionFailure): true, server(pgerrcode.LockNotAvailable): true,
		pg.ErrBusy: true, fmt.Errorf("x: %w", pg.ErrOutcomeUnknown): true, &net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}: true,
		context.DeadlineExceeded: true, pgconn.ErrConnClosed: true,
		context.Canceled: false, io.EOF: false, pgx.ErrNoRows: false, &pg.Refusal{Code: "busy"}: false, &pg.Duplicate{}: false,
		server(pgerrcode.CheckViolation): false, server(pgerrcode.UndefinedTable): false, server(pgerrcode.InsufficientPrivilege): false,
		server(pgerrcode.FeatureNotSupported): false,
	} {
		if got := pg.Transient(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
	if pg.Transient(nil) {
		t.Error("nil is transient")
	}
	_, err := pg.Open(t.Context(), "postgres://u@127.0.0.1:1/db?sslmode=disable", pg.Config{})
	if err == nil || !pg.Transient(err) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestLostServer: a pool works again by itself when its connections have been ended.
func TestLostServer(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	pool := db.Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 2})
	use := func() error { return pg.Pipeline(t.Context(), pool, batch(sqlOnce, args{1, "a"})) }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db.Owner(t), `select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() and application_name = $2`, db.Name, t.Name()); n == 0 {
		t.Fatal("nothing ended")
	}
	worked := false
	for range 3 {
		err := use()
		if worked = err == nil; worked {
			break
		}
		if !pg.Transient(err) {
			t.Errorf("err = %v, want a transient one", err)
		}
	}
	if !worked {
		t.Error("the pool does not recover")
	}
}

var _ pg.Querier = (*pgxpool.Pool)(nil)
