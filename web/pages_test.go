package web_test

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"vidan/internal/outside"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// visitor is a browser that a test drives by hand: it follows redirects within the site and stops where it would leave it.
type visitor struct {
	w      *town
	http   *http.Client
	header http.Header
}

// page is what the visitor sees.
type page struct {
	status int
	header http.Header
	path   string
	body   string
}

func (w *town) visitor() *visitor {
	w.t.Helper()
	v := &visitor{w: w, http: &http.Client{Jar: must(cookiejar.New(nil))(w.t)}, header: http.Header{"Accept-Language": {"vi"}}}
	v.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if "http://"+r.URL.Host != w.server.URL {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return v
}

func (v *visitor) do(method, path string, form url.Values) page {
	v.w.t.Helper()
	r := must(http.NewRequestWithContext(v.w.t.Context(), method, v.w.server.URL+path, strings.NewReader(form.Encode())))(v.w.t)
	r.Header = v.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer := must(v.http.Do(r))(v.w.t)
	return page{answer.StatusCode, answer.Header, answer.Request.URL.RequestURI(), body(v.w.t, answer)}
}

func (v *visitor) get(path string) page { v.w.t.Helper(); return v.do(http.MethodGet, path, nil) }

var reToken = regexp.MustCompile(`name="token" value="([^"]+)"`)

// post sends the form of a page with its token.
func (v *visitor) post(p page, values url.Values) page {
	v.w.t.Helper()
	if token := reToken.FindStringSubmatch(p.body); token != nil && !values.Has("token") {
		values.Set("token", html.UnescapeString(token[1]))
	}
	return v.do(http.MethodPost, "/signin", values)
}

// params are a good authorization request of the app.
func (w *town) params(level string) url.Values {
	c := must(outside.NewKey(""))(w.t)
	return url.Values{
		"response_type": {"code"}, "client_id": {appID}, "redirect_uri": {appBack}, "scope": {"wallet"}, "state": {"s1"},
		"code_challenge": {c.Thumbprint}, "code_challenge_method": {"S256"}, "dpop_jkt": {c.Thumbprint}, "acr_values": {"urn:vidan:level:" + level},
	}
}

func (v *visitor) begin(level string) page {
	v.w.t.Helper()
	return v.get("/oauth/authorize?" + v.w.params(level).Encode())
}

func typed(number, passphrase string) url.Values {
	return url.Values{"personal_number": {number}, "passphrase": {passphrase}}
}

// shows fails the test unless the page has the status and the words, the headers every page has, and a way on.
func (p page) shows(t testing.TB, status int, words ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("%s: status %d, want %d", p.path, p.status, status)
	}
	for _, word := range words {
		if !strings.Contains(p.body, word) {
			t.Errorf("%s does not show %q:\n%s", p.path, word, p.body)
		}
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		if !strings.HasPrefix(p.header.Get(name), want) {
			t.Errorf("%s: %s is %q", p.path, name, p.header.Get(name))
		}
	}
	if !strings.Contains(p.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%s can be framed", p.path)
	}
	for _, never := range []string{"<script", "javascript:", " style=", "onclick", "src=", "//fonts"} {
		if strings.Contains(strings.ToLower(p.body), never) {
			t.Errorf("%s has %q", p.path, never)
		}
	}
	if strings.Count(p.body, "<h1>") != 1 || !strings.Contains(p.body, "<main") {
		t.Errorf("%s has not one heading", p.path)
	}
	if strings.Count(p.body, "<form") == 0 && strings.Count(p.body, "href=") < 4 {
		t.Errorf("%s is a dead end", p.path)
	}
}

