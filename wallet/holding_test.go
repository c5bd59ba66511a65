package wallet_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// household is a paper at home and somebody who holds it.
type household struct {
	home, holder identity.VaultID
	doc          identity.DocumentID
	id           identity.HoldingID
}

func (c *cabinet) household() household {
	c.t.Helper()
	h := household{home: c.vault(), holder: c.vault()}
	h.doc = c.put(paper{vault: h.home, ref: "KS-" + h.home.String(), number: 1}).Document
	h.id = c.hold(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "declarant"})
	return h
}

// sees reports by which ways the holder reaches the paper.
func (c *cabinet) sees(h household) (ways []string) {
	c.t.Helper()
	switch _, err := c.get(h.holder, h.doc, 0); {
	case err == nil:
		ways = append(ways, "get")
	case !errors.Is(err, wallet.ErrNotFound):
		ways = append(ways, fmt.Sprintf("damaged %t", errors.Is(err, wallet.ErrDamaged)))
	}
	if slices.ContainsFunc(c.list(h.holder).Items, func(i wallet.Item) bool { return i.ID == h.doc }) {
		ways = append(ways, "list")
	}
	return ways
}

var everyWay = []string{"get", "list"}

// TestHolding: who holds a paper sees it, as somebody else's, and the reading stands in the record of the person whose paper it is.
func TestHolding(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := c.household()
	for range 2 { // with nothing remembered, then with the link
		got := must(c.get(h.holder, h.doc, 0))(t)
		if got.Person != h.home || got.Held == nil || got.Held.ID != h.id || got.Held.Reason != "declarant" || len(got.Payload) == 0 {
			t.Fatal("the paper is not shown as held")
		}
		item := c.list(h.holder).Items[0]
		if !cmp.Equal(item, got.Item, open()) {
			t.Error("the list shows another item than the paper itself")
		}
	}
	history := must(c.Revisions(t.Context(), pg.All(), []identity.VaultID{h.holder}, h.doc, me(h.holder)))(t)
	if len(history) != 1 || history[0].Number != 1 {
		t.Errorf("history of %d revisions", len(history))
	}
	atHome := c.recorded(h.home)
	if want := []string{"result_stored", "holding_opened", "document_read", "document_read", "document_read"}; !cmp.Equal(kinds(atHome), want) {
		t.Errorf("the record at home: %v", kinds(atHome))
	}
	for _, e := range atHome[2:] {
		if e.Actor.Vault != h.holder || e.Document != h.doc || e.Reason != "declarant" {
			t.Error("the record does not say who read what, and by which right")
		}
	}
	if want := []string{"holding_opened", "list_read", "list_read"}; !cmp.Equal(kinds(c.recorded(h.holder)), want) {
		t.Errorf("the holder's record: %v", kinds(c.recorded(h.holder)))
	}
	if got := must(c.get(h.home, h.doc, 0))(t); got.Held != nil {
		t.Error("the owner's own paper is shown as held")
	}
}

// TestHoldingOnce: a right given again, and its task run again, is one right and one line in each record.
func TestHoldingOnce(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := c.household()
	again := c.hold(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "declarant"})
	c.mirror(h.home, again)
	if again != h.id {
		t.Error("the same right has two ids")
	}
	for _, v := range []identity.VaultID{h.home, h.holder} {
		opened := 0
		for _, e := range c.recorded(v) {
			if e.Kind == audit.HoldingOpened {
				opened++
			}
		}
		if rows := c.count(`select count(*) from holdings where vault_id = $1`, v); opened != 1 || rows != 1 {
			t.Errorf("%d rows, %d lines of the record", rows, opened)
		}
	}
	other := c.hold(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "heir"})
	if other == h.id {
		t.Error("another right has the same id")
	}
	if items := c.list(h.holder).Items; len(items) != 1 {
		t.Errorf("a paper held for two reasons is listed %d times", len(items))
	}
	if n := must(c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holding: h.id}, "registrar", audit.Actor{}))(t); n != 1 {
		t.Errorf("%d ended", n)
	}
	if got := c.sees(h); !cmp.Equal(got, everyWay) {
		t.Errorf("the other right: %v", got)
	}
}

