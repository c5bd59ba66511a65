package wallet_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// TestS1_ForeignIsMissing: somebody else's paper and one that does not exist are one answer, by the same statements, and leave the same
// trace: an attempt in the record of who asked, nothing in the other's.
func TestS1_ForeignIsMissing(t *testing.T) {
	t.Parallel()
	c := setup(t)
	du, an := c.vault(), c.vault()
	foreign := c.put(paper{vault: an, ref: "KS-12/2026", number: 1}).Document
	missing := c.d.DocumentID(registry, "birth_certificate", "KS-99/2026")
	wire := newWire()
	other := c.on(wire.open(t, c.db))
	for _, read := range []struct {
		name string
		read func(identity.DocumentID) error
	}{
		{"get", func(doc identity.DocumentID) error { _, err := other.get(du, doc, 0); return err }},
		{"get revision", func(doc identity.DocumentID) error { _, err := other.get(du, doc, 1); return err }},
		{"revisions", func(doc identity.DocumentID) error {
			_, err := other.Revisions(t.Context(), pg.All(), []identity.VaultID{du}, doc, me(du))
			return err
		}},
	} {
		_ = read.read(missing) // keys and statements are ready from here on
		trace := func(doc identity.DocumentID) (string, []string) {
			wire.reset()
			err := read.read(doc)
			if !errors.Is(err, wallet.ErrNotFound) {
				t.Fatalf("%s: %v", read.name, err)
			}
			return err.Error(), wire.trips()
		}
		missingText, missingTrips := trace(missing)
		foreignText, foreignTrips := trace(foreign)
		zeroText, zeroTrips := trace(identity.DocumentID{})
		if !cmp.Equal(missingTrips, foreignTrips) || !cmp.Equal(missingTrips, zeroTrips) {
			t.Errorf("%s: the statements differ:\n%v\n%v\n%v", read.name, missingTrips, foreignTrips, zeroTrips)
		}
		if len(missingText) != len(foreignText) || len(missingText) != len(zeroText) {
			t.Errorf("%s: %q, %q, %q", read.name, missingText, foreignText, zeroText)
		}
	}
	if got := kinds(other.recorded(an)); !cmp.Equal(got, []string{"result_stored"}) {
		t.Errorf("the owner's record: %v", got)
	}
	for _, e := range other.recorded(du) {
		if e.Kind != audit.DocumentRead || e.Outcome != audit.NotFound || e.Actor.Vault != du {
			t.Errorf("the asker's record: %s %s", e.Kind, e.Outcome)
		}
	}
	if n := len(other.recorded(du)); n != 12 {
		t.Errorf("%d attempts recorded, want 12", n)
	}
	if len(c.list(du).Items) != 0 {
		t.Error("the list shows a foreign paper")
	}
}

// TestS1_RevisionOfANumberNobodyGave: a revision that is not there is not found, and not recorded as read.
func TestS1_RevisionNotThere(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 2}).Document
	for _, n := range []int{1, 3, -1, 1 << 40} {
		if _, err := c.get(v, doc, n); !errors.Is(err, wallet.ErrNotFound) {
			t.Errorf("revision %d: %v", n, err)
		}
	}
	want := []string{"result_stored", "document_read:not_found", "document_read:not_found", "document_read:not_found", "document_read:not_found"}
	if got := kinds(c.recorded(v)); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestS1_Representative: who acts for another reads with that person's vaults; what they look for in vain stands in their own record.
func TestS1_Representative(t *testing.T) {
	t.Parallel()
	c := setup(t)
	du, an := c.vault(), c.vault()
	doc := c.put(paper{vault: an, ref: "KS-12/2026", number: 1}).Document
	acting := func(doc identity.DocumentID) (wallet.Document, error) {
		return c.Get(t.Context(), pg.All(), []identity.VaultID{an}, doc, 0, me(du))
	}
	if got := must(acting(doc))(t); got.Person != an || got.Held != nil {
		t.Error("the child's paper is shown as somebody else's")
	}
	if _, err := acting(c.d.DocumentID(registry, "birth_certificate", "none")); !errors.Is(err, wallet.ErrNotFound) {
		t.Error(err)
	}
	if got := kinds(c.recorded(an)); !cmp.Equal(got, []string{"result_stored", "document_read"}) {
		t.Errorf("the child's record: %v", got)
	}
	if e := c.recorded(an)[1]; e.Actor.Vault != du || e.Document != doc {
		t.Error("the child's record does not say who read what")
	}
	if got := kinds(c.recorded(du)); !cmp.Equal(got, []string{"document_read:not_found"}) {
		t.Errorf("the mother's record: %v", got)
	}
}

// refusing is a guard that aborts in SQL, unforgiving one that refuses afterwards.
type unforgiving struct{ pg.Guard }

