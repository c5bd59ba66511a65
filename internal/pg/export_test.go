package pg

import (
	"context"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ParseAddress is what Open and Migrate make of an address.
func ParseAddress(dsn string) (*pgxpool.Config, error) { return parse(dsn) }

// MigrateIntercepted is Migrate over connections that a test can break.
func MigrateIntercepted(ctx context.Context, dsn string, files fs.FS, intercept func(*pgconn.Config)) (Result, error) {
	cfg, err := parse(dsn)
	if err != nil {
		return Result{}, err
	}
	intercept(&cfg.ConnConfig.Config)
	return migrateWith(ctx, cfg, files)
}
