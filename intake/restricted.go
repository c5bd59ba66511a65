package intake

import (
	"context"
	"fmt"

	"vidan/audit"
	"vidan/delivery"
	"vidan/internal/pg"
	"vidan/wallet"
)

// reasonRestricted is why a right to see papers ended, in the record of the person whose papers they are. The holder is told nothing.
const reasonRestricted = "relation_restricted"

// EndRestricted is the handler of [consent.TaskRestricted]: whoever lost their right over a person loses every right to see a paper of theirs, for
// good: as a declarant they would otherwise keep what a court took from them as a parent. It may run any number of times.
func (in *Intake) EndRestricted(ctx context.Context, t delivery.Task) error {
	actors, err := in.relations.Restricted(ctx, t.Vault)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	for _, actor := range actors {
		_, err := in.wallet.EndHoldings(ctx, pg.All(), t.Vault, wallet.Ending{Holder: actor}, reasonRestricted, audit.Actor{})
		if err != nil && pg.Refused(err) != wallet.CodeVaultClosed { // erased since
			return fmt.Errorf("task %s: %w", t.ID, err)
		}
	}
	return nil
}

// MirrorHolding is the handler of [wallet.KindMirror]. A right that a later paper gives to somebody who may see nothing of this person ends before its
// holder learns of it.
func (in *Intake) MirrorHolding(ctx context.Context, t delivery.Task) error {
	if err := in.EndRestricted(ctx, t); err != nil {
		return err
	}
	return in.wallet.Mirror(ctx, t)
}
