package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/auth"
	"vidan/consent"
	"vidan/internal/outside"
	"vidan/prefill"
	"vidan/procedure"
	"vidan/wallet"
)

var catalogue = sync.OnceValues(procedure.Load)

// wallets is where people are asked, and what they would give.
func (w *town) wallets(pool *pgxpool.Pool, keys *auth.Keys, issuer string) *consent.Ledger {
	w.t.Helper()
	known := must(catalogue())(w.t)
	w.ledger = must(consent.New(consent.Deps{
		Pool: pool, Deployment: w.d, Vaults: w.vaults, Audit: w.record, People: w.registry, Catalogue: known, Issuer: issuer, Now: w.now,
		Sign: func(claims []byte) (string, error) {
			return keys.Signer(auth.ReceiptKeys).Sign(consent.ReceiptType, claims)
		},
	}))(w.t)
	held := must(wallet.New(wallet.Deps{Pool: pool, Deployment: w.d, Vaults: w.vaults, Audit: w.record, Now: w.now}))(w.t)
	w.prefill = must(prefill.New(prefill.Deps{
		Pool: pool, Deployment: w.d, Vaults: w.vaults, Catalogue: known, Audit: w.record, People: w.registry, Consent: w.ledger, Wallet: held,
		Issuer: issuer, Now: w.now,
		Sign: func(claims []byte) (string, error) {
			return keys.Signer(auth.PrefillKeys).Sign(prefill.AnswerType, claims)
		},
	}))(w.t)
	return w.ledger
}

// mandate lets the kindergarten ask.
func (w *town) mandate() {
	w.t.Helper()
	must(auth.NewDirectory(w.db.Pool, w.d).AddMandate(w.t.Context(), auth.Mandate{
		Client: agencyID, Organisation: "truong-sen", Units: []string{auth.AllUnits}, Procedures: []string{"kindergarten_enrolment"},
		Rights: []auth.Right{auth.RightRequest}, From: w.now(), Until: w.now().Add(24 * time.Hour),
	}))(w.t)
}

// pushedDetails leaves a request for facts at the server and returns where the browser is sent.
func (w *town) pushedDetails(c *outside.Client, details map[string]any) string {
	w.t.Helper()
	for name, value := range map[string]any{"type": "vidan_procedure", "organisation": "truong-sen", "procedure": "kindergarten_enrolment",
		"dossier_code": "HS-2026-0042", "roles": []string{"applicant"}, "purpose": "enrolment"} {
		if details[name] == nil {
			details[name] = value
		}
	}
	raw := must(json.Marshal([]any{details}))(w.t)
	form := url.Values{
		"client_id": {c.ID}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {must(c.Assertion())(w.t)}, "response_type": {"code"}, "redirect_uri": {agencyBack}, "scope": {"openid"}, "state": {"s-1"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}, "authorization_details": {string(raw)},
	}
	r := must(http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+"/oauth/par", strings.NewReader(form.Encode())))(w.t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Officer-Assertion", must(c.Officer("truong-sen", "van-phong", "ht-1", "PHẠM VĂN GIẢ", "Hiệu trưởng"))(w.t))
	answer := must(w.server.Client().Do(r))(w.t)
	said := body(w.t, answer)
	_, rest, ok := strings.Cut(said, `"request_uri":"`)
	uri, _, _ := strings.Cut(rest, `"`)
	if answer.StatusCode != http.StatusCreated || !ok {
		w.t.Fatalf("push: %d %s", answer.StatusCode, said)
	}
	return w.server.URL + "/oauth/authorize?" + url.Values{"client_id": {c.ID}, "request_uri": {uri}}.Encode()
}

// guest is a browser without scripts.
type guest struct {
	w      *town
	client *http.Client
	page   string
}

