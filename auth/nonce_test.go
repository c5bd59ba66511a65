package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// withProof makes a proof whose claims a test changes.
func (a *agency) withProof(method, path, token string, change func(map[string]any)) string {
	c := a.proofClaims(method, path, token)
	change(c)
	return a.dpop.proof(a.w.tb, c)
}

// O9: whatever the clock of a phone says, its owner gets a token and uses it: the second try carries the nonce that the first was answered
// with, and works at every process.
func TestO9_WrongClockIsNoObstacle(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	servers := []*Server{w.Server, w.peopled(w.pool)}
	for name, off := range map[string]time.Duration{
		"two minutes behind": -2 * time.Minute, "seven hours behind": -7 * time.Hour, "a day ahead": clockSpan - time.Second,
		"two minutes ahead": 2 * time.Minute, "seven hours ahead": 7 * time.Hour,
	} {
		by := func(nonce string) func(map[string]any) {
			return func(c map[string]any) {
				c["iat"] = w.clock.now().Add(off).Unix()
				if nonce != "" {
					c["nonce"] = nonce
				}
			}
		}
		code := w.signedIn()
		status, header, body := w.postTokenHeader(servers[0], w.exchangeForm(code), w.app.withProof(http.MethodPost, pathToken, "", by("")))
		if status != http.StatusBadRequest || body["error"] != codeNonce || header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %d %v", name, status, body)
			continue
		}
		nonce := header.Get("DPoP-Nonce")
		status, body = w.post(servers[1], w.exchangeForm(code), w.app.withProof(http.MethodPost, pathToken, "", by(nonce)))
		if status != http.StatusOK {
			t.Errorf("%s, with the nonce: %d %v", name, status, body)
			continue
		}
		token := body["access_token"].(string)
		const path = "/v1/people/me/documents"
		if _, err := servers[0].Authenticate(request(http.MethodGet, path, token, w.app.withProof(http.MethodGet, path, token, by("")))); !errors.Is(err, ErrNonce) {
			t.Errorf("%s: resource without nonce: %v", name, err)
		}
		p, err := servers[0].Authenticate(request(http.MethodGet, path, token, w.app.withProof(http.MethodGet, path, token, by(nonce))))
		if err == nil {
			err = run(t.Context(), servers[0], p.Guard())
		}
		if err != nil {
			t.Errorf("%s: resource: %v", name, err)
		}
	}
}

