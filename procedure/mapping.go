package procedure

import (
	"log/slog"
	"slices"
)

// PersonID is an opaque id of a person: the bytes of their vault's id.
type PersonID [16]byte

// PaperID is an opaque id of a paper: the bytes of the document's id.
type PaperID [16]byte

// PersonRef is a person who has a role in a dossier. It prints masked.
type PersonRef struct {
	ID PersonID
	// Number is the personal number, empty while it is awaited. People are recognised in papers by it alone (C3).
	Number string
}

// String masks the person.
func (p PersonRef) String() string { return mask }

// GoString masks the person in %#v.
func (p PersonRef) GoString() string { return mask }

// LogValue masks the person in slog.
func (p PersonRef) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON masks the person.
func (p PersonRef) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// Paper is a document as it lies in one vault.
type Paper struct {
	ID       PaperID
	Home     PersonID   // in whose vault it lies
	Holders  []PersonID // who else reaches it, through a holding
	Revision int
	Document Document
}

// reachedBy reports whether a person finds the paper: it lies in their vault, or they hold it.
func (p *Paper) reachedBy(id PersonID) bool { return p.Home == id || slices.Contains(p.Holders, id) }

// FieldValue is what the papers offer for one field of the form.
type FieldValue struct {
	Field *Field
	// Candidates stand in the order of priority; those of one source differ in their paper, in the order given.
	Candidates []Candidate
}

// Candidate is one value for one field, with whose fact it is and where it was found.
type Candidate struct {
	Source *Source
	Paper  *Paper // one of those given to [Procedure.Match]
	Value  Value
	// FactOf is the person whose grant is needed. SharedWith are further people of the dossier whose fact it is too: the
	// grant of any of them is enough instead. A proposal needs the grant of FactOf.
	FactOf     PersonID
	SharedWith []PersonID
}

// Granted reports whether a grant covers the candidate, given who granted.
func (c Candidate) Granted(by func(PersonID) bool) bool {
	return by(c.FactOf) || slices.ContainsFunc(c.SharedWith, by)
}

// Match finds the values that the papers hold for the fields of the form, by the rules of the mappings:
//
//  1. a paper counts when the person by whom it is found reaches it and stands in it as the mapping says;
//  2. so must the person whose fact it is, and every further person the mapping names;
//  3. where nobody of that role is a party of the dossier, a value shared with the finder may still be read;
//  4. the value is a fact of that person, or shared with them (held by [Load]);
//  5. several papers with different values are all returned: the citizen chooses.
//
// It looks at nothing but numbers and the catalogue; grants, restrictions and validity come after it. The result has one
// entry per field, in the order of the form, with no candidate where the field must be typed.
func (p *Procedure) Match(roles map[string]PersonRef, papers []Paper) []FieldValue {
	values := make([]FieldValue, len(p.Fields))
	for i := range p.Fields {
		f := &p.Fields[i]
		values[i].Field = f
		for _, s := range f.Reuse {
			values[i].Candidates = s.values(values[i].Candidates, roles, papers)
		}
	}
	return values
}

// values appends the candidates of one source.
func (s *Source) values(list []Candidate, roles map[string]PersonRef, papers []Paper) []Candidate {
	for i := range papers {
		factOf, ok := s.matches(roles, &papers[i])
		if !ok {
			continue
		}
		value, ok := papers[i].Document.at(s.path)
		if !ok {
			continue
		}
		c := Candidate{Source: s, Paper: &papers[i], Value: value, FactOf: factOf}
		if !s.Proposal {
			c.SharedWith = s.sharers(roles, &papers[i], factOf)
		}
		list = append(list, c)
	}
	return list
}

// matches reports whether a paper counts for a source (rules 1 to 3), and whose fact it then holds.
func (s *Source) matches(roles map[string]PersonRef, paper *Paper) (PersonID, bool) {
	if t := paper.Document.Type(); t == nil || t.ID != s.typ.ID {
		return PersonID{}, false
	}
	finder, ok := roles[s.Subject]
	if !ok || !paper.reachedBy(finder.ID) || !paper.Document.names(s.stands, finder.Number) {
		return PersonID{}, false
	}
	for role, who := range s.With {
		if person, ok := roles[who]; !ok || !paper.Document.names(role, person.Number) {
			return PersonID{}, false
		}
	}
	if s.Of == s.Subject {
		return finder.ID, true
	}
	if of, party := roles[s.Of]; party {
		return of.ID, paper.Document.names(s.As, of.Number)
	}
	return finder.ID, s.place != nil && slices.Contains(s.place.shared, s.stands)
}

// sharers returns the other people of the dossier whose fact the value is too.
func (s *Source) sharers(roles map[string]PersonRef, paper *Paper, factOf PersonID) []PersonID {
	if len(s.place.shared) == 0 {
		return nil
	}
	var list []PersonID
	for _, who := range sortedKeys(roles) {
		person := roles[who]
		if person.ID == factOf || slices.Contains(list, person.ID) {
			continue
		}
		named := func(role string) bool { return paper.Document.names(role, person.Number) }
		if named(s.place.subject) || slices.ContainsFunc(s.place.shared, named) {
			list = append(list, person.ID)
		}
	}
	return list
}

// Pick returns the values of the first source of which anything may be used: none when the field must be typed, one, or
// several different ones among which the citizen chooses. Of papers that say the same the first is returned.
func (v FieldValue) Pick(usable func(Candidate) bool) []Candidate {
	var picked []Candidate
	for _, c := range v.Candidates {
		if len(picked) > 0 && c.Source != picked[0].Source {
			break
		}
		same := func(p Candidate) bool { return p.Value.Equal(c.Value) }
		if usable(c) && !slices.ContainsFunc(picked, same) {
			picked = append(picked, c)
		}
	}
	return picked
}

// Editable reports whether the citizen may change what was picked: a single value from a signed document in a locked
// field is shown and corrected at its source, everything else may be overwritten.
func (v FieldValue) Editable(picked []Candidate) bool {
	return !v.Field.Locked || len(picked) != 1 || picked[0].Source.Proposal
}

// Satisfied returns the first paper that makes an attachment unnecessary.
func (a Attachment) Satisfied(roles map[string]PersonRef, papers []Paper) (*Paper, bool) {
	for _, s := range a.SatisfiedBy {
		for i := range papers {
			if _, ok := s.matches(roles, &papers[i]); ok {
				return &papers[i], true
			}
		}
	}
	return nil, false
}
