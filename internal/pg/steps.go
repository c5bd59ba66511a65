package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

// steps runs the migrations that are missing. tern runs a transactional one and its new version number together; an
// online one is run by us, and recorded after it.
func (m *migrator) steps(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, sqlFingerprintTable); err != nil {
		return Classify(err)
	}
	t, err := migrate.NewMigrator(ctx, m.conn, "public.schema_version")
	if err != nil {
		return Classify(err)
	}
	for i, s := range m.plan.steps {
		step := &migrate.Migration{Sequence: int32(i + 1), Name: s.name, UpSQL: s.sql}
		if s.online {
			step.UpSQL, step.DisableFuncTx = "", true
			step.UpFunc = func(ctx context.Context, conn *pgx.Conn) error { return online(ctx, conn, s) }
		}
		t.Migrations = append(t.Migrations, step)
	}
	return retryLocked(ctx, func() error { return readable(t.Migrate(ctx)) })
}

const (
	sqlFingerprintTable = `
create table if not exists public.schema_fingerprint (
	id integer primary key check (id = 1),
	fingerprint text not null
);
comment on table public.schema_fingerprint is 'What the last complete migration ran, so that an unchanged one is skipped';
comment on column public.schema_fingerprint.id is 'Always 1';
comment on column public.schema_fingerprint.fingerprint is 'SHA-256 of all migration files, roles.sql and the version of the job queue'`

	sqlRemember = `insert into public.schema_fingerprint (id, fingerprint) values (1, $1)
on conflict (id) do update set fingerprint = excluded.fingerprint`

	sqlInvalidIndexes = `select c.oid::regclass::text, c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where not i.indisvalid`
)

// online runs one statement outside a transaction. A "create index concurrently" that was interrupted leaves an invalid
// index of that name, with which "if not exists" would be content for ever: it is dropped first. Such a statement waits
// for old transactions without making anybody wait, so that it has no lock_timeout.
func online(ctx context.Context, conn *pgx.Conn, s step) error {
	type index struct{ Qualified, Name string }
	rows, _ := conn.Query(ctx, sqlInvalidIndexes) // CollectRows reports the error
	invalid, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return err
	}
	for _, i := range invalid {
		if !mentions(s.sql, i.Name) {
			continue
		}
		if _, err := conn.Exec(ctx, "drop index concurrently if exists "+i.Qualified); err != nil {
			return err
		}
	}
	if mentions(strings.ToLower(s.sql), "concurrently") {
		if _, err := conn.Exec(ctx, "set lock_timeout = 0"); err != nil {
			return err
		}
	}
	// The extended protocol takes no more than one statement; conn.Exec would use the simple one.
	if err := conn.PgConn().ExecParams(ctx, s.sql, nil, nil, nil, nil).Read().Err; err != nil {
		var e *pgconn.PgError
		if errors.As(err, &e) {
			return migrate.MigrationPgError{MigrationName: s.name, Sql: s.sql, PgError: e}
		}
		return err
	}
	return nil
}

// mentions reports whether word stands in sql as a word of its own.
func mentions(sql, word string) bool {
	inWord := func(r rune) bool {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	for _, w := range strings.FieldsFunc(sql, func(r rune) bool { return !inWord(r) }) {
		if w == word {
			return true
		}
	}
	return false
}

// readable says which file and line an error is about.
func readable(err error) error {
	var e migrate.MigrationPgError
	if !errors.As(err, &e) {
		return Classify(err)
	}
	where := e.MigrationName
	if p := int(e.Position); p > 0 {
		before := []rune(e.Sql)
		where += fmt.Sprintf(" line %d", 1+strings.Count(string(before[:min(p, len(before))]), "\n"))
	}
	return fmt.Errorf("%s: %w", where, &ServerError{e.PgError})
}

// roles runs roles.sql, which must be safe to run again. Roles belong to all databases of a server and advisory locks to
// one, so that two migrations can meet here: one of them is told that a role exists or that its row was changed, after
// which everything is as it wanted.
func (m *migrator) roles(ctx context.Context) error {
	if m.plan.roles == "" {
		return nil
	}
	for try := 1; ; try++ {
		err := retryLocked(ctx, func() error {
			_, err := m.conn.Exec(ctx, m.plan.roles) // the simple protocol: one transaction
			var e *pgconn.PgError
			if errors.As(err, &e) {
				err = migrate.MigrationPgError{MigrationName: rolesFile, Sql: m.plan.roles, PgError: e}
			}
			return readable(err)
		})
		if try == tries || !metAnother(err) {
			return err
		}
		if err := pause(ctx, rand.N(50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// metAnother: two sessions changed one role or one privilege list. Only the message tells "tuple concurrently updated"
// apart, and it is translated; its code is that of every internal error.
func metAnother(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case pgerrcode.InternalError:
		return e.Routine == "simple_heap_update" || e.Routine == "simple_heap_delete"
	case pgerrcode.DuplicateObject:
		return true
	case pgerrcode.UniqueViolation:
		return e.SchemaName == "pg_catalog"
	}
	return false
}

// tries bounds how often a migration asks for a lock that others keep: about a minute.
const tries = 30

// retryLocked runs fn again when it did not get a lock in time. A transactional migration is undone by then, an online
// one and roles.sql can be run again.
func retryLocked(ctx context.Context, fn func() error) error {
	for try := 1; ; try++ {
		err := fn()
		var e *pgconn.PgError
		if err == nil || try == tries || !errors.As(err, &e) {
			return err
		}
		switch e.Code {
		case pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected, pgerrcode.SerializationFailure:
		default:
			return err
		}
		if err := pause(ctx, 50*time.Millisecond+rand.N(100*time.Millisecond)); err != nil {
			return err
		}
	}
}
