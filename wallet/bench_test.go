package wallet_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
	"vidan/wallet"
)

// meter measures processor time, which a busy machine disturbs less than the clock does: of this process, and of PostgreSQL's backends of the
// database, where the system tells it.
type meter struct {
	c        *cabinet
	b        *testing.B
	own, pgs time.Duration
}

func (c *cabinet) meter(b *testing.B) *meter {
	m := &meter{c: c, b: b}
	m.own, m.pgs = m.read()
	return m
}

func (m *meter) read() (own, pgs time.Duration) {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		m.b.Fatal(err)
	}
	own = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	rows, _ := m.c.db.Owner(m.b).Query(context.Background(), `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		m.b.Fatal(err)
	}
	for _, pid := range pids {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid)) // absent elsewhere: then only our own is reported
		var ns int64
		_, _ = fmt.Sscan(string(raw), &ns)
		pgs += time.Duration(ns)
	}
	return own, pgs
}

// report is called at the end, with the number of operations.
func (m *meter) report(n int) {
	own, pgs := m.read()
	m.b.ReportMetric(float64((own-m.own).Nanoseconds())/float64(n)/1000, "go-µs/op")
	m.b.ReportMetric(float64((pgs-m.pgs).Nanoseconds())/float64(n)/1000, "pg-µs/op")
}

// BenchmarkRead reads one paper of one's own, recorded: the whole, its floor (the same two statements through pgx and one opening by Tink), and its parts.
func BenchmarkRead(b *testing.B) {
	c := setup(b)
	v := c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
	keys, vaults, ctx := c.keys(v), []identity.VaultID{v}, context.Background()
	const current = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 order by revision desc limit 1`
	const record = `
insert into access_log (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed) values ($1, $2, $3, $4, $5, $6, $7, $8)`
	var sealed []byte
	if err := c.pool.QueryRow(ctx, `select sealed from document_revisions where vault_id = $1`, v).Scan(&sealed); err != nil {
		b.Fatal(err)
	}
	place := seal.Place{Table: "document_revisions", Column: "sealed", Vault: v, Object: doc.Bytes(), Revision: 1}

	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		m := c.meter(b)
		for b.Loop() {
			if _, err := c.Get(ctx, pg.All(), vaults, doc, 0, me(v)); err != nil {
				b.Fatal(err)
			}
		}
		m.report(b.N)
	})
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		m := c.meter(b)
		month, commitment, row := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), make([]byte, 32), make([]byte, 120)
		for b.Loop() {
			batch := new(pgx.Batch)
			batch.Queue(current, v, doc)
			batch.Queue(record, v, month, identity.NewID[identity.EntryID](), c.now(), "document_read", nil, commitment, row)
			results := c.pool.SendBatch(ctx, batch)
			var number int
			var state string
			var sum, got []byte
			var issued, received time.Time
			if err := results.QueryRow().Scan(&number, &state, &sum, &issued, &received, &got); err != nil {
				b.Fatal(err)
			}
			if _, err := results.Exec(); err != nil {
				b.Fatal(err)
			}
			if err := results.Close(); err != nil {
				b.Fatal(err)
			}
			if _, err := keys.OpenMessage(seal.Content, place, got); err != nil {
				b.Fatal(err)
			}
		}
		m.report(b.N)
	})
	b.Run("part open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.OpenMessage(seal.Content, place, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("part record row", func(b *testing.B) {
		b.ReportAllocs()
		e := me(v)
		e.Vault, e.Kind, e.Document = v, audit.DocumentRead, doc
		for b.Loop() {
			if _, err := c.audit.Row(keys, e, c.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel whole", func(b *testing.B) {
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := c.Get(ctx, pg.All(), vaults, doc, 0, me(v)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkList30 lists thirty papers, recorded, and once more with three held ones.
func BenchmarkList30(b *testing.B) {
	c := setup(b)
	v := c.vault()
	for i := range 30 {
		c.put(paper{vault: v, ref: fmt.Sprint("KS-", i), number: 1})
	}
	list := func(b *testing.B, want int) {
		b.ReportAllocs()
		m := c.meter(b)
		for b.Loop() {
			page, err := c.List(context.Background(), pg.All(), []identity.VaultID{v}, me(v), "", 0)
			if err != nil || len(page.Items) != want {
				b.Fatal(len(page.Items), err)
			}
		}
		m.report(b.N)
	}
	b.Run("own", func(b *testing.B) { list(b, 30) })
	for i := range 3 {
		home := c.vault()
		doc := c.put(paper{vault: home, ref: fmt.Sprint("KS-x", i), number: 1}).Document
		c.hold(wallet.Holding{Home: home, Holder: v, Document: doc, Reason: "heir"})
	}
	b.Run("and held", func(b *testing.B) { list(b, 33) })
}

// BenchmarkStore stores a birth certificate with its record, and reports what it takes: bytes of WAL (of the whole server: run it alone) and of the row.
func BenchmarkStore(b *testing.B) {
	c := setup(b)
	v := c.vault()
	keys := c.keys(v)
	lsn := func() (n int64) {
		if err := c.db.Owner(b).QueryRow(context.Background(), `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint`).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	rev := c.revision(paper{vault: v, ref: "KS-0", number: 1})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		m := c.meter(b)
		before := lsn()
		for b.Loop() {
			n++
			rev.Ref = fmt.Sprint("KS-", b.N, "-", n)
			rev.Document = c.d.DocumentID(registry, rev.Type, rev.Ref)
			if err := c.store(rev); err != nil {
				b.Fatal(err)
			}
		}
		m.report(n)
		b.ReportMetric(float64(lsn()-before)/float64(n), "WAL-bytes/op")
		b.ReportMetric(float64(len(rev.Message)), "message-bytes")
		b.ReportMetric(float64(c.count(`select avg(pg_column_size(r.*))::int from document_revisions r`)), "row-bytes")
		b.ReportMetric(float64(c.count(`select avg(pg_column_size(d.*))::int from documents d`)), "head-bytes")
		b.ReportMetric(float64(c.count(`select avg(pg_column_size(a.*))::int from access_log a`)), "record-bytes")
	})
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.QueueRevise(new(pgx.Batch), keys, rev, c.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
