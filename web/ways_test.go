package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"

	"vidan/audit"
	"vidan/auth"
	"vidan/auth/codes"
	"vidan/identity"
)

// card hands somebody a printed card of codes.
func (w *town) card(vault identity.VaultID) codes.Card {
	w.t.Helper()
	return must(w.auth.IssueCard(w.t.Context(), open{}, w.officer(), vault))(w.t).Codes
}

// display gives somebody a code display and returns its secret; the code of now is used.
func (w *town) display(vault identity.VaultID) string {
	w.t.Helper()
	ctx, by := w.t.Context(), audit.Actor{Vault: vault, Client: appID}
	right := must(w.auth.SessionAuthority(w.principal(vault)))(w.t)
	offer := must(w.auth.OfferDisplay(ctx, open{}, vault, "Đồng hồ mã"))(w.t)
	secret := must(url.Parse(offer.URI))(w.t).Query().Get("secret")
	must(w.auth.AddDisplay(ctx, open{}, vault, by, auth.NewDisplay{
		Name: "Đồng hồ mã", Offer: offer.Offer, Code: identity.NewPrivate(must(totp.GenerateCode(secret, w.now()))(w.t)),
	}, right))(w.t)
	return secret
}

// principal is a person who signed in at level 2 just now.
func (w *town) principal(vault identity.VaultID) *auth.Principal {
	return &auth.Principal{Kind: auth.Citizen, Level: 2, Vault: vault, AuthTime: w.now()}
}

func way(name string) url.Values { return url.Values{"action": {"way"}, "way": {name}} }

func code(text string) url.Values { return url.Values{"action": {"code"}, "code": {text}} }

func found(t testing.TB, p page, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("%s has no %s:\n%s", p.path, pattern, p.body)
	}
	return m[1]
}

// landed fails the test unless the page led back to the app with a code.
func landed(t testing.TB, p page) {
	t.Helper()
	if at := p.header.Get("Location"); p.status != http.StatusSeeOther || !strings.HasPrefix(at, appBack+"?code=") {
		t.Fatalf("sent to %q (%d):\n%s", at, p.status, p.body)
	}
}

// A widow without a phone: passphrase and the code of the card that is asked for, at a library computer, without scripts. The number stays over a
// reload and a wrong code.
func TestSignInByCard(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	printed := w.card(vault)
	v := w.visitor()
	p := v.post(v.begin("2"), typed(du.PersonalNumber, du.Passphrase))
	p.shows(t, http.StatusOK, "Nhập một mã trên thẻ", `name="code"`, `inputmode="numeric"`, `<label for="code">`, "Cách khác", `<strong data-left="40">`)
	asked := found(t, p, `data-card="(\d+)"`)
	if again := found(t, v.get("/signin"), `data-card="(\d+)"`); again != asked {
		t.Errorf("asked %s, then %s", asked, again)
	}
	v.post(p, code("12")).shows(t, http.StatusUnprocessableEntity, "6 chữ số", `role="alert"`)
	wrong := v.post(p, code("000000"))
	wrong.shows(t, http.StatusUnprocessableEntity, "Mã chưa đúng", `data-card="`+asked+`"`, `aria-describedby="asked code-hint fault"`)
	var right string
	for i, c := range printed {
		if found(t, p, `data-card="(\d+)"`) == itoa(i+1) {
			right = c.Reveal()
		}
	}
	landed(t, v.post(wrong, code(right[:3]+" "+right[3:])))

	// English, from the start.
	q := v.do(http.MethodPost, "/signin?lang=en", url.Values{})
	q.shows(t, http.StatusBadRequest)
	en := w.visitor()
	en.header.Set("Accept-Language", "en")
	en.post(en.begin("2"), typed(du.PersonalNumber, du.Passphrase)).shows(t, http.StatusOK, "Enter a code of your card", "Codes left on the card", `data-left="39"`, "Another way")
}