// E4: each way a sign-in can go has a page that says what to do next, and leads back to the client.
func TestE4_NoDeadEnds(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, one := w.person("099090000002", 1, false)
	v := w.visitor()
	p := v.begin("2")
	p.shows(t, http.StatusOK, "Đăng nhập", "Ứng dụng Ví dân", `name="personal_number"`, `autocomplete="current-password"`, `<html lang="vi">`)
	v.post(p, typed("12", "x")).shows(t, http.StatusUnprocessableEntity, "12 chữ số", `role="alert"`)
	v.post(p, typed(one.PersonalNumber, "sai rồi nhé")).shows(t, http.StatusUnprocessableEntity, "chưa đúng")
	v.post(p, typed(duNumber, "sai rồi nhé")).shows(t, http.StatusUnprocessableEntity, "chưa đúng")
	q := v.post(p, typed(one.PersonalNumber, one.Passphrase))
	q.shows(t, http.StatusForbidden, "mức độ 2", "quầy một cửa", "Quay lại nơi bạn đến")
	back := v.post(q, url.Values{"action": {"cancel"}})
	if at := back.header.Get("Location"); back.status != http.StatusSeeOther || !strings.HasPrefix(at, appBack+"?error=access_denied") || !strings.Contains(at, "state=s1") {
		t.Errorf("back: %d %q", back.status, at)
	}
	v.get("/signin").shows(t, http.StatusBadRequest, "bắt đầu đăng nhập lại")

	_, two := w.person(duNumber, 2, false)
	v.post(v.begin("2"), typed(two.PersonalNumber, two.Passphrase)).shows(t, http.StatusForbidden, "thẻ mã in", "đăng ký điện thoại", "quầy một cửa")
	w.exec(`update people set blocked = true`)
	v.post(v.begin("1"), typed(two.PersonalNumber, two.Passphrase)).shows(t, http.StatusForbidden, "bị khóa", "quầy một cửa")
	w.exec(`update people set blocked = false`)

	done := v.post(v.begin("1"), typed(two.PersonalNumber, two.Passphrase))
	if at := done.header.Get("Location"); done.status != http.StatusSeeOther || !strings.HasPrefix(at, appBack+"?code=") {
		t.Errorf("done: %d %q", done.status, at)
	}
	if done.body != "" {
		t.Error("the redirect has a body")
	}
}

// A sign-in that the phone refused, or answered with another number, can be begun again; one that went through says so.
func TestConfirmPage(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, true)
	v := w.visitor()
	p := v.post(v.begin("2"), typed(du.PersonalNumber, du.Passphrase))
	p.shows(t, http.StatusOK, "Xác nhận trên điện thoại", "/signin?stay=1")
	if again := v.get("/signin").header.Get("Refresh"); again != "10" {
		t.Errorf("looks again after %q", again)
	}
	// Whoever reads slowly keeps the page as it is, in either language (WCAG 2.2.1).
	for _, at := range []string{"/signin?stay=1", "/signin?lang=en&stay=1"} {
		still := v.get(at)
		still.shows(t, http.StatusOK, "data-number")
		if again := still.header.Get("Refresh"); again != "" || strings.Contains(still.body, "stay=1\"") {
			t.Errorf("%s looks again after %q", at, again)
		}
	}
	v.get("/signin?lang=en").shows(t, http.StatusOK, "/signin?lang=en&amp;stay=1")
	number := regexp.MustCompile(`data-number="(\d\d)"`).FindStringSubmatch(p.body)
	if number == nil {
		t.Fatal("no number")
	}
	v.get("/signin").shows(t, http.StatusOK, `data-number="`+number[1]+`"`)
	if v.do(http.MethodHead, "/signin", nil).status != http.StatusMethodNotAllowed {
		t.Error("HEAD goes on")
	}
	wrong := map[bool]string{true: "11", false: "10"}[number[1] == "10"]
	if err := w.app().Confirm(t.Context(), du, wrong); err == nil {
		t.Error("a wrong number confirmed")
	}
	dead := v.get("/signin")
	dead.shows(t, http.StatusOK, "bị từ chối", "Đăng nhập lại")
	anew := v.post(dead, url.Values{"action": {"again"}})
	anew.shows(t, http.StatusOK, `name="passphrase"`)
	p = v.post(anew, typed(du.PersonalNumber, du.Passphrase))
	number = regexp.MustCompile(`data-number="(\d\d)"`).FindStringSubmatch(p.body)
	if err := w.app().Confirm(t.Context(), du, number[1]); err != nil {
		t.Fatal(err)
	}
	if at := v.get("/signin").header.Get("Location"); !strings.HasPrefix(at, appBack+"?code=") {
		t.Errorf("sent to %q", at)
	}
}

