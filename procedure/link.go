package procedure

import (
	"fmt"
	"slices"
	"strings"
)

// link resolves every reference of the files and refuses a catalogue in which one leads nowhere, or to the fact of
// somebody else (C1).
func (c *Catalogue) link() error {
	for _, p := range c.list {
		if err := c.linkProcedure(p); err != nil {
			return fmt.Errorf("procedure: procedures/%s.json: %w", p.ID, err)
		}
	}
	for _, p := range c.list {
		if err := c.linkHoldings(p); err != nil {
			return fmt.Errorf("procedure: procedures/%s.json: %w", p.ID, err)
		}
	}
	if err := c.linkGroups(); err != nil {
		return fmt.Errorf("procedure: procedure_groups.json: %w", err)
	}
	return nil
}

func (c *Catalogue) linkProcedure(p *Procedure) error {
	if p.Name.VI == "" || p.Name.EN == "" {
		return fmt.Errorf("no name")
	}
	if p.MinimumIdentityLevel != 1 && p.MinimumIdentityLevel != 2 {
		return fmt.Errorf("minimum_identity_level %d", p.MinimumIdentityLevel)
	}
	if err := p.checkBasis(); err != nil {
		return fmt.Errorf("basis: %w", err)
	}
	for i := range p.Fields {
		if err := c.linkField(p, &p.Fields[i]); err != nil {
			return fmt.Errorf("inputs: %s: %w", p.Fields[i].Name, err)
		}
	}
	for _, name := range p.SensitiveFields {
		if _, ok := p.fields[name]; !ok {
			return fmt.Errorf("sensitive_fields: %q is no field", name)
		}
	}
	for _, r := range p.Produces {
		if err := c.checkProduct(p, r); err != nil {
			return fmt.Errorf("produces: %s: %w", r.NameVI, err)
		}
	}
	for _, a := range p.Attachments {
		for i, s := range a.SatisfiedBy {
			if s.Pointer != "" || s.Proposal || s.Priority != 0 {
				return fmt.Errorf("attachments: %s/%d: a paper is asked for, not a value", a.ID, i+1)
			}
			if err := c.linkSource(p, s, s.Subject); err != nil {
				return fmt.Errorf("attachments: %s/%d: %w", a.ID, i+1, err)
			}
		}
	}
	for i := range p.Checks {
		if err := c.linkCheck(p, &p.Checks[i]); err != nil {
			return fmt.Errorf("consistency_checks: %s: %w", p.Checks[i].ID, err)
		}
	}
	for _, d := range p.DependsOn {
		if !p.HasRole(d.Subject) || !c.results(d) {
			return fmt.Errorf("depends_on: %s does not result in %s of %s", d.Procedure, d.DocumentType, d.Subject)
		}
	}
	return nil
}

func (p *Procedure) checkBasis() error {
	b := p.Basis
	if b.Kind != Consent && b.Kind != Statutory {
		return fmt.Errorf("kind %q", b.Kind)
	}
	if b.Article == "" || b.Ref == "" {
		return fmt.Errorf("no article of law")
	}
	switch b.Verified {
	case VerifiedYes, VerifiedSecondary, VerifiedNo:
	default:
		return fmt.Errorf("verified %q", b.Verified)
	}
	for _, role := range b.Subjects {
		if !p.HasRole(role) {
			return fmt.Errorf("role %q does not exist", role)
		}
	}
	switch p.ConsentBy {
	case BySubjectOrRepresentative, ByRepresentativeAndEachAdult, ByApplicantRelatedToDeceased:
		return nil
	}
	return fmt.Errorf("consent_by %q", p.ConsentBy)
}

func (c *Catalogue) linkField(p *Procedure, f *Field) error {
	if !p.HasRole(f.Subject) {
		return fmt.Errorf("role %q does not exist", f.Subject)
	}
	if _, _, ok := typeRule(f.Type); !ok || !isFieldName(f.Name) || f.TitleVI == "" || f.TitleEN == "" {
		return fmt.Errorf("no name, title or type")
	}
	if f.Shape != "" && (f.Shape != "address" || f.Type != "object") {
		return fmt.Errorf("shape %q of type %s", f.Shape, f.Type)
	}
	for i, s := range f.Reuse {
		if err := c.linkReuse(p, f, s, i+1); err != nil {
			return fmt.Errorf("x-reuse %d: %w", i+1, err)
		}
	}
	return nil
}

