package wallet_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestP4_AnyOrderOneState: revisions that arrive in any order, any number of times, revocations among them, end in the state in which they
// end in their order; an older one is never current on the way; and the head is what its facts say at every step.
func TestP4_AnyOrderOneState(t *testing.T) {
	t.Parallel()
	c := setup(t)
	shuffled, ordered := c.vault(), c.vault()
	rapid.Check(t, func(rt *rapid.T) {
		ref := "KS-" + identity.NewVaultID().String()
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(1, 9), 1, 5, rapid.ID).Draw(rt, "numbers")
		revisions := map[int]wallet.Revision{}
		for _, n := range numbers {
			state := rapid.SampledFrom([]wallet.State{wallet.Issued, wallet.Corrected, wallet.Revoked}).Draw(rt, "state")
			revisions[n] = c.revision(paper{vault: shuffled, ref: ref, number: n, state: state, empty: state == wallet.Revoked})
		}
		arrivals := slices.Concat(rapid.Permutation(numbers).Draw(rt, "order"), rapid.SliceOfN(rapid.SampledFrom(numbers), 0, 4).Draw(rt, "again"))
		arrivals = rapid.Permutation(arrivals).Draw(rt, "arrivals")

		doc, highest := revisions[numbers[0]].Document, 0
		seen := map[int]bool{}
		for _, n := range arrivals {
			err := c.store(revisions[n])
			var twice *pg.Duplicate
			if seen[n] != errors.As(err, &twice) || !seen[n] && err != nil {
				rt.Fatalf("arrival of %d, seen before %t: %v", n, seen[n], err)
			}
			seen[n], highest = true, max(highest, n)
			if got := must(c.get(shuffled, doc, 0))(t); got.Revision != highest || got.State != revisions[highest].State {
				rt.Fatalf("after %d: revision %d is current, want %d", n, got.Revision, highest)
			}
			if err := c.CheckHead(t.Context(), shuffled, doc); err != nil {
				rt.Fatalf("after %d: %v", n, err)
			}
		}
		for _, n := range slices.Sorted(slices.Values(numbers)) {
			rev := revisions[n]
			rev.Vault = ordered
			if err := c.store(rev); err != nil {
				rt.Fatal(err)
			}
		}
		c.same(rt, shuffled, ordered, doc, numbers)
	})
}

// same compares a paper in two vaults by everything but whose it is and when it came.
func (c *cabinet) same(rt *rapid.T, a, b identity.VaultID, doc identity.DocumentID, numbers []int) {
	rt.Helper()
	whoAndWhen := cmp.Options{open(), cmpopts.IgnoreFields(wallet.Item{}, "Person", "ReceivedAt"), cmpopts.IgnoreFields(wallet.RevisionInfo{}, "ReceivedAt")}
	if !cmp.Equal(must(c.get(a, doc, 0))(c.t), must(c.get(b, doc, 0))(c.t), whoAndWhen) {
		rt.Fatal("the current revisions differ")
	}
	if changed := must(c.RebuildHead(c.t.Context(), a, doc))(c.t); changed {
		rt.Fatal("the head was not what its facts say")
	}
	history := func(v identity.VaultID) []wallet.RevisionInfo {
		return must(c.Revisions(c.t.Context(), pg.All(), []identity.VaultID{v}, doc, me(v)))(c.t)
	}
	h := history(a)
	if !cmp.Equal(h, history(b), whoAndWhen) {
		rt.Fatal("the histories differ")
	}
	if len(h) != len(numbers) || !slices.IsSortedFunc(h, func(x, y wallet.RevisionInfo) int { return y.Number - x.Number }) {
		rt.Fatal("the history is not every revision, highest first")
	}
}

// TestP4_RevocationFirst: a paper never seen arrives as revoked; what came before it later stays in the history and never becomes current.
func TestP4_RevocationFirst(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	revoked := c.put(paper{vault: v, ref: "KS-12/2026", number: 3, state: wallet.Revoked, empty: true})
	c.put(paper{vault: v, ref: "KS-12/2026", number: 2, state: wallet.Corrected})
	c.put(paper{vault: v, ref: "KS-12/2026", number: 1})
	for _, item := range []wallet.Item{must(c.get(v, revoked.Document, 0))(t).Item, c.list(v).Items[0]} {
		if item.Revision != 3 || !item.Revoked {
			t.Errorf("revision %d is current, revoked %t", item.Revision, item.Revoked)
		}
	}
}

// TestRebuildHead: a head that was lost, set back or spoiled is made again from its facts; what the service may not write is reported.
func TestRebuildHead(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for name, damage := range map[string]struct {
		sql    string
		beyond bool // beyond repair by the service
	}{
		"lost":     {sql: `delete from documents where vault_id = $1 and document_id = $2`},
		"set back": {sql: `update documents set current_revision = 1, state = 'current' where vault_id = $1 and document_id = $2`},
		"state":    {sql: `update documents set state = 'current' where vault_id = $1 and document_id = $2`},
		"header":   {sql: `update documents set sealed_header = set_byte(sealed_header, 40, get_byte(sealed_header, 40) # 1) where vault_id = $1 and document_id = $2`},
		"changed":  {sql: `update documents set changed_at = added_at where vault_id = $1 and document_id = $2`},
		"added":    {sql: `update documents set added_at = changed_at where vault_id = $1 and document_id = $2`, beyond: true},
		"tag":      {sql: `update documents set type_tag = set_byte(type_tag, 0, get_byte(type_tag, 0) # 1) where vault_id = $1 and document_id = $2`, beyond: true},
	} {
		v := c.vault()
		doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
		c.put(paper{vault: v, ref: "KS-12/2026", number: 2, state: wallet.Revoked, empty: true})
		before := c.list(v)
		if err := c.CheckHead(t.Context(), v, doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.write(damage.sql, v, doc)
		if err := c.CheckHead(t.Context(), v, doc); !errors.Is(err, wallet.ErrHead) {
			t.Errorf("%s: not noticed: %v", name, err)
		}
		if got := must(c.get(v, doc, 0))(t); got.Revision != 2 || !got.Revoked {
			t.Errorf("%s: a reading believed the head", name)
		}
		changed, err := c.RebuildHead(t.Context(), v, doc)
		if damage.beyond {
			if !errors.Is(err, wallet.ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !changed {
			t.Errorf("%s: changed %t, %v", name, changed, err)
		}
		if err := c.CheckHead(t.Context(), v, doc); err != nil {
			t.Errorf("%s: after rebuilding: %v", name, err)
		}
		if !cmp.Equal(c.list(v), before, open()) {
			t.Errorf("%s: the list differs after rebuilding", name)
		}
	}
	v := c.vault()
	if _, err := c.RebuildHead(t.Context(), v, c.d.DocumentID(registry, "birth_certificate", "none")); !errors.Is(err, wallet.ErrNotFound) {
		t.Errorf("a paper without revisions: %v", err)
	}
}
