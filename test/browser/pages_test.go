//go:build browser

package browser_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"vidan/internal/outside"
)

// TestPages: people of the sandbox sign in by every way, in both languages, with scripts and without (Q1); every page that they meet is looked at.
func TestPages(t *testing.T) {
	w := build(t)
	browser := chromium(t)
	t.Run("pages", func(t *testing.T) { // ends when all visits have
		for _, visit := range []struct {
			who, lang string
			scripts   bool
		}{
			{"du", "vi", true}, {"thi", "en", true}, {"hoa", "vi", false}, {"le", "en", false},
		} {
			name := visit.who + "-" + visit.lang
			if !visit.scripts {
				name += "-without-scripts"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w.everyWay(t, browser, w.citizen(t, visit.who), visit.lang, visit.scripts)
			})
		}
		for _, lang := range []string{"vi", "en"} {
			t.Run("dead-ends-"+lang, func(t *testing.T) {
				t.Parallel()
				w.deadEnds(t, browser, lang)
			})
		}
	})
	t.Logf("pictures of the pages are in %s", w.pictures)
}

func (w *world) everyWay(t *testing.T, browser context.Context, who outside.Citizen, lang string, scripts bool) {
	v := w.visitor(t, browser, lang, scripts)
	v.alone(who)
	v.device(who)
	phone := v.phone(who)
	codes := v.card(who)
	secret, used := v.display(phone)
	if scripts {
		v.makePasskey(phone)
	}
	v.code(who, secret, used)
	v.printed(who, codes)
	v.passkey(who)
	v.mine(who)
}

// alone: the passphrase alone is level 1; a wrong one leads to the form again, which says so.
func (v *visitor) alone(who outside.Citizen) {
	v.t.Helper()
	v.open(v.issuer + "/")
	v.look("home")
	r := v.begin("1")
	v.look("signin")
	v.passphrase(outside.Citizen{PersonalNumber: who.PersonalNumber, Passphrase: "không phải cụm này"})
	v.shows("#fault")
	v.look("signin-wrong")
	v.passphrase(who)
	v.lands(r, "1", "pwd")
}

// device: the page waits, and goes on by itself once the number was picked on the phone.
func (v *visitor) device(who outside.Citizen) {
	v.t.Helper()
	r := v.begin("2")
	v.passphrase(who)
	v.shows("[data-number]")
	v.look("confirm")
	v.confirm(who)
	v.lands(r, "2", "pwd", "pop")
}

// display has an app that shows codes registered, and returns its secret and the time step that is used up.
func (v *visitor) display(phone *outside.Client) (secret string, used int64) {
	v.t.Helper()
	offer := posts[struct {
		URI   string `json:"otpauth_uri"`
		Offer string `json:"offer"`
	}](v, phone, http.StatusOK, "/v1/me/code-displays/offer", map[string]string{"name": "Đồng hồ mã"})
	secret = must(url.Parse(offer.URI))(v.t).Query().Get("secret")
	used = time.Now().Unix()/int64(period.Seconds()) - 1 // a clock that is late, so that the next code need not be waited for
	posts[struct{}](v, phone, http.StatusCreated, "/v1/me/code-displays", map[string]string{
		"name": "Đồng hồ mã", "offer": offer.Offer, "code": shown(v.t, secret, used),
	})
	return secret, used
}

func shown(t testing.TB, secret string, step int64) string {
	t.Helper()
	return must(totp.GenerateCode(secret, time.Unix(step*int64(period.Seconds()), 0)))(t)
}

// code: what the display shows, chosen among the ways.
func (v *visitor) code(who outside.Citizen, secret string, used int64) {
	v.t.Helper()
	r := v.begin("2")
	v.passphrase(who)
	v.shows("button[value=device]", "button[value=totp]", "button[value=codecard]")
	v.look("choose")
	v.press("button[value=totp]")
	v.look("code")
	v.enter("#code", "12", "main form button")
	v.shows("#fault")
	v.look("code-wrong")
	v.enter("#code", shown(v.t, secret, used+1), "main form button")
	v.lands(r, "2", "pwd", "otp")
}

