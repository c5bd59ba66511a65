package wallet_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestRoundTrips counts what each operation asks of PostgreSQL once keys and links are held: the figures of the doc comments.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	base := setup(t)
	h := base.household()
	two := arrangeCopy(base).(couple)
	wire := newWire()
	c := base.on(wire.open(t, base.db))
	n := 1
	for _, op := range []struct {
		name string
		want int
		run  func() error
	}{
		{"store", 1, func() error {
			n++
			return c.store(c.revision(paper{vault: h.home, ref: "KS-" + h.home.String(), number: n}))
		}},
		{"get", 1, func() error { _, err := c.get(h.home, h.doc, 0); return err }},
		{"get revision", 1, func() error { _, err := c.get(h.home, h.doc, 1); return err }},
		{"revisions", 1, func() error {
			_, err := c.Revisions(t.Context(), pg.All(), []identity.VaultID{h.home}, h.doc, me(h.home))
			return err
		}},
		{"list", 1, func() error {
			_, err := c.List(t.Context(), pg.All(), []identity.VaultID{h.home}, me(h.home), "", 0)
			return err
		}},
		{"list held", 1, func() error {
			_, err := c.List(t.Context(), pg.All(), []identity.VaultID{h.holder}, me(h.holder), "", 0)
			return err
		}},
		{"get held", 2, func() error { _, err := c.get(h.holder, h.doc, 0); return err }},
		{"not found", 3, func() error { _, _ = c.get(h.holder, identity.DocumentID{}, 0); return nil }},
		{"hold", 1, func() error {
			b := new(pgx.Batch)
			c.QueueLock(b, h.home)
			if _, err := c.QueueHold(b, c.keys(h.home), wallet.Holding{Home: h.home, Holder: two.wife, Document: h.doc, Reason: "heir"}, audit.Actor{}, c.now()); err != nil {
				return err
			}
			return pg.Pipeline(t.Context(), c.pool, b)
		}},
		{"mirror", 2, func() error { return c.Mirror(t.Context(), mirrorTask(h.home, h.id)) }},
		{"copy again", 3, func() error { return c.Copy(t.Context(), two.copying(1)) }},
		{"check head", 1, func() error { return c.CheckHead(t.Context(), h.home, h.doc) }},
		{"rebuild head", 2, func() error { _, err := c.RebuildHead(t.Context(), h.home, h.doc); return err }},
		{"end holdings", 2, func() error {
			_, err := c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holder: h.holder}, "court", audit.Actor{})
			return err
		}},
	} {
		if err := op.run(); err != nil { // keys, links and statements
			t.Fatalf("%s: %v", op.name, err)
		}
		wire.reset()
		if err := op.run(); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		if got := len(wire.trips()); got != op.want {
			t.Errorf("%s: %d round trips, want %d", op.name, got, op.want)
		}
	}
}
