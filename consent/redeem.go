package consent

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// Why a redemption is refused.
var (
	// ErrNotGranted reports a request on which nobody has agreed, or agreed any more than to pause.
	ErrNotGranted = errors.New("consent: not granted")
	// ErrWithdrawn reports that somebody who had agreed withdrew.
	ErrWithdrawn = errors.New("consent: withdrawn")
	// ErrConsumed reports that no use is left.
	ErrConsumed = errors.New("consent: used up")
	// ErrPermit reports the zero permit, or one that is used for what it does not cover.
	ErrPermit = errors.New("consent: not a permit")
)

const (
	// sqlShareVaults keeps the vaults as they are until the reading is committed; a withdrawal needs the same rows for itself (R8, T12). A
	// person who is blocked, dead or reported dead is left out, and so is a vault that was erased.
	sqlShareVaults = `
select v.vault_id, p.life = 'alive' and not p.blocked and v.state <> 'erased'
from vaults v join people p on p.vault_id = v.vault_id where v.vault_id = any($1) order by v.vault_id for share of v`

	// sqlShareGrants locks standing grants for reading: any number of readings at a time.
	sqlShareGrants = `
select` + grantColumns + `
from grants g where g.vault_id = any($1) and g.request_id = $2 and g.mode = 'until' order by g.vault_id for share`

	// sqlTakeGrants locks grants that are counted, for one reading at a time: with a shared lock two readings would wait for each other.
	sqlTakeGrants = `
select` + grantColumns + `
from grants g where g.vault_id = any($1) and g.request_id = $2 and g.mode <> 'until' order by g.vault_id for no key update`

	// sqlDisclosed reads which revisions a release showed; what the row says in clear is not read.
	sqlDisclosed = `
select vault_id, sealed from disclosures
where vault_id = any($1) and disclosure_id = $2 and request_id = $3`
)

// Redemption is the redeeming of a request's grants, under way in a transaction of the caller.
type Redemption struct {
	l            *Ledger
	plan         Plan
	organisation string
	client       string
	now          time.Time
	disclosure   identity.DisclosureID
	again        bool
	alive        map[identity.VaultID]bool
	grants       []grantRow
	shown        map[identity.VaultID][]byte // of an earlier release: disclosures.sealed
}

// QueueRedeem adds to the first batch of a transaction what a reading under a request stands on: the vaults of the dossier's people and then the
// grants of those who were asked, locked in ascending order until the transaction ends (R8), read in statements of this transaction and nowhere else. Permit is called after
// the batch. The batch must not be sent outside a transaction: the locks would be gone before the documents are read.
func (l *Ledger) QueueRedeem(b *pgx.Batch, plan Plan, organisation, client string, now time.Time) *Redemption {
	return l.queueRedeem(b, plan, organisation, client, identity.NewID[identity.DisclosureID](), false, now)
}

// QueueRedeemAgain redeems for a release that was made before, under its id: whoever repeats a reading gets the same revisions and uses
// nothing up, and is refused as anybody else when somebody withdrew meanwhile (P3, S2).
func (l *Ledger) QueueRedeemAgain(b *pgx.Batch, plan Plan, organisation, client string, d identity.DisclosureID, now time.Time) *Redemption {
	return l.queueRedeem(b, plan, organisation, client, d, true, now)
}

