package wallet_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// refusing is a guard that aborts the transaction with a code.
type refusing string

func (g refusing) Queue(b *pgx.Batch) { b.Queue(`select vidan_require(false, $1)`, string(g)) }
func (refusing) Check() error         { return nil }

// wire reads what goes to PostgreSQL (protocol version 3): which prepared statements are run, and in how many round trips.
type wire struct {
	mu   sync.Mutex
	now  string   // statements of the round trip under way
	done []string // one line for each that ended
}

func newWire() *wire { return new(wire) }

// open returns a pool of one connection that is read.
func (w *wire) open(t testing.TB, db *pgtest.DB) *pgxpool.Pool {
	return db.Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1, Intercept: func(cfg *pgconn.Config) {
		cfg.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
			return &readConn{Conn: conn, wire: w}, nil
		}
	}})
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now, w.done = "", nil
}

// trips returns the round trips since reset, each as the names of its statements.
func (w *wire) trips() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.done...)
}

type readConn struct {
	net.Conn
	wire    *wire
	started bool
	kept    []byte
}

func (c *readConn) Write(p []byte) (int, error) {
	c.wire.mu.Lock()
	c.kept = append(c.kept, p...)
	for c.frame() {
	}
	c.wire.mu.Unlock()
	return c.Conn.Write(p)
}

// frame takes the first complete frame. Only Bind says which statement is run; preparing is not counted.
func (c *readConn) frame() bool {
	header := 5
	if !c.started {
		header = 4
	}
	if len(c.kept) < header {
		return false
	}
	n := header - 4 + int(binary.BigEndian.Uint32(c.kept[header-4:]))
	if len(c.kept) < n {
		return false
	}
	f := c.kept[:n]
	c.kept = append([]byte(nil), c.kept[n:]...)
	if !c.started {
		c.started = true
		return true
	}
	switch f[0] {
	case 'B': // portal, zero, statement, zero
		rest := f[5:]
		for rest[0] != 0 {
			rest = rest[1:]
		}
		rest = rest[1:]
		for i, b := range rest {
			if b == 0 {
				c.wire.now += " " + string(rest[:i])
				break
			}
		}
	case 'S':
		if c.wire.now != "" {
			c.wire.done = append(c.wire.done, c.wire.now)
		}
		c.wire.now = ""
	}
	return true
}
