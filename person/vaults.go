package person

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"vidan/identity"
	"vidan/internal/pg"
)

// vaultsLife is how long the vaults joined into one are remembered. Joins are never undone, so what is remembered may at most be short of
// a vault that was joined a moment ago; papers are missed for that long and nobody else's are ever seen.
const vaultsLife = 10 * time.Second

func newVaultsCache() *otter.Cache[identity.VaultID, []identity.VaultID] {
	return otter.Must(&otter.Options[identity.VaultID, []identity.VaultID]{
		MaximumSize: 50_000, ExpiryCalculator: otter.ExpiryWriting[identity.VaultID, []identity.VaultID](vaultsLife),
	})
}

// VaultsOf returns all vaults of one person, the given one first. Errors: [seal.ErrTampered].
func (r *Registry) VaultsOf(ctx context.Context, main identity.VaultID) ([]identity.VaultID, error) {
	if all, ok := r.joined.GetIfPresent(main); ok {
		return all, nil
	}
	b := new(pgx.Batch)
	reading := r.QueueVaults(b, main)
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return nil, fmt.Errorf("vaults of %s: %w", main, err)
	}
	all, err := reading.Result()
	if err != nil {
		return nil, err
	}
	all = slices.Clip(all) // it is shared from here on: whoever appends gets a copy
	r.joined.Set(main, all)
	return all, nil
}
