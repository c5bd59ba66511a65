package person

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	sqlLockVaults = `select vault_id, state from vaults where vault_id = any($1) order by vault_id for update`

	sqlPeople = `select vault_id, level, kind, life, sealed_profile, blocked, preferred_channel from people where vault_id = any($1)`

	sqlSight = `select ` + identifierColumns + ` from identifiers i where i.state = 'active' and i.vault_id = any($1)
  union
  select ` + identifierColumns + ` from identifiers i join unnest($2::int[], $3::bytea[]) as w(key_id, digest)
    on i.prf_key_id = w.key_id and i.digest = w.digest
  where i.state = 'active'`

	sqlChanged = `update vaults set seq = seq + 1 where vault_id = $1`

	sqlNumbered = `update people set kind = 'citizen', changed_at = $2 where vault_id = $1 and kind = 'pending'`
)

// sight is what the first half of a registrar's act saw, after the guard and under the locks of the identifiers and then of the vaults that it is
// about: until the second half commits, none of it changes.
type sight struct {
	r      *Registry
	g      pg.Guard
	states map[identity.VaultID]string
	people map[identity.VaultID]personRow
	rows   []identifierRow
}

// queueSight begins an act. Vaults are locked in ascending order whatever order they are given in.
func (r *Registry) queueSight(b *pgx.Batch, g pg.Guard, digests []seal.Digest, vaults ...identity.VaultID) *sight {
	s := &sight{r: r, g: g, states: map[identity.VaultID]string{}, people: map[identity.VaultID]personRow{}}
	keys, sums := digestArgs(digests)
	g.Queue(b)
	queueLock(b, digests)
	b.Queue(sqlLockVaults, uuids(vaults)).Query(func(rows pgx.Rows) error {
		var vault identity.VaultID
		var state string
		_, err := pgx.ForEachRow(rows, []any{&vault, &state}, func() error {
			s.states[vault] = state
			return nil
		})
		return err
	})
	b.Queue(sqlPeople, uuids(vaults)).Query(func(rows pgx.Rows) error {
		var vault identity.VaultID
		var p personRow
		_, err := pgx.ForEachRow(rows, []any{&vault, &p.level, &p.kind, &p.life, &p.sealed, &p.blocked, &p.preferred}, func() error {
			s.people[vault] = p
			p.sealed = nil
			return nil
		})
		return err
	})
	b.Queue(sqlSight, uuids(vaults), keys, sums).Query(func(rows pgx.Rows) (err error) {
		s.rows, err = pgx.CollectRows(rows, scanIdentifier)
		return err
	})
	return s
}

// check is the first thing the second half does: nothing that was seen counts unless the guard and the MACs stand.
func (s *sight) check() error {
	if err := s.g.Check(); err != nil {
		return err
	}
	return s.r.believe(s.rows)
}

// open refuses a vault that is not there or was left behind (N4).
func (s *sight) open(vault identity.VaultID) error {
	switch s.states[vault] {
	case "open":
		return nil
	case "joined":
		return ErrJoined
	}
	return ErrNotFound
}

// holder returns whom an identifier leads to, zero for nobody.
func (s *sight) holder(digests []seal.Digest) identity.VaultID {
	i := slices.IndexFunc(s.rows, func(row identifierRow) bool { return slices.Contains(digests, row.digest) })
	if i < 0 {
		return identity.VaultID{}
	}
	return s.rows[i].vault
}

// numbers returns the number a vault has now, one row for each PRF key.
func (s *sight) numbers(vault identity.VaultID) []identifierRow {
	var rows []identifierRow
	for _, row := range s.rows {
		if row.vault == vault && row.isNumber() {
			rows = append(rows, row)
		}
	}
	return rows
}

// queueNumbered follows up on a number that a vault has from now on: it is pending no longer, proposals of that number are bound, and what
// waited for the number is looked at again.
func queueNumbered(b *pgx.Batch, vault identity.VaultID, digests []seal.Digest, now time.Time) {
	keys, sums := digestArgs(digests)
	b.Queue(sqlNumbered, vault, now)
	b.Queue(sqlBindProposals, vault, keys, sums)
	queueWakeRelations(b, vault, now)
}

// kindDecide is the task of package consent that judges the relations of a person, and those that waited for their number.
const kindDecide = "relation.decide"

// queueWakeRelations lets relations be decided that may have waited for a number: those of the person, and those in which they would act.
func queueWakeRelations(b *pgx.Batch, vault identity.VaultID, now time.Time) {
	delivery.Queue(b, delivery.Task{Kind: kindDecide, Vault: vault}, now)
}
