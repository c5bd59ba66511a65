package wallet

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const sqlHomeHoldings = `
select holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings where vault_id = $1 and side = 'home' and state = 'active' order by holding_id`

// sqlEndHolding ends a right that is still as it was read ($5).
const sqlEndHolding = `
update holdings set state = 'ended', valid_until = $3, mac = $4, changed_at = $3
where vault_id = $1 and holding_id = $2 and side = 'home' and state = 'active' and mac = $5`

// Ending says which holdings of one home vault end: those that fit every member that is set. At least one is.
type Ending struct {
	Holding identity.HoldingID
	Holder  identity.VaultID
}

func (e Ending) fits(r *holdingRow) bool {
	return (e.Holding.IsZero() || e.Holding == r.id) && (e.Holder.IsZero() || e.Holder == r.other)
}

// EndHoldings takes rights to see papers of the home vault away, at once and for good, and returns how many. The holders' sides follow by task (W7);
// repeated, it ends what is left. by is who does it, reason a code for the record; neither is told to a holder.
func (w *Wallet) EndHoldings(ctx context.Context, g pg.Guard, home identity.VaultID, e Ending, reason string, by audit.Actor) (int, error) {
	if e == (Ending{}) {
		return 0, fmt.Errorf("end holdings of vault %s: %w: all of them", home, ErrHolding)
	}
	keys, err := w.vaults.OpenOne(ctx, w.pool, home)
	if errors.Is(err, seal.ErrNoKeys) {
		return 0, nil // erased: nothing opens any more
	}
	if err != nil {
		return 0, err
	}
	rows, err := w.pool.Query(ctx, sqlHomeHoldings, home)
	if err != nil {
		return 0, fmt.Errorf("end holdings of vault %s: %w", home, pg.Classify(err))
	}
	found, err := scanHoldings(rows, home, sideHome)
	if err != nil {
		return 0, fmt.Errorf("end holdings of vault %s: %w", home, pg.Classify(err))
	}
	b := new(pgx.Batch)
	queueLock(b, sqlLockLiving, home)
	g.Queue(b)
	n := 0
	for i := range found {
		if err := found[i].open(w.deployment, keys); err != nil {
			return 0, err
		}
		if !e.fits(&found[i]) {
			continue
		}
		if err := w.queueEnd(b, keys, &found[i], reason, by, &n); err != nil {
			return 0, err
		}
	}
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		return 0, fmt.Errorf("end holdings of vault %s: %w", home, err)
	}
	return n, g.Check()
}

// queueEnd ends one holding and counts it, unless somebody else ended it since it was read.
func (w *Wallet) queueEnd(b *pgx.Batch, home *seal.Keys, r *holdingRow, reason string, by audit.Actor, n *int) error {
	now := micro(w.now())
	if !now.After(r.changed) {
		now = r.changed.Add(1000) // a microsecond: changes of one row are told apart by their time
	}
	before := r.mac
	r.state, r.until = ended, now
	r.mac = w.deployment.MAC("holdings", r.columns())
	entry, err := w.audit.Row(home, audit.Entry{Vault: r.vault, Kind: audit.HoldingEnded, Actor: by, Document: r.doc, Reason: reason}, now)
	if err != nil {
		return err
	}
	entry.QueueIf(b, condHolding, r.vault, r.id, before)
	b.Queue(sqlEndHolding, r.vault, r.id, now, r.mac, before).Exec(func(tag pgconn.CommandTag) error {
		*n += int(tag.RowsAffected())
		return nil
	})
	queueMirror(b, r.vault, r.id, now)
	return nil
}
