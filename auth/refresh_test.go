package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vidan/identity"
)

// lasting brings the app to a refresh token: a sign-in with offline_access, its code redeemed.
func (w *town) lasting() (access, refresh string) {
	w.tb.Helper()
	params := w.params(1)
	params.Set("scope", "openid wallet offline_access")
	status, body := w.redeem(w.Server, w.codeFor(params))
	if status != http.StatusOK || body["refresh_token"] == nil {
		w.tb.Fatalf("%d %v", status, body)
	}
	return body["access_token"].(string), body["refresh_token"].(string)
}

// codeFor brings a sign-in of level 1 with these parameters to its code.
func (w *town) codeFor(params url.Values) string {
	w.tb.Helper()
	cookie, _, err := w.BeginSignIn(w.tb.Context(), params, "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	x := w.reopen(w.Server, cookie)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		w.tb.Fatalf("passphrase: %d %v", verdict, err)
	}
	to, err := x.Finish(w.tb.Context())
	if err != nil {
		w.tb.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("code") == "" {
		w.tb.Fatalf("redirected to %q", to)
	}
	return u.Query().Get("code")
}

// lodged is an agency at whose portal somebody signed in: its client, and its refresh token where the scope has one.
func (w *town) lodged(id, scope string) (a *agency, body map[string]any) {
	w.tb.Helper()
	const uri = "https://mamnon.example/back"
	c := Client{
		ID: id, Organisation: "ubnd-phuong-sen", Name: "Trường Hoa Sen", Profile: FAPI2, Scopes: []string{ScopeOpenID, ScopeOffline, ScopePrefill},
		RedirectURIs: []string{uri},
	}
	if err := w.directory.AddClient(w.tb.Context(), c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	a = &agency{w: w.world, id: id, key: newSender(w.tb, jose.ES256, id+"-1"), dpop: newSender(w.tb, jose.ES256, "")}
	a.register(a.key)
	params := a.proved(w.params(1))
	params.Set("redirect_uri", uri)
	params.Set("scope", scope)
	params.Del("dpop_jkt")
	status, pushed := w.postTo(w.Server, pathPAR, params)
	if status != http.StatusCreated {
		w.tb.Fatalf("pushed: %d %v", status, pushed)
	}
	code := w.codeFor(url.Values{"client_id": {id}, "request_uri": {pushed["request_uri"].(string)}})
	form := a.proved(w.exchangeForm(code))
	form.Set("redirect_uri", uri)
	status, body = w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusOK {
		w.tb.Fatalf("redeem: %d %v", status, body)
	}
	return a, body
}

// proved adds what proves the agency to a form.
func (a *agency) proved(form url.Values) url.Values {
	form.Set("client_id", a.id)
	form.Set("client_assertion_type", assertionForm)
	form.Set("client_assertion", a.key.message(a.w.tb, "JWT", a.claims()))
	return form
}

// postTo sends a form to an endpoint.
func (w *world) postTo(s *Server, path string, form url.Values, headers ...string) (int, map[string]any) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(s, r)
}

func (w *town) refreshForm(token string) url.Values {
	return url.Values{"grant_type": {grantRefreshToken}, "client_id": {w.app.id}, "refresh_token": {token}}
}

// refresh sends a refresh token as the app would.
func (w *town) refresh(s *Server, token string) (int, map[string]any) {
	return w.post(s, w.refreshForm(token), w.app.proof(http.MethodPost, pathToken, ""))
}

// refreshed is refresh that must work, with the token that comes next.
func (w *town) refreshed(token string) (access, next string) {
	w.tb.Helper()
	status, body := w.refresh(w.Server, token)
	if status != http.StatusOK {
		w.tb.Fatalf("refresh: %d %v", status, body)
	}
	return body["access_token"].(string), body["refresh_token"].(string)
}

// An app's refresh token is replaced at each use, and what it gives is what the sign-in was: who, when, how.
func TestRefreshOfAnApp(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	_, first := w.lasting()
	if n := w.count(`select count(*) from sessions where refresh_hash = $1`, []byte(first)); n != 0 {
		t.Error("the token itself is stored")
	}
	signedIn := w.clock.now()
	w.clock.advance(3 * time.Hour)
	status, body := w.refresh(w.Server, first)
	if status != http.StatusOK || body["scope"] != "openid wallet offline_access" || body["token_type"] != "DPoP" || body["refresh_token"] == first {
		t.Fatalf("%d %v", status, body)
	}
	access := body["access_token"].(string)
	if err := w.app.call(w.peopled(w.pool), access); err != nil {
		t.Error(err)
	}
	payload, _, err := w.verifier.Verify(body["id_token"].(string), w.keys.Lookup(TokenKeys), idTokenType)
	if err != nil {
		t.Fatal(err)
	}
	var id idClaims
	if err := decodeClaims(payload, &id); err != nil {
		t.Fatal(err)
	}
	// OpenID Connect Core §12.2: the time of the sign-in, not of this token; no nonce.
	if id.AuthTime != signedIn.Unix() || id.IssuedAt != w.clock.now().Unix() || id.Nonce != "" || id.Audience != w.app.id || id.Subject == d.vault.String() {
		t.Errorf("id token %+v", id)
	}
	w.refreshed(body["refresh_token"].(string))
}

// Without the scope there is no refresh token, and the session ends with its only access token.
func TestNoRefreshUnasked(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	status, body := w.redeem(w.Server, w.signedIn())
	if status != http.StatusOK || body["refresh_token"] != nil {
		t.Fatalf("%d %v", status, body)
	}
	if n := w.count(`select count(*) from sessions where refresh_hash is null and expires_at = $1`, w.clock.now().Add(AccessTokenLife)); n != 1 {
		t.Error("the session lasts longer than what was issued in it")
	}
}

// An answer may be lost: within ten seconds the token used last gives another successor, and the one before is void. Whoever comes with the
// void one, or later, ends the session.
func TestRefreshRetry(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		act  func(w *town, first string) (again string)
		ends bool
	}{
		"retry at once": {func(w *town, first string) string {
			w.refreshed(first)
			_, next := w.refreshed(first)
			return next
		}, false},
		"retry twice": {func(w *town, first string) string {
			w.refreshed(first)
			w.clock.advance(refreshRetry - time.Second)
			w.refreshed(first)
			_, next := w.refreshed(first)
			return next
		}, false},
		"void successor": {func(w *town, first string) string {
			_, void := w.refreshed(first)
			w.refreshed(first)
			return void
		}, true},
		"too late": {func(w *town, first string) string {
			w.refreshed(first)
			w.clock.advance(refreshRetry)
			return first
		}, true},
		"retries do not prolong": {func(w *town, first string) string {
			w.refreshed(first)
			w.clock.advance(refreshRetry - time.Second)
			w.refreshed(first)
			w.clock.advance(time.Second)
			return first
		}, true},
		"successor was used": {func(w *town, first string) string {
			_, second := w.refreshed(first)
			w.refreshed(second)
			return first
		}, true},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			access, first := w.lasting()
			again := row.act(w, first)
			status, body := w.refresh(w.peopled(w.pool), again)
			if !row.ends {
				if status != http.StatusOK {
					t.Errorf("%d %v", status, body)
				}
				return
			}
			if status != http.StatusBadRequest || body["error"] != "invalid_grant" {
				t.Errorf("%d %v", status, body)
			}
			if err := w.app.call(w.Server, access); !errors.Is(err, ErrTokenRevoked) {
				t.Errorf("the session stands: %v", err)
			}
			if lines := w.history(d.vault); !slices.Contains(lines, "session_ended done "+codeRefreshReused) {
				t.Errorf("record %q", lines)
			}
		})
	}
}

