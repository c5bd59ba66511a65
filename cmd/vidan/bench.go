package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"vidan/bench"
	"vidan/bench/floor"
)

type benchCommand struct {
	Operations  []string      `help:"What to measure." default:"token,token_refresh,introspect,store,read,prefill"`
	Concurrency []int         `help:"How many requests are under way at once." default:"1,8,32"`
	Rounds      int           `help:"Runs of which the median is taken." default:"3"`
	Time        time.Duration `help:"How long one run takes, about." default:"700ms"`
	Requests    int           `help:"Requests of one run, whatever they take."`
	Write       bool          `help:"Keep the results in bench/RESULTS.md."`
	Profile     string        `help:"Write a processor profile of the server to this file." type:"path"`
	Quiet       bool          `help:"Say nothing about what is going on."`

	AsFloor  bool   `hidden:""` // be the floor beside the server, told by standard input
	AsServer bool   `hidden:""` // be the server, profiled
	Addr     string `hidden:""`
}

// results is where --write keeps what was printed, seen from the repository's folder.
var results = filepath.Join("bench", "RESULTS.md")

// Run measures against a fresh PostgreSQL and a server of its own; both are gone afterwards.
func (b benchCommand) Run(ctx context.Context) error {
	switch {
	case b.AsFloor:
		return floor.Serve(ctx, os.Stdin, os.Stdout)
	case b.AsServer:
		return b.serve(ctx)
	}
	if err := b.check(); err != nil {
		return err
	}
	lines, err := b.measure(ctx)
	if err != nil || !b.Write {
		return err
	}
	page, err := bench.Results(lines, "vidan "+strings.Join(os.Args[1:], " "), runtime.NumCPU(), time.Now())
	if err != nil {
		return err
	}
	return os.WriteFile(results, page, 0o644)
}

func (b benchCommand) check() error {
	for _, name := range b.Operations {
		if !slices.Contains(bench.Operations(), name) {
			return fmt.Errorf("--operations: %q is none of %s", name, strings.Join(bench.Operations(), ", "))
		}
	}
	if slices.ContainsFunc(b.Concurrency, func(c int) bool { return c < 1 }) || b.Rounds < 1 || b.Requests < 0 || b.Time <= 0 {
		return errors.New("--concurrency, --rounds, --requests, --time: want positive values")
	}
	if _, err := os.Stat(filepath.Dir(results)); b.Write && err != nil {
		return fmt.Errorf("--write: run it in the repository's folder: %w", err)
	}
	return nil
}

func (b benchCommand) measure(ctx context.Context) (_ []bench.Line, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := bench.Folder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	var log io.Writer = os.Stderr
	if b.Quiet {
		log = io.Discard
	}
	return bench.Run(ctx, bench.Config{
		Binary: self, Folder: folder, Operations: b.Operations, Concurrency: b.Concurrency, Rounds: b.Rounds, Requests: b.Requests, Time: b.Time,
		Profile: b.Profile, Out: os.Stdout, Log: log,
	})
}

// serve is 'vidan serve --sandbox' with a profile of all that it does.
func (b benchCommand) serve(ctx context.Context) (err error) {
	out, err := os.Create(b.Profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return serve(ctx, serveOptions{sandbox: true, addr: b.Addr, out: io.Discard, logs: os.Stderr, began: time.Now()})
}
