package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"

	"vidan/internal/pgtest"
	"vidan/seal"
)

const portalURI = "https://motcua.example/back"

// office is an agency's client for which people sign in.
func (w *town) office(id string) *agency {
	w.tb.Helper()
	c := Client{
		ID: id, Organisation: "ubnd-phuong-sen", Name: "Một cửa phường Sen", Profile: FAPI2, Scopes: []string{ScopeOpenID, ScopePrefill},
		RedirectURIs: []string{portalURI},
	}
	if err := w.directory.AddClient(w.tb.Context(), c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	a := &agency{w: w.world, id: id, key: newSender(w.tb, jose.ES256, id+"-1"), dpop: newSender(w.tb, jose.ES256, "")}
	a.register(a.key)
	return a
}

// pushForm is a good pushed request of an agency; each row of a test changes some.
func (a *agency) pushForm(level int) url.Values {
	sum := sha256.Sum256([]byte(testVerifier))
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {portalURI}, "scope": {"openid"}, "state": {"state-1"}, "nonce": {"n-1"},
		"acr_values": {acrOf(level)}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"client_id": {a.id}, "client_assertion_type": {assertionForm}, "client_assertion": {a.key.message(a.w.tb, "JWT", a.claims())},
	}
}

// postPAR sends a pushed request to a process.
func (w *world) postPAR(s *Server, form url.Values, proofs ...string) (int, http.Header, map[string]any) {
	r := httptest.NewRequestWithContext(w.tb.Context(), http.MethodPost, pathPAR, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return w.serve(s, r)
}

// pushed returns the request_uri of a good request of an agency.
func (w *town) pushed(a *agency, s *Server, level int) string {
	w.tb.Helper()
	status, _, body := w.postPAR(s, a.pushForm(level))
	uri, _ := body["request_uri"].(string)
	if status != http.StatusCreated || !strings.HasPrefix(uri, requestURIPrefix) || len(uri) != len(requestURIPrefix)+codeLength || body["expires_in"] != 300.0 || len(body) != 2 {
		w.tb.Fatalf("push: %d %v", status, body)
	}
	return uri
}

// from is what the browser brings for a pushed request.
func from(a *agency, uri string) url.Values {
	return url.Values{"client_id": {a.id}, "request_uri": {uri}}
}

// decided brings a sign-in for a pushed request to the step before its code.
func (w *town) decided(s *Server, params url.Values) *SignIn {
	w.tb.Helper()
	cookie, _, err := s.BeginSignIn(w.tb.Context(), params, "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	x := w.reopen(s, cookie)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		w.tb.Fatalf("passphrase: %d %v", verdict, err)
	}
	return w.reopen(s, cookie)
}

// O8: an agency pushes, a browser brings the name alone, the code comes back with state and iss and is worth a token.
func TestO8_PushedRequest(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.office("cong-mot-cua")
	uri := w.pushed(a, w.Server, 1)
	// What the browser brings beside the name counts for nothing (RFC 9101 §6.3), not even what would be refused.
	params := from(a, uri)
	params["redirect_uri"], params["scope"], params["state"] = []string{"https://evil.example"}, []string{"admin"}, []string{"x", "y"}
	x := w.decided(w.peopled(w.pool), params) // another process
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, portalURI+"?") || u.Query().Get("iss") != testIssuer || u.Query().Get("state") != "state-1" {
		t.Fatalf("sent to %q", to)
	}
	form := a.form("")
	form.Set("grant_type", grantAuthorizationCode)
	form.Del("scope")
	form.Set("code", u.Query().Get("code"))
	form.Set("redirect_uri", portalURI)
	form.Set("code_verifier", testVerifier)
	if status, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, "")); status != http.StatusOK || body["id_token"] == nil {
		t.Errorf("token: %d %v", status, body)
	}
	if n := w.count(`select count(*) from pushed_requests where request_hash = $1 or request::text like '%' || $2 || '%'`, []byte(uri), uri); n != 0 {
		t.Error("the name itself is stored")
	}
}

