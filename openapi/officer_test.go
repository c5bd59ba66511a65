package openapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vidan/audit"
	"vidan/auth"
	"vidan/identity"
	"vidan/internal/outside"
	"vidan/internal/pg"
	"vidan/openapi"
	"vidan/person"
)

const deskRedirect = "https://tuyen-sinh.example/back"

// desk is a program of the school at which its officers sign in themselves.
func (w *world) desk() *outside.Client {
	w.t.Helper()
	ctx, directory := w.t.Context(), auth.NewDirectory(w.db.Pool, w.d)
	key := must(outside.NewKey("k1"))(w.t)
	if err := directory.AddClient(ctx, auth.Client{
		ID: "school-desk", Organisation: school, Name: "Tuyển sinh", Profile: auth.FAPI2, Scopes: []string{auth.ScopeConsent, auth.ScopeOpenID},
		RedirectURIs: []string{deskRedirect},
	}, w.now()); err != nil {
		w.t.Fatal(err)
	}
	must(directory.AddKey(ctx, "school-desk", key.Public(), w.now()))(w.t)
	must(directory.AddMandate(ctx, auth.Mandate{
		Client: "school-desk", Organisation: school, Units: []string{unit}, Procedures: []string{"kindergarten_enrolment"},
		Rights: []auth.Right{auth.RightRequest}, From: w.now().Add(-time.Hour), Until: w.now().AddDate(1, 0, 0),
	}))(w.t)
	return w.client("school-desk", key)
}

// officerToken signs somebody in at a desk, as the pages do, and returns their token.
func (w *world) officerToken(desk *outside.Client, who *citizen) string {
	w.t.Helper()
	ctx, sum := w.t.Context(), sha256.Sum256([]byte(verifier))
	pushed := url.Values{
		"response_type": {"code"}, "client_id": {desk.ID}, "redirect_uri": {deskRedirect}, "scope": {"openid"}, "state": {"state-0123456789"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "acr_values": {"urn:vidan:level:2"},
		"nonce":                 {"n-0123456789"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {must(desk.Assertion())(w.t)},
	}
	r := must(http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/oauth/par", strings.NewReader(pushed.Encode())))(w.t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response := must(w.http.Do(r))(w.t)
	defer response.Body.Close()
	par := decode[struct {
		URI string `json:"request_uri"`
	}](w.t, &outside.Answer{Body: must(io.ReadAll(response.Body))(w.t)})
	cookie, _, err := w.auth.BeginSignIn(ctx, url.Values{"client_id": {desk.ID}, "request_uri": {par.URI}}, "192.0.2.1")
	if err != nil {
		w.t.Fatal(err)
	}
	x := must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	must(x.Passphrase(ctx, auth.Attempt{Number: identity.NewPrivate(who.number), Passphrase: identity.NewPrivate(passphrase), Address: "192.0.2.1"}))(w.t)
	x = must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	if err := who.Confirm(ctx, outside.Citizen{DeviceID: who.phone, Device: who.device}, x.Number()); err != nil {
		w.t.Fatal(err)
	}
	x = must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	landed := must(url.Parse(must(x.Finish(ctx))(w.t)))(w.t)
	return w.tokenOf(desk, url.Values{
		"grant_type": {"authorization_code"}, "code": {landed.Query().Get("code")}, "redirect_uri": {deskRedirect}, "code_verifier": {verifier},
	})
}

func (w *world) tokenOf(c *outside.Client, form url.Values) string {
	w.t.Helper()
	form.Set("client_id", c.ID)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", must(c.Assertion())(w.t))
	answer := must(c.TokenRequest(w.t.Context(), form))(w.t)
	token := decode[struct {
		Token string `json:"access_token"`
	}](w.t, answer).Token
	if token == "" {
		w.t.Fatalf("no token: %s", answer.Body)
	}
	return token
}

// TestSignedInOfficer: an officer signs in themselves, asks, and whoever is asked reads that it was them; of an assertion they read that the
// organisation named somebody.
func TestSignedInOfficer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	desk := w.desk()
	number := must(identity.ParsePersonalNumber(f.father.number))(t)
	vault := must(w.people.Resolve(t.Context(), w.db.Pool, person.NumberIdentifier(number)))(t)
	if err := w.auth.Appoint(t.Context(), pg.All(), audit.Actor{}, auth.Post{
		Organisation: school, Officer: "ht-7", Vault: vault, Title: "Hiệu trưởng", Unit: unit, From: w.now().Add(-time.Hour), Until: w.now().AddDate(1, 0, 0),
	}); err != nil {
		t.Fatal(err)
	}
	officer := w.officerToken(desk, f.father)
	if err := desk.Login(t.Context(), auth.ScopeConsent); err != nil {
		t.Fatal(err)
	}
	const kind = "urn:ietf:params:oauth:token-type:access_token"
	desk.Token = w.tokenOf(desk, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {desk.Token}, "subject_token_type": {kind},
		"actor_token": {officer}, "actor_token_type": {kind},
	})
	w.call(desk, http.StatusCreated, http.MethodPost, "/v1/consent-requests", w.asking(school, nil), "Idempotency-Key", uuid.NewString())
	if p := w.call(desk, http.StatusForbidden, http.MethodPost, "/v1/consent-requests", w.asking(school, nil), "Idempotency-Key", uuid.NewString(),
		"Officer-Assertion", must(desk.Officer(school, unit, "cb-1", officerName, "Văn thư"))(t)).Problem(); p.Code != "officer_assertion_required" {
		t.Errorf("both at once: %s", p.Code)
	}
	w.ask(school, func(b map[string]any) { b["dossier_code"] = "MN-2026-0002" })
	list := decode[struct {
		Items []struct {
			ID string `json:"request_id"`
		} `json:"items"`
	}](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/me/consent-requests", nil))
	read := map[string]string{}
	for _, one := range list.Items {
		item := decode[openapi.RequestView](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/me/consent-requests/"+one.ID, nil))
		read[item.Dossier] = item.Officer.Assurance + " " + item.Officer.ID
		how := ", do cơ quan nêu tên."
		if item.Officer.Assurance == "signed_in" {
			how = ", đã tự đăng nhập."
		}
		if !strings.Contains(item.Texts["vi"].Text, how) {
			t.Errorf("the text does not say %q", how)
		}
	}
	if read["MN-2026-0001"] != "signed_in ht-7" || read["MN-2026-0002"] != "asserted cb-1" {
		t.Errorf("%v", read)
	}
	told := map[string]bool{}
	for _, line := range decode[struct {
		Items []openapi.Access `json:"items"`
	}](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/me/accesses?kind=request_received", nil)).Items {
		if line.Officer != nil {
			told[line.Officer.Assurance] = true
		}
	}
	if !told["signed_in"] || !told["asserted"] {
		t.Errorf("the record tells %v", told)
	}
}
