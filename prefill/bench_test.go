package prefill_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/internal/pg"
)

// processors is the processor time of this process and of PostgreSQL's backends of the database, which a busy machine disturbs less than the clock; the
// latter only where the system tells it.
func (w *world) processors(b *testing.B) (spent [2]time.Duration) {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	spent[0] = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	rows, _ := w.db.Owner(b).Query(context.Background(), `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	for _, pid := range must(pgx.CollectRows(rows, pgx.RowTo[int]))(b) {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		var ns int64
		_, _ = fmt.Sscan(string(raw), &ns)
		spent[1] += time.Duration(ns)
	}
	return spent
}

// BenchmarkFill fills a form from four papers of two vaults under standing grants: new releases, and the same one repeated.
func BenchmarkFill(b *testing.B) {
	w := setup(b)
	w.household("kindergarten_khang")
	fields := []string{"applicant_full_name", "applicant_residence", "child_full_name", "child_birth_date", "child_insurance_card", "father_full_name", "mother_full_name"}
	request := w.granted("kindergarten_khang", terms{mode: consent.Until, fields: fields})
	run := func(key func(i int) string) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			i, before := 0, w.processors(b)
			for b.Loop() {
				i++
				answer, err := w.Fill(context.Background(), pg.All(), order(request, key(i)))
				if err != nil || len(answer.Fields) != len(fields) {
					b.Fatalf("%d fields: %v", len(answer.Fields), err)
				}
			}
			after := w.processors(b)
			b.ReportMetric(float64((after[0]-before[0]).Microseconds())/float64(i), "go-µs/op")
			b.ReportMetric(float64((after[1]-before[1]).Microseconds())/float64(i), "pg-µs/op")
		}
	}
	b.Run("new", run(func(i int) string { return fmt.Sprint(b.N, "-", i) }))
	b.Run("repeated", run(func(int) string { return "same" }))
}
