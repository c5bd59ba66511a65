package wallet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestListPages walks a list page by page while papers are added and revised: what was there at the start is seen once, in one order.
func TestListPages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v, home := c.vault(), c.vault()
	var want []identity.DocumentID
	for i := range 7 {
		doc := c.put(paper{vault: v, ref: "KS-" + string(rune('a'+i)), number: 1}).Document
		if i%3 == 2 {
			doc = c.put(paper{vault: home, ref: "KS-" + string(rune('p'+i)), number: 1}).Document
			c.hold(wallet.Holding{Home: home, Holder: v, Document: doc, Reason: "heir"})
			want = append([]identity.DocumentID{doc}, want...)
			doc = c.d.DocumentID(registry, "birth_certificate", "KS-"+string(rune('a'+i)))
			want = append(want[:1:1], append([]identity.DocumentID{doc}, want[1:]...)...)
			continue
		}
		want = append([]identity.DocumentID{doc}, want...)
	}
	for limit := 1; limit <= 10; limit++ {
		var seen []identity.DocumentID
		for cursor, pages := "", 0; ; pages++ {
			p := must(c.List(t.Context(), pg.All(), []identity.VaultID{v}, me(v), cursor, limit))(t)
			for _, item := range p.Items {
				seen = append(seen, item.ID)
			}
			if len(p.Items) > limit || pages > 20 {
				t.Fatalf("limit %d: a page of %d, page %d", limit, len(p.Items), pages)
			}
			if pages == 0 { // meanwhile
				c.put(paper{vault: v, ref: "new-" + string(rune('a'+limit)), number: 1})
				c.put(paper{vault: v, ref: "KS-a", number: 1 + limit, state: wallet.Corrected})
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if !cmp.Equal(seen, want, open()) {
			t.Errorf("limit %d: %d papers, want %d in their order", limit, len(seen), len(want))
		}
		want = append([]identity.DocumentID{c.d.DocumentID(registry, "birth_certificate", "new-"+string(rune('a'+limit)))}, want...)
	}
}

// TestS1_CursorOfAnother: a cursor leads nowhere in another's list, and one that was made up nowhere at all.
func TestS1_CursorOfAnother(t *testing.T) {
	t.Parallel()
	c := setup(t)
	du, an := c.vault(), c.vault()
	c.put(paper{vault: du, ref: "KS-1", number: 1})
	c.put(paper{vault: du, ref: "KS-2", number: 1})
	page := must(c.List(t.Context(), pg.All(), []identity.VaultID{du}, me(du), "", 1))(t)
	if page.Next == "" {
		t.Fatal("no second page")
	}
	forged := []byte(page.Next)
	forged[0] = map[bool]byte{true: 'y', false: 'x'}[forged[0] == 'x']
	for _, try := range []struct {
		v      identity.VaultID
		cursor string
		limit  int
	}{{an, page.Next, 1}, {du, string(forged), 1}, {du, "made-up", 1}, {du, "", -1}, {du, "", wallet.MaxLimit + 1}} {
		if _, err := c.List(t.Context(), pg.All(), []identity.VaultID{try.v}, me(try.v), try.cursor, try.limit); !errors.Is(err, wallet.ErrCursor) {
			t.Errorf("%v", err)
		}
	}
}
