package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// sqlHeld asks the home vault whether holdings stand: active, and between their dates.
const sqlHeld = `
select holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings where vault_id = $1 and holding_id = any($2) and side = 'home' and state = 'active'
  and valid_from <= $3 and (valid_until is null or valid_until > $3)`

// sqlMirrorsOf finds where a paper is held that is not the reader's own.
const sqlMirrorsOf = `
select holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings where vault_id = $1 and document_id = $2 and side = 'holder' and state = 'active'
order by valid_from, holding_id limit 20`

// link is where a held paper lives. That never changes, so it may be kept; whether the holding still stands is asked each time (W6).
type link struct {
	holding identity.HoldingID
	doc     identity.DocumentID
	home    identity.VaultID
}

// Bounds of the cache of links: they only save a round trip.
const (
	maxLinkedVaults = 20_000
	maxLinks        = 100 // of one vault
)

// linksOf returns what is known of the vault's holdings.
func (w *Wallet) linksOf(v identity.VaultID) []link {
	known, _ := w.links.GetIfPresent(v)
	return known
}

// learn keeps links for the next reading.
func (w *Wallet) learn(v identity.VaultID, found []link) {
	known := w.linksOf(v)
	all := slices.Clone(known)
	for _, l := range found {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	if len(all) > maxLinks {
		all = all[len(all)-maxLinks:]
	}
	if len(all) != len(known) {
		w.links.Set(v, all)
	}
}

// relearn keeps the links of a vault of which all were read, and forgets the others.
func (w *Wallet) relearn(v identity.VaultID, all []link) {
	if all = all[:min(len(all), maxLinks)]; !slices.Equal(all, w.linksOf(v)) {
		w.links.Set(v, all)
	}
}

// linkOf opens a row of the holder's side.
func (w *Wallet) linkOf(row holdingRow, keys *seal.Keys) (link, error) {
	if err := row.open(w.deployment, keys); err != nil {
		return link{}, err
	}
	return link{holding: row.id, doc: row.doc, home: row.other}, nil
}

// queueHeld asks one home vault about holdings.
func queueHeld(b *pgx.Batch, home identity.VaultID, ids []identity.HoldingID, now time.Time, into *[]holdingRow) {
	b.Queue(sqlHeld, home, uuids(ids), now).Query(func(rows pgx.Rows) (err error) {
		*into, err = scanHoldings(rows, home, sideHome)
		return err
	})
}

// try is one way to a held paper: what was asked of one home vault, and what came.
type try struct {
	link link
	keys *seal.Keys // of the home vault
	rows []holdingRow
	// facts are those of the paper in the home vault.
	facts []factRow
}

// queueTry asks the home vault of a link whether it stands, and selects the paper there; nil when that vault was erased.
func (w *Wallet) queueTry(ctx context.Context, b *pgx.Batch, r *reading, l link, see view) (*try, error) {
	t := &try{link: l}
	var err error
	if t.keys, err = w.vaults.OpenOne(ctx, w.pool, l.home); err != nil {
		if errors.Is(err, seal.ErrNoKeys) {
			return nil, nil
		}
		return nil, err
	}
	queueHeld(b, l.home, []identity.HoldingID{l.holding}, r.now, &t.rows)
	see.queue(b, l.home, &t.facts)
	return t, nil
}

// queueKnown adds the tries that this process already knows of, so that a held paper is found in the first round trip.
func (w *Wallet) queueKnown(ctx context.Context, b *pgx.Batch, r *reading, doc identity.DocumentID, see view) ([]*try, error) {
	var tries []*try
	for _, v := range r.vaults {
		for _, l := range w.linksOf(v) {
			if l.doc != doc {
				continue
			}
			t, err := w.queueTry(ctx, b, r, l, see)
			if err != nil {
				return nil, err
			}
			if t != nil {
				tries = append(tries, t)
			}
		}
	}
	return tries, nil
}

// settle opens what a try found: ErrNotFound when the holding does not stand. The reading is recorded in the vault of the person whose paper it
// is, after the home side agreed and before anything is returned (W4, W6).
func (w *Wallet) settle(ctx context.Context, r *reading, t *try, see view) (*Held, error) {
	if len(t.rows) == 0 || t.rows[0].doc != t.link.doc {
		return nil, ErrNotFound
	}
	held, err := w.standing(&t.rows[0], t.keys, r.vaults)
	if err != nil {
		return nil, err
	}
	if err := see.show(merge([]*seal.Keys{t.keys}, [][]factRow{t.facts})); err != nil {
		return nil, err
	}
	e := r.in(t.link.home)
	if e.Reason == "" {
		e.Reason = held.Reason
	}
	if err := w.record(ctx, t.keys, e, r.now); err != nil {
		return nil, fmt.Errorf("record a reading of paper %s: %w", t.link.doc, err)
	}
	return held, nil
}

// standing opens a row of the home side and checks that it is a right of this reader.
func (w *Wallet) standing(row *holdingRow, home *seal.Keys, vaults []identity.VaultID) (*Held, error) {
	if err := row.open(w.deployment, home); err != nil {
		return nil, err
	}
	if !slices.Contains(vaults, row.other) {
		return nil, ErrNotFound
	}
	return &Held{ID: row.id, Reason: row.reason, Until: row.until}, nil
}

// readHeld continues a reading that found nothing in the reader's own vaults: by what was known already, then by what the rows of the
// holder's side say, then it records an attempt.
func (w *Wallet) readHeld(ctx context.Context, r *reading, doc identity.DocumentID, tries []*try, see view) (*Held, error) {
	for _, t := range tries {
		if held, err := w.settle(ctx, r, t, see); !errors.Is(err, ErrNotFound) {
			return held, err
		}
	}
	links, err := w.findLinks(ctx, r, doc)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if slices.ContainsFunc(tries, func(t *try) bool { return t.link == l }) {
			continue
		}
		b := new(pgx.Batch)
		t, err := w.queueTry(ctx, b, r, l, see)
		if err != nil {
			return nil, err
		}
		if t == nil {
			continue
		}
		if err := pg.Pipeline(ctx, w.pool, b); err != nil {
			return nil, fmt.Errorf("read held paper %s: %w", doc, err)
		}
		if held, err := w.settle(ctx, r, t, see); !errors.Is(err, ErrNotFound) {
			return held, err
		}
	}
	return nil, w.attempt(ctx, r)
}

// findLinks looks where the paper may be held: always in the rows, so that a missing paper and a foreign one take the same steps.
func (w *Wallet) findLinks(ctx context.Context, r *reading, doc identity.DocumentID) ([]link, error) {
	b := new(pgx.Batch)
	found := make([][]holdingRow, len(r.vaults))
	for i, v := range r.vaults {
		b.Queue(sqlMirrorsOf, v, doc).Query(func(rows pgx.Rows) (err error) {
			found[i], err = scanHoldings(rows, v, sideHolder)
			return err
		})
	}
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		return nil, fmt.Errorf("find holdings of paper %s: %w", doc, err)
	}
	var links []link
	for i, v := range r.vaults {
		for _, row := range found[i] {
			l, err := w.linkOf(row, r.keys[v])
			if err != nil {
				return nil, err
			}
			links = append(links, l)
			w.learn(v, []link{l})
		}
	}
	return links, nil
}

// uuids is an array that encodes in every protocol mode (RELIABILITY T3).
func uuids[K any](ids []identity.ID[K]) []pgtype.UUID {
	out := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		out[i] = pgtype.UUID{Bytes: id.Bytes(), Valid: true}
	}
	return out
}
