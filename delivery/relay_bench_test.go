package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/internal/pg"
)

// BenchmarkQueue is what a task adds to the batch that queues it, without a round trip of its own.
func BenchmarkQueue(b *testing.B) {
	one := task("work")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		batch := new(pgx.Batch)
		delivery.Queue(batch, one, now)
	}
}

// BenchmarkRelay is the way of a task from its commit through River to the end of its handler.
func BenchmarkRelay(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("tasks=%d", n), func(b *testing.B) {
			w := setup(b)
			w.start(w.relay(func(c *delivery.Config) { c.Poll = 0 }))
			tasks := make([]delivery.Task, n)
			for b.Loop() {
				for i := range tasks {
					tasks[i] = task("work")
				}
				w.queue(tasks...)
				for range tasks {
					w.wait()
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkDrain is the same without River.
func BenchmarkDrain(b *testing.B) {
	w := setup(b)
	r := w.relay(nil)
	b.ReportAllocs()
	for b.Loop() {
		w.queue(task("work"))
		if err := r.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
		w.wait()
	}
}

// BenchmarkIdle is what a relay asks when there is nothing to do, 20 times a second.
func BenchmarkIdle(b *testing.B) {
	w := setup(b)
	due := delivery.Statements()["sqlDue"]
	b.ReportAllocs()
	for b.Loop() {
		var is bool
		if err := w.QueryRow(b.Context(), due, time.Now()).Scan(&is); err != nil || is {
			b.Fatal(is, err)
		}
	}
}

// BenchmarkEvents numbers 100 events of one organisation.
func BenchmarkEvents(b *testing.B) {
	w := setup(b)
	r := w.relay(nil)
	for b.Loop() {
		batch := new(pgx.Batch)
		for i := range 100 {
			delivery.QueueEvent(batch, "commune-a", "result_stored", map[string]int{"n": i}, w.now())
		}
		if err := pg.Pipeline(b.Context(), w.Pool, batch); err != nil {
			b.Fatal(err)
		}
		if err := r.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
