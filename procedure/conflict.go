package procedure

import (
	"fmt"
	"time"

	"vidan/internal/viettext"
	"vidan/place"
)

// Conflict is a consistency check that does not hold, with both sides and where each was read.
type Conflict struct {
	Check       *Check
	Left, Right Finding
}

// Finding is one side of a conflict: a value picked for a field, or read from a paper for the check alone. It is empty
// for a side that is no value, such as an age.
type Finding struct {
	Field     string // name of the form field; empty for a value read for the check
	Candidate Candidate
	Pointer   string // of a produced document, see [Procedure.CheckProduced]
}

// Evidence is what the checks of a procedure are evaluated over.
type Evidence struct {
	Roles  map[string]PersonRef
	Papers []Paper
	Values []FieldValue // of [Procedure.Match] over the same roles and papers
	// Usable says whether a value may be looked at for a field. A value read for a check alone is asked about under the
	// field it is compared with, so that a conflict shows nothing that is not granted by everybody it speaks of.
	Usable func(field string, c Candidate) bool
	Now    time.Time // ages are those of its day in Viet Nam
}

// Conflicts evaluates the consistency checks that compare fields and held papers. A check with a side that is missing,
// not usable, offered as a proposal, still to be chosen, or known too vaguely to tell is left out: absence is never a conflict.
func (p *Procedure) Conflicts(e Evidence) []Conflict {
	var list []Conflict
	for i := range p.Checks {
		k := &p.Checks[i]
		if k.Left.Input == "" {
			continue
		}
		if k.Right.Age != nil {
			list = append(list, p.ageConflicts(k, e)...)
			continue
		}
		left, ok := e.picked(k.Left.Input)
		if !ok {
			continue
		}
		if k.Rule == RuleCurrentUnit {
			if !inCurrentUnit(left.Candidate.Value) {
				list = append(list, Conflict{Check: k, Left: left})
			}
			continue
		}
		for _, right := range e.others(k) {
			if violates(k.Rule, left.Candidate.Value, right.Candidate.Value) {
				list = append(list, Conflict{Check: k, Left: left, Right: right})
			}
		}
	}
	return list
}

// picked returns the single value that stands in a field.
func (e Evidence) picked(field string) (Finding, bool) {
	for _, v := range e.Values {
		if v.Field.Name != field {
			continue
		}
		picked := v.Pick(func(c Candidate) bool { return e.Usable(field, c) })
		if len(picked) == 1 && !picked[0].Source.Proposal {
			return Finding{Field: field, Candidate: picked[0]}, true
		}
	}
	return Finding{}, false
}

// others returns the values of the right side.
func (e Evidence) others(k *Check) []Finding {
	if k.Right.Input != "" {
		if f, ok := e.picked(k.Right.Input); ok {
			return []Finding{f}
		}
		return nil
	}
	if k.Right.Paper == nil {
		return nil // a message of another system: whoever has it compares it
	}
	var list []Finding
	for _, c := range k.Right.Paper.values(nil, e.Roles, e.Papers) {
		if e.Usable(k.Left.Input, c) {
			list = append(list, Finding{Candidate: c})
		}
	}
	return list
}

// violates reports whether two values break a rule.
func violates(rule Rule, left, right Value) bool {
	switch rule {
	case RuleEqual:
		return !left.Equal(right)
	case RuleNotEqual:
		return left.Equal(right)
	case RuleSameName:
		a, okA := left.Text()
		b, okB := right.Text()
		return okA && okB && !viettext.Same(a, b)
	}
	return false
}

// inCurrentUnit reports whether the unit of today is known for an address.
func inCurrentUnit(v Value) bool {
	a, ok := v.Address()
	if !ok {
		return false
	}
	state := place.Convert(a).State
	return state == place.Current || state == place.Converted
}

// ageConflicts compares the birth dates of a check, its own and those of the other roles it names, with their ages.
func (p *Procedure) ageConflicts(k *Check, e Evidence) []Conflict {
	fields := []string{k.Left.Input}
	for _, role := range sortedKeys(k.Right.Age.Other) {
		fields = append(fields, otherField(p, k.Left.Input, role))
	}
	var list []Conflict
	for _, name := range fields {
		found, ok := e.picked(name)
		if !ok {
			continue
		}
		field, _ := p.Field(name)
		text, _ := found.Candidate.Value.Text()
		first, last, err := span(text)
		if err != nil {
			continue
		}
		years, months := k.Right.Age.of(field.Subject)
		today := civil(e.Now)
		tooOld := !last.AddDate(years, months, 0).After(today) // even if born on the last day possible
		tooYoung := first.AddDate(years, months, 0).After(today)
		if k.Rule == RuleAgeBelow && tooOld || k.Rule == RuleAgeAtLeast && tooYoung {
			list = append(list, Conflict{Check: k, Left: found})
		}
	}
	return list
}

// span returns the first and the last day that a date known by its day, month or year can be.
func span(text string) (first, last time.Time, err error) {
	for _, form := range []struct {
		layout       string
		year, months int
	}{{time.DateOnly, 0, 0}, {"2006-01", 0, 1}, {"2006", 1, 0}} {
		if len(text) != len(form.layout) {
			continue
		}
		first, err = time.ParseInLocation(form.layout, text, vietnam())
		last = first
		if form.year+form.months > 0 {
			last = first.AddDate(form.year, form.months, -1)
		}
		return first, last, err
	}
	return first, last, fmt.Errorf("procedure: not a date")
}

// CheckProduced evaluates the checks that compare parts of the document a procedure results in. They are warnings
// whatever the file says of their severity: a number that disagrees with date or sex happens to living people.
func (p *Procedure) CheckProduced(d Document) []Conflict {
	var list []Conflict
	for i := range p.Checks {
		k := &p.Checks[i]
		if k.Rule != RuleNumberFits || d.Type() == nil || d.Type().ID != p.Produces[0].DocumentType {
			continue
		}
		if number, born := text(d, k.Left.Produced), text(d, k.Right.Produced); number != "" && born != "" {
			if !numberFits(number, born, text(d, siblingSex(k.Left.Produced))) {
				list = append(list, Conflict{
					Check: k, Left: Finding{Pointer: k.Left.Produced}, Right: Finding{Pointer: k.Right.Produced},
				})
			}
		}
	}
	return list
}

func text(d Document, pointer string) string {
	v, _ := d.At(pointer)
	s, _ := v.Text()
	return s
}

// siblingSex returns the pointer to the sex of the person whose number stands at a pointer.
func siblingSex(pointer string) string {
	for i := len(pointer) - 1; i >= 0; i-- {
		if pointer[i] == '/' {
			return pointer[:i] + "/sex"
		}
	}
	return "/sex"
}

// numberFits compares digits 4 to 6 of a personal number (century and sex, year of birth) with a birth date as far as it
// is known and a sex, empty where it is not.
func numberFits(number, born, sex string) bool {
	if len(number) != 12 || len(born) < 4 {
		return false
	}
	code := int(number[3] - '0')
	year := 1900 + code/2*100 + int(number[4]-'0')*10 + int(number[5]-'0')
	return born[:4] == fmt.Sprint(year) && (sex == "" || (code%2 == 1) == (sex == "female"))
}
