package procedure

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Check is a consistency check of a procedure.
type Check struct {
	ID        string   `json:"id"`
	MessageVI string   `json:"message_vi"`
	Left      Side     `json:"left"`
	Right     Side     `json:"right"`
	Rule      Rule     `json:"rule"`
	Severity  Severity `json:"severity"`
}

// Rule is what a check demands.
type Rule string

// The rules.
const (
	RuleEqual       Rule = "equal"
	RuleNotEqual    Rule = "not_equal"
	RuleSameName    Rule = "equal_name_normalised"                          // [viettext.Same]
	RuleAgeBelow    Rule = "age_below"                                      // on the day of the check
	RuleAgeAtLeast  Rule = "age_at_least"                                   // on the day of the check
	RuleCurrentUnit Rule = "convertible_to_current_unit"                    // [place.Convert] finds the unit of today
	RuleNumberFits  Rule = "personal_number_agrees_with_birth_date_and_sex" // a warning: it happens to living people
)

// Severity says what a conflict means for the dossier.
type Severity string

// The severities.
const (
	SeverityBlock       Severity = "block"       // the dossier cannot go on
	SeverityCorrectable Severity = "correctable" // one of the papers is to be corrected
	SeverityWarn        Severity = "warn"
)

// Side is one side of a check: exactly one of its members is set.
type Side struct {
	Input    string  // field of the form
	Produced string  // pointer into the document the procedure results in
	Message  string  // member of a message of another system
	Dataset  string  // a list the value must be in
	Age      *Age    // an age to compare with
	Paper    *Source // a value of a held paper
}

// Age is a length of life, with exceptions for other roles of the same check.
type Age struct {
	Years, Months int
	Other         map[string]int // role to years or months, in the unit of the first
}

// UnmarshalJSON reads a side; a paper's type is called "document" there.
func (s *Side) UnmarshalJSON(data []byte) error {
	var f struct {
		Input    string            `json:"input"`
		Produced string            `json:"produced"`
		Message  string            `json:"message"`
		Dataset  string            `json:"dataset"`
		Const    string            `json:"const"`
		Document string            `json:"document"`
		Pointer  string            `json:"pointer"`
		Subject  string            `json:"subject"`
		As       string            `json:"as"`
		Of       string            `json:"of"`
		With     map[string]string `json:"with"`
	}
	if err := strictJSON(data, &f); err != nil {
		return err
	}
	*s = Side{Input: f.Input, Produced: f.Produced, Message: f.Message, Dataset: f.Dataset}
	set := 0
	for _, member := range []string{f.Input, f.Produced, f.Message, f.Dataset, f.Const, f.Document} {
		if member != "" {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("a side of a check names %d things", set)
	}
	if f.Const != "" {
		age, err := parseAge(f.Const)
		if err != nil {
			return err
		}
		s.Age = age
	}
	if f.Document != "" {
		s.Paper = &Source{Subject: f.Subject, Type: f.Document, Pointer: f.Pointer, As: f.As, Of: f.Of, With: f.With}
	} else if f.Pointer != "" || f.Subject != "" || f.As != "" || f.Of != "" || f.With != nil {
		return fmt.Errorf("a side of a check without a document speaks of one")
	}
	return nil
}

// parseAge reads "72 months" and "18 years; husband 20": an age, and for other roles their own in the same unit.
func parseAge(text string) (*Age, error) {
	first, rest, more := strings.Cut(text, "; ")
	count, unit, _ := strings.Cut(first, " ")
	n, err := strconv.Atoi(count)
	age := &Age{Other: map[string]int{}}
	switch {
	case err != nil || n <= 0:
		return nil, fmt.Errorf("%q is no age", text)
	case unit == "years":
		age.Years = n
	case unit == "months":
		age.Months = n
	default:
		return nil, fmt.Errorf("%q is no age", text)
	}
	for more {
		var other string
		other, rest, more = strings.Cut(rest, "; ")
		role, count, _ := strings.Cut(other, " ")
		if n, err = strconv.Atoi(count); err != nil || n <= 0 || role == "" {
			return nil, fmt.Errorf("%q is no age", text)
		}
		age.Other[role] = n
	}
	return age, nil
}

// of returns the age that a role must have.
func (a *Age) of(role string) (years, months int) {
	n, ok := a.Other[role]
	switch {
	case !ok:
		return a.Years, a.Months
	case a.Years > 0:
		return n, 0
	default:
		return 0, n
	}
}

// strictJSON decodes one value and refuses unknown members.
func strictJSON(data []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
