package wallet

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// Page bounds.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// The order of a list is (when it came into the vault, id), newest first: neither ever changes for a row, so a page goes on where the
// one before ended, whatever was added or revised meanwhile. A held paper came with its first holding.
const sqlHeads = `
select document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at
from documents where vault_id = $1 and (added_at, document_id) < ($2, $3)
order by added_at desc, document_id desc limit $4`

// sqlMirrors lists what is held besides what is the person's own. A person holds few papers, sometimes one for several reasons.
const sqlMirrors = `
select holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings h where vault_id = $1 and side = 'holder' and state = 'active'
  and not exists (select 1 from documents d where d.vault_id = $1 and d.document_id = h.document_id)
order by valid_from, holding_id limit $2`

// maxHeld bounds the holdings of one vault that a list looks at.
const maxHeld = 1000

const sqlHeadsOf = `
select document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at
from documents where vault_id = $1 and document_id = any($2)`

// Page is one page of the papers of a person, newest first.
type Page struct {
	Items []Item
	Next  string // cursor of the next page, empty at the end
	// Damaged counts rows that are not what was written (W3): papers shown as damaged, and holdings not shown at all. It calls for an operator.
	Damaged int
}

// position is a place in the order of a list.
type position struct {
	at time.Time
	id identity.DocumentID
}

func (p position) compare(o position) int {
	if c := p.at.Compare(o.at); c != 0 {
		return c
	}
	return p.id.Compare(o.id)
}

// List returns a page of the papers of one person: those in their vaults (main first), and those they hold in the vaults of others. limit 0
// means DefaultLimit. The reading is one row of the record, in the main vault, whatever it finds (P7); rec says who reads.
//
// It costs one round trip when keys and links are held, another when a holding is new to this process. Errors: [ErrCursor], audit.ErrRecord,
// seal.ErrKeysUnavailable, those of g and of pg.
func (w *Wallet) List(ctx context.Context, g pg.Guard, vaults []identity.VaultID, rec audit.Entry, cursor string, limit int) (Page, error) {
	r, err := w.reading(ctx, vaults, rec)
	if err != nil {
		return Page{}, err
	}
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return Page{}, fmt.Errorf("%w: limit out of bounds", ErrCursor)
	}
	before, err := w.openCursor(vaults[0], cursor)
	if err != nil {
		return Page{}, err
	}
	l := &lister{w: w, r: r, before: before, limit: limit, asked: map[identity.HoldingID]bool{}, homes: map[identity.VaultID]*home{}}
	b := new(pgx.Batch)
	g.Queue(b)
	l.queueOwn(b)
	if err := l.queueHomes(ctx, b, l.known()); err != nil {
		return Page{}, err
	}
	r.rec.Kind = audit.ListRead
	if _, err := w.audit.Queue(b, r.keys[vaults[0]], r.in(vaults[0]), r.now); err != nil {
		return Page{}, err
	}
	written := recorded(b)
	if err := written(pg.Pipeline(ctx, w.pool, b)); err != nil {
		return Page{}, fmt.Errorf("list papers of vault %s: %w", vaults[0], err)
	}
	if err := g.Check(); err != nil {
		return Page{}, err
	}
	if err := l.complete(ctx); err != nil {
		return Page{}, err
	}
	return l.page(), nil
}
