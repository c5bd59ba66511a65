package openapi_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vidan/auth"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/outside"
	"vidan/openapi"
	"vidan/person"
)

// counter is a clerk at a registrar's counter.
type counter struct {
	w      *world
	office string
	id     string
}

// do calls a route about a person; 0 takes any status.
func (c counter) do(status int, method, path string, body any) *outside.Answer {
	c.w.t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	officer := must(c.w.org[c.office].Officer(c.office, unit, c.id, officerName, "Đăng ký viên"))(c.w.t)
	return c.w.call(c.w.org[c.office], status, method, path+separator+"organisation="+c.office, body, "Officer-Assertion", officer)
}

// at is the path under which an office names a person.
func (c counter) at(number string) string {
	c.w.t.Helper()
	found := c.do(http.StatusOK, http.MethodPost, "/v1/citizens/find", map[string]any{"who": map[string]string{"personal_number": number}})
	return "/v1/citizens/" + decode[struct {
		Person string `json:"person"`
	}](c.w.t, found).Person
}

func card() map[string]any {
	return map[string]any{"evidence": map[string]string{"basis": "identity_card", "reference": "HS-2026/0042"}}
}

func extract() map[string]any {
	return map[string]any{"evidence": map[string]string{"basis": "civil_register", "reference": "KT-2026/0007"}}
}

// both has one clerk propose and another confirm.
func (w *world) both(one, two counter, number, tail string, body map[string]any) {
	w.t.Helper()
	p := one.do(http.StatusAccepted, http.MethodPost, one.at(number)+tail, body)
	id := decode[struct {
		ID string `json:"approval_id"`
	}](w.t, p).ID
	if got := one.do(http.StatusForbidden, http.MethodPost, one.at(number)+"/approvals/"+id+"/confirm", nil).Problem().Code; got != "second_officer_needed" {
		w.t.Errorf("the same officer: %s", got)
	}
	two.do(http.StatusNoContent, http.MethodPost, two.at(number)+"/approvals/"+id+"/confirm", nil)
}

