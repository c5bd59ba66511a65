package wallet_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/localpg"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/migrations"
	"vidan/wallet"
)

// TestP1_P2_DatabaseKilled kills PostgreSQL with SIGKILL while papers are stored: every one that was acknowledged is there afterwards, every other is
// there entirely or not at all, and can be stored again.
func TestP1_P2_DatabaseKilled(t *testing.T) {
	t.Parallel()
	project := t.TempDir()
	server, pool := durable(t, project)
	if _, err := pg.Migrate(t.Context(), server.DSN("", ""), migrations.FS); err != nil {
		t.Fatal(err)
	}
	pool.Close()
	pool = openServing(t, server)
	c := setupWith(t, pool)

	const writers, each, enough = 4, 400, 150
	var acknowledged, uncertain []wallet.Revision
	var mu sync.Mutex
	var done atomic.Int32
	kill := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		v := c.vault()
		all.Go(func() {
			for n := range each {
				rev := c.revision(paper{vault: v, ref: "KS-" + strconv.Itoa(i) + "-" + strconv.Itoa(n), number: 1})
				err := c.store(rev)
				mu.Lock()
				if err == nil {
					acknowledged = append(acknowledged, rev)
				} else {
					uncertain = append(uncertain, rev)
				}
				mu.Unlock()
				if err != nil {
					return
				}
				if done.Add(1) == enough {
					close(kill)
				}
			}
		})
	}
	<-kill
	if err := syscall.Kill(-server.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	pool.Close()
	if len(uncertain) == 0 {
		t.Fatal("everything was stored before the server died")
	}

	server, probe := durable(t, project)
	probe.Close()
	c = c.on(openServing(t, server))
	for _, rev := range acknowledged {
		if got, err := c.get(rev.Vault, rev.Document, 0); err != nil || string(got.Message) != string(rev.Message) {
			t.Fatalf("an acknowledged paper: %v", err)
		}
	}
	for _, rev := range uncertain {
		var there [3]int
		for i, sql := range []string{
			`select count(*) from document_revisions where vault_id = $1 and document_id = $2`,
			`select count(*) from documents where vault_id = $1 and document_id = $2`,
			`select count(*) - $3 from access_log where vault_id = $1 and kind = 'result_stored' and $2::uuid is not null`,
		} {
			args := []any{rev.Vault, rev.Document}
			if i == 2 {
				args = append(args, len(acknowledgedIn(acknowledged, rev)))
			}
			if err := c.pool.QueryRow(t.Context(), sql, args...).Scan(&there[i]); err != nil {
				t.Fatal(err)
			}
		}
		if there != [3]int{} && there != [3]int{1, 1, 1} {
			t.Errorf("half of a paper is there: %v", there)
		}
		var twice *pg.Duplicate
		if err := c.store(rev); err != nil && !errors.As(err, &twice) || (err != nil) != (there[0] == 1) {
			t.Errorf("stored again over %v: %v", there, err)
		}
	}
	t.Logf("%d acknowledged, %d cut off", len(acknowledged), len(uncertain))
}

func acknowledgedIn(all []wallet.Revision, like wallet.Revision) (same []wallet.Revision) {
	for _, rev := range all {
		if rev.Vault == like.Vault {
			same = append(same, rev)
		}
	}
	return same
}

// durable starts, or starts again, the test's own server, which syncs as production does.
func durable(t *testing.T, project string) (*localpg.Server, *pgxpool.Pool) {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Options{Project: project, Name: "crash"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	pool, err := pg.Open(t.Context(), server.DSN("", ""), pg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return server, pool
}

func openServing(t *testing.T, server *localpg.Server) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), server.DSN("", ""), pg.Config{Role: pgtest.Serve, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