func itoa(n int) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// Somebody with several ways chooses, changes her mind at each step, and gets through; nothing of it is told before the passphrase.
func TestAnotherWay(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, true)
	w.card(vault)
	secret := w.display(vault)
	v := w.visitor()
	p := v.begin("2")
	if one := w.visitor().begin("2"); len(one.body) != len(p.body) || strings.Contains(p.body, "Thẻ mã in") {
		t.Error("the first page tells something")
	}
	choose := v.post(p, typed(du.PersonalNumber, du.Passphrase))
	choose.shows(t, http.StatusOK, "Chọn cách xác nhận", `value="device"`, `value="totp"`, `value="codecard"`, "quầy một cửa", "Không đăng nhập")
	if strings.Contains(choose.body, `value="passkey"`) || strings.Contains(choose.body, `value="passphrase"`) {
		t.Error("a way that is not there")
	}
	for name, words := range map[string]string{"device": "Xác nhận trên điện thoại", "totp": "Nhập mã đang hiện", "codecard": "Nhập một mã trên thẻ"} {
		at := v.post(choose, way(name))
		at.shows(t, http.StatusOK, words, "Cách khác", "Không đăng nhập")
		v.post(at, way("")).shows(t, http.StatusOK, "Chọn cách xác nhận")
	}
	v.post(choose, way("passkey")).shows(t, http.StatusOK, "Chọn cách xác nhận")
	at := v.post(choose, way("totp"))
	v.post(at, code("abc")).shows(t, http.StatusUnprocessableEntity, "6 chữ số")
	used := must(totp.GenerateCode(secret, w.now()))(t)
	v.post(at, code(used)).shows(t, http.StatusUnprocessableEntity, "đã được dùng")
	w.advance(codes.Period)
	landed(t, v.post(at, code(must(totp.GenerateCode(secret, w.now()))(t))))
	if names := cookieNames(v, w.server.URL); !strings.Contains(names, "vidan-factor") || strings.Contains(names, "vidan-signin") {
		t.Errorf("cookies %s", names)
	}
	// The phone's way after all, in another browser.
	other := w.visitor()
	q := other.post(other.post(other.begin("2"), typed(du.PersonalNumber, du.Passphrase)), way("device"))
	if err := w.app().Confirm(t.Context(), du, found(t, q, `data-number="(\d\d)"`)); err != nil {
		t.Fatal(err)
	}
	landed(t, other.get("/signin"))
}

func cookieNames(v *visitor, at string) string {
	var names []string
	for _, c := range v.http.Jar.Cookies(must(url.Parse(at))(v.w.t)) {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// Too many wrong codes: the page says how long to wait and what works; another address is not held back.
func TestThrottlePageOfCodes(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	w.card(vault)
	v := w.visitor()
	v.header.Set("Test-Address", "192.0.2.1")
	p := v.post(v.begin("2"), typed(du.PersonalNumber, du.Passphrase))
	for range 5 {
		v.post(p, code("000000")).shows(t, http.StatusUnprocessableEntity)
	}
	waiting := v.post(p, code("000000"))
	waiting.shows(t, http.StatusTooManyRequests, "<strong>15</strong>", "điện thoại đã đăng ký", "khóa đăng nhập")
	if after := waiting.header.Get("Retry-After"); len(after) != 3 {
		t.Errorf("Retry-After %q", after)
	}
	v.header.Set("Test-Address", "198.51.100.7")
	v.post(p, code("000000")).shows(t, http.StatusUnprocessableEntity)
}

// S5: what is typed at the second step comes back nowhere either.
func TestS5_SecondStepsKeepQuiet(t *testing.T) {
	t.Parallel()
	const secret = "CANARY-481516"
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	w.card(vault)
	v := w.visitor()
	p := v.post(v.begin("2"), typed(du.PersonalNumber, du.Passphrase))
	for _, values := range []url.Values{
		code(secret), code("481516"), way(secret), {"action": {secret}}, {"action": {"passkey"}, "response": {secret}}, {"action": {"way"}, "way": {"<b>" + secret}},
	} {
		q := v.post(p, values)
		if strings.Contains(q.body, "CANARY") || strings.Contains(q.body, "481516") || strings.Contains(strings.Join(q.header["Location"], ""), "CANARY") {
			t.Errorf("%v comes back", values)
		}
	}
	if strings.Contains(w.logs.String(), "CANARY") {
		t.Error("logged")
	}
}
