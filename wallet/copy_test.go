package wallet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

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