// E3: a form from elsewhere, or of another sign-in, does nothing.
func TestE3_Forms(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, false)
	v := w.visitor()
	p := v.begin("1")
	before := w.count(`select count(*) from throttles`)
	for name, header := range map[string]http.Header{
		"another site": {"Sec-Fetch-Site": {"cross-site"}}, "another host of the site": {"Sec-Fetch-Site": {"same-site"}},
		"another origin": {"Origin": {"https://evil.example"}}, "no origin": {"Origin": {"null"}},
	} {
		foreign := *v
		foreign.header = header
		foreign.post(p, typed(du.PersonalNumber, du.Passphrase)).shows(t, http.StatusForbidden, "Mẫu này không gửi được")
		if name == "another site" {
			foreign.do(http.MethodPost, "/activate", url.Values{"code": {"1"}}).shows(t, http.StatusForbidden)
		}
	}
	for _, token := range []string{"", "x", reToken.FindStringSubmatch(w.visitor().begin("1").body)[1]} {
		values := typed(du.PersonalNumber, du.Passphrase)
		values.Set("token", token)
		v.post(p, values).shows(t, http.StatusOK, `name="passphrase"`) // the form again, untouched
	}
	if n := w.count(`select count(*) from throttles`); n != before {
		t.Error("a foreign form was an attempt")
	}
	v.do(http.MethodPost, "/signin", url.Values{"passphrase": {strings.Repeat("x", 32<<10)}}).shows(t, http.StatusBadRequest)
	if p.header.Get("Referrer-Policy") != "same-origin" || v.get("/").header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("referrer policy")
	}
	if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' http://127.0.0.1:49152;") {
		t.Errorf("policy %q", policy)
	}
}

// The endpoint takes a POST as well, from any origin; a fault of the request is told to the client, or to nobody.
func TestAuthorizeEndpoint(t *testing.T) {
	t.Parallel()
	w := build(t)
	v := w.visitor()
	v.header.Set("Sec-Fetch-Site", "cross-site")
	v.do(http.MethodPost, "/oauth/authorize", w.params("1")).shows(t, http.StatusOK, `name="passphrase"`)
	v = w.visitor()
	params := w.params("1")
	params.Set("scope", "admin")
	refused := v.get("/oauth/authorize?" + params.Encode())
	if at := refused.header.Get("Location"); refused.status != http.StatusSeeOther || !strings.HasPrefix(at, appBack+"?error=invalid_scope") || !strings.Contains(at, "iss=") {
		t.Errorf("%d %q", refused.status, at)
	}
	params.Set("redirect_uri", "https://evil.example/back")
	untrusted := v.get("/oauth/authorize?" + params.Encode())
	untrusted.shows(t, http.StatusBadRequest, "chưa được đăng ký")
	if strings.Contains(untrusted.body, "evil.example") {
		t.Error("the page leads to where the request wanted")
	}
	v.get("/oauth/authorize").shows(t, http.StatusBadRequest)
	v.get("/oauth/authorize?%zz").shows(t, http.StatusBadRequest)
	params = w.params("1")
	params.Set("ui_locales", "en")
	v.get("/oauth/authorize?"+params.Encode()).shows(t, http.StatusOK, "Sign in", `<html lang="en">`, `action="/signin?lang=en"`)
}

