package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// kindEvent marks outbox rows that become events instead of tasks.
const kindEvent = "event"

// Event is something that happened to an organisation's results or requests, as it reads them after the last one it
// knows.
type Event struct {
	Seq  int64             // 1, 2, 3 … within the organisation, no gap (D5)
	ID   identity.ObjectID // the same on every reading
	Kind string
	At   time.Time       // when it happened, not when it was numbered
	Body json.RawMessage // ids of the organisation's own sector, codes, numbers
}

// envelope is how an event waits in outbox.args.
type envelope struct {
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// QueueEvent adds an event to the transaction of what it tells (D1). body is marshalled to one flat JSON object of ids
// of that organisation's sector, codes and numbers; anything else fails the transaction (D4).
func QueueEvent(b *pgx.Batch, organisation, kind string, body any, now time.Time) {
	raw, err := json.Marshal(body)
	if err != nil || organisation == "" || !plainString(kind) || kind == "" || !plainArgs(raw, true) {
		b.Queue(sqlRefuse)
		return
	}
	args, err := json.Marshal(envelope{Kind: kind, Body: raw})
	if err != nil {
		b.Queue(sqlRefuse)
		return
	}
	queue(b, Task{Kind: kindEvent, Organisation: organisation, Args: args}, now)
}

// sqlTakeEvents locks due events; other relays skip them. Within an organisation they are numbered in the order of
// their ids.
const sqlTakeEvents = `select outbox_id, organisation_id, args, created_at from outbox
  where kind = 'event' and not_before <= $1
  order by organisation_id, outbox_id limit $2 for update skip locked`

const sqlOpenHead = `insert into event_heads (organisation_id, seq) values ($1, 0) on conflict (organisation_id) do nothing`

// sqlLockHead makes the order of numbers the order of commits: who numbers an organisation's events holds its head
// until they are visible (D5).
const sqlLockHead = `select seq from event_heads where organisation_id = $1 for update`

const sqlKnownEvents = `select event_id from organisation_events where organisation_id = $1 and event_id = any($2)`

const sqlInsertEvents = `insert into organisation_events (organisation_id, seq, event_id, kind, at, body)
  select $1, e.seq, e.event_id, e.kind, e.at, e.body
  from unnest($2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::jsonb[]) as e(seq, event_id, kind, at, body)`

const sqlMoveHead = `update event_heads set seq = $2 where organisation_id = $1`

const sqlDone = `delete from outbox where outbox_id = any($1)`

// waitingEvent is a row of outbox on its way to a number.
type waitingEvent struct {
	id           identity.ObjectID
	organisation string
	envelope     envelope
	at           time.Time
}

// numberEvents numbers due events and returns how many it took. Everything happens in one transaction: a crash leaves
// them waiting as before.
func (r *Relay) numberEvents(ctx context.Context) (int, error) {
	var taken int
	err := pg.InTx(ctx, r.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlTakeEvents, r.cfg.Now(), r.cfg.Batch)
		if err != nil {
			return err
		}
		events, err := pgx.CollectRows(rows, scanWaitingEvent)
		if err != nil {
			return err
		}
		taken = len(events)
		for start := 0; start < len(events); {
			end := start + 1
			for end < len(events) && events[end].organisation == events[start].organisation {
				end++
			}
			// Organisations come in ascending order, so that two relays cannot wait for each other.
			if err := number(ctx, tx, events[start].organisation, events[start:end]); err != nil {
				return err
			}
			start = end
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("number events: %w", err)
	}
	return taken, nil
}

func scanWaitingEvent(row pgx.CollectableRow) (waitingEvent, error) {
	var e waitingEvent
	var args []byte
	if err := row.Scan(&e.id, &e.organisation, &args, &e.at); err != nil {
		return e, err
	}
	if err := json.Unmarshal(args, &e.envelope); err != nil {
		return e, fmt.Errorf("event %s: %w", e.id, err)
	}
	return e, nil
}

// number gives the events of one organisation their numbers. An event that already has one, because an older outbox was
// restored beside newer events, is not numbered again.
func number(ctx context.Context, tx pgx.Tx, organisation string, events []waitingEvent) error {
	ids := make([]identity.ObjectID, len(events))
	for i, e := range events {
		ids[i] = e.id
	}
	var seq int64
	known := make(map[identity.ObjectID]bool)
	b := new(pgx.Batch)
	b.Queue(sqlOpenHead, organisation)
	b.Queue(sqlLockHead, organisation).QueryRow(func(row pgx.Row) error { return row.Scan(&seq) })
	b.Queue(sqlKnownEvents, organisation, ids).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[identity.ObjectID])
		for _, id := range found {
			known[id] = true
		}
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	var to numbered
	for _, e := range events {
		if !known[e.id] {
			seq++
			to.add(seq, e)
		}
	}
	b = new(pgx.Batch)
	b.Queue(sqlInsertEvents, organisation, to.seqs, to.ids, to.kinds, to.ats, to.bodies)
	b.Queue(sqlMoveHead, organisation, seq)
	queueDone(b, ids)
	return tx.SendBatch(ctx, b).Close()
}

// numbered are events by column, as unnest takes them.
type numbered struct {
	seqs   []int64
	ids    []identity.ObjectID
	kinds  []string
	ats    []time.Time
	bodies []json.RawMessage
}

func (n *numbered) add(seq int64, e waitingEvent) {
	n.seqs = append(n.seqs, seq)
	n.ids = append(n.ids, e.id)
	n.kinds = append(n.kinds, e.envelope.Kind)
	n.ats = append(n.ats, e.at)
	n.bodies = append(n.bodies, e.envelope.Body)
}

// queueDone deletes rows that this transaction took; all of them must still be there.
func queueDone(b *pgx.Batch, ids []identity.ObjectID) {
	b.Queue(sqlDone, ids).Fn = func(br pgx.BatchResults) error {
		tag, err := br.Exec()
		if err == nil && tag.RowsAffected() != int64(len(ids)) {
			err = fmt.Errorf("delivery: %d of %d outbox rows deleted", tag.RowsAffected(), len(ids))
		}
		return err
	}
}

const sqlEvents = `select seq, event_id, kind, at, body from organisation_events
  where organisation_id = $1 and seq > $2 order by seq limit $3`

// SQLForgetEvents is the statement with which the operator ends the 90 days that events are kept. It runs as the owner
// of the schema, once a day: the service itself has no right to delete an event. Numbers go on where they were.
const SQLForgetEvents = `delete from organisation_events where at < now() - interval '90 days'`

// MaxEvents is the largest page of events.
const MaxEvents = 1000

// Events returns up to limit events of an organisation after the given number, and the number to ask with next. Nothing
// that commits later can get a number at or below one already returned (D5), so asking on from next misses nothing.
func Events(
	ctx context.Context, db pg.Sender, g pg.Guard, organisation string, after int64, limit int,
) (events []Event, next int64, err error) {
	limit = min(max(limit, 1), MaxEvents)
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlEvents, organisation, after, limit).Query(func(rows pgx.Rows) (err error) {
		events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
		return err
	})
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return nil, 0, fmt.Errorf("events of %s: %w", organisation, err)
	}
	if err := g.Check(); err != nil {
		return nil, 0, err
	}
	next = after
	if len(events) > 0 {
		next = events[len(events)-1].Seq
	}
	return events, next, nil
}