// A hundred use one refresh token at once, in two processes: one line of successors survives.
func TestRefreshOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	_, first := w.lasting()
	other := w.peopled(w.pool)
	proofs := make([]string, 100)
	for i := range proofs {
		proofs[i] = w.app.proof(http.MethodPost, pathToken, "")
	}
	successors := make([]string, 100)
	together(100, func(i int) {
		status, body := w.post([]*Server{w.Server, other}[i%2], w.refreshForm(first), proofs[i])
		if status != http.StatusOK {
			t.Errorf("%d %v", status, body)
			return
		}
		successors[i] = body["refresh_token"].(string)
	})
	current := 0
	for _, token := range successors {
		sum := sha256.Sum256([]byte(token))
		current += w.count(`select count(*) from sessions where refresh_hash = $1`, sum[:])
	}
	if current != 1 {
		t.Errorf("%d of the successors work", current)
	}
	if slices.Sort(successors); len(slices.Compact(successors)) != 100 {
		t.Error("two got the same token")
	}
}

func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		change func(w *town, f url.Values)
		key    bool
		sql    string
		wait   time.Duration
		want   string
	}{
		"garbage":          {change: func(_ *town, f url.Values) { f.Set("refresh_token", strings.Repeat("x", 114)) }, want: "invalid_grant"},
		"none":             {change: func(_ *town, f url.Values) { f.Del("refresh_token") }, want: "invalid_grant"},
		"session as token": {change: func(w *town, f url.Values) { f.Set("refresh_token", w.anySession()) }, want: "invalid_grant"},
		"other client":     {change: func(w *town, f url.Values) { f.Set("client_id", w.world.app("app-khac").id) }, want: "invalid_grant"},
		"other DPoP key":   {key: true, want: "invalid_grant"},
		"wider":            {change: func(_ *town, f url.Values) { f.Set("scope", "openid results") }, want: "invalid_scope"},
		"twice":            {change: func(_ *town, f url.Values) { f.Set("scope", "openid openid") }, want: "invalid_scope"},
		"person blocked":   {sql: `update people set blocked = true`, want: "invalid_grant"},
		"dead":             {sql: `update people set life = 'dead'`, want: "invalid_grant"},
		"level taken back": {sql: `update people set level = 0`, want: "invalid_grant"},
		"session ended":    {sql: `update sessions set state = 'ended'`, want: "invalid_grant"},
		"client blocked":   {sql: `update clients set state = 'blocked'`, want: "invalid_client"},
		"idle":             {wait: sessionIdle, want: "invalid_grant"},
		// O4: what somebody else wrote is worth nothing.
		"session raised":    {sql: `update sessions set level = 2`, want: "server_error"},
		"session widened":   {sql: `update sessions set scope = 'openid wallet offline_access results'`, want: "server_error"},
		"session prolonged": {sql: `update sessions set expires_at = expires_at + interval '1 year'`, wait: sessionIdle, want: "server_error"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, false)
			_, token := w.lasting()
			form := w.refreshForm(token)
			if row.change != nil {
				row.change(w, form)
			}
			if row.sql != "" {
				w.exec(row.sql)
			}
			w.clock.advance(row.wait)
			by := &w.app.agency
			if row.key {
				by = &agency{w: w.world, id: w.app.id, dpop: newSender(t, jose.ES256, "")}
			}
			status, body := w.post(w.Server, form, by.proof(http.MethodPost, pathToken, ""))
			if status == http.StatusOK || body["error"] != row.want || body["access_token"] != nil {
				t.Errorf("%d %v, want %s", status, body, row.want)
			}
			if row.sql != "" || row.wait != 0 {
				return
			}
			w.refreshed(token) // what was refused used nothing up
		})
	}
}

