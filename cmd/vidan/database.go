package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/localpg"
	"vidan/internal/pg"
	"vidan/migrations"
)

// serveRole is what the service may do and no more (migrations/roles.sql).
const serveRole = "vidan_serve"

// database is the server in use: one of our own, or the one at DATABASE_URL.
type database struct {
	own   *localpg.Server // nil: somebody else's
	owner string          // address for migrations
	serve string          // address for serving
}

// openDatabase starts or adopts a PostgreSQL of our own unless the configuration names one.
func openDatabase(ctx context.Context, c config) (*database, error) {
	if c.DatabaseURL != "" {
		return &database{owner: c.OwnerURL, serve: c.DatabaseURL}, nil
	}
	own, err := localpg.Start(ctx, localpg.Options{Project: c.Data, Name: "dev", Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	return &database{own: own, owner: own.DSN("", ""), serve: own.DSN("", "")}, nil
}

func (d *database) close() error {
	if d.own == nil {
		return nil
	}
	return d.own.Close()
}

func (d *database) migrate(ctx context.Context) (pg.Result, error) {
	return pg.Migrate(ctx, d.owner, migrations.FS)
}

// pool opens the pool of the service, and refuses a schema this binary does not know.
func (d *database) pool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	pool, err := pg.Open(ctx, d.serve, pg.Config{Role: serveRole, MaxConns: c.MaxConns})
	if err != nil {
		return nil, err
	}
	if err := pg.Check(ctx, pool, migrations.FS); err != nil {
		pool.Close()
		return nil, fmt.Errorf("schema: %w (run: vidan migrate)", err)
	}
	return pool, nil
}
