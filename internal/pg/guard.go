package pg

import "github.com/jackc/pgx/v5"

// Guard decides, inside an operation's own first statements, whether the operation may run: the state of the client,
// session, person, mandate or relation is read where the work is done, never remembered from a token.
//
// Queue adds statements that abort the whole transaction (vidan_require) unless the operation may run. Check verifies what
// only the process can, such as the MACs of the rows that Queue read; it is called after the batch and before
// any effect leaves the server. A Guard serves one operation, once.
type Guard interface {
	Queue(b *pgx.Batch)
	Check() error
}

// All joins guards: each is queued in order, and the first failing Check is returned.
func All(guards ...Guard) Guard { return joined(guards) }

type joined []Guard

func (j joined) Queue(b *pgx.Batch) {
	for _, g := range j {
		g.Queue(b)
	}
}

func (j joined) Check() error {
	for _, g := range j {
		if err := g.Check(); err != nil {
			return err
		}
	}
	return nil
}
