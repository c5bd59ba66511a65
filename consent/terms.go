package consent

import (
	"slices"
	"time"

	"vidan/identity"
)

// grant is what the decision allows; where two had to decide, never more than either of them.
func (w *decisionAtWork) grant() *grantRow {
	who, c := w.desk.who, w.content
	p, _ := c.of(who.Vault)
	t := agreed{fields: w.in.Fields, mode: w.in.Mode, uses: w.in.Uses, until: w.until, pinned: w.in.Pinned}
	for _, e := range w.desk.events {
		t = t.and(agreedBy(e.body))
	}
	if !w.deciders.majority.IsZero() && w.deciders.majority.Before(t.until) {
		t.until = w.deciders.majority // R7: what was allowed for a child ends with the childhood
	}
	r := &grantRow{
		vault: who.Vault, id: grantID(who.Vault, c.ID), request: c.ID, organisation: c.Organisation, client: c.Client, mode: t.mode,
		state: GrantActive, from: w.now, until: t.until, documents: []identity.DocumentID{}, revisions: []int32{}, version: 1,
		body: grantBody{
			Procedure: c.Procedure, Dossier: c.Dossier, Purpose: c.Purpose, BasisRef: c.BasisRef, BasisArticle: c.BasisArticle, Roles: p.Roles,
			Fields: inOrder(w.procedure, t.fields), Uses: t.uses, Replaces: w.in.Replaces, BySelf: who.Self(),
			ByBoth: len(w.desk.events) > 0, NoAccount: w.deciders.noAccount,
		},
	}
	if t.mode == Once {
		r.body.Uses = 1
	}
	if r.body.Uses > 0 {
		left := r.body.Uses
		r.usesLeft = &left
	}
	for _, p := range t.pinned {
		r.documents, r.revisions = append(r.documents, p.Document), append(r.revisions, int32(p.Revision))
	}
	return r
}

// agreed are the terms of one yes.
type agreed struct {
	fields []string
	mode   Mode
	uses   int
	until  time.Time
	pinned []DocRevision
}

// agreedBy reads the terms of an earlier yes.
func agreedBy(b eventBody) agreed {
	until, err := time.Parse(time.RFC3339, b.Decided.Until)
	if err != nil {
		return agreed{} // this package wrote it; whatever it is now, it allows nothing
	}
	return agreed{fields: b.Decided.Fields, mode: b.Decided.Mode, uses: b.Decided.Uses, until: until, pinned: b.Pinned}
}

// and returns what both allow.
func (t agreed) and(o agreed) agreed {
	both := agreed{mode: narrower(t.mode, o.mode), until: t.until}
	for _, f := range t.fields {
		if slices.Contains(o.fields, f) {
			both.fields = append(both.fields, f)
		}
	}
	if o.until.Before(both.until) {
		both.until = o.until
	}
	switch {
	case both.mode == Uses && t.mode == Uses && o.mode == Uses:
		both.uses = min(t.uses, o.uses)
	case both.mode == Uses:
		both.uses = t.uses + o.uses // one of them is zero
	}
	switch {
	case t.mode == Once && o.mode == Once:
		for _, p := range t.pinned {
			if slices.Contains(o.pinned, p) {
				both.pinned = append(both.pinned, p)
			}
		}
	case t.mode == Once:
		both.pinned = t.pinned
	case o.mode == Once:
		both.pinned = o.pinned
	}
	return both
}

// narrower returns the mode that allows less.
func narrower(a, b Mode) Mode {
	order := []Mode{Once, Uses, Until}
	return order[min(max(slices.Index(order, a), 0), max(slices.Index(order, b), 0))]
}
