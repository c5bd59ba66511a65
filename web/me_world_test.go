package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/outside"
	"vidan/internal/pg"
)

// enter signs a visitor in to the pages, by the passphrase alone.
func (v *visitor) enter(who outside.Citizen) page {
	v.w.t.Helper()
	p := v.post(v.do(http.MethodPost, "/me/sign-in", url.Values{}), typed(who.PersonalNumber, who.Passphrase))
	if p.path != "/me" || p.status != http.StatusOK {
		v.w.t.Fatalf("signed in to %s: %d\n%s", p.path, p.status, p.body)
	}
	return p
}

// press sends the form of a page whose action matches, with the token in it.
func (v *visitor) press(p page, action string, values url.Values) page {
	v.w.t.Helper()
	form := regexp.MustCompile(`(?s)<form method="post" action="(` + action + `)">\s*<input type="hidden" name="token" value="([^"]+)">`).FindStringSubmatch(p.body)
	if form == nil {
		v.w.t.Fatalf("%s has no form to %s:\n%s", p.path, action, p.body)
	}
	if values == nil {
		values = url.Values{}
	}
	values.Set("token", html.UnescapeString(form[2]))
	return v.do(http.MethodPost, html.UnescapeString(form[1]), values)
}

// link is the address on a page that matches.
func link(t testing.TB, p page, pattern string) string {
	t.Helper()
	return html.UnescapeString(found(t, p, `href="(`+pattern+`)"`))
}

// ask puts a request of the kindergarten to a person and returns its id.
func (w *town) ask(number, dossier string, mode consent.Mode, uses int, fields ...string) identity.RequestID {
	w.t.Helper()
	r := consent.NewRequest{
		Organisation: "truong-sen", Client: agencyID, Procedure: "kindergarten_enrolment", Dossier: dossier, Fields: fields, Mode: mode, Uses: uses,
		Purpose: "enrolment", IdempotencyKey: dossier,
		Parties: []consent.Party{{Roles: []string{"applicant"}, Ref: consent.ByNumber(must(identity.ParsePersonalNumber(number))(w.t))}},
		Officer: audit.Officer{ID: "ht-1", Name: must(identity.ParseName("PHẠM VĂN GIẢ"))(w.t), Post: "Hiệu trưởng", Organisation: "truong-sen", Assurance: audit.Asserted},
	}
	id, _, err := w.ledger.Create(w.t.Context(), open{}, r)
	return must(id, err)(w.t)
}

// childOf makes somebody a child of another: enrolled, with a birth certificate that names the mother.
func (w *town) childOf(mother identity.VaultID, motherNumber, number string) identity.VaultID {
	w.t.Helper()
	ctx := w.t.Context()
	child, _ := w.person(number, 1, false)
	keys := must(w.vaults.OpenOne(ctx, w.db.Pool, child))(w.t)
	b := new(pgx.Batch)
	ids := must(w.ledger.QueuePropose(b, keys, []consent.Proposal{{
		Child: child, ActorNumber: must(identity.ParsePersonalNumber(motherNumber))(w.t), Actor: mother, Kind: consent.Mother,
		Document: identity.NewID[identity.DocumentID](), Revision: 1, Until: w.now().Add(10 * 365 * 24 * time.Hour), MandateCovers: true, BothByNumber: true,
		Organisation: "truong-sen", Officer: "ht-1", Client: agencyID,
	}}, w.now()))(w.t)
	if err := pg.Pipeline(ctx, w.db.Owner(w.t), b); err != nil {
		w.t.Fatal(err)
	}
	if err := w.ledger.MirrorRelation(ctx, delivery.Task{Vault: child, Args: []byte(`{"relation_id":"` + ids[0].String() + `"}`)}); err != nil {
		w.t.Fatal(err)
	}
	return child
}
