// Package floor does, for each measured operation, what no implementation of it can leave out, and nothing else: its signatures with the
// standard library, its seals with Tink, the compiled schema, and its SQL through pgx. What the service needs beyond that is the price of
// everything we wrote, and the benchmark prints it as a ratio.
//
// It runs as a process of its own, so that its processor time is read in the same way as the server's.
//
//	F1  nothing of this module is imported, and no JOSE library: a floor that shares our code would share our faults
//	F2  an operation's [Work] is what docs/FLOOR.md commits to; a test compares the two
//	F3  the SQL is the server's, letter by letter: a test compares it with the constants it was copied from, and each run of
//	    the benchmark with what the server sent over the wire
//	F4  the rows it works on have the number, size and contention of the server's
//
// HTTP, JSON, base64, caches, parsing and every decision are left out: docs/FLOOR.md says why for each.
package floor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Spec is what a floor needs to know of the service it stands beside.
type Spec struct {
	DSN      string          `json:"dsn"`       // a database of its own with the migrated schema, as the serving role
	MaxConns int             `json:"max_conns"` // size of the server's pool
	Schema   json.RawMessage `json:"schema"`    // of the document
	Document json.RawMessage `json:"document"`  // the paper that is stored, read and used for the form
	Payload  json.RawMessage `json:"payload"`   // the signed payload around it
	Grants   int             `json:"grants"`    // how many grants of one family the prefills are spread over
	Children int             `json:"children"`  // how many people papers are stored for; each gets one
}

// Work is what one run of an operation costs in primitives. Lengths are in bytes of what is signed or sealed.
type Work struct {
	Verify    []int // ECDSA P-256 with SHA-256, of a text of this length
	Sign      []int // the same
	Seal      []int // AES-256-GCM, of a value of this length
	Open      []int // the same
	Compress  int   // DEFLATE level 1 of the payload, before it is sealed
	Expand    int   // the same back, after it is opened
	Unwrap    int   // reading a keyset under the key-encryption key, and building its primitive
	MAC       int   // HMAC-SHA256 over the columns of a row
	PRF       int   // HMAC-SHA256 over a name: type tags, digests of identifiers, ids of papers
	Reference int   // AES-SIV of an id that comes in or goes out
	Schema    int   // the compiled schema over the decoded document
}

// Operation is one measured operation: its cryptography, then its SQL, one batch for each round trip.
type Operation struct {
	Name   string
	Work   Work
	rounds []round
	tx     bool // all rounds are one transaction
	runs   *atomic.Int64
}

// round queues the statements of one round trip for the i-th run.
type round func(f *Floor, i int64, b *pgx.Batch)

// Operations returns the measured operations in the order in which they are reported.
func Operations() []Operation {
	return []Operation{tokenOperation(), refreshOperation(), introspectOperation(), storeOperation(), readOperation(), prefillOperation()}
}

// ErrOperation reports a name that is no operation.
var ErrOperation = errors.New("floor: no such operation")

// Floor is one process's floor, its rows written.
type Floor struct {
	pool *pgxpool.Pool
	primitives
	rows
	operations []Operation
	statements map[string]string // by origin
}

// Open builds the primitives and writes the rows.
func Open(ctx context.Context, s Spec) (*Floor, error) {
	origins, err := Origins()
	if err != nil {
		return nil, err
	}
	f := &Floor{operations: Operations(), statements: origins}
	if err := f.primitives.make(s); err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	cfg, err := pgxpool.ParseConfig(s.DSN)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	cfg.MaxConns = int32(s.MaxConns)
	if s.MaxConns == 0 {
		cfg.MaxConns = int32(max(4, runtime.NumCPU())) // pgxpool's default, and so the server's
	}
	if f.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	if err := f.seed(ctx, s); err != nil {
		f.pool.Close()
		return nil, fmt.Errorf("floor: rows: %w", err)
	}
	return f, nil
}

// Close ends the connections.
func (f *Floor) Close() { f.pool.Close() }

// Timing is how long one run took.
type Timing struct {
	Wall     time.Duration `json:"wall"`
	P50, P99 time.Duration
}

// Run does an operation n times, c at a time.
func (f *Floor) Run(ctx context.Context, name string, c, n int) (Timing, error) {
	at := slices.IndexFunc(f.operations, func(o Operation) bool { return o.Name == name })
	if at < 0 || c < 1 || n < 1 {
		return Timing{}, fmt.Errorf("%w: %q", ErrOperation, name)
	}
	o := f.operations[at]
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([]time.Duration, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for range c {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				start := time.Now()
				if err := f.once(ctx, o); err != nil {
					cancel(fmt.Errorf("floor of %s: %w", name, err))
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	workers.Wait()
	wall := time.Since(began)
	slices.Sort(took)
	return Timing{Wall: wall, P50: took[n/2], P99: took[n*99/100]}, context.Cause(ctx)
}

func (f *Floor) once(ctx context.Context, o Operation) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := f.do(o.Work); err != nil {
		return err
	}
	i := o.runs.Add(1) - 1
	if !o.tx {
		for _, queue := range o.rounds {
			b := new(pgx.Batch)
			queue(f, i, b)
			if err := f.pool.SendBatch(ctx, b).Close(); err != nil {
				return err
			}
		}
		return nil
	}
	conn, err := f.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for at, queue := range o.rounds {
		b := new(pgx.Batch)
		if at == 0 {
			b.Queue(begin)
		}
		queue(f, i, b)
		if at == len(o.rounds)-1 {
			b.Queue(commit)
		}
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
	}
	return nil
}

const (
	begin  = "begin isolation level read committed"
	commit = "commit"
)

// Statements returns the SQL of an operation, one list for each round trip.
func (f *Floor) Statements(name string) [][]string {
	var lists [][]string
	for _, o := range f.operations {
		if o.Name != name {
			continue
		}
		for _, queue := range o.rounds {
			b, list := new(pgx.Batch), []string{}
			queue(f, o.runs.Add(1)-1, b)
			for _, q := range b.QueuedQueries {
				list = append(list, q.SQL)
			}
			lists = append(lists, list)
		}
	}
	return lists
}
