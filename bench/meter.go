package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// reading is what the system and the database have counted so far.
type reading struct {
	process  time.Duration // processor time of the measured process
	postgres time.Duration // of PostgreSQL with all its backends
	wal      int64         // bytes of WAL
	mallocs  float64       // allocations of the server
}

func (r reading) since(before reading) reading {
	return reading{r.process - before.process, r.postgres - before.postgres, r.wal - before.wal, r.mallocs - before.mallocs}
}

// meter reads the counters of one process and of the database server.
type meter struct {
	pid        int
	postmaster int
	admin      *pgx.Conn // the owner's; its own processor time is PostgreSQL's too, and is one query for each reading
	metrics    string    // URL of the server's metrics; empty: no allocations
}

const (
	sqlWAL = `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint`

	// sqlUnfinished is true while something of what was queued is due or at work. What waits for another try is not.
	sqlUnfinished = `
select exists (select from outbox where not_before <= now())
  or exists (select from river.river_job where state in ('available', 'pending', 'running'))`

	sqlHoldRelay    = `select pg_advisory_lock($1)`
	sqlReleaseRelay = `select pg_advisory_unlock($1)`

	// relayLock is the lock of whoever hands the outbox on (package delivery). While somebody else has it, tasks stay where they are.
	relayLock = 0x7669_6461_6e5f_6f62
)

func (m meter) read(ctx context.Context) (r reading, err error) {
	if r.process, err = timeOf(m.pid); err != nil {
		return r, err
	}
	if r.postgres, err = timeOfFamily(m.postmaster); err != nil {
		return r, err
	}
	if err = m.admin.QueryRow(ctx, sqlWAL).Scan(&r.wal); err != nil || m.metrics == "" {
		return r, err
	}
	r.mallocs, err = mallocsOf(ctx, m.metrics)
	return r, err
}

// holding runs do while the outbox is kept from being handed on, so that a request is measured without what follows from it (B3).
func (m meter) holding(ctx context.Context, do func() error) error {
	if _, err := m.admin.Exec(ctx, sqlHoldRelay, int64(relayLock)); err != nil {
		return err
	}
	err := do()
	if _, unlocked := m.admin.Exec(context.WithoutCancel(ctx), sqlReleaseRelay, int64(relayLock)); err == nil {
		err = unlocked
	}
	return err
}

// settled waits until everything that was queued is done.
func (m meter) settled(ctx context.Context) error {
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		var unfinished bool
		if err := m.admin.QueryRow(ctx, sqlUnfinished).Scan(&unfinished); err != nil || !unfinished {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-every.C:
		}
	}
}

// mallocsOf reads how often the server has allocated (package runtime, through its metrics).
func mallocsOf(ctx context.Context, url string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no go_memstats_mallocs_total", url)
}

// mib is bytes in MiB.
func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
