package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vidan/audit"
)

func actorOf(d du) audit.Actor { return audit.Actor{Vault: d.vault, Client: "vidan-app"} }

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	code := w.signedIn()
	if n := w.count(`select count(*) from authorization_codes where code_hash = $1`, []byte(code)); n != 0 {
		t.Error("the code itself is stored")
	}
	status, body := w.redeem(w.Server, code)
	if status != http.StatusOK || body["scope"] != "openid wallet" || body["token_type"] != "DPoP" {
		t.Fatalf("%d %v", status, body)
	}
	token := body["access_token"].(string)
	const path = "/v1/people/me/documents"
	p, err := w.Authenticate(request(http.MethodGet, path, token, w.app.proof(http.MethodGet, path, token)))
	if err != nil || p.Vault != d.vault || p.Level != 1 || len(p.AMR) != 1 {
		t.Fatalf("%v", err)
	}
	if err := run(t.Context(), w.Server, p.Guard()); err != nil {
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
	if id.Nonce != "n-1" || id.Audience != w.app.id || id.ACR != acrLevel1 || id.Factors != 1 || id.Subject == d.vault.String() || id.AuthTime == 0 {
		t.Errorf("id token %+v", id)
	}
	// O2: the token is bound to the key of the proof.
	thief := &agency{w: w.world, id: w.app.id, dpop: newSender(t, jose.ES256, "")}
	if err := thief.call(w.Server, token); !errors.Is(err, ErrProof) {
		t.Errorf("with another key: %v", err)
	}
	if n := w.count(`select count(*) from sessions where jkt = $1`, w.app.dpop.thumbprint(t)); n != 1 {
		t.Error("the session is not bound to the key")
	}
}

