package auth

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pgtest"
)

// counterCase is a counter with an open request to somebody, and her phone.
type counterCase struct {
	*town
	t       testing.TB
	d       du
	a       *agency
	request identity.RequestID
}

func newCounterCase(t testing.TB) *counterCase {
	t.Helper()
	w := newTown(t)
	c := &counterCase{town: w, t: t, d: w.du(2, true), a: w.counter("mot-cua")}
	c.request = c.open(duNumber)
	return c
}

// open asks somebody for a fact, as POST /v1/consent-requests does.
func (c *counterCase) open(number string) identity.RequestID {
	c.t.Helper()
	n, err := identity.ParsePersonalNumber(number)
	if err != nil {
		c.t.Fatal(err)
	}
	name, err := identity.ParseName("LÊ VĂN CHUNG")
	if err != nil {
		c.t.Fatal(err)
	}
	id, _, err := c.consent.Create(c.t.Context(), free{}, consent.NewRequest{
		Organisation: ward, Client: c.a.id, Officer: audit.Officer{ID: "cb-0042", Name: name, Post: "Công chức", Organisation: ward, Assurance: audit.Asserted},
		Procedure: enrolment, Dossier: dossier, Parties: []consent.Party{{Roles: []string{"applicant"}, Ref: consent.ByNumber(n)}},
		Fields: []string{herName}, Purpose: "enrolment", IdempotencyKey: c.next(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *counterCase) hintClaims(d du) map[string]any {
	claims := c.deviceClaims(d)
	claims["organisation"] = ward
	return claims
}

// hint is what her phone shows at the counter.
func (c *counterCase) hint() string { return c.d.device.message(c.t, hintType, c.hintClaims(c.d)) }

// officerHint is what an officer says of who stands there.
func (c *counterCase) officerHint(changes map[string]any) string {
	claims := c.a.officerClaims()
	claims["role"] = "applicant"
	maps.Copy(claims, changes)
	return c.a.key.message(c.t, counterHintType, claims)
}

func (c *counterCase) named(request identity.RequestID) string {
	return encoded(c.t, map[string]any{"type": detailsType, "request_id": c.consent.RequestRef(ward, request), "organisation": ward})
}

// askForm is a good request of the back channel; each row of a test changes some.
func (c *counterCase) askForm(hint string) url.Values {
	return url.Values{
		"scope": {"openid offline_access"}, "login_hint_token": {hint}, "binding_message": {"42"}, detailsParam: {c.named(c.request)},
		"client_assertion_type": {assertionForm}, "client_assertion": {c.a.key.message(c.t, "JWT", c.a.claims())},
	}
}

func (c *counterCase) post(s *Server, form url.Values) (int, map[string]any) {
	return c.a.postAs(s, pathBackchannel, form, c.a.officerSays(nil))
}

// ask asks with a hint and returns the auth_req_id.
func (c *counterCase) ask(hint string) string {
	c.t.Helper()
	status, body := c.post(c.Server, c.askForm(hint))
	id, _ := body["auth_req_id"].(string)
	if status != http.StatusOK || len(id) != codeLength || body["expires_in"] != 300.0 || body["interval"] != 5.0 || len(body) != 3 {
		c.t.Fatalf("ask: %d %v", status, body)
	}
	return id
}

func (c *counterCase) pollAs(s *Server, a *agency, id string) (int, map[string]any) {
	form := a.form("")
	form.Del("scope")
	form.Set("grant_type", grantBackchannel)
	form.Set("auth_req_id", id)
	return c.world.post(s, form, a.proof(http.MethodPost, pathToken, ""))
}

// poll returns the error of a poll, or "" with its answer.
func (c *counterCase) poll(id string) (string, map[string]any) {
	c.t.Helper()
	status, body := c.pollAs(c.Server, c.a, id)
	code, _ := body["error"].(string)
	if (status == http.StatusOK) != (code == "") {
		c.t.Fatalf("poll: %d %v", status, body)
	}
	return code, body
}

func (c *counterCase) later() { c.clock.advance(6 * time.Second) }

// picks answers the one question on her phone.
func (c *counterCase) picks(number, decision string) (int, map[string]any) {
	c.t.Helper()
	waiting := c.waiting(c.d)
	if len(waiting) != 1 {
		c.t.Fatalf("%d wait", len(waiting))
	}
	return c.deviceCall(c.Server, pathConfirm, c.confirmation(c.d, waiting[0]["challenge_id"].(string), number, decision))
}

// decides answers the request itself.
func (c *counterCase) decides(d consent.Decision) {
	c.t.Helper()
	me, err := c.consent.Who(c.d.vault, AppSector, consent.Me)
	if err != nil {
		c.t.Fatal(err)
	}
	d.Request = c.request
	if _, err := c.consent.Decide(c.t.Context(), free{}, me, d, nil); err != nil {
		c.t.Fatal(err)
	}
}

// CIBA Core §7.3, §10.1, §11: asked with the citizen's own hint, answered by her number and by her decision in the wallet, collected once.
func TestCIBA_AtTheCounter(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]func(*counterCase) string{
		"her phone's hint":  (*counterCase).hint,
		"an officer's word": func(c *counterCase) string { return c.officerHint(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounterCase(t)
			id := c.ask(hint(c))
			if code, _ := c.poll(id); code != "authorization_pending" {
				t.Errorf("at first: %s", code)
			}
			if code, _ := c.poll(id); code != "slow_down" {
				t.Errorf("at once again: %s", code)
			}
			c.clock.advance(6 * time.Second) // the pause is ten seconds now
			if code, _ := c.poll(id); code != "slow_down" {
				t.Errorf("six seconds later: %s", code)
			}
			c.clock.advance(16 * time.Second)
			if code, _ := c.poll(id); code != "authorization_pending" {
				t.Errorf("sixteen seconds later: %s", code)
			}
			shown := c.waiting(c.d)[0]
			if shown["kind"] != kindQuestion || !strings.Contains(fmt.Sprint(shown["numbers"]), "42") || shown["organisation"] != ward ||
				shown["client"] != "Một cửa phường Sen" || shown["request_id"] != c.consent.RequestRef(AppSector, c.request) {
				t.Errorf("shown: %v", shown)
			}
			if status, body := c.picks("42", decisionAllow); status != http.StatusOK {
				t.Fatalf("pick: %d %v", status, body)
			}
			c.clock.advance(20 * time.Second)
			if code, _ := c.poll(id); code != "authorization_pending" {
				t.Errorf("before her decision: %s", code)
			}
			c.decides(allowOnce(herName))
			c.clock.advance(20 * time.Second)
			code, body := c.poll(id)
			if code != "" || body["id_token"] == nil || body["refresh_token"] == nil || body["token_type"] != "DPoP" {
				t.Fatalf("collect: %s %v", code, body)
			}
			if got := told(t, body); got["state"] != detailsGranted || fmt.Sprint(got["fields"]) != "["+herName+"]" ||
				got["request_id"] != c.consent.RequestRef(ward, c.request) {
				t.Errorf("told: %v", got)
			}
			now := c.a.introspected(c.Server, body["access_token"].(string))
			if now["active"] != true || now["acr"] != acrLevel1 || fmt.Sprint(now["amr"]) != "[pop]" || told(t, now)["state"] != detailsGranted {
				t.Errorf("introspection: %v", now)
			}
			if code, _ := c.poll(id); code != codeInvalidGrant {
				t.Errorf("a second time: %s", code)
			}
			if n := c.count(`select count(*) from backchannel_requests where encode(request_hash, 'escape') like '%' || $1 || '%'`, id); n != 0 {
				t.Error("the name itself is stored")
			}
		})
	}
}

// S1: unknown, dead, blocked, without that phone, somebody else, silenced and silent are one answer, from the first word to the last.
func TestCIBA_OneAnswerForSilence(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*counterCase) string{
		"silent": (*counterCase).hint,
		"unknown": func(c *counterCase) string {
			c.request = c.open(nobodyNumber)
			return c.officerHint(nil)
		},
		"blocked": func(c *counterCase) string {
			c.exec(`update people set blocked = true where vault_id = $1`, c.d.vault)
			return c.hint()
		},
		"dead": func(c *counterCase) string {
			c.exec(`update people set life = 'dead' where vault_id = $1`, c.d.vault)
			return c.hint()
		},
		"another person": func(c *counterCase) string {
			c.request = c.open(nobodyNumber)
			return c.hint()
		},
		"her phone was ended": func(c *counterCase) string {
			hint := c.hint()
			if err := c.EndDevice(c.t.Context(), free{}, c.d.vault, actorOf(c.d), c.d.id); err != nil {
				c.t.Fatal(err)
			}
			return hint
		},
		"never again": func(c *counterCase) string {
			c.ask(c.hint())
			if status, body := c.picks("", decisionNever); status != http.StatusOK {
				c.t.Fatalf("never: %d %v", status, body)
			}
			return c.hint()
		},
		"one too many": func(c *counterCase) string {
			for range maxAsked {
				c.ask(c.hint())
			}
			return c.hint()
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounterCase(t)
			id := c.ask(prepare(c))
			var codes []string
			for range 3 {
				code, _ := c.poll(id)
				codes = append(codes, code)
				c.clock.advance(30 * time.Second)
			}
			code, _ := c.poll(id)
			fast, _ := c.poll(id)
			c.clock.advance(backchannelLife)
			over, body := c.poll(id)
			if got := strings.Join(append(codes, code, fast, over), " "); got != "authorization_pending authorization_pending authorization_pending "+
				"authorization_pending slow_down expired_token" || len(body) != 2 {
				t.Errorf("told: %s %v", got, body)
			}
		})
	}
}

