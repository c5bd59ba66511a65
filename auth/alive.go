package auth

import "vidan/internal/pg"

// ReportedGuard is [Principal.Guard] for the one act that somebody keeps whose death was reported and not confirmed: to say that they live. It asks
// everything else that Guard asks, blocking included, and it is for that operation alone; a test lists who uses it.
func (p *Principal) ReportedGuard() pg.Guard {
	g := p.guard(true)
	g.reported = true
	return g
}
