package auth

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Each row is one fault of a token request and the one answer it gets.
func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	b := w.agency("congan")
	now := w.clock.now()
	with := func(key *sender, typ string, change func(map[string]any)) url.Values {
		c := a.claims()
		change(c)
		f := a.form("results")
		f.Set("client_assertion", key.message(t, typ, c))
		return f
	}
	claim := func(name string, value any) url.Values {
		return with(a.key, "JWT", func(c map[string]any) {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		})
	}
	form := func(change func(url.Values)) url.Values {
		f := a.form("results")
		change(f)
		return f
	}
	proof := func(change func(map[string]any)) string {
		c := a.proofClaims(http.MethodPost, pathToken, "")
		change(c)
		return a.dpop.proof(t, c)
	}
	const client, bad = "invalid_client", "invalid_request"
	rows := []struct {
		name  string
		form  url.Values
		proof []string
		want  string
	}{
		{"another client's key", with(b.key, "JWT", func(map[string]any) {}), nil, client},
		{"a key nobody registered", with(newSender(t, jose.ES256, "motcua-1"), "JWT", func(map[string]any) {}), nil, client},
		{"an unknown client", with(a.key, "JWT", func(c map[string]any) { c["iss"], c["sub"] = "nobody", "nobody" }), nil, client},
		{"iss without sub", claim("sub", nil), nil, client},
		{"sub another client", claim("sub", "congan"), nil, client},
		{"aud the token endpoint", claim("aud", testIssuer+pathToken), nil, client},
		{"aud a list", claim("aud", []string{testIssuer}), nil, client},
		{"aud another issuer", claim("aud", "https://other.example"), nil, client},
		{"no exp", claim("exp", nil), nil, client},
		{"expired", claim("exp", now.Unix()), nil, client},
		{"valid for an hour", claim("exp", now.Add(time.Hour).Unix()), nil, client},
		{"issued in the future", claim("iat", now.Add(2*time.Minute).Unix()), nil, client},
		{"not yet valid", claim("nbf", now.Add(2*time.Minute).Unix()), nil, client},
		{"no jti", claim("jti", nil), nil, client},
		{"typ of an officer assertion", with(a.key, officerType, func(map[string]any) {}), nil, client},
		{"typ of a result", with(a.key, "vidan-result+jwt", func(map[string]any) {}), nil, client},
		{"typ of an access token", with(a.key, accessType, func(map[string]any) {}), nil, client},
		{"client_id of another", form(func(f url.Values) { f.Set("client_id", "congan") }), nil, client},
		{"client_id alone", form(func(f url.Values) {
			f.Del("client_assertion")
			f.Del("client_assertion_type")
			f.Set("client_id", "motcua")
		}), nil, client},
		{"no assertion", form(func(f url.Values) { f.Del("client_assertion") }), nil, client},
		{"another kind of assertion", form(func(f url.Values) {
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		}), nil, client},
		{"a secret", form(func(f url.Values) {
			f.Del("client_assertion_type")
			f.Del("client_assertion")
			f.Set("client_id", "motcua")
			f.Set("client_secret", "x")
		}), nil, client},
		{"no grant", form(func(f url.Values) { f.Del("grant_type") }), nil, "unsupported_grant_type"},
		{"password grant", form(func(f url.Values) { f.Set("grant_type", "password") }), nil, "unsupported_grant_type"},
		{"no scope", form(func(f url.Values) { f.Del("scope") }), nil, "invalid_scope"},
		{"unknown scope", form(func(f url.Values) { f.Set("scope", "results everything") }), nil, "invalid_scope"},
		{"a person's scope", form(func(f url.Values) { f.Set("scope", "wallet") }), nil, "invalid_scope"},
		{"scope twice", form(func(f url.Values) { f.Set("scope", "results results") }), nil, "invalid_scope"},
		{"a parameter twice", form(func(f url.Values) { f["scope"] = []string{"results", "events"} }), nil, bad},
		{"no proof", a.form("results"), []string{}, codeProof},
		{"two proofs", a.form("results"), []string{a.proof("POST", pathToken, ""), a.proof("POST", pathToken, "")}, codeProof},
		{"proof for another URL", a.form("results"), []string{a.proof("POST", "/v1/results", "")}, codeProof},
		{"proof for another method", a.form("results"), []string{a.proof("GET", pathToken, "")}, codeProof},
		{"old proof", a.form("results"), []string{proof(func(c map[string]any) { c["iat"] = now.Add(-2 * time.Minute).Unix() })}, codeNonce},
		{"proof for a token", a.form("results"), []string{a.proof("POST", pathToken, "x")}, codeProof},
	}
	for _, row := range rows {
		if row.proof == nil {
			row.proof = []string{a.proof(http.MethodPost, pathToken, "")}
		}
		status, body := w.post(w.Server, row.form, row.proof...)
		if status != http.StatusBadRequest || body["error"] != row.want {
			t.Errorf("%s: %d %v, want %s", row.name, status, body, row.want)
		}
	}
	var used int
	if err := w.db.Owner(t).QueryRow(t.Context(), `select count(*) from proof_ids`).Scan(&used); err != nil || used != 0 {
		t.Errorf("refused requests used up %d ids, %v", used, err)
	}
	if logged := w.logs.String(); logged != "" {
		t.Errorf("faults of a request were logged: %s", logged)
	}
}