// Every fault of a pushed request, in JSON as at the token endpoint (RFC 9126 §2.3); nothing is kept.
func TestPushRefuses(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.office("cong-mot-cua"), w.office("cong-khac")
	machine := w.agency("motcua")
	set := func(name string, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	drop := func(name string) func(url.Values) { return func(f url.Values) { f.Del(name) } }
	claim := func(name string, value any) func(url.Values) {
		return func(f url.Values) {
			c := a.claims()
			c[name] = value
			f.Set("client_assertion", a.key.message(t, "JWT", c))
		}
	}
	rows := map[string]struct {
		change func(url.Values)
		status int
		want   string
	}{
		"no client authentication":   {func(f url.Values) { f.Del("client_assertion"); f.Del("client_assertion_type") }, 400, "invalid_client"},
		"another client's assertion": {set("client_assertion", b.key.message(t, "JWT", b.claims())), 400, "invalid_client"},
		"for the endpoint":           {claim("aud", testIssuer+pathPAR), 400, "invalid_client"},
		"for the token endpoint":     {claim("aud", testIssuer+pathToken), 400, "invalid_client"},
		"for a list":                 {claim("aud", []string{testIssuer}), 400, "invalid_client"},
		"for somebody else":          {claim("aud", "https://other.example"), 400, "invalid_client"},
		"an old assertion":           {claim("exp", w.clock.now().Add(-time.Second).Unix()), 400, "invalid_client"},
		"no redirect":                {drop("redirect_uri"), 400, "invalid_request"},
		"redirect elsewhere":         {set("redirect_uri", "https://evil.example/back"), 400, "invalid_request"},
		"redirect below":             {set("redirect_uri", portalURI+"/more"), 400, "invalid_request"},
		"a name for a name":          {set("request_uri", requestURIPrefix+"x"), 400, "invalid_request"},
		"a request object":           {set("request", "e30.e30."), 400, "request_not_supported"},
		"token":                      {set("response_type", "token"), 400, "unsupported_response_type"},
		"fragment":                   {set("response_mode", "fragment"), 400, "invalid_request"},
		"no challenge":               {drop("code_challenge"), 400, "invalid_request"},
		"plain challenge":            {set("code_challenge_method", "plain"), 400, "invalid_request"},
		"a machine's scope":          {set("scope", "openid prefill"), 400, "invalid_scope"},
		"no scope":                   {drop("scope"), 400, "invalid_scope"},
		"an unknown prompt":          {set("prompt", "create"), 400, "invalid_request"},
		"an unknown level":           {set("acr_values", "urn:vidan:level:9"), 400, unmet},
		"a hint that is none":        {set("login_hint", "du@example.vn"), 400, "invalid_request"},
		"a key that is none":         {set("dpop_jkt", "abc"), 400, "invalid_request"},
		"long state":                 {set("state", strings.Repeat("s", maxState+1)), 400, "invalid_request"},
	}
	for name, row := range rows {
		form := a.pushForm(1)
		row.change(form)
		status, header, body := w.postPAR(w.Server, form)
		if status != row.status || body["error"] != row.want || body["error_description"] == "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, status, body)
		}
		if challenge := header.Get("WWW-Authenticate"); (challenge != "") != (status == 401) || header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %v", name, header)
		}
	}
	form := machine.form("results")
	if status, _, body := w.postPAR(w.Server, form); status != 400 || body["error"] != "unauthorized_client" {
		t.Errorf("nobody signs in for a machine: %d %v", status, body)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, pathPAR, nil)
	if status, _, _ := w.serve(w.Server, r); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
	form = a.pushForm(1)
	form.Set("x", strings.Repeat("x", maxForm))
	if status, _, _ := w.postPAR(w.Server, form); status != http.StatusRequestEntityTooLarge {
		t.Errorf("large: %d", status)
	}
	if n := w.count(`select count(*) from pushed_requests`); n != 0 {
		t.Errorf("%d requests were kept", n)
	}
}

// An assertion is used up by a pushed request, for the token endpoint too, and so is a proof (no. 21).
func TestPushUsesUpAssertionAndProof(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.office("cong-mot-cua")
	form, proof := a.pushForm(1), a.proof(http.MethodPost, pathPAR, "")
	if status, _, body := w.postPAR(w.Server, form, proof); status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	if status, _, body := w.postPAR(w.peopled(w.pool), form, a.proof(http.MethodPost, pathPAR, "")); status != 400 || body["error"] != "invalid_client" {
		t.Errorf("assertion again: %d %v", status, body)
	}
	if status, _, body := w.postPAR(w.Server, a.pushForm(1), proof); status != 400 || body["error"] != codeProof {
		t.Errorf("proof again: %d %v", status, body)
	}
}