// TestHoldingEnds: a right that was taken away opens nothing at once, on every process, before any task has run; and nothing revives it.
func TestHoldingEnds(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := c.household()
	elsewhere := c.on(c.db.Pool)
	for _, process := range []*cabinet{c, elsewhere} {
		if got := process.sees(h); !cmp.Equal(got, everyWay) {
			t.Fatalf("before: %v", got)
		}
	}
	by := audit.Actor{Client: "registrar"}
	if n := must(c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holder: h.holder}, "court", by))(t); n != 1 {
		t.Errorf("%d ended", n)
	}
	unseen := func(when string) {
		for i, process := range []*cabinet{c, elsewhere, c.on(c.db.Pool)} {
			if got := process.sees(h); got != nil {
				t.Errorf("%s, process %d: %v", when, i, got)
			}
		}
	}
	unseen("before its task")
	c.mirror(h.home, h.id)
	c.mirror(h.home, h.id)
	unseen("after its task")
	c.hold(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "declarant"})
	unseen("given again")
	if n := must(c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holder: h.holder}, "court", by))(t); n != 0 {
		t.Errorf("ended %d a second time", n)
	}
	for v, want := range map[identity.VaultID]int{h.home: 1, h.holder: 1} {
		n := 0
		for _, e := range c.recorded(v) {
			if e.Kind == audit.HoldingEnded {
				n++
			}
			if v == h.holder && (e.Reason == "court" || e.Actor == by) {
				t.Error("the holder is told who ended the right, and why")
			}
		}
		if n != want {
			t.Errorf("%d endings recorded, want %d", n, want)
		}
	}
	if _, err := c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{}, "court", by); !errors.Is(err, wallet.ErrHolding) {
		t.Errorf("ending everything: %v", err)
	}
}

// TestP3_HoldingTogether: the same right given, mirrored and ended by many at once is one row and one line in each record.
func TestP3_HoldingTogether(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := arrangeMirror(c).(household)
	together := func(act func(*cabinet, any) error) {
		errs := make([]error, 30)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = act(c, h) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	}
	together(actHold)
	together(actMirror)
	together(actEnd)
	together(actMirror)
	for sql, want := range map[string]int{
		`select count(*) from holdings where state = 'ended'`:                 2,
		`select count(*) from access_log where kind = 'holding_opened'`:       2,
		`select count(*) from access_log where kind = 'holding_ended'`:        2,
		`select count(*) from holdings`:                                       2,
		`select count(distinct changed_at) from holdings where side = 'home'`: 1,
	} {
		if got := c.count(sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
	if got := c.sees(h); got != nil {
		t.Errorf("the holder sees %v", got)
	}
}

// TestHoldingTasksInAnyOrder: the task that opens a side may run after the one that ends it.
func TestHoldingTasksInAnyOrder(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := household{home: c.vault(), holder: c.vault()}
	h.doc = c.put(paper{vault: h.home, ref: "KS-12/2026", number: 1}).Document
	h.id = c.holdAtHome(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "heir"})
	if got := c.sees(h); got != nil {
		t.Errorf("before any task: %v", got)
	}
	must(c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holding: h.id}, "court", audit.Actor{}))(t)
	c.mirror(h.home, h.id)
	c.mirror(h.home, h.id)
	if state := c.count(`select count(*) from holdings where vault_id = $1 and state = 'ended'`, h.holder); state != 1 {
		t.Error("the holder's side does not keep the end")
	}
	if got := c.sees(h); got != nil {
		t.Errorf("after the tasks: %v", got)
	}
}

// TestHoldingLapses: with its date, and with the vault it is in.
func TestHoldingLapses(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := household{home: c.vault(), holder: c.vault()}
	h.doc = c.put(paper{vault: h.home, ref: "KS-12/2026", number: 1}).Document
	c.hold(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "legal_representative", Until: c.now().Add(48 * time.Hour)})
	c.advance(47 * time.Hour)
	if got := c.sees(h); !cmp.Equal(got, everyWay) {
		t.Errorf("before its date: %v", got)
	}
	c.advance(time.Hour)
	if got := c.sees(h); got != nil {
		t.Errorf("after its date: %v", got)
	}
	other := c.household()
	c.write(`delete from vault_keys where vault_id = $1`, other.home)
	if got := c.on(c.db.Pool).sees(other); got != nil {
		t.Errorf("after erasure: %v", got)
	}
}

