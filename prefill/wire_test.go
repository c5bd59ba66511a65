package prefill_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/consent"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// wire counts round trips to PostgreSQL (protocol version 3): runs of statements up to each Sync, preparing aside.
type wire struct {
	mu   sync.Mutex
	now  string
	done []string
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

// frame takes the first complete frame: Bind runs a statement, Query is a round trip of its own, Sync ends one.
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
	kind := c.kept[0]
	c.kept = append([]byte(nil), c.kept[n:]...)
	if !c.started {
		c.started = true
		return true
	}
	switch kind {
	case 'B':
		c.wire.now += "."
	case 'Q', 'S':
		if c.wire.now != "" || kind == 'Q' {
			c.wire.done = append(c.wire.done, c.wire.now)
		}
		c.wire.now = ""
	}
	return true
}

// TestRoundTrips counts what each operation asks of PostgreSQL with plan and keys at hand: the figures of the doc comments.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.household("kindergarten_an")
	line := newWire()
	w := base.on(line.open(t, base.db))
	request := base.granted("kindergarten_an", terms{mode: consent.Until})
	open := base.ask("kindergarten_an", terms{mode: consent.Once})
	viewed := w.acting("du")
	view := must(w.ledger.View(t.Context(), pg.All(), viewed, open))(t)
	for i, op := range []struct {
		name string
		want int
		run  func(key string) error
	}{
		{"fill", 2, func(key string) error { _, err := w.fill(request, key); return err }},
		{"fill again", 2, func(string) error { _, err := w.fill(request, "same"); return err }},
		{"preview", 1, func(string) error {
			_, err := w.Preview(t.Context(), pg.All(), viewed, view, audit.Actor{Vault: viewed.Actor}, "")
			return err
		}},
	} {
		for _, key := range []string{"a", "b", "c"} {
			line.reset()
			if err := op.run(key + op.name); err != nil {
				t.Fatalf("%d %s: %v", i, op.name, err)
			}
		}
		if got := line.trips(); len(got) != op.want {
			t.Errorf("%s: %d round trips, want %d: %v", op.name, len(got), op.want, got)
		}
	}
}
