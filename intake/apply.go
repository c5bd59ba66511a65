package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// KindApply is the task that takes a result out of the waiting room; package person queues one when an identifier becomes known, this one
// when a paper does.
const KindApply = "waiting.apply"

type applyTask struct {
	ID identity.ObjectID `json:"waiting_id"`
}

func applyArgs(id identity.ObjectID) json.RawMessage {
	return json.RawMessage(`{"waiting_id":"` + id.String() + `"}`)
}

const (
	waitingColumns = `waiting_id, organisation_id, client_id, result_id, document_id, revision, sealed, received_at, deadline`

	sqlWaiting = `select ` + waitingColumns + ` from waiting_results where waiting_id = $1 and state = 'waiting'`

	sqlOverdue = `select ` + waitingColumns + ` from waiting_results
  where state = 'waiting' and deadline <= $1 and (deadline, waiting_id) > ($2, $3)
  order by deadline, waiting_id limit 100`
)

// waitingRow is a row of waiting_results.
type waitingRow struct {
	ID           identity.ObjectID
	Organisation string
	Client       string
	Result       identity.ObjectID
	Document     identity.DocumentID
	Revision     int
	Sealed       []byte
	Received     time.Time
	Deadline     time.Time
}

// Apply is the handler of [KindApply]. Applied twice, or for a result that still has to wait, it does nothing.
func (in *Intake) Apply(ctx context.Context, t delivery.Task) error {
	var args applyTask
	if err := json.Unmarshal(t.Args, &args); err != nil || args.ID.IsZero() {
		return fmt.Errorf("task %s: not the arguments of %s", t.ID, KindApply)
	}
	for range races {
		err := in.apply(ctx, args.ID)
		switch {
		case err == nil, errors.Is(err, errStillUnknown), pg.Refused(err) == codeApplied:
			return nil
		case !lost(err):
			return fmt.Errorf("waiting result %s: %w", args.ID, err)
		}
	}
	return fmt.Errorf("waiting result %s: %w", args.ID, ErrBusy)
}

func (in *Intake) apply(ctx context.Context, id identity.ObjectID) error {
	rows, err := in.pool.Query(ctx, sqlWaiting, id)
	if err != nil {
		return pg.Classify(err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[waitingRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it has left
	}
	if err != nil {
		return pg.Classify(err)
	}
	k, err := in.openKept(waitingPlace(id), row.Sealed)
	if err != nil {
		return err
	}
	if k.Share != nil && len(k.Under) == 1 {
		return in.give(ctx, id, *k.Share, k.Under[0].number)
	}
	a, err := in.arrivalOf(k, row.Client, row.Received)
	if err != nil {
		return err
	}
	a.waiting = id
	w, err := in.look(ctx, a, pg.All())
	if err != nil {
		return err
	}
	_, err = in.settle(ctx, a, w, in.now())
	return err
}

// Overdue does what falls due: results that have waited too long go to quarantine, where the registrar finds them, and holders who are late
// are told of. It is called at intervals; what fails stops nothing behind it (P5), and the errors come back joined.
func (in *Intake) Overdue(ctx context.Context) error {
	now := in.now()
	var failed []error
	after := waitingRow{Deadline: time.Unix(0, 0), ID: before()}
	for {
		rows, err := in.pool.Query(ctx, sqlOverdue, now, after.Deadline, after.ID)
		if err != nil {
			return errors.Join(append(failed, pg.Classify(err))...)
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[waitingRow])
		if err != nil {
			return errors.Join(append(failed, pg.Classify(err))...)
		}
		if len(page) == 0 {
			return errors.Join(append(failed, in.tellLate(ctx, now))...)
		}
		for _, after = range page {
			if err := in.giveUp(ctx, after, now); err != nil {
				failed = append(failed, fmt.Errorf("waiting result %s: %w", after.ID, err))
			}
		}
	}
}

// before is an id before every other; the zero one would be sent as null.
func before() identity.ObjectID { return identity.FromBytes[identity.ObjectID]([16]byte{15: 1}) }

// giveUp moves a result to quarantine without reading it: one that cannot be read any more must not be stuck. It is tried once more
// before; its number may have been bound while nobody worked.
func (in *Intake) giveUp(ctx context.Context, row waitingRow, now time.Time) error {
	tried := in.apply(ctx, row.ID)
	switch {
	case tried == nil, pg.Refused(tried) == codeApplied:
		return nil
	case lost(tried), pg.Transient(tried), errors.Is(tried, seal.ErrKeysUnavailable), errors.Is(tried, audit.ErrRecord):
		return tried // another time
	}
	k, err := in.openKept(waitingPlace(row.ID), row.Sealed)
	if err != nil {
		return err
	}
	if k.Share != nil {
		return tried
	}
	q := newQuarantined(NumberUnknown, false, now)
	b := new(pgx.Batch)
	queueLeave(b, row.ID, "quarantined")
	if err := in.queueQuarantine(b, q, row, k, now); err != nil {
		return err
	}
	if err := pg.Pipeline(ctx, in.pool, b); pg.Refused(err) != codeApplied {
		return err
	}
	return nil
}
