// Package pg is how every package of the wallet talks to PostgreSQL: one way to open a pool, one way to run a
// transaction, one way to run a whole operation in a single round trip, and one meaning for each way these can fail.
//
// It is a thin layer over pgx and hides none of it: SQL is written beside the function that runs it, rows are read with
// pgx.CollectRows. What it adds are the rules that are easy to forget and costly to get wrong.
//
// Invariants:
//
//	G1  What is refused leaves nothing. Any SQL error in a transaction or pipeline undoes all of it; vidan_require in
//	    the SQL itself, not a Go callback, decides whether a pipeline persists.
//	G2  "Error" is not "absent". Where a commit was asked for and not confirmed, the error is ErrOutcomeUnknown, and
//	    only there; the caller's idempotency key finds out at the next try. (RELIABILITY.md T2, T7.)
//	G3  Nothing waits for ever: a connection, a lock, a statement and an idle transaction each have their limit.
//	G4  The address is the truth: PG* variables of the environment change neither where we connect nor the session,
//	    except for what keeps secrets out of an address (PGPASSWORD, PGPASSFILE, PGSSLCERT, PGSSLKEY, PGSSLROOTCERT).
//	G5  A serving connection is reduced to its role from its first statement on.
//	G6  An error's text never quotes a value that PostgreSQL quoted.
//	G7  A transaction is retried only after a serialization failure or a deadlock, which PostgreSQL promises to have
//	    undone, and only a few times.
//
// It does not cache, route to standbys, or decide what a refusal means to a caller.
package pg

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config is what a pool needs beside the address. The zero value is safe: defaults apply to every zero field.
type Config struct {
	Role     string // role that the sessions take, such as vidan_serve; empty: the user of the address
	MaxConns int    // size of the pool; 4 to 8 per core of the server in total. Default: 4, or the CPUs here if more
	AppName  string // shown in pg_stat_activity. Default: vidan

	AcquireTimeout   time.Duration // for a free connection, then ErrBusy. Default: 1 s
	StatementTimeout time.Duration // for one statement. Default: 5 s
	LockTimeout      time.Duration // for one lock. Default: 2 s
	IdleTimeout      time.Duration // of a transaction that does nothing. Default: 10 s
	AnswerTimeout    time.Duration // for one round trip, with a commit's wait for its standby. Default: 10 s

	// Intercept, when set, may change how connections are made. Tests break connections with it.
	Intercept func(*pgconn.Config)
}

func (c Config) withDefaults() Config {
	c.AppName = cmp.Or(c.AppName, "vidan")
	c.AcquireTimeout = cmp.Or(c.AcquireTimeout, time.Second)
	c.StatementTimeout = cmp.Or(c.StatementTimeout, 5*time.Second)
	c.LockTimeout = cmp.Or(c.LockTimeout, 2*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Second)
	c.AnswerTimeout = cmp.Or(c.AnswerTimeout, 10*time.Second)
	return c
}

// Open returns a pool whose sessions have the role and the limits of c, after one connection proved that they can be
// had. The caller closes it.
func Open(ctx context.Context, dsn string, c Config) (*pgxpool.Pool, error) {
	c = c.withDefaults()
	cfg, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("pg: %w", err)
	}
	if c.MaxConns > 0 {
		cfg.MaxConns = int32(c.MaxConns)
	}
	session := cfg.ConnConfig.RuntimeParams
	session["application_name"] = c.AppName
	session["statement_timeout"] = milliseconds(c.StatementTimeout)
	session["lock_timeout"] = milliseconds(c.LockTimeout)
	session["idle_in_transaction_session_timeout"] = milliseconds(c.IdleTimeout)
	// A pipeline's implicit transaction has the session's level, whatever the server's default.
	session["default_transaction_isolation"] = "read committed"
	if c.Role != "" {
		session["role"] = c.Role
	}
	if c.Intercept != nil {
		c.Intercept(&cfg.ConnConfig.Config)
	}
	watch(cfg, c.AnswerTimeout)
	cfg.ConnConfig.Tracer = acquireLimit(c.AcquireTimeout)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("pg: open pool: %w", err)
	}
	// The first connection may take as long as connecting takes: nobody is waiting in line yet.
	conn, err := pool.Acquire(context.WithValue(ctx, unlimited{}, true))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("pg: connect: %w", Classify(err))
	}
	conn.Release()
	return pool, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// acquireLimit makes every acquisition of a connection from the pool, whichever method asks for it, end with ErrBusy
// after that time. pgxpool has no such setting, but lets a tracer replace the context of an acquisition.
type acquireLimit time.Duration

// acquireContext ends with ErrBusy when its own time is up, with the caller's reason when that came first.
type acquireContext struct {
	context.Context
	caller context.Context
	cancel context.CancelFunc
}

func (c *acquireContext) Err() error {
	err := c.Context.Err()
	if err == nil {
		return nil
	}
	if caller := c.caller.Err(); caller != nil {
		return caller
	}
	return ErrBusy
}

// unlimited marks the context of an acquisition that may take its time.
type unlimited struct{}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (l acquireLimit) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if ctx.Value(unlimited{}) != nil {
		return ctx
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(l))
	return &acquireContext{Context: limited, caller: ctx, cancel: cancel}
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (acquireLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if c, ok := ctx.(*acquireContext); ok {
		c.cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer, which a pgxpool.AcquireTracer must also be; it does nothing.
func (acquireLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing.
func (acquireLimit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
