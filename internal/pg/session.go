package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// session is what we keep about one connection that Open made. It is only touched by whoever holds the connection.
type session struct {
	prepare     bool // statements are prepared once and stay prepared
	unconfirmed bool // the standby did not confirm the last commit (T7)
}

const sessionKey = "vidan.session"

// sessionOf returns what watch put there, or nil for a connection made elsewhere.
func sessionOf(conn *pgx.Conn) *session {
	s, _ := conn.PgConn().CustomData()[sessionKey].(*session)
	return s
}

// watch makes every connection of the pool carry a session.
func watch(cfg *pgxpool.Config) {
	prepare := cfg.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement // not behind a pooler (T3)
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.PgConn().CustomData()[sessionKey] = &session{prepare: prepare}
		return nil
	}
	cfg.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		// A commit whose wait for the standby was cut short is reported as a success with this warning. Its text
		// follows the server's language and its SQLSTATE is the general one; the routine is neither.
		if s, ok := conn.CustomData()[sessionKey].(*session); ok && n.Routine == "SyncRepWaitForLSN" {
			s.unconfirmed = true
		}
	}
}

// expectCommit is called before a commit is sent.
func expectCommit(conn *pgx.Conn) {
	if s := sessionOf(conn); s != nil {
		s.unconfirmed = false
	}
}

// outcome judges err, the answer to what ended in a commit (G2). Only an error that PostgreSQL reports as such, or that
// kept anything from being sent, proves that there was none.
func outcome(conn *pgx.Conn, err error) error {
	if s := sessionOf(conn); s != nil && s.unconfirmed {
		return fmt.Errorf("%w: committed here, not confirmed by the standby", ErrOutcomeUnknown)
	}
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && !isFatal(e), pgconn.SafeToRetry(err), errors.Is(err, pgx.ErrTxCommitRollback), notSent(err):
		return Classify(err)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, Classify(err))
}

func isFatal(e *pgconn.PgError) bool {
	severity := e.SeverityUnlocalized
	if severity == "" { // before PostgreSQL 9.6
		severity = e.Severity
	}
	return severity == "FATAL" || severity == "PANIC"
}

// settle closes a connection whose prepared statements no longer fit the schema, so that the pool makes a new one.
func settle(ctx context.Context, conn *pgx.Conn, err error) {
	var e *pgconn.PgError
	if errors.As(err, &e) && isStalePlan(e) {
		_ = conn.Close(ctx) // the error is reported already
	}
}
