package delivery

import "github.com/riverqueue/river"

// Impatient makes River look for work of dead processes as soon as it leads, instead of at a random moment of the first minute.
func Impatient(c *Config) { c.river = func(r *river.Config) { r.TestOnly = true } }
