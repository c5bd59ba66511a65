// Package bench measures the four operations that everything else waits for: a token, storing a result, reading a paper, filling a form. It
// promises that what it prints was done over HTTP against a server as `make run` starts it, beside a floor that did the same work with bought
// parts alone, in turns, on the same database server.
//
// The server, its floor and PostgreSQL are processes of their own, whose processor time the system counts; the client is this process. Requests
// are made and signed before the clock starts. What is printed for a request is therefore what the server spent on it, while requests per
// second also bear what client and database took of the same cores.
//
//	B1  every figure is the median of several runs, server and floor in turns
//	B2  an answer of another status than the expected one fails the benchmark: a refusal is fast
//	B3  a run ends when everything that follows from its requests is done; that share is printed apart
//	B4  the statements of the floor are those that the server sent over the wire; where they differ the benchmark says so
//
// It judges nothing: no figure fails it.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Config says what is measured and how long.
type Config struct {
	Binary      string        // of the program: server and floor are its children
	Folder      string        // project folder of the PostgreSQL that is started; its account must reach it
	Operations  []string      // of [Operations]
	Concurrency []int         // requests under way at once
	Rounds      int           // runs of which the median is taken
	Requests    int           // of one run; 0: as many as Time needs
	Time        time.Duration // of one run
	Profile     string        // file for a processor profile of the server, none if empty
	Out         io.Writer     // one JSON object a line
	Log         io.Writer     // what is going on
}

// ErrDrift reports a floor that no longer runs the server's statements.
var ErrDrift = errors.New("bench: the floor is out of date")

// Operations lists what can be measured.
func Operations() []string {
	names := make([]string, 0, 4)
	for _, o := range operations() {
		names = append(names, o.name)
	}
	return names
}

// operation is one measured operation: how n requests of it are made.
type operation struct {
	name    string
	prepare func(w *world, ctx context.Context, n int) ([]call, error)
	follows bool // it leaves work in the outbox
}

func operations() []operation {
	return []operation{
		{name: "token", prepare: (*world).tokens},
		{name: "token_refresh", prepare: (*world).refreshes},
		{name: "introspect", prepare: (*world).introspections},
		{name: "store", prepare: (*world).results, follows: true},
		{name: "read", prepare: (*world).readings},
		{name: "prefill", prepare: (*world).forms},
	}
}

// printer prints lines and keeps them.
type printer struct {
	out   *json.Encoder
	lines []Line
}

func (p *printer) say(lines ...Line) error {
	for _, l := range lines {
		p.lines = append(p.lines, l)
		if err := p.out.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// Run measures and returns the lines it printed.
func Run(ctx context.Context, c Config) (_ []Line, err error) {
	before, err := loadOf()
	if err != nil {
		return nil, err
	}
	s, err := setUp(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p := &printer{out: json.NewEncoder(c.Out)}
	if err := p.say(Line{Name: "load.before", Value: before, Unit: "processes"}, Line{Name: "rss.idle_mib", Value: s.idle, Unit: "MiB"}); err != nil {
		return p.lines, err
	}
	err = s.run(ctx, p)
	return p.lines, err
}

// run measures what was asked for.
func (s *stage) run(ctx context.Context, p *printer) error {
	trips, drift, err := s.countTrips(ctx)
	if err != nil {
		return err
	}
	for _, o := range operations() {
		if !slices.Contains(s.Operations, o.name) {
			continue
		}
		for _, c := range s.Concurrency {
			m, err := s.measure(ctx, o, c)
			if err != nil {
				return fmt.Errorf("bench: %s at %d: %w", o.name, c, err)
			}
			if err := p.say(m.lines(o, c, trips[o.name])...); err != nil {
				return err
			}
		}
	}
	if err := s.bareHTTP(ctx, p); err != nil {
		return err
	}
	_, peak, err := residentOf(s.server.pid())
	if err != nil {
		return err
	}
	if err := p.say(Line{Name: "rss.bench_mib", Value: mib(peak), Unit: "MiB"}); err != nil {
		return err
	}
	if drift != "" {
		return fmt.Errorf("%w:\n%s", ErrDrift, drift)
	}
	return nil
}