func (w *town) guest() *guest {
	return &guest{w: w, client: &http.Client{Jar: must(cookiejar.New(nil))(w.t), CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), "https://mamnon.example/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// get loads a page and returns its status and where it leads outside.
func (v *guest) get(at string) (int, string) { return v.took(must(v.client.Get(at))(v.w.t)) }

// submit sends a form of the page with the token in it.
func (v *guest) submit(form url.Values) (int, string) {
	_, rest, _ := strings.Cut(v.page, `name="token" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	form.Set("token", token)
	r := must(http.NewRequestWithContext(v.w.t.Context(), http.MethodPost, v.w.server.URL+"/signin", strings.NewReader(form.Encode())))(v.w.t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.took(must(v.client.Do(r))(v.w.t))
}

func (v *guest) took(answer *http.Response) (int, string) {
	v.page = body(v.w.t, answer)
	return answer.StatusCode, answer.Header.Get("Location")
}

// askedPage brings a visitor to the page on which she is asked.
func (w *town) askedPage(c *outside.Client, details map[string]any) *guest {
	w.t.Helper()
	v := w.guest()
	v.get(w.pushedDetails(c, details))
	if status, _ := v.submit(url.Values{"personal_number": {duNumber}, "passphrase": {duPassphrase}}); status != http.StatusOK {
		w.t.Fatalf("signed in: %d %s", status, v.page)
	}
	return v
}

// The page says who asks, which officer, why and for what, word by word as it is hashed; nothing is ticked; yes, no and later each lead back to the
// office, and what was allowed once stands.
func TestAskedPage(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		form   url.Values
		back   string
		grants int
	}{
		"yes":   {url.Values{"decision": {"allow"}, "field": {"applicant_full_name"}}, "code=", 1},
		"no":    {url.Values{"decision": {"deny"}}, "error=access_denied", 0},
		"later": {url.Values{"decision": {"later"}}, "code=", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			w.person(duNumber, 2, false)
			c := w.agency()
			w.mandate()
			v := w.askedPage(c, map[string]any{"fields": []string{"applicant_full_name"}})
			for _, words := range []string{"Trường mầm non Hoa Sen", "PHẠM VĂN GIẢ", "HS-2026-0042", "Từ chối không ảnh hưởng", `name="field" value="applicant_full_name"`} {
				if !strings.Contains(v.page, words) {
					t.Errorf("no %q on the page", words)
				}
			}
			if strings.Contains(v.page, "checked") || strings.Contains(v.page, "<script") {
				t.Error("something is ticked, or a script")
			}
			v.get(w.server.URL + "/signin?lang=en") // loading it again changes nothing
			if !strings.Contains(v.page, "Lotus Kindergarten") {
				t.Errorf("in English: %s", v.page)
			}
			row.form.Set("action", "decide")
			if status, to := v.submit(row.form); status != http.StatusSeeOther || !strings.HasPrefix(to, agencyBack) || !strings.Contains(to, row.back) {
				t.Fatalf("%d sent to %q: %s", status, to, v.page)
			}
			if n := w.count(`select count(*) from grants`); n != row.grants {
				t.Errorf("%d grants", n)
			}
			if n := w.count(`select count(*) from consent_requests`); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Nothing ticked is no yes; a sensitive field has no box, and a form made by hand does not pass for one; a foreign token answers nothing.
func TestAskedPageRefuses(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.person(duNumber, 2, false)
	c := w.agency()
	w.mandate()
	v := w.askedPage(c, map[string]any{"fields": []string{"applicant_full_name"}, "mode": "uses", "uses": 3})
	if !strings.Contains(v.page, "chỉ đồng ý được trong ứng dụng") {
		t.Error("nothing says that more than one look is the app's")
	}
	for name, fields := range map[string][]string{"nothing": nil, "a field that was not asked for": {"child_ethnicity"}} {
		status, _ := v.submit(url.Values{"action": {"decide"}, "decision": {"allow"}, "field": fields})
		if status != http.StatusUnprocessableEntity || !strings.Contains(v.page, "Hãy chọn ít nhất một mục") {
			t.Errorf("%s: %d", name, status)
		}
	}
	page := v.page
	v.page = `name="token" value="x"`
	if status, to := v.submit(url.Values{"action": {"decide"}, "decision": {"deny"}}); status != http.StatusOK || to != "" {
		t.Errorf("a foreign token: %d %q", status, to)
	}
	v.page = page
	if n := w.count(`select count(*) from grant_events`); n != 0 {
		t.Errorf("%d decisions", n)
	}
	if status, to := v.submit(url.Values{"action": {"decide"}, "decision": {"allow"}, "field": {"applicant_full_name"}, "pin": {"1.x", "x"}}); status != http.StatusSeeOther || !strings.Contains(to, "code=") {
		t.Errorf("one look: %d %q", status, to)
	}
}

// E4: an office that asked enough is told to the person with a way on.
func TestAskedTooOften(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.person(duNumber, 2, false)
	c := w.agency()
	w.mandate()
	for i := range consent.MaxOpen {
		w.askedPage(c, map[string]any{"dossier_code": fmt.Sprint("HS-", i)})
	}
	v := w.guest()
	v.get(w.pushedDetails(c, map[string]any{}))
	if status, _ := v.submit(url.Values{"personal_number": {duNumber}, "passphrase": {duPassphrase}}); status != http.StatusForbidden ||
		!strings.Contains(v.page, "chưa thể hỏi bạn") || !strings.Contains(v.page, `value="cancel"`) {
		t.Errorf("one too many: %d %s", status, v.page)
	}
}
