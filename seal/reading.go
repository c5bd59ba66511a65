package seal

import (
	"context"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// KeyColumns are what a statement for [Vaults.QueueRead] selects, of vault_keys as k.
const KeyColumns = `k.vault_id, k.purpose, k.keyset_id, k.kek_epoch, k.state, k.wrapped`

// Reading are the keysets that a batch of the caller's reads along with what finds their vaults: whoever does not know yet which vault it will
// be saves the round trip that asks for its keys. It serves one operation.
type Reading struct {
	v         *Vaults
	forgotten uint64 // when the reading began
	rows      []WrappedKey
}

// QueueRead adds the statement to the batch. It may find keysets of several vaults, and of none; rows that were picked by something that can be
// forged are no danger, because each keyset opens for its own vault alone (C3).
func (v *Vaults) QueueRead(b *pgx.Batch, sql string, args ...any) *Reading {
	r := &Reading{v: v, forgotten: v.forgotten.Load()}
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		r.rows, err = pgx.CollectRows(rows, scanKey)
		return err
	})
	return r
}

// OpenOne is [Vaults.OpenOne] after the batch: keys that are held are used, others opened from what was read, and a vault that is not among
// it is asked for on db.
func (r *Reading) OpenOne(ctx context.Context, db Querier, id identity.VaultID) (*Keys, error) {
	var rows []WrappedKey
	for _, row := range r.rows {
		if row.Vault == id {
			rows = append(rows, row)
		}
	}
	if _, held := r.v.cache.GetIfPresent(id); held || len(rows) == 0 {
		return r.v.OpenOne(ctx, db, id)
	}
	entry, err := r.v.open(ctx, id, rows)
	if err != nil {
		return nil, err
	}
	r.v.keep(id, entry, r.forgotten)
	return entry.keys, nil
}

// keep holds keys whose rows were read after the count of forgettings was taken. Where it has changed since, theirs may be among those that were
// forgotten: Forget counts before it drops, so that one of the two drops them.
func (v *Vaults) keep(id identity.VaultID, entry *cached, forgotten uint64) {
	v.cache.SetIfAbsent(id, entry)
	if v.forgotten.Load() != forgotten {
		v.cache.Invalidate(id)
	}
}
