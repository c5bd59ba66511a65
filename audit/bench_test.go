package audit_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/internal/pg"
)

// BenchmarkRow makes a row: check, salt, canonical form, commitment, body, seal.
func BenchmarkRow(b *testing.B) {
	w := &bundle{tb: b}
	d := deployment(b)
	w.Recorder, w.an = audit.New(d), vault(b, d)
	for name, e := range map[string]audit.Entry{"own_reading": reading(w.an, 2), "form_12_fields": disclosure(b, w.an)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Row(w.an, e, start); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueue makes a row and queues it, unconditionally and on a condition.
func BenchmarkQueue(b *testing.B) {
	d := deployment(b)
	r, k := audit.New(d), vault(b, d)
	e := reading(k, 2)
	b.Run("always", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Queue(new(pgx.Batch), k, e, start); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("if", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			row, err := r.Row(k, e, start)
			if err != nil {
				b.Fatal(err)
			}
			row.QueueIf(new(pgx.Batch), `exists (select from documents where vault_id = $1 and document_id = $2)`, e.Vault, e.Document)
		}
	})
}

// BenchmarkRecord commits one row in a round trip of its own: what recording adds to a batch is less.
func BenchmarkRecord(b *testing.B) {
	w := setup(b)
	e := reading(w.an, 2)
	b.ReportAllocs()
	for b.Loop() {
		batch := new(pgx.Batch)
		if _, err := w.Queue(batch, w.an, e, start); err != nil {
			b.Fatal(err)
		}
		if err := pg.Pipeline(b.Context(), w.Pool, batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList reads the newest 50 of 2,000 entries over 20 months.
func BenchmarkList(b *testing.B) {
	w := setup(b)
	batch := new(pgx.Batch)
	for i := range 2000 {
		if _, err := w.Queue(batch, w.an, reading(w.an, i+1), start.Add(time.Duration(i)*7*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	if err := pg.Pipeline(b.Context(), w.Pool, batch); err != nil {
		b.Fatal(err)
	}
	w.owner(`analyze access_log`)
	b.ReportAllocs()
	for b.Loop() {
		if page := w.list(audit.Query{Kind: audit.DocumentRead}, w.an); len(page.Entries) != 50 {
			b.Fatal(len(page.Entries))
		}
	}
}
