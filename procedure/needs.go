package procedure

import "slices"

// Need is what has to be decided by, or for, one person of a dossier.
type Need struct {
	Role      string
	Fields    []string // whose values this person decides about, in the order of the form
	Sensitive bool     // one of them at least
	Types     []string // document types their facts may be read from, sorted
}

// Origin is where papers are looked for: in the reach of the person who has a role.
type Origin struct {
	Role string
	Type string
}

// NeededFrom says who has to be asked for a set of form fields, given which roles of the dossier are filled. Only people
// whose facts are opened are asked: where a fact is shared, one grant is enough, so it is put to somebody who is asked
// anyway, else to the person by whom the paper is found. Fields the procedure does not have are left out; see
// [Procedure.FieldsOutside].
func (p *Procedure) NeededFrom(fields []string, filled func(role string) bool) []Need {
	needs := map[string]*Need{}
	ask := func(role string, f *Field, s *Source) {
		n := needs[role]
		if n == nil {
			n = &Need{Role: role}
			needs[role] = n
		}
		if !slices.Contains(n.Fields, f.Name) {
			n.Fields = append(n.Fields, f.Name)
		}
		if !slices.Contains(n.Types, s.Type) {
			n.Types = append(n.Types, s.Type)
		}
		n.Sensitive = n.Sensitive || f.Sensitive
	}
	asked := p.asked(fields, filled)
	for i := range p.Fields {
		f := &p.Fields[i]
		if !slices.Contains(fields, f.Name) {
			continue
		}
		shared := false // an earlier source is open to somebody who decides for several
		for _, s := range f.Reuse {
			deciders := s.deciders(filled)
			if len(deciders) == 0 {
				continue
			}
			role := deciders[0]
			if k := slices.IndexFunc(deciders, func(d string) bool { return asked[d] }); k >= 0 {
				role = deciders[k]
			}
			if shared && !asked[role] {
				continue // nobody is troubled for a second way to the same fact
			}
			ask(role, f, s)
			shared = shared || len(deciders) > 1
		}
	}
	list := make([]Need, 0, len(needs))
	for _, role := range p.Roles {
		if n := needs[role.ID]; n != nil {
			slices.Sort(n.Types)
			list = append(list, *n)
		}
	}
	return list
}

// asked returns the roles that are asked in any case: those with a field that nobody else can open.
func (p *Procedure) asked(fields []string, filled func(string) bool) map[string]bool {
	asked := map[string]bool{}
	for _, f := range p.Fields {
		if !slices.Contains(fields, f.Name) {
			continue
		}
		for _, s := range f.Reuse {
			deciders := s.deciders(filled)
			if len(deciders) > 1 {
				break
			}
			if len(deciders) == 1 {
				asked[deciders[0]] = true
			}
		}
	}
	return asked
}

// possible reports whether the source can match in this dossier: who is named has to be there, except that what is shared with the finder may be
// read of somebody who is no party.
func (s *Source) possible(filled func(string) bool) bool {
	if !filled(s.Subject) {
		return false
	}
	for _, who := range s.With {
		if !filled(who) {
			return false
		}
	}
	return filled(s.Of) || !s.Proposal && slices.Contains(s.place.shared, s.stands)
}

// deciders returns the roles of which one grant opens the source: the finder first where the fact is theirs too. It is
// empty where the source is not possible, and only there: the value is a fact of the person it is of (held by [Load]).
func (s *Source) deciders(filled func(string) bool) []string {
	switch {
	case !s.possible(filled):
		return nil
	case s.Proposal:
		return []string{s.Of}
	case !filled(s.Of):
		return []string{s.Subject}
	}
	var list []string
	if s.place.factOf(s.stands) {
		list = append(list, s.Subject)
	}
	if s.Of != s.Subject {
		list = append(list, s.Of)
	}
	for _, role := range sortedKeys(s.With) {
		if who := s.With[role]; s.place.factOf(role) && !slices.Contains(list, who) {
			list = append(list, who)
		}
	}
	return list
}

// Origins lists in whose reach papers of which type are looked for, for a set of form fields and the consistency checks
// that read them: each role and type once, in the order of the form.
func (p *Procedure) Origins(fields []string, filled func(role string) bool) []Origin {
	var list []Origin
	add := func(s *Source) {
		o := Origin{Role: s.Subject, Type: s.Type}
		if s.possible(filled) && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	for i := range p.Fields {
		if f := &p.Fields[i]; slices.Contains(fields, f.Name) {
			for _, s := range f.Reuse {
				add(s)
			}
		}
	}
	for i := range p.Checks {
		k := &p.Checks[i]
		for _, s := range [...]*Source{k.Left.Paper, k.Right.Paper} {
			if s != nil && (slices.Contains(fields, k.Left.Input) || slices.Contains(fields, k.Right.Input)) {
				add(s)
			}
		}
	}
	return list
}