// office adds another organisation with a client of its own and these rights.
func (w *world) office(id string, rights ...auth.Right) {
	w.t.Helper()
	ctx, directory := w.t.Context(), auth.NewDirectory(w.db.Pool, w.d)
	key := must(outside.NewKey("k1"))(w.t)
	for _, err := range []error{
		directory.AddOrganisation(ctx, auth.Organisation{ID: id, NameVI: "Cơ quan " + id, NameEN: "Office " + id, Kind: "registrar"}, w.now()),
		directory.AddClient(ctx, auth.Client{ID: id + "-client", Organisation: id, Name: id, Profile: auth.FAPI2, Scopes: []string{auth.ScopeRegistrar, auth.ScopeEvents}}, w.now()),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	must(directory.AddKey(ctx, id+"-client", key.Public(), w.now()))(w.t)
	must(directory.AddMandate(ctx, auth.Mandate{
		Client: id + "-client", Organisation: id, Units: []string{auth.AllUnits}, Rights: rights, From: w.now().Add(-time.Hour), Until: w.now().AddDate(2, 0, 0),
	}))(w.t)
	w.org[id] = w.client(id+"-client", key)
	if err := w.org[id].Login(ctx, auth.ScopeRegistrar, auth.ScopeEvents); err != nil {
		w.t.Fatal(err)
	}
}

// later moves the clock, and has everybody sign in again whose token that outlived.
func (w *world) later(d time.Duration, scopes map[string][]string, people ...*citizen) {
	w.t.Helper()
	w.advance(d)
	for id, s := range scopes {
		if err := w.org[id].Login(w.t.Context(), s...); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, c := range people {
		c.signIn(2)
	}
	w.drain()
}

// codeOf returns the code of the newest message of a template.
func (w *world) codeOf(template delivery.Template) string {
	w.t.Helper()
	w.drain()
	for _, m := range must(delivery.SandboxMessages(w.t.Context(), w.db.Pool, 100))(w.t) {
		if m.Template != string(template) {
			continue
		}
		for _, word := range strings.Fields(m.BodyEN) {
			if word = strings.Trim(word, "."); len(word) == 8 && strings.Trim(word, "0123456789") == "" {
				return word
			}
		}
	}
	w.t.Fatalf("no %s was sent", template)
	return ""
}

// reached is a citizen with a telephone of their own, old enough for codes.
func (w *world) reached(id string) *citizen {
	w.t.Helper()
	c := w.citizen(id, 2)
	w.both(counter{w, registrar, "cb-1"}, counter{w, registrar, "cb-2"}, c.number, "/contacts", map[string]any{
		"add": map[string]any{"kind": "sms", "address": "0900000003", "preferred": true}, "evidence": card()["evidence"],
	})
	w.later(8*24*time.Hour, map[string][]string{registrar: {auth.ScopeRegistrar}}, c)
	return c
}

// TestS2_ABlockActsOnEveryServer: blocked on one, the next request to the other is refused; opened again by two officers, the old sign-in stays over.
func TestS2_ABlockActsOnEveryServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	one := w.handler
	w.wire(t.Context()) // another process on the same database
	two := w.handler
	on := func(server http.Handler, status int, method, path string) string {
		w.handler = server
		return w.call(c.Client, status, method, path, nil).Problem().Code
	}
	on(one, http.StatusOK, http.MethodGet, "/v1/people")
	on(two, http.StatusOK, http.MethodGet, "/v1/people")
	on(one, http.StatusNoContent, http.MethodPost, "/v1/me/block")
	for _, server := range []http.Handler{two, one} {
		if code := on(server, http.StatusForbidden, http.MethodGet, "/v1/people"); code != "person_blocked" {
			t.Errorf("refused with %s", code)
		}
	}
	first, second := counter{w, registrar, "cb-1"}, counter{w, registrar, "cb-2"}
	w.both(first, second, c.number, "/unblock", card())
	if code := on(two, http.StatusUnauthorized, http.MethodGet, "/v1/people"); code != "token_revoked" {
		t.Errorf("a sign-in from before the block: %s", code)
	}
	w.handler = one
	c.signIn(2)
	on(two, http.StatusOK, http.MethodGet, "/v1/people")
	first.do(http.StatusNoContent, http.MethodPost, first.at(c.number)+"/block", card())
	on(two, http.StatusForbidden, http.MethodGet, "/v1/people")
}

// TestALostPhone: two officers, a message to every contact, a day, a code, and the old ways in are over; for three days nothing lasting is given away.
func TestALostPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.reached("dan")
	w.both(counter{w, registrar, "cb-1"}, counter{w, registrar, "cb-2"}, c.number, "/recovery", card())
	seen := decode[struct {
		Recovery *openapi.OwnRecovery `json:"recovery"`
	}](t, w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/me/recovery", nil)).Recovery
	if seen == nil || seen.State != "waiting" || !seen.MayObject || seen.Office.VI == "" {
		t.Fatalf("the person sees %+v", seen)
	}
	again := enrolAgain(w)
	if code := again.Problem().Code; code != "recovery_needed" {
		t.Errorf("enrolled again: %s", code)
	}
	w.later(person.RecoveryWait, map[string][]string{registrar: {auth.ScopeRegistrar}}, c)
	code := w.codeOf(delivery.RecoveryCode)
	if err := w.auth.Activate(t.Context(), auth.Activation{
		Number: identity.NewPrivate(c.number), Code: identity.NewPrivate(code), Passphrase: identity.NewPrivate(passphrase + " mới"), Address: "192.0.2.7",
	}); err != nil {
		t.Fatal(err)
	}
	if got := w.call(c.Client, http.StatusUnauthorized, http.MethodGet, "/v1/people", nil).Problem().Code; got != "token_revoked" {
		t.Errorf("the lost phone's sign-in: %s", got)
	}
	w.count(0, `select count(*) from credentials where kind = 'device' and state = 'active'`)
	w.count(1, `select count(*) from credentials where state = 'active'`)
	// A new phone by the same code, and then a new contact has to wait.
	vault := must(w.people.Resolve(t.Context(), w.db.Pool, person.NumberIdentifier(must(identity.ParsePersonalNumber(c.number))(t))))(t)
	if err := w.auth.SetPassphrase(t.Context(), vault, passphrase); err != nil { // as the citizen of these tests types it
		t.Fatal(err)
	}
	fresh := &citizen{Client: w.client(appID, nil), w: w, number: c.number, device: must(outside.NewKey("phone-2"))(t)}
	fresh.signIn(1)
	proof := fresh.signed("vidan-device-registration+jwt", map[string]any{"aud": issuer, "iat": w.now().Unix(), "jti": uuid.NewString()})
	added := w.call(fresh.Client, http.StatusCreated, http.MethodPost, "/v1/me/devices", map[string]any{
		"name": "Điện thoại mới", "jwk": decodeJSON(t, fresh.device.Public()), "proof": proof, "activation": map[string]string{"personal_number": c.number, "code": code},
	})
	fresh.phone = decode[openapi.Device](t, added).ID
	fresh.signIn(2)
	contact := map[string]any{"kind": "sms", "address": "0900000044"}
	if got := w.call(fresh.Client, http.StatusForbidden, http.MethodPost, "/v1/me/contacts", contact).Problem().Code; got != "recently_recovered" {
		t.Errorf("a contact right after: %s", got)
	}
	w.later(person.RecoveryRest, nil, fresh)
	w.call(fresh.Client, http.StatusCreated, http.MethodPost, "/v1/me/contacts", contact)
}

func enrolAgain(w *world) *outside.Answer {
	return w.call(w.org[registrar], http.StatusConflict, http.MethodPost, "/v1/citizens?organisation="+registrar, w.enrolment("dan", 2),
		"Officer-Assertion", w.officer(registrar), "Idempotency-Key", uuid.NewString())
}

// TestAnObjectionFreezes a recovery that somebody else began, until another office decides.
func TestAnObjectionFreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	w.office("dinh-danh-2", auth.RightRecover)
	w.both(counter{w, registrar, "cb-1"}, counter{w, registrar, "cb-2"}, c.number, "/recovery", card())
	w.call(c.Client, http.StatusBadRequest, http.MethodPost, "/v1/me/recovery", map[string]bool{"object": false})
	w.call(c.Client, http.StatusNoContent, http.MethodPost, "/v1/me/recovery", map[string]bool{"object": true})
	w.call(c.Client, http.StatusNoContent, http.MethodPost, "/v1/me/recovery", map[string]bool{"object": true})
	mine := counter{w, registrar, "cb-1"}
	if code := mine.do(http.StatusForbidden, http.MethodPost, mine.at(c.number)+"/recovery/settle", card()).Problem().Code; code != "other_office_needed" {
		t.Errorf("the same office: %s", code)
	}
	if code := mine.do(http.StatusConflict, http.MethodPost, mine.at(c.number)+"/recovery/code", card()).Problem().Code; code != "state_conflict" {
		t.Errorf("a code of a frozen recovery: %s", code)
	}
	w.both(counter{w, "dinh-danh-2", "cb-1"}, counter{w, "dinh-danh-2", "cb-2"}, c.number, "/recovery/settle", card())
	w.later(person.RecoveryWait, map[string][]string{registrar: {auth.ScopeRegistrar}}, c)
	code := decode[struct {
		Code string `json:"code"`
	}](t, mine.do(http.StatusOK, http.MethodPost, mine.at(c.number)+"/recovery/code", card())).Code
	if len(code) != 8 { // there is no contact to send it to
		t.Errorf("a code of %d digits", len(code))
	}
}

