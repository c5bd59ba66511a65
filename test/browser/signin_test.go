//go:build browser

package browser_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vidan/internal/outside"
)

// request is one authorization request of the app.
type request struct {
	state, verifier string
	app             *outside.Client
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// begin opens the sign-in at a level, as the app does.
func (v *visitor) begin(level string) request {
	v.t.Helper()
	r := request{state: random(), verifier: random(), app: v.app(v.t)}
	sum := sha256.Sum256([]byte(r.verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {r.app.ID}, "redirect_uri": {v.landing.URL + "/callback"}, "scope": {"wallet"}, "state": {r.state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"acr_values": {"urn:vidan:level:" + level}, "dpop_jkt": {r.app.DPoP.Thumbprint},
	}
	v.open(v.issuer + "/oauth/authorize?" + query.Encode())
	return r
}

// answer waits until the browser has come back to the app.
func (v *visitor) answer(r request) url.Values {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	select {
	case query := <-v.landing.of(r.state):
		return must(url.ParseQuery(query))(v.t)
	case <-ctx.Done():
		v.t.Fatalf("the browser did not come back to the app; it shows %s", v.says())
		return nil
	}
}

// lands gets the token for the answer, and fails the test unless it is worth the level, by these methods (Q1).
func (v *visitor) lands(r request, level string, methods ...string) {
	v.t.Helper()
	query := v.answer(r)
	if query.Get("code") == "" || query.Get("iss") != v.issuer {
		v.t.Fatalf("the app was answered %q", query.Get("error"))
	}
	told := must(r.app.TokenRequest(v.t.Context(), url.Values{
		"grant_type": {"authorization_code"}, "client_id": {r.app.ID}, "code": {query.Get("code")},
		"redirect_uri": {v.landing.URL + "/callback"}, "code_verifier": {r.verifier},
	}))(v.t)
	var token struct {
		Access string `json:"access_token"`
	}
	check(v.t, told.Decode(&token))
	var claims struct {
		ACR string   `json:"acr"`
		AMR []string `json:"amr"`
	}
	parts := strings.Split(token.Access, ".")
	if told.Status != http.StatusOK || len(parts) != 3 {
		v.t.Fatalf("the code was answered %d", told.Status)
	}
	check(v.t, json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[1]))(v.t), &claims))
	if claims.ACR != "urn:vidan:level:"+level || !slices.Equal(claims.AMR, methods) {
		v.t.Errorf("signed in at %s by %v, want level %s by %v", claims.ACR, claims.AMR, level, methods)
	}
}

// says the number and passphrase; without scripts everything goes by the keyboard.
func (v *visitor) passphrase(who outside.Citizen) {
	v.t.Helper()
	v.types("#number", who.PersonalNumber)
	v.enter("#passphrase", who.Passphrase, "main form button")
}

// enter fills the last field of a form and sends it: by the mouse, or without scripts by the keyboard.
func (v *visitor) enter(field, text, button string) {
	v.t.Helper()
	if !v.scripts {
		v.types(field, text+"\r")
		return
	}
	v.types(field, text)
	v.press(button)
}

// confirm picks the number on the phone; the page finds out by itself.
func (v *visitor) confirm(who outside.Citizen) {
	v.t.Helper()
	v.shows(".number")
	number := evaluate[string](v, `document.querySelector("[data-number]").dataset.number`)
	check(v.t, v.app(v.t).Confirm(v.t.Context(), who, number))
}

// phone is the app of somebody who is signed in on their phone, at level 2.
func (v *visitor) phone(who outside.Citizen) *outside.Client {
	v.t.Helper()
	c := v.app(v.t)
	check(v.t, c.SignIn(v.t.Context(), who, v.contents.Apps[0].Redirects[0], "wallet", true))
	return c
}

// posts calls the API and returns what it answers.
func posts[T any](v *visitor, c *outside.Client, status int, path string, body any, headers ...string) T {
	v.t.Helper()
	answer := must(c.Do(v.t.Context(), http.MethodPost, path, body, headers...))(v.t)
	if answer.Status != status {
		v.t.Fatalf("%s answered %d %s", path, answer.Status, answer.Body)
	}
	var out T
	if len(answer.Body) > 0 {
		check(v.t, answer.Decode(&out))
	}
	return out
}

// registrar is an officer of the counter: who they act for, and the header that names them.
func (v *visitor) registrar() (*outside.Client, []string) {
	v.t.Helper()
	c := v.agency(v.t, "dinh-danh")
	check(v.t, c.Login(v.t.Context(), "registrar"))
	return c, []string{"Officer-Assertion", must(c.Officer("dinh-danh", "quay-1", "cb-001", "PHẠM VĂN GIẢ", "Cán bộ định danh"))(v.t)}
}

// card has a counter hand out a printed card: code i has number i+1.
func (v *visitor) card(who outside.Citizen) []string {
	v.t.Helper()
	counter, officer := v.registrar()
	found := posts[struct {
		Person string `json:"person"`
	}](v, counter, http.StatusOK, "/v1/citizens/find?organisation=dinh-danh", map[string]any{"who": map[string]string{"personal_number": who.PersonalNumber}}, officer...)
	counter, officer = v.registrar()
	card := posts[struct {
		Codes []struct {
			Number int    `json:"number"`
			Code   string `json:"code"`
		} `json:"codes"`
	}](v, counter, http.StatusCreated, "/v1/citizens/"+found.Person+"/code-card?organisation=dinh-danh", nil, officer...)
	codes := make([]string, len(card.Codes))
	for _, c := range card.Codes {
		codes[c.Number-1] = c.Code
	}
	return codes
}

// period is one time step of a code display (RFC 6238 §4.1).
const period = 30 * time.Second
