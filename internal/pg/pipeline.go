package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Sender is what a batch can be sent on: *pgxpool.Pool, *pgxpool.Conn, *pgx.Conn or pgx.Tx.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Pipeline sends the batch in one round trip and runs the callback of each queued query, in order.
//
// Outside a transaction the batch is one: PostgreSQL runs its statements up to the first error and commits after the last
// one, so that either all of them persisted or none (G1). By the time a callback sees the first row the server may have
// committed the last statement. A callback therefore must not decide whether to persist: that is for the SQL, with
// vidan_require or a condition in the statement. A callback's own error is returned, the later callbacks are not run, and
// the changes are there unless PostgreSQL itself reported an error, which is returned instead. On a pgx.Tx the
// transaction goes on, or is broken after an error of PostgreSQL.
//
// vidan_require gives a *Refusal, a unique key a *Duplicate. After ErrOutcomeUnknown the changes may have been made;
// after any other error of PostgreSQL they have not.
//
// A batch is sent once; build it anew to try again. An empty batch does nothing.
func Pipeline(ctx context.Context, on Sender, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	var conn *pgx.Conn
	switch s := on.(type) {
	case *pgxpool.Pool:
		c, err := s.Acquire(ctx)
		if err != nil {
			return Classify(err)
		}
		defer c.Release()
		on, conn = c, c.Conn()
	case *pgxpool.Conn:
		conn = s.Conn()
	case *pgx.Conn:
		conn = s
	case pgx.Tx:
		failed, refused := send(ctx, s.Conn(), s, b)
		if failed != nil {
			return explained(Classify(failed), refused)
		}
		return refused
	default:
		return fmt.Errorf("pg: a pipeline cannot run on %T", on)
	}
	if err := expectCommit(ctx, conn); err != nil {
		return err
	}
	failed, refused := send(ctx, conn, on, b)
	if err := outcome(conn, failed); err != nil {
		return explained(err, refused)
	}
	return refused
}

// explained keeps what a callback made of the error of its own statement, for errors.Is and errors.As alone: its text may quote what PostgreSQL
// said, which the classified error leaves out (G6).
func explained(failed, callback error) error {
	if callback == nil {
		return failed
	}
	return &explainedError{failed, callback}
}

type explainedError struct {
	error
	callback error
}

func (e *explainedError) Error() string   { return e.error.Error() }
func (e *explainedError) Unwrap() []error { return []error{e.error, e.callback} }

// send runs the batch. failed is what PostgreSQL or the network said, up to and including the batch's end; refused is the
// first error of a callback, which matters only if nothing failed.
func send(ctx context.Context, conn *pgx.Conn, on Sender, b *pgx.Batch) (failed, refused error) {
	ctx, cancel := limited(ctx, conn)
	defer cancel()
	if err := prepare(ctx, conn, b); err != nil {
		return err, nil
	}
	results := on.SendBatch(ctx, b)
	for _, q := range b.QueuedQueries {
		if q.Fn == nil || refused != nil {
			if _, err := results.Exec(); err != nil {
				break // Close reports it
			}
			continue
		}
		refused = q.Fn(results)
	}
	failed = results.Close()
	settle(ctx, conn, failed)
	return failed, refused
}

// prepare makes sure that the connection has the batch's statements prepared under their own text, where pgx finds them
// before it looks into its statement cache. The cache forgets every statement of a batch that fails, which makes the next
// call prepare and plan them all again: a refusal then costs five times as much (290 against 55 µs for five statements).
// Statements are constants, so that the set is small and can stay.
func prepare(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) error {
	if s := sessionOf(conn); s == nil || !s.prepare {
		return nil
	}
	for _, q := range b.QueuedQueries {
		if len(q.Arguments) > 0 {
			if _, rewrites := q.Arguments[0].(pgx.QueryRewriter); rewrites {
				continue // its text is not what will be run
			}
		}
		if _, err := conn.Prepare(ctx, q.SQL, q.SQL); err != nil {
			return errPrepare{err}
		}
	}
	return nil
}

// errPrepare: nothing of the batch was executed.
type errPrepare struct{ error }

func (e errPrepare) Unwrap() error { return e.error }

// notSent: preparing or encoding failed, so that nothing was executed.
func notSent(err error) bool {
	var ours errPrepare
	var pgxs pgx.ErrPreprocessingBatch
	return errors.As(err, &ours) || errors.As(err, &pgxs)
}
