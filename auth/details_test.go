package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vidan/consent"
	"vidan/internal/pgtest"
)

// RFC 9396 §7, §9.2, §6: what a person allows on the page comes back beside the token and by introspection, as it is now; a token asks for less, never
// for more.
func TestRAR_Granted(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, details())
	asked, err := x.Asked(t.Context())
	if err != nil || !asked.Mine || asked.View.Organisation != ward || asked.View.Dossier != dossier || asked.View.Officer.ID != "cb-0042" {
		t.Fatalf("asked: %+v %v", asked.Mine, err)
	}
	if err := x.Decide(t.Context(), allowOnce(herName)); err != nil {
		t.Fatal(err)
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := a.redeemAt(w.Server, to, "")
	if status != http.StatusOK {
		t.Fatalf("token: %d %v", status, body)
	}
	got := told(t, body)
	if got["state"] != detailsGranted || fmt.Sprint(got["fields"]) != "["+herName+"]" || got["dossier_code"] != dossier || got["request_id"] == "" {
		t.Errorf("told: %v", got)
	}
	if now := told(t, a.introspected(w.Server, body["access_token"].(string))); fmt.Sprint(now) != fmt.Sprint(got) {
		t.Errorf("introspection: %v", now)
	}
	// The name of the request is the one under which the agency reads it.
	if id := w.consent.OpenRequestRef(ward, got["request_id"].(string)); id != asked.View.Request {
		t.Error("another request is named")
	}
	refresh := func(narrow string) (int, map[string]any) {
		form := a.form("")
		form.Del("scope")
		form.Set("grant_type", grantRefreshToken)
		form.Set("refresh_token", body["refresh_token"].(string))
		if narrow != "" {
			form.Set(detailsParam, narrow)
		}
		return w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
	}
	if status, again := refresh(""); status != http.StatusOK || fmt.Sprint(told(t, again)) != fmt.Sprint(got) {
		t.Errorf("refresh: %d %v", status, again)
	}
	for name, narrow := range map[string]map[string]any{
		"another field":     {"type": detailsType, "fields": []string{herName, "applicant_residence"}},
		"another dossier":   {"type": detailsType, "dossier_code": "x"},
		"another request":   {"type": detailsType, "request_id": "x"},
		"another type":      {"type": "payment"},
		"a field twice":     {"type": detailsType, "fields": []string{herName, herName}},
		"an unknown member": {"type": detailsType, "actions": []string{"read"}},
	} {
		if status, wider := refresh(encoded(t, narrow)); status != http.StatusBadRequest || wider["error"] != codeDetails {
			t.Errorf("%s: %d %v", name, status, wider)
		}
	}
	if status, same := refresh(encoded(t, map[string]any{"type": detailsType, "fields": []string{herName}})); status != http.StatusOK {
		t.Errorf("as granted: %d %v", status, same)
	}
	// O1: a token carries nothing that can be withdrawn.
	me, grants := w.herGrant(d.vault)
	if len(grants) != 1 {
		t.Fatalf("%d grants", len(grants))
	}
	if _, err := w.consent.Withdraw(t.Context(), free{}, me, grants[0].ID); err != nil {
		t.Fatal(err)
	}
	if now := told(t, a.introspected(w.Server, body["access_token"].(string))); now["state"] != detailsEnded || fmt.Sprint(now["fields"]) != "[]" {
		t.Errorf("after the withdrawal: %v", now)
	}
}

// A no is told as one; no code is issued.
func TestRAR_Refused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, details())
	if err := x.Decide(t.Context(), consent.Decision{Language: consent.Vietnamese}); err != nil {
		t.Fatal(err)
	}
	to, err := x.Finish(t.Context())
	if u, _ := url.Parse(to); err != nil || u.Query().Get("error") != errorDenied || u.Query().Get("code") != "" || u.Query().Get("iss") != testIssuer {
		t.Errorf("sent to %q, %v", to, err)
	}
	if n := w.count(`select count(*) from authorization_codes`); n != 0 {
		t.Errorf("%d codes", n)
	}
}

// Left open, the sign-in ends and the app decides: the token says so, and introspection follows.
func TestRAR_LeftOpen(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, details())
	asked, err := x.Asked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := a.redeemAt(w.Server, to, "")
	if got := told(t, body); status != http.StatusOK || got["state"] != detailsOpen || fmt.Sprint(got["fields"]) != "[]" {
		t.Fatalf("token: %d %v", status, body)
	}
	me, err := w.consent.Who(d.vault, AppSector, consent.Me)
	if err != nil {
		t.Fatal(err)
	}
	decision := allowOnce(herName)
	decision.Request = asked.View.Request
	if _, err := w.consent.Decide(t.Context(), free{}, me, decision, nil); err != nil {
		t.Fatal(err)
	}
	if now := told(t, a.introspected(w.Server, body["access_token"].(string))); now["state"] != detailsGranted {
		t.Errorf("after the app: %v", now)
	}
}

