package openapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"vidan/internal/outside"
	"vidan/openapi"
)

// view opens the one request that waits for somebody.
func (c *citizen) view(person string) (path string, v openapi.RequestView) {
	c.w.t.Helper()
	base := "/v1/people/" + person + "/consent-requests"
	list := decode[struct {
		Items []openapi.PendingRequest `json:"items"`
	}](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, base, nil))
	if len(list.Items) != 1 {
		c.w.t.Fatalf("%d open requests, want one", len(list.Items))
	}
	path = base + "/" + list.Items[0].ID
	return path, decode[openapi.RequestView](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, path, nil))
}

// TestDecision_WhatIsSigned walks through everything a decision can be wrong in, and through the two ways to be right.
func TestDecision_WhatIsSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	w.ask(school, func(b map[string]any) { b["mode"], b["uses"] = "uses", 2 })
	path, view := f.mother.view(f.child)

	if view.Officer.Name != officerName || view.Organisation.ID != school || view.Texts["vi"].Text == "" || view.Texts["en"].SHA256 == "" || view.ToSign == nil {
		t.Fatalf("the view lacks what a person has to know: %+v", view)
	}
	held := 0
	for _, field := range view.Fields {
		if field.Present != nil && field.Present.Value != nil && field.Present.Source != nil {
			held++
		}
	}
	if held < 5 {
		t.Errorf("%d fields with their present value", held)
	}
	if !slices.IsSorted(view.ToSign.Fields) || len(view.ToSign.Fields) != len(view.Fields) || len(view.ToSign.Pinned) != 0 || view.ToSign.Language != "vi" {
		t.Errorf("the proposal is not the canonical decision: %+v", view.ToSign)
	}
	changed := func(edit func(*openapi.ToSign)) string {
		d := *view.ToSign
		edit(&d)
		return f.mother.signed("vidan-decision+jwt", d)
	}
	stranger := must(outside.NewKey("phone"))(t)
	right := changed(func(*openapi.ToSign) {})
	for name, row := range map[string]struct {
		body   map[string]any
		status int
		code   string
	}{
		"no signature for several uses": {map[string]any{"decision": "allow", "fields": view.ToSign.Fields}, 403, "signature_required"},
		"another's key":                 {map[string]any{"decision": "allow", "signature": must(stranger.Sign("vidan-decision+jwt", view.ToSign))(t)}, 400, "signature_invalid"},
		"another typ":                   {map[string]any{"decision": "allow", "signature": f.mother.signed("vidan-device+jwt", view.ToSign)}, 400, "signature_invalid"},
		"another nonce":                 {map[string]any{"decision": "allow", "signature": changed(func(d *openapi.ToSign) { d.Nonce = "eA" })}, 422, "decision_mismatch"},
		"another text":                  {map[string]any{"decision": "allow", "signature": changed(func(d *openapi.ToSign) { d.TextSHA256 = view.Texts["en"].SHA256 })}, 422, "decision_mismatch"},
		"more uses":                     {map[string]any{"decision": "allow", "signature": changed(func(d *openapi.ToSign) { d.Uses = 3 })}, 422, "decision_mismatch"},
		"a field not asked for":         {map[string]any{"decision": "allow", "fields": []string{"religion"}, "signature": right}, 422, "decision_mismatch"},
		"other fields than signed":      {map[string]any{"decision": "allow", "fields": view.ToSign.Fields[:1], "signature": right}, 422, "decision_mismatch"},
		"a no with a signed yes":        {map[string]any{"decision": "deny", "signature": right}, 422, "decision_mismatch"},
		"neither":                       {map[string]any{"decision": "maybe"}, 400, "invalid_request"},
		"a replaced one that is not":    {map[string]any{"decision": "allow", "replaces": strings.Repeat("A", 43), "signature": right}, 404, "not_found"},
	} {
		a := must(f.mother.Do(t.Context(), http.MethodPost, path+"/decision", row.body))(t)
		if p := a.Problem(); a.Status != row.status || p.Code != row.code {
			t.Errorf("%s answered %d %s, want %d %s", name, a.Status, p.Code, row.status, row.code)
		}
	}

	// In English, some of the fields, everything spelled out.
	d := *view.ToSign
	d.Language, d.TextSHA256, d.Fields = "en", view.Texts["en"].SHA256, d.Fields[:2]
	until := must(time.Parse(time.RFC3339, d.Until))(t)
	answer := decode[openapi.DecisionAnswer](t, w.call(f.mother.Client, http.StatusOK, http.MethodPost, path+"/decision", map[string]any{
		"decision": "allow", "fields": d.Fields, "language": "en", "mode": "uses", "uses": 2, "until": until, "signature": f.mother.signed("vidan-decision+jwt", d),
	}))
	if !answer.Allowed || !answer.Complete || answer.Consent == nil || len(answer.Consent.Fields) != 2 || answer.Consent.By != "representative" || answer.Consent.Organisation.VI == "" {
		t.Errorf("answer: %+v", answer)
	}
	// Decided: no value is opened any more, and nothing is left to sign.
	after := decode[openapi.RequestView](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, path, nil))
	if after.State != "allowed" || after.ToSign != nil || after.Fields[0].Present != nil {
		t.Errorf("after the decision: %+v", after)
	}
	// The mother's own facts, once, without a signature, by what is not sensitive.
	path, view = f.mother.view("me")
	var plain []string
	for _, field := range view.Fields {
		if !field.Sensitive {
			plain = append(plain, field.Name)
		}
	}
	answer = decode[openapi.DecisionAnswer](t, w.call(f.mother.Client, http.StatusOK, http.MethodPost, path+"/decision",
		map[string]any{"decision": "allow", "fields": plain, "mode": "once", "pinned": view.Pinned}))
	if !answer.Allowed || answer.Consent.Mode != "once" {
		t.Errorf("answer: %+v", answer)
	}
}