var errGuard = errors.New("no")

func (unforgiving) Check() error { return errGuard }

// TestGuardDecides: what a guard refuses in its statements is not recorded as read, and what it refuses afterwards is not returned.
func TestGuardDecides(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v := c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
	reads := func(g pg.Guard) []error {
		got, err1 := c.Get(t.Context(), g, []identity.VaultID{v}, doc, 0, me(v))
		page, err2 := c.List(t.Context(), g, []identity.VaultID{v}, me(v), "", 0)
		history, err3 := c.Revisions(t.Context(), g, []identity.VaultID{v}, doc, me(v))
		if got.Payload != nil || page.Items != nil || history != nil {
			t.Error("something was returned with an error")
		}
		return []error{err1, err2, err3}
	}
	for _, err := range reads(refusing("person_blocked")) {
		if pg.Refused(err) != "person_blocked" {
			t.Error(err)
		}
	}
	if got := kinds(c.recorded(v)); !cmp.Equal(got, []string{"result_stored"}) {
		t.Errorf("recorded: %v", got)
	}
	for _, err := range reads(unforgiving{pg.All()}) {
		if !errors.Is(err, errGuard) {
			t.Error(err)
		}
	}
}

// TestP7_NoRecordNoReading: where the record cannot be written nothing is read, and nothing stored.
func TestP7_NoRecordNoReading(t *testing.T) {
	t.Parallel()
	c := setup(t)
	v, holder := c.vault(), c.vault()
	doc := c.put(paper{vault: v, ref: "KS-12/2026", number: 1}).Document
	c.hold(wallet.Holding{Home: v, Holder: holder, Document: doc, Reason: "declarant"})
	c.list(holder)
	c.write(`revoke insert on access_log from vidan_serve`)
	for name, read := range map[string]func() (any, error){
		"get":      func() (any, error) { d, err := c.get(v, doc, 0); return d.Payload != nil, err },
		"get held": func() (any, error) { d, err := c.get(holder, doc, 0); return d.Payload != nil, err },
		"missing":  func() (any, error) { d, err := c.get(v, identity.DocumentID{}, 0); return d.Payload != nil, err },
		"list": func() (any, error) {
			p, err := c.List(t.Context(), pg.All(), []identity.VaultID{v}, me(v), "", 0)
			return p.Items != nil, err
		},
		"revisions": func() (any, error) {
			h, err := c.Revisions(t.Context(), pg.All(), []identity.VaultID{v}, doc, me(v))
			return h != nil, err
		},
	} {
		if got, err := read(); got != false || !errors.Is(err, audit.ErrRecord) {
			t.Errorf("%s: returned something %v, %v", name, got, err)
		}
	}
	if err := c.store(c.revision(paper{vault: v, ref: "KS-12/2026", number: 2})); err == nil {
		t.Error("stored without a record")
	}
	if n := c.count(`select count(*) from document_revisions`); n != 1 {
		t.Errorf("%d revisions: one was stored without its record", n)
	}
}

// TestJoinedVaults: the papers of a person with two vaults are read as one, each listed once where its newest revision is.
func TestJoinedVaults(t *testing.T) {
	t.Parallel()
	c := setup(t)
	main, alias := c.vault(), c.vault()
	both := []identity.VaultID{main, alias}
	c.put(paper{vault: alias, ref: "KS-12/2026", number: 1})
	doc := c.put(paper{vault: main, ref: "KS-12/2026", number: 2, state: wallet.Corrected}).Document
	other := c.put(paper{vault: alias, ref: "KS-13/2026", number: 1}).Document
	for n, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		got := must(c.Get(t.Context(), pg.All(), both, doc, n, me(main)))(t)
		if got.Revision != want || got.Person != main {
			t.Errorf("revision %d: got %d", n, got.Revision)
		}
	}
	history := must(c.Revisions(t.Context(), pg.All(), both, doc, me(main)))(t)
	if len(history) != 2 || history[0].Number != 2 || history[1].Number != 1 {
		t.Errorf("a history of %d revisions", len(history))
	}
	for limit := 1; limit <= 3; limit++ {
		var seen []string
		for cursor := ""; ; {
			page := must(c.List(t.Context(), pg.All(), both, me(main), cursor, limit))(t)
			for _, item := range page.Items {
				seen = append(seen, fmt.Sprint(item.ID == doc, item.Revision, item.Person == main))
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if want := []string{"false 1 true", "true 2 true"}; !cmp.Equal(seen, want) {
			t.Errorf("limit %d: %v", limit, seen)
		}
	}
	if got := must(c.Get(t.Context(), pg.All(), both, other, 0, me(main)))(t); got.Person != main {
		t.Error("a paper of the second vault is shown as somebody else's")
	}
}
