package web_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"vidan/internal/outside"
)

// pushed leaves a request of an agency at the server, as the agency's program would, and returns where the browser is sent.
func (w *town) pushed(c *outside.Client) string {
	w.t.Helper()
	assertion := must(c.Assertion())(w.t)
	form := url.Values{
		"client_id": {c.ID}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		"response_type": {"code"}, "redirect_uri": {agencyBack}, "scope": {"openid"}, "state": {"s-1"}, "login_hint": {duNumber},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"},
	}
	answer := must(w.server.Client().PostForm(w.server.URL+"/oauth/par", form))(w.t)
	said := body(w.t, answer)
	_, rest, ok := strings.Cut(said, `"request_uri":"`)
	uri, _, _ := strings.Cut(rest, `"`)
	if answer.StatusCode != http.StatusCreated || !ok {
		w.t.Fatalf("push: %d %s", answer.StatusCode, said)
	}
	return w.server.URL + "/oauth/authorize?" + url.Values{"client_id": {c.ID}, "request_uri": {uri}}.Encode()
}

// The page of a pushed request can be loaded again; it shows who is expected by three digits alone; once decided or too old it says what to do.
func TestPushedRequestPages(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.person(duNumber, 2, false)
	agency := w.agency()
	start := w.pushed(agency)
	visit := func(client *http.Client, at string) (int, string) {
		answer := must(client.Get(at))(t)
		return answer.StatusCode, body(t, answer)
	}
	browser := func() *http.Client {
		return &http.Client{Jar: must(cookiejar.New(nil))(t), CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), "https://mamnon.example/") {
				return http.ErrUseLastResponse
			}
			return nil
		}}
	}
	mine, other := browser(), browser()
	for range 3 {
		if status, page := visit(mine, start); status != http.StatusOK || !strings.Contains(page, `name="passphrase"`) || !strings.Contains(page, " 003<") || strings.Contains(page, duNumber) {
			t.Fatalf("loaded: %d %s", status, page)
		}
	}
	if status, page := visit(other, start); status != http.StatusOK || !strings.Contains(page, `name="passphrase"`) {
		t.Fatalf("another browser: %d %s", status, page)
	}
	sign := func(client *http.Client) *http.Response {
		_, page := visit(client, w.server.URL+"/signin")
		_, rest, _ := strings.Cut(page, `name="token" value="`)
		token, _, _ := strings.Cut(rest, `"`)
		r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/signin", strings.NewReader(url.Values{
			"token": {token}, "personal_number": {""}, "passphrase": {duPassphrase},
		}.Encode())))(t)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return must(client.Do(r))(t)
	}
	done := sign(mine)
	_ = body(t, done)
	if back := done.Header.Get("Location"); !strings.HasPrefix(back, agencyBack) || !strings.Contains(back, "code=") || !strings.Contains(back, "state=s-1") {
		t.Fatalf("%d sent to %q", done.StatusCode, back)
	}
	over := func(name string, status int, page string) {
		t.Helper()
		if status != http.StatusBadRequest || !strings.Contains(page, "Liên kết này đã hết hạn hoặc đã được dùng") || !strings.Contains(page, "bấm đăng nhập lần nữa") {
			t.Errorf("%s: %d %s", name, status, page)
		}
	}
	late := sign(other)
	over("a second decision", late.StatusCode, body(t, late))
	status, page := visit(browser(), start)
	over("begun after the decision", status, page)
	start = w.pushed(agency)
	w.advance(301 * time.Second)
	status, page = visit(browser(), start)
	over("five minutes later", status, page)
}

// O9: a phone whose clock is seven hours behind signs its owner in, and reads, without anybody doing anything about it.
func TestO9_WrongClock(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, true)
	app := w.app()
	app.Now = func() time.Time { return w.now().Add(-7 * time.Hour) }
	for _, confirm := range []bool{false, true} { // by the passphrase, and with the same phone confirming
		if err := app.SignIn(t.Context(), du, appBack, "openid wallet", confirm); err != nil {
			t.Fatal(err)
		}
	}
	if answer := must(app.TokenRequest(t.Context(), url.Values{"grant_type": {"authorization_code"}, "client_id": {appID}}))(t); answer.Status != http.StatusBadRequest || strings.Contains(string(answer.Body), "nonce") {
		t.Errorf("the nonce it was given is used from then on: %s", answer.Body)
	}
}
