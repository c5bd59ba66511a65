package wallet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrHead reports a head that is not what its facts say. [Wallet.RebuildHead] makes it so.
var ErrHead = errors.New("wallet: head does not fit its facts")

const sqlFacts = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 order by revision desc`

const sqlSetHead = `
update documents set state = $3, current_revision = $4, sealed_header = $5, changed_at = $6
where vault_id = $1 and document_id = $2`

// whole is a paper as it is stored: every fact, and the head.
type whole struct {
	facts []factRow
	heads []headRow
}

func (p *whole) queue(b *pgx.Batch, v identity.VaultID, doc identity.DocumentID) {
	queueFacts(b, &p.facts, sqlFacts, v, doc)
	b.Queue(sqlHeadsOf, v, uuids([]identity.DocumentID{doc})).Query(func(rows pgx.Rows) (err error) {
		p.heads, err = scanHeads(rows)
		return err
	})
}

// rebuilt is the head that the facts make: of the highest revision, added when the first of them came. Every fact is opened on the way.
func (p *whole) rebuilt(keys *seal.Keys, doc identity.DocumentID) (header, time.Time, error) {
	if len(p.facts) == 0 {
		return header{}, time.Time{}, fmt.Errorf("paper %s: %w", doc, ErrNotFound)
	}
	var h header
	added := p.facts[0].received
	for i := range p.facts {
		c, err := p.facts[i].open(keys, doc)
		if err != nil {
			return header{}, time.Time{}, err
		}
		if i == 0 {
			h = c.header
		}
		if c.receivedAt.Before(added) {
			added = c.receivedAt
		}
	}
	return h, added, nil
}

// fits reports whether the stored head is the rebuilt one, and whether what no statement may change of it is.
func (p *whole) fits(keys *seal.Keys, h header, added time.Time) (all, fixed bool) {
	if len(p.heads) == 0 {
		return false, true
	}
	stored := &p.heads[0]
	tag := keys.TypeTag(h.docType)
	fixed = string(stored.tag) == string(tag[:]) && stored.added.Equal(added)
	opened, err := stored.open(keys)
	return fixed && err == nil && opened == h, fixed
}

// CheckHead opens every revision of a paper and compares the head with them: nil, [ErrHead], [ErrDamaged], or [ErrNotFound] where no revision is.
func (w *Wallet) CheckHead(ctx context.Context, v identity.VaultID, doc identity.DocumentID) error {
	keys, err := w.vaults.OpenOne(ctx, w.pool, v)
	if err != nil {
		return err
	}
	var p whole
	b := new(pgx.Batch)
	p.queue(b, v, doc)
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		return fmt.Errorf("check head of paper %s: %w", doc, err)
	}
	h, added, err := p.rebuilt(keys, doc)
	if err != nil {
		return err
	}
	if all, _ := p.fits(keys, h, added); !all {
		return fmt.Errorf("paper %s: %w", doc, ErrHead)
	}
	return nil
}

// RebuildHead makes the head of a paper again from its facts and reports whether it had to (W2). A head whose type tag or first date is wrong
// cannot be set right by the service, which may not change them: [ErrDamaged].
func (w *Wallet) RebuildHead(ctx context.Context, v identity.VaultID, doc identity.DocumentID) (changed bool, err error) {
	keys, err := w.vaults.OpenOne(ctx, w.pool, v)
	if err != nil {
		return false, err
	}
	var p whole
	err = pg.Exchange(ctx, w.pool, func(b *pgx.Batch) error {
		p = whole{}
		queueLock(b, sqlLockLiving, v)
		p.queue(b, v, doc)
		return nil
	}, func(b *pgx.Batch) error {
		h, added, err := p.rebuilt(keys, doc)
		if err != nil {
			return err
		}
		all, fixed := p.fits(keys, h, added)
		if !fixed {
			return damaged("head", doc, seal.ErrTampered)
		}
		if changed = !all; all {
			return nil
		}
		return p.queueHead(b, keys, doc, h, added)
	})
	if err != nil {
		return false, fmt.Errorf("rebuild head of paper %s: %w", doc, err)
	}
	return changed, nil
}

func (p *whole) queueHead(b *pgx.Batch, keys *seal.Keys, doc identity.DocumentID, h header, added time.Time) error {
	v := keys.Vault()
	sealed, err := keys.Seal(seal.Content, headPlace(v, doc, h.number), h.encode())
	if err != nil {
		return err
	}
	if len(p.heads) == 0 {
		tag := keys.TypeTag(h.docType)
		b.Queue(sqlInsertHead, v, doc, tag[:], headState(h.state), h.number, sealed, added, h.receivedAt)
		return nil
	}
	b.Queue(sqlSetHead, v, doc, headState(h.state), h.number, sealed, h.receivedAt).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("head of paper %s: %w", doc, ErrNotFound)
		}
		return nil
	})
	return nil
}

const sqlInsertHead = `
insert into documents (vault_id, document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)`