// TestDecision_TooLate: a request that nobody decided in time is over, for the person and for the organisation.
func TestDecision_TooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	request := w.ask(school, func(b map[string]any) { b["expires_in_hours"] = 1 })
	path, view := f.mother.view(f.child)
	signature := f.mother.signed("vidan-decision+jwt", view.ToSign)
	w.advance(2 * time.Hour)
	f.mother.signIn(2)
	if err := w.org[school].Login(t.Context(), "consent", "prefill", "events"); err != nil {
		t.Fatal(err)
	}
	if p := w.call(f.mother.Client, http.StatusGone, http.MethodPost, path+"/decision", map[string]string{"decision": "allow", "signature": signature}).Problem(); p.Code != "request_expired" {
		t.Errorf("too late: %s", p.Code)
	}
	w.drain()
	status := decode[openapi.AskStatus](t, w.call(w.org[school], http.StatusOK, http.MethodGet, "/v1/consent-requests/"+request+"?organisation="+school, nil))
	if status.State != "expired" {
		t.Errorf("state %s", status.State)
	}
	events := w.call(w.org[school], http.StatusOK, http.MethodGet, "/v1/events?organisation="+school, nil)
	if !contains(events.Body, "request.expired") || !contains(events.Body, request) {
		t.Errorf("events: %s", events.Body)
	}
	if p := w.as(school, http.StatusForbidden, http.MethodPost, "/v1/prefill", map[string]string{"organisation": school, "request_id": request}).Problem(); p.Code != "not_granted" {
		t.Errorf("nobody decided: %s", p.Code)
	}
}

// TestAsking_IsForWhatTheProcedureUses: every field outside is named by its place, never by what was written there; so are other faults.
func TestAsking_IsForWhatTheProcedureUses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.family()
	p := w.as(school, http.StatusUnprocessableEntity, http.MethodPost, "/v1/consent-requests", w.asking(school, func(b map[string]any) {
		b["fields"] = []string{"religion", "child_full_name", "father_income"}
	})).Problem()
	if p.Code != "fields_outside_procedure" || len(p.Errors) != 2 || p.Errors[0].Pointer != "/fields/0" || p.Errors[1].Pointer != "/fields/2" || p.Errors[0].Code != "unknown_to_procedure" {
		t.Errorf("%+v", p)
	}
	for name, row := range map[string]struct {
		edit    func(map[string]any)
		status  int
		code    string
		pointer string
	}{
		"a party named twice":   {func(b map[string]any) { b["parties"].([]map[string]any)[0]["sub"] = "x" }, 400, "invalid_request", "/parties/0"},
		"a party not named":     {func(b map[string]any) { delete(b["parties"].([]map[string]any)[1], "personal_number") }, 400, "invalid_request", "/parties/1"},
		"a name in the body":    {func(b map[string]any) { b["officer"] = map[string]string{"name": officerName} }, 400, "invalid_request", ""},
		"an unknown procedure":  {func(b map[string]any) { b["procedure"] = "none" }, 400, "invalid_request", ""},
		"another organisation":  {func(b map[string]any) { b["organisation"] = other }, 403, "mandate_missing", ""},
		"an unknown role":       {func(b map[string]any) { b["parties"].([]map[string]any)[0]["roles"] = []string{"uncle"} }, 400, "invalid_request", ""},
		"until without a limit": {func(b map[string]any) { b["mode"] = "until" }, 400, "invalid_request", ""},
	} {
		a := must(w.org[school].Do(t.Context(), http.MethodPost, "/v1/consent-requests", w.asking(school, row.edit),
			"Officer-Assertion", w.officer(school), "Idempotency-Key", uuid.NewString()))(t)
		p := a.Problem()
		if a.Status != row.status || p.Code != row.code || row.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != row.pointer) {
			t.Errorf("%s answered %d %+v", name, a.Status, p)
		}
	}
	// After three open requests to a person there is no fourth.
	for range 3 {
		w.ask(school, nil)
	}
	if p := w.as(school, http.StatusConflict, http.MethodPost, "/v1/consent-requests", w.asking(school, nil)).Problem(); p.Code != "too_many_open" {
		t.Errorf("a fourth: %s", p.Code)
	}
}

