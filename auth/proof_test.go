package auth

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// S3: a stolen access token alone is useless. Each row is what a thief can send.
func TestS3_StolenTokenIsUseless(t *testing.T) {
	t.Parallel()
	const path = "/v1/results"
	w := newWorld(t)
	a := w.agency("motcua")
	token, other := a.token(w.Server, "results"), a.token(w.Server, "results")
	thief := &agency{w: w, id: a.id, key: a.key, dpop: newSender(t, jose.ES256, "")}
	with := func(change func(map[string]any)) string {
		c := a.proofClaims(http.MethodPost, path, token)
		change(c)
		return a.dpop.proof(t, c)
	}
	good := func() string { return a.proof(http.MethodPost, path, token) }
	rows := []struct {
		name   string
		r      *http.Request
		want   error
		header func(*http.Request)
	}{
		{name: "no proof", r: request("POST", path, token), want: ErrProof},
		{name: "two proofs", r: request("POST", path, token, good(), good()), want: ErrProof},
		{name: "another key's proof", r: request("POST", path, token, thief.proof("POST", path, token)), want: ErrProof},
		{name: "for another URL", r: request("POST", path, token, a.proof("POST", "/v1/prefill", token)), want: ErrProof},
		{name: "for another host", r: request("POST", path, token, with(func(c map[string]any) { c["htu"] = "https://attacker.example" + path })), want: ErrProof},
		{name: "for the issuer as user", r: request("POST", path, token, with(func(c map[string]any) { c["htu"] = "https://id.vidan.example@attacker.example" + path })), want: ErrProof},
		{name: "without encryption", r: request("POST", path, token, with(func(c map[string]any) { c["htu"] = "http://id.vidan.example" + path })), want: ErrProof},
		{name: "for another method", r: request("POST", path, token, a.proof("GET", path, token)), want: ErrProof},
		{name: "for another token", r: request("POST", path, token, a.proof("POST", path, other)), want: ErrProof},
		{name: "for no token", r: request("POST", path, token, a.proof("POST", path, "")), want: ErrProof},
		{name: "a minute old", r: request("POST", path, token, with(func(c map[string]any) { c["iat"] = w.clock.now().Add(-61 * time.Second).Unix() })), want: ErrProof},
		{name: "from the future", r: request("POST", path, token, with(func(c map[string]any) { c["iat"] = w.clock.now().Add(62 * time.Second).Unix() })), want: ErrProof},
		{name: "expired by itself", r: request("POST", path, token, with(func(c map[string]any) { c["exp"] = w.clock.now().Unix() })), want: ErrProof},
		{name: "not begun", r: request("POST", path, token, with(func(c map[string]any) { c["nbf"] = w.clock.now().Add(62 * time.Second).Unix() })), want: ErrProof},
		{name: "without iat", r: request("POST", path, token, with(func(c map[string]any) { delete(c, "iat") })), want: ErrProof},
		{name: "without jti", r: request("POST", path, token, with(func(c map[string]any) { delete(c, "jti") })), want: ErrProof},
		{name: "typ of a plain JWT", r: request("POST", path, token, a.dpop.raw(t, text(t, map[string]any{"alg": "ES256", "typ": "JWT", "jwk": a.dpop.bare(t)}), []byte(text(t, a.proofClaims("POST", path, token))))), want: ErrProof},
		{name: "key by name", r: request("POST", path, token, a.key.message(t, "dpop+jwt", a.proofClaims("POST", path, token))), want: ErrProof},
		{name: "as a bearer token", r: request("POST", path, token, good()), want: ErrToken, header: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }},
		{name: "two tokens", r: request("POST", path, token, good()), want: ErrToken, header: func(r *http.Request) { r.Header.Add("Authorization", "DPoP "+token) }},
		{name: "no token", r: request("POST", path, "", good()), want: ErrToken},
		{name: "token changed", r: request("POST", path, flip(t, token, 1, 20), good()), want: ErrToken},
		{name: "signed by the client", r: request("POST", path, a.key.message(t, "at+jwt", map[string]any{"iss": testIssuer}), good()), want: ErrToken},
	}
	for _, row := range rows {
		if row.header != nil {
			row.header(row.r)
		}
		if _, err := w.Authenticate(row.r); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if err := a.call(w.Server, token); err != nil {
		t.Errorf("the owner's own call: %v", err)
	}
	w.clock.advance(AccessTokenLife)
	if _, err := w.Authenticate(request("POST", path, token, good())); !errors.Is(err, ErrToken) {
		t.Errorf("expired: %v", err)
	}
}

// S3: a proof works once, whoever sends it again, at whichever process.
func TestS3_ProofWorksOnce(t *testing.T) {
	t.Parallel()
	const path, tries = "/v1/results", 100
	w := newWorld(t)
	a := w.agency("motcua")
	token := a.token(w.Server, "results")
	proof := a.proof(http.MethodPost, path, token)
	servers := []*Server{w.Server, w.another()}
	outcome := make([]error, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			s := servers[i%len(servers)]
			p, err := s.Authenticate(request(http.MethodPost, path, token, proof))
			if err == nil {
				err = run(t.Context(), s, p.Guard())
			}
			outcome[i] = err
		})
	}
	wg.Wait()
	winners := 0
	for _, err := range outcome {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, ErrReplay):
			t.Errorf("%v", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d went through", winners, tries)
	}
}

// The further batches of one request stand on the proof of its first.
func TestStandingUsesNoProof(t *testing.T) {
	t.Parallel()
	const path = "/v1/results"
	w := newWorld(t)
	a := w.agency("motcua")
	token := a.token(w.Server, "results")
	p, err := w.Authenticate(request(http.MethodPost, path, token, a.proof(http.MethodPost, path, token)))
	if err != nil {
		t.Fatal(err)
	}
	for i, guard := range []func() error{
		func() error { return run(t.Context(), w.Server, p.Guard()) },
		func() error { return run(t.Context(), w.Server, p.Standing()) },
		func() error { return run(t.Context(), w.Server, p.Standing()) },
	} {
		if err := guard(); err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
	}
	if err := run(t.Context(), w.Server, p.Guard()); !errors.Is(err, ErrReplay) {
		t.Errorf("the proof again: %v", err)
	}
}

// htu is compared with the configured issuer (RFC 9449 §4.3 no. 9); spelling that RFC 3986 calls equal is equal.
func TestSameURI(t *testing.T) {
	t.Parallel()
	s := newOffline(t).Server
	for htu, want := range map[string]bool{
		testIssuer + "/v1/results":                      true,
		testIssuer + "/v1/results?x=1":                  true,
		testIssuer + "/v1/results#x":                    true,
		"HTTPS://ID.vidan.example/v1/results":           true,
		"https://id.vidan.example:443/v1/results":       true,
		"https://id.vidan.example:8443/v1/results":      false,
		"http://id.vidan.example/v1/results":            false,
		testIssuer + "/v1/results/":                     false,
		testIssuer + "/v1/Results":                      false,
		testIssuer + "/v1/../v1/results":                false,
		testIssuer + "/v1%2Fresults":                    false,
		testIssuer + ".attacker.example/v1/results":     false,
		"https://id.vidan.example@a.example/v1/results": false,
		"https://u@id.vidan.example/v1/results":         false,
		"//id.vidan.example/v1/results":                 false,
		"/v1/results":                                   false,
		"https:id.vidan.example/v1/results":             false,
		"":                                              false,
	} {
		if got := s.sameURI(htu, request("POST", "/v1/results?after=3", "").URL); got != want {
			t.Errorf("%q: %v", htu, got)
		}
	}
}
