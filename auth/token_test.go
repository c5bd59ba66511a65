package auth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

func TestTokenIsWhatRFC9068Says(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	status, body := w.post(w.Server, a.form("results events"), a.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusOK || body["token_type"] != "DPoP" || body["expires_in"] != 600.0 || body["scope"] != "results events" {
		t.Fatalf("%d %v", status, body)
	}
	token := body["access_token"].(string)
	message, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := decodeClaims(w.keys.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	payload, err := message.Verify(&set)
	if err != nil {
		t.Fatal(err)
	}
	var got accessClaims
	if err := decodeClaims(payload, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.ID) != 22 {
		t.Errorf("jti %q", got.ID)
	}
	now := w.clock.now().Unix()
	want := accessClaims{
		Issuer: testIssuer, Subject: "motcua", Audience: testIssuer + "/v1", ClientID: "motcua", IssuedAt: now, Expires: now + 600,
		ID: got.ID, Scope: "results events", Confirm: confirmation{a.dpop.thumbprint(t)}, ClientKey: "motcua-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := a.call(w.Server, token); err != nil {
		t.Errorf("call with the token: %v", err)
	}
	if err := a.call(w.another(), token); err != nil {
		t.Errorf("call at another process: %v", err)
	}
	if typ := message.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
	if strings.Count(token, ".") != 2 {
		t.Error("not compact")
	}
}
