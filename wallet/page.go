package wallet

import (
	"slices"

	"vidan/identity"
	"vidan/seal"
)

// candidate is a row that may be on the page, still sealed.
type candidate struct {
	position
	held bool
	open func() (Item, error)
}

// page merges what was found, opens what is on the page and leaves the rest sealed.
func (l *lister) page() Page {
	all, horizon := l.candidates()
	slices.SortFunc(all, func(a, b candidate) int { return b.compare(a.position) })
	var p Page
	switch {
	case len(all) > l.limit:
		all = all[:l.limit]
		p.Next = l.w.cursor(l.r.vaults[0], all[l.limit-1].position)
	case !horizon.at.IsZero():
		p.Next = l.w.cursor(l.r.vaults[0], horizon)
	}
	for _, c := range all {
		item, err := c.open()
		if err != nil {
			l.damaged++
		}
		if err == nil || !c.held {
			p.Items = append(p.Items, item)
		}
	}
	p.Damaged = l.damaged
	return p
}

// candidates are the rows between the cursor and the horizon: the first place behind which a vault may have more than it was asked for.
func (l *lister) candidates() (all []candidate, horizon position) {
	for i, v := range l.r.vaults {
		heads := l.own[i]
		for j := range heads {
			if best, several := l.newest[heads[j].doc]; !several || best.vault == v {
				all = append(all, l.ownCandidate(&heads[j], l.r.keys[v]))
			}
		}
		if len(heads) > l.limit {
			last := heads[len(heads)-1]
			if p := (position{last.added, last.doc}); horizon.at.IsZero() || p.compare(horizon) > 0 {
				horizon = p
			}
		}
	}
	for _, p := range l.held {
		if _, own := l.newest[p.id]; own || p.compare(l.before) >= 0 {
			continue
		}
		if c, ok := l.heldCandidate(p); ok {
			all = append(all, c)
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool { return !horizon.at.IsZero() && c.compare(horizon) < 0 }), horizon
}

func (l *lister) ownCandidate(row *headRow, keys *seal.Keys) candidate {
	person := l.r.vaults[0]
	return candidate{position: position{row.added, row.doc}, open: func() (Item, error) {
		h, err := row.open(keys)
		if err != nil {
			return Item{ID: row.doc, Person: person, Damaged: true}, err
		}
		return h.item(row.doc, person, h.number, h.state), nil
	}}
}

// heldCandidate is a held paper of which a home side answered with a holding and a head; without either there is nothing to show.
func (l *lister) heldCandidate(p placed) (candidate, bool) {
	ways := slices.DeleteFunc(slices.Clone(p.ways), func(k link) bool {
		h := l.homes[k.home]
		return h == nil || h.holding(k) == nil || h.head(k.doc) == nil
	})
	return candidate{position: p.position, held: true, open: func() (item Item, err error) {
		for _, k := range ways {
			if item, err = l.heldItem(k); err == nil {
				return item, nil
			}
		}
		return Item{}, err
	}}, len(ways) > 0
}

func (l *lister) heldItem(k link) (Item, error) {
	h := l.homes[k.home]
	held, err := l.w.standing(h.holding(k), h.keys, l.r.vaults)
	if err != nil {
		return Item{}, err
	}
	shown, err := h.head(k.doc).open(h.keys)
	if err != nil {
		return Item{}, err
	}
	item := shown.item(k.doc, k.home, shown.number, shown.state)
	item.Held = held
	return item, nil
}

func (h *home) holding(k link) *holdingRow {
	for i := range h.holdings {
		if h.holdings[i].id == k.holding && h.holdings[i].doc == k.doc {
			return &h.holdings[i]
		}
	}
	return nil
}

func (h *home) head(doc identity.DocumentID) *headRow {
	for i := range h.heads {
		if h.heads[i].doc == doc {
			return &h.heads[i]
		}
	}
	return nil
}
