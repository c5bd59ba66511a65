package identity

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// ErrDate reports a string that is not a year, a month or a day of the calendar.
var ErrDate = errors.New("identity: not a date")

// PartialDate is a civil date as precise as the register knows it: a year ("1944"), a month ("1944-05") or a
// day ("1944-05-02"). Old papers often carry the year alone, and nothing may be invented for the rest.
type PartialDate struct{ year, month, day int }

// ParsePartialDate reads the three forms; the day must exist in the calendar.
func ParsePartialDate(s string) (PartialDate, error) {
	layouts := map[int]string{4: "2006", 7: "2006-01", 10: "2006-01-02"}
	layout, ok := layouts[len(s)]
	if !ok {
		return PartialDate{}, ErrDate
	}
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1800 {
		return PartialDate{}, ErrDate
	}
	d := PartialDate{year: t.Year()}
	if len(s) >= 7 {
		d.month = int(t.Month())
	}
	if len(s) == 10 {
		d.day = t.Day()
	}
	return d, nil
}

// Reveal returns the text form.
func (d PartialDate) Reveal() string {
	switch {
	case d.year == 0:
		return ""
	case d.month == 0:
		return strconv.Itoa(d.year)
	case d.day == 0:
		return fmt.Sprintf("%04d-%02d", d.year, d.month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day)
}

// IsZero reports whether nothing is known.
func (d PartialDate) IsZero() bool { return d.year == 0 }

// Year returns the year, 0 when not known.
func (d PartialDate) Year() int { return d.year }

// String masks the date (I1): a birth date identifies.
func (d PartialDate) String() string { return mask }

// GoString masks the date in %#v.
func (d PartialDate) GoString() string { return mask }

// LogValue masks the date in slog.
func (d PartialDate) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText masks the date in JSON.
func (d PartialDate) MarshalText() ([]byte, error) { return []byte(mask), nil }

// ReachesAge returns the first day on which the person is certainly years old: with a year alone the last
// day of that year counts, with a month its last day, so that a right that comes with age is never given early.
func (d PartialDate) ReachesAge(years int) time.Time {
	month, day := time.Month(d.month), d.day
	switch {
	case d.month == 0:
		month, day = time.December, 31
	case d.day == 0:
		month, day = time.Month(d.month)+1, 0
	}
	return time.Date(d.year+years, month, day, 0, 0, 0, 0, time.UTC)
}

// Agrees reports whether two dates can be the same day: equal as far as both are known.
func (d PartialDate) Agrees(other PartialDate) bool {
	agree := func(a, b int) bool { return a == 0 || b == 0 || a == b }
	return agree(d.year, other.year) && agree(d.month, other.month) && agree(d.day, other.day)
}
