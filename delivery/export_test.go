package delivery

import (
	"context"

	"github.com/riverqueue/river"
)

// Impatient makes River look for work of dead processes as soon as it leads, instead of at a random moment of the first
// minute.
func Impatient(c *Config) { c.river = func(r *river.Config) { r.TestOnly = true } }

// HandOver hands due tasks to River once.
func HandOver(ctx context.Context, r *Relay) error {
	_, err := r.handOver(ctx)
	return err
}

// NumberEvents numbers due events once.
func NumberEvents(ctx context.Context, r *Relay) error {
	_, err := r.numberEvents(ctx)
	return err
}

// PlainArgs is the rule of D4.
func PlainArgs(raw []byte, lists bool) bool { return plainArgs(raw, lists) }

// TextOf is what a template says before it is filled in.
func TextOf(t Template) (vi, en string) {
	vi, en, _ = t.text()
	return vi, en
}