// RFC 9449 §10.1: a proof at the endpoint binds the code as dpop_jkt does; two keys are refused; an app must send one.
func TestPushBindsToTheKey(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.office("cong-mot-cua")
	other := newSender(t, jose.ES256, "")
	form := a.pushForm(1)
	form.Set("dpop_jkt", other.thumbprint(t))
	if status, _, body := w.postPAR(w.Server, form, a.proof(http.MethodPost, pathPAR, "")); status != 400 || body["error"] != "invalid_request" {
		t.Errorf("two keys: %d %v", status, body)
	}
	for name, proof := range map[string]string{
		"for another endpoint": a.proof(http.MethodPost, pathToken, ""), "no proof at all": "x", "by another method": a.proof(http.MethodGet, pathPAR, ""),
	} {
		if status, _, body := w.postPAR(w.Server, a.pushForm(1), proof); status != 400 || body["error"] != codeProof {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	status, _, body := w.postPAR(w.Server, a.pushForm(1), a.proof(http.MethodPost, pathPAR, ""))
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	to, err := w.decided(w.Server, from(a, body["request_uri"].(string))).Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	redeem := a.form("")
	redeem.Set("grant_type", grantAuthorizationCode)
	redeem.Set("code", u.Query().Get("code"))
	redeem.Set("redirect_uri", portalURI)
	redeem.Set("code_verifier", testVerifier)
	thief := &agency{w: w.world, id: a.id, key: a.key, dpop: other}
	if status, body := w.post(w.Server, redeem, thief.proof(http.MethodPost, pathToken, "")); status != 400 || body["error"] != "invalid_grant" {
		t.Errorf("another key redeemed: %d %v", status, body)
	}

	app := w.params(1)
	app.Del("dpop_jkt")
	if status, _, body := w.postPAR(w.Server, app); status != 400 || body["error"] != codeProof {
		t.Errorf("an app without a proof: %d %v", status, body)
	}
	status, _, body = w.postPAR(w.Server, app, w.app.proof(http.MethodPost, pathPAR, ""))
	if status != http.StatusCreated {
		t.Fatalf("app: %d %v", status, body)
	}
	if to, err = w.decided(w.Server, from(&w.app.agency, body["request_uri"].(string))).Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := w.redeem(w.Server, w.codeIn(to)); status != http.StatusOK {
		t.Errorf("the app's own key: %d %v", status, body)
	}
}

// An agency's client comes with a pushed request or not at all; it is told so (RFC 9126 §4). An app may do without.
func TestPushIsMandatoryForAgencies(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.office("cong-mot-cua")
	plain := a.pushForm(1)
	plain.Del("client_assertion")
	plain.Del("client_assertion_type")
	var back *RedirectError
	if _, _, err := w.BeginSignIn(t.Context(), plain, "192.0.2.1"); !errors.As(err, &back) || !strings.Contains(back.URL, "error=invalid_request") {
		t.Errorf("plain: %v", err)
	}
	foreign := a.pushForm(1)
	foreign.Set("request_uri", "https://motcua.example/request.jwt")
	if _, _, err := w.BeginSignIn(t.Context(), foreign, "192.0.2.1"); !errors.As(err, &back) || !strings.Contains(back.URL, "error=request_uri_not_supported") {
		t.Errorf("by reference: %v", err)
	}
	w.begin(w.Server, 1)
}

// A name is worth nothing to another client, after five minutes, or changed; loading the page again is free.
func TestPushedRequestIsBoundAndShort(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.office("cong-mot-cua"), w.office("cong-khac")
	uri := w.pushed(a, w.Server, 1)
	over := func(name string, params url.Values) {
		t.Helper()
		if cookie, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1"); cookie != "" || !errors.Is(err, ErrRequestOver) {
			t.Errorf("%s: %v", name, err)
		}
	}
	over("another client", from(b, uri))
	over("unknown", from(a, requestURIPrefix+strings.Repeat("A", codeLength)))
	over("cut", from(a, uri[:len(uri)-1]))
	over("empty", from(a, requestURIPrefix))
	w.clock.advance(pushedLife - time.Second)
	for range 3 {
		if _, _, err := w.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1"); err != nil {
			t.Errorf("loaded again: %v", err)
		}
	}
	w.clock.advance(time.Second)
	over("five minutes old", from(a, uri))
	if _, _, err := w.BeginSignIn(t.Context(), url.Values{"request_uri": {uri}}, "192.0.2.1"); !errors.Is(err, ErrUntrusted) {
		t.Errorf("without client_id: %v", err)
	}
}