// linkReuse holds the rules of the mappings that can be told without a paper.
func (c *Catalogue) linkReuse(p *Procedure, f *Field, s *Source, priority int) error {
	if s.Priority != priority {
		return fmt.Errorf("priority %d", s.Priority)
	}
	if err := c.linkSource(p, s, f.Subject); err != nil {
		return err
	}
	if err := s.linkValue(); err != nil {
		return err
	}
	composed := func(typ string) bool { return typ == "object" || typ == "array" }
	if composed(f.Type) != composed(s.place.typ) {
		return fmt.Errorf("a %s cannot be filled from %s%s", f.Type, s.Type, s.Pointer)
	}
	named := slices.ContainsFunc(sortedKeys(s.With), func(k string) bool { return s.With[k] == f.Subject })
	switch {
	case s.Of != f.Subject && !s.Proposal && !named:
		return fmt.Errorf("a fact of %s for a field of %s is not marked as a proposal", s.Of, f.Subject)
	case s.Proposal && s.Of == f.Subject:
		return fmt.Errorf("the own fact of %s is marked as a proposal", s.Of)
	case s.Proposal && f.Locked:
		return fmt.Errorf("a proposal in a locked field")
	case s.place.sensitive && !f.Sensitive:
		return fmt.Errorf("sensitive source, but the field is not in sensitive_fields")
	}
	return nil
}

// linkSource resolves who is who in a paper: of is the person whose fact is read, and how the finder stands in it.
func (c *Catalogue) linkSource(p *Procedure, s *Source, of string) error {
	if s.Of == "" {
		s.Of = of
	}
	t, ok := c.types[s.Type]
	if !ok {
		return fmt.Errorf("document type %q does not exist", s.Type)
	}
	s.typ = t
	for _, role := range []string{s.Subject, s.Of} {
		if !p.HasRole(role) {
			return fmt.Errorf("role %q does not exist", role)
		}
	}
	if _, ok := t.numbers[s.As]; !ok {
		return fmt.Errorf("role %q does not exist in %s", s.As, t.ID)
	}
	s.stands = t.Home
	for _, role := range sortedKeys(s.With) {
		if _, ok := t.numbers[role]; !ok || role == s.As || !p.HasRole(s.With[role]) {
			return fmt.Errorf("with %s: %q does not exist", role, s.With[role])
		}
		if s.With[role] == s.Subject {
			s.stands = role
		}
	}
	if s.Of == s.Subject {
		s.stands = s.As
	} else if s.stands == s.As {
		return fmt.Errorf("%s and %s cannot both be %s", s.Subject, s.Of, s.As)
	}
	return nil
}

// linkValue resolves the pointer of a source and holds it to facts of one person: of the role it names, or shared with
// it, the whole value down to its leaves.
func (s *Source) linkValue() error {
	path, ok := parts(s.Pointer)
	if ok {
		s.place = s.typ.root.find(path)
	}
	if s.place == nil || s.place == s.typ.root {
		return fmt.Errorf("%s%s does not exist", s.Type, s.Pointer)
	}
	if strings.ContainsAny(s.Pointer, "*") || s.place.name == "*" || strings.Contains(s.typ.NumberPointers[s.As], "*") {
		return fmt.Errorf("%s%s is a fact of one of many", s.Type, s.Pointer)
	}
	s.path = path
	if !s.place.factOf(s.As) {
		return fmt.Errorf("%s%s is a fact of %s, not of %s", s.Type, s.Pointer, s.place.subject, s.As)
	}
	var stranger *schema
	s.place.each(func(below *schema) {
		if below.subject != s.place.subject || !slices.Equal(below.shared, s.place.shared) || below.sensitive && !s.place.sensitive {
			stranger = below
		}
	})
	if stranger != nil {
		return fmt.Errorf("%s%s holds a fact of %s", s.Type, stranger.pointer, stranger.subject)
	}
	return nil
}

func (c *Catalogue) checkProduct(p *Procedure, r Product) error {
	if !p.HasRole(r.Home) {
		return fmt.Errorf("home %q does not exist", r.Home)
	}
	t, ok := c.types[r.DocumentType]
	if !ok && r.DocumentType != "" {
		return fmt.Errorf("document type %q does not exist", r.DocumentType)
	}
	if t != nil && r.Roles[t.Home] != r.Home {
		return fmt.Errorf("%s is at home with its %s, not with %s", t.ID, t.Home, r.Home)
	}
	for _, role := range sortedKeys(r.Roles) {
		known := false
		if t != nil {
			_, known = t.numbers[role]
		}
		if !known || !p.HasRole(r.Roles[role]) {
			return fmt.Errorf("role %s is %q", role, r.Roles[role])
		}
	}
	for _, h := range r.Holders {
		if !p.HasRole(h.Role) || h.Role == r.Home {
			return fmt.Errorf("holder %q", h.Role)
		}
		switch h.Reason {
		case ReasonParent, ReasonLegalRepresentative, ReasonCoSubject, ReasonDeclarant, ReasonHeir:
		default:
			return fmt.Errorf("holder %s: reason %q", h.Role, h.Reason)
		}
		if h.Until != UntilChildTurns18 && h.Until != UntilNoEnd {
			return fmt.Errorf("holder %s: until %q", h.Role, h.Until)
		}
	}
	return nil
}

