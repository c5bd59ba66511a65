package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// userinfo asks for it with a token and a fresh proof and returns the answer as it came.
func (a *agency) userinfo(s *Server, method, token string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	s.Routes(mux)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request(method, pathUserinfo, token, a.proof(method, pathUserinfo, token)))
	return answer
}

// OpenID Connect Core §5.3: the same sub as the ID token, how and when; never a name or a number.
func TestUserinfo(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	status, body := w.redeem(w.Server, w.signedIn())
	if status != http.StatusOK {
		t.Fatal(body)
	}
	token := body["access_token"].(string)
	payload, _, err := w.verifier.Verify(body["id_token"].(string), w.keys.Lookup(TokenKeys), idTokenType)
	if err != nil {
		t.Fatal(err)
	}
	var id idClaims
	if err := decodeClaims(payload, &id); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		answer := w.app.userinfo(w.Server, method, token)
		var told map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || answer.Code != http.StatusOK || answer.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v", method, answer.Code, err)
		}
		if told["sub"] != id.Subject || told["acr"] != acrLevel1 || told["auth_time"] != float64(id.AuthTime) || told["auth_factors_level"] != 1.0 || len(told) != 5 {
			t.Errorf("%s: %v", method, told)
		}
	}
	// Only with the scope, a proof, and while the session lasts.
	mux := http.NewServeMux()
	w.Routes(mux)
	proof := w.app.proof(http.MethodGet, pathUserinfo, token)
	machine := w.agency("motcua")
	own := machine.token(w.Server, "results")
	narrow := w.params(1)
	narrow.Set("scope", "wallet")
	_, body = w.redeem(w.Server, w.codeFor(narrow))
	unscoped := body["access_token"].(string)
	for name, row := range map[string]struct {
		r      *http.Request
		status int
		error  string
	}{
		"no token":     {request(http.MethodGet, pathUserinfo, ""), http.StatusUnauthorized, "invalid_token"},
		"no proof":     {request(http.MethodGet, pathUserinfo, token), http.StatusUnauthorized, "invalid_dpop_proof"},
		"other method": {request(http.MethodPost, pathUserinfo, token, proof), http.StatusUnauthorized, "invalid_dpop_proof"},
		"a machine":    {request(http.MethodGet, pathUserinfo, own, machine.proof(http.MethodGet, pathUserinfo, own)), http.StatusForbidden, "insufficient_scope"},
		"no scope":     {request(http.MethodGet, pathUserinfo, unscoped, w.app.proof(http.MethodGet, pathUserinfo, unscoped)), http.StatusForbidden, "insufficient_scope"},
	} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, row.r)
		if answer.Code != row.status || !strings.Contains(answer.Header().Get("WWW-Authenticate"), row.error) || !strings.Contains(answer.Body.String(), row.error) {
			t.Errorf("%s: %d %q %s", name, answer.Code, answer.Header().Get("WWW-Authenticate"), answer.Body)
		}
	}
	w.exec(`update sessions set state = 'ended', mac = ''`)
	if answer := w.app.userinfo(w.Server, http.MethodGet, token); answer.Code != http.StatusUnauthorized || !strings.Contains(answer.Header().Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("session ended: %d %v", answer.Code, answer.Header())
	}
}

// A client that is registered so gets a signed JWT, or one encrypted to its key, and nobody else reads it.
func TestUserinfoSignedAndEncrypted(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for id, alg := range map[string]jose.KeyAlgorithm{"signed": "", "direct": jose.ECDH_ES, "wrapped": jose.ECDH_ES_A256KW} {
		c := Client{
			ID: id, Organisation: "ubnd-phuong-sen", Name: "Trường Hoa Sen", Profile: FAPI2, Scopes: []string{ScopeOpenID},
			RedirectURIs: []string{portalURI}, UserinfoSigned: true,
		}
		if alg != "" {
			if c.Encryption, err = (jose.JSONWebKey{Key: private.Public(), KeyID: "enc-1", Use: "enc", Algorithm: string(alg)}).MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.directory.AddClient(t.Context(), c, w.clock.now()); err != nil {
			t.Fatal(err)
		}
		a := &agency{w: w.world, id: id, key: newSender(t, jose.ES256, id+"-1"), dpop: newSender(t, jose.ES256, "")}
		a.register(a.key)
		form := a.proved(w.exchangeForm(w.codeFor(from(a, w.pushed(a, w.Server, 1)))))
		form.Set("redirect_uri", portalURI)
		status, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", id, status, body)
		}
		answer := a.userinfo(w.Server, http.MethodGet, body["access_token"].(string))
		if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "application/jwt" {
			t.Fatalf("%s: %d %v", id, answer.Code, answer.Header())
		}
		message := answer.Body.String()
		if alg != "" {
			sealed, err := jose.ParseEncryptedCompact(message, []jose.KeyAlgorithm{alg}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil || sealed.Header.KeyID != "enc-1" || sealed.Header.ExtraHeaders[jose.HeaderContentType] != "JWT" {
				t.Fatalf("%s: %v %+v", id, err, sealed)
			}
			inner, err := sealed.Decrypt(private)
			if err != nil {
				t.Fatal(err)
			}
			message = string(inner)
		}
		payload, _, err := w.verifier.Verify(message, w.keys.Lookup(TokenKeys), userinfoType)
		if err != nil {
			t.Fatal(err)
		}
		var told map[string]any
		if err := json.Unmarshal(payload, &told); err != nil {
			t.Fatal(err)
		}
		if told["iss"] != testIssuer || told["aud"] != id || told["sub"] == "" || told["acr"] != acrLevel1 {
			t.Errorf("%s: %v", id, told)
		}
	}
	// O4: a key that somebody else wrote gets nothing.
	w.exec(`update clients set encryption_jwk = '' where client_id = 'direct'`)
	w.clients.entries.InvalidateAll()
	if _, _, err := w.BeginSignIn(t.Context(), url.Values{"client_id": {"direct"}}, "192.0.2.1"); err == nil || !strings.Contains(err.Error(), "altered") {
		t.Errorf("%v", err)
	}
}

func TestEncryptionKeys(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		key jose.JSONWebKey
		ok  bool
	}{
		"no algorithm":  {jose.JSONWebKey{Key: p256.Public(), KeyID: "e"}, true},
		"direct":        {jose.JSONWebKey{Key: p256.Public(), KeyID: "e", Use: "enc", Algorithm: "ECDH-ES"}, true},
		"for signing":   {jose.JSONWebKey{Key: p256.Public(), KeyID: "e", Use: "sig"}, false},
		"of another":    {jose.JSONWebKey{Key: p256.Public(), KeyID: "e", Algorithm: "RSA1_5"}, false},
		"private":       {jose.JSONWebKey{Key: p256, KeyID: "e"}, false},
		"other curve":   {jose.JSONWebKey{Key: p384.Public(), KeyID: "e"}, false},
		"without a kid": {jose.JSONWebKey{Key: p256.Public()}, false},
	} {
		raw, err := row.key.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		c := Client{ID: "kho", Organisation: "ubnd", Name: "Kho dữ liệu", Profile: FAPI2, Scopes: []string{ScopeOpenID}, Encryption: raw}
		if err := c.check(false); (err == nil) != row.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