// TestAFalseDeathReportFails: whoever is reported dead can do one thing, and it undoes the report; the reporter reads of it in its events.
func TestAFalseDeathReportFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	w.office("ho-tich", auth.RightDeath)
	reporter := counter{w, "ho-tich", "cb-1"}
	reporter.do(http.StatusNoContent, http.MethodPost, reporter.at(c.number)+"/death", extract())
	for _, path := range []string{"/v1/people", "/v1/me/devices", "/v1/me/contacts", "/v1/me/recovery", "/v1/people/me/documents"} {
		if code := w.call(c.Client, http.StatusForbidden, http.MethodGet, path, nil).Problem().Code; code != "person_blocked" {
			t.Errorf("%s: %s", path, code)
		}
	}
	w.call(c.Client, http.StatusForbidden, http.MethodPost, "/v1/me/block", nil)
	w.call(c.Client, http.StatusForbidden, http.MethodPost, "/v1/me/recovery", map[string]bool{"object": true})
	if code := reporter.do(http.StatusForbidden, http.MethodPost, reporter.at(c.number)+"/death/confirm", extract()).Problem().Code; code != "other_issuer_needed" {
		t.Errorf("confirmed by the reporter: %s", code)
	}
	// Whoever has no session left signs in as on any day, by both factors, and may say this one thing.
	c.signIn(2)
	if code := w.call(c.Client, http.StatusForbidden, http.MethodGet, "/v1/people", nil).Problem().Code; code != "person_blocked" {
		t.Errorf("signed in while reported: %s", code)
	}
	w.call(c.Client, http.StatusNoContent, http.MethodPost, "/v1/me/alive", nil)
	w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/people", nil)
	w.call(c.Client, http.StatusNoContent, http.MethodPost, "/v1/me/alive", nil) // of whom nothing is reported
	w.drain()
	events := decode[struct {
		Events []openapi.Event `json:"events"`
	}](t, w.call(w.org["ho-tich"], http.StatusOK, http.MethodGet, "/v1/events?organisation=ho-tich", nil)).Events
	if len(events) != 1 || events[0].Kind != person.EventDeathDenied || events[0].Body["person"] != strings.TrimPrefix(reporter.at(c.number), "/v1/citizens/") {
		t.Errorf("the reporter reads %+v", events)
	}
	// Blocked, nobody says that they live; confirmed, neither.
	w.exec(`update people set life = 'death_reported', blocked = true`)
	w.call(c.Client, http.StatusForbidden, http.MethodPost, "/v1/me/alive", nil)
	w.exec(`update people set life = 'dead', blocked = false`)
	w.call(c.Client, http.StatusForbidden, http.MethodPost, "/v1/me/alive", nil)
}

