package person

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vidan/identity"
)

var (
	// ErrLevel reports a level that the law does not give this person.
	ErrLevel = errors.New("person: not a level for this person")
	// ErrRepresentative reports an account that only a proven representative of level 2 opens, and none was proven.
	ErrRepresentative = errors.New("person: a representative of level 2 has to open this account")
	// ErrAccounts reports a table of accounts that cannot be read.
	ErrAccounts = errors.New("person: not a table of accounts")
)

// AccountKind is what the law asks of somebody who is to have an account.
type AccountKind string

const (
	// CitizenAccount is that of a citizen who acts alone from 14.
	CitizenAccount AccountKind = "citizen"
	// WardAccount is that of a person under guardianship or represented (người được giám hộ, người được đại diện), whatever their age.
	WardAccount AccountKind = "ward"
	// ForeignerAccount is that of a foreigner lawfully in the country.
	ForeignerAccount AccountKind = "foreigner"
)

//go:embed accounts.csv
var accountsTable string

// Accounts is the table of who may have which account (tài khoản định danh điện tử), as dated data that a lawyer can read (accounts.csv): a row
// counts on the days from in_force_from to in_force_until, for ages from age_from to the day before age_below. "none" is an account without levels.
type Accounts struct{ rows []accountRule }

type accountRule struct {
	from, until      time.Time // days; until is the last one, zero for none
	kind             AccountKind
	ageFrom, below   int // below 0: without end
	levels, request  []int
	byRepresentative bool
}

// Allowance says on what terms an account is allowed.
type Allowance struct {
	OnRequest      bool // only when it is asked for
	Representative bool // opened, and used, by a proven representative (Decree 69/2024 Art. 11(6), 14(2))
}

// LoadAccounts reads the table that the binary holds.
func LoadAccounts() (Accounts, error) { return parseAccounts(accountsTable) }

// parseAccounts reads a table. Errors: [ErrAccounts] with the line.
func parseAccounts(table string) (Accounts, error) {
	lines, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(lines) < 2 {
		return Accounts{}, ErrAccounts
	}
	var a Accounts
	for i, line := range lines[1:] {
		rule, err := parseAccountRule(line)
		if err != nil {
			return Accounts{}, fmt.Errorf("line %d: %w", i+2, err)
		}
		a.rows = append(a.rows, rule)
	}
	return a, nil
}

func parseAccountRule(f []string) (accountRule, error) {
	if len(f) != 9 {
		return accountRule{}, ErrAccounts
	}
	r := accountRule{kind: AccountKind(f[2]), byRepresentative: f[7] == "yes"}
	var errs [6]error
	r.from, errs[0] = time.Parse(time.DateOnly, f[0])
	if f[1] != "" {
		r.until, errs[1] = time.Parse(time.DateOnly, f[1])
	}
	r.ageFrom, errs[2] = strconv.Atoi(f[3])
	if f[4] != "" {
		r.below, errs[3] = strconv.Atoi(f[4])
	}
	r.levels, errs[4] = parseLevels(f[5])
	r.request, errs[5] = parseLevels(f[6])
	known := slices.Contains([]AccountKind{CitizenAccount, WardAccount, ForeignerAccount}, r.kind)
	if errors.Join(errs[:]...) != nil || !known || f[7] != "yes" && f[7] != "no" || len(r.levels) == 0 || r.ageFrom < 0 || r.below < 0 || f[8] == "" {
		return accountRule{}, ErrAccounts
	}
	return r, nil
}

func parseLevels(s string) ([]int, error) {
	var levels []int
	for _, word := range strings.Fields(s) {
		switch word {
		case "none":
			levels = append(levels, 0)
		case "1":
			levels = append(levels, 1)
		case "2":
			levels = append(levels, 2)
		default:
			return nil, ErrAccounts
		}
	}
	return levels, nil
}

// Allowed says whether somebody born on a date may have an account of a level at a moment: 1 or 2, or 0 for one without levels. Of a date that is
// known in part only what is certain counts: an age is reached when it is reached for sure. Errors: [ErrLevel].
func (a Accounts) Allowed(kind AccountKind, born identity.PartialDate, at time.Time, level int) (Allowance, error) {
	today := dayOf(at)
	reached := func(age int) bool { return !born.ReachesAge(age).After(today) }
	for _, r := range a.rows {
		switch {
		case r.kind != kind, today.Before(r.from), !r.until.IsZero() && today.After(r.until):
		case r.ageFrom > 0 && !reached(r.ageFrom), r.below > 0 && reached(r.below):
		case !slices.Contains(r.levels, level):
			return Allowance{}, ErrLevel
		default:
			return Allowance{OnRequest: slices.Contains(r.request, level), Representative: r.byRepresentative}, nil
		}
	}
	return Allowance{}, ErrLevel
}

// dayOf is the day of a moment in this country, which is seven hours ahead all year.
func dayOf(at time.Time) time.Time {
	year, month, day := at.UTC().Add(7 * time.Hour).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
