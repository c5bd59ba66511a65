package intake

import (
	"context"
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

// decideWithin is how long a holder has.
const decideWithin = 15 * 24 * time.Hour

// Kinds of events of an organisation.
const (
	EventQuarantined = "result.quarantined"
	EventOverdue     = "quarantine.overdue"
	EventResolved    = "quarantine.resolved"
)

// told is a condition in SQL: the deliverer knows of the entry q, by the answer it got or because it is for them to decide. Of any other it is told
// nothing, since its result was accepted like one that was stored (R5).
const told = `(q.reason = 'revision_conflict' or exists (
  select from receipts r where r.organisation_id = q.organisation_id and r.result_id = q.result_id and r.status = 'quarantined'))`

const (
	sqlInsertQuarantine = `insert into quarantine
  (quarantine_id, organisation_id, client_id, result_id, document_id, revision, reason, holder, deadline, sealed, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

	sqlQuarantine = `select quarantine_id, organisation_id, result_id, reason, holder, deadline, created_at
  from quarantine where holder = $1 and state = 'open' and (deadline, quarantine_id) > ($2, $3)
  order by deadline, quarantine_id limit $4`

	sqlLate = `select q.quarantine_id, q.organisation_id, q.result_id, q.reason, q.holder, q.deadline, q.created_at, ` + told + `
  from quarantine q where q.state = 'open' and q.overdue_at is null and q.deadline <= $1 and (q.deadline, q.quarantine_id) > ($2, $3)
  order by q.deadline, q.quarantine_id limit 100`

	// sqlStillLate lets one of several who tell the same lateness go on.
	sqlStillLate = `select vidan_require(
  (select state = 'open' and overdue_at is null from quarantine where quarantine_id = $1 for update), 'told_already')`

	sqlTold = `update quarantine set overdue_at = $2 where quarantine_id = $1`
)

const codeTold = "told_already"

// Entry is one result in quarantine as its holder sees it; nothing of it is personal.
type Entry struct {
	ID           identity.ObjectID
	Organisation string
	ResultID     identity.ObjectID
	Reason       Reason
	Holder       string
	Deadline     time.Time
	CreatedAt    time.Time
}

// Overdue reports an open entry whose holder is late.
func (e Entry) Overdue(now time.Time) bool { return !now.Before(e.Deadline) }

// quarantined is an entry in the making.
type quarantined struct {
	id       identity.ObjectID
	reason   Reason
	deadline time.Time
	told     bool // the deliverer knows of it
}

func newQuarantined(reason Reason, fresh bool, now time.Time) *quarantined {
	return &quarantined{
		id: identity.NewID[identity.ObjectID](), reason: reason, deadline: now.Add(decideWithin), told: fresh || reason == RevisionConflict,
	}
}

func quarantinePlace(id identity.ObjectID) seal.Place {
	return seal.Place{Table: "quarantine", Column: "sealed", Object: id.Bytes()}
}

// quarantine keeps an arrival for its holder to decide (R6).
func (in *Intake) quarantine(ctx context.Context, a *arrival, w *world, reason Reason, now time.Time) (Answer, error) {
	q := newQuarantined(reason, a.fresh(), now)
	var answer Answer
	b := new(pgx.Batch)
	if a.fresh() {
		var err error
		if answer, err = in.sign(a, w, q, now); err != nil {
			return Answer{}, err
		}
		queueInsertReceipt(b, a, answer, now)
	} else {
		queueLeave(b, a.waiting, "quarantined")
	}
	row := waitingRow{Organisation: a.Organisation, Client: a.client, Result: a.ResultID, Document: a.id, Revision: a.Revision}
	if err := in.queueQuarantine(b, q, row, a.kept(w.leads), now); err != nil {
		return Answer{}, err
	}
	err := in.recordIn(ctx, b, a, w, audit.Entry{
		Kind: audit.ResultQuarantined, Organisation: a.Organisation, Actor: a.actor(), Outcome: audit.Refused, Reason: string(reason),
	}, now)
	if err != nil {
		return Answer{}, err
	}
	return answer, pg.Pipeline(ctx, in.pool, b)
}

func (in *Intake) queueQuarantine(b *pgx.Batch, q *quarantined, row waitingRow, k kept, now time.Time) error {
	sealed, err := in.sealKept(quarantinePlace(q.id), k)
	if err != nil {
		return err
	}
	b.Queue(sqlInsertQuarantine, q.id, row.Organisation, row.Client, row.Result, row.Document, row.Revision, string(q.reason),
		q.reason.holder(row.Organisation), q.deadline, sealed, now)
	if q.told {
		delivery.QueueEvent(b, row.Organisation, EventQuarantined, map[string]string{
			"quarantine_id": q.id.String(), "result_id": row.Result.String(), "reason": string(q.reason),
		}, now)
	}
	return nil
}

// recordIn records what became of an arrival that is stored nowhere: with the person of its paper, or the one person found. Two who may be meant are
// told nothing of each other.
func (in *Intake) recordIn(ctx context.Context, b *pgx.Batch, a *arrival, w *world, e audit.Entry, now time.Time) error {
	e.Vault = w.home.Vault
	if people := w.people(); e.Vault.IsZero() && len(people) == 1 {
		e.Vault = people[0].Vault
	}
	if e.Vault.IsZero() {
		return nil
	}
	keys, err := in.vaults.OpenOne(ctx, in.pool, e.Vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased
	}
	if err != nil {
		return err
	}
	e.Procedure, e.Dossier, e.Document, e.Revision, e.RequestTrace = a.Procedure, a.Dossier, a.id, a.Revision, a.trace
	_, err = in.audit.Queue(b, keys, e, now)
	return err
}

// MaxQuarantine is the largest page of entries.
const MaxQuarantine = 100

// Quarantine lists the open entries of a holder, most urgent first, from behind after; next is nil behind the last.
func (in *Intake) Quarantine(ctx context.Context, g pg.Guard, holder string, after *Entry, limit int) (page []Entry, next *Entry, err error) {
	from, id := time.Unix(0, 0), before()
	if after != nil {
		from, id = after.Deadline, after.ID
	}
	limit = min(max(limit, 1), MaxQuarantine)
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlQuarantine, holder, from, id, limit).Query(func(rows pgx.Rows) (err error) {
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
		return err
	})
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return nil, nil, fmt.Errorf("quarantine: %w", err)
	}
	if err := g.Check(); err != nil {
		return nil, nil, err
	}
	if len(page) == limit {
		next = &page[limit-1]
	}
	return page, next, nil
}

// lateEntry is an open entry whose deadline has passed.
type lateEntry struct {
	Entry
	Told bool
}

// tellLate tells deliverers, once, of entries whose deadline has passed.
func (in *Intake) tellLate(ctx context.Context, now time.Time) error {
	var failed []error
	after := lateEntry{Entry: Entry{Deadline: time.Unix(0, 0), ID: before()}}
	for {
		rows, err := in.pool.Query(ctx, sqlLate, now, after.Deadline, after.ID)
		if err != nil {
			return errors.Join(append(failed, pg.Classify(err))...)
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[lateEntry])
		if err != nil || len(page) == 0 {
			return errors.Join(append(failed, pg.Classify(err))...)
		}
		for _, after = range page {
			b := new(pgx.Batch)
			b.Queue(sqlStillLate, after.ID)
			b.Queue(sqlTold, after.ID, now)
			if after.Told {
				delivery.QueueEvent(b, after.Organisation, EventOverdue, map[string]string{
					"quarantine_id": after.ID.String(), "result_id": after.ResultID.String(), "reason": string(after.Reason),
				}, now)
			}
			if err := pg.Pipeline(ctx, in.pool, b); err != nil && pg.Refused(err) != codeTold {
				failed = append(failed, fmt.Errorf("quarantine %s: %w", after.ID, err))
			}
		}
	}
}