// Who is blocked after having picked the number is silent too; nothing is issued.
func TestCIBA_BlockedMeanwhile(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	id := c.ask(c.hint())
	c.picks("42", decisionAllow)
	c.decides(allowOnce(herName))
	c.exec(`update people set blocked = true where vault_id = $1`, c.d.vault)
	if code, _ := c.poll(id); code != "authorization_pending" {
		t.Errorf("poll: %s", code)
	}
	if code, _ := c.poll(id); code != "slow_down" {
		t.Errorf("poll at once again: %s", code)
	}
	if n := c.count(`select count(*) from sessions where vault_id = $1`, c.d.vault); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A no, other digits and "never again" are a no; so is a no to the request itself. Who is asked answers once.
func TestCIBA_No(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		number, decision string
		status           int
	}{
		"no":            {"42", decisionDeny, http.StatusOK},
		"other digits":  {"41", decisionAllow, http.StatusConflict},
		"without any":   {"", decisionAllow, http.StatusConflict},
		"never again":   {"", decisionNever, http.StatusOK},
		"no in the app": {"42", decisionAllow, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounterCase(t)
			id := c.ask(c.hint())
			challenge := c.waiting(c.d)[0]["challenge_id"].(string)
			if status, body := c.picks(row.number, row.decision); status != row.status {
				t.Fatalf("pick: %d %v", status, body)
			}
			if name == "no in the app" {
				c.decides(consent.Decision{Language: consent.Vietnamese})
			}
			if code, _ := c.poll(id); code != errorDenied {
				t.Errorf("poll: %s", code)
			}
			if status, _ := c.deviceCall(c.Server, pathConfirm, c.confirmation(c.d, challenge, "42", decisionAllow)); status != http.StatusNotFound {
				t.Errorf("a second answer: %d", status)
			}
		})
	}
}

