package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of Check and Migrate about the schema found.
var (
	// ErrSchemaOther: the database was made by other files of the same numbers, before the schema was released.
	ErrSchemaOther = errors.New("the database was made by an earlier form of this schema, from which no migration leads: a sandbox is made anew by removing its folder .vidan")
	// ErrSchemaOlder: the database lacks migrations of this binary; run vidan migrate.
	ErrSchemaOlder = errors.New("the database schema is older than this program: run vidan migrate")
	// ErrSchemaNewer: the database has migrations that this binary does not know and cannot work with.
	ErrSchemaNewer = errors.New("the database schema is newer than this program can work with: run a newer program")
)

// Querier is a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const sqlVersion = `select version from public.schema_version`

// Version returns how many migrations the database has; 0 before the first.
func Version(ctx context.Context, db Querier) (int, error) {
	var version int
	err := db.QueryRow(ctx, sqlVersion).Scan(&version)
	if err != nil && !isMissingTable(err) {
		return 0, fmt.Errorf("pg: read schema version: %w", Classify(err))
	}
	return version, nil
}

// Expected returns how many migrations the files hold.
func Expected(files fs.FS) (int, error) {
	p, err := readPlan(files)
	return len(p.steps), err
}

const sqlMinSchema = `select min_schema from public.schema_compat where id = 1`

// Check reports whether a program with these migrations can work with the database: it has all of them, and if it has
// more, schema_compat says that programs as old as this one still work. It is for the start and for readiness.
func Check(ctx context.Context, db Querier, files fs.FS) error {
	expected, err := Expected(files)
	if err != nil {
		return err
	}
	version, err := Version(ctx, db)
	switch {
	case err != nil:
		return err
	case version < expected:
		return fmt.Errorf("pg: %w (it has %d, this program %d)", ErrSchemaOlder, version, expected)
	case version > expected:
		return checkNewer(ctx, db, version, expected)
	}
	return nil
}

// checkNewer asks schema_compat, whose min_schema is the oldest schema that a program may have been built for.
func checkNewer(ctx context.Context, db Querier, version, expected int) error {
	minimum := version // without the table, or a row in it, only the same schema will do
	err := db.QueryRow(ctx, sqlMinSchema).Scan(&minimum)
	if err != nil && !isMissingTable(err) && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("pg: read schema compatibility: %w", Classify(err))
	}
	if expected < minimum {
		return fmt.Errorf("pg: %w (it has %d and asks for %d, this program has %d)", ErrSchemaNewer, version, minimum, expected)
	}
	return nil
}

func isMissingTable(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == pgerrcode.UndefinedTable
}

// isMissing reports a statement that names a table, column or function that is not there.
func isMissing(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == pgerrcode.UndefinedTable || e.Code == pgerrcode.UndefinedColumn || e.Code == pgerrcode.UndefinedFunction)
}
