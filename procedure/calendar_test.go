package procedure

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWorkingDays(t *testing.T) {
	t.Parallel()
	plain := catalogue(t).WorkingDays()
	late := plain.After15CountsNextDay()
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", s, vietnam())
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		days WorkingDays
		from string
		n    int
		want string
	}{
		{plain, "2026-10-05 10:00", 1, "2026-10-06"}, // Monday
		{plain, "2026-10-05 23:59", 1, "2026-10-06"},
		{plain, "2026-10-05 10:00", 0, "2026-10-05"},
		{plain, "2026-10-09 10:00", 1, "2026-10-12"}, // over a weekend
		{plain, "2026-10-10 10:00", 1, "2026-10-12"}, // from a Saturday
		{plain, "2026-10-10 10:00", 0, "2026-10-12"},
		{late, "2026-10-05 15:00", 1, "2026-10-06"}, // 15:00 is not after 15:00
		{late, "2026-10-05 15:01", 1, "2026-10-07"},
		{late, "2026-10-05 15:01", 0, "2026-10-06"},  // "the same working day" of a file that came late
		{late, "2026-10-09 16:00", 1, "2026-10-13"},  // Friday afternoon counts as Monday
		{late, "2026-10-10 09:00", 1, "2026-10-13"},  // so does Saturday
		{plain, "2026-02-13 10:00", 1, "2026-02-23"}, // over Tết
		{plain, "2026-01-09 10:00", 1, "2026-01-10"}, // a Saturday worked in exchange
		{plain, "2026-04-24 10:00", 1, "2026-04-28"}, // a holiday on Sunday and the day in lieu
		{plain, "2026-08-28 10:00", 1, "2026-09-03"}, // three days off in a row
		{plain, "2026-11-20 10:00", 1, "2026-11-25"}, // Monday undecided, Tuesday a holiday
		{plain, "2026-11-27 10:00", 1, "2026-11-30"}, // Saturday undecided
		{plain, "2026-12-31 10:00", 1, "2027-01-04"}, // over the year
	} {
		got, err := c.days.Add(at(c.from), c.n)
		if err != nil {
			t.Errorf("%s + %d: %v", c.from, c.n, err)
			continue
		}
		if want := at(c.want + " 23:59").Add(59 * time.Second); !got.Equal(want) {
			t.Errorf("%s + %d ends %s, want %s", c.from, c.n, got, want)
		}
	}
	// The day is the one in Viet Nam: 18:00 in Greenwich is already the next.
	got, err := plain.Add(time.Date(2026, 10, 5, 18, 0, 0, 0, time.UTC), 1)
	if err != nil || got.Format(time.DateOnly) != "2026-10-07" {
		t.Errorf("%s %v", got, err)
	}
	for _, c := range []struct {
		from string
		n    int
		want error
	}{
		{"2024-12-31 10:00", 1, ErrYear}, {"2027-12-31 10:00", 1, ErrYear}, {"2028-01-03 10:00", 0, ErrYear},
		{"2026-10-05 10:00", -1, ErrCount}, {"2026-10-05 10:00", MaxWorkingDays + 1, ErrCount},
	} {
		if _, err := plain.Add(at(c.from), c.n); err == nil || !strings.Contains(err.Error(), c.want.Error()) {
			t.Errorf("%s + %d: %v", c.from, c.n, err)
		}
	}
	undecided, err := plain.Undecided(at("2026-11-01 00:00"), at("2027-03-01 00:00"))
	var names []string
	for _, d := range undecided {
		names = append(names, d.Format(time.DateOnly))
	}
	if want := []string{"2026-11-23", "2026-11-28", "2027-02-04", "2027-02-11"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("undecided: %v %v", names, err)
	}
	if _, err := plain.Undecided(at("2027-12-01 00:00"), at("2028-01-02 00:00")); err == nil {
		t.Error("a span into an unknown year")
	}
}

// A later start never gives an earlier end, one working day more gives a later one, and no limit ends on a day that is
// not a working day.
func TestWorkingDaysAreMonotonic(t *testing.T) {
	t.Parallel()
	plain := catalogue(t).WorkingDays()
	for name, w := range map[string]WorkingDays{"plain": plain, "cutoff": plain.After15CountsNextDay()} {
		for n := range 6 {
			var before time.Time
			for from := time.Date(2025, 1, 1, 0, 0, 0, 0, vietnam()); from.Year() < 2027 || from.Month() < 12; from = from.Add(13 * time.Hour) {
				end, err := w.Add(from, n)
				if err != nil {
					t.Fatalf("%s + %d: %v", from, n, err)
				}
				more, err := w.Add(from, n+1)
				if err != nil {
					t.Fatal(err)
				}
				kind, err := w.Kind(end)
				longer := more.After(end) || n == 0 && more.Equal(end) // none and one are the same from a day off
				if err != nil || kind != WorkingDay || end.Before(before) || !longer || end.Before(from) {
					t.Fatalf("%s: %s + %d ends %s (%s), before it %s, one more %s", name, from, n, end, kind, before, more)
				}
				before = end
			}
		}
	}
}