func (l *Ledger) queueRedeem(b *pgx.Batch, plan Plan, organisation, client string, d identity.DisclosureID, again bool, now time.Time) *Redemption {
	r := &Redemption{
		l: l, plan: plan, organisation: organisation, client: client, now: micro(now), disclosure: d, again: again,
		alive: map[identity.VaultID]bool{}, shown: map[identity.VaultID][]byte{},
	}
	if plan.IsZero() {
		return r
	}
	vaults := plan.Vaults()
	b.Queue(sqlShareVaults, plan.People()).Query(func(rows pgx.Rows) error {
		var vault identity.VaultID
		var alive bool
		_, err := pgx.ForEachRow(rows, []any{&vault, &alive}, func() error {
			r.alive[vault] = alive
			return nil
		})
		return err
	})
	collect := func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanGrant)
		r.grants = append(r.grants, found...)
		return err
	}
	b.Queue(sqlShareGrants, vaults, plan.Request()).Query(collect)
	b.Queue(sqlTakeGrants, vaults, plan.Request()).Query(collect)
	if again {
		b.Queue(sqlDisclosed, vaults, d, plan.Request()).Query(func(rows pgx.Rows) error {
			var vault identity.VaultID
			var sealed []byte
			_, err := pgx.ForEachRow(rows, []any{&vault, &sealed}, func() error {
				r.shown[vault] = sealed
				return nil
			})
			return err
		})
	}
	return r
}

// Permit judges what was read and mints the permit. keys are those of the plan's vaults, opened before the transaction; strangers have
// none.
//
// What everybody agreed to is redeemed as it was agreed, or not at all: people who never agreed are simply not in the permit, but once
// somebody withdrew, paused, or has nothing left, the request is refused as a whole. Errors: [ErrNotFound] for another organisation's request;
// [ErrWithdrawn], [ErrConsumed], [ErrExpired], [ErrNotGranted]; [seal.ErrTampered], [seal.ErrSealed].
func (r *Redemption) Permit(keys map[identity.VaultID]*seal.Keys) (Permit, error) {
	if r.plan.IsZero() || r.plan.Organisation() != r.organisation {
		return Permit{}, ErrNotFound
	}
	p := Permit{plan: r.plan, client: r.client, disclosure: r.disclosure, repeated: r.again}
	for _, vault := range r.plan.Vaults() {
		row := r.grantOf(vault)
		if row == nil {
			continue
		}
		if err := r.judge(row, keys[vault]); err != nil {
			return Permit{}, fmt.Errorf("redeem request %s: %w", r.plan.Request(), err)
		}
		if r.again {
			shown, ok := r.shown[vault]
			if !ok {
				continue // it was granted after that release
			}
			if err := row.showAgain(keys[vault], r.disclosure, shown); err != nil {
				return Permit{}, fmt.Errorf("redeem request %s: %w", r.plan.Request(), err)
			}
		}
		p.grants = append(p.grants, *row)
	}
	if p.IsZero() {
		return Permit{}, fmt.Errorf("redeem request %s: %w", r.plan.Request(), ErrNotGranted)
	}
	return p, nil
}

func (r *Redemption) grantOf(vault identity.VaultID) *grantRow {
	for i := range r.grants {
		if r.grants[i].vault == vault {
			return &r.grants[i]
		}
	}
	return nil
}

// judge decides on one grant. The state comes first: a withdrawal is obeyed even where the row says nothing else that is true.
func (r *Redemption) judge(row *grantRow, keys *seal.Keys) error {
	switch state := row.state.at(r.now, row.until); state {
	case GrantWithdrawn:
		return ErrWithdrawn
	case GrantExpired:
		return ErrExpired
	case GrantConsumed:
		if !r.again || !r.now.Before(row.until) {
			return ErrConsumed
		}
	case GrantActive:
	default:
		return ErrNotGranted
	}
	if err := r.l.openGrant(keys, row); err != nil {
		return err
	}
	switch {
	case row.organisation != r.organisation || row.request != r.plan.Request():
		return fmt.Errorf("grant %s: %w", row.id, seal.ErrTampered)
	case !r.alive[row.vault] || r.now.Before(row.from):
		return ErrNotGranted
	case row.usesLeft != nil && *row.usesLeft < 1 && !r.again:
		return ErrConsumed
	case row.mode != Until && row.usesLeft == nil:
		return fmt.Errorf("grant %s: %w", row.id, seal.ErrTampered)
	}
	return nil
}
