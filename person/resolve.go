package person

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// refKind is the kind of references to people.
const refKind = "person"

// Ref is how a sector names a person without a number.
func (r *Registry) Ref(sector string, vault identity.VaultID) string {
	raw := vault.Bytes()
	return r.deployment.Ref(sector, refKind, raw[:])
}

// Resolve returns the living vault of whoever an identifier names. Nobody has a vault too: a fresh id that stands nowhere, so that the guarded operation
// that follows, and not this look, says that there is no such person (N7).
func (r *Registry) Resolve(ctx context.Context, db pg.Sender, id Identifier) (identity.VaultID, error) {
	b := new(pgx.Batch)
	finding := r.QueueFind(b, []Identifier{id})
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return identity.VaultID{}, fmt.Errorf("resolve an identifier: %w", err)
	}
	found, err := finding.Result()
	if err != nil {
		return identity.VaultID{}, err
	}
	if found[0].Vault.IsZero() {
		return identity.NewVaultID(), nil
	}
	return found[0].Vault, nil
}

// ResolveRef is [Registry.Resolve] for a reference of [Registry.Ref]. A reference of another sector names nobody.
func (r *Registry) ResolveRef(ctx context.Context, db pg.Sender, sector, ref string) (identity.VaultID, error) {
	raw, err := r.deployment.OpenRef(sector, refKind, ref)
	vault := identity.NewVaultID()
	if err == nil && len(raw) == len(vault.Bytes()) {
		vault = identity.FromBytes[identity.VaultID]([16]byte(raw))
	}
	b := new(pgx.Batch)
	living := r.QueueLiving(b, vault)
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return identity.VaultID{}, fmt.Errorf("resolve a reference: %w", err)
	}
	return living.Of(vault)
}
