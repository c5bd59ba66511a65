package consent

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"vidan/identity"
)

// AgeRule says from which birthdays a person decides, since when the rule is in force, and on what basis. The ages are
// dated data and not constants: the Law on personal data protection does not define "child" (LAW.md §1).
type AgeRule struct {
	InForce  time.Time // first civil day
	Too      int       // from this birthday the child decides beside a representative
	OfAge    int       // from this birthday the person decides alone, and representation of a minor ends
	Citation string
}

// AgeRules are the rules in order of InForce. Before the first of them the first holds: no older rule is known to the house.
type AgeRules []AgeRule

//go:embed ages.csv
var agesCSV []byte

// StandardAges returns the rules in force in Viet Nam, from ages.csv.
func StandardAges() AgeRules {
	rules, err := ParseAges(bytes.NewReader(agesCSV))
	if err != nil {
		panic("consent: ages.csv: " + err.Error()) // embedded, and read by a test
	}
	return rules
}

// ParseAges reads rules from CSV with the columns in_force_from, decides_too_from_age, of_age_from, basis. A deployment that
// does not follow the wider reading of Decree 330/2026 sets both ages equal.
func ParseAges(r io.Reader) (AgeRules, error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord = 4
	records, err := table.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("age rules: %w", err)
	}
	if len(records) < 2 {
		return nil, errors.New("age rules: none")
	}
	var rules AgeRules
	for i, record := range records[1:] {
		day, err := time.Parse(time.DateOnly, record[0])
		if err != nil {
			return nil, fmt.Errorf("age rules: line %d: in_force_from is not a day", i+2)
		}
		too, err1 := strconv.Atoi(record[1])
		ofAge, err2 := strconv.Atoi(record[2])
		if err1 != nil || err2 != nil || too < 0 || too > ofAge || ofAge > 30 {
			return nil, fmt.Errorf("age rules: line %d: not ages", i+2)
		}
		if n := len(rules); n > 0 && !rules[n-1].InForce.Before(day) {
			return nil, fmt.Errorf("age rules: line %d: not in order", i+2)
		}
		rules = append(rules, AgeRule{InForce: day, Too: too, OfAge: ofAge, Citation: record[3]})
	}
	return rules, nil
}

// band is what a person's age lets them decide on one day.
type band int

const (
	infant band = iota // a representative decides
	minor              // a representative and the person decide
	ofAge              // the person decides
)

// on returns the rule in force on the civil day of now.
func (r AgeRules) on(now time.Time) AgeRule {
	today, rule := civilDay(now), r[0]
	for _, next := range r {
		if !next.InForce.After(today) {
			rule = next
		}
	}
	return rule
}

// band says in which band somebody born then is now. A birth date of which only a part is known counts as its last day; with
// none known the person counts as the youngest: a right that comes with age is never given early.
func (r AgeRules) band(born identity.PartialDate, now time.Time) band {
	rule, today := r.on(now), civilDay(now)
	switch {
	case !today.Before(born.ReachesAge(rule.OfAge)):
		return ofAge
	case !today.Before(born.ReachesAge(rule.Too)):
		return minor
	}
	return infant
}

// Majority returns the moment at which somebody born then comes of age by the rule in force now: midnight of that birthday in
// Viet Nam. A relation of a parent ends there.
func (r AgeRules) Majority(born identity.PartialDate, now time.Time) time.Time {
	day := born.ReachesAge(r.on(now).OfAge)
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, vietnam()).UTC()
}

// civilDay is the calendar day in Viet Nam, as midnight UTC: the form in which identity.PartialDate gives birthdays.
func civilDay(now time.Time) time.Time {
	year, month, day := now.In(vietnam()).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// vietnam is the legal time of the country, without summer time since 1975: no time zone files are needed.
func vietnam() *time.Location { return time.FixedZone("+07", 7*60*60) }
