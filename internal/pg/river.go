package pg

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// RiverSchema holds the tables of the job queue.
const RiverSchema = "river"

// river runs the job queue's migrations, each in a transaction of its own as they need.
func (m *migrator) river(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, "create schema if not exists "+RiverSchema); err != nil {
		return err
	}
	cfg := m.cfg.Copy()
	cfg.MaxConns, cfg.MinConns = 1, 0
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	r, err := riverMigrator(pool)
	if err != nil {
		return err
	}
	return retryLocked(ctx, func() error {
		_, err := r.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
}

func riverMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: RiverSchema, Logger: slog.New(slog.DiscardHandler)})
}

// riverVersion is the newest schema that the linked job queue brings.
func riverVersion() int {
	r, err := riverMigrator(nil)
	if err != nil {
		panic(err) // its migrations are compiled in
	}
	all := r.AllVersions()
	return all[len(all)-1].Version
}
