package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// reading is one reader at one moment.
type reading struct {
	vaults []identity.VaultID // those of the person read, the main one first
	keys   map[identity.VaultID]*seal.Keys
	caller identity.VaultID // in whose record an attempt stands: who asked, for themselves or for another (W5)
	rec    audit.Entry
	now    time.Time
}

// reading opens the keys of whoever reads and is read. A vault without keys was erased, and is read as empty; without those of the
// main one nothing could be recorded.
func (w *Wallet) reading(ctx context.Context, vaults []identity.VaultID, rec audit.Entry) (*reading, error) {
	if len(vaults) == 0 {
		return nil, fmt.Errorf("read: %w: no vault given", ErrVault)
	}
	r := &reading{caller: vaults[0], rec: rec, now: w.now()}
	wanted := vaults
	if !rec.Actor.Vault.IsZero() {
		r.caller = rec.Actor.Vault
		if !slices.Contains(vaults, r.caller) {
			wanted = append(slices.Clone(vaults), r.caller)
		}
	}
	var err error
	if r.keys, err = w.vaults.Open(ctx, w.pool, wanted...); err != nil {
		return nil, fmt.Errorf("read vault %s: %w", vaults[0], err)
	}
	for _, v := range []identity.VaultID{vaults[0], r.caller} {
		if r.keys[v] == nil {
			return nil, fmt.Errorf("read vault %s: %w", v, seal.ErrNoKeys)
		}
	}
	r.vaults = slices.DeleteFunc(slices.Clone(vaults), func(v identity.VaultID) bool { return r.keys[v] == nil })
	return r, nil
}

// in is the entry of this reading in the record of a vault.
func (r *reading) in(v identity.VaultID) audit.Entry {
	e := r.rec
	e.Vault = v
	return e
}

// record writes one row by itself, where what was read is known only after a round trip.
func (w *Wallet) record(ctx context.Context, keys *seal.Keys, e audit.Entry, now time.Time) error {
	b := new(pgx.Batch)
	if _, err := w.audit.Queue(b, keys, e, now); err != nil {
		return err
	}
	written := recorded(b)
	return written(pg.Pipeline(ctx, w.pool, b))
}

// recorded watches the row of the record that was queued last, and returns the function that names it as what failed a batch (P7): of a failed
// batch [pg.Pipeline] returns what PostgreSQL said, and only the callback knows that it was said of the record.
func recorded(b *pgx.Batch) func(error) error {
	var failed bool
	row := b.QueuedQueries[b.Len()-1]
	run := row.Fn
	row.Fn = func(br pgx.BatchResults) error {
		err := run(br)
		failed = err != nil
		return err
	}
	return func(err error) error {
		if !failed || errors.Is(err, audit.ErrRecord) {
			return err
		}
		return fmt.Errorf("%w: %w", audit.ErrRecord, err)
	}
}

// attempt records that nothing was found, in the vault of who asked, and is ErrNotFound.
func (w *Wallet) attempt(ctx context.Context, r *reading) error {
	e := r.in(r.caller)
	e.Outcome = audit.NotFound
	if err := w.record(ctx, r.keys[r.caller], e, r.now); err != nil {
		return fmt.Errorf("record an attempt on paper %s: %w", e.Document, err)
	}
	return fmt.Errorf("paper %s: %w", e.Document, ErrNotFound)
}