// CIBA Core §7.1, §13: each fault has its code, and nothing is kept.
func TestCIBA_RefusedRequests(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	device := func(change func(map[string]any)) func(url.Values) {
		return func(f url.Values) {
			claims := c.hintClaims(c.d)
			change(claims)
			f.Set("login_hint_token", c.d.device.message(t, hintType, claims))
		}
	}
	stranger := newSender(t, jose.ES256, "dien-thoai")
	other := c.counter("khac")
	for name, row := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"no scope":                           {func(f url.Values) { f.Del("scope") }, "invalid_scope"},
		"without openid":                     {set("scope", "offline_access"), "invalid_scope"},
		"a machine's scope":                  {set("scope", "openid consent"), "invalid_scope"},
		"no hint":                            {func(f url.Values) { f.Del("login_hint_token") }, "invalid_request"},
		"a name as hint":                     {set("login_hint", duNumber), "invalid_request"},
		"an ID token as hint":                {set("id_token_hint", "x.y.z"), "invalid_request"},
		"a request object":                   {set("request", "x.y.z"), "invalid_request"},
		"no number":                          {func(f url.Values) { f.Del("binding_message") }, "invalid_binding_message"},
		"words":                              {set("binding_message", "Gọi 0900 000 003 ngay"), "invalid_binding_message"},
		"three digits":                       {set("binding_message", "142"), "invalid_binding_message"},
		"below ten":                          {set("binding_message", "07"), "invalid_binding_message"},
		"a sign":                             {set("binding_message", "+7"), "invalid_binding_message"},
		"no time":                            {set("requested_expiry", "0"), "invalid_request"},
		"time in words":                      {set("requested_expiry", "soon"), "invalid_request"},
		"no request":                         {func(f url.Values) { f.Del(detailsParam) }, codeDetails},
		"a made-up request":                  {set(detailsParam, encoded(t, map[string]any{"type": detailsType, "request_id": "x", "organisation": ward})), codeDetails},
		"a new request":                      {set(detailsParam, encoded(t, details())), codeDetails},
		"another organisation":               {set(detailsParam, strings.Replace(c.named(c.request), ward, "mam-non-sen", 1)), codeDetails},
		"a hint for others":                  {device(func(m map[string]any) { m["organisation"] = "mam-non-sen" }), "unknown_user_id"},
		"a hint for another aud":             {device(func(m map[string]any) { m["aud"] = "https://x.example" }), "unknown_user_id"},
		"a hint without jti":                 {device(func(m map[string]any) { delete(m, "jti") }), "unknown_user_id"},
		"a hint that never ends":             {device(func(m map[string]any) { m["exp"] = c.clock.now().Add(time.Hour).Unix() }), "unknown_user_id"},
		"an old hint":                        {device(func(m map[string]any) { m["iat"], m["exp"] = c.clock.now().Unix()-200, c.clock.now().Unix()-100 }), "expired_login_hint_token"},
		"a hint of another key":              {set("login_hint_token", stranger.message(t, hintType, c.hintClaims(c.d))), "unknown_user_id"},
		"a message of another typ":           {set("login_hint_token", c.d.device.message(t, confirmationType, c.hintClaims(c.d))), "unknown_user_id"},
		"no message":                         {set("login_hint_token", "x"), "unknown_user_id"},
		"an officer's word for another role": {set("login_hint_token", c.officerHint(map[string]any{"role": "child"})), "unknown_user_id"},
		"another officer's word":             {set("login_hint_token", c.officerHint(map[string]any{"sub": "cb-7"})), "unknown_user_id"},
		"another client's word":              {set("login_hint_token", other.key.message(t, counterHintType, c.a.officerClaims())), "unknown_user_id"},
	} {
		form := c.askForm(c.hint())
		row.change(form)
		if status, body := c.post(c.Server, form); status != http.StatusBadRequest || body["error"] != row.want || body["auth_req_id"] != nil {
			t.Errorf("%s: %d %v, want %s", name, status, body, row.want)
		}
	}
	if status, body := c.a.postAs(c.Server, pathBackchannel, c.askForm(c.hint())); status != http.StatusBadRequest || body["error"] != "invalid_request" {
		t.Errorf("without an officer: %d %v", status, body)
	}
	form := c.askForm(c.hint())
	form.Del("client_assertion")
	if status, body := c.post(c.Server, form); status != http.StatusBadRequest || body["error"] != "invalid_client" {
		t.Errorf("unproven: %d %v", status, body)
	}
	if n := c.count(`select count(*) from backchannel_requests`); n != 0 {
		t.Errorf("%d questions were kept", n)
	}
	c.decides(allowOnce(herName))
	if status, body := c.post(c.Server, c.askForm(c.hint())); status != http.StatusBadRequest || body["error"] != codeDetails {
		t.Errorf("a request that is answered: %d %v", status, body)
	}
}

