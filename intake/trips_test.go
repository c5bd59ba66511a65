package intake_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/intake"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// wire counts the round trips to PostgreSQL in which prepared statements are run (protocol version 3), and the statements.
type wire struct{ trips, statements atomic.Int64 }

// open returns a pool whose connections are counted.
func (w *wire) open(t testing.TB, db *pgtest.DB) *pgxpool.Pool {
	return db.Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1, Intercept: func(cfg *pgconn.Config) {
		cfg.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
			return &counted{Conn: conn, wire: w}, nil
		}
	}})
}

type counted struct {
	net.Conn
	wire    *wire
	started bool // the startup message, which has no type, has gone
	bound   bool
	kept    []byte
}

func (c *counted) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p...)
	for {
		header := 4
		if c.started {
			header = 5
		}
		if len(c.kept) < header {
			break
		}
		n := header - 4 + int(binary.BigEndian.Uint32(c.kept[header-4:]))
		if len(c.kept) < n {
			break
		}
		if c.started {
			c.see(c.kept[0])
		}
		c.started, c.kept = true, append([]byte(nil), c.kept[n:]...)
	}
	return c.Conn.Write(p)
}

func (c *counted) see(kind byte) {
	switch {
	case kind == 'B': // Bind
		c.bound = true
		c.wire.statements.Add(1)
	case kind == 'S' && c.bound: // Sync
		c.bound = false
		c.wire.trips.Add(1)
	}
}

// outcome is a kind of arrival with fresh deliveries of it.
type outcome struct {
	name  string
	trips int64 // round trips
	asks  int64 // statements in them
	make  func(w *world) (*agency, payload)
}

func outcomes() []outcome {
	return []outcome{
		{"store", 2, 13, func(w *world) (*agency, payload) { return w.commune(), w.birth("thi").again(nil) }},
		{"store a revision", 2, 11, func(w *world) (*agency, payload) {
			p := w.birth("thi").revision(int(w.clock.Add(1)%1e9), intake.Corrected)
			return w.commune(), p
		}},
		{"open a vault", 2, 33, func(w *world) (*agency, payload) {
			f := w.family(int(w.clock.Add(1) % 1e5))
			return w.commune(), f.birth
		}},
		{"wait", 2, 13, func(w *world) (*agency, payload) { return w.insurance(), w.card("an").again(nil) }},
		{"mismatch", 1, 3, func(w *world) (*agency, payload) {
			return w.commune(), w.birth("thi").again(nil).about(byNumber(w.of("an").PersonalNumber))
		}},
	}
}

// fresh makes one delivery of the outcome, with a reference of its own where it is a new paper.
func (o outcome) fresh(w *world) (*agency, payload) {
	g, p := o.make(w)
	if o.name == "store" || o.name == "wait" {
		p = p.with(map[string]any{"document_ref": p["result_id"]})
	}
	return g, p
}

// TestRoundTrips counts what each outcome asks of PostgreSQL once keys and statements are held: look and store.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.enrol("thi")
	count := new(wire)
	w := base.on(count.open(t, base.db))
	for _, o := range outcomes() {
		for range 2 { // the second finds everything prepared
			g, p := o.fresh(w)
			call, compact := must(g.call())(t), g.sign(p)
			count.trips.Store(0)
			count.statements.Store(0)
			_, _ = w.Accept(t.Context(), call, compact)
		}
		if trips, asks := count.trips.Load(), count.statements.Load(); trips != o.trips || asks != o.asks {
			t.Errorf("%s: %d statements in %d round trips, want %d in %d", o.name, asks, trips, o.asks, o.trips)
		}
	}
	// A delivery that came before costs the look alone.
	g, p := outcomes()[0].fresh(w)
	compact := g.sign(p)
	must(g.send(compact))(t)
	call := must(g.call())(t)
	count.trips.Store(0)
	if answer := must(w.Accept(t.Context(), call, compact))(t); !answer.Repeated || count.trips.Load() != 1 {
		t.Errorf("repeated %t in %d round trips", answer.Repeated, count.trips.Load())
	}
}

// BenchmarkAccept is the whole of a delivery but HTTP: token and proof are checked, the message is verified, judged, sealed and stored. Messages
// and proofs are signed before. Run alone on an idle machine:
//
//	go test -run '^$' -bench Accept -benchmem ./intake
//
// cpu-us/op is the processor time of this process, PostgreSQL's is not in it. A stored birth certificate is two round trips:
//
//	look   client and key, proof, mandate · sector, receipt, paper · identifiers of the person and of those whom the paper names,
//	       keys of the person's vault                                                                                                  (6 statements)
//	store  lock the vault · receipt · paper and its lock, whoever waits for it · revision, head · record                             (7 statements)
//
// A newborn's adds the locks of its identifiers, vault, three keysets, person and identifier, and for each parent the relation, its first fact,
// its row of the record and its task.
func BenchmarkAccept(b *testing.B) {
	for _, o := range outcomes() {
		b.Run(o.name, func(b *testing.B) {
			w := setup(b)
			w.enrol("thi", "du")
			type delivery struct {
				request *http.Request
				compact string
			}
			var all []delivery
			for range b.N + 1 {
				g, p := o.fresh(w)
				must(g.call())(b)
				const path = "/v1/results"
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, nil)
				r.Header.Set("Authorization", "DPoP "+g.client.Token)
				r.Header.Set("DPoP", must(g.client.DPoP.Proof(http.MethodPost, issuer+path, g.client.Token, protocol()))(b))
				all = append(all, delivery{r, g.sign(p)})
			}
			accept := func(d delivery) {
				p, err := w.auth.Authenticate(d.request)
				ok(b, err)
				_, err = w.Accept(b.Context(), intake.Call{Principal: p, First: true}, d.compact)
				if (err != nil) != (o.name == "mismatch") {
					b.Fatal(err)
				}
			}
			accept(all[b.N]) // statements, keys, client
			b.ReportAllocs()
			b.ResetTimer()
			start := used(b)
			for i := range b.N {
				accept(all[i])
			}
			b.ReportMetric(float64(used(b)-start)/float64(b.N), "cpu-us/op")
		})
	}
}

func used(b *testing.B) int64 {
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}
