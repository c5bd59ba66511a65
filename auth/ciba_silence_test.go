package auth

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pgtest"
)

// said collects the statements that a process sends, in their order.
type said struct {
	mu  sync.Mutex
	sql []string
}

func (s *said) note(sql string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sql = append(s.sql, sql)
}

func (s *said) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.note(d.SQL)
	return ctx
}
func (*said) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *said) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.note("batch")
	return ctx
}
func (s *said) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	s.note(d.SQL)
}
func (*said) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// S1: asking somebody who cannot answer sends the statements that asking anybody does, in their order; so do the polls.
func TestCIBA_SameStatements(t *testing.T) {
	t.Parallel()
	run := func(prepare func(*counterCase) string) []string {
		c := newCounterCase(t)
		cfg, err := pgxpool.ParseConfig(c.db.DSN(pgtest.Serve))
		if err != nil {
			t.Fatal(err)
		}
		heard := new(said)
		cfg.ConnConfig.Tracer = heard
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		hint := prepare(c)
		fresh := c.peopled(pool)
		heard.sql = nil
		_, body := c.post(fresh, c.askForm(hint))
		id, _ := body["auth_req_id"].(string)
		for range 2 {
			c.pollAs(fresh, c.a, id)
			c.clock.advance(20 * time.Second)
		}
		return heard.sql
	}
	blocked := func(c *counterCase) string {
		c.exec(`update people set blocked = true where vault_id = $1`, c.d.vault)
		return c.hint()
	}
	for name, pair := range map[string][2]func(*counterCase) string{
		"blocked": {(*counterCase).hint, blocked},
		"another person": {(*counterCase).hint, func(c *counterCase) string {
			c.request = c.open(nobodyNumber)
			return c.hint()
		}},
		"her phone was ended": {(*counterCase).hint, func(c *counterCase) string {
			hint := c.hint()
			if err := c.EndDevice(t.Context(), free{}, c.d.vault, actorOf(c.d), c.d.id); err != nil {
				t.Fatal(err)
			}
			return hint
		}},
		"never again": {(*counterCase).hint, func(c *counterCase) string {
			if err := c.Silence(t.Context(), free{}, actorOf(c.d), c.d.vault, ward, true); err != nil {
				t.Fatal(err)
			}
			return c.hint()
		}},
		"unknown": {func(c *counterCase) string { return c.officerHint(nil) }, func(c *counterCase) string {
			c.request = c.open(nobodyNumber)
			return c.officerHint(nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			anybody, nobody := run(pair[0]), run(pair[1])
			if len(anybody) < 10 || !slices.Equal(anybody, nobody) {
				t.Error(cmp.Diff(anybody, nobody))
			}
		})
	}
}