// The five minutes are for presenting the name: who began in time may take the whole sign-in.
func TestPushedRequestOutlivesItsName(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.office("cong-mot-cua")
	cookie, _, err := w.BeginSignIn(t.Context(), from(a, w.pushed(a, w.Server, 1)), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(signInLife - time.Second)
	x := w.reopen(w.Server, cookie)
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		t.Fatalf("passphrase: %d %v", verdict, err)
	}
	if _, err := w.reopen(w.Server, cookie).Finish(t.Context()); err != nil {
		t.Error(err)
	}
}

// O8: of a hundred browsers that were sent with one name and all got as far as the code, one gets it.
func TestO8_PushedRequestIsDecidedOnce(t *testing.T) {
	t.Parallel()
	const tries = 100
	w := newTown(t)
	d := w.du(2, false)
	a := w.office("cong-mot-cua")
	uri := w.pushed(a, w.Server, 1)
	servers := []*Server{w.Server, w.peopled(w.pool)}
	all := make([]*SignIn, tries)
	for i := range all {
		s := servers[i%2]
		cookie, _, err := s.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		all[i] = w.reopen(s, cookie)
		w.advanceToDone(all[i], d)
	}
	outcome := make([]error, tries)
	together(tries, func(i int) { _, outcome[i] = all[i].Finish(t.Context()) })
	winners := 0
	for _, err := range outcome {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, ErrRequestOver):
			t.Error(err)
		}
	}
	if winners != 1 || w.count(`select count(*) from authorization_codes`) != 1 || w.count(`select count(*) from sessions`) != 1 {
		t.Errorf("%d of %d got a code", winners, tries)
	}
	if _, _, err := w.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1"); !errors.Is(err, ErrRequestOver) {
		t.Errorf("decided, and begun again: %v", err)
	}
}

// A no is a decision too: nobody else gets a code for the same request afterwards.
func TestO8_CancelDecides(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	a := w.office("cong-mot-cua")
	uri := w.pushed(a, w.Server, 1)
	one, two := w.opened(from(a, uri)), w.opened(from(a, uri))
	w.advanceToDone(two, d)
	to, err := one.Cancel(t.Context())
	if err != nil || !strings.Contains(to, "error=access_denied") || !strings.Contains(to, "iss=") {
		t.Fatalf("%q %v", to, err)
	}
	if _, err := two.Finish(t.Context()); !errors.Is(err, ErrRequestOver) {
		t.Errorf("finish: %v", err)
	}
	if _, err := two.Cancel(t.Context()); !errors.Is(err, ErrRequestOver) {
		t.Errorf("cancel: %v", err)
	}
}

