package prefill

import (
	"slices"

	"vidan/consent"
	"vidan/identity"
	"vidan/procedure"
	"vidan/wallet"
)

// credits say under whose grant what was read: for the disclosure, for the record, and so that a repetition opens the same revisions.
type credits struct {
	permit consent.Permit
	use    consent.Use
	homes  map[identity.VaultID][]identity.DocumentID // whose papers these are
}

// credits enters everything that the answer stands on: values, both sides of conflicts, and papers that are named as why a field is empty.
func (f *form) credits(p consent.Permit) credits {
	c := credits{
		permit: p, homes: map[identity.VaultID][]identity.DocumentID{},
		use: consent.Use{Opened: map[identity.VaultID][]consent.DocRevision{}, Fields: map[identity.VaultID][]string{}},
	}
	for _, who := range p.Vaults() {
		c.use.Fields[who] = []string{} // nil would stand for everything that was granted
	}
	for i := range f.fields {
		v := &f.fields[i]
		name := v.Field.Name
		for _, picked := range v.picked {
			c.value(f, name, picked, true)
		}
		if v.reason != Expired && v.reason != Changed {
			continue
		}
		for _, stale := range v.stale {
			c.value(f, name, stale, false)
		}
		for _, paper := range f.bareFor(v.Field) {
			for _, who := range append([]identity.VaultID{paper.Person}, paper.Holders...) {
				if p.Allows(who, name) {
					c.paper(paper, who)
				}
			}
		}
	}
	for _, conflict := range f.conflicts {
		for _, side := range []procedure.Finding{conflict.Left, conflict.Right} {
			if side.Candidate.Paper != nil {
				c.value(f, conflict.Left.Field, side.Candidate, true) // a side without a field was asked about under the left one
			}
		}
	}
	return c
}

// value enters a value under everybody whose grant covers it.
func (c *credits) value(f *form, field string, v procedure.Candidate, released bool) {
	c.fact(f, field, v, v.FactOf, released)
	for _, id := range v.SharedWith {
		c.fact(f, field, v, id, released)
	}
}

// fact enters a value under one person whose fact it is, if their grant covers it.
func (c *credits) fact(f *form, field string, v procedure.Candidate, id procedure.PersonID, released bool) {
	who := identity.FromBytes[identity.VaultID](id)
	if !c.permit.Allows(who, field) {
		return
	}
	if released && !slices.Contains(c.use.Fields[who], field) {
		c.use.Fields[who] = append(c.use.Fields[who], field)
	}
	c.paper(f.meta[v.Paper.ID].Paper, who)
}

// paper enters a paper under somebody whose grant opened it. With pins, another person's grant may have: then it is entered there.
func (c *credits) paper(p *wallet.Paper, who identity.VaultID) {
	if home := c.homes[p.Person]; !slices.Contains(home, p.ID) {
		c.homes[p.Person] = append(home, p.ID)
	}
	opened := consent.DocRevision{Document: p.ID, Revision: p.Revision}
	if pins, exact := c.permit.Pinned(who); exact && !slices.Contains(pins, opened) {
		return
	}
	if !slices.Contains(c.use.Opened[who], opened) {
		c.use.Opened[who] = append(c.use.Opened[who], opened)
	}
}
