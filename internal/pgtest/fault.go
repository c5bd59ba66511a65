package pgtest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/migrations"
)

// When says on which side of the server's work a connection breaks.
type When int

const (
	// FailBefore breaks the connection before the server sees the statement: nothing of its round trip happens.
	FailBefore When = iota + 1
	// FailAfter breaks it after the server has done the whole round trip, commit included, and before the client
	// hears of it.
	FailAfter
)

func (w When) String() string {
	switch w {
	case FailBefore:
		return "before"
	case FailAfter:
		return "after"
	}
	return fmt.Sprintf("When(%d)", int(w))
}

// Fault breaks one connection, once: at the first round trip that runs a statement which contains the words Match (upper
// and lower case alike; "commit" is not in "committed"), or, with an empty Match, at round trip number Trip, from 1. A round trip is what the server answers at
// once: one statement, or a batch; that a statement is prepared does not count. Every connection made with the fault
// takes part in the count; after it fired they work on as if nothing were.
type Fault struct {
	When  When
	Match string
	Trip  int

	trips atomic.Int64
	fired atomic.Bool
}

// Fired reports whether the connection has been broken.
func (f *Fault) Fired() bool { return f.fired.Load() }

// Intercept makes the connections of cfg subject to the fault; it fits pg.Config.Intercept.
func (f *Fault) Intercept(cfg *pgconn.Config) {
	next := cfg.AfterNetConnect
	cfg.AfterNetConnect = func(ctx context.Context, cfg *pgconn.Config, conn net.Conn) (net.Conn, error) {
		if next != nil {
			var err error
			if conn, err = next(ctx, cfg, conn); err != nil {
				return nil, err
			}
		}
		return &faultyConn{Conn: conn, fault: f, statements: map[string]string{}, owed: 1}, nil
	}
}

// hits reports whether the fault strikes at a statement, which may be the one that begins a round trip.
func (f *Fault) hits(sql string, begins bool) bool {
	if strings.HasPrefix(sql, "-- ping") { // the pool's own question whether an idle connection still lives
		return false
	}
	var hit bool
	if begins {
		hit = f.trips.Add(1) == int64(f.Trip) && f.Match == ""
	}
	if f.Match != "" {
		hit = mentions(strings.ToLower(sql), strings.ToLower(f.Match))
	}
	return hit && f.fired.CompareAndSwap(false, true)
}

// mentions reports whether words stand in sql and are not part of longer ones.
func mentions(sql, words string) bool {
	letter := func(s string, i int) bool {
		return 0 <= i && i < len(s) && (s[i] == '_' || '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'z')
	}
	for from := 0; ; from++ {
		at := strings.Index(sql[from:], words)
		if at < 0 {
			return false
		}
		from += at
		if end := from + len(words); !(letter(sql, from-1) && letter(words, 0)) && !(letter(sql, end) && letter(words, len(words)-1)) {
			return true
		}
	}
}

// FailOn returns a pool, as Serve, whose connection breaks at the first round trip with a statement that contains the words
// match, such as "commit" or the name of a table. It works again at the next attempt. A fault that never happens fails the test
// (D4).
func (db *DB) FailOn(t testing.TB, when When, match string) *pgxpool.Pool {
	t.Helper()
	f := &Fault{When: when, Match: match}
	t.Cleanup(func() {
		if !f.Fired() {
			t.Errorf("no statement contained %q, so that nothing failed %s it", match, when)
		}
	})
	return db.Open(t, pg.Config{Role: Serve, Intercept: f.Intercept})
}

// maxTrips bounds EveryFault against an operation that never ends.
const maxTrips = 64

// EveryFault runs test once for each round trip of the operation and each side of it, every time with a database of its
// own. test prepares db, runs the operation once on faulty, whatever comes of it, tries again on db.Pool as a client would,
// and checks that the result is there once. Nobody has to know how many round trips there are: it ends when one
// more did not happen.
func EveryFault(t *testing.T, test func(t *testing.T, db *DB, faulty *pgxpool.Pool)) {
	t.Helper()
	EveryFaultFrom(t, migrations.FS, test)
}

// EveryFaultFrom is EveryFault with other migration files.
func EveryFaultFrom(t *testing.T, files fs.FS, test func(t *testing.T, db *DB, faulty *pgxpool.Pool)) {
	t.Helper()
	for trip := 1; trip <= maxTrips; trip++ {
		happened := true
		for _, when := range []When{FailBefore, FailAfter} {
			t.Run(fmt.Sprintf("%s trip %d", when, trip), func(t *testing.T) {
				f := &Fault{When: when, Trip: trip}
				db := NewFrom(t, files)
				test(t, db, db.Open(t, pg.Config{Role: Serve, Intercept: f.Intercept}))
				happened = happened && f.Fired()
			})
		}
		if t.Failed() {
			return
		}
		if !happened {
			if trip == 1 {
				t.Error("the operation never asked the server")
			}
			return
		}
	}
	t.Errorf("still not done after %d round trips", maxTrips)
}

// faultyConn reads the frames of PostgreSQL's protocol (version 3) that pass through it, in order to know which statement
// is run when, and when the server is done.
type faultyConn struct {
	net.Conn
	fault *Fault

	mu         sync.Mutex
	started    bool              // the startup message, which has no type, has gone
	out        []byte            // an incomplete frame, kept back
	statements map[string]string // text by name
	inTrip     bool              // a statement of an unfinished round trip has been seen
	owed       int               // answers that the server owes: one for the startup, one for each round trip
	answered   int
	in         frames
	after      bool // FailAfter has struck: the answers up to owed are swallowed
	broken     bool
}

var errBroken = &net.OpError{Op: "read", Net: "fault", Err: syscall.ECONNRESET}

// Write passes complete frames on.
func (c *faultyConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errBroken
	}
	c.out = append(c.out, p...)
	passed := 0
	for {
		n := c.frame(c.out[passed:])
		if n == 0 {
			break
		}
		if c.see(c.out[passed : passed+n]) {
			if c.fault.When == FailBefore {
				_, err := c.Conn.Write(c.out[:passed])
				c.sever()
				return len(p), err // the client learns of it when it waits for the answer, as from a network
			}
			c.after = true
		}
		passed += n
	}
	_, err := c.Conn.Write(c.out[:passed])
	c.out = append(c.out[:0], c.out[passed:]...)
	return len(p), err
}