// The three forms of typ that client libraries send, and every algorithm.
func TestTokenAcceptsWhatLibrariesSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	for i, alg := range algorithms {
		key := newSender(t, alg, "extra-"+string(alg))
		a.register(key)
		w.clock.advance(2 * time.Second) // a process looks again for an unknown kid, at most once a second
		for _, typ := range []string{"", "JWT", assertionType} {
			f := a.form("results")
			f.Set("client_assertion", key.message(t, typ, a.claims()))
			f.Set("client_id", "motcua")
			proof := newSender(t, algorithms[(i+1)%len(algorithms)], "").proof(t, a.proofClaims(http.MethodPost, pathToken, ""))
			if status, body := w.post(w.Server, f, proof); status != http.StatusOK {
				t.Errorf("%s typ %q: %d %v", alg, typ, status, body)
			}
		}
	}
}

func TestTokenRequestMustBeAForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	rows := []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, "invalid_request"},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 400, "invalid_request"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "scope=results" }, 400, "invalid_request"},
		{"basic authentication", func(r *http.Request) { r.SetBasicAuth("motcua", "x") }, 401, "invalid_client"},
		{"too large", func(r *http.Request) {
			r.Body = http.NoBody
			r.Body = readCloser{bytes.NewReader(bytes.Repeat([]byte("a"), maxForm+1))}
		}, 413, "invalid_request"},
		{"not a form", func(r *http.Request) { r.Body = readCloser{bytes.NewReader([]byte("a=%zz"))} }, 400, "invalid_request"},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, ""},
		{"with charset", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		}, 200, ""},
	}
	for _, row := range rows {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathToken, strings.NewReader(a.form("results").Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", a.proof(http.MethodPost, pathToken, ""))
		row.change(r)
		status, body := w.send(w.Server, r)
		if status != row.status || row.code != "" && body["error"] != row.code {
			t.Errorf("%s: %d %v", row.name, status, body)
		}
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func TestTokenAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	mux := http.NewServeMux()
	w.Routes(mux)
	for _, proof := range []string{a.proof(http.MethodPost, pathToken, ""), ""} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathToken, strings.NewReader(a.form("results").Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d with headers %v", answer.Code, answer.Header())
		}
	}
}

// S3, P3: the same assertion or proof 100 times at once, at two processes: one token. The answer says which was used.
func TestS3_AssertionAndProofOfATokenWorkOnce(t *testing.T) {
	t.Parallel()
	const tries = 100
	w := newWorld(t)
	a := w.agency("motcua")
	other := w.another()
	for name, requests := range map[string]func() (url.Values, string){
		"invalid_client": func() func() (url.Values, string) {
			f := a.form("results")
			return func() (url.Values, string) { return f, a.proof(http.MethodPost, pathToken, "") }
		}(),
		codeProof: func() func() (url.Values, string) {
			p := a.proof(http.MethodPost, pathToken, "")
			return func() (url.Values, string) { return a.form("results"), p }
		}(),
	} {
		answers := make([]string, tries)
		var wg sync.WaitGroup
		for i := range tries {
			wg.Go(func() {
				f, p := requests()
				s := w.Server
				if i%2 == 1 {
					s = other
				}
				status, body := w.post(s, f, p)
				if status != http.StatusOK {
					answers[i] = body["error"].(string)
				}
			})
		}
		wg.Wait()
		won := 0
		for _, answer := range answers {
			switch answer {
			case "":
				won++
			case name:
			default:
				t.Errorf("%s: answered %s", name, answer)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d tokens", name, won)
		}
	}
}

// O7: a client whose row changed between two requests is read again within the request; nobody notices.
func TestTokenAfterAClientChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	a.token(w.Server, "results")
	if err := w.directory.BlockClient(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	other := w.another()
	if err := w.directory.UnblockClient(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	// The MAC of an active row is the same again; a moved redirect list gives another.
	row := clientRow{}
	found := w.db.Owner(t).QueryRow(t.Context(), sqlLockClient, a.id)
	if err := found.Scan(row.into()...); err != nil {
		t.Fatal(err)
	}
	row.RedirectURIs = []string{"https://motcua.example/back"}
	mac := w.deployment.MAC("clients", row.columns())
	if _, err := w.pool.Exec(t.Context(), `update clients set redirect_uris = $2, mac = $3 where client_id = $1`, a.id, row.RedirectURIs, mac); err != nil {
		t.Fatal(err)
	}
	a.token(w.Server, "results")
	a.token(other, "results")
	c, err := w.clientOf(t.Context(), a.id)
	if err != nil || len(c.RedirectURIs) != 1 {
		t.Errorf("the process still knows the old row: %v", err)
	}
}
