package intake_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// declares gives somebody the right to see a paper, as whoever declared it.
func (w *world) declares(home, holder identity.VaultID, p payload) {
	w.t.Helper()
	b := new(pgx.Batch)
	w.wallet.QueueLock(b, home)
	must(w.wallet.QueueHold(b, must(w.vaults.OpenOne(w.t.Context(), w.pool, home))(w.t), wallet.Holding{
		Home: home, Holder: holder, Document: w.id(p), Reason: "declarant",
	}, officer(), w.now()))(w.t)
	ok(w.t, pg.Pipeline(w.t.Context(), w.pool, b))
	w.drain()
}

// held is how many papers of others somebody's list shows.
func (w *world) held(vault identity.VaultID) int {
	w.t.Helper()
	page := must(w.wallet.List(w.t.Context(), pg.All(), must(w.people.VaultsOf(w.t.Context(), vault))(w.t), me(vault), "", 0))(w.t)
	return len(slices.DeleteFunc(page.Items, func(i wallet.Item) bool { return i.Held == nil }))
}

// TestS1_RestrictionEndsHoldings: a father whose right a court took away sees nothing of his child on any other ground: not a paper that he had
// declared himself, in no way of looking, and not one that names him later. To him it is as if there were no paper; others keep theirs.
func TestS1_RestrictionEndsHoldings(t *testing.T) {
	t.Parallel()
	w := setup(t)
	child, father, other := w.enrol("an"), w.enrol("du", "thi"), w.enrol("mau")
	birth, card := w.birth("an"), w.card("an")
	w.commune().accepted(birth)
	w.insurance().accepted(card)
	w.drain()
	w.declares(child, father, card)
	w.declares(child, other, card)
	w.shows(father, card, "1 issued")
	before := w.held(father)

	var relation identity.RelationID
	for _, r := range must(w.ledger.Relations(t.Context(), pg.All(), child))(t) {
		if r.Kind == consent.Father {
			relation = r.ID
		}
	}
	ok(t, w.ledger.Restrict(t.Context(), pg.All(), officer(), child, relation, "court_order"))
	w.drain()
	answers := func(p payload) []string {
		vaults, doc := []identity.VaultID{father}, w.id(p)
		_, get := w.wallet.Get(t.Context(), pg.All(), vaults, doc, 0, me(father))
		_, first := w.wallet.Get(t.Context(), pg.All(), vaults, doc, 1, me(father))
		_, revisions := w.wallet.Revisions(t.Context(), pg.All(), vaults, doc, me(father))
		var texts []string
		for _, err := range []error{get, first, revisions} {
			if !errors.Is(err, wallet.ErrNotFound) {
				t.Fatalf("%s: %v", p["document_ref"], err)
			}
			texts = append(texts, strings.ReplaceAll(err.Error(), doc.String(), ""))
		}
		return texts
	}
	never := w.card("an").with(map[string]any{"document_ref": "never"})
	gone := func(when string) {
		t.Helper()
		for _, p := range []payload{card, birth} {
			if !slices.Equal(answers(p), answers(never)) {
				t.Errorf("%s: %q, and of a paper that never was %q", when, answers(p), answers(never))
			}
		}
		if n := w.held(father); n != before-1 {
			t.Errorf("%s: the list shows %d papers of others, before %d", when, n, before)
		}
		if people := must(w.ledger.People(t.Context(), pg.All(), father, "app"))(t); len(people) > 0 {
			t.Errorf("%s: may act for %d", when, len(people))
		}
		for _, line := range w.recorded(father) {
			if strings.Contains(line, "restrict") || strings.Contains(line, "court") {
				t.Errorf("%s: his history says %q", when, line)
			}
		}
		w.shows(other, card, "1 issued")
	}
	gone("restricted")
	w.declares(child, father, birth) // a paper that names him comes later
	gone("named anew")
	w.counts(0, `select count(*) from holdings where vault_id = $1 and side = 'holder' and state = 'active'`, father)
	ok(t, w.ledger.Lift(t.Context(), pg.All(), officer(), child, relation, "lifted"))
	w.drain()
	if people := must(w.ledger.People(context.Background(), pg.All(), father, "app"))(t); len(people) != 1 {
		t.Errorf("lifted, he may act for %d", len(people))
	}
	w.shows(father, card, "") // a right that ended stays ended: he sees it by his relation
	ended := 0
	for _, line := range w.recorded(child) {
		if line == "holding_ended relation_restricted" {
			ended++
		}
	}
	if ended != 2 {
		t.Errorf("%d endings in the child's record, want 2", ended)
	}
}
