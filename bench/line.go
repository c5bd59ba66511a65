package bench

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Line is one figure, and what belongs beside it.
type Line struct {
	Name  string
	C     int // requests under way at once
	Value float64
	Unit  string

	// Of processor time: what it is per request of the floor, how many times as much the server needs, what PostgreSQL spends for both, what
	// server and PostgreSQL spend on what follows from a request, and how often a request waits for the database.
	Floor, Ratio, Postgres, FloorPostgres float64
	After, AfterPostgres                  float64
	RoundTrips                            int

	// Of requests per second: how long one takes, in milliseconds, and how many were answered 503.
	P50, P99 float64
	Busy     int
}

// MarshalJSON writes the members that the figure has, in one order, rounded to what can be told apart.
func (l Line) MarshalJSON() ([]byte, error) {
	type member struct {
		name  string
		value any
		has   bool
	}
	number := func(name string, v float64) member { return member{name, round(v), v != 0} }
	members := []member{
		{"name", l.Name, true}, {"c", l.C, l.C != 0}, {"value", round(l.Value), true}, {"unit", l.Unit, true},
		number("floor", l.Floor), number("ratio", l.Ratio), number("pg_us", l.Postgres), number("floor_pg_us", l.FloorPostgres),
		number("after", l.After), number("after_pg_us", l.AfterPostgres), {"round_trips", l.RoundTrips, l.RoundTrips != 0},
		number("p50_ms", l.P50), number("p99_ms", l.P99), {"busy", l.Busy, l.Busy != 0},
	}
	out := []byte("{")
	for _, m := range members {
		if !m.has {
			continue
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), m.name...), '"', ':')
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

// round keeps whole numbers above a hundred, one digit behind the point above ten, two below.
func round(v float64) float64 {
	switch a := math.Abs(v); {
	case a >= 100:
		return math.Round(v)
	case a >= 10:
		return math.Round(v*10) / 10
	}
	return math.Round(v*100) / 100
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// per is the median, over the runs, of something per request.
func per(runs []run, of func(run) float64) float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = of(r) / float64(r.n)
	}
	return median(values)
}

// lines are the figures of one operation at one concurrency.
func (m measured) lines(o operation, c, trips int) []Line {
	cpu := func(r run) float64 { return micros(r.used.process) }
	pg := func(r run) float64 { return micros(r.used.postgres) }
	whole := func(of func(run) float64) float64 { // of a run, not of a request
		return per(m.server, func(r run) float64 { return of(r) * float64(r.n) })
	}
	busy := 0
	for _, r := range m.server {
		busy += r.busy
	}
	cost := Line{
		Name: o.name + ".cpu_us", C: c, Value: per(m.server, cpu), Unit: "us/request", Floor: per(m.floor, cpu),
		Postgres: per(m.server, pg), FloorPostgres: per(m.floor, pg), RoundTrips: trips,
		After:         per(m.server, func(r run) float64 { return micros(r.after.process) }),
		AfterPostgres: per(m.server, func(r run) float64 { return micros(r.after.postgres) }),
	}
	cost.Ratio = cost.Value / cost.Floor
	millis := func(d func(run) float64) float64 { return whole(d) / 1000 }
	return []Line{
		cost,
		{
			Name: o.name + ".rps", C: c, Value: whole(run.rate), Unit: "1/s", Busy: busy,
			Floor: per(m.floor, func(r run) float64 { return r.rate() * float64(r.n) }),
			P50:   millis(func(r run) float64 { return micros(r.p50) }), P99: millis(func(r run) float64 { return micros(r.p99) }),
		},
		{
			Name: o.name + ".allocs", C: c, Unit: "1/request", Value: per(m.server, func(r run) float64 { return r.used.mallocs }),
			After: per(m.server, func(r run) float64 { return r.after.mallocs }),
		},
		{
			Name: o.name + ".wal_bytes", C: c, Unit: "B/request", Value: per(m.server, func(r run) float64 { return float64(r.used.wal) }),
			Floor: per(m.floor, func(r run) float64 { return float64(r.used.wal) }), After: per(m.server, func(r run) float64 { return float64(r.after.wal) }),
		},
	}
}