// TestPrefill_AnswersPerField: value, source, salt and reason of what is missing; one read of a once-grant is all.
func TestPrefill_AnswersPerField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	request := w.ask(school, nil)
	f.mother.decideAll(f.child, "me")
	fill := map[string]string{"organisation": school, "request_id": request}
	answer := w.as(school, http.StatusOK, http.MethodPost, "/v1/prefill", fill)
	form := decode[openapi.FilledForm](t, answer)
	reasons := map[string]string{}
	for _, m := range form.Missing {
		reasons[m.Name] = m.Reason
	}
	if reasons["school_choice"] != "must_be_typed" || form.Request != request || form.Dossier != "MN-2026-0001" {
		t.Errorf("missing %v of %s", reasons, form.Request)
	}
	withAddress := 0
	for _, field := range form.Fields {
		if field.Salt == "" || field.Value == nil && len(field.Choices) == 0 || field.Value != nil && (field.Source == nil || field.Source.Document == "") {
			t.Errorf("field %+v", field)
		}
		if field.Address != nil {
			withAddress++
			if field.Address.Issued.Text == "" {
				t.Errorf("address %+v", field.Address)
			}
		}
	}
	if withAddress == 0 {
		t.Error("no field shows an address in both systems")
	}
	if p := w.as(school, http.StatusForbidden, http.MethodPost, "/v1/prefill", fill).Problem(); p.Code != "grant_consumed" {
		t.Errorf("a second reading of a once-grant: %s", p.Code)
	}
	history := w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/"+f.child+"/accesses?kind=disclosure", nil)
	accesses := decode[struct {
		Items []openapi.Access `json:"items"`
	}](t, history)
	if len(accesses.Items) != 1 || accesses.Items[0].Officer == nil || accesses.Items[0].Officer.Name != officerName || len(accesses.Items[0].Fields) == 0 {
		t.Errorf("history: %s", history.Body)
	}
	if contains(history.Body, w.of("khang").PersonalNumber) || contains(history.Body, w.of("khang").FullName) {
		t.Error("the history holds a value")
	}
	// Another consistency of names: the same key for another request is refused.
	second := w.ask(school, func(b map[string]any) { b["dossier_code"] = "MN-2" })
	key := uuid.NewString()
	w.call(w.org[school], http.StatusForbidden, http.MethodPost, "/v1/prefill", map[string]string{"organisation": school, "request_id": second},
		"Officer-Assertion", w.officer(school), "Idempotency-Key", key)
}