// E5: every page speaks both languages; Vietnamese unless English is asked for.
func TestE5_Languages(t *testing.T) {
	t.Parallel()
	w := build(t)
	for accept, want := range map[string]string{
		"": "vi", "vi": "vi", "en-GB,en;q=0.9": "en", "fr": "vi", "fr, en;q=0.5": "en", "vi;q=0.1, en": "en", "en;q=x": "vi", strings.Repeat("en,", 300): "vi",
	} {
		v := w.visitor()
		v.header.Set("Accept-Language", accept)
		if got := v.get("/").header.Get("Content-Language"); got != want {
			t.Errorf("%.20q: %s", accept, got)
		}
	}
	for path, words := range map[string][2]string{
		"/": {"giấy tờ của bạn", "your papers"}, "/activate": {"Mã một lần", "One-time code"}, "/signed-out": {"đã đăng xuất", "signed out"},
		"/problems/not_found": {"Bạn có thể làm gì", "What you can do"}, "/signin": {"Không có lần đăng nhập", "No sign-in"},
	} {
		for i, language := range []string{"vi", "en"} {
			p := w.visitor().get(path + "?lang=" + language)
			p.shows(t, map[bool]int{true: 400, false: 200}[path == "/signin"], words[i], `<html lang="`+language+`">`)
		}
	}
	w.visitor().get("/problems/khong-co").shows(t, http.StatusNotFound)
	style := w.visitor().get("/static/style.css")
	if style.status != http.StatusOK || !strings.HasPrefix(style.header.Get("Content-Type"), "text/css") || strings.Contains(style.body, "url(") {
		t.Errorf("style sheet: %d", style.status)
	}
}

