package wallet

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// lister is one listing under way.
type lister struct {
	w       *Wallet
	r       *reading
	before  position
	limit   int
	own     [][]headRow    // by vault of r.vaults
	mirrors [][]holdingRow // by vault of r.vaults
	held    []placed       // what the mirrors say, by paper
	asked   map[identity.HoldingID]bool
	homes   map[identity.VaultID]*home
	newest  map[identity.DocumentID]shelf // which own vault has the highest revision; only of papers in several
	damaged int
}

// placed is a held paper with its place in the list and the ways to it.
type placed struct {
	position
	ways []link
}

// home is what one home vault answered.
type home struct {
	keys     *seal.Keys
	holdings []holdingRow
	heads    []headRow
}

func (l *lister) queueOwn(b *pgx.Batch) {
	l.own, l.mirrors = make([][]headRow, len(l.r.vaults)), make([][]holdingRow, len(l.r.vaults))
	for i, v := range l.r.vaults {
		b.Queue(sqlHeads, v, l.before.at, l.before.id, l.limit+1).Query(func(rows pgx.Rows) (err error) {
			l.own[i], err = scanHeads(rows)
			return err
		})
		b.Queue(sqlMirrors, v, maxHeld).Query(func(rows pgx.Rows) (err error) {
			l.mirrors[i], err = scanHoldings(rows, v, sideHolder)
			return err
		})
	}
}

func scanHeads(rows pgx.Rows) ([]headRow, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h headRow, err error) {
		err = row.Scan(&h.doc, &h.tag, &h.state, &h.current, &h.sealed, &h.added, &h.changed)
		return h, err
	})
}

// known are the links this process has seen before.
func (l *lister) known() []link {
	var all []link
	for _, v := range l.r.vaults {
		all = append(all, l.w.linksOf(v)...)
	}
	return all
}

// queueHomes asks each home vault about the holdings and the heads of their papers.
func (l *lister) queueHomes(ctx context.Context, b *pgx.Batch, links []link) error {
	if len(links) == 0 {
		return nil
	}
	byHome := map[identity.VaultID][]link{}
	for _, k := range links {
		byHome[k.home] = append(byHome[k.home], k)
		l.asked[k.holding] = true
	}
	homes := make([]identity.VaultID, 0, len(byHome))
	for v := range byHome {
		homes = append(homes, v)
	}
	keys, err := l.w.vaults.Open(ctx, l.w.pool, homes...)
	if err != nil {
		return fmt.Errorf("list held papers: %w", err)
	}
	for v, of := range byHome {
		if keys[v] == nil {
			continue // erased: its papers are gone
		}
		h := l.homes[v]
		if h == nil {
			h = &home{keys: keys[v]}
			l.homes[v] = h
		}
		ids, docs := make([]identity.HoldingID, len(of)), make([]identity.DocumentID, len(of))
		for i, k := range of {
			ids[i], docs[i] = k.holding, k.doc
		}
		var holdings []holdingRow
		queueHeld(b, v, ids, l.r.now, &holdings)
		b.Queue(sqlHeadsOf, v, uuids(docs)).Query(func(rows pgx.Rows) error {
			heads, err := scanHeads(rows)
			h.holdings, h.heads = append(h.holdings, holdings...), append(h.heads, heads...)
			return err
		})
	}
	return nil
}

// shelf is an own vault and the revision of a paper that is current there.
type shelf struct {
	vault  identity.VaultID
	number int
}

// complete opens the holder's rows and asks what was not asked yet: about holdings new to this process, and, for a person with several vaults,
// in which of them the papers of this page are newest.
func (l *lister) complete(ctx context.Context) error {
	var missing []link
	for i, v := range l.r.vaults {
		var found []link
		for _, row := range l.mirrors[i] {
			k, err := l.w.linkOf(row, l.r.keys[v])
			if err != nil {
				l.damaged++
				continue
			}
			found = append(found, k)
			l.place(row.from, k)
			if !l.asked[k.holding] {
				missing = append(missing, k)
			}
		}
		l.w.relearn(v, found)
	}
	b := new(pgx.Batch)
	if err := l.queueHomes(ctx, b, missing); err != nil {
		return err
	}
	if len(l.r.vaults) > 1 {
		l.queueNewest(b)
	}
	if err := pg.Pipeline(ctx, l.w.pool, b); err != nil {
		return fmt.Errorf("list held papers: %w", err)
	}
	return nil
}

// place adds a way to a held paper. Mirrors come in the order of their dates, so that the first gives the place.
func (l *lister) place(from time.Time, k link) {
	for i := range l.held {
		if l.held[i].id == k.doc {
			l.held[i].ways = append(l.held[i].ways, k)
			return
		}
	}
	l.held = append(l.held, placed{position{from, k.doc}, []link{k}})
}

// queueNewest asks every own vault about the papers found in any: after a join a paper may have revisions in two vaults, and is listed once, where
// the highest is.
func (l *lister) queueNewest(b *pgx.Batch) {
	var docs []identity.DocumentID
	for _, heads := range l.own {
		for _, h := range heads {
			docs = append(docs, h.doc)
		}
	}
	for _, h := range l.held {
		docs = append(docs, h.id)
	}
	l.newest = map[identity.DocumentID]shelf{}
	for _, v := range l.r.vaults {
		b.Queue(sqlHeadsOf, v, uuids(docs)).Query(func(rows pgx.Rows) error {
			heads, err := scanHeads(rows)
			for _, h := range heads {
				if h.current > l.newest[h.doc].number {
					l.newest[h.doc] = shelf{v, h.current}
				}
			}
			return err
		})
	}
}
