package auth

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
)

// catalogue does not change: it is read once for all tests.
var catalogue = sync.OnceValues(procedure.Load)

// ledger is where the people of a town are asked.
func (w *town) ledger(pool *pgxpool.Pool, vaults *seal.Vaults, record *audit.Recorder, registry *person.Registry, keys *Keys) *consent.Ledger {
	w.tb.Helper()
	known, err := catalogue()
	if err != nil {
		w.tb.Fatal(err)
	}
	l, err := consent.New(consent.Deps{
		Pool: pool, Deployment: w.deployment, Vaults: vaults, Audit: record, People: registry, Catalogue: known, Issuer: testIssuer, Now: w.clock.now,
		Sign: func(claims []byte) (string, error) { return keys.Signer(ReceiptKeys).Sign(consent.ReceiptType, claims) },
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return l
}

// The organisation and procedure of these tests.
const (
	ward      = "ubnd-phuong-sen"
	enrolment = "kindergarten_enrolment"
	herName   = "applicant_full_name"
	dossier   = "H24.99-261123-0007"
)

// counter is an office with a mandate to ask.
func (w *town) counter(id string) *agency {
	w.tb.Helper()
	c := Client{
		ID: id, Organisation: ward, Name: "Một cửa phường Sen", Profile: FAPI2, Scopes: []string{ScopeOpenID, ScopeOffline, ScopeConsent},
		RedirectURIs: []string{portalURI},
	}
	if err := w.directory.AddClient(w.tb.Context(), c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	a := &agency{w: w.world, id: id, key: newSender(w.tb, jose.ES256, id+"-1"), dpop: newSender(w.tb, jose.ES256, "")}
	a.register(a.key)
	if _, err := w.directory.AddMandate(w.tb.Context(), Mandate{
		Client: id, Organisation: ward, Units: []string{AllUnits}, Procedures: []string{enrolment}, Rights: []Right{RightRequest},
		From: w.clock.now(), Until: w.clock.now().Add(24 * time.Hour),
	}); err != nil {
		w.tb.Fatal(err)
	}
	return a
}

// details are good ones; each row of a test changes some.
func details() map[string]any {
	return map[string]any{
		"type": detailsType, "organisation": ward, "procedure": enrolment, "dossier_code": dossier, "roles": []string{"applicant"},
		"fields": []string{herName}, "purpose": "enrolment",
	}
}

func with(changes map[string]any) map[string]any {
	d := details()
	maps.Copy(d, changes)
	return d
}

func encoded(tb testing.TB, list ...map[string]any) string {
	tb.Helper()
	raw, err := json.Marshal(list)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// postAs posts a form beside which officers are named.
func (a *agency) postAs(s *Server, path string, form url.Values, officers ...string) (int, map[string]any) {
	r := httptest.NewRequestWithContext(a.w.tb.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, o := range officers {
		r.Header.Add(OfficerHeader, o)
	}
	return a.w.send(s, r)
}

func (a *agency) officerSays(changes map[string]any) string {
	c := a.officerClaims()
	maps.Copy(c, changes)
	return a.key.message(a.w.tb, officerType, c)
}

// pushDetails pushes a request with details and returns its answer.
func (a *agency) pushDetails(s *Server, text string, officers ...string) (int, map[string]any) {
	form := a.pushForm(1)
	form.Set("scope", "openid offline_access")
	form.Set(detailsParam, text)
	return a.postAs(s, pathPAR, form, officers...)
}

// asks brings somebody to the page on which she is asked.
func (w *town) asks(a *agency, d map[string]any) *SignIn {
	w.tb.Helper()
	status, body := a.pushDetails(w.Server, encoded(w.tb, d), a.officerSays(nil))
	if status != http.StatusCreated {
		w.tb.Fatalf("push: %d %v", status, body)
	}
	x := w.decided(w.Server, from(a, body["request_uri"].(string)))
	if !x.Asks() {
		w.tb.Fatal("she is not asked")
	}
	return x
}

// redeemAt exchanges the code of an address at the portal, with the details given, if any.
func (a *agency) redeemAt(s *Server, to, narrow string) (int, map[string]any) {
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("code") == "" {
		a.w.tb.Fatalf("sent to %q", to)
	}
	form := a.form("")
	form.Del("scope")
	form.Set("grant_type", grantAuthorizationCode)
	form.Set("code", u.Query().Get("code"))
	form.Set("redirect_uri", portalURI)
	form.Set("code_verifier", testVerifier)
	if narrow != "" {
		form.Set(detailsParam, narrow)
	}
	return a.w.post(s, form, a.proof(http.MethodPost, pathToken, ""))
}

// told is the one object beside a token.
func told(tb testing.TB, body map[string]any) map[string]any {
	tb.Helper()
	list, _ := body[detailsParam].([]any)
	if len(list) != 1 {
		tb.Fatalf("details: %v", body)
	}
	return list[0].(map[string]any)
}

// introspected is what an agency is told of its token.
func (a *agency) introspected(s *Server, token string) map[string]any {
	a.w.tb.Helper()
	status, body := a.postAs(s, pathIntrospect, url.Values{
		"token": {token}, "client_assertion_type": {assertionForm}, "client_assertion": {a.key.message(a.w.tb, "JWT", a.claims())},
	})
	if status != http.StatusOK {
		a.w.tb.Fatalf("introspect: %d %v", status, body)
	}
	return body
}

// allowOnce is what she ticks on the page.
func allowOnce(fields ...string) consent.Decision {
	return consent.Decision{Allow: true, Fields: fields, Language: consent.Vietnamese, Mode: consent.Once}
}

// herGrant is her grant on the request of a sign-in.
func (w *town) herGrant(vault identity.VaultID) (consent.Acting, []consent.Grant) {
	w.tb.Helper()
	me, err := w.consent.Who(vault, AppSector, consent.Me)
	if err != nil {
		w.tb.Fatal(err)
	}
	grants, _, err := w.consent.Grants(w.tb.Context(), free{}, me, "", 0)
	if err != nil {
		w.tb.Fatal(err)
	}
	return me, grants
}