// A hint works once, whoever brings it, and however many at a time.
func TestCIBA_HintOnce(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	hint := c.hint()
	var mu sync.Mutex
	got := map[string]int{}
	forms := make([]url.Values, 100)
	officers := make([]string, 100)
	for i := range forms {
		forms[i], officers[i] = c.askForm(hint), c.a.officerSays(nil)
	}
	together(100, func(i int) {
		status, body := c.a.postAs(c.Server, pathBackchannel, forms[i], officers[i])
		mu.Lock()
		defer mu.Unlock()
		got[fmt.Sprintf("%d %v", status, body["error"])]++
	})
	if got["200 <nil>"] != 1 || got["400 expired_login_hint_token"] != 99 {
		t.Errorf("answers: %v", got)
	}
}

// Of many polls at once one gets the token; the others learn that it is gone.
func TestCIBA_OneToken(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	id := c.ask(c.hint())
	c.picks("42", decisionAllow)
	c.decides(allowOnce(herName))
	var mu sync.Mutex
	got := map[string]int{}
	type sent struct {
		form  url.Values
		proof string
	}
	all := make([]sent, 100)
	for i := range all {
		form := c.a.form("")
		form.Del("scope")
		form.Set("grant_type", grantBackchannel)
		form.Set("auth_req_id", id)
		all[i] = sent{form, c.a.proof(http.MethodPost, pathToken, "")}
	}
	together(100, func(i int) {
		status, body := c.world.post(c.Server, all[i].form, all[i].proof)
		mu.Lock()
		defer mu.Unlock()
		got[fmt.Sprintf("%d %v", status, body["error"])]++
	})
	if got["200 <nil>"] != 1 || got["400 invalid_grant"] != 99 {
		t.Errorf("answers: %v", got)
	}
	if n := c.count(`select count(*) from sessions where vault_id = $1`, c.d.vault); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// S1: another client's auth_req_id is answered as one that never was; so is another key than the one that asked.
func TestCIBA_ForeignPoller(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	form := c.askForm(c.hint())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathBackchannel, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(OfficerHeader, c.a.officerSays(nil))
	r.Header.Set("DPoP", c.a.proof(http.MethodPost, pathBackchannel, ""))
	status, body := c.send(c.Server, r)
	id, _ := body["auth_req_id"].(string)
	if status != http.StatusOK {
		t.Fatalf("ask: %d %v", status, body)
	}
	stranger := c.counter("khac")
	_, unknown := c.pollAs(c.Server, stranger, strings.Repeat("x", codeLength))
	for name, a := range map[string]*agency{
		"another client": stranger, "another key": {w: c.world, id: c.a.id, key: c.a.key, dpop: newSender(t, jose.ES256, "")},
	} {
		if status, body := c.pollAs(c.Server, a, id); status != http.StatusBadRequest || fmt.Sprint(body) != fmt.Sprint(unknown) || body["error"] != codeInvalidGrant {
			t.Errorf("%s: %d %v, an unknown one %v", name, status, body, unknown)
		}
	}
	if code, _ := c.poll(id); code != "authorization_pending" {
		t.Errorf("its own: %s", code)
	}
}

// P1, P2: cut off before or after it persisted, a question is asked again with another hint, and a token is collected once or not at all.
func TestCIBA_CutOff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		when  pgtest.When
		asked string // the same form again
		token string // a new poll
	}{
		"before": {pgtest.FailBefore, "", ""},
		"after":  {pgtest.FailAfter, "expired_login_hint_token", codeInvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounterCase(t)
			s := c.peopled(c.db.FailOn(t, row.when, "insert into backchannel_requests"))
			form := c.askForm(c.hint())
			if status, _ := c.post(s, form); status != http.StatusServiceUnavailable {
				t.Fatalf("ask: %d", status)
			}
			if _, body := c.post(s, form); (body["error"] == nil) != (row.asked == "") || row.asked != "" && body["error"] != row.asked {
				t.Errorf("again: %v", body)
			}
			if n := c.count(`select count(*) from backchannel_requests`); n != 1 {
				t.Errorf("%d questions", n)
			}
			c.exec(`update backchannel_requests set expires_at = created_at`) // whatever waits is over
			id := c.ask(c.hint())
			c.picks("42", decisionAllow)
			c.decides(allowOnce(herName))
			s = c.peopled(c.db.FailOn(t, row.when, "insert into sessions"))
			if status, _ := c.pollAs(s, c.a, id); status != http.StatusServiceUnavailable {
				t.Fatalf("poll: %d", status)
			}
			if code, _ := c.poll(id); code != row.token {
				t.Errorf("poll again: %q", code)
			}
			if n := c.count(`select count(*) from sessions where vault_id = $1`, c.d.vault); n != 1 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// O4: whoever writes to the database answers for nobody, moves no question to another phone, and takes no silence back.
func TestO4_BackchannelRows(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"answered":       `update backchannel_requests set state = 'allowed'`,
		"another client": `update backchannel_requests set client_id = 'khac'`,
		"more scopes":    `update backchannel_requests set scope = 'openid wallet'`,
		"longer":         `update backchannel_requests set expires_at = expires_at + interval '1 hour'`,
		"another facts":  `update backchannel_requests set request_id = gen_random_uuid()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounterCase(t)
			id := c.ask(c.hint())
			c.exec(sql)
			if code, body := c.pollAs(c.Server, c.a, id); code != http.StatusInternalServerError || body["access_token"] != nil {
				t.Errorf("poll: %d %v", code, body)
			}
		})
	}
	c := newCounterCase(t)
	c.ask(c.hint())
	c.picks("", decisionNever)
	c.exec(`update silenced set state = 'ended'`)
	if status, body := c.post(c.Server, c.askForm(c.hint())); status != http.StatusInternalServerError {
		t.Errorf("silence taken back: %d %v", status, body)
	}
}

// A counter's questions are bounded by client.
func TestCIBA_Throttled(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	c.exec(`insert into throttles (bucket, failures, window_start, blocked_until) values ($1, 1, $2, $3)`,
		c.bucket("backchannel", []byte(c.a.id)), c.clock.now(), c.clock.now().Add(time.Minute))
	if status, body := c.post(c.Server, c.askForm(c.hint())); status != http.StatusTooManyRequests || body["error"] != "temporarily_unavailable" {
		t.Errorf("ask: %d %v", status, body)
	}
}

func FuzzHint(f *testing.F) {
	w := newTown(f)
	f.Add(`{"aud":"https://id.vidan.example","organisation":"ubnd-phuong-sen","jti":"a","iat":1795422615,"exp":1795422700,"sub":"x"}`, `[{"type":"vidan_procedure","request_id":"r","organisation":"o"}]`)
	f.Add(`{"aud":"https://id.vidan.example","organisation":"ubnd-phuong-sen","jti":"a","iat":1e99}`, `[{}]`)
	f.Add(`{`, `[[`)
	f.Fuzz(func(t *testing.T, payload, text string) {
		c, until, err := w.Server.hintClaims([]byte(payload), ward)
		if err == nil && (c.Organisation != ward || c.Audience != testIssuer || c.ID == "" || until.After(w.clock.now().Add(hintLife+2*skew))) {
			t.Errorf("taken: %q until %s", payload, until)
		}
		if named, err := readAsked(text); err == nil && (named.Type != detailsType || named.Request == "" || !plainID(named.Organisation)) {
			t.Errorf("taken: %q", text)
		}
	})
}
