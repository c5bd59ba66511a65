package auth

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// What each profile may do at the token endpoint (DESIGN §5). fapi2 and conformance play by one set of rules; the app is another kind.
func TestProfiles(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	// The same person signs in at each; what comes after is the profile's.
	type outcome struct {
		machine  string // answer to client_credentials: empty is a token
		bare     string // answer to a refresh without the client's own proof of identity
		otherKey string // answer to a refresh with another DPoP key
		rotates  bool
		asks     int // status of an introspection
	}
	for profile, want := range map[Profile]outcome{
		FAPI2:       {machine: "", bare: "invalid_client", otherKey: "", rotates: false, asks: http.StatusOK},
		Conformance: {machine: "", bare: "invalid_client", otherKey: "", rotates: false, asks: http.StatusOK},
		App:         {machine: "unauthorized_client", bare: "", otherKey: "invalid_grant", rotates: true, asks: http.StatusBadRequest},
	} {
		t.Run(string(profile), func(t *testing.T) {
			id := "khach-" + string(profile)
			c := Client{ID: id, Name: "Chương trình thử", Profile: profile, Scopes: []string{ScopeOpenID, ScopeOffline}, RedirectURIs: []string{portalURI}}
			if profile != App {
				c.Organisation, c.Scopes = "ubnd-phuong-sen", append(c.Scopes, ScopeResults)
			}
			if err := w.directory.AddClient(t.Context(), c, w.clock.now()); err != nil {
				t.Fatal(err)
			}
			a := &agency{w: w.world, id: id, dpop: newSender(t, jose.ES256, "")}
			prove := func(form url.Values) url.Values {
				form.Set("client_id", id)
				if a.key != nil {
					return a.proved(form)
				}
				return form
			}
			if profile != App {
				a.key = newSender(t, jose.ES256, id+"-1")
				a.register(a.key)
			}
			post := func(form url.Values) map[string]any {
				_, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
				return body
			}
			said := func(body map[string]any) string {
				code, _ := body["error"].(string)
				return code
			}
			if got := said(post(prove(url.Values{"grant_type": {grantClientCredentials}, "scope": {ScopeResults}}))); got != want.machine {
				t.Errorf("client_credentials: %q, want %q", got, want.machine)
			}
			for _, grant := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"} {
				if got := said(post(prove(url.Values{"grant_type": {grant}}))); got != "unsupported_grant_type" {
					t.Errorf("%s: %q", grant, got)
				}
			}
			params := prove(w.params(1))
			params.Set("redirect_uri", portalURI)
			params.Set("scope", "openid offline_access")
			params.Set("dpop_jkt", a.dpop.thumbprint(t))
			status, _, pushed := w.postPAR(w.Server, params, a.proof(http.MethodPost, pathPAR, ""))
			if status != http.StatusCreated {
				t.Fatalf("pushed: %d %v", status, pushed)
			}
			form := prove(w.exchangeForm(w.codeFor(url.Values{"client_id": {id}, "request_uri": {pushed["request_uri"].(string)}})))
			form.Set("redirect_uri", portalURI)
			first := post(form)
			refresh, ok := first["refresh_token"].(string)
			if !ok || first["token_type"] != "DPoP" || first["expires_in"] != AccessTokenLife.Seconds() {
				t.Fatalf("%v", said(first))
			}
			again := func() url.Values { return url.Values{"grant_type": {grantRefreshToken}, "refresh_token": {refresh}} }
			bare := again()
			bare.Set("client_id", id)
			body := post(bare)
			if got := said(body); got != want.bare {
				t.Errorf("refresh without client authentication: %q, want %q", got, want.bare)
			}
			if next, ok := body["refresh_token"].(string); ok {
				refresh = next
			}
			own := a.dpop
			a.dpop = newSender(t, jose.ES256, "")
			if got := said(post(prove(again()))); got != want.otherKey {
				t.Errorf("refresh with another key: %q, want %q", got, want.otherKey)
			}
			a.dpop = own
			body = post(prove(again()))
			if _, rotated := body["refresh_token"]; said(body) != "" || rotated != want.rotates {
				t.Errorf("rotates %t, want %t: %q", rotated, want.rotates, said(body))
			}
			if status, _ := w.postTo(w.Server, pathIntrospect, prove(url.Values{"token": {body["access_token"].(string)}})); status != want.asks {
				t.Errorf("introspection: %d, want %d", status, want.asks)
			}
		})
	}
}

// RFC 9068 §2.2: every claim that an access token must have, for machines and for people, and nothing of another kind.
func TestAccessTokenClaims(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	machine := w.agency("motcua")
	person, _ := w.lasting()
	for name, row := range map[string]struct {
		token, client string
		person        bool
	}{"machine": {machine.token(w.Server, "results"), machine.id, false}, "person": {person, w.app.id, true}} {
		payload, _, err := w.verifier.Verify(row.token, w.keys.Lookup(TokenKeys), "at+jwt")
		if err != nil {
			t.Fatal(err)
		}
		var c map[string]any
		if err := decodeClaims(payload, &c); err != nil {
			t.Fatal(err)
		}
		for _, claim := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "cnf"} {
			if c[claim] == nil || c[claim] == "" {
				t.Errorf("%s: no %s", name, claim)
			}
		}
		if c["iss"] != testIssuer || c["aud"] != testIssuer+"/v1" || c["client_id"] != row.client ||
			c["exp"].(float64)-c["iat"].(float64) != AccessTokenLife.Seconds() {
			t.Errorf("%s: %v", name, c)
		}
		for _, claim := range []string{"auth_time", "acr", "amr", "auth_factors_level", "sid"} {
			if (c[claim] != nil) != row.person {
				t.Errorf("%s: %s is %v", name, claim, c[claim])
			}
		}
		if (c["sub"] == row.client) == row.person {
			t.Errorf("%s: sub %v", name, c["sub"])
		}
	}
}
