package prefill

import (
	"errors"
	"slices"
	"time"

	"vidan/consent"
	"vidan/identity"
	"vidan/person"
	"vidan/procedure"
	"vidan/wallet"
)

// form is a form with everything that was opened for it: who has which role, the papers in force, and what the mappings find in them.
type form struct {
	procedure *procedure.Procedure
	plan      consent.Plan
	roles     map[string]procedure.PersonRef
	pending   map[procedure.PersonID]bool // people whose number is awaited
	papers    []procedure.Paper           // in force
	meta      map[procedure.PaperID]wallet.Item
	values    []procedure.FieldValue
	stale     []procedure.FieldValue // what papers that have expired or were revoked would give
	expired   map[procedure.PaperID]bool
	now       time.Time

	// allowed reports whether a person allowed a field.
	allowed func(who identity.VaultID, field string) bool
}

// errProcedure reports a request of a procedure that this binary does not know.
var errProcedure = errors.New("prefill: procedure is not in this catalogue")

// form matches the papers with the fields. A paper that was revoked or has expired fills nothing and is only looked at to say why.
func (f *Filler) form(plan consent.Plan, scope wallet.Scope, opened []wallet.Paper, profiles map[identity.VaultID]*person.ProfileReading, now time.Time) (*form, error) {
	p, ok := f.Catalogue.Procedure(plan.Procedure())
	if !ok {
		return nil, errProcedure
	}
	out := &form{
		procedure: p, plan: plan, roles: map[string]procedure.PersonRef{}, pending: map[procedure.PersonID]bool{},
		meta: map[procedure.PaperID]wallet.Item{}, expired: map[procedure.PaperID]bool{}, now: now,
	}
	for role, who := range plan.Roles() {
		ref := procedure.PersonRef{ID: who.Bytes()}
		if reading := profiles[who]; reading != nil {
			profile, err := reading.Result(scope.Keys[who])
			if err != nil && !errors.Is(err, person.ErrNotFound) {
				return nil, err
			}
			ref.Number = profile.Number.Reveal()
			out.pending[ref.ID] = ref.Number == ""
		}
		out.roles[role] = ref
	}
	var stale []procedure.Paper
	today := civil(now)
	for i := range opened {
		paper := &opened[i]
		id := procedure.PaperID(paper.ID.Bytes())
		decoded, err := paper.Decode(f.Catalogue)
		if errors.Is(err, procedure.ErrDocument) && paper.Revoked {
			continue // a revocation that carries no document
		}
		if err != nil {
			return nil, err
		}
		out.meta[id] = paper.Item
		over := paper.ValidUntil != "" && paper.ValidUntil < today
		if paper.Revoked || over {
			out.expired[id] = over && !paper.Revoked
			stale = append(stale, decoded)
			continue
		}
		out.papers = append(out.papers, decoded)
	}
	out.values = p.Match(out.roles, out.papers)
	out.stale = p.Match(out.roles, stale)
	return out, nil
}

// civil is the civil date in Viet Nam, where every day of a paper begins and ends.
func civil(t time.Time) string { return t.In(time.FixedZone("ICT", 7*60*60)).Format(time.DateOnly) }

// usable reports whether a value was allowed for a field by somebody whose fact it is (L1).
func (f *form) usable(field string, c procedure.Candidate) bool {
	return c.Granted(func(id procedure.PersonID) bool { return f.allowed(identity.FromBytes[identity.VaultID](id), field) })
}

// granted reports whether anybody who was asked allowed the field.
func (f *form) granted(field string) bool {
	return slices.ContainsFunc(f.plan.Vaults(), func(v identity.VaultID) bool { return f.allowed(v, field) })
}

// pick returns the values for a field that may be used.
func (f *form) pick(v procedure.FieldValue) []procedure.Candidate {
	return v.Pick(func(c procedure.Candidate) bool { return f.usable(v.Field.Name, c) })
}

// use is what was opened, and which fields were filled, by whose grant.
func (f *form) use(p consent.Permit) consent.Use {
	use := consent.Use{Opened: map[identity.VaultID][]consent.DocRevision{}, Fields: map[identity.VaultID][]string{}}
	for _, who := range p.Vaults() {
		use.Fields[who] = []string{}
	}
	for _, v := range f.values {
		for _, c := range f.pick(v) {
			f.credit(&use, p, v.Field.Name, c)
		}
	}
	return use
}

// credit enters a value under everybody whose grant covers it.
func (f *form) credit(use *consent.Use, p consent.Permit, field string, c procedure.Candidate) {
	opened := consent.DocRevision{Document: identity.FromBytes[identity.DocumentID](c.Paper.ID), Revision: c.Paper.Revision}
	for _, id := range append([]procedure.PersonID{c.FactOf}, c.SharedWith...) {
		who := identity.FromBytes[identity.VaultID](id)
		if !p.Allows(who, field) {
			continue
		}
		if !slices.Contains(use.Fields[who], field) {
			use.Fields[who] = append(use.Fields[who], field)
		}
		if pins, exact := p.Pinned(who); exact && !slices.Contains(pins, opened) {
			continue // another person's grant opened it
		}
		if !slices.Contains(use.Opened[who], opened) {
			use.Opened[who] = append(use.Opened[who], opened)
		}
	}
}

// why says why a field stays empty (DESIGN §6). Without a grant it is always the same word (L2).
func (f *form) why(v procedure.FieldValue) Reason {
	field := v.Field
	switch {
	case len(field.Reuse) == 0 || !slices.Contains(f.plan.Fields(), field.Name):
		return MustBeTyped
	case !f.granted(field.Name):
		return NotProvided
	}
	for _, s := range f.stale {
		if s.Field != field {
			continue
		}
		for _, c := range s.Candidates {
			if !f.usable(field.Name, c) {
				continue
			}
			if f.expired[c.Paper.ID] {
				return Expired
			}
			return Changed
		}
	}
	for _, s := range field.Reuse {
		if who, ok := f.roles[s.Subject]; ok && f.pending[who.ID] {
			return NumberPending
		}
	}
	return NoDocument
}
