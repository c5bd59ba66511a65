//go:build browser

package browser_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"vidan/internal/outside"
)

type jsonObject map[string]any

func (o jsonObject) text(t testing.TB) string { return string(must(json.Marshal(o))(t)) }

// asked has a kindergarten ask for two fields.
func (v *visitor) asked(who outside.Citizen) {
	v.t.Helper()
	school := v.agency(v.t, "mam-non-hoa-mai")
	check(v.t, school.Login(v.t.Context(), "consent"))
	officer := must(school.Officer("mam-non-hoa-mai", "van-phong", "ht-1", "PHẠM VĂN GIẢ", "Hiệu trưởng"))(v.t)
	posts[struct{}](v, school, http.StatusCreated, "/v1/consent-requests", map[string]any{
		"organisation": "mam-non-hoa-mai", "procedure": "kindergarten_enrolment", "dossier_code": "MN-" + uuid.NewString()[:8], "purpose": "enrolment", "mode": "once",
		"parties": []map[string]any{{"roles": []string{"applicant"}, "personal_number": who.PersonalNumber}},
		"fields":  []string{"applicant_full_name"},
	}, "Officer-Assertion", officer, "Idempotency-Key", uuid.NewString())
}

// mine signs in to the pages of somebody's own, visits each page that is linked there, refuses one request and allows another, and signs out.
func (v *visitor) mine(who outside.Citizen) {
	v.t.Helper()
	v.asked(who)
	v.asked(who)
	v.open(v.issuer + "/me")
	v.press("main form button")
	v.passphrase(who)
	v.press("button[value=device]")
	v.confirm(who)
	v.do(chromedp.WaitVisible(chromedp.CSS("nav form button")))
	seen := map[string]bool{}
	v.follow(seen)
	for _, decision := range []string{"deny", "allow"} {
		v.open(v.issuer + "/me/requests")
		v.press(`main a[href^="/me/requests/"]`)
		if decision == "allow" {
			v.press("button[value=allow]")
			v.shows("#fault")
			v.look("me-request-nothing-ticked")
			v.tick("main input[type=checkbox]")
		}
		v.press("button[value=" + decision + "]")
		v.shows("[role=status]")
		v.look("me-" + decision)
	}
	v.open(v.issuer + "/me")
	v.press("nav form button")
	v.look("me-signed-out")
	v.open(v.issuer + "/me")
	v.shows(`form[action^="/me/sign-in"]`)
}

// follow visits every page of /me that links lead to, once.
func (v *visitor) follow(seen map[string]bool) {
	v.t.Helper()
	waiting := []string{"/me"}
	for len(waiting) > 0 {
		at := waiting[0]
		waiting = waiting[1:]
		name := pageName(at)
		if seen[name] {
			continue
		}
		seen[name] = true
		v.open(v.issuer + at)
		v.shows("main h1", "nav")
		v.look(name)
		waiting = append(waiting, evaluate[[]string](v, `[...document.querySelectorAll('a[href^="/me"]')].map((a) => a.getAttribute("href"))`)...)
	}
	for _, page := range []string{"me", "me-requests", "me-requests-one", "me-accesses", "me-relations", "me-devices", "me-devices-one", "me-sessions", "me-not-me"} {
		if !seen[page] {
			v.t.Errorf("no link leads to %s", page)
		}
	}
}

// pageName names a page by its address: those about one thing are one page.
func pageName(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) > 2 {
		parts[2] = "one"
	}
	name := strings.Join(parts, "-")
	for parameter := range u.Query() {
		if parameter != "lang" {
			name += "-" + parameter
		}
	}
	return name
}
