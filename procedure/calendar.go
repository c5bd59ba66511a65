package procedure

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

var (
	// ErrYear reports a day outside the years whose holidays are known.
	ErrYear = errors.New("procedure: holidays of that year are not known")
	// ErrCount reports a limit of less than none or more than [MaxWorkingDays].
	ErrCount = errors.New("procedure: not a number of working days")
)

// MaxWorkingDays bounds a limit.
const MaxWorkingDays = 400

// DayKind says what a day is for the counting of working days (ngày làm việc).
type DayKind string

// The kinds of day.
const (
	WorkingDay   DayKind = "working"
	DayOff       DayKind = "off"
	UndecidedDay DayKind = "undecided" // a swap was proposed and nothing official was found
)

// calendar holds the days that differ from the week. Days are civil days in Viet Nam.
type calendar struct {
	first, last int // years covered
	rest        [7]bool
	special     map[string]DayKind // by YYYY-MM-DD
}

// WorkingDays counts working days by the holidays of the catalogue. A day that is not decided is never counted: a limit
// may come out a day late, never a day early.
type WorkingDays struct {
	cal    *calendar
	cutoff bool
}

// WorkingDays returns the count without the 15:00 rule.
func (c *Catalogue) WorkingDays() WorkingDays { return WorkingDays{cal: c.calendar} }

// After15CountsNextDay returns the same count with the rule of the interlinked groups (Decree 63/2024 Art. 4): what is
// received after 15:00, or on a day off, counts as received on the next working day.
func (w WorkingDays) After15CountsNextDay() WorkingDays {
	w.cutoff = true
	return w
}

// vietnam is the only zone of the country, without summer time since 1975.
func vietnam() *time.Location { return time.FixedZone("+07", 7*60*60) }

// civil returns the day in Viet Nam, at midnight.
func civil(t time.Time) time.Time {
	y, m, d := t.In(vietnam()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, vietnam())
}

// Kind says what the day of an instant is.
func (w WorkingDays) Kind(t time.Time) (DayKind, error) {
	day := civil(t)
	if day.Year() < w.cal.first || day.Year() > w.cal.last {
		return "", fmt.Errorf("%w: %d", ErrYear, day.Year())
	}
	if kind, ok := w.cal.special[day.Format(time.DateOnly)]; ok {
		return kind, nil
	}
	if w.cal.rest[day.Weekday()] {
		return DayOff, nil
	}
	return WorkingDay, nil
}

// Add returns the end of a limit of n working days: the last second of the last day, in Viet Nam's time. The day from
// which it runs is not counted and a limit that would end on a day off ends with the next working day (Civil Code 2015
// Arts. 147, 148); n = 0 is the day of receipt itself. It returns [ErrYear] when a day needed for the count is not known.
func (w WorkingDays) Add(from time.Time, n int) (time.Time, error) {
	if n < 0 || n > MaxWorkingDays {
		return time.Time{}, ErrCount
	}
	day := civil(from)
	kind, err := w.Kind(day)
	if err != nil {
		return time.Time{}, err
	}
	late := from.After(day.Add(15 * time.Hour))
	if kind != WorkingDay && (w.cutoff || n == 0) || w.cutoff && late {
		if day, err = w.next(day); err != nil {
			return time.Time{}, err
		}
	}
	for range n {
		if day, err = w.next(day); err != nil {
			return time.Time{}, err
		}
	}
	return day.Add(24*time.Hour - time.Second), nil
}

// next returns the working day after a day.
func (w WorkingDays) next(day time.Time) (time.Time, error) {
	for {
		day = day.AddDate(0, 0, 1)
		kind, err := w.Kind(day)
		if err != nil {
			return time.Time{}, err
		}
		if kind == WorkingDay {
			return day, nil
		}
	}
}

// Undecided lists the undecided days of a span, both ends included: where there are any, a limit counted over it may be
// shorter by as many days.
func (w WorkingDays) Undecided(from, to time.Time) ([]time.Time, error) {
	var list []time.Time
	for day := civil(from); !day.After(to); day = day.AddDate(0, 0, 1) {
		kind, err := w.Kind(day)
		if err != nil {
			return nil, err
		}
		if kind == UndecidedDay {
			list = append(list, day)
		}
	}
	return list, nil
}

// holidayFile is data/holidays.json.
type holidayFile struct {
	WeeklyRest struct {
		Days     []string `json:"days"`
		Verified Verified `json:"verified"`
		Source   string   `json:"source"`
		Note     string   `json:"note"`
	} `json:"weekly_rest"`
	Days []struct {
		Date     string   `json:"date"`
		Weekday  string   `json:"weekday"`
		Off      bool     `json:"off"`
		Kind     string   `json:"kind"`
		NameVI   string   `json:"name_vi"`
		NameEN   string   `json:"name_en"`
		Verified Verified `json:"verified"`
		Source   *string  `json:"source"`
		Note     string   `json:"note"`
	} `json:"days"`
	Undecided []struct {
		Dates  []string `json:"dates"`
		Note   string   `json:"note"`
		Source string   `json:"source"`
	} `json:"undecided"`
}

func readCalendar(files fs.FS) (*calendar, error) {
	const name = "holidays.json"
	var f holidayFile
	raw, err := fs.ReadFile(files, name)
	if err == nil {
		_, err = readFile(raw, &f)
	}
	var c *calendar
	if err == nil {
		c, err = f.calendar()
	}
	if err != nil {
		return nil, fmt.Errorf("procedure: %s: %w", name, err)
	}
	return c, nil
}

func (f *holidayFile) calendar() (*calendar, error) {
	c := &calendar{special: map[string]DayKind{}}
	short := func(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }
	for _, name := range f.WeeklyRest.Days {
		known := false
		for d := range c.rest {
			if short(time.Weekday(d)) == name {
				c.rest[d], known = true, true
			}
		}
		if !known {
			return nil, fmt.Errorf("weekly rest on %q", name)
		}
	}
	before := ""
	for _, d := range f.Days {
		day, err := time.Parse(time.DateOnly, d.Date)
		switch {
		case err != nil || d.Date <= before:
			return nil, fmt.Errorf("%s: no day, or out of order", d.Date)
		case d.Weekday != short(day.Weekday()):
			return nil, fmt.Errorf("%s: not a %s", d.Date, d.Weekday)
		case !d.Off && !c.rest[day.Weekday()]:
			return nil, fmt.Errorf("%s: a working day in lieu falls on a working day", d.Date)
		case d.Source == nil && d.Verified != VerifiedNo:
			return nil, fmt.Errorf("%s: verified without source", d.Date)
		}
		before = d.Date
		c.special[d.Date] = DayOff
		if !d.Off {
			c.special[d.Date] = WorkingDay
		}
		if c.first == 0 {
			c.first = day.Year()
		}
		if day.Year() > c.last+1 && c.last != 0 {
			return nil, fmt.Errorf("%d has no holidays", c.last+1)
		}
		c.last = day.Year()
	}
	for _, u := range f.Undecided {
		for _, date := range u.Dates {
			if _, err := time.Parse(time.DateOnly, date); err != nil || c.special[date] != "" {
				return nil, fmt.Errorf("%s: no day, or decided", date)
			}
			c.special[date] = UndecidedDay
		}
	}
	if c.first == 0 {
		return nil, fmt.Errorf("no holidays")
	}
	return c, nil
}
