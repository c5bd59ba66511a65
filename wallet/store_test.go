package wallet_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestStoredAsDelivered: what comes out is what went in, byte for byte.
func TestStoredAsDelivered(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	rev := c.put(paper{vault: v, ref: "KS-12/2026", number: 1})
	got := must(c.get(v, rev.Document, 0))(t)
	if string(got.Message) != string(rev.Message) {
		t.Error("the message is not the one delivered")
	}
	want, _ := c.cast.Paper("an", "birth_certificate")
	var a, b any
	if json.Unmarshal(got.Payload, &a) != nil || json.Unmarshal(want.JSON, &b) != nil || !cmp.Equal(a, b) {
		t.Error("the document is not the one delivered")
	}
	if got.ID != rev.Document || got.Person != v || got.Type != rev.Type || got.Issuer != rev.Issuer || got.Ref != rev.Ref ||
		got.Procedure != rev.Procedure || got.Dossier != rev.Dossier || got.Revision != 1 || got.State != wallet.Issued || got.Revoked ||
		!got.IssuedAt.Equal(rev.IssuedAt) || got.ValidFrom != rev.ValidFrom || got.ValidUntil != "" || got.SubjectRole != "child" ||
		got.Origin != wallet.FromProcedure || got.Held != nil || got.Damaged || got.ReceivedAt.IsZero() {
		t.Error("the item does not say what was delivered")
	}
	page := c.list(v)
	if len(page.Items) != 1 || page.Next != "" || page.Damaged != 0 {
		t.Fatalf("list of %d items, %d damaged", len(page.Items), page.Damaged)
	}
	if !cmp.Equal(page.Items[0], got.Item, open()) {
		t.Error("the list shows another item than the paper itself")
	}
	if want := []string{"result_stored", "document_read", "list_read"}; !cmp.Equal(kinds(c.recorded(v)), want) {
		t.Error(cmp.Diff(want, kinds(c.recorded(v))))
	}
}

// TestUnusualMessageKeepsItsBytes: a base64url with stray bits at its end decodes, and would not encode to itself again.
func TestUnusualMessageKeepsItsBytes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	rev := c.revision(paper{vault: v, ref: "KS-13/2026", number: 1})
	last := rev.Message[len(rev.Message)-1] // 64 bytes of signature end in two bits of padding
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	rev.Message[len(rev.Message)-1] = alphabet[strings.IndexByte(alphabet, last)|1]
	if err := c.store(rev); err != nil {
		t.Fatal(err)
	}
	if got := must(c.get(v, rev.Document, 0))(t); string(got.Message) != string(rev.Message) || len(got.Payload) == 0 {
		t.Error("the message is not the one delivered")
	}
}

// TestP3_SameRevisionOnce: the second delivery of a revision is a duplicate that says so, whoever wins.
func TestP3_SameRevisionOnce(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	rev := c.revision(paper{vault: v, ref: "KS-12/2026", number: 1})
	const deliveries = 100
	errs := make([]error, deliveries)
	var all sync.WaitGroup
	for i := range deliveries {
		all.Go(func() { errs[i] = c.store(rev) })
	}
	all.Wait()
	stored := 0
	for _, err := range errs {
		var twice *pg.Duplicate
		switch {
		case err == nil:
			stored++
		case !errors.As(err, &twice) || twice.Constraint != wallet.KeyRevision:
			t.Errorf("a delivery ended with %v", err)
		}
	}
	if stored != 1 {
		t.Errorf("%d deliveries were stored", stored)
	}
	for _, table := range []string{"document_revisions", "documents", "access_log"} {
		if n := c.count(`select count(*) from `+table+` where vault_id = $1`, v); n != 1 {
			t.Errorf("%d rows of %s", n, table)
		}
	}
}

// TestRevisionIsChecked: what the intake should never hand over is refused by name, and no error quotes it.
func TestRevisionIsChecked(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	for name, spoil := range map[string]func(*wallet.Revision){
		"vault":     func(r *wallet.Revision) { r.Vault = identity.NewVaultID() },
		"document":  func(r *wallet.Revision) { r.Document = identity.DocumentID{} },
		"number":    func(r *wallet.Revision) { r.Number = 0 },
		"state":     func(r *wallet.Revision) { r.State = "lost" },
		"origin":    func(r *wallet.Revision) { r.Origin = "rumour" },
		"type":      func(r *wallet.Revision) { r.Type = "" },
		"text":      func(r *wallet.Revision) { r.Title = strings.Repeat("TRẦN MINH AN", 50) },
		"message":   func(r *wallet.Revision) { r.Message = []byte("TRẦN.MINH") },
		"digest":    func(r *wallet.Revision) { r.PayloadSHA256[0] ^= 1 },
		"too large": func(r *wallet.Revision) { r.Message = make([]byte, 1<<20) },
	} {
		rev := c.revision(paper{vault: v, ref: "KS-12/2026", number: 1})
		keys := c.keys(v)
		spoil(&rev)
		err := c.QueueRevise(nil, keys, rev, c.now())
		if !errors.Is(err, wallet.ErrRevision) || strings.Contains(err.Error(), "TRẦN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	rev := c.revision(paper{vault: v, ref: "KS-12/2026", number: 1, empty: true})
	if err := c.QueueRevise(nil, c.keys(v), rev, c.now()); !errors.Is(err, wallet.ErrRevision) {
		t.Errorf("no document in an issued paper: %v", err)
	}
}

// TestLockRefuses: a vault that was joined or erased since it was looked up aborts the transaction; one that never was is a mistake.
func TestLockRefuses(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, state := range []string{"joined", "erased"} {
		v := c.vault()
		c.keys(v)
		c.write(`update vaults set state = $2 where vault_id = $1`, v, state)
		err := c.store(c.revision(paper{vault: v, ref: "KS-12/2026", number: 1}))
		if pg.Refused(err) != wallet.CodeVaultClosed {
			t.Errorf("%s: %v", state, err)
		}
		if n := c.count(`select count(*) from document_revisions where vault_id = $1`, v); n != 0 {
			t.Errorf("%s: stored all the same", state)
		}
	}
}

// TestRevokedSaysSo: a revoked paper is still there, and every way to it says that it is revoked.
func TestRevokedSaysSo(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	first := c.put(paper{vault: v, ref: "KS-12/2026", number: 1})
	before := must(c.get(v, first.Document, 0))(t)
	c.put(paper{vault: v, ref: "KS-12/2026", number: 2, state: wallet.Revoked, empty: true})
	now := must(c.get(v, first.Document, 0))(t)
	if now.State != wallet.Revoked || !now.Revoked || now.Revision != 2 || now.Payload != nil || len(now.Message) == 0 {
		t.Errorf("current: revision %d, %s", now.Revision, now.State)
	}
	old := must(c.get(v, first.Document, 1))(t)
	if old.State != wallet.Issued || !old.Revoked || old.Revision != 1 || string(old.Payload) != string(before.Payload) {
		t.Errorf("revision 1: %s, revoked %t", old.State, old.Revoked)
	}
	if item := c.list(v).Items[0]; !item.Revoked || item.ETag != now.ETag {
		t.Error("the list does not say that the paper is revoked")
	}
	if before.ETag == now.ETag || before.ETag == old.ETag || old.ETag == now.ETag {
		t.Error("two different answers have one ETag")
	}
}
