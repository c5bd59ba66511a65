package person

import (
	"encoding/csv"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"vidan/identity"
)

func accounts(t testing.TB) Accounts {
	t.Helper()
	a, err := LoadAccounts()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAccountsByAgeAndKind holds every row of the table to cases that a lawyer can read, at the day on which each begins to count: a minute before
// midnight in this country it is still the day before.
func TestAccountsByAgeAndKind(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/accounts_cases.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	a, used := accounts(t), map[int]bool{}
	for _, f := range lines[1:] {
		t.Run(f[0], func(t *testing.T) {
			born, err := identity.ParsePartialDate(f[2])
			if err != nil {
				t.Fatal(err)
			}
			day, err := time.Parse(time.DateOnly, f[3])
			if err != nil {
				t.Fatal(err)
			}
			level, err := strconv.Atoi(f[4])
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []time.Time{day.Add(-7 * time.Hour), day.Add(17*time.Hour - time.Minute)} {
				if got := answer(a.Allowed(AccountKind(f[1]), born, at, level)); got != f[5] {
					t.Errorf("at %s: %s, want %s", at, got, f[5])
				}
			}
			for i, r := range a.rows {
				one := Accounts{rows: []accountRule{r}}
				if _, err := one.Allowed(AccountKind(f[1]), born, day, level); err == nil {
					used[i] = true
				}
			}
		})
	}
	for i := range a.rows {
		if !used[i] {
			t.Errorf("no case allows anything by line %d of accounts.csv", i+2)
		}
	}
}

func answer(a Allowance, err error) string {
	if errors.Is(err, ErrLevel) {
		return "refused"
	}
	s := "allowed"
	if a.Representative {
		s += " by a representative"
	}
	if a.OnRequest {
		s += " on request"
	}
	return s
}

// TestAccountsNeverOverlap: on any day, for any age and kind, one row at most speaks.
func TestAccountsNeverOverlap(t *testing.T) {
	t.Parallel()
	a := accounts(t)
	for i, r := range a.rows {
		for j, o := range a.rows[:i] {
			days := (r.until.IsZero() || !o.from.After(r.until)) && (o.until.IsZero() || !r.from.After(o.until))
			ages := (r.below == 0 || o.ageFrom < r.below) && (o.below == 0 || r.ageFrom < o.below)
			if r.kind == o.kind && days && ages {
				t.Errorf("lines %d and %d overlap", j+2, i+2)
			}
		}
	}
}

func FuzzAccounts(f *testing.F) {
	f.Add(accountsTable)
	f.Add("a,b\n")
	f.Add("h\n2024-07-01,,citizen,0,,1 2,none,yes,x\n")
	f.Fuzz(func(t *testing.T, table string) {
		a, err := parseAccounts(table)
		if err != nil {
			if !errors.Is(err, ErrAccounts) {
				t.Errorf("not said to be no table: %v", err)
			}
			return
		}
		born, err := identity.ParsePartialDate("1993")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = a.Allowed(CitizenAccount, born, time.Unix(0, 0), 1)
	})
}