// TestW6_WritingToTheDatabaseOpensNothing: rows made or altered by somebody who can write to the database, and has no key, open no paper.
func TestW6_WritingToTheDatabaseOpensNothing(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for name, attack := range map[string]func(h household){
		"revived": func(h household) {
			must(c.EndHoldings(t.Context(), pg.All(), h.home, wallet.Ending{Holding: h.id}, "court", audit.Actor{}))(t)
			c.write(`update holdings set state = 'active', valid_until = null where vault_id = $1`, h.home)
		},
		"prolonged": func(h household) {
			c.write(`update holdings set valid_until = '2999-01-01' where vault_id = $1`, h.home)
		},
		"of another paper": func(h household) {
			doc := c.put(paper{vault: h.home, ref: "KS-99/2026", number: 1}).Document
			c.write(`update holdings set document_id = $2 where vault_id = any($1)`, []identity.VaultID{h.home, h.holder}, doc)
		},
		"of another holder": func(h household) {
			thief := c.vault()
			c.write(`update holdings set vault_id = $2 where vault_id = $1`, h.holder, thief)
			if got := c.sees(household{home: h.home, holder: thief, doc: h.doc}); slices.Contains(got, "get") || slices.Contains(got, "list") {
				t.Errorf("the thief sees %v", got)
			}
		},
		"byte of the seal": func(h household) {
			c.write(`update holdings set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) where vault_id = $1`, h.home)
		},
		"byte of the MAC": func(h household) {
			c.write(`update holdings set mac = set_byte(mac, 20, get_byte(mac, 20) # 1) where vault_id = $1`, h.home)
		},
		"byte of the holder's seal": func(h household) {
			c.write(`update holdings set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) where vault_id = $1`, h.holder)
		},
	} {
		h := c.household()
		attack(h)
		for i, process := range []*cabinet{c, c.on(c.db.Pool)} {
			if got := process.sees(h); slices.Contains(got, "get") || slices.Contains(got, "list") {
				t.Errorf("%s, process %d: the holder sees %v", name, i, got)
			}
		}
	}
}

// TestHoldingIsChecked: what cannot be a holding is refused.
func TestHoldingIsChecked(t *testing.T) {
	t.Parallel()
	c := setup(t)
	home, holder := c.vault(), c.vault()
	doc := c.put(paper{vault: home, ref: "KS-12/2026", number: 1}).Document
	good := wallet.Holding{Home: home, Holder: holder, Document: doc, Reason: "heir"}
	for name, spoil := range map[string]func(*wallet.Holding){
		"holder": func(h *wallet.Holding) { h.Holder = identity.VaultID{} }, "oneself": func(h *wallet.Holding) { h.Holder = home },
		"home": func(h *wallet.Holding) { h.Home = holder }, "reason": func(h *wallet.Holding) { h.Reason = "" },
		"document": func(h *wallet.Holding) { h.Document = identity.DocumentID{} },
	} {
		h := good
		spoil(&h)
		if _, err := c.QueueHold(new(pgx.Batch), c.keys(home), h, audit.Actor{}, c.now()); !errors.Is(err, wallet.ErrHolding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, args := range []string{`{}`, `{"holding_id":"x"}`, `[]`, ``} {
		task := mirrorTask(home, identity.HoldingID{})
		task.Args = []byte(args)
		if err := c.Mirror(t.Context(), task); err == nil {
			t.Errorf("a task with arguments %s ran", args)
		}
	}
	if err := c.Mirror(t.Context(), mirrorTask(home, identity.NewID[identity.HoldingID]())); !errors.Is(err, wallet.ErrNotFound) {
		t.Errorf("a task of no holding: %v", err)
	}
}
