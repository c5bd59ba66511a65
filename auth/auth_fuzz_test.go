package auth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vidan/identity"
)

// The seeds are signed by the right key over whatever claims the fuzzer finds: what is accepted is then held against a plain
// reading of the same claims.

func plain(payload []byte) map[string]any {
	var m map[string]any
	if json.Unmarshal(payload, &m) != nil {
		return nil
	}
	return m
}

func FuzzProof(f *testing.F) {
	o := newOffline(f)
	header := text(f, map[string]any{"alg": "ES256", "typ": proofType, "jwk": o.agency.dpop.bare(f)})
	const path = "/v1/results"
	good := o.agency.proofClaims(http.MethodPost, path, "token")
	f.Add(header, text(f, good))
	f.Add(header, strings.Replace(text(f, good), `"jti"`, `"jti":"a","jti"`, 1))
	f.Add(header, strings.Replace(text(f, good), testIssuer, "HTTPS://ID.VIDAN.EXAMPLE:443", 1))
	f.Add(`{"alg":"none"}`, `{}`)
	f.Add(strings.Replace(header, `"typ"`, `"crit":["x"],"typ"`, 1), text(f, good))
	_, ath := hashToken("token")
	f.Fuzz(func(t *testing.T, header, payload string) {
		proof := o.agency.dpop.raw(t, header, []byte(payload))
		got, err := o.checkProof(request(http.MethodPost, path, "", proof), ath, FAPI2, o.now())
		if err != nil {
			return
		}
		c := plain([]byte(payload))
		age := float64(o.now().Unix()) - c["iat"].(float64)
		uri, _ := url.Parse(c["htu"].(string))
		if got.jkt != o.agency.dpop.thumbprint(t) || c["htm"] != "POST" || c["ath"] != ath || c["jti"] == "" || age > 60 || age < -61 ||
			!strings.EqualFold(uri.Hostname(), "id.vidan.example") || uri.Path != path {
			t.Fatalf("accepted %s", payload)
		}
		if again, err := o.checkProof(request(http.MethodPost, path, "", proof), ath, FAPI2, o.now()); err != nil || again != got {
			t.Fatalf("another verdict the second time: %v", err)
		}
	})
}

func FuzzAssertion(f *testing.F) {
	o := newOffline(f)
	good := o.agency.claims()
	f.Add("JWT", text(f, good))
	f.Add("", text(f, good))
	f.Add(officerType, text(f, good))
	f.Add("JWT", strings.Replace(text(f, good), `"iss"`, `"iss":"congan","iss"`, 1))
	f.Add("JWT", `{"iss":"motcua"}`)
	f.Fuzz(func(t *testing.T, typ, payload string) {
		header := map[string]any{"alg": "ES256", "kid": o.agency.key.kid, "typ": typ}
		if typ == "" {
			delete(header, "typ")
		}
		form := url.Values{
			"client_assertion_type": {assertionForm}, "client_assertion": {o.agency.key.raw(t, text(t, header), []byte(payload))},
		}
		if issuer := claimed(form.Get("client_assertion")).Issuer; issuer != o.agency.id {
			if _, known := o.clients.entries.GetIfPresent(issuer); !known {
				return // would be looked up
			}
		}
		by, err := o.assertClient(t.Context(), form, o.now())
		if err != nil {
			return
		}
		c := plain([]byte(payload))
		left := c["exp"].(float64) - float64(o.now().Unix())
		if by.client.ID != o.agency.id || by.key.KID != o.agency.key.kid || c["iss"] != o.agency.id || c["sub"] != o.agency.id ||
			c["aud"] != testIssuer || c["jti"] == "" || left <= 0 || left > 361 || typ != "" && typ != "JWT" && typ != assertionType {
			t.Fatalf("accepted %q %s", typ, payload)
		}
	})
}

