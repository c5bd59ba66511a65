package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Result says what Migrate found and did.
type Result struct {
	From, To int      // number of migrations before and after
	Applied  []string // files run by this call
	River    int      // version of the job queue's schema, 0 if nothing had to be looked at
	Changed  bool     // false: the schema was current already
}

// Migrate brings the database at dsn to the schema of the files: the migrations it lacks, the job queue's own, then
// roles.sql. It needs a direct connection, as the owner, never through a transaction pooler. Interrupted anywhere, it
// can be run again to completion; two at once wait for each other; when all is done already it is a single query.
// Whatever a database holds that is newer and compatible is left alone. ctx bounds the waiting.
func Migrate(ctx context.Context, dsn string, files fs.FS) (Result, error) {
	cfg, err := parse(dsn)
	if err != nil {
		return Result{}, fmt.Errorf("pg: migrate: %w", err)
	}
	return migrateWith(ctx, cfg, files)
}

// migrateWith is Migrate after the address was read.
func migrateWith(ctx context.Context, cfg *pgxpool.Config, files fs.FS) (Result, error) {
	plan, err := readPlan(files)
	if err != nil {
		return Result{}, err
	}
	m := migrator{plan: plan, cfg: cfg}
	session := cfg.ConnConfig.RuntimeParams // defaults of the session, to which tern's "reset all" returns
	session["application_name"] = "vidan migrate"
	session["lock_timeout"] = milliseconds(migrateLockTimeout)
	session["statement_timeout"] = "0"
	session["idle_in_transaction_session_timeout"] = "0"
	once := cfg.ConnConfig.Copy()
	once.DefaultQueryExecMode = pgx.QueryExecModeExec // everything runs once: nothing to prepare
	if m.conn, err = pgx.ConnectConfig(ctx, once); err != nil {
		return Result{}, fmt.Errorf("pg: migrate: %w", Classify(err))
	}
	defer m.conn.Close(context.WithoutCancel(ctx)) // ends the session, and with it every lock
	r, err := m.run(ctx)
	if err != nil {
		return r, fmt.Errorf("pg: migrate: %w", err)
	}
	return r, nil
}

type migrator struct {
	plan plan
	cfg  *pgxpool.Config
	conn *pgx.Conn
}

const sqlCurrent = `select v.version, f.fingerprint from public.schema_version v, public.schema_fingerprint f`

func (m *migrator) current(ctx context.Context) (version int, fingerprint string, err error) {
	err = m.conn.QueryRow(ctx, sqlCurrent).Scan(&version, &fingerprint)
	if isMissingTable(err) || errors.Is(err, pgx.ErrNoRows) {
		version, err = Version(ctx, m.conn)
	}
	return version, fingerprint, err
}

func (m *migrator) run(ctx context.Context) (Result, error) {
	for locked := false; ; locked = true {
		version, fingerprint, err := m.current(ctx)
		if err != nil {
			return Result{}, fmt.Errorf("read schema version: %w", Classify(err))
		}
		r := Result{From: version, To: version}
		switch {
		case version > len(m.plan.steps):
			return r, checkNewer(ctx, m.conn, version, len(m.plan.steps))
		case fingerprint == m.plan.fingerprint && version == len(m.plan.steps):
			return r, nil
		case locked:
			return m.apply(ctx, r)
		}
		if err := m.lock(ctx); err != nil {
			return r, fmt.Errorf("wait for another migration: %w", err)
		}
	}
}

const (
	sqlLock = `select pg_try_advisory_lock($1)`

	// migrateLockTimeout keeps a migration that waits for a table from making everybody else wait behind it.
	migrateLockTimeout = 2 * time.Second
)

// lock takes the lock of migrations for the session. It polls: a session that waits inside pg_advisory_lock holds a
// snapshot, and "create index concurrently" in the session that has the lock would wait for that one for ever.
func (m *migrator) lock(ctx context.Context) error {
	key := int64(NewLockKey("vidan migrate"))
	for {
		var got bool
		if err := m.conn.QueryRow(ctx, sqlLock, key).Scan(&got); err != nil || got {
			return Classify(err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (m *migrator) apply(ctx context.Context, r Result) (Result, error) {
	r.Changed = true
	if err := m.steps(ctx); err != nil {
		return r, err
	}
	r.To = len(m.plan.steps)
	for _, s := range m.plan.steps[r.From:] {
		r.Applied = append(r.Applied, s.name)
	}
	if err := m.river(ctx); err != nil {
		return r, fmt.Errorf("job queue: %w", Classify(err))
	}
	r.River = riverVersion()
	if err := m.roles(ctx); err != nil {
		if len(r.Applied) == 0 && isMissing(err) {
			return r, ErrSchemaOther
		}
		return r, fmt.Errorf("%s: %w", rolesFile, err)
	}
	if _, err := m.conn.Exec(ctx, sqlRemember, m.plan.fingerprint); err != nil {
		return r, fmt.Errorf("remember: %w", Classify(err))
	}
	return r, nil
}

// pause waits d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
