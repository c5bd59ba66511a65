package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/auth"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/seal"
)

// The two kinds of deployment. A row once written never changes: a sandbox is never served as production, nor the other way round.
const (
	kindSandbox    = "sandbox"
	kindProduction = "production"
)

const (
	sqlDeployment = `select id, kind, issuer, kek_check from deployment`

	sqlInsertDeployment = `insert into deployment (id, kind, issuer, kek_check, created_at) values ($1, $2, $3, $4, $5)`
)

var errNoDeployment = errors.New("no deployment here")

// deployment is the one immutable row, with its keys opened.
type deployment struct {
	kind   string
	issuer string
	seal   *seal.Deployment
	kek    keyring.KEK
}

type deploymentRow struct {
	ID     uuid.UUID
	Kind   string
	Issuer string
	Check  []byte
}

func readDeployment(ctx context.Context, pool *pgxpool.Pool) (deploymentRow, error) {
	rows, err := pool.Query(ctx, sqlDeployment)
	if err != nil {
		return deploymentRow{}, pg.Classify(err)
	}
	row, err := pgx.CollectOneRow(rows, func(r pgx.CollectableRow) (d deploymentRow, err error) {
		var id [16]byte
		err = r.Scan(&id, &d.Kind, &d.Issuer, &d.Check)
		d.ID = id
		return d, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return row, errNoDeployment
	}
	return row, pg.Classify(err)
}

// openDeployment opens the deployment of a database under its key-encryption key: a missing or different key, or another kind, is refused.
func openDeployment(ctx context.Context, c config, pool *pgxpool.Pool, kind string) (*deployment, error) {
	row, err := readDeployment(ctx, pool)
	if err != nil {
		return nil, err
	}
	if row.Kind != kind {
		return nil, fmt.Errorf("the database belongs to a %s deployment: it is never served as %s", row.Kind, kind)
	}
	if kind == kindProduction && keyring.Scheme(c.KEK) == keyring.SchemeFile && !c.FileKey {
		return nil, errFileKey
	}
	kek, err := keyring.Open(ctx, c.KEK)
	if err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	if err := keyring.Check(ctx, kek, row.ID, row.Check); err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	opened, err := seal.LoadDeployment(ctx, pool, kek, row.ID)
	if err != nil {
		return nil, err
	}
	return &deployment{kind: row.Kind, issuer: row.Issuer, seal: opened, kek: kek}, nil
}

// createDeployment makes the key-encryption key if the URI names none yet, and writes the deployment's row and keysets in one transaction,
// then its signing keys and the client of its own pages. A database that has a deployment is refused.
func createDeployment(ctx context.Context, c config, pool *pgxpool.Pool, kind string, now time.Time) error {
	switch _, err := readDeployment(ctx, pool); {
	case err == nil:
		return errors.New("this database has a deployment already")
	case !errors.Is(err, errNoDeployment):
		return err
	}
	if c.KEK == ownKey(c.Data) {
		if err := os.MkdirAll(privateFolder(c.Data), 0o700); err != nil {
			return fmt.Errorf("key-encryption key: %w", err)
		}
	}
	if err := keyring.Create(ctx, c.KEK); err != nil && !errors.Is(err, keyring.ErrExists) {
		return fmt.Errorf("key-encryption key: %w", err)
	}
	kek, err := keyring.Open(ctx, c.KEK)
	if err != nil {
		return fmt.Errorf("key-encryption key: %w", err)
	}
	id := uuid.New()
	check, err := keyring.NewCheck(ctx, kek, id)
	if err != nil {
		return err
	}
	opened, rows, err := seal.NewDeployment(ctx, kek, id)
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	b.Queue(sqlInsertDeployment, id, kind, c.Issuer, check, now)
	seal.QueueDeploymentKeys(b, rows, now)
	if err := pg.Pipeline(ctx, pool, b); err != nil {
		return err
	}
	if err := auth.CreateKeys(ctx, pool, opened, now); err != nil {
		return err
	}
	return auth.NewDirectory(pool, opened).AddPages(ctx, now)
}