// TestReportedGuardHasOneUse: no other operation lets somebody pass who was reported dead.
func TestReportedGuardHasOneUse(t *testing.T) {
	t.Parallel()
	uses := 0
	for _, folder := range []string{"../openapi", "../web", "../cmd/vidan", "../intake", "../prefill"} {
		for _, file := range must(filepath.Glob(folder + "/*.go"))(t) {
			if !strings.HasSuffix(file, "_test.go") {
				uses += strings.Count(string(must(os.ReadFile(file))(t)), ".ReportedGuard(")
			}
		}
	}
	if uses != 1 {
		t.Errorf("%d operations use it", uses)
	}
}

// TestADeathOverHTTP: confirmed by another office a week later, and taken back by two officers.
func TestADeathOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	w.office("ho-tich", auth.RightDeath)
	reporter, registry := counter{w, registrar, "cb-1"}, counter{w, "ho-tich", "cb-9"}
	reporter.do(http.StatusNoContent, http.MethodPost, reporter.at(c.number)+"/death", extract())
	if code := registry.do(http.StatusConflict, http.MethodPost, registry.at(c.number)+"/death/confirm", extract()).Problem().Code; code != "too_early" {
		t.Errorf("at once: %s", code)
	}
	w.later(person.DeathWait, map[string][]string{registrar: {auth.ScopeRegistrar}, "ho-tich": {auth.ScopeRegistrar}})
	registry.do(http.StatusNoContent, http.MethodPost, registry.at(c.number)+"/death/confirm", extract())
	for _, tail := range []string{"/level", "/recovery"} {
		body := card()
		if tail == "/level" {
			body["level"] = 2
		}
		if code := reporter.do(http.StatusConflict, http.MethodPost, reporter.at(c.number)+tail, body).Problem().Code; code != "death_reported" {
			t.Errorf("%s for the dead: %s", tail, code)
		}
	}
	w.both(reporter, counter{w, registrar, "cb-2"}, c.number, "/death/reverse", extract())
	c.signIn(2)
	w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/people", nil)
}

