package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// sqlCurrent asks the facts which revision is the current one (W2).
const sqlCurrent = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 order by revision desc limit 1`

// sqlAt reads one revision, and the current one for what it says of the paper.
const sqlAt = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 and (revision = $3 or revision =
  (select max(revision) from document_revisions where vault_id = $1 and document_id = $2))
order by revision desc limit 2`

// condHas is the condition under which a reading is recorded as served. Facts are never deleted, so it holds whenever the select
// before it in the same batch found something (W4).
const condHas = `exists (select 1 from document_revisions where vault_id = $1 and document_id = $2 and ($3::int = 0 or revision = $3::int))`

// Get opens one revision of a paper of the reader, 0 for the current one: of the reader's own vaults, or by a holding. vaults are those
// of one person, the main one first; g decides in the same transaction whether the reader may read them at all. rec says who reads and why
// (Vault, Kind, Document, Revision and Outcome are set here; Revision 0 means the one current then).
//
// A paper of the reader costs one round trip once its keys are held, a held paper two. A revoked paper is returned and says so. A reading that
// then finds the row damaged, or that g refuses by its Check, stands in the record all the same: too much is recorded rather than too little.
// Errors: [ErrNotFound] for a paper that is missing or somebody else's (W5), [ErrDamaged] (W3), audit.ErrRecord, seal.ErrKeysUnavailable, those of g
// and of pg.
func (w *Wallet) Get(ctx context.Context, g pg.Guard, vaults []identity.VaultID, doc identity.DocumentID, revision int, rec audit.Entry) (Document, error) {
	if revision < 0 || revision > maxNumber {
		revision = -1 // not found, by the same statements
	}
	queue := func(b *pgx.Batch, v identity.VaultID, into *[]factRow) {
		if revision == 0 {
			queueFacts(b, into, sqlCurrent, v, doc)
		} else {
			queueFacts(b, into, sqlAt, v, doc, revision)
		}
	}
	var out Document
	held, err := w.read(ctx, g, vaults, doc, revision, rec, view{queue, func(facts []fact) (err error) {
		var shown content
		if out, shown, err = openOne(facts, doc, revision); err == nil {
			out.Message = shown.delivered()
		}
		return err
	}})
	if err != nil {
		return Document{}, err
	}
	if out.Held = held; held == nil {
		out.Person = vaults[0]
	}
	return out, nil
}

// openOne opens one revision of a paper, and the current one for what it says of the paper. facts has the highest first. The message is left to
// the caller: a form has no use for it.
func openOne(facts []fact, doc identity.DocumentID, revision int) (Document, content, error) {
	wanted := 0
	if revision != 0 {
		wanted = slices.IndexFunc(facts, func(f fact) bool { return f.number == revision })
	}
	if len(facts) == 0 || wanted < 0 {
		return Document{}, content{}, ErrNotFound
	}
	current, err := facts[0].open(facts[0].keys, doc)
	if err != nil {
		return Document{}, content{}, err
	}
	shown := current
	if wanted != 0 {
		if shown, err = facts[wanted].open(facts[wanted].keys, doc); err != nil {
			return Document{}, content{}, err
		}
	}
	return Document{
		Item:    shown.item(doc, facts[wanted].keys.Vault(), current.number, current.state),
		Payload: shown.document(),
	}, shown, nil
}

func queueFacts(b *pgx.Batch, into *[]factRow, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f factRow, err error) {
			err = row.Scan(&f.number, &f.state, &f.payload, &f.issued, &f.received, &f.sealed)
			return f, err
		})
		return err
	})
}

// view is one way to look at the facts of a paper: what is selected in a vault, and what is shown of all that was found, highest revision
// first. show returns ErrNotFound where nothing is to be shown.
type view struct {
	queue func(*pgx.Batch, identity.VaultID, *[]factRow)
	show  func([]fact) error
}

// fact is a row with the keys that open it.
type fact struct {
	factRow
	keys *seal.Keys
}

// merge puts the facts of several vaults of one person in order. After a join a paper may have revisions in two of them; one that lies in both is
// the same, and is taken from the first.
func merge(keys []*seal.Keys, rows [][]factRow) []fact {
	var all []fact
	for i := range rows {
		for _, row := range rows[i] {
			if !slices.ContainsFunc(all, func(f fact) bool { return f.number == row.number }) {
				all = append(all, fact{row, keys[i]})
			}
		}
	}
	slices.SortFunc(all, func(a, b fact) int { return b.number - a.number })
	return all
}

// read is the walk of every reading of one paper: the reader's own vaults, recorded in the same transaction; else by a holding; else
// the attempt is recorded and nothing was found. Papers that are missing and papers of others take the same steps (W5).
func (w *Wallet) read(ctx context.Context, g pg.Guard, vaults []identity.VaultID, doc identity.DocumentID, revision int, rec audit.Entry, see view) (*Held, error) {
	r, err := w.reading(ctx, vaults, rec)
	if err != nil {
		return nil, err
	}
	r.rec.Document, r.rec.Revision, r.rec.Kind = doc, max(revision, 0), audit.DocumentRead
	b := new(pgx.Batch)
	g.Queue(b)
	keys, rows := make([]*seal.Keys, len(r.vaults)), make([][]factRow, len(r.vaults))
	written := make([]func(error) error, len(r.vaults))
	for i, v := range r.vaults {
		keys[i] = r.keys[v]
		see.queue(b, v, &rows[i])
		row, err := w.audit.Row(keys[i], r.in(v), r.now)
		if err != nil {
			return nil, err
		}
		row.QueueIf(b, condHas, v, doc, revision)
		written[i] = recorded(b)
	}
	tries, err := w.queueKnown(ctx, b, r, doc, see)
	if err != nil {
		return nil, err
	}
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		for _, of := range written {
			err = of(err)
		}
		return nil, fmt.Errorf("read paper %s: %w", doc, err)
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := see.show(merge(keys, rows)); !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return w.readHeld(ctx, r, doc, tries, see)
}
