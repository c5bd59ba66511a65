package wallet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestCopy: a paper about two people is in each vault by itself, in any order of revisions, and stays in one when the other is erased.
func TestCopy(t *testing.T) {
	t.Parallel()
	c := setup(t)
	two := arrangeCopy(c).(couple)
	c.put(paper{vault: two.wife, ref: "KH-7/2026", number: 2, who: "du", what: "marriage_certificate", state: wallet.Corrected})
	for _, n := range []int{2, 1, 2, 1} {
		if err := c.Copy(t.Context(), two.copying(n)); err != nil {
			t.Fatalf("revision %d: %v", n, err)
		}
	}
	if err := c.Copy(t.Context(), two.copying(3)); !errors.Is(err, wallet.ErrNotFound) {
		t.Errorf("a revision that is not there: %v", err)
	}
	c.write(`delete from vault_keys where vault_id = $1`, two.wife)
	c = c.on(c.db.Pool)
	got := must(c.get(two.husband, two.doc, 0))(t)
	if got.Revision != 2 || got.SubjectRole != "husband" || got.Person != two.husband || got.Held != nil {
		t.Errorf("the husband's copy: revision %d as %s", got.Revision, got.SubjectRole)
	}
	if items := c.list(two.husband).Items; len(items) != 1 || items[0].Revision != 2 {
		t.Error("the husband's list")
	}
	if err := c.CheckHead(t.Context(), two.husband, two.doc); err != nil {
		t.Error(err)
	}
	want := []string{"result_stored", "result_stored", "document_read", "list_read"}
	if got := kinds(c.recorded(two.husband)); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if err := c.Copy(t.Context(), two.copying(1)); err != nil {
		t.Errorf("a task that comes after the erasure: %v", err)
	}
}

// TestCopyOfAnotherRevision: where another revision of that number lies, nothing is replaced.
func TestCopyOfAnotherRevision(t *testing.T) {
	t.Parallel()
	c := setup(t)
	two := arrangeCopy(c).(couple)
	other := c.put(paper{vault: two.husband, ref: "KH-7/2026", number: 1, who: "du", what: "marriage_certificate", note: "other bytes"})
	if err := c.Copy(t.Context(), two.copying(1)); !errors.Is(err, wallet.ErrRevision) {
		t.Errorf("copied over another revision: %v", err)
	}
	if got := must(c.get(two.husband, two.doc, 0))(t); string(got.Message) != string(other.Message) {
		t.Error("what was there was replaced")
	}
}

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
	for _, try := range []struct {
		v      identity.VaultID
		cursor string
		limit  int
	}{{an, page.Next, 1}, {du, "x" + page.Next[1:], 1}, {du, "made-up", 1}, {du, "", -1}, {du, "", wallet.MaxLimit + 1}} {
		if _, err := c.List(t.Context(), pg.All(), []identity.VaultID{try.v}, me(try.v), try.cursor, try.limit); !errors.Is(err, wallet.ErrCursor) {
			t.Errorf("%v", err)
		}
	}
}