// The account is opened with the one-time code, once; the page never says whether it was the number or the code that was wrong.
func TestActivate(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	if err := w.app().SignIn(t.Context(), du, appBack, "wallet", false); err != nil {
		t.Fatal(err)
	}
	code, chosen := w.code(vault), "lúa chín vàng đồng"
	form := func(number, code, first, second string) url.Values {
		return url.Values{"personal_number": {number}, "code": {code}, "passphrase": {first}, "passphrase_again": {second}}
	}
	v := w.visitor()
	v.get("/activate").shows(t, http.StatusOK, `autocomplete="one-time-code"`)
	unknown := v.do(http.MethodPost, "/activate", form("099193999999", code, chosen, chosen))
	unknown.shows(t, http.StatusUnprocessableEntity, "mã chưa đúng")
	wrong := v.do(http.MethodPost, "/activate", form(duNumber, map[bool]string{true: "00000001", false: "00000000"}[code == "00000000"], chosen, chosen))
	if wrong.body != unknown.body || wrong.status != unknown.status {
		t.Error("a wrong code and a wrong number differ")
	}
	v.do(http.MethodPost, "/activate", form(duNumber, code, chosen, chosen+"x")).shows(t, http.StatusUnprocessableEntity, "không giống nhau")
	v.do(http.MethodPost, "/activate", form(duNumber, code, "ngắn", "ngắn")).shows(t, http.StatusUnprocessableEntity, "dễ đoán")
	v.do(http.MethodPost, "/activate", form(duNumber, code, duNumber, duNumber)).shows(t, http.StatusUnprocessableEntity, "dễ đoán")
	v.do(http.MethodPost, "/activate", form("099.193.000.003", code[:4]+" "+code[4:], chosen, chosen)).shows(t, http.StatusOK, "đã được kích hoạt", "Mở ứng dụng")
	v.do(http.MethodPost, "/activate", form(duNumber, code, chosen, chosen)).shows(t, http.StatusUnprocessableEntity, "mã chưa đúng")
	if n := w.count(`select count(*) from sessions where state = 'active'`); n != 0 {
		t.Errorf("%d sessions of the old passphrase stand", n)
	}
	v.post(v.begin("1"), typed(du.PersonalNumber, du.Passphrase)).shows(t, http.StatusUnprocessableEntity, "chưa đúng")
	du.Passphrase = chosen
	if err := w.app().SignIn(t.Context(), du, appBack, "wallet", false); err != nil {
		t.Error(err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'activated'`); n != 1 {
		t.Errorf("%d activations recorded", n)
	}
	for range 6 {
		v.do(http.MethodPost, "/activate", form(duNumber, "00000000", chosen, chosen))
	}
	v.do(http.MethodPost, "/activate", form(duNumber, "00000000", chosen, chosen)).shows(t, http.StatusTooManyRequests, "Số phút cần chờ")
}

// Too many tries: a page with how long to wait, in the header too; a browser elsewhere is not held back.
func TestThrottlePage(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, false)
	v := w.visitor()
	v.header.Set("Test-Address", "192.0.2.1")
	p := v.begin("1")
	for range 5 {
		v.post(p, typed(du.PersonalNumber, "sai rồi nhé")).shows(t, http.StatusUnprocessableEntity)
	}
	waiting := v.post(p, typed(du.PersonalNumber, du.Passphrase))
	waiting.shows(t, http.StatusTooManyRequests, "<strong>15</strong>", "quầy một cửa")
	if after := waiting.header.Get("Retry-After"); len(after) != 3 {
		t.Errorf("Retry-After %q", after)
	}
	v.header.Set("Test-Address", "198.51.100.7")
	if at := v.post(p, typed(du.PersonalNumber, du.Passphrase)).header.Get("Location"); !strings.HasPrefix(at, appBack+"?code=") {
		t.Errorf("elsewhere: sent to %q", at)
	}
}

// S2 for sign-ins: a person who is blocked is refused at the next request, on a process that served them before, and so is their next sign-in.
func TestS2_BlockedOnAnotherProcess(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, true)
	app := w.app()
	if err := app.SignIn(t.Context(), du, appBack, "openid wallet", true); err != nil {
		t.Fatal(err)
	}
	if status, said := papers(t, app); status != http.StatusOK {
		t.Fatal(said)
	}
	w.exec(`update people set blocked = true`)
	if status, said := papers(t, app); status != http.StatusUnauthorized || said != "person_blocked" {
		t.Errorf("%d %s", status, said)
	}
	if err := app.SignIn(t.Context(), du, appBack, "openid wallet", false); err == nil {
		t.Error("signed in")
	}
}

// S5: nothing that a person typed comes back in a page, a header or a log line, whatever goes wrong.
func TestS5_PagesKeepQuiet(t *testing.T) {
	t.Parallel()
	const secret, number = "CANARY-mật khẩu", "099193000003"
	w := build(t)
	w.person(number, 2, false)
	var said strings.Builder
	hear := func(p page) {
		said.WriteString(p.body)
		for name, values := range p.header {
			said.WriteString(name + ": " + strings.Join(values, ",") + "\n")
		}
	}
	v := w.visitor()
	for name := range w.params("1") {
		for _, value := range []string{secret, number, "<b>" + secret} {
			if name == "state" {
				continue // is the client's own and goes back to it
			}
			params := w.params("1")
			params.Set(name, value)
			hear(v.get("/oauth/authorize?" + params.Encode()))
		}
	}
	p := v.begin("1")
	for _, values := range []url.Values{
		typed(number, secret), typed(secret, number), typed(number, ""), {"token": {secret}}, {"action": {secret}, "personal_number": {number}},
	} {
		hear(v.post(p, values))
		values.Set("code", number[:8])
		values.Set("passphrase_again", values.Get("passphrase"))
		hear(v.do(http.MethodPost, "/activate", values))
		hear(v.do(http.MethodPost, "/activate?lang="+url.QueryEscape(secret), values))
	}
	for range 6 {
		hear(v.post(p, typed(number, secret)))
	}
	hear(v.get("/problems/" + url.PathEscape(secret)))

	// Faults inside: a row that was altered, then a database that is gone.
	w.exec(`update credentials set name = 'x'`)
	v.header.Set("Test-Address", "198.51.100.8")
	broken := v.post(p, typed(number, secret))
	broken.shows(t, http.StatusInternalServerError, "Có lỗi ở phía chúng tôi")
	hear(broken)
	pool := w.db.Open(t, pg.Config{Role: pgtest.Serve, AcquireTimeout: time.Second})
	s := w.process(w.server.URL, pool)
	pool.Close()
	w.server.Config.Handler = w.handler(s)
	hear(v.begin("1"))
	if w.logs.String() == "" {
		t.Error("no fault was logged: this test would prove nothing")
	}
	for where, heard := range map[string]string{"pages": said.String(), "logs": w.logs.String()} {
		for _, canary := range []string{"CANARY", number} {
			if strings.Contains(heard, canary) {
				t.Errorf("%s show %q", where, canary)
			}
		}
	}
}
