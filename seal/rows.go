package seal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"vidan/identity"
	"vidan/internal/keyring"
)

// Querier reads rows: a pool, a connection or a transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const (
	sqlVaultKeys = `
select vault_id, purpose, keyset_id, kek_epoch, state, wrapped
from vault_keys where vault_id = any($1) order by vault_id, purpose, keyset_id`

	sqlInsertVaultKey = `
insert into vault_keys (vault_id, purpose, keyset_id, kek_epoch, state, wrapped, created_at)
values ($1, $2, $3, $4, $5, $6, $7)`

	sqlDeploymentKeys = `
select purpose, keyset_id, kek_epoch, state, wrapped
from deployment_keys order by purpose, keyset_id`

	sqlInsertDeploymentKey = `
insert into deployment_keys (purpose, keyset_id, kek_epoch, state, wrapped, created_at)
values ($1, $2, $3, $4, $5, $6)`
)

// Statements returns every SQL statement of the package by name, to be prepared by a test.
func Statements() map[string]string {
	return map[string]string{
		"sqlVaultKeys":           sqlVaultKeys,
		"sqlInsertVaultKey":      sqlInsertVaultKey,
		"sqlDeploymentKeys":      sqlDeploymentKeys,
		"sqlInsertDeploymentKey": sqlInsertDeploymentKey,
	}
}

// QueueVaultKeys adds the rows of NewVault to the batch that creates the vault.
func QueueVaultKeys(b *pgx.Batch, rows []WrappedKey, now time.Time) {
	for _, row := range rows {
		b.Queue(sqlInsertVaultKey, row.Vault, string(row.Purpose), uuidArg(row.KeysetID), row.Epoch,
			string(row.State), row.Wrapped, now)
	}
}

// QueueDeploymentKeys adds the rows of NewDeployment to the batch that creates the deployment.
func QueueDeploymentKeys(b *pgx.Batch, rows []DeploymentKey, now time.Time) {
	for _, row := range rows {
		b.Queue(sqlInsertDeploymentKey, string(row.Purpose), uuidArg(row.KeysetID), row.Epoch,
			string(row.State), row.Wrapped, now)
	}
}

// LoadDeployment reads the stored keysets and opens them.
func LoadDeployment(ctx context.Context, db Querier, kek keyring.KEK, id [16]byte) (*Deployment, error) {
	rows, err := db.Query(ctx, sqlDeploymentKeys)
	if err != nil {
		return nil, fmt.Errorf("read deployment keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (DeploymentKey, error) {
		var k DeploymentKey
		err := row.Scan(&k.Purpose, &k.KeysetID, &k.Epoch, &k.State, &k.Wrapped)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("read deployment keys: %w", err)
	}
	return OpenDeployment(ctx, kek, id, keys)
}

// vaultKeys reads the keysets of several vaults in one query; a vault without any is absent.
func vaultKeys(ctx context.Context, db Querier, vaults []identity.VaultID) (map[identity.VaultID][]WrappedKey, error) {
	args := make([]pgtype.UUID, len(vaults)) // encodes in every protocol mode (RELIABILITY T3)
	for i, v := range vaults {
		args[i] = uuidArg(v.Bytes())
	}
	rows, err := db.Query(ctx, sqlVaultKeys, args)
	if err != nil {
		return nil, fmt.Errorf("read vault keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, scanKey)
	if err != nil {
		return nil, fmt.Errorf("read vault keys: %w", err)
	}
	byVault := make(map[identity.VaultID][]WrappedKey, len(vaults))
	for _, k := range keys {
		byVault[k.Vault] = append(byVault[k.Vault], k)
	}
	return byVault, nil
}

// scanKey reads the columns of vault_keys in the order of KeyColumns.
func scanKey(row pgx.CollectableRow) (WrappedKey, error) {
	var k WrappedKey
	err := row.Scan(&k.Vault, &k.Purpose, &k.KeysetID, &k.Epoch, &k.State, &k.Wrapped)
	return k, err
}

func uuidArg(b [16]byte) pgtype.UUID { return pgtype.UUID{Bytes: b, Valid: true} }
