package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// background runs fn beside the tests; close waits for it.
func (c *cluster) background(fn func(context.Context)) {
	c.work.Go(func() {
		c.busy <- struct{}{}
		defer func() { <-c.busy }()
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		fn(ctx)
	})
}

// drop removes a database of this run, in the background. If that fails the next run sweeps it.
func (c *cluster) drop(name string) {
	c.background(func(ctx context.Context) { _ = c.dropNow(ctx, name) })
}

func (c *cluster) dropNow(ctx context.Context, name string) error {
	_, err := c.admin.Exec(ctx, `drop database if exists `+name+` with (force)`)
	return err
}

const sqlOurs = `select datname from pg_database where datname ~ '^vidan_[tsc]_' order by oid desc`

// keep is how many templates stay for later runs, newest first: one for each set of migration files in use.
const keep = 4

// sweep drops what killed runs left, and old templates, unless a living run uses them (D2).
func (c *cluster) sweep(ctx context.Context) error {
	rows, _ := c.admin.Query(ctx, sqlOurs) // CollectRows reports the error
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	recent := map[string]bool{}
	for _, name := range names {
		if strings.HasPrefix(name, templatePrefix) && len(recent) < keep {
			recent[name] = true
		}
	}
	for _, name := range names {
		var key int64
		switch kind, rest := name[:len(clonePrefix)], name[len(clonePrefix):]; kind {
		case clonePrefix:
			run, _, _ := strings.Cut(rest, "_")
			if run == c.run {
				continue
			}
			key = runKey(run)
		case templatePrefix, sharedPrefix:
			if recent[templatePrefix+rest] {
				continue
			}
			key = templateKey(templatePrefix + rest)
		default:
			continue
		}
		err = errors.Join(err, c.sweepOne(ctx, name, key))
	}
	return err
}

// sweepOne drops the database if nobody holds its lock.
func (c *cluster) sweepOne(ctx context.Context, name string, key int64) error {
	conn, err := c.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var dead bool
	if err := conn.QueryRow(ctx, sqlTryHold, key).Scan(&dead); err != nil || !dead {
		return err
	}
	defer conn.Exec(ctx, sqlRelease, key) // a failure closes the connection, which releases it as well
	for _, sql := range []string{`alter database ` + name + ` is_template false`, `drop database ` + name + ` with (force)`} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// vacuum lets the server use again what dropped databases took in the catalogs that all databases share: hundreds of
// rows for each, for the rights of its tables. A server of ours has no autovacuum, which would meet copies and drops.
func (c *cluster) vacuum(ctx context.Context) error {
	if c.server == nil {
		return nil
	}
	for _, table := range []string{"pg_shdepend", "pg_database"} {
		if _, err := c.admin.Exec(ctx, `vacuum `+table); err != nil {
			return err
		}
	}
	return nil
}

// close waits for the background, then leaves the server; the last process stops it.
func (c *cluster) close() error {
	c.work.Wait()
	for _, pool := range c.pools {
		pool.Close()
	}
	if c.life != nil {
		_ = c.life.Close(context.Background()) // a lock is all it holds
	}
	if c.admin != nil {
		c.admin.Close()
	}
	if c.server == nil {
		return nil
	}
	if err := c.server.Close(); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}
