// Package delivery carries out what follows from a commit: it promises that work queued in a transaction is done if
// that transaction committed, at least once, with one effect, and that nothing queued is lost, whatever dies in
// between.
//
// Work is a row of outbox. It exists from the transaction that made it and is deleted in the transaction that handed it
// on, so it is found by being there and never by an id greater than the last one seen: ids and clocks are not commit
// order. The relay hands tasks to River, which works them with retries, in several processes; events it numbers itself,
// per organisation, after the commit of what they tell. Domain packages know [Queue] and [QueueEvent], never River.
//
//	D1  a task or event exists if and only if the transaction that queued it committed (T10)
//	D2  a task is handled at least once; handlers are idempotent, so its effect happens once (fault 18)
//	D3  a task that fails is retried later and stops no other task; one that keeps failing stays visible (P5, [Backlog])
//	D4  arguments of tasks and bodies of events are ids, codes and numbers, never values: anything else fails its transaction
//	D5  the events of an organisation are numbered 1, 2, 3 … in the order in which they become visible, each once, without a gap
//	D6  several processes may relay and work at once; an idle one asks the outbox's index every [Config].Poll and nothing else
//	D7  due means due by the caller's clock ([Config].Now): the sandbox advances it and drains
//
// Messages to people are tasks too: templates whose texts tell nothing but that there is something to read, sealed
// addresses, and gateways named by URI. The package does not decide what follows from what: handlers belong to the
// packages above, and cmd wires them.
package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

var (
	// ErrUnknownKind reports a task that no handler of this process knows: it is retried, for a newer process may know
	// it.
	ErrUnknownKind = errors.New("delivery: no handler for this kind of task")
	// ErrPanic reports a handler that panicked; what it panicked with is not repeated.
	ErrPanic = errors.New("delivery: handler panicked")
	// ErrConfig reports a relay that cannot be made of what it was given.
	ErrConfig = errors.New("delivery: not a configuration")
	// ErrStarted reports a relay that was started before: one relay, one life.
	ErrStarted = errors.New("delivery: relay was started before")
)

// Task is one piece of work that follows from a commit.
type Task struct {
	ID           identity.ObjectID // zero in Queue: drawn there
	Kind         string            // for example "holding.mirror"; names its handler
	Vault        identity.VaultID  // the vault it is about, zero for none
	Organisation string            // the organisation it is about, empty for none
	Args         json.RawMessage   // one flat JSON object of ids, codes and small numbers (D4); nil means {}
	NotBefore    time.Time         // zero means at once
	Attempts     int               // how often it was tried before; set for handlers
}

// Handler carries a task out. It may be called more than once for one task, at the same time in two processes even, and
// must then have one effect; it commits by itself. An error makes the task come back later, [Snooze] without counting
// as a failure. Errors are stored and logged: they carry opaque ids only.
type Handler func(ctx context.Context, t Task) error

// Snooze is the error of a task that is not due after all: it comes back after d, at least a second, and is not counted
// as failed.
func Snooze(d time.Duration) error { return snooze{max(d, time.Second)} }

type snooze struct{ d time.Duration }

func (s snooze) Error() string { return fmt.Sprintf("delivery: come back in %s", s.d) }

const sqlQueue = `insert into outbox
  (outbox_id, kind, vault_id, organisation_id, args, created_at, not_before)
  values ($1, $2, $3, $4, $5, $6, $7)`

// sqlRefuse fails the transaction that tried to queue a value (D4): SQLSTATE VD001, code task_args.
const sqlRefuse = `select vidan_require(false, 'task_args')`

// Queue adds a task to the transaction of what it follows from (D1).
func Queue(b *pgx.Batch, t Task, now time.Time) {
	if t.Kind == "" || t.Kind == kindEvent || !plainArgs(t.Args, false) {
		b.Queue(sqlRefuse)
		return
	}
	queue(b, t, now)
}

func queue(b *pgx.Batch, t Task, now time.Time) {
	if t.ID.IsZero() {
		t.ID = identity.NewID[identity.ObjectID]()
	}
	if t.Args == nil {
		t.Args = json.RawMessage("{}")
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = now
	}
	b.Queue(sqlQueue, t.ID, t.Kind, t.Vault, nullable(t.Organisation), t.Args, now, t.NotBefore)
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Statements returns the SQL of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"sqlQueue":          sqlQueue,
		"sqlRefuse":         sqlRefuse,
		"sqlDue":            sqlDue,
		"sqlRelayLock":      sqlRelayLock,
		"sqlTake":           sqlTake,
		"sqlDone":           sqlDone,
		"sqlTakeOne":        sqlTakeOne,
		"sqlPutBack":        sqlPutBack,
		"sqlReturn":         sqlReturn,
		"sqlTakeEvents":     sqlTakeEvents,
		"sqlOpenHead":       sqlOpenHead,
		"sqlLockHead":       sqlLockHead,
		"sqlKnownEvents":    sqlKnownEvents,
		"sqlInsertEvents":   sqlInsertEvents,
		"sqlMoveHead":       sqlMoveHead,
		"sqlEvents":         sqlEvents,
		"SQLForgetEvents":   SQLForgetEvents,
		"sqlAge":            sqlAge,
		"sqlBacklog":        sqlBacklog,
		"sqlInsertMessage":  sqlInsertMessage,
		"sqlMessage":        sqlMessage,
		"sqlMessageState":   sqlMessageState,
		"sqlHeld":           sqlHeld,
		"sqlRelease":        sqlRelease,
		"sqlSandboxDeliver": sqlSandboxDeliver,
		"sqlSandbox":        sqlSandbox,
	}
}