// TestContactsOverHTTP: with a second factor just now, by a code; foreign ids are missing ones.
func TestContactsOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.citizen("dan", 2), w.citizen("giai", 2)
	body := map[string]any{"kind": "sms", "address": "0900 000 033"}
	added := decode[openapi.OwnContact](t, w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/contacts", body))
	if added.State != "pending" || added.Address != "+84900000033" {
		t.Errorf("added %s", added.State)
	}
	code := map[string]any{"code": w.codeOf(delivery.ContactCode)}
	at := "/v1/me/contacts/" + added.ID
	foreign := must(other.Do(t.Context(), http.MethodDelete, at, nil))(t)
	never := must(other.Do(t.Context(), http.MethodDelete, "/v1/me/contacts/"+strings.Repeat("A", len(added.ID)), nil))(t)
	same(t, "a contact", http.StatusNotFound, foreign, never)
	w.call(other.Client, http.StatusNotFound, http.MethodPost, at+"/confirm", code)
	w.call(c.Client, http.StatusForbidden, http.MethodPost, at+"/confirm", map[string]any{"code": "00000000"})
	w.call(c.Client, http.StatusNoContent, http.MethodPost, at+"/confirm", code)
	list := decode[struct {
		Items []openapi.OwnContact `json:"items"`
	}](t, w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/me/contacts", nil)).Items
	if len(list) != 1 || list[0].State != "active" || list[0].Verified != "code" {
		t.Errorf("listed %+v", list)
	}
	w.advance(9 * time.Minute)
	c.signIn(2)
	w.call(c.Client, http.StatusNoContent, http.MethodDelete, at, nil)
	c.signIn(1)
	if got := w.call(c.Client, http.StatusUnauthorized, http.MethodPost, "/v1/me/contacts", body).Problem().Code; got != "insufficient_level" {
		t.Errorf("without a second factor: %s", got)
	}
	mine := counter{w, registrar, "cb-1"}
	mine.do(http.StatusOK, http.MethodGet, mine.at(c.number)+"/contacts", nil)
	mine.do(http.StatusAccepted, http.MethodPost, mine.at(c.number)+"/contacts", map[string]any{
		"add": map[string]any{"kind": "email", "address": "du@example.vn"}, "evidence": card()["evidence"],
	})
	waiting := decode[struct {
		Items []openapi.Approval `json:"items"`
	}](t, counter{w, registrar, "cb-2"}.do(http.StatusOK, http.MethodGet, mine.at(c.number)+"/approvals?kind=contact", nil)).Items
	if len(waiting) != 1 || waiting[0].Contact == nil || waiting[0].Contact.Add.Address != "du@example.vn" || waiting[0].Officer.Name != officerName {
		t.Errorf("the second officer sees %+v", waiting)
	}
}

// TestRightsAreApart: each route of the registrar takes its own right and no other, the second officer's word included.
func TestRightsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 1)
	rights := []auth.Right{auth.RightEnrol, auth.RightLevel, auth.RightBind, auth.RightContact, auth.RightRecover, auth.RightDeath, auth.RightRelation}
	for _, r := range rights {
		w.office("chi-"+string(r), r)
	}
	level := card()
	level["level"] = 2
	add := card()
	add["add"] = map[string]any{"kind": "sms", "address": "0900000033"}
	who := map[string]string{"personal_number": "099190000991"} // nobody
	for _, route := range []struct {
		method, tail string
		body         any
		right        auth.Right
	}{
		{http.MethodPost, "", w.enrolment("giai", 0), auth.RightEnrol},
		{http.MethodPost, "/bind", map[string]any{"who": who, "personal_number": "099190000991", "evidence": card()["evidence"]}, auth.RightBind},
		{http.MethodPost, "/join", map[string]any{"main": who, "alias": who, "evidence": card()["evidence"]}, auth.RightBind},
		{http.MethodGet, "/pending", nil, auth.RightBind},
		{http.MethodPost, "/{}/level", level, auth.RightLevel},
		{http.MethodGet, "/{}/approvals?kind=level", nil, auth.RightLevel},
		{http.MethodGet, "/{}/approvals?kind=contact", nil, auth.RightContact},
		{http.MethodGet, "/{}/approvals?kind=revival", nil, auth.RightDeath},
		{http.MethodGet, "/{}/approvals?kind=unblock", nil, auth.RightRecover},
		{http.MethodGet, "/{}/contacts", nil, auth.RightContact},
		{http.MethodPost, "/{}/contacts", add, auth.RightContact},
		{http.MethodPost, "/{}/block", card(), auth.RightRecover},
		{http.MethodPost, "/{}/unblock", card(), auth.RightRecover},
		{http.MethodPost, "/{}/recovery", card(), auth.RightRecover},
		{http.MethodPost, "/{}/recovery/settle", card(), auth.RightRecover},
		{http.MethodPost, "/{}/recovery/code", card(), auth.RightRecover},
		{http.MethodPost, "/{}/death", extract(), auth.RightDeath},
		{http.MethodPost, "/{}/death/confirm", extract(), auth.RightDeath},
		{http.MethodPost, "/{}/death/reverse", extract(), auth.RightDeath},
		{http.MethodGet, "/{}/relations", nil, auth.RightRelation},
	} {
		for _, right := range rights {
			clerk := counter{w, "chi-" + string(right), "cb-1"}
			path := "/v1/citizens" + strings.Replace(route.tail, "/{}", strings.TrimPrefix(clerk.at("099190000991"), "/v1/citizens"), 1)
			refused := clerk.do(0, route.method, path, route.body).Problem().Code == "mandate_missing"
			if refused == (right == route.right) {
				t.Errorf("%s %s with the right %s: refused %v", route.method, route.tail, right, refused)
			}
		}
	}
	// The word of the second officer takes the right of what was proposed.
	first := counter{w, "chi-level", "cb-1"}
	p := first.do(http.StatusAccepted, http.MethodPost, first.at(c.number)+"/level", level)
	id := decode[struct {
		ID string `json:"approval_id"`
	}](t, p).ID
	if code := (counter{w, "chi-recover", "cb-2"}).do(0, http.MethodPost, counter{w, "chi-recover", "cb-2"}.at(c.number)+"/approvals/"+id+"/confirm", nil).Problem().Code; code != "mandate_missing" {
		t.Errorf("without the right: %s", code)
	}
	// An officer who signed in with one factor is neither of the two.
	weak := must(w.org["chi-level"].Key.Sign("vidan-officer+jwt", map[string]any{
		"iss": "chi-level-client", "sub": "cb-3", "name": officerName, "post": "Đăng ký viên", "organisation": "chi-level", "unit": unit, "aud": issuer,
		"iat": w.now().Unix(), "exp": w.now().Add(4 * time.Minute).Unix(), "jti": uuid.NewString(), "acr": "urn:vidan:level:1",
	}))(t)
	if code := w.call(w.org["chi-level"], http.StatusForbidden, http.MethodPost, first.at(c.number)+"/approvals/"+id+"/confirm?organisation=chi-level", nil,
		"Officer-Assertion", weak).Problem().Code; code != "officer_level_needed" {
		t.Errorf("an officer of level 1: %s", code)
	}
	counter{w, "chi-level", "cb-2"}.do(http.StatusNoContent, http.MethodPost, first.at(c.number)+"/approvals/"+id+"/confirm", nil)
	c.signIn(2)
}

