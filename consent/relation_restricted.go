package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// TaskRestricted has the vault of a person over whom somebody lost their right: what else that somebody was given of the person ends with it. Its
// handler stands where papers are known.
const TaskRestricted = "relation.restricted"

// Restricted returns the vaults of everybody whose right over a person was taken away, in ascending order; all vaults of each, because a right to see
// a paper names the one they had when it was given. Nothing of that person is open to them on whatever ground (R3).
func (l *Ledger) Restricted(ctx context.Context, person identity.VaultID) ([]identity.VaultID, error) {
	keys, err := l.vaults.OpenOne(ctx, l.pool, person)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil, nil // erased: nothing opens any more
	}
	if err != nil {
		return nil, err
	}
	court, err := l.assemble(ctx, keys)
	if err != nil {
		return nil, err
	}
	var actors []identity.VaultID
	for _, h := range court.homes {
		if h.State != Restricted {
			continue
		}
		actor := h.Actor
		if actor.IsZero() {
			actor = court.found[h.body.Number]
		}
		if !actor.IsZero() {
			actors = append(actors, actor)
		}
	}
	return l.allVaults(ctx, actors)
}

// allVaults returns every vault of the people to whom some vaults belong.
func (l *Ledger) allVaults(ctx context.Context, some []identity.VaultID) ([]identity.VaultID, error) {
	if len(some) == 0 {
		return nil, nil
	}
	b := new(pgx.Batch)
	living := l.people.QueueLiving(b, some...)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, fmt.Errorf("vaults of people: %w", err)
	}
	var all []identity.VaultID
	for _, vault := range some {
		main, err := living.Of(vault)
		if err != nil {
			return nil, err
		}
		vaults, err := l.people.VaultsOf(ctx, main)
		if err != nil {
			return nil, err
		}
		all = append(all, vaults...)
	}
	slices.SortFunc(all, identity.VaultID.Compare)
	return slices.Compact(all), nil
}