// Where only others are asked, the sign-in ends at once; the state follows the request, and nothing of their answers is told.
func TestRAR_OthersAreAsked(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, with(map[string]any{
		"roles": []string{"mother"}, "fields": []string{"child_full_name"}, "expires_in_hours": 1,
		"parties": []any{map[string]any{"roles": []string{"child"}, "personal_number": nobodyNumber}},
	}))
	if asked, err := x.Asked(t.Context()); err != nil || asked.Mine {
		t.Fatalf("asked herself: %v %v", asked.Mine, err)
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := a.redeemAt(w.Server, to, "")
	if got := told(t, body); status != http.StatusOK || got["state"] != detailsOpen {
		t.Fatalf("token: %d %v", status, body)
	}
	w.clock.advance(2 * time.Hour)
	form := a.form("")
	form.Del("scope")
	form.Set("grant_type", grantRefreshToken)
	form.Set("refresh_token", body["refresh_token"].(string))
	status, later := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, ""))
	if got := told(t, later); status != http.StatusOK || got["state"] != detailsEnded || fmt.Sprint(got["fields"]) != "[]" {
		t.Errorf("two hours later: %d %v", status, later)
	}
}

// What needs a device's signature is not allowed on a page: a sensitive field, or more than one look.
func TestRAR_PageAllowsOnceAndNothingSensitive(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, with(map[string]any{"mode": "uses", "uses": 3}))
	wide := allowOnce(herName)
	wide.Mode = consent.Uses
	if err := x.Decide(t.Context(), wide); !errors.Is(err, consent.ErrSignatureRequired) {
		t.Errorf("three looks: %v", err)
	}
	if err := x.Decide(t.Context(), allowOnce("applicant_residence")); !errors.Is(err, consent.ErrDecision) {
		t.Errorf("a field that was not asked for: %v", err)
	}
	if err := x.Decide(t.Context(), allowOnce(herName)); err != nil {
		t.Errorf("one look: %v", err)
	}
}