func (c *Catalogue) linkCheck(p *Procedure, k *Check) error {
	switch k.Severity {
	case SeverityBlock, SeverityCorrectable, SeverityWarn:
	default:
		return fmt.Errorf("severity %q", k.Severity)
	}
	for _, side := range []*Side{&k.Left, &k.Right} {
		if err := c.linkSide(p, side); err != nil {
			return err
		}
	}
	l, r := k.Left, k.Right
	fits := false
	switch k.Rule {
	case RuleEqual, RuleNotEqual, RuleSameName:
		fits = l.Input != "" && (r.Input != "" || r.Paper != nil || r.Message != "")
	case RuleAgeBelow, RuleAgeAtLeast:
		fits = l.Input != "" && r.Age != nil
	case RuleCurrentUnit:
		fits = l.Input != "" && r.Dataset == "administrative_units"
	case RuleNumberFits:
		fits = l.Produced != "" && r.Produced != ""
	}
	if !fits {
		return fmt.Errorf("rule %q does not fit its sides", k.Rule)
	}
	if r.Age != nil {
		for _, role := range sortedKeys(r.Age.Other) {
			if _, ok := p.Field(otherField(p, l.Input, role)); !ok {
				return fmt.Errorf("%s has no such field", role)
			}
		}
	}
	return nil
}

// otherField returns the field that is for another role what a field is for its own: husband_birth_date for
// wife_birth_date.
func otherField(p *Procedure, name, role string) string {
	f, ok := p.Field(name)
	if !ok {
		return ""
	}
	rest, ok := strings.CutPrefix(name, f.Subject+"_")
	if !ok {
		return ""
	}
	return role + "_" + rest
}

func (c *Catalogue) linkSide(p *Procedure, side *Side) error {
	switch {
	case side.Input != "":
		if _, ok := p.fields[side.Input]; !ok {
			return fmt.Errorf("input %q does not exist", side.Input)
		}
	case side.Produced != "":
		if len(p.Produces) == 0 {
			return fmt.Errorf("nothing is produced")
		}
		t, ok := c.types[p.Produces[0].DocumentType]
		if !ok || t.find(side.Produced) == nil {
			return fmt.Errorf("produced %q does not exist", side.Produced)
		}
	case side.Paper != nil:
		if err := c.linkSource(p, side.Paper, side.Paper.Subject); err != nil {
			return err
		}
		return side.Paper.linkValue()
	}
	return nil
}

// results reports whether a dependency's procedure leaves the paper in the home of the role.
func (c *Catalogue) results(d Dependency) bool {
	p, ok := c.procedures[d.Procedure]
	return ok && slices.ContainsFunc(p.Produces, func(r Product) bool {
		return r.DocumentType == d.DocumentType && r.Home == d.Subject
	})
}

// linkHoldings refuses a source that looks for a paper in the hands of somebody who never gets a holding of it.
func (c *Catalogue) linkHoldings(p *Procedure) error {
	sources := p.sources()
	for _, s := range sources {
		if s.stands != s.typ.Home && !c.held(s.Type, s.stands) {
			return fmt.Errorf("the %s of a %s has no holding of it", s.stands, s.Type)
		}
	}
	return nil
}

// sources lists every reference to a paper in a procedure.
func (p *Procedure) sources() []*Source {
	var list []*Source
	for _, f := range p.Fields {
		list = append(list, f.Reuse...)
	}
	for _, a := range p.Attachments {
		list = append(list, a.SatisfiedBy...)
	}
	for _, k := range p.Checks {
		for _, side := range []Side{k.Left, k.Right} {
			if side.Paper != nil {
				list = append(list, side.Paper)
			}
		}
	}
	return list
}

func (c *Catalogue) held(documentType, role string) bool {
	for _, p := range c.list {
		r, ok := p.ProductOf(documentType)
		if ok && slices.ContainsFunc(r.Holders, func(h Holder) bool { return h.Role == r.Roles[role] }) {
			return true
		}
	}
	return false
}

func (c *Catalogue) linkGroups() error {
	inGroup := map[string]bool{}
	for _, g := range c.groups {
		for i, id := range g.Members {
			p, ok := c.procedures[id]
			if !ok || p.Group == nil || p.Group.ID != g.ID || p.Group.Order != i+1 {
				return fmt.Errorf("%s: %s is not member %d", g.ID, id, i+1)
			}
			inGroup[id] = true
		}
		for _, id := range g.Optional {
			if !slices.Contains(g.Members, id) {
				return fmt.Errorf("%s: optional %s is no member", g.ID, id)
			}
		}
		for _, e := range g.Edges {
			if !slices.Contains(g.Members, e[0]) || !slices.Contains(g.Members, e[1]) {
				return fmt.Errorf("%s: edge from %s to %s", g.ID, e[0], e[1])
			}
		}
		if g.Steps != nil {
			for _, s := range g.Steps.Steps {
				if !slices.Contains(g.Members, s.Step) {
					return fmt.Errorf("%s: step %s is no member", g.ID, s.Step)
				}
			}
		}
	}
	for _, p := range c.list {
		if p.Group != nil && !inGroup[p.ID] {
			return fmt.Errorf("%s: %s is in no such group", p.Group.ID, p.ID)
		}
	}
	return nil
}
