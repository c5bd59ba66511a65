package web_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vidan/audit"
	"vidan/auth"
	"vidan/auth/passkey/passkeytest"
	"vidan/auth/passkey/webauthn"
	"vidan/identity"
)

// named moves a town to an address with a name: browsers make no passkeys for numbers.
func (w *town) named() string {
	w.t.Helper()
	at := strings.Replace(w.server.URL, "127.0.0.1", "localhost", 1)
	w.passkeys = must(webauthn.New(at, "Ví dân"))(w.t)
	w.auth = w.process(at, w.db.Pool)
	w.server.Config.Handler = w.handler(w.auth)
	w.server.URL = at
	return at
}

// passkey registers a passkey of somebody as the app does.
func (w *town) passkey(vault identity.VaultID, origin string) *passkeytest.Authenticator {
	w.t.Helper()
	ctx := w.t.Context()
	offer := must(w.auth.OfferPasskey(ctx, open{}, vault, "Máy tính ở nhà"))(w.t)
	a := passkeytest.New(w.t, origin, "localhost")
	response := a.Create(offer.Options)
	must(w.auth.RegisterPasskey(ctx, open{}, vault, audit.Actor{Vault: vault, Client: appID}, auth.NewPasskey{
		Name: "Máy tính ở nhà", Challenge: a.Challenge(offer.Options), Response: response,
	}, must(w.auth.SessionAuthority(w.principal(vault)))(w.t)))(w.t)
	return a
}

func options(t testing.TB, p page) []byte {
	t.Helper()
	return []byte(html.UnescapeString(found(t, p, `data-options="([^"]+)"`)))
}

// asks fails the test unless the page is the one with a script: its policy lets one file of this origin run and nothing else.
func (p page) asks(t testing.TB, status int) {
	t.Helper()
	policy := p.header.Get("Content-Security-Policy")
	if p.status != status || !strings.HasSuffix(policy, "; script-src 'self'") || !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; form-action 'self'") {
		t.Errorf("%d %q", p.status, policy)
	}
	if strings.Count(p.body, "<script") != 1 || !strings.Contains(p.body, `<script src="/static/passkey.js?v=`) || strings.Contains(p.body, "onclick") {
		t.Error("another script than its own")
	}
	for _, words := range []string{"cần JavaScript", "Cách khác", "Không đăng nhập", `name="response"`} {
		if !strings.Contains(p.body, words) {
			t.Errorf("the page does not say %q:\n%s", words, p.body)
		}
	}
}

// A passkey signs in at level 2 with nothing typed; the page says what to do without scripts, and another way is one press away.
func TestSignInByPasskey(t *testing.T) {
	t.Parallel()
	w := build(t)
	origin := w.named()
	vault, du := w.person(duNumber, 2, false)
	a := w.passkey(vault, origin)
	v := w.visitor()
	first := v.begin("2")
	first.shows(t, http.StatusOK, "passkey", `name="way" value="passkey"`)
	p := v.post(first, way("passkey"))
	p.asks(t, http.StatusOK)
	v.post(p, way("")).shows(t, http.StatusOK, `name="passphrase"`)
	p = v.post(first, way("passkey"))
	empty := v.post(p, url.Values{"action": {"passkey"}, "response": {""}}) // sent by somebody without scripts
	empty.asks(t, http.StatusUnprocessableEntity)
	stranger := passkeytest.New(t, origin, "localhost")
	stranger.Handle = a.Handle
	refused := v.post(empty, url.Values{"action": {"passkey"}, "response": {string(stranger.Get(options(t, empty)))}})
	refused.asks(t, http.StatusUnprocessableEntity)
	old := string(a.Get(options(t, empty)))
	again := v.post(refused, url.Values{"action": {"passkey"}, "response": {old}})
	again.asks(t, http.StatusUnprocessableEntity)
	landed(t, v.post(again, url.Values{"action": {"passkey"}, "response": {string(a.Get(options(t, again)))}}))

	// Beside the passphrase, where somebody chose that.
	other := w.visitor()
	w.card(vault)
	choose := other.post(other.begin("2"), typed(du.PersonalNumber, du.Passphrase))
	choose.shows(t, http.StatusOK, `value="passkey"`, `value="codecard"`)
	q := other.post(choose, way("passkey"))
	q.asks(t, http.StatusOK)
	landed(t, other.post(q, url.Values{"action": {"passkey"}, "response": {string(a.Get(options(t, q)))}}))
	script := w.visitor().get("/static/passkey.js")
	if script.status != http.StatusOK || !strings.HasPrefix(script.header.Get("Content-Type"), "text/javascript") || strings.Contains(script.body, "eval") || strings.Contains(script.body, "http") {
		t.Errorf("script: %d", script.status)
	}
}
