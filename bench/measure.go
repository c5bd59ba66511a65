package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vidan/bench/floor"
)

// run is one run of the server or of the floor.
type run struct {
	n        int
	wall     time.Duration
	p50, p99 time.Duration
	busy     int
	used     reading // in the run
	after    reading // until the outbox was empty
}

// rate is requests per second.
func (r run) rate() float64 { return float64(r.n-r.busy) / r.wall.Seconds() }

// measured are the runs of one operation at one concurrency.
type measured struct{ server, floor []run }

// Bounds of one run's requests.
const (
	fewest = 40
	most   = 6000
)

// warmUp is how many requests come before the runs, none where their number is given.
func (s *stage) warmUp(c int) int {
	if s.Requests > 0 {
		return 0
	}
	return max(100, 2*c)
}

// measure runs server and floor in turns.
func (s *stage) measure(ctx context.Context, o operation, c int) (measured, error) {
	var m measured
	n, floorN := s.Requests, s.Requests
	if n == 0 {
		warm, err := s.runServer(ctx, o, c, s.warmUp(c))
		if err != nil {
			return m, err
		}
		n = s.enough(warm)
		if warm, err = s.runFloor(ctx, o, c, s.warmUp(c)); err != nil {
			return m, err
		}
		floorN = s.enough(warm)
	}
	if o.follows {
		n = min(n, s.birthsOfRun())
	}
	s.say("%s at %d: %d times %d requests, floor %d", o.name, c, s.Rounds, n, floorN)
	for round := range s.Rounds {
		turns := []func() error{
			func() error { r, err := s.runServer(ctx, o, c, n); m.server = append(m.server, r); return err },
			func() error { r, err := s.runFloor(ctx, o, c, floorN); m.floor = append(m.floor, r); return err },
		}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

// enough is how many requests fill one run, going by an earlier one.
func (s *stage) enough(warm run) int {
	return min(most, max(fewest, int(warm.rate()*s.Time.Seconds())))
}

var errNotHeld = errors.New("nothing waits in the outbox, though it should be held: what follows is counted with the requests")

// runServer prepares n requests, sends them c at a time, and waits for what follows (B3).
func (s *stage) runServer(ctx context.Context, o operation, c, n int) (run, error) {
	calls, err := o.prepare(s.world, ctx, n)
	if err != nil {
		return run{}, err
	}
	m := meter{pid: s.server.pid(), postmaster: s.database.Pid, admin: s.admin, metrics: s.server.metrics}
	if err := m.settled(ctx); err != nil {
		return run{}, err
	}
	r := run{n: n}
	var before, done reading
	err = m.holding(ctx, func() error {
		if before, err = m.read(ctx); err != nil {
			return err
		}
		l, err := drive(ctx, s.world.addr, c, calls, nil)
		if err != nil {
			return err
		}
		r.wall, r.busy, r.p50, r.p99 = l.wall, l.busy, l.at(50), l.at(99)
		if done, err = m.read(ctx); err != nil {
			return err
		}
		return s.held(ctx, o)
	})
	if err != nil {
		return r, err
	}
	r.used = done.since(before)
	if !o.follows {
		return r, nil
	}
	if err := m.settled(ctx); err != nil {
		return r, err
	}
	end, err := m.read(ctx)
	r.after = end.since(done)
	return r, err
}

// held checks that what follows has not begun.
func (s *stage) held(ctx context.Context, o operation) error {
	if !o.follows {
		return nil
	}
	var unfinished bool
	if err := s.admin.QueryRow(ctx, sqlUnfinished).Scan(&unfinished); err != nil {
		return err
	}
	if !unfinished {
		return errNotHeld
	}
	return nil
}

func (s *stage) runFloor(ctx context.Context, o operation, c, n int) (run, error) {
	m := meter{pid: s.floor.pid(), postmaster: s.database.Pid, admin: s.admin}
	before, err := m.read(ctx)
	if err != nil {
		return run{}, err
	}
	a, err := s.floor.ask(floor.Order{Operation: o.name, C: c, N: n})
	if err != nil {
		return run{}, err
	}
	end, err := m.read(ctx)
	return run{n: n, wall: a.Timing.Wall, p50: a.Timing.P50, p99: a.Timing.P99, used: end.since(before)}, err
}

// bareHTTP measures what a server spends that does nothing but speak HTTP: requests as long as those for a token, an answer as long as a token's.
// It is no part of a floor, and so part of every ratio.
func (s *stage) bareHTTP(ctx context.Context, p *printer) error {
	a, err := s.floor.ask(floor.Order{Operation: floor.OrderHTTP})
	if err != nil {
		return err
	}
	calls, err := s.world.tokens(ctx, 1)
	if err != nil {
		return err
	}
	for _, c := range s.Concurrency {
		n := s.Requests
		if n == 0 {
			n = most
		}
		var costs []float64
		for range s.Rounds {
			before, err := timeOf(s.floor.pid())
			if err != nil {
				return err
			}
			if _, err := drive(ctx, a.Addr, c, slices.Repeat([]call{{calls[0].wire, http.StatusOK}}, n), nil); err != nil {
				return fmt.Errorf("bare HTTP: %w", err)
			}
			after, err := timeOf(s.floor.pid())
			if err != nil {
				return err
			}
			costs = append(costs, micros(after-before)/float64(n))
		}
		if err := p.say(Line{Name: "http.cpu_us", C: c, Value: median(costs), Unit: "us/request"}); err != nil {
			return err
		}
	}
	return nil
}