// opened begins a sign-in.
func (w *town) opened(params url.Values) *SignIn {
	w.tb.Helper()
	cookie, _, err := w.BeginSignIn(w.tb.Context(), params, "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	return w.reopen(w.Server, cookie)
}

// advanceToDone writes what a right passphrase leads to, without the work of one.
func (w *town) advanceToDone(x *SignIn, d du) {
	w.tb.Helper()
	to := x.row
	to.Vault, to.Step, to.Level, to.AMR = d.vault, StepDone, 1, []string{MethodPassphrase}
	b := new(pgx.Batch)
	x.queueMove(b, &to)
	if err := x.send(w.tb.Context(), b); err != nil {
		w.tb.Fatal(err)
	}
	x.row = to
}

// P2: a push cut off before it persisted is sent again as it is; cut off afterwards, its assertion is used up, and a new one is served.
// A decision cut off either way is made once.
func TestP2_PushCutOff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		when  pgtest.When
		again int
	}{"before": {pgtest.FailBefore, http.StatusCreated}, "after": {pgtest.FailAfter, http.StatusBadRequest}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			a := w.office("cong-mot-cua")
			s := w.peopled(w.db.FailOn(t, row.when, "pushed_requests"))
			form := a.pushForm(1)
			if status, header, body := w.postPAR(s, form); status != http.StatusServiceUnavailable || body["error"] != "temporarily_unavailable" || header.Get("Retry-After") == "" {
				t.Fatalf("cut off: %d %v", status, body)
			}
			if status, _, body := w.postPAR(s, form); status != row.again {
				t.Errorf("again: %d %v", status, body)
			}
			if n := w.count(`select count(*) from pushed_requests`); n != 1 {
				t.Errorf("%d requests", n)
			}

			x := w.opened(from(a, w.pushed(a, w.Server, 1)))
			w.advanceToDone(x, d)
			x.server = w.peopled(w.db.FailOn(t, row.when, "pushed_requests set"))
			if _, err := x.Finish(t.Context()); err == nil {
				t.Fatal("not cut off")
			}
			_, err := x.Finish(t.Context())
			if row.when == pgtest.FailBefore && err != nil || row.when == pgtest.FailAfter && !errors.Is(err, ErrMoved) {
				t.Errorf("again: %v", err)
			}
			if n := w.count(`select count(*) from authorization_codes`); n != 1 {
				t.Errorf("%d codes", n)
			}
		})
	}
}

// O4: a pushed request written or changed by another hand begins nothing.
func TestO4_AlteredPushedRequest(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"client":  `update pushed_requests set client_id = 'cong-khac'`,
		"request": `update pushed_requests set request = jsonb_set(request, '{redirect_uri}', '"https://evil.example"')`,
		"key":     `update pushed_requests set request = jsonb_set(request, '{dpop_jkt}', '"x"')`,
		"term":    `update pushed_requests set expires_at = expires_at + interval '1 day'`,
		"age":     `update pushed_requests set created_at = created_at + interval '1 second'`,
		"MAC":     `update pushed_requests set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			a := w.office("cong-mot-cua")
			uri := w.pushed(a, w.Server, 1)
			w.exec(sql)
			if _, _, err := w.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1"); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A client that was blocked, or whose address was taken back, since it pushed gets nobody.
func TestPushedRequestOfAChangedClient(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.office("cong-mot-cua")
	uri := w.pushed(a, w.Server, 1)
	if err := w.directory.BlockClient(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1"); !errors.Is(err, ErrUntrusted) {
		t.Errorf("begun: %v", err)
	}
	if status, _, body := w.postPAR(w.Server, a.pushForm(1)); status != 400 || body["error"] != "invalid_client" {
		t.Errorf("pushed: %d %v", status, body)
	}
	if err := w.directory.UnblockClient(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.BeginSignIn(t.Context(), from(a, uri), "192.0.2.1"); err != nil {
		t.Errorf("unblocked: %v", err)
	}
}

// Anybody can send requests that leave a row: an address is bounded, and told when to come again; an agency, which proves itself, is not.
func TestBeginningIsBounded(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.office("cong-mot-cua")
	full := func(address string) {
		w.exec(`insert into throttles (bucket, failures, window_start, blocked_until) values ($1, $2, $3, $3)
			on conflict (bucket) do update set failures = $2`, w.beginLanes(address)[0].bucket, beginLimit-1, w.clock.now())
	}
	full("192.0.2.7")
	if _, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.7"); err != nil {
		t.Fatalf("the last: %v", err)
	}
	var wait *Throttled
	if _, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.7"); !errors.As(err, &wait) || wait.RetryAfter > beginBlock {
		t.Errorf("one too many: %v", err)
	}
	if _, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.8"); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.clock.advance(beginBlock)
	if _, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.7"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	full("192.0.2.1") // where httptest says that requests come from
	push := func() (int, http.Header, map[string]any) {
		return w.postPAR(w.Server, w.params(1), w.app.proof(http.MethodPost, pathPAR, ""))
	}
	if status, _, body := push(); status != http.StatusCreated {
		t.Fatalf("the last: %d %v", status, body)
	}
	if status, header, body := push(); status != http.StatusTooManyRequests || header.Get("Retry-After") != "60" || body["error"] != "temporarily_unavailable" {
		t.Errorf("one too many: %d %v", status, body)
	}
	w.pushed(a, w.Server, 1)
}
