package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"vidan/identity"
	"vidan/internal/pg"
)

// sqlTakeOne locks one due task; it stays locked while its handler runs, so that no relay takes it.
const sqlTakeOne = `select outbox_id, kind, vault_id, coalesce(organisation_id, ''), args, not_before, attempts from outbox
  where kind <> 'event' and not_before <= $1
  order by not_before, outbox_id limit 1 for update skip locked`

const sqlPutBack = `update outbox set attempts = $2, not_before = $3 where outbox_id = $1`

// sqlReturn brings a task back that River had.
const sqlReturn = `insert into outbox
  (outbox_id, kind, vault_id, organisation_id, args, created_at, not_before, attempts)
  values ($1, $2, $3, $4, $5, $6, $7, $8)`

// Drain runs everything that is due, and what that makes due, until nothing is left: for tests, for the sandbox after
// its clock was moved, for the demo. It needs no running relay and minds none: it also runs what a relay has already
// handed to River, and waits for what this process is working on. A task that fails is put back for later as ever and
// stops no other; the errors come back joined.
func (r *Relay) Drain(ctx context.Context) error {
	var failed []error
	for {
		events, err := r.numberEvents(ctx)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		tasks, err := r.drainOutbox(ctx, &failed)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		jobs, err := r.drainRiver(ctx, &failed)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		if events+tasks+jobs > 0 {
			continue
		}
		busy, err := r.busy(ctx)
		if err != nil || !busy {
			return errors.Join(append(failed, err)...)
		}
		select {
		case <-ctx.Done():
			return errors.Join(append(failed, ctx.Err())...)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// drainOutbox runs due tasks one by one and returns how many it took.
func (r *Relay) drainOutbox(ctx context.Context, failed *[]error) (n int, err error) {
	for {
		took, err := r.drainTask(ctx, failed)
		if err != nil {
			return n, fmt.Errorf("drain outbox: %w", pg.Classify(err))
		}
		if !took {
			return n, nil
		}
		n++
	}
}

// drainTask runs one due task while its row is locked. If the process dies between the effect and the commit, the row
// is there again (fault 18).
func (r *Relay) drainTask(ctx context.Context, failed *[]error) (took bool, err error) {
	tx, err := r.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer rollback(ctx, tx)
	rows, err := tx.Query(ctx, sqlTakeOne, r.cfg.Now())
	if err != nil {
		return false, err
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanTask)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	again, attempts, err := r.attempt(ctx, t, failed)
	if err != nil {
		return false, err
	}
	b := new(pgx.Batch)
	if again == nil {
		queueDone(b, []identity.ObjectID{t.ID})
	} else {
		b.Queue(sqlPutBack, t.ID, attempts, *again)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return false, err
	}
	return true, tx.Commit(ctx)
}

// drainRiver runs tasks that a relay had already handed to River and returns how many it took.
func (r *Relay) drainRiver(ctx context.Context, failed *[]error) (n int, err error) {
	list := river.NewJobListParams().Kinds(job{}.Kind()).First(1000).
		States(rivertype.JobStateAvailable, rivertype.JobStateRetryable, rivertype.JobStateScheduled)
	found, err := r.river.JobList(ctx, list)
	if err != nil {
		return 0, fmt.Errorf("drain river: %w", pg.Classify(err))
	}
	for _, row := range found.Jobs {
		if row.State != rivertype.JobStateAvailable && row.ScheduledAt.After(r.cfg.Now()) {
			continue
		}
		took, err := r.drainJob(ctx, row.ID, failed)
		if err != nil {
			return n, fmt.Errorf("drain river: %w", pg.Classify(err))
		}
		if took {
			n++
		}
	}
	return n, nil
}

// drainJob takes one job away from River, which its workers respect, and runs it; a failed one goes back to the outbox.
func (r *Relay) drainJob(ctx context.Context, id int64, failed *[]error) (took bool, err error) {
	tx, err := r.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer rollback(ctx, tx)
	row, err := r.river.JobDeleteTx(ctx, tx, id)
	switch {
	case errors.Is(err, rivertype.ErrNotFound), errors.Is(err, rivertype.ErrJobRunning):
		return false, nil // somebody was faster
	case err != nil:
		return false, err
	case row.FinalizedAt != nil:
		return false, nil
	}
	var j job
	if err := json.Unmarshal(row.EncodedArgs, &j); err != nil {
		return false, fmt.Errorf("job %d: %w", id, err)
	}
	t := j.task(row, row.Attempt)
	again, attempts, err := r.attempt(ctx, t, failed)
	if err != nil {
		return false, err
	}
	if again != nil {
		_, err := tx.Exec(ctx, sqlReturn,
			t.ID, t.Kind, t.Vault, nullable(t.Organisation), t.Args, row.CreatedAt, *again, attempts)
		if err != nil {
			return false, err
		}
	}
	return true, tx.Commit(ctx)
}

// attempt runs a task once more and says when it comes back and with how many attempts: nil when it is done. Its error
// is that of ctx alone.
func (r *Relay) attempt(ctx context.Context, t Task, failed *[]error) (again *time.Time, attempts int, err error) {
	cause := r.run(ctx, t)
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if cause == nil {
		return nil, 0, nil
	}
	attempts, at := t.Attempts, r.cfg.Now()
	if d, ok := snoozed(cause); ok {
		at = at.Add(d)
	} else {
		*failed = append(*failed, cause)
		attempts++
		at = at.Add(backoff(attempts))
	}
	return &at, attempts, nil
}

// busy reports whether something due is in other hands, or this process still works for River.
func (r *Relay) busy(ctx context.Context) (bool, error) {
	var due bool
	if err := r.pool.QueryRow(ctx, sqlDue, r.cfg.Now()).Scan(&due); err != nil || due {
		return due, pg.Classify(err)
	}
	running, err := r.river.JobList(ctx, river.NewJobListParams().Kinds(job{}.Kind()).First(1000).States(rivertype.JobStateRunning))
	if err != nil {
		return false, pg.Classify(err)
	}
	return slices.ContainsFunc(running.Jobs, func(row *rivertype.JobRow) bool {
		return len(row.AttemptedBy) > 0 && row.AttemptedBy[len(row.AttemptedBy)-1] == r.river.ID()
	}), nil
}

// rollback ends a transaction that was not committed; after a commit it does nothing.
func rollback(ctx context.Context, tx pgx.Tx) { _ = tx.Rollback(context.WithoutCancel(ctx)) }
