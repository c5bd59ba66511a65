package wallet

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// sqlHolders reads the rights that stand in some home vaults.
const sqlHolders = `
select vault_id, holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings
where vault_id = any($1) and side = 'home' and state = 'active'
  and valid_from <= $2 and (valid_until is null or valid_until > $2)`

func (d *Disclosed) queueHolders(b *pgx.Batch, vaults []identity.VaultID, now time.Time) {
	b.Queue(sqlHolders, uuids(vaults), now).Query(func(rows pgx.Rows) (err error) {
		d.holdings, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (holdingRow, error) {
			r := holdingRow{side: sideHome}
			var until *time.Time
			err := row.Scan(&r.vault, &r.id, &r.doc, &r.state, &r.from, &until, &r.changed, &r.sealed, &r.mac)
			r.until = moment(until)
			return r, err
		})
		return err
	})
}

// holders says who of the people of the dossier holds each paper that was found.
func (d *Disclosed) holders() (map[identity.DocumentID][]identity.VaultID, error) {
	people := d.scope.Plan.People()
	found := map[identity.DocumentID]bool{}
	for _, r := range d.rows {
		found[r.doc] = true
	}
	holders := map[identity.DocumentID][]identity.VaultID{}
	for i := range d.holdings {
		r := &d.holdings[i]
		if !found[r.doc] {
			continue
		}
		if err := r.open(d.w.deployment, d.scope.Keys[r.vault]); err != nil {
			return nil, err
		}
		if who := d.person(r.other); slices.Contains(people, who) && !slices.Contains(holders[r.doc], who) {
			holders[r.doc] = append(holders[r.doc], who)
		}
	}
	return holders, nil
}
