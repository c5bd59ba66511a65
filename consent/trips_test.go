package consent_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/consent"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// trips counts round trips: batches, and statements that are sent alone.
type trips struct {
	n int
}

func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n++
	return ctx
}
func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n++
	return ctx
}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TestRoundTrips holds each operation to its number of round trips, with the keys it needs at hand.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	cfg := must(pgxpool.ParseConfig(db.DSN(pgtest.Serve)))(t)
	count := new(trips)
	cfg.ConnConfig.Tracer = count
	pool := must(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	t.Cleanup(pool.Close)
	h := setupOn(t, db).on(pool)
	f := h.family()
	who := h.acting(f.mother)
	standing, g := h.standing(f, "standing", consent.Until, 0)
	h.allKeys(f.child, f.mother, f.father)
	request := h.ask(f, "1")
	for _, c := range []struct {
		name string
		want int
		do   func() error
	}{
		{"create", 3, func() error { _, _, err := h.Create(t.Context(), pg.All(), h.enrolmentRequest(f, "2")); return err }},
		{"create again", 1, func() error { _, _, err := h.Create(t.Context(), pg.All(), h.enrolmentRequest(f, "2")); return err }},
		{"status", 1, func() error { _, err := h.Status(t.Context(), pg.All(), school, request); return err }},
		{"people", 2, func() error { _, err := h.People(t.Context(), pg.All(), f.mother, app); return err }},
		{"pending", 1, func() error { _, _, err := h.Pending(t.Context(), pg.All(), who, "", 10); return err }},
		{"view", 1, func() error { _, err := h.View(t.Context(), pg.All(), who, request); return err }},
		{"decide", 2, func() error { _, err := h.Decide(t.Context(), pg.All(), who, yes(request, childName), nil); return err }},
		{"decide again", 1, func() error { _, err := h.Decide(t.Context(), pg.All(), who, yes(request, childName), nil); return err }},
		{"grants", 1, func() error { _, _, err := h.Grants(t.Context(), pg.All(), who, "", 10); return err }},
		{"receipts", 1, func() error { _, err := h.Receipts(t.Context(), pg.All(), who, g.ID); return err }},
		{"plan", 1, func() error { _, err := h.PlanOf(t.Context(), pool, standing); return err }},
		{"plan again", 0, func() error { _, err := h.PlanOf(t.Context(), pool, standing); return err }},
		{"redeem and use", 2, func() error { _, err := h.redeem(standing, reading{}); return err }},
		{"withdraw", 2, func() error { _, err := h.Withdraw(t.Context(), pg.All(), who, g.ID); return err }},
		{"restrict", 2, func() error {
			return h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order")
		}},
	} {
		count.n = 0
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if count.n != c.want {
			t.Errorf("%s: %d round trips, want %d", c.name, count.n, c.want)
		}
	}
}
