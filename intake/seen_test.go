package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vidan/audit"
	"vidan/auth"
	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/seal"
	"vidan/wallet"
)

// me is the entry of a person who reads their own papers.
func me(v identity.VaultID) audit.Entry {
	return audit.Entry{Vault: v, Actor: audit.Actor{Vault: v, Client: "app"}}
}

// history is what the person of a vault sees of a paper: "1 issued, 2 corrected" with the current revision last; "" for a paper that is
// not there for them.
func (w *world) history(vault identity.VaultID, p payload) string {
	w.t.Helper()
	vaults := must(w.people.VaultsOf(context.Background(), vault))(w.t)
	list, err := w.wallet.Revisions(context.Background(), pg.All(), vaults, w.id(p), me(vault))
	if errors.Is(err, wallet.ErrNotFound) {
		return ""
	}
	ok(w.t, err)
	current := must(w.wallet.Get(context.Background(), pg.All(), vaults, w.id(p), 0, me(vault)))(w.t)
	if current.Revision != list[0].Number || current.Revoked != (list[0].State == wallet.Revoked) {
		w.t.Errorf("revision %d is current, the highest is %d", current.Revision, list[0].Number)
	}
	slices.Reverse(list)
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%d %s", r.Number, r.State))
	}
	return strings.Join(lines, ", ")
}

func (w *world) shows(vault identity.VaultID, p payload, want string) {
	w.t.Helper()
	if got := w.history(vault, p); got != want {
		w.t.Errorf("the vault shows %q of %s, want %q", got, p["document_ref"], want)
	}
}

// recorded lists what the record of a vault says, readings and the registrar's acts left out, sorted: "kind" or "kind reason".
func (w *world) recorded(vault identity.VaultID) []string {
	w.t.Helper()
	keys := must(w.vaults.OpenOne(context.Background(), w.db.Pool, vault))(w.t)
	page := must(w.audit.List(context.Background(), w.db.Pool, []*seal.Keys{keys}, pg.All(), me(vault), audit.Query{Limit: audit.MaxLimit}, w.now()))(w.t)
	var lines []string
	for _, e := range page.Entries {
		switch e.Kind {
		case audit.HistoryRead, audit.DocumentRead, audit.ListRead, audit.Enrolled, audit.IdentifierBound:
			continue
		}
		lines = append(lines, strings.TrimSpace(string(e.Kind)+" "+e.Reason))
	}
	slices.Sort(lines)
	return lines
}

// count runs a counting query as the owner of the schema.
func (w *world) count(sql string, args ...any) int {
	w.t.Helper()
	var n int
	ok(w.t, w.db.Owner(w.t).QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

func (w *world) counts(want int, sql string, args ...any) {
	w.t.Helper()
	if got := w.count(sql, args...); got != want {
		w.t.Errorf("%d, want %d: %s", got, want, sql)
	}
}

// exec changes the database behind everybody's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	must(w.db.Owner(w.t).Exec(context.Background(), sql, args...))(w.t)
}

// events are the kinds of events an organisation has, with the reason or state each tells.
func (w *world) events(organisation string) []string {
	w.t.Helper()
	w.drain()
	list, _, err := delivery.Events(context.Background(), w.db.Pool, pg.All(), organisation, 0, 100)
	ok(w.t, err)
	var lines []string
	for _, e := range list {
		var body struct{ Reason, State string }
		ok(w.t, json.Unmarshal(e.Body, &body))
		lines = append(lines, e.Kind+" "+body.Reason+body.State)
	}
	return lines
}

// claims verifies a receipt with the published key and reads it.
func (w *world) claims(receipt string) intake.Claims {
	w.t.Helper()
	payload, _, err := w.auth.Verifier().Verify(receipt, w.keys.Lookup(auth.ReceiptKeys), intake.ReceiptType)
	ok(w.t, err)
	var c intake.Claims
	ok(w.t, json.Unmarshal(payload, &c))
	return c
}
