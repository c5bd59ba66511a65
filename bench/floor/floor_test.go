package floor

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// spec stands beside the catalogue's birth certificate.
func spec(t testing.TB, db *pgtest.DB) Spec {
	t.Helper()
	schema, err := os.ReadFile("../../procedure/data/documents/birth_certificate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../procedure/examples/an/birth_certificate.json")
	if err != nil {
		t.Fatal(err)
	}
	return Spec{DSN: db.DSN(pgtest.Serve), Schema: schema, Document: document, Payload: document, Grants: 2, Children: 3}
}

func open(t testing.TB) *Floor {
	t.Helper()
	f, err := Open(t.Context(), spec(t, pgtest.New(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// TestF4_Rows runs every statement of every operation once and counts what it found or wrote: a floor that finds nothing does less than its
// operation.
func TestF4_Rows(t *testing.T) {
	t.Parallel()
	f := open(t)
	want := map[string][][]int64{
		"token": {{1, 2}},
		// The client, two ids, the person, their level and name, their session.
		"token_refresh": {{1, 2, 1, 1, 1}},
		"introspect":    {{1, 1, 1}},
		// Three identifiers lead to three people; the vault has three keysets. Nothing waits for the paper; each relation is active, not proposed.
		"store": {{1, 1, 1, 1, 3, 3}, {1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1}},
		"read":  {{1, 1, 1, 1}},
		// Two vaults, two standing grants, none that is counted, four papers, nobody who holds one.
		"prefill": {{1, 1, 1, 1, 0, 2, 2, 0, 0, 4, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
	}
	for _, o := range f.operations {
		var got [][]int64
		err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
			for _, queue := range o.rounds {
				b := new(pgx.Batch)
				queue(f, 0, b)
				results, rows := tx.SendBatch(t.Context(), b), []int64{}
				for range b.QueuedQueries {
					tag, err := results.Exec()
					if err != nil {
						return err
					}
					rows = append(rows, tag.RowsAffected())
				}
				if err := results.Close(); err != nil {
					return err
				}
				got = append(got, rows)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", o.Name, err)
		}
		if diff := cmp.Diff(want[o.Name], got); diff != "" {
			t.Errorf("rows of %s, statement by statement (-want +got):\n%s", o.Name, diff)
		}
	}
}

// TestRun does every operation several times at once, and more often than there are children.
func TestRun(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, o := range f.operations {
		timing, err := f.Run(t.Context(), o.Name, 4, 10)
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		if timing.Wall <= 0 || timing.P50 <= 0 || timing.P99 < timing.P50 {
			t.Errorf("%s took %+v", o.Name, timing)
		}
	}
	if _, err := f.Run(t.Context(), "nothing", 1, 1); err == nil {
		t.Error("an operation that is none ran")
	}
}

// TestServe speaks to a floor as the benchmark does.
func TestServe(t *testing.T) {
	t.Parallel()
	in, orders := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	s := spec(t, pgtest.New(t))
	go func() { ended <- Serve(t.Context(), in, out); _ = out.Close() }()
	tell, lines := json.NewEncoder(orders), bufio.NewScanner(answers)
	ask := func(order any) (a Answer) {
		t.Helper()
		if err := tell.Encode(order); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			t.Fatalf("no answer: %v", <-ended)
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := ask(s); a.Error != "" {
		t.Fatal(a.Error)
	}
	if a := ask(Order{Operation: "read", C: 2, N: 5}); a.Error != "" || a.Timing.Wall <= 0 {
		t.Errorf("read answered %+v", a)
	}
	if a := ask(Order{Operation: "none", C: 1, N: 1}); a.Error == "" {
		t.Error("an unknown order was carried out")
	}
	if a := ask(Order{Operation: OrderStatements}); len(a.Statements) != 6 || len(a.Statements["prefill"]) != 2 {
		t.Errorf("statements answered %v", a.Statements)
	}
	if a := ask(Order{Operation: OrderHTTP}); a.Addr == "" {
		t.Errorf("http answered %+v", a)
	}
	_ = orders.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// BenchmarkPrimitives prints what each primitive costs: go test -run '^$' -bench . ./bench/floor
func BenchmarkPrimitives(b *testing.B) {
	f := open(b)
	for _, p := range []struct {
		name string
		work Work
	}{
		{"verify", Work{Verify: []int{proofLength}}},
		{"verify result", Work{Verify: []int{resultLength}}},
		{"sign", Work{Sign: []int{tokenLength}}},
		{"seal record", Work{Seal: []int{recordLength}}},
		{"seal message", Work{Seal: []int{messageLength}}},
		{"open message", Work{Open: []int{messageLength}}},
		{"compress", Work{Compress: 1}},
		{"expand", Work{Expand: 1}},
		{"unwrap", Work{Unwrap: 1}},
		{"mac", Work{MAC: 1}},
		{"prf", Work{PRF: 1}},
		{"reference", Work{Reference: 1}},
		{"schema", Work{Schema: 1}},
	} {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.do(p.work); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, o := range f.operations {
		b.Run("cryptography of "+o.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.do(o.Work); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
