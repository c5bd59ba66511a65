package person

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"vidan/identity"
	"vidan/seal"
)

const (
	sqlAliases = `select a.vault_id, a.alias_vault_id, a.joined_at, a.evidence, a.mac from vault_aliases a
  where a.vault_id = $1 order by a.alias_vault_id`

	// sqlMain finds the living vault of joined ones. A vault that was joined twice over has a row for each step; one leads to an open vault.
	sqlMain = `select a.vault_id, a.alias_vault_id, a.joined_at, a.evidence, a.mac from vault_aliases a
  join vaults v on v.vault_id = a.vault_id
  where a.alias_vault_id = any($1) and v.state = 'open'`

	sqlInsertAlias = `insert into vault_aliases (vault_id, alias_vault_id, joined_at, evidence, mac) values ($1, $2, $3, $4, $5)`
)

type aliasRow struct {
	main, alias identity.VaultID
	joined      time.Time
	evidence    Basis
	mac         []byte
}

func scanAlias(row pgx.CollectableRow) (aliasRow, error) {
	var a aliasRow
	err := row.Scan(&a.main, &a.alias, &a.joined, &a.evidence, &a.mac)
	return a, err
}

func (a aliasRow) columns() *seal.Columns {
	return new(seal.Columns).UUID(a.main.Bytes()).UUID(a.alias.Bytes()).Time(a.joined).Text(string(a.evidence))
}

func (r *Registry) believeAlias(a aliasRow) error {
	if err := r.deployment.VerifyMAC("vault_aliases", a.columns(), a.mac); err != nil {
		return fmt.Errorf("alias %s of vault %s: %w", a.alias, a.main, err)
	}
	return nil
}

func (r *Registry) queueAlias(b *pgx.Batch, a aliasRow) {
	b.Queue(sqlInsertAlias, a.main, a.alias, a.joined, string(a.evidence), r.deployment.MAC("vault_aliases", a.columns()))
}

// Vaults is a reading of all vaults of one person, to be read after the batch that it is in.
type Vaults struct {
	r    *Registry
	main identity.VaultID
	rows []aliasRow
}

// QueueVaults reads which vaults were joined into a vault.
func (r *Registry) QueueVaults(b *pgx.Batch, vault identity.VaultID) *Vaults {
	v := &Vaults{r: r, main: vault}
	b.Queue(sqlAliases, vault).Query(func(rows pgx.Rows) (err error) {
		v.rows, err = pgx.CollectRows(rows, scanAlias)
		return err
	})
	return v
}

// Result returns the vault itself, then those joined into it. Errors: [seal.ErrTampered].
func (v *Vaults) Result() ([]identity.VaultID, error) {
	all := []identity.VaultID{v.main}
	for _, row := range v.rows {
		if err := v.r.believeAlias(row); err != nil {
			return nil, err
		}
		all = append(all, row.alias)
	}
	return all, nil
}

// Living is a reading of where joined vaults went, to be read after the batch that it is in.
type Living struct {
	r    *Registry
	rows []aliasRow
}

// QueueLiving reads for vaults that something names for good, such as the home of a paper, into which vaults they were joined.
func (r *Registry) QueueLiving(b *pgx.Batch, vaults ...identity.VaultID) *Living {
	l := &Living{r: r}
	b.Queue(sqlMain, uuids(vaults)).Query(func(rows pgx.Rows) (err error) {
		l.rows, err = pgx.CollectRows(rows, scanAlias)
		return err
	})
	return l
}

// Of returns the living vault of a vault that was asked for, which is that vault itself unless it was joined. Errors: [seal.ErrTampered].
func (l *Living) Of(vault identity.VaultID) (identity.VaultID, error) {
	i := slices.IndexFunc(l.rows, func(a aliasRow) bool { return a.alias == vault })
	if i < 0 {
		return vault, nil
	}
	if err := l.r.believeAlias(l.rows[i]); err != nil {
		return identity.VaultID{}, err
	}
	return l.rows[i].main, nil
}

// uuids are ids as an array parameter that is understood in every protocol mode (RELIABILITY T3).
func uuids(ids []identity.VaultID) []pgtype.UUID {
	args := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		args[i] = pgtype.UUID{Bytes: id.Bytes(), Valid: true}
	}
	return args
}