// RFC 9396 §5: an unknown type, and every object that is not as the type has it, is refused at the push. RFC 9396 §14: nothing of it travels
// through a browser.
func TestRAR_RefusedAtThePush(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	w.organisation("mam-non-sen", "school")
	other := w.office("khong-uy-quyen")
	good := a.officerSays(nil)
	for name, text := range map[string]string{
		"no JSON":                 "{",
		"an object":               strings.Trim(encoded(t, details()), "[]"),
		"nothing":                 "[]",
		"two objects":             encoded(t, details(), details()),
		"another type":            encoded(t, with(map[string]any{"type": "payment_initiation"})),
		"no type":                 encoded(t, with(map[string]any{"type": ""})),
		"an unknown member":       encoded(t, with(map[string]any{"locations": []string{"https://x.example"}})),
		"null":                    encoded(t, with(map[string]any{"fields": nil})),
		"a member of other kind":  encoded(t, with(map[string]any{"roles": "applicant"})),
		"a member twice":          strings.Replace(encoded(t, details()), `{"`, `{"purpose":"x","`, 1),
		"a member in capitals":    strings.Replace(encoded(t, details()), `"purpose"`, `"Purpose"`, 1),
		"no dossier":              encoded(t, with(map[string]any{"dossier_code": ""})),
		"no roles":                encoded(t, with(map[string]any{"roles": []string{}})),
		"an unknown role":         encoded(t, with(map[string]any{"roles": []string{"king"}})),
		"an unknown procedure":    encoded(t, with(map[string]any{"procedure": "tax"})),
		"a field of another form": encoded(t, with(map[string]any{"fields": []string{"blood_type"}})),
		"too many uses":           encoded(t, with(map[string]any{"mode": "uses", "uses": 101})),
		"until too late":          encoded(t, with(map[string]any{"mode": "until", "until": w.clock.now().AddDate(2, 0, 0)})),
		"nameless party":          encoded(t, with(map[string]any{"parties": []any{map[string]any{"roles": []string{"child"}}}})),
		"party named twice": encoded(t, with(map[string]any{"parties": []any{map[string]any{"roles": []string{"child"}, "personal_number": duNumber,
			"sub": "x"}}})),
		"an organisation without mandate": encoded(t, with(map[string]any{"organisation": "mam-non-sen"})),
		"too long":                        encoded(t, with(map[string]any{"purpose": strings.Repeat("x", maxDetails)})),
	} {
		if status, body := a.pushDetails(w.Server, text, good); status != http.StatusBadRequest || body["error"] != codeDetails {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	text := encoded(t, details())
	for name, row := range map[string]struct {
		a        *agency
		officers []string
		want     string
	}{
		"no officer":                       {a, nil, "invalid_request"},
		"two officers":                     {a, []string{good, good}, "invalid_request"},
		"an officer by another client":     {a, []string{other.officerSays(nil)}, "invalid_request"},
		"an officer of other organisation": {a, []string{a.officerSays(map[string]any{"organisation": "mam-non-sen"})}, codeDetails},
		"an old assertion":                 {a, []string{a.officerSays(map[string]any{"exp": w.clock.now().Add(-time.Minute).Unix()})}, "invalid_request"},
		"a client without mandate":         {other, []string{other.officerSays(nil)}, codeDetails},
	} {
		form := row.a.pushForm(1)
		form.Set(detailsParam, text)
		if status, body := row.a.postAs(w.Server, pathPAR, form, row.officers...); status != http.StatusBadRequest || body["error"] != row.want {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	if n := w.count(`select count(*) from pushed_requests`); n != 0 {
		t.Errorf("%d requests were kept", n)
	}
	params := w.params(1)
	params.Set(detailsParam, text)
	_, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1")
	var back *RedirectError
	if !errors.As(err, &back) || back.code != codeDetails {
		t.Errorf("in an address: %v", err)
	}
	form := a.form("consent")
	form.Set(detailsParam, text)
	if status, body := w.post(w.Server, form, a.proof(http.MethodPost, pathToken, "")); status != http.StatusBadRequest || body["error"] != codeDetails {
		t.Errorf("client credentials: %d %v", status, body)
	}
}

// P2: the page may be loaded any number of times, at once and in two processes: one request is made. One person's request is not another's.
func TestRAR_AskedOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, details())
	var failed atomic.Int64
	together(100, func(int) {
		asked, err := x.Asked(t.Context())
		if err != nil && !strings.Contains(err.Error(), "busy") || err == nil && !asked.Mine {
			failed.Add(1)
			t.Log(err)
		}
	})
	w.clock.advance(3 * time.Second) // what follows the clock by default must not make it another request
	if asked, err := x.Asked(t.Context()); failed.Load() != 0 || err != nil || !asked.Mine {
		t.Errorf("%d of 100 failed; later: %v", failed.Load(), err)
	}
	if n := w.count(`select count(*) from consent_requests`); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// P1, P2: cut off before or after the request persisted, the page is loaded again and one request stands.
func TestRAR_AskCutOff(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]pgtest.When{"before": pgtest.FailBefore, "after": pgtest.FailAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, false)
			a := w.counter("mot-cua")
			x := w.asks(a, details())
			x.server = w.peopled(w.db.FailOn(t, when, "insert into consent_requests"))
			if _, err := x.Asked(t.Context()); err == nil {
				t.Fatal("not cut off")
			}
			if asked, err := x.Asked(t.Context()); err != nil || !asked.Mine {
				t.Errorf("again: %v", err)
			}
			if n := w.count(`select count(*) from consent_requests`); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// O4: whoever writes to the database puts no other request behind a code. S5: what is asked lies sealed.
func TestO4_DetailsOfACode(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	x := w.asks(a, details())
	for _, table := range []string{"pushed_requests", "signins"} {
		for _, secret := range []string{dossier, "Chung", herName} {
			if n := w.count(`select count(*) from `+table+` where request::text like '%' || $1 || '%'`, secret); n != 0 {
				t.Errorf("%s says %s", table, secret)
			}
		}
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`update authorization_codes set request_id = gen_random_uuid()`)
	if status, body := a.redeemAt(w.Server, to, ""); status != http.StatusInternalServerError || body["access_token"] != nil {
		t.Errorf("altered: %d %v", status, body)
	}
}

// A request that others have to answer ends the sign-in open; one too many tells the person, and a mandate that ended meanwhile too.
func TestRAR_NotAsked(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.counter("mot-cua")
	for range consent.MaxOpen {
		if _, err := w.asks(a, details()).Asked(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.asks(a, details()).Asked(t.Context()); !errors.Is(err, ErrAskedEnough) {
		t.Errorf("one too many: %v", err)
	}
	x := w.asks(a, details())
	w.clock.advance(25 * time.Hour) // the mandate is over, and so is the sign-in
	if _, err := x.Asked(t.Context()); !errors.Is(err, ErrMoved) {
		t.Errorf("a day later: %v", err)
	}
}

func FuzzDetails(f *testing.F) {
	f.Add(`[{"type":"vidan_procedure","organisation":"o","procedure":"p","dossier_code":"d","roles":["r"],"purpose":"x"}]`)
	f.Add(`[{"type":"vidan_procedure","organisation":"o","procedure":"p","dossier_code":"d","roles":["r"],"purpose":"x","parties":[{"roles":["c"],"sub":"s"}],"until":"2027-01-01T00:00:00Z"}]`)
	f.Add(`[{}]`)
	f.Add(`[[[[[[[[[`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDetails(text)
		if err == nil && (d.Type != detailsType || d.Dossier == "" || len(d.Roles) == 0 || len(text) > maxDetails) {
			t.Errorf("taken: %q", text)
		}
		if fields, err := narrowed(text, toldDetails{Type: detailsType, Fields: []string{"a"}}); err == nil && len(kept([]string{"a"}, fields)) != len(fields) {
			t.Errorf("wider: %q", text)
		}
	})
}
