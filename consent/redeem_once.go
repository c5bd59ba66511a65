package consent

import (
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// QueueRedeemOnce redeems for a release whose id the caller derived from its own idempotency key: whether that release was made before is read with the
// grants, in the same batch, which holds the lock of that key (pg.TryLock) before. [Redemption.PermitOnce] judges it; [Redemption.Permit] would take it
// for a repetition whatever was read, and refuse.
func (l *Ledger) QueueRedeemOnce(b *pgx.Batch, plan Plan, organisation, client string, d identity.DisclosureID, now time.Time) *Redemption {
	return l.queueRedeem(b, plan, organisation, client, d, true, now)
}

// PermitOnce is [Redemption.Permit] after [Ledger.QueueRedeemOnce]: a repetition where the release is known, a new release where it is not.
func (r *Redemption) PermitOnce(keys map[identity.VaultID]*seal.Keys) (Permit, error) {
	r.again = len(r.shown) > 0
	return r.Permit(keys)
}
