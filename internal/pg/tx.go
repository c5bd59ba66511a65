package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// readCommitted is the level of every transaction: correctness comes from locks and conditional updates.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// InTx runs fn in a READ COMMITTED transaction and commits it when fn returns nil. fn must be safe to run twice: it runs
// again after a serialization failure or a deadlock (G7). What fn returns is returned as it is.
//
// After ErrOutcomeUnknown the changes may have been made. After any other error they have not.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return withRetry(ctx, func() error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return Classify(err)
		}
		defer conn.Release()
		tx, err := conn.BeginTx(ctx, readCommitted)
		if err != nil {
			return fmt.Errorf("begin: %w", Classify(err))
		}
		defer rollback(ctx, conn.Conn()) // also when fn panics
		if err := fn(tx); err != nil {
			settle(ctx, conn.Conn(), err)
			return bare(err)
		}
		if err := expectCommit(ctx, conn.Conn()); err != nil {
			return err
		}
		within, cancel := limited(ctx, conn.Conn())
		defer cancel()
		return outcome(conn.Conn(), tx.Commit(within))
	})
}

// Exchange runs a READ COMMITTED transaction in two round trips: begin and what ask queues, then what answer queues and
// commit. The callbacks queued by ask have run when answer is called, so that answer decides by what was read, and may
// refuse by returning an error. Both must be safe to run twice, as for InTx.
//
// Callbacks queued by answer run after the commit was sent: like those of Pipeline, they cannot refuse.
func Exchange(ctx context.Context, pool *pgxpool.Pool, ask, answer func(*pgx.Batch) error) error {
	return withRetry(ctx, func() error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return Classify(err)
		}
		defer conn.Release()
		defer rollback(ctx, conn.Conn())

		b := &pgx.Batch{}
		b.BeginTx(readCommitted)
		if err := ask(b); err != nil {
			return err
		}
		failed, refused := send(ctx, conn.Conn(), conn, b)
		if failed != nil {
			return explained(Classify(failed), refused)
		}
		if refused != nil {
			return refused
		}

		b = &pgx.Batch{}
		if err := answer(b); err != nil {
			return err
		}
		b.Queue("commit").Exec(committed)
		if err := expectCommit(ctx, conn.Conn()); err != nil {
			return err
		}
		failed, refused = send(ctx, conn.Conn(), conn, b)
		if err := outcome(conn.Conn(), failed); err != nil {
			return explained(err, refused)
		}
		return refused
	})
}

// committed: PostgreSQL answers a commit of a broken transaction with ROLLBACK and no error.
func committed(tag pgconn.CommandTag) error {
	if tag.String() != "COMMIT" {
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// rollbackWithin keeps a connection whose caller has gone: undoing takes one round trip, a new connection takes many.
const rollbackWithin = time.Second

// rollback ends the transaction on conn if one is open. If that fails the connection is lost, and the server undoes the
// transaction when it notices.
func rollback(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx) // Release sees a closed connection and drops it
	}
}

// bare classifies an error that fn passed on just as pgx returned it. One that fn wrapped stays as it is.
func bare(err error) error {
	if _, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // only the error itself, not one inside
		return Classify(err)
	}
	return err
}

const (
	attempts = 5
	maxWait  = 50 * time.Millisecond
)

// withRetry runs fn again, a few times, after an error with which PostgreSQL promises that nothing happened (G7). The
// waits are random so that two transactions that met once do not meet again.
func withRetry(ctx context.Context, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt == attempts || !lostRace(err) {
			return err
		}
		wait := time.NewTimer(rand.N(maxWait) * time.Duration(attempt) / attempts)
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
	}
}

func lostRace(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) || errors.Is(err, ErrOutcomeUnknown) {
		return false
	}
	return e.Code == pgerrcode.SerializationFailure || e.Code == pgerrcode.DeadlockDetected
}