// frame returns the length of the first frame in b, 0 if it is not complete.
func (c *faultyConn) frame(b []byte) int {
	header := 1
	if !c.started {
		header = 0
	}
	if len(b) < header+4 {
		return 0
	}
	n := header + int(uint32(b[header])<<24|uint32(b[header+1])<<16|uint32(b[header+2])<<8|uint32(b[header+3]))
	if len(b) < n {
		return 0
	}
	return n
}

// see follows what the client does and reports whether the fault strikes here.
func (c *faultyConn) see(f []byte) bool {
	if !c.started {
		c.started = true
		return false
	}
	body := f[5:]
	switch f[0] {
	case 'P': // Parse: name, text
		name, rest := cstring(body)
		c.statements[name], _ = cstring(rest)
	case 'Q': // Query: text; a round trip of its own
		sql, _ := cstring(body)
		c.owed++
		return c.fault.hits(sql, true)
	case 'B': // Bind: portal, name
		_, rest := cstring(body)
		name, _ := cstring(rest)
		begins := !c.inTrip
		c.inTrip = true
		return c.fault.hits(c.statements[name], begins)
	case 'S': // Sync ends a round trip
		c.owed++
		c.inTrip = false
	}
	return false
}

func cstring(b []byte) (string, []byte) {
	for i, x := range b {
		if x == 0 {
			return string(b[:i]), b[i+1:]
		}
	}
	return string(b), nil
}

// Read passes the server's answers on until FailAfter has struck; then it waits for the last of them and breaks.
func (c *faultyConn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		broken := c.broken
		c.mu.Unlock()
		if broken {
			return 0, errBroken
		}
		n, err := c.Conn.Read(p)
		pass, err := c.took(p[:n], err)
		if pass {
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}

// took looks at what the server sent: to be passed on, or swallowed, or the last of what was to be swallowed.
func (c *faultyConn) took(p []byte, err error) (pass bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered += c.in.ready(p)
	if !c.after {
		return true, err
	}
	if err != nil || c.answered >= c.owed {
		c.sever()
		return false, errBroken
	}
	return false, nil
}

// sever ends the connection and waits until the server's process has let go of it (D5): it closes its side last, after
// it has undone an open transaction.
func (c *faultyConn) sever() {
	if c.broken {
		return
	}
	c.broken = true
	_ = c.Conn.SetDeadline(time.Now().Add(10 * time.Second))
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // until it closes
	}
	_ = c.Conn.Close()
}

// frames counts the server's ReadyForQuery in a stream that arrives in pieces.
type frames struct {
	header []byte
	skip   int
}

func (f *frames) ready(p []byte) (n int) {
	for len(p) > 0 {
		if f.skip > 0 {
			k := min(f.skip, len(p))
			f.skip, p = f.skip-k, p[k:]
			continue
		}
		k := min(5-len(f.header), len(p))
		f.header, p = append(f.header, p[:k]...), p[k:]
		if len(f.header) < 5 {
			continue
		}
		h := f.header
		f.skip = int(uint32(h[1])<<24|uint32(h[2])<<16|uint32(h[3])<<8|uint32(h[4])) - 4
		if h[0] == 'Z' {
			n++
		}
		f.header = h[:0]
	}
	return n
}
