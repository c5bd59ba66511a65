package wallet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const sqlHomeHolding = `
select holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings where vault_id = $1 and holding_id = $2 and side = 'home'`

// sqlMirror opens the holder's side, once: a side that is there, be it ended, stays as it is.
const sqlMirror = `
insert into holdings (vault_id, holding_id, side, document_id, state, valid_from, valid_until, sealed, mac, changed_at)
values ($1, $2, 'holder', $3, 'active', $4, $5, $6, $7, $8)
on conflict (vault_id, holding_id) do nothing`

// sqlUnmirror ends the holder's side. One that was never opened is written as ended, so that the task that would open it, should it run late, finds
// the end.
const sqlUnmirror = `
insert into holdings (vault_id, holding_id, side, document_id, state, valid_from, valid_until, sealed, mac, changed_at)
values ($1, $2, 'holder', $3, 'ended', $4, $5, $6, $7, $8)
on conflict (vault_id, holding_id) do update
set state = 'ended', valid_until = excluded.valid_until, mac = excluded.mac, changed_at = excluded.changed_at
where holdings.side = 'holder' and holdings.state = 'active'`

const condMirrored = `exists (select 1 from holdings where vault_id = $1 and holding_id = $2 and state = 'active')`

// errTask reports a task whose arguments are not those of its kind.
var errTask = errors.New("not the arguments of this task")

// Mirror is the handler of [KindMirror]: it brings the holder's side of a holding in line with the home side. It may run any number of times,
// in any order with others (W7).
func (w *Wallet) Mirror(ctx context.Context, t delivery.Task) error {
	var args struct {
		Holding identity.HoldingID `json:"holding_id"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil || args.Holding.IsZero() {
		return fmt.Errorf("mirror holding: %w", errTask)
	}
	home, err := w.vaults.OpenOne(ctx, w.pool, t.Vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased since; what remains at the holder leads nowhere
	}
	if err != nil {
		return err
	}
	row, err := w.homeHolding(ctx, home, args.Holding)
	if err != nil {
		return err
	}
	holder, err := w.vaults.OpenOne(ctx, w.pool, row.other)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil
	}
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	queueLock(b, sqlLockLiving, row.other)
	if err := w.queueMirrored(b, holder, row.mirrored()); err != nil {
		return err
	}
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		if pg.Refused(err) == CodeVaultClosed {
			return nil // erased since
		}
		return fmt.Errorf("mirror holding %s: %w", row.id, err)
	}
	return nil
}

// homeHolding reads and opens the deciding row.
func (w *Wallet) homeHolding(ctx context.Context, home *seal.Keys, id identity.HoldingID) (*holdingRow, error) {
	rows, err := w.pool.Query(ctx, sqlHomeHolding, home.Vault(), id)
	if err != nil {
		return nil, fmt.Errorf("read holding %s: %w", id, pg.Classify(err))
	}
	found, err := scanHoldings(rows, home.Vault(), sideHome)
	if err != nil {
		return nil, fmt.Errorf("read holding %s: %w", id, pg.Classify(err))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("holding %s: %w", id, ErrNotFound)
	}
	return &found[0], found[0].open(w.deployment, home)
}

// mirrored is the holder's side of a home row.
func (r *holdingRow) mirrored() *holdingRow {
	return &holdingRow{
		vault: r.other, id: r.id, side: sideHolder, doc: r.doc, state: r.state, from: r.from, until: r.until, changed: r.changed,
		other: r.vault, reason: r.reason,
	}
}

func (w *Wallet) queueMirrored(b *pgx.Batch, holder *seal.Keys, m *holdingRow) error {
	if err := m.close(w.deployment, holder); err != nil {
		return err
	}
	sql, kind, change := sqlMirror, audit.HoldingOpened, condNoHolding
	if m.state == ended {
		sql, kind, change = sqlUnmirror, audit.HoldingEnded, condMirrored
	}
	entry, err := w.audit.Row(holder, audit.Entry{Vault: m.vault, Kind: kind, Document: m.doc, Reason: m.reason}, w.now())
	if err != nil {
		return err
	}
	entry.QueueIf(b, change, m.vault, m.id)
	b.Queue(sql, m.vault, m.id, m.doc, m.from, nullTime(m.until), m.sealed, m.mac, m.changed)
	return nil
}
