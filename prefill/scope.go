package prefill

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"vidan/consent"
	"vidan/identity"
	"vidan/person"
	"vidan/seal"
	"vidan/wallet"
)

// Bounds of what is remembered of absent vaults: as long as the keys of others are used without looking at their rows again.
const (
	maxAbsent  = 10_000
	absentLife = 5 * time.Minute
)

// newAbsent keeps ids that have no keys: stand-ins for people nobody knows, and erased vaults. Neither ever gets keys, so that nothing is missed;
// without it, a dossier with one of them would cost a round trip more each time, and its answer would tell by its time (L2).
func newAbsent() (*otter.Cache[identity.VaultID, struct{}], error) {
	return otter.New(&otter.Options[identity.VaultID, struct{}]{
		MaximumSize: maxAbsent, ExpiryCalculator: otter.ExpiryWriting[identity.VaultID, struct{}](absentLife),
	})
}

// scope is what a reading for the plan may touch: the vaults of its people and those joined into them, with their keys, opened before the
// transaction begins.
func (f *Filler) scope(ctx context.Context, plan consent.Plan) (wallet.Scope, error) {
	s := wallet.Scope{Plan: plan, Catalogue: f.d.Catalogue}
	var all []identity.VaultID
	for _, who := range plan.People() {
		vaults, err := f.d.People.VaultsOf(ctx, who)
		if err != nil {
			return s, err
		}
		for _, v := range vaults[1:] {
			if s.Joined == nil {
				s.Joined = map[identity.VaultID]identity.VaultID{}
			}
			s.Joined[v] = who
		}
		for _, v := range vaults {
			if _, gone := f.absent.GetIfPresent(v); !gone {
				all = append(all, v)
			}
		}
	}
	var err error
	if s.Keys, err = f.d.Vaults.Open(ctx, f.d.Pool, all...); err != nil {
		return s, err
	}
	for _, v := range all {
		if s.Keys[v] == nil {
			f.absent.Set(v, struct{}{})
		}
	}
	return s, nil
}

// queueProfiles reads who the people of a dossier are: papers name them by number. Of strangers nothing is found, by the same statements (L2).
func (f *Filler) queueProfiles(b *pgx.Batch, plan consent.Plan) map[identity.VaultID]*person.ProfileReading {
	profiles := make(map[identity.VaultID]*person.ProfileReading, len(plan.People()))
	for _, who := range plan.People() {
		profiles[who] = f.d.People.QueueProfile(b, who)
	}
	return profiles
}

// keysFor returns the keys under which a refusal is recorded with somebody. Without keys of their own they are those of a vault that is never
// stored, made once: the row is made, sent, and not written (L2).
func (f *Filler) keysFor(ctx context.Context, keys *seal.Keys) (*seal.Keys, error) {
	if keys != nil {
		return keys, nil
	}
	if nobody := f.nobody.Load(); nobody != nil {
		return nobody, nil
	}
	made, _, err := f.d.Deployment.NewVault(ctx, identity.NewVaultID())
	if err != nil {
		return nil, fmt.Errorf("keys of nobody: %w", err)
	}
	f.nobody.CompareAndSwap(nil, made)
	return f.nobody.Load(), nil
}