// TestDevices: a device is registered by a session that another device has just confirmed, listed, removed; signing out ends the token.
func TestDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	weak := w.citizen("hoa", 1)
	key := must(outside.NewKey("second"))(t)
	body := func() map[string]any {
		var jwk map[string]any
		if err := json.Unmarshal(key.Public(), &jwk); err != nil {
			t.Fatal(err)
		}
		proof := must(key.Sign("vidan-device-registration+jwt", map[string]any{"aud": issuer, "iat": w.now().Unix(), "jti": uuid.NewString()}))(t)
		return map[string]any{"name": "Máy tính bảng", "jwk": jwk, "proof": proof}
	}
	device := decode[openapi.Device](t, w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/devices", body()))
	if again := decode[openapi.Device](t, w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/devices", body())); again != device {
		t.Errorf("registered again: %+v, first %+v", again, device)
	}
	if p := w.call(weak.Client, http.StatusUnauthorized, http.MethodPost, "/v1/me/devices", body()).Problem(); p.Code != "insufficient_level" {
		t.Errorf("a passphrase alone: %s", p.Code)
	}
	code := body()
	code["activation"] = map[string]string{"personal_number": w.of("hoa").PersonalNumber, "code": "12345678"}
	if p := w.call(weak.Client, http.StatusForbidden, http.MethodPost, "/v1/me/devices", code).Problem(); p.Code != "activation_invalid" {
		t.Errorf("a wrong code: %s", p.Code)
	}
	bad := body()
	bad["proof"] = c.signed("vidan-device-registration+jwt", map[string]any{"aud": issuer, "iat": w.now().Unix(), "jti": uuid.NewString()})
	if p := w.call(c.Client, http.StatusUnprocessableEntity, http.MethodPost, "/v1/me/devices", bad).Problem(); p.Code != "device_refused" {
		t.Errorf("a proof by another key: %s", p.Code)
	}
	devices := func() []openapi.Device {
		return decode[struct {
			Items []openapi.Device `json:"items"`
		}](t, w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/me/devices", nil)).Items
	}
	if list := devices(); len(list) != 2 || list[1] != device {
		t.Errorf("devices: %+v", list)
	}
	w.call(c.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/devices/"+device.ID, nil)
	w.call(c.Client, http.StatusNotFound, http.MethodDelete, "/v1/me/devices/"+device.ID, nil)
	if list := devices(); len(list) != 1 {
		t.Errorf("after removing: %+v", list)
	}
	w.call(c.Client, http.StatusNoContent, http.MethodPost, "/v1/me/sign-out", nil)
	for _, path := range []string{"/v1/people", "/v1/me/devices", "/v1/people/me/documents", "/v1/people/x/documents", "/v1/people/me/consents/x/receipts"} {
		a := w.call(c.Client, http.StatusUnauthorized, http.MethodGet, path, nil)
		if a.Problem().Code != "token_revoked" || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s after signing out: %s", path, a.Body)
		}
	}
}

// TestSessions: a person sees where they are signed in, ends one, all others, all; of somebody else's nobody learns that it is there (S1).
func TestSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, stranger := w.citizen("dan", 2), w.citizen("hoa", 1)
	sessions := func() []openapi.Session {
		return decode[struct {
			Items []openapi.Session `json:"items"`
		}](t, w.call(here.Client, http.StatusOK, http.MethodGet, "/v1/me/sessions", nil)).Items
	}
	list := sessions()
	if len(list) != 1 || !list[0].Current || list[0].Level != 2 || list[0].ClientName == "" {
		t.Fatalf("%+v", list)
	}
	var answers []*outside.Answer
	for _, id := range []string{list[0].ID, "x", strings.Repeat("A", len(list[0].ID))} {
		answers = append(answers, w.call(stranger.Client, http.StatusNotFound, http.MethodDelete, "/v1/me/sessions/"+id, nil))
	}
	same(t, "session", http.StatusNotFound, answers...)
	w.call(here.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/sessions?others=true", nil)
	if list = sessions(); len(list) != 1 {
		t.Errorf("its own session went too: %+v", list)
	}
	w.call(here.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/sessions/"+list[0].ID, nil)
	if p := w.call(here.Client, http.StatusUnauthorized, http.MethodGet, "/v1/me/sessions", nil).Problem(); p.Code != "token_revoked" {
		t.Errorf("after ending it: %s", p.Code)
	}
	w.call(stranger.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/sessions", nil)
	if p := w.call(stranger.Client, http.StatusUnauthorized, http.MethodGet, "/v1/me/sessions", nil).Problem(); p.Code != "token_revoked" {
		t.Errorf("after ending all: %s", p.Code)
	}
}

// TestPolicies_KeepKindsAndScopesApart sends every operation the token of the other kind, and of an organisation without its scope.
func TestPolicies_KeepKindsAndScopesApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	person := w.citizen("dan", 2)
	for _, path := range slices.Sorted(maps.Keys(w.api.Document().Paths)) {
		item := w.api.Document().Paths[path]
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete} {
			if op == nil || !strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v1/document-types") || strings.HasPrefix(path, "/v1/procedures") {
				continue
			}
			citizens := strings.HasPrefix(path, "/v1/people") || strings.HasPrefix(path, "/v1/me/")
			wrong := []*outside.Client{person.Client, w.org[insurance]}
			if citizens {
				wrong = []*outside.Client{w.org[school], w.org[registrar]}
			}
			if path == "/v1/results" || path == "/v1/events" {
				wrong = wrong[:1]
			}
			if strings.HasPrefix(path, "/v1/quarantine") {
				wrong = []*outside.Client{person.Client, w.org[school]}
			}
			full := strings.NewReplacer("{person}", "me", "{id}", "x", "{relation}", "x").Replace(path)
			for _, c := range wrong {
				if a := w.call(c, http.StatusForbidden, method, full, nil); a.Problem().Code != "insufficient_scope" {
					t.Errorf("%s %s by %s answered %s", method, path, c.ID, a.Problem().Code)
				}
			}
			nobody := *person.Client
			nobody.Token = "x.y.z"
			if a := w.call(&nobody, http.StatusUnauthorized, method, full, nil); a.Problem().Code != "invalid_token" {
				t.Errorf("%s %s without a token answered %s", method, path, a.Problem().Code)
			}
		}
	}
}