// printed: the code with the number that the page asks for.
func (v *visitor) printed(who outside.Citizen, codes []string) {
	v.t.Helper()
	r := v.begin("2")
	v.passphrase(who)
	v.press("button[value=codecard]")
	v.look("card")
	asked := must(strconv.Atoi(evaluate[string](v, `document.querySelector("[data-card]").dataset.card`)))(v.t)
	v.enter("#code", codes[asked-1], "main form button")
	v.lands(r, "2", "pwd", "otp")
}

// makePasskey registers a passkey of an authenticator in this browser, as a page of the app does.
func (v *visitor) makePasskey(phone *outside.Client) {
	v.t.Helper()
	call(v, webauthn.Enable, webauthn.EnableParams{})
	call(v, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	offer := posts[struct {
		Options jsonObject `json:"options"`
	}](v, phone, http.StatusOK, "/v1/me/passkeys/offer", map[string]string{"name": "Máy tính ở nhà"})
	v.open(v.issuer + "/")
	made := evaluate[jsonObject](v, `navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(`+offer.Options.text(v.t)+`)}).then((c) => c.toJSON())`,
		chromedp.EvalAwaitPromise)
	posts[struct{}](v, phone, http.StatusCreated, "/v1/me/passkeys", map[string]any{"name": "Máy tính ở nhà", "challenge": offer.Options["challenge"], "response": made})
}

// passkey: one press and nothing typed; without scripts the page says so, and another way is one press away.
func (v *visitor) passkey(who outside.Citizen) {
	v.t.Helper()
	r := v.begin("2")
	v.press("button[value=passkey]")
	if v.scripts {
		v.shows("#passkey button")
		if v.visible("#no-script") {
			v.t.Error("the page says that scripts are off")
		}
		v.look("passkey")
		v.do(chromedp.Click(chromedp.CSS("#passkey button"), chromedp.NodeVisible))
		v.lands(r, "2", "pop", "mfa")
		return
	}
	v.shows("#no-script")
	if v.visible("#passkey button") {
		v.t.Error("without scripts there is a button that does nothing")
	}
	v.look("passkey-without-scripts")
	v.press(`button[name=way][value=""]`)
	v.passphrase(who)
	v.shows("button[value=totp]")
	v.press(`form:last-of-type button`)
	if told := v.answer(r).Get("error"); told != "access_denied" {
		v.t.Errorf("whoever does not want to sign in: %q", told)
	}
}

// deadEnds visits the pages that say why something does not go on.
func (w *world) deadEnds(t *testing.T, browser context.Context, lang string) {
	v := w.visitor(t, browser, lang, true)
	for name, at := range map[string]string{
		"problem": "/problems/not_found", "untrusted": "/oauth/authorize?client_id=nobody", "no-signin": "/signin", "signed-out": "/signed-out",
		"activate": "/activate", "enter": "/me",
	} {
		v.open(v.issuer + at)
		v.shows("main h1", `main a[href="/"]`)
		v.look(name)
	}
	v.open(v.issuer + "/activate")
	v.types("#number", "001196000000")
	v.types("#code", "12345678")
	v.types("#passphrase", "bốn từ không liên quan")
	v.types("#again", "bốn từ không liên quan")
	v.press("main form button")
	v.shows("#fault")
	v.look("activate-wrong")
	v.begin("2")
	v.passphrase(w.citizen(t, "chung"))
	v.shows("main form button")
	v.look("needs-level")
	who := w.citizen(t, map[string]string{"vi": "dan", "en": "giai"}[lang])
	v.begin("2")
	v.passphrase(who)
	if err := v.app(t).Confirm(t.Context(), who, "00"); err == nil {
		t.Error("a number that was not shown confirmed a sign-in")
	}
	v.open(v.issuer + "/signin")
	v.shows("main form button")
	v.look("dead")
}
