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
	meta      map[procedure.PaperID]*opened
	bare      []*wallet.Paper // revoked by a revision without a document: nothing can be matched in them
	fields    []filling       // one for each field of the form, in its order
	conflicts []procedure.Conflict

	// allowed reports whether a person allowed a field.
	allowed func(who identity.VaultID, field string) bool
}

// opened is a paper that may be named as a source.
type opened struct {
	*wallet.Paper
	ref string // for the reader's sector; see source
}

// filling is one field with what was found for it.
type filling struct {
	procedure.FieldValue
	picked []procedure.Candidate // that may be used: none, one, or several among which the citizen chooses
	stale  []procedure.Candidate // with none picked: what papers that have expired or were revoked would give
	reason Reason                // why nothing was picked
}

// errProcedure reports a request of a procedure that this binary does not know.
var errProcedure = errors.New("prefill: procedure is not in this catalogue")

// form matches the papers with the fields, and keeps of what is found what was allowed. A paper that was revoked or has expired fills nothing and is
// only looked at to say why.
func (f *Filler) form(plan consent.Plan, scope wallet.Scope, released []wallet.Paper, profiles map[identity.VaultID]*person.ProfileReading,
	allowed func(identity.VaultID, string) bool, now time.Time) (*form, error) {
	p, ok := f.d.Catalogue.Procedure(plan.Procedure())
	if !ok {
		return nil, errProcedure
	}
	out := &form{
		procedure: p, plan: plan, roles: make(map[string]procedure.PersonRef), pending: make(map[procedure.PersonID]bool),
		meta: make(map[procedure.PaperID]*opened, len(released)), allowed: allowed,
	}
	if err := out.people(scope, profiles); err != nil {
		return nil, err
	}
	var papers, stale []procedure.Paper
	today := civil(now)
	for i := range released {
		paper := &released[i]
		decoded, err := paper.Decode(f.d.Catalogue)
		if errors.Is(err, procedure.ErrDocument) && paper.Revoked && paper.Payload == nil {
			out.bare = append(out.bare, paper)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.meta[decoded.ID] = &opened{Paper: paper}
		if paper.Revoked || over(paper, today) {
			stale = append(stale, decoded)
		} else {
			papers = append(papers, decoded)
		}
	}
	out.match(papers, stale, today, now)
	return out, nil
}

// people says who has which role, and by which number papers name them: those who are known by the number that is theirs now, so that a number taken
// away opens nothing, and everybody else by the number they were named by. The father in a child's certificate is recognised whether or not he is
// enrolled (L2).
func (f *form) people(scope wallet.Scope, profiles map[identity.VaultID]*person.ProfileReading) error {
	known := make(map[identity.VaultID]procedure.PersonRef, len(profiles))
	for _, who := range f.plan.People() {
		ref := procedure.PersonRef{ID: who.Bytes(), Number: f.plan.Number(who).Reveal()}
		if keys := scope.Keys[who]; keys != nil {
			profile, err := profiles[who].Result(keys)
			if err != nil && !errors.Is(err, person.ErrNotFound) {
				return err
			}
			ref.Number = profile.Number.Reveal()
			f.pending[ref.ID] = ref.Number == ""
		}
		known[who] = ref
	}
	for role, who := range f.plan.Roles() {
		f.roles[role] = known[who]
	}
	return nil
}

// match finds values for every field, picks those that were allowed, and compares them.
func (f *form) match(papers, stale []procedure.Paper, today string, now time.Time) {
	values := f.procedure.Match(f.roles, papers)
	old := f.procedure.Match(f.roles, stale) // one entry per field, as values
	f.fields = make([]filling, len(values))
	for i, v := range values {
		name := v.Field.Name
		out := filling{FieldValue: v, picked: v.Pick(func(c procedure.Candidate) bool { return f.usable(name, c) })}
		if len(out.picked) == 0 {
			for _, c := range old[i].Candidates {
				if f.usable(name, c) {
					out.stale = append(out.stale, c)
				}
			}
			out.reason = f.why(&out, today)
		}
		f.fields[i] = out
	}
	f.conflicts = f.procedure.Conflicts(procedure.Evidence{Roles: f.roles, Papers: papers, Values: values, Usable: f.usable, Now: now})
}

// civil is the civil date in Viet Nam, where every day of a paper begins and ends.
func civil(t time.Time) string { return t.In(time.FixedZone("ICT", 7*60*60)).Format(time.DateOnly) }

// over reports a paper past its last day.
func over(p *wallet.Paper, today string) bool { return p.ValidUntil != "" && p.ValidUntil < today }

// usable reports whether a value was allowed for a field by somebody whose fact it is (L1).
func (f *form) usable(field string, c procedure.Candidate) bool {
	return c.Granted(func(id procedure.PersonID) bool { return f.allowed(identity.FromBytes[identity.VaultID](id), field) })
}

// granted reports whether anybody who was asked allowed the field.
func (f *form) granted(field string) bool {
	return slices.ContainsFunc(f.plan.Vaults(), func(v identity.VaultID) bool { return f.allowed(v, field) })
}

// grantedBy reports whether the person of a role allowed the field.
func (f *form) grantedBy(role, field string) bool {
	who, ok := f.roles[role]
	return ok && f.allowed(identity.FromBytes[identity.VaultID](who.ID), field)
}

// why says why a field stays empty (DESIGN §6). Without a grant it is always the same word, and every other word speaks only of people who granted
// this field (L2).
func (f *form) why(v *filling, today string) Reason {
	field := v.Field
	switch {
	case len(field.Reuse) == 0 || !slices.Contains(f.plan.Fields(), field.Name):
		return MustBeTyped
	case !f.granted(field.Name):
		return NotProvided
	case len(v.stale) > 0:
		if paper := f.meta[v.stale[0].Paper.ID]; over(paper.Paper, today) && !paper.Revoked {
			return Expired
		}
		return Changed
	case len(f.bareFor(field)) > 0:
		return Changed
	}
	for _, s := range field.Reuse {
		for _, role := range rolesOf(s) {
			if f.grantedBy(role, field.Name) && f.pending[f.roles[role].ID] {
				return NumberPending
			}
		}
	}
	return NoDocument
}

// rolesOf lists the people by whose numbers a source is matched.
func rolesOf(s *procedure.Source) []string {
	roles := []string{s.Subject, s.Of}
	for _, who := range s.With {
		roles = append(roles, who)
	}
	return roles
}

// bareFor returns the papers revoked without a document in which a field would have been found, by people who allowed it.
func (f *form) bareFor(field *procedure.Field) []*wallet.Paper {
	var list []*wallet.Paper
	for _, paper := range f.bare {
		if slices.ContainsFunc(field.Reuse, func(s *procedure.Source) bool {
			finder := identity.FromBytes[identity.VaultID](f.roles[s.Subject].ID)
			return s.Type == paper.Type && f.grantedBy(s.Subject, field.Name) && (finder == paper.Person || slices.Contains(paper.Holders, finder))
		}) {
			list = append(list, paper)
		}
	}
	return list
}
