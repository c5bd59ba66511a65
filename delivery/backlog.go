package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
	"vidan/seal"
)

const sqlAge = `select min(greatest(created_at, not_before)) from outbox where not_before <= $1`

// OutboxAge returns how long the oldest due row has been waiting for a relay: what /readyz and the alarm "outbox old"
// look at. Zero when nothing is due.
func OutboxAge(ctx context.Context, db seal.Querier, now time.Time) (time.Duration, error) {
	rows, err := db.Query(ctx, sqlAge, now)
	if err != nil {
		return 0, fmt.Errorf("age of the outbox: %w", pg.Classify(err))
	}
	oldest, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[*time.Time])
	if err != nil {
		return 0, fmt.Errorf("age of the outbox: %w", pg.Classify(err))
	}
	if oldest == nil {
		return 0, nil
	}
	return max(now.Sub(*oldest), 0), nil
}

// Backlog is what is not done yet, for metrics and alarms (P6: nothing is silently stuck).
type Backlog struct {
	Due     int // rows of the outbox that no relay has taken
	Later   int // rows that are not due
	Working int // tasks that River has
	Failing int // tasks, here or there, that failed five times or more and go on being tried
	GivenUp int // tasks that River no longer tries; they stay until a person deals with them
}

const sqlBacklog = `select
  (select count(*) from outbox where not_before <= $1),
  (select count(*) from outbox where not_before > $1),
  (select count(*) from river.river_job where kind = 'task'
    and state in ('available', 'running', 'retryable', 'scheduled', 'pending')),
  (select count(*) from outbox where attempts >= $2)
    + (select count(*) from river.river_job where kind = 'task'
        and state in ('available', 'running', 'retryable', 'scheduled') and attempt >= $2),
  (select count(*) from river.river_job where kind = 'task' and state in ('discarded', 'cancelled'))`

// Count returns the backlog. It reads counts, not rows: call it every few seconds, not at every request.
func Count(ctx context.Context, db seal.Querier, now time.Time) (Backlog, error) {
	rows, err := db.Query(ctx, sqlBacklog, now, noticeable)
	if err != nil {
		return Backlog{}, fmt.Errorf("count the backlog: %w", pg.Classify(err))
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Backlog])
	if err != nil {
		return Backlog{}, fmt.Errorf("count the backlog: %w", pg.Classify(err))
	}
	return b, nil
}