// A hundred redeem one code at once: one gets a token. The others make it clear that two have the code, so that its session ends.
func TestCodeOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	code := w.signedIn()
	other := w.peopled(w.pool)
	var won atomic.Int32
	var token atomic.Value
	proofs := make([]string, 100)
	for i := range proofs {
		proofs[i] = w.app.proof(http.MethodPost, pathToken, "")
	}
	together(100, func(i int) {
		status, body := w.post([]*Server{w.Server, other}[i%2], w.exchangeForm(code), proofs[i])
		switch {
		case status == http.StatusOK:
			won.Add(1)
			token.Store(body["access_token"])
		case body["error"] != "invalid_grant":
			t.Errorf("%d %v", status, body)
		}
	})
	if won.Load() != 1 {
		t.Fatalf("%d won", won.Load())
	}
	if err := w.app.call(w.Server, token.Load().(string)); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("the session stands: %v", err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'session_ended'`); n != 1 {
		t.Errorf("%d recorded", n)
	}
}

// A code that comes a second time ends the session that it made, in every process, and says so in the record.
func TestCodeReplayedEndsSession(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	code := w.signedIn()
	_, body := w.redeem(w.Server, code)
	token := body["access_token"].(string)
	there := w.peopled(w.pool)
	if err := w.app.call(there, token); err != nil {
		t.Fatal(err)
	}
	if status, body := w.redeem(there, code); status != http.StatusBadRequest || body["error"] != "invalid_grant" {
		t.Errorf("%d %v", status, body)
	}
	if err := w.app.call(w.Server, token); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("%v", err)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "session_ended done code_reused") {
		t.Errorf("record %q", lines)
	}
}

func TestCodeRefusals(t *testing.T) {
	t.Parallel()
	other := strings.Replace(testVerifier, "V", "W", 1)
	rows := map[string]struct {
		change func(w *town, f url.Values)
		key    bool   // another DPoP key
		sql    string // before
		wait   time.Duration
		want   string
	}{
		"wrong verifier":      {change: func(_ *town, f url.Values) { f.Set("code_verifier", other) }, want: "invalid_grant"},
		"no verifier":         {change: func(_ *town, f url.Values) { f.Del("code_verifier") }, want: "invalid_request"},
		"short verifier":      {change: func(_ *town, f url.Values) { f.Set("code_verifier", "ngan") }, want: "invalid_request"},
		"challenge as itself": {change: func(w *town, f url.Values) { f.Set("code_verifier", w.params(1).Get("code_challenge")) }, want: "invalid_grant"},
		"other redirect":      {change: func(_ *town, f url.Values) { f.Set("redirect_uri", appURI+"/") }, want: "invalid_grant"},
		"no redirect":         {change: func(_ *town, f url.Values) { f.Del("redirect_uri") }, want: "invalid_request"},
		"other code":          {change: func(_ *town, f url.Values) { f.Set("code", testVerifier) }, want: "invalid_grant"},
		"no code":             {change: func(_ *town, f url.Values) { f.Del("code") }, want: "invalid_grant"},
		"other client":        {change: func(w *town, f url.Values) { f.Set("client_id", w.world.app("app-khac").id) }, want: "invalid_grant"},
		"other DPoP key":      {key: true, want: "invalid_grant"},
		"too old":             {wait: codeLife, want: "invalid_grant"},
		"person blocked":      {sql: `update people set blocked = true`, want: "invalid_grant"},
		"level taken back":    {sql: `update people set level = 0`, want: "invalid_grant"},
		"session ended":       {sql: `update sessions set state = 'ended'`, want: "invalid_grant"},
		"session over":        {sql: `update sessions set expires_at = created_at`, want: "server_error"}, // by whoever: the MAC covers it
		"client blocked":      {sql: `update clients set state = 'blocked'`, want: "invalid_client"},
		"session raised":      {sql: `update sessions set level = 2, amr = '{pwd,pop}'`, want: "server_error"},
		"code moved":          {sql: `update authorization_codes set redirect_uri = 'https://evil.example'`, want: "server_error"},
		"code kept alive":     {sql: `update authorization_codes set expires_at = expires_at + interval '1 day'`, want: "server_error"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, false)
			code := w.signedIn()
			form := w.exchangeForm(code)
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
			if status, body := w.redeem(w.Server, code); status != http.StatusOK {
				t.Errorf("the refused request used the code up: %d %v", status, body)
			}
		})
	}
}

// A confidential client proves itself at the token endpoint as it does for itself.
func TestCodeOfAConfidentialClient(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	const uri = "https://mamnon.example/back"
	c := Client{ID: "mamnon", Organisation: "ubnd-phuong-sen", Name: "Trường Hoa Sen", Profile: FAPI2, Scopes: []string{"openid"}, RedirectURIs: []string{uri}}
	if err := w.directory.AddClient(t.Context(), c, w.clock.now()); err != nil {
		t.Fatal(err)
	}
	a := &agency{w: w.world, id: c.ID, key: newSender(t, jose.ES256, "mamnon-1"), dpop: newSender(t, jose.ES256, "")}
	a.register(a.key)
	pushing := a.pushForm(1)
	pushing.Set("redirect_uri", uri)
	_, _, pushed := w.postPAR(w.Server, pushing)
	params := url.Values{"client_id": {c.ID}, "request_uri": {pushed["request_uri"].(string)}}
	cookie, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	x := w.reopen(w.Server, cookie)
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); verdict != Accepted {
		t.Fatal(err)
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	form := w.exchangeForm(u.Query().Get("code"))
	form.Set("client_id", c.ID)
	form.Set("redirect_uri", uri)
	if status, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, "")); status != http.StatusBadRequest || body["error"] != "invalid_client" {
		t.Errorf("without an assertion: %d %v", status, body)
	}
	form.Set("client_assertion_type", assertionForm)
	form.Set("client_assertion", a.key.message(t, "JWT", a.claims()))
	status, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusOK || body["id_token"] == nil {
		t.Fatalf("%d %v", status, body)
	}
	if err := a.call(w.Server, body["access_token"].(string)); err != nil {
		t.Error(err)
	}
}