func (w *town) anySession() string {
	w.tb.Helper()
	var vault identity.VaultID
	if err := w.db.Owner(w.tb).QueryRow(w.tb.Context(), `select vault_id from people`).Scan(&vault); err != nil {
		w.tb.Fatal(err)
	}
	sessions, err := w.Sessions(w.tb.Context(), free{}, vault)
	if err != nil || len(sessions) == 0 {
		w.tb.Fatalf("%v %v", sessions, err)
	}
	return sessions[0].ID
}

// Scope narrows for one answer; the token itself keeps what was granted (RFC 6749 §6). A scope that was taken from the client is gone.
func TestRefreshNarrows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	_, token := w.lasting()
	form := w.refreshForm(token)
	form.Set("scope", "wallet")
	status, body := w.post(w.Server, form, w.app.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusOK || body["scope"] != "wallet" || body["id_token"] != nil {
		t.Fatalf("%d %v", status, body)
	}
	status, body = w.refresh(w.Server, body["refresh_token"].(string))
	if status != http.StatusOK || body["scope"] != "openid wallet offline_access" {
		t.Fatalf("%d %v", status, body)
	}
}

// A session that is used lasts longer than its idle limit, and never longer than thirty days.
func TestSessionLimits(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	_, token := w.lasting()
	begun := w.clock.now()
	for range 2 {
		w.clock.advance(sessionIdle - time.Minute)
		_, token = w.refreshed(token)
	}
	if n := w.count(`select count(*) from sessions where expires_at = $1`, begun.Add(SessionLife)); n != 1 {
		t.Error("the end is not thirty days after the sign-in")
	}
	w.clock.advance(begun.Add(SessionLife).Sub(w.clock.now()))
	if status, body := w.refresh(w.Server, token); status != http.StatusBadRequest || body["error"] != "invalid_grant" {
		t.Errorf("after thirty days: %d %v", status, body)
	}
}

// An agency's refresh token stays the same, takes any DPoP key, and is worth nothing without the client's own assertion.
func TestRefreshOfAnAgency(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a, body := w.lodged("mamnon", "openid offline_access")
	token := body["refresh_token"].(string)
	form := func() url.Values {
		return a.proved(url.Values{"grant_type": {grantRefreshToken}, "refresh_token": {token}})
	}
	bare := form()
	bare.Del("client_assertion")
	bare.Del("client_assertion_type")
	if status, body := w.post(w.Server, bare, a.proof(http.MethodPost, pathToken, "")); body["error"] != "invalid_client" {
		t.Errorf("without assertion: %d %v", status, body)
	}
	for range 3 {
		a.dpop = newSender(t, jose.ES256, "")
		status, body := w.post(w.Server, form(), a.proof(http.MethodPost, pathToken, ""))
		if status != http.StatusOK || body["refresh_token"] != nil || body["id_token"] == nil {
			t.Fatalf("%d %v", status, body)
		}
		if err := a.call(w.Server, body["access_token"].(string)); err != nil {
			t.Error(err)
		}
		w.clock.advance(time.Minute)
	}
	var done atomic.Int32
	forms, proofs := make([]url.Values, 100), make([]string, 100)
	for i := range forms {
		forms[i], proofs[i] = form(), a.proof(http.MethodPost, pathToken, "")
	}
	together(100, func(i int) {
		if status, body := w.post(w.Server, forms[i], proofs[i]); status == http.StatusOK {
			done.Add(1)
		} else {
			t.Errorf("%d %v", status, body)
		}
	})
	if done.Load() != 100 {
		t.Errorf("%d of 100", done.Load())
	}
	other := w.agency("motcua")
	stolen := other.proved(form())
	if status, body := w.post(w.Server, stolen, other.proof(http.MethodPost, pathToken, "")); body["error"] != "invalid_grant" {
		t.Errorf("by another agency: %d %v", status, body)
	}
}