// postTokenHeader is post with the header of the answer.
func (w *world) postTokenHeader(s *Server, form url.Values, proofs ...string) (int, http.Header, map[string]any) {
	r := httptest.NewRequestWithContext(w.tb.Context(), http.MethodPost, pathToken, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return w.serve(s, r)
}

// Every way in which a proof is or is not fresh. rel is iat beside our clock.
func TestFreshness(t *testing.T) {
	t.Parallel()
	const path = "/v1/results"
	o := newOffline(t)
	w := o.agency.w
	now := w.clock.now()
	minute := func(n int64) string { return o.nonces.of(now.Unix()/60 + n) }
	foreign := nonces{deployment: newDeployment(t)}
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for name, row := range map[string]struct {
		profile Profile
		rel     time.Duration
		nonce   string
		more    map[string]any
		want    error
	}{
		"now":                               {App, 0, "", nil, nil},
		"a minute behind":                   {App, -second(60 - 15), "", nil, nil},
		"a minute ahead":                    {App, second(60), "", nil, nil},
		"older":                             {App, -second(61), "", nil, ErrNonce},
		"younger":                           {App, second(62), "", nil, ErrNonce},
		"over by itself":                    {App, 0, "", map[string]any{"exp": now.Unix()}, ErrNonce},
		"not begun":                         {App, 0, "", map[string]any{"nbf": now.Unix() + 62}, ErrNonce},
		"with a nonce":                      {App, 0, minute(0), nil, nil},
		"with that of five minutes ago":     {App, 0, minute(-nonceMinutes), nil, nil},
		"with that of six minutes ago":      {App, 0, minute(-nonceMinutes - 1), nil, ErrNonce},
		"with that of the minute to come":   {App, 0, minute(1), nil, nil},
		"with that of a later minute":       {App, 0, minute(2), nil, ErrNonce},
		"with another deployment's":         {App, 0, foreign.of(now.Unix() / 60), nil, ErrNonce},
		"with a nonce that is none":         {App, 0, "x", nil, ErrNonce},
		"a day behind, with a nonce":        {App, -clockSpan, minute(0), nil, nil},
		"a day ahead, with a nonce":         {App, clockSpan, minute(0), nil, nil},
		"more than a day behind":            {App, -clockSpan - second(1), minute(0), nil, ErrProof},
		"more than a day ahead":             {App, clockSpan + second(1), minute(0), nil, ErrProof},
		"over by a wrong clock":             {App, -time.Hour, minute(0), map[string]any{"exp": now.Add(-59 * time.Minute).Unix()}, nil},
		"over by more than any wrong clock": {App, 0, minute(0), map[string]any{"exp": now.Add(-25 * time.Hour).Unix()}, ErrProof},
		"an agency behind":                  {FAPI2, -time.Hour, "", nil, ErrNonce},
		"an agency behind, with a nonce":    {FAPI2, -time.Hour, minute(0), nil, nil},
		"an agency ten seconds ahead":       {FAPI2, second(10), "", nil, nil},
		"an agency far ahead":               {FAPI2, second(62), "", nil, ErrProof},
		"an agency far ahead with a nonce":  {FAPI2, second(62), minute(0), nil, ErrProof},
		"an agency's begins far ahead":      {FAPI2, 0, minute(0), map[string]any{"nbf": now.Unix() + 62}, ErrProof},
	} {
		proof := o.agency.withProof(http.MethodPost, path, "", func(c map[string]any) {
			c["iat"] = now.Add(row.rel).Unix()
			if row.nonce != "" {
				c["nonce"] = row.nonce
			}
			for k, v := range row.more {
				c[k] = v
			}
		})
		_, err := o.checkProof(request(http.MethodPost, path, "", proof), "", row.profile, now)
		if row.want == nil && err != nil || row.want != nil && !errors.Is(err, row.want) || row.want == ErrProof && errors.Is(err, ErrNonce) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	// Whatever else is wrong is said first: nobody is sent round for a proof that will not do.
	for name, change := range map[string]func(map[string]any){
		"method": func(c map[string]any) { c["htm"] = "GET" }, "address": func(c map[string]any) { c["htu"] = testIssuer + "/v1/prefill" },
		"token": func(c map[string]any) { c["ath"] = "x" }, "no jti": func(c map[string]any) { delete(c, "jti") },
	} {
		proof := o.agency.withProof(http.MethodPost, path, "", func(c map[string]any) { c["iat"] = now.Add(-time.Hour).Unix(); change(c) })
		if _, err := o.checkProof(request(http.MethodPost, path, "", proof), "", App, now); !errors.Is(err, ErrProof) || errors.Is(err, ErrNonce) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With RequireNonce no proof does without one, at any endpoint.
func TestNonceRequired(t *testing.T) {
	t.Parallel()
	const path = "/v1/results"
	w := newWorld(t)
	w.nonces.required = true
	a := w.agency("motcua")
	status, header, body := w.postTokenHeader(w.Server, a.form("results"), a.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusBadRequest || body["error"] != codeNonce {
		t.Fatalf("%d %v", status, body)
	}
	with := func(c map[string]any) { c["nonce"] = header.Get("DPoP-Nonce") }
	status, header, body = w.postTokenHeader(w.Server, a.form("results"), a.withProof(http.MethodPost, pathToken, "", with))
	if status != http.StatusOK || header.Get("DPoP-Nonce") != w.Nonce() {
		t.Fatalf("%d %v", status, body)
	}
	token := body["access_token"].(string)
	if _, err := w.Authenticate(request(http.MethodPost, path, token, a.proof(http.MethodPost, path, token))); !errors.Is(err, ErrNonce) {
		t.Errorf("resource: %v", err)
	}
	if _, err := w.Authenticate(request(http.MethodPost, path, token, a.withProof(http.MethodPost, path, token, with))); err != nil {
		t.Errorf("resource, with a nonce: %v", err)
	}
}

// S3: a proof with a nonce works once too, in every process, for as long as its nonce is good, whatever its iat says.
func TestS3_NonceProofWorksOnce(t *testing.T) {
	t.Parallel()
	const path, tries = "/v1/people/me/documents", 100
	w := newWorld(t)
	phone := w.app("vidan-app")
	token := phone.signIn(2)
	servers := []*Server{w.Server, w.another()}
	proof := phone.withProof(http.MethodGet, path, token, func(c map[string]any) {
		c["iat"], c["nonce"] = w.clock.now().Add(-7*time.Hour).Unix(), w.Nonce()
	})
	send := func(s *Server) error {
		p, err := s.Authenticate(request(http.MethodGet, path, token, proof))
		if err == nil {
			err = run(t.Context(), s, p.Guard())
		}
		return err
	}
	outcome := make([]error, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() { outcome[i] = send(servers[i%2]) })
	}
	wg.Wait()
	winners := 0
	for _, err := range outcome {
		if err == nil {
			winners++
		} else if !errors.Is(err, ErrReplay) {
			t.Error(err)
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d went through", winners, tries)
	}
	// Each minute the slots are rotated as in life; until the nonce is over the replay is found, then the nonce is refused.
	for m := 0; m <= nonceMinutes+2; m++ {
		if err := RotateProofs(t.Context(), w.pool, w.clock.now()); err != nil {
			t.Fatal(err)
		}
		want := ErrReplay
		if m > nonceMinutes {
			want = ErrNonce
		}
		if err := send(servers[m%2]); !errors.Is(err, want) {
			t.Errorf("%d minutes on: %v, want %v", m, err, want)
		}
		w.clock.advance(time.Minute)
	}
}

// Nonces of one deployment are the same in every process and in no other deployment, and nothing of a later one is in an earlier.
func TestNonces(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	one, two, other := nonces{deployment: d}, nonces{deployment: d}, nonces{deployment: newDeployment(t)}
	seen := map[string]bool{}
	at := time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC)
	for range 60 {
		text := one.at(at).header[0]
		if text != two.at(at).header[0] || text == other.at(at).header[0] || seen[text] || len(text) != 22 || strings.ContainsAny(text, `"\ `) {
			t.Fatalf("nonce %q", text)
		}
		seen[text] = true
		until, ok := two.until(text, at)
		again, still := two.until(text, at.Add(nonceMinutes*time.Minute))
		if !ok || !still || !until.Equal(again) || until.Before(at.Add(nonceMinutes*time.Minute)) || until.After(at.Add((nonceMinutes+1)*time.Minute)) {
			t.Fatalf("good until %v or %v", until, again)
		}
		if _, ok := two.until(text, until.Add(time.Second)); ok {
			t.Fatal("good afterwards")
		}
		at = at.Add(time.Minute)
	}
}

// A good answer of the token endpoint and every refusal carry the nonce for the next request, once.
func TestNonceInEveryAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	bad := a.form("results")
	bad.Set("client_assertion", "x.y.z")
	for _, row := range []struct {
		want int
		form url.Values
	}{{200, a.form("results")}, {400, bad}, {400, url.Values{"grant_type": {"password"}}}} {
		status, header, body := w.postTokenHeader(w.Server, row.form, a.proof(http.MethodPost, pathToken, ""))
		if status != row.want || len(header.Values("DPoP-Nonce")) != 1 || header.Get("DPoP-Nonce") != w.Nonce() {
			t.Errorf("%d %v %v", status, body, header)
		}
	}
}

// The hot path pays nothing for nonces.
func TestNonceAllocatesNothing(t *testing.T) {
	o := newOffline(t)
	now, header := o.now(), http.Header{}
	o.offerNonce(header)
	plain, with := proofClaims{window: window{IssuedAt: seconds(now.Unix())}}, proofClaims{window: window{IssuedAt: seconds(now.Unix())}, Nonce: o.Nonce()}
	if n := testing.AllocsPerRun(100, func() {
		o.offerNonce(header)
		if _, err := o.nonces.fresh(&plain, FAPI2, now); err != nil {
			t.Error(err)
		}
		if _, err := o.nonces.fresh(&with, App, now); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