// TestChildrenAreEnrolledByARepresentative of level 2, who is not one whose relation was taken away.
func TestChildrenAreEnrolledByARepresentative(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.citizen("dan", 2)
	child := w.enrolment("khang", 1)
	if code := w.as(registrar, http.StatusForbidden, http.MethodPost, "/v1/citizens?organisation="+registrar, child).Problem().Code; code != "representative_needed" {
		t.Errorf("alone: %s", code)
	}
	child["representative"] = map[string]any{
		"who": map[string]string{"personal_number": mother.number}, "right": "mother", "proof": map[string]string{"basis": "civil_register", "reference": "KS-2021/0031"},
	}
	w.as(registrar, http.StatusCreated, http.MethodPost, "/v1/citizens?organisation="+registrar, child)
	newborn := w.enrolment("giai", 2)
	newborn["birth_date"] = "2024-05-05"
	newborn["representative"] = child["representative"]
	if code := w.as(registrar, http.StatusUnprocessableEntity, http.MethodPost, "/v1/citizens?organisation="+registrar, newborn).Problem().Code; code != "level_not_allowed" {
		t.Errorf("level 2 under six: %s", code)
	}
}

func (w *world) count(want int, sql string) {
	w.t.Helper()
	var n int
	if err := w.db.Owner(w.t).QueryRow(w.t.Context(), sql).Scan(&n); err != nil || n != want {
		w.t.Errorf("%d rows, want %d, %v: %s", n, want, err, sql)
	}
}

func decodeJSON(t testing.TB, raw json.RawMessage) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
