package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// session is what we keep about one connection that Open made. It is only touched by whoever holds the connection.
type session struct {
	prepare     bool          // statements are prepared once and stay prepared
	answer      time.Duration // the longest that one round trip may take
	unconfirmed bool          // the standby did not confirm the last commit (T7)
}

const sessionKey = "vidan.session"

// sessionOf returns what watch put there, or nil for a connection made elsewhere.
func sessionOf(conn *pgx.Conn) *session {
	s, _ := conn.PgConn().CustomData()[sessionKey].(*session)
	return s
}

// watch makes every connection of the pool carry a session.
func watch(cfg *pgxpool.Config, answer time.Duration) {
	prepare := cfg.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement // not behind a pooler (T3)
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.PgConn().CustomData()[sessionKey] = &session{prepare: prepare, answer: answer}
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

// limited bounds one round trip. The server cannot do that for us: its statement_timeout ends before the commit, which
// waits for a synchronous standby without any limit.
func limited(ctx context.Context, conn *pgx.Conn) (context.Context, context.CancelFunc) {
	if s := sessionOf(conn); s != nil {
		return context.WithTimeout(ctx, s.answer)
	}
	return ctx, func() {}
}

// expectCommit is called before a commit is sent. Its error means that none was.
func expectCommit(ctx context.Context, conn *pgx.Conn) error {
	if s := sessionOf(conn); s != nil {
		s.unconfirmed = false
	}
	if conn.IsClosed() {
		return pgconn.ErrConnClosed
	}
	return ctx.Err()
}

// outcome judges err, the answer to what ended in a commit (G2). There is an answer if PostgreSQL reported an error, or if
// the connection lives: pgx closes it at every other error of the network or the server, so that what is left is a
// callback that could not read. pgconn.SafeToRetry proves nothing: pgx 5.12 says yes of a connection that broke while the
// answer to a "commit" was awaited (MultiResultReader.NextResult drops the error and reports the closed connection).
func outcome(conn *pgx.Conn, err error) error {
	if s := sessionOf(conn); s != nil && s.unconfirmed {
		return fmt.Errorf("%w: committed here, not confirmed by the standby", ErrOutcomeUnknown)
	}
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !conn.IsClosed(), errors.As(err, &e) && !isFatal(e), notSent(err):
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
