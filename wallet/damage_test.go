package wallet_test

import (
	"errors"
	"fmt"
	"testing"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
	"vidan/wallet"
)

// served says what a vault serves of a paper, by every way to it. A way that refuses must say that the row is damaged.
func (c *cabinet) served(v identity.VaultID, doc identity.DocumentID) (ways []string) {
	c.t.Helper()
	switch got, err := c.get(v, doc, 0); {
	case err == nil:
		ways = append(ways, "current")
	case !errors.Is(err, wallet.ErrDamaged) || got.Payload != nil || got.Message != nil:
		c.t.Errorf("get: %v", err)
	}
	switch got, err := c.get(v, doc, 1); {
	case err == nil:
		ways = append(ways, "revision 1")
	case !errors.Is(err, wallet.ErrDamaged) || got.Payload != nil || got.Message != nil:
		c.t.Errorf("get 1: %v", err)
	}
	history := must(c.Revisions(c.t.Context(), pg.All(), []identity.VaultID{v}, doc, me(v)))(c.t)
	for _, r := range history {
		if !r.Damaged {
			ways = append(ways, fmt.Sprintf("line %d", r.Number))
		} else if r.State != "" {
			c.t.Error("a damaged line says more than its number")
		}
	}
	page, damaged := c.list(v), 0
	for _, item := range page.Items {
		switch {
		case item.Damaged && (item.Type != "" || item.ETag != ""):
			c.t.Error("a damaged item says more than its id")
		case item.Damaged:
			damaged++
		case item.ID == doc:
			ways = append(ways, "list")
		}
	}
	if page.Damaged != damaged {
		c.t.Errorf("%d damaged items, %d reported", damaged, page.Damaged)
	}
	return ways
}

// TestW3_EveryByteOfASealCounts flips each byte of the sealed columns in turn.
func TestW3_EveryByteOfASealCounts(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
	if got := c.served(v, doc); len(got) != 4 {
		t.Fatalf("undamaged: %v", got)
	}
	for _, column := range []struct{ table, name, kept string }{
		{"document_revisions", "sealed", "[list]"},
		{"document_revisions", "payload_sha256", "[list]"},
		{"documents", "sealed_header", "[current revision 1 line 1]"},
	} {
		n := c.count(`select length(`+column.name+`) from `+column.table+` where vault_id = $1`, v)
		step := max(1, n/48)
		for at := 0; at < n; at += step {
			flip := fmt.Sprintf(`update %s set %s = set_byte(%s, $2, get_byte(%s, $2) # 16) where vault_id = $1`,
				column.table, column.name, column.name, column.name)
			c.write(flip, v, at)
			if got := fmt.Sprint(c.served(v, doc)); got != column.kept {
				t.Errorf("%s.%s, byte %d: served by %s, want %s", column.table, column.name, at, got, column.kept)
			}
			c.write(flip, v, at)
		}
	}
	if got := c.served(v, doc); len(got) != 4 {
		t.Errorf("repaired: %v", got)
	}
}

// TestW3_ClearColumnsAreHeldAgainstTheSeal alters what stands in clear.
func TestW3_ClearColumnsAreHeldAgainstTheSeal(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for sql, kept := range map[string]string{
		`update document_revisions set state = 'corrected' where vault_id = $1`:                                  "[list]",
		`update document_revisions set issued_at = issued_at - interval '1 day' where vault_id = $1`:             "[list]",
		`update document_revisions set received_at = received_at + interval '1 microsecond' where vault_id = $1`: "[list]",
		`update documents set state = 'revoked' where vault_id = $1`:                                             "[current revision 1 line 1]",
		`update documents set changed_at = changed_at + interval '1 microsecond' where vault_id = $1`:            "[current revision 1 line 1]",
		`update documents set current_revision = 7 where vault_id = $1`:                                          "[current revision 1 line 1]",
	} {
		v := c.vault()
		doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
		c.write(sql, v)
		if got := fmt.Sprint(c.served(v, doc)); got != kept {
			t.Errorf("%s: served by %s", sql, got)
		}
	}
}

// TestW3_MovedRowsAreRefused copies sealed rows to another vault, paper and revision.
func TestW3_MovedRowsAreRefused(t *testing.T) {
	t.Parallel()
	c := setup(t)
	an, song := c.vault(), c.vault()
	first := c.put(paper{vault: an, ref: "KS-12/2026", number: 1}).Document
	second := c.put(paper{vault: an, ref: "KS-13/2026", number: 1}).Document
	theirs := c.put(paper{vault: song, ref: "KS-14/2026", number: 1}).Document

	const revision = `
insert into document_revisions (vault_id, document_id, revision, state, payload_sha256, issued_at, received_at, sealed)
select $3, $4, $5, state, payload_sha256, issued_at, received_at, sealed from document_revisions where vault_id = $1 and document_id = $2`
	const head = `
insert into documents (vault_id, document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at)
select $3, $4, type_tag, state, current_revision, sealed_header, added_at, changed_at from documents where vault_id = $1 and document_id = $2`
	const swap = `
update document_revisions a set sealed = b.sealed, payload_sha256 = b.payload_sha256, issued_at = b.issued_at, received_at = b.received_at
from document_revisions b where a.vault_id = $1 and a.document_id = $2 and b.vault_id = $3 and b.document_id = $4`

	nowhere := c.d.DocumentID(registry, "birth_certificate", "KS-15/2026")
	c.write(revision, an, first, song, nowhere, 1) // another vault
	c.write(head, an, first, song, nowhere)
	if got := c.served(song, nowhere); got != nil {
		t.Errorf("in another vault: %v", got)
	}
	c.write(revision, an, first, an, nowhere, 1) // another paper
	c.write(head, an, first, an, nowhere)
	if got := c.served(an, nowhere); got != nil {
		t.Errorf("under another paper: %v", got)
	}
	c.write(revision, an, first, an, first, 2) // a higher revision: what is current is damaged, what was stored remains
	if _, err := c.get(an, first, 0); !errors.Is(err, wallet.ErrDamaged) {
		t.Errorf("as another revision: %v", err)
	}
	c.write(swap, an, second, song, theirs)
	if _, err := c.get(an, second, 0); !errors.Is(err, wallet.ErrDamaged) || !errors.Is(err, seal.ErrSealed) {
		t.Errorf("swapped between vaults: %v", err)
	}
}

// TestW3_TypeTags: a paper filed under the tag of another type is found out where the tag is looked at.
func TestW3_HeadUnderAnotherTag(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
	tag := c.keys(v).TypeTag("criminal_record_certificate")
	c.write(`update documents set type_tag = $2 where vault_id = $1`, v, tag[:])
	if err := c.CheckHead(t.Context(), v, doc); !errors.Is(err, wallet.ErrHead) {
		t.Error(err)
	}
}