// FuzzAccessToken signs any claims with the token key: even then only a token of this issuer, for this audience, passes.
func FuzzAccessToken(f *testing.F) {
	o := newOffline(f)
	signer := o.keys.Signer(TokenKeys)
	sid := o.sessionRef(identity.NewVaultID(), identity.NewID[identity.SessionID]())
	for _, c := range []accessClaims{
		{ClientID: "motcua", Scope: "results", Confirm: confirmation{"x"}, ClientKey: "motcua-1"},
		{ClientID: "vidan-app", Scope: "wallet", Confirm: confirmation{"x"}, Session: sid, ACR: acrLevel2, AMR: []string{"pwd"}},
	} {
		c.Issuer, c.Audience, c.Expires = testIssuer, o.audience(), o.now().Add(AccessTokenLife).Unix()
		f.Add(accessType, text(f, c))
		f.Add("JWT", text(f, c))
		f.Add(accessType, strings.Replace(text(f, c), `"exp"`, `"exp":1,"exp"`, 1))
	}
	f.Add(accessType, `{"sid":"x"}`)
	f.Fuzz(func(t *testing.T, typ, payload string) {
		token, err := signer.Sign(typ, []byte(payload))
		if err != nil {
			return
		}
		got, err := o.readToken(token, digest{}, o.now())
		o.tokens.InvalidateAll()
		if err != nil {
			return
		}
		c := plain([]byte(payload))
		if typ != accessType || c["iss"] != testIssuer || c["aud"] != o.audience() || c["exp"].(float64) <= float64(o.now().Unix()) ||
			got.jkt == "" || got.client == "" || got.vault.IsZero() && got.clientKey == "" || !got.vault.IsZero() && got.level == 0 {
			t.Fatalf("accepted %q %s", typ, payload)
		}
	})
}

func FuzzOfficer(f *testing.F) {
	o := newOffline(f)
	good := o.agency.officerClaims()
	f.Add(text(f, good))
	f.Add(strings.Replace(text(f, good), `"unit"`, `"unit":"x","unit"`, 1))
	f.Add(`{"name":"\u0000"}`)
	f.Fuzz(func(t *testing.T, payload string) {
		header := text(t, map[string]any{"alg": "ES256", "kid": o.agency.key.kid, "typ": officerType})
		v, err := o.openOfficer(o.agency.key.raw(t, header, []byte(payload)), only(o.agency.key.key(t)))
		if err != nil || !v.within.holds(o.now(), officerLife) {
			return
		}
		c := plain([]byte(payload))
		if c["aud"] != testIssuer || v.officer.ID == "" || v.officer.Name.IsZero() || v.officer.Post == "" || v.officer.Unit == "" ||
			v.officer.Organisation == "" || v.client != c["iss"] || strings.ContainsAny(v.officer.ID+v.officer.Unit, " \n\x00") {
			t.Fatalf("accepted %s", payload)
		}
	})
}

// FuzzForm feeds bodies to the token endpoint: no panic, no success without a signature.
func FuzzForm(f *testing.F) {
	o := newOffline(f)
	f.Add("grant_type=client_credentials&scope=results")
	f.Add("grant_type=client_credentials&client_assertion_type=" + url.QueryEscape(assertionForm) + "&client_assertion=a.e30.c")
	f.Add("a=%zz&a=b;c")
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, pathToken, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := readForm(nil, r)
		if err != nil {
			return
		}
		for name, values := range form {
			if len(values) != 1 {
				t.Fatalf("%q repeated", name)
			}
		}
		if id := form.Get("client_id") + claimed(form.Get("client_assertion")).Issuer; plainID(id) && id != o.agency.id {
			return // would be looked up
		}
		if _, err := o.token(r, form); err == nil {
			t.Fatal("a token for nothing")
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, alg := range algorithms {
		f.Add(string(newSender(f, alg, "k").public(f)))
	}
	f.Add(`{"kty":"oct","k":"AA"}`)
	f.Add(`{"kty":"EC","crv":"P-256","x":"","y":""}`)
	f.Fuzz(func(t *testing.T, jwk string) {
		key, err := ParseKey([]byte(jwk))
		if err != nil {
			return
		}
		again, err := key.JWK()
		if err != nil {
			t.Fatal(err)
		}
		same, err := ParseKey(again)
		if err != nil || same.Thumbprint() != key.Thumbprint() || same.Algorithm() != key.Algorithm() {
			t.Fatalf("%s became %s: %v", jwk, again, err)
		}
	})
}
