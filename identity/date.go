package identity

import (
	"errors"
	"strconv"
	"time"
)

// ErrDate reports a string that is not a year, a month or a day of the calendar.
var ErrDate = errors.New("identity: not a date")

// PartialDate is a civil date as precise as the register knows it: a year ("1944"), a month ("1944-05") or a
// day ("1944-05-02"). Old papers often carry the year alone, and nothing may be invented for the rest.
type PartialDate struct{ masked }

// ParsePartialDate reads the three forms; the day must exist in the calendar.
func ParsePartialDate(s string) (PartialDate, error) {
	if n := len(s); n != 4 && n != 7 && n != 10 {
		return PartialDate{}, ErrDate
	}
	t, err := time.Parse(time.DateOnly[:len(s)], s)
	if err != nil || t.Year() < 1800 {
		return PartialDate{}, ErrDate
	}
	return PartialDate{hide(s)}, nil
}

// Year returns the year, 0 when not known.
func (d PartialDate) Year() int {
	year, _, _ := d.parts()
	return year
}

// parts returns year, month and day, 0 for what is not known.
func (d PartialDate) parts() (year, month, day int) {
	s := d.Reveal()
	part := func(from, to int) int {
		if len(s) < to {
			return 0
		}
		n, _ := strconv.Atoi(s[from:to]) // digits: ParsePartialDate saw to it
		return n
	}
	return part(0, 4), part(5, 7), part(8, 10)
}

// ReachesAge returns the first day on which the person is certainly years old: with a year alone the last
// day of that year counts, with a month its last day, so that a right that comes with age is never given early. With
// nothing known that day is never: the last day of the year 9999.
func (d PartialDate) ReachesAge(years int) time.Time {
	year, month, day := d.parts()
	switch {
	case year == 0:
		return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	case month == 0:
		month, day = 12, 31
	case day == 0:
		month, day = month+1, 0
	}
	return time.Date(year+years, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

// Agrees reports whether two dates can be the same day: equal as far as both are known.
func (d PartialDate) Agrees(other PartialDate) bool {
	agree := func(a, b int) bool { return a == 0 || b == 0 || a == b }
	year, month, day := d.parts()
	otherYear, otherMonth, otherDay := other.parts()
	return agree(year, otherYear) && agree(month, otherMonth) && agree(day, otherDay)
}
