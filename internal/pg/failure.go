package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of this package. Everything else that its functions return is what a callback returned, a *Refusal, a
// *Duplicate, a *ServerError or what pgx says about the network.
var (
	// ErrBusy: no connection was free in time; the edge answers 503 with Retry-After.
	ErrBusy = errors.New("pg: no database connection is free")
	// ErrOutcomeUnknown: a commit was asked for and not confirmed. The change may be there or not (G2).
	ErrOutcomeUnknown = errors.New("pg: outcome unknown")
)

// codeRefused is the SQLSTATE that vidan_require raises; its message is the refusal's code.
const codeRefused = "VD001"

// Refusal is a rule of ours that the SQL itself enforced with vidan_require: nothing of the operation was persisted.
type Refusal struct {
	Code string // a constant of the SQL, such as "busy"
}

func (r *Refusal) Error() string { return "pg: refused: " + r.Code }

// Refused returns the code of the refusal in err's chain, or "".
func Refused(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// Duplicate is a unique key that exists already: nothing of the operation was persisted.
type Duplicate struct {
	Constraint string
}

func (d *Duplicate) Error() string { return "pg: duplicate of " + d.Constraint }

// ServerError is any other error that PostgreSQL reported. Its text leaves out PostgreSQL's message where that could
// quote a value (G6); the whole is in PgError, for code to look at and never to print.
type ServerError struct {
	PgError *pgconn.PgError
}

// quoteless are the classes of SQLSTATE whose messages name objects and never values.
var quoteless = []string{"08", "0A", "25", "26", "28", "2F", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"}

func (e *ServerError) Error() string {
	var s strings.Builder
	s.WriteString("PostgreSQL error " + e.PgError.Code)
	for _, class := range quoteless {
		if strings.HasPrefix(e.PgError.Code, class) {
			s.WriteString(": " + e.PgError.Message)
		}
	}
	if e.PgError.ConstraintName != "" {
		s.WriteString(" (constraint " + e.PgError.ConstraintName + ")")
	}
	return s.String()
}

// Unwrap gives errors.As the *pgconn.PgError.
func (e *ServerError) Unwrap() error { return e.PgError }

// Classify turns an error of pgx into one of this package's, as InTx, Exchange and Pipeline do with theirs. It is for
// functions that query by other ways, and must be called before anything is wrapped around the error: what it replaces
// has a text that can quote values.
func Classify(err error) error {
	var e *pgconn.PgError
	if err == nil || !errors.As(err, &e) {
		return err
	}
	var done *ServerError
	switch {
	case errors.As(err, &done):
		return err
	case e.Code == codeRefused:
		return &Refusal{Code: e.Message}
	case e.Code == pgerrcode.UniqueViolation:
		return &Duplicate{Constraint: e.ConstraintName}
	case e.Code == pgerrcode.TooManyConnections:
		return fmt.Errorf("%w: %w", ErrBusy, &ServerError{e})
	}
	return &ServerError{e}
}

// Transient reports whether the same call may succeed a little later without anybody changing anything: the server is
// away, restarting, a standby, short of something, or the call lost a race. After ErrOutcomeUnknown trying again is only
// right under the same idempotency key, which every write has.
func Transient(err error) bool {
	var e *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, ErrBusy), errors.Is(err, ErrOutcomeUnknown), pgconn.SafeToRetry(err):
		return true
	case errors.As(err, &e):
		return transientCode(e)
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, pgconn.ErrConnClosed)
}

func transientCode(e *pgconn.PgError) bool {
	switch e.Code {
	case pgerrcode.SerializationFailure, pgerrcode.DeadlockDetected, pgerrcode.LockNotAvailable, pgerrcode.QueryCanceled,
		pgerrcode.AdminShutdown, pgerrcode.CrashShutdown, pgerrcode.CannotConnectNow, pgerrcode.IdleInTransactionSessionTimeout,
		pgerrcode.ReadOnlySQLTransaction:
		return true
	}
	return pgerrcode.IsConnectionException(e.Code) || pgerrcode.IsInsufficientResources(e.Code) || isStalePlan(e)
}

// isStalePlan: a prepared statement that a migration changed or a pooler dropped. The connection is closed then, and a
// new one prepares anew.
func isStalePlan(e *pgconn.PgError) bool {
	return e.Code == pgerrcode.InvalidSQLStatementName || e.Code == pgerrcode.FeatureNotSupported && e.Routine == "RevalidateCachedQuery"
}
