package identity_test

import (
	"errors"
	"testing"
	"time"

	"vidan/identity"
)

func TestParsePartialDate(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1944", "1944-05", "1944-05-02", "2024-02-29", "1800", "9999-12-31"} {
		if got := date(t, s).Reveal(); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	if got := date(t, "1944-05").Year(); got != 1944 {
		t.Errorf("year %d", got)
	}
	for _, s := range []string{
		"", "0000", "1799", "44", "1944-5", "1944-13", "1944-00", "1944-05-00", "2023-02-29", "2023-04-31", "1944/05/02", "02-05-1944",
		"1944-05-2", "1944-05-02T00:00:00Z", "+944", "-944", "1944-+5", " 1944", "194４",
	} {
		if d, err := identity.ParsePartialDate(s); !errors.Is(err, identity.ErrDate) || !d.IsZero() {
			t.Errorf("%q was accepted", s)
		}
	}
}

// TestReachesAge: a right that comes with age is never given a day early, however little is known of the birth.
func TestReachesAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		born string
		age  int
		want string
	}{
		{"2026-09-28", 18, "2044-09-28"},
		{"2026-09-28", 7, "2033-09-28"},
		{"2026-09", 7, "2033-09-30"},
		{"2026-12", 7, "2033-12-31"},
		{"2026", 18, "2044-12-31"},
		{"2024-02-29", 18, "2042-03-01"},
		{"2024-02-29", 20, "2044-02-29"},
		{"2023-02", 1, "2024-02-29"},
		{"1944", 0, "1944-12-31"},
	} {
		if got := date(t, c.born).ReachesAge(c.age).Format(time.DateOnly); got != c.want {
			t.Errorf("born %s is %d on %s, got %s", c.born, c.age, c.want, got)
		}
	}
	if got := (identity.PartialDate{}).ReachesAge(18).Year(); got != 9999 {
		t.Errorf("an unknown birth date came of age in %d", got)
	}
}

func TestAgrees(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1944", "1944-05-02", true},
		{"1944-05", "1944-05-02", true},
		{"1944-05-02", "1944-05-02", true},
		{"1944", "1945-05-02", false},
		{"1944-06", "1944-05-02", false},
		{"1944-05-03", "1944-05-02", false},
	} {
		a, b := date(t, c.a), date(t, c.b)
		if a.Agrees(b) != c.want || b.Agrees(a) != c.want {
			t.Errorf("%s and %s: want %v both ways", c.a, c.b, c.want)
		}
	}
	if !(identity.PartialDate{}).Agrees(date(t, "1944")) {
		t.Error("what is not known disagrees with nothing")
	}
}

func FuzzPartialDate(f *testing.F) {
	for _, s := range []string{"1944", "1944-05", "1944-05-02", "2024-02-29", "2023-02-29", "+944", "1944-+5-1", "0000-00-00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := identity.ParsePartialDate(s)
		if err != nil {
			if !errors.Is(err, identity.ErrDate) || err.Error() != identity.ErrDate.Error() || !d.IsZero() {
				t.Fatal("a refusal says nothing but that it is one")
			}
			return
		}
		if d.Reveal() != s {
			t.Fatalf("%q became %q", s, d.Reveal())
		}
		if !d.Agrees(d) {
			t.Fatalf("%q disagrees with itself", s)
		}
		if first, _ := time.Parse("2006", s[:4]); d.ReachesAge(18).Before(first.AddDate(18, 0, 0)) {
			t.Fatalf("%q comes of age early", s)
		}
	})
}
