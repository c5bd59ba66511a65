package openapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"vidan/internal/outside"
	"vidan/openapi"
)

// blank is an answer without what names the request: head and body.
func blank(t testing.TB, a *outside.Answer) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(a.Body, &body); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	id, _ := body["request_id"].(string)
	if id == "" || a.Header.Get("X-Request-Id") != id {
		t.Errorf("head and body name different requests: %q, %q", a.Header.Get("X-Request-Id"), id)
	}
	head := a.Header.Clone()
	head.Del("X-Request-Id")
	head.Del("Date")
	var out strings.Builder
	_ = head.Write(&out)
	return out.String() + strings.ReplaceAll(string(a.Body), id, "")
}

// same fails unless all answers are byte for byte the same, their request id aside.
func same(t testing.TB, what string, status int, answers ...*outside.Answer) {
	t.Helper()
	for _, a := range answers {
		if a.Status != status {
			t.Errorf("%s answered %d, want %d: %s", what, a.Status, status, a.Body)
		}
		if blank(t, a) != blank(t, answers[0]) {
			t.Errorf("%s: a foreign id can be told from a missing one:\n%s\n%s", what, blank(t, a), blank(t, answers[0]))
		}
	}
}

// TestS1_AForeignIdIsAMissingOne: whatever is not the caller's answers as if it had never been, for people as for organisations.
func TestS1_AForeignIdIsAMissingOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	stranger := w.citizen("hoa", 2)
	request := w.ask(school, nil)
	f.mother.decideAll(f.child, "me")
	w.drain()

	get := func(c *outside.Client, path string) *outside.Answer {
		return must(c.Do(t.Context(), http.MethodGet, path, nil))(t)
	}
	paper := decode[struct {
		Items []openapi.PaperItem `json:"items"`
	}](t, get(f.mother.Client, "/v1/people/"+f.child+"/documents")).Items[0].ID
	consent := decode[struct {
		Items []openapi.Consent `json:"items"`
	}](t, get(f.mother.Client, "/v1/people/"+f.child+"/consents")).Items[0]
	made := strings.Repeat("A", len(paper))

	// A person's things, under the names their own app has for them, asked for by a stranger, by nobody's name, and by a name of another kind.
	for _, path := range []string{
		"/v1/people/me/documents/%", "/v1/people/me/documents/%/revisions", "/v1/people/me/consent-requests/%", "/v1/people/me/consents/%/receipts",
		"/v1/people/%/documents", "/v1/people/%/documents/" + paper, "/v1/people/%/consent-requests", "/v1/people/%/consents", "/v1/people/%/accesses",
	} {
		var answers []*outside.Answer
		for _, id := range []string{paper, consent.ID, consent.RequestID, f.child, made, "x", uuid.NewString()} {
			answers = append(answers, get(stranger.Client, strings.ReplaceAll(path, "%", id)))
		}
		same(t, path, http.StatusNotFound, answers...)
	}
	for _, path := range []string{"/v1/people/me/consents/%/withdraw", "/v1/people/me/consents/%/pause", "/v1/people/me/consents/%/resume"} {
		var answers []*outside.Answer
		for _, id := range []string{consent.ID, paper, made} {
			answers = append(answers, must(stranger.Do(t.Context(), http.MethodPost, strings.ReplaceAll(path, "%", id), nil))(t))
		}
		same(t, path, http.StatusNotFound, answers...)
	}
	var answers []*outside.Answer
	for _, id := range []string{consent.RequestID, made, paper} {
		answers = append(answers, must(stranger.Do(t.Context(), http.MethodPost, "/v1/people/me/consent-requests/"+id+"/decision", map[string]string{"decision": "deny"}))(t))
	}
	same(t, "decision", http.StatusNotFound, answers...)
	answers = nil
	for _, id := range []string{f.mother.phone, made} {
		answers = append(answers, must(stranger.Do(t.Context(), http.MethodDelete, "/v1/me/devices/"+id, nil))(t))
	}
	same(t, "device", http.StatusNotFound, answers...)

	// An organisation's request, asked for by another one with the same rights.
	answers = nil
	for _, id := range []string{request, made, "x"} {
		answers = append(answers, get(w.org[other], "/v1/consent-requests/"+id+"?organisation="+other))
	}
	same(t, "request", http.StatusNotFound, answers...)
	answers = nil
	for _, id := range []string{request, made, "x"} {
		answers = append(answers, w.as(other, http.StatusNotFound, http.MethodPost, "/v1/prefill", map[string]string{"organisation": other, "request_id": id}))
	}
	same(t, "prefill", http.StatusNotFound, answers...)
	// In the first one's name it has no mandate, whatever the id.
	answers = nil
	for _, id := range []string{request, made} {
		answers = append(answers, get(w.org[other], "/v1/consent-requests/"+id+"?organisation="+school))
	}
	same(t, "request in another's name", http.StatusForbidden, answers...)
}

// TestS1_ARestrictedRelationIsNone: after a restriction the handle answers like one that was never made.
func TestS1_ARestrictedRelationIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	child := f.father.handle()
	w.ask(school, nil)
	officer := w.officer(registrar)
	found := w.as(registrar, http.StatusOK, http.MethodPost, "/v1/citizens/find?organisation="+registrar,
		map[string]any{"who": map[string]string{"personal_number": w.of("khang").PersonalNumber}})
	path := "/v1/citizens/" + decode[struct {
		Person string `json:"person"`
	}](t, found).Person + "/relations"
	list := decode[struct {
		Items []openapi.Relation `json:"items"`
	}](t, w.call(w.org[registrar], http.StatusOK, http.MethodGet, path+"?organisation="+registrar, nil, "Officer-Assertion", officer))
	for _, r := range list.Items {
		if r.Kind == "father" {
			w.as(registrar, http.StatusNoContent, http.MethodPost, path+"/"+r.ID+"/restrict?organisation="+registrar, map[string]string{"reason": "court_order"})
			if p := w.as(registrar, http.StatusConflict, http.MethodPost, path+"/"+r.ID+"/confirm?organisation="+registrar, nil).Problem(); p.Code != "state_conflict" {
				t.Errorf("confirming a restricted relation: %s", p.Code)
			}
		}
	}
	w.drain()
	for _, tail := range []string{"documents", "consents", "consent-requests", "accesses"} {
		gone := must(f.father.Do(t.Context(), http.MethodGet, "/v1/people/"+child+"/"+tail, nil))(t)
		never := must(f.father.Do(t.Context(), http.MethodGet, "/v1/people/"+strings.Repeat("A", len(child))+"/"+tail, nil))(t)
		same(t, tail, http.StatusNotFound, gone, never)
	}
	people := decode[struct {
		Items []openapi.Person `json:"items"`
	}](t, w.call(f.father.Client, http.StatusOK, http.MethodGet, "/v1/people", nil))
	if len(people.Items) != 1 {
		t.Errorf("the father still sees %d people", len(people.Items))
	}
	// The mother, for whom nothing changed, still sees the child.
	w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/"+f.child+"/documents", nil)
}

// TestS1_AskingDoesNotTellWhoIsKnown: the answer to a request is the same for somebody with an account, without one, and for nobody.
func TestS1_AskingDoesNotTellWhoIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	_ = f
	shape := func(party map[string]any) string {
		party["roles"] = []string{"child"}
		a := w.as(school, http.StatusCreated, http.MethodPost, "/v1/consent-requests", w.asking(school, func(b map[string]any) {
			b["parties"], b["dossier_code"] = []map[string]any{party}, uuid.NewString()
		}))
		id := decode[struct {
			ID string `json:"request_id"`
		}](t, a).ID
		status := w.call(w.org[school], http.StatusOK, http.MethodGet, "/v1/consent-requests/"+id+"?organisation="+school, nil)
		fill := w.as(school, http.StatusForbidden, http.MethodPost, "/v1/prefill", map[string]string{"organisation": school, "request_id": id})
		return strings.ReplaceAll(string(a.Body)+string(status.Body), id, "") + blank(t, fill)
	}
	known := shape(map[string]any{"personal_number": w.of("khang").PersonalNumber})
	for name, party := range map[string]map[string]any{
		"nobody":            {"personal_number": "099190000991"},
		"a notice":          {"birth_notice_number": "99999.GCS.00001.26"},
		"a made-up subject": {"sub": "nobody-in-particular"},
		"a made-up receipt": {"subject_ref": strings.Repeat("A", 43)},
	} {
		if got := shape(party); got != known {
			t.Errorf("%s can be told from somebody known:\n%s\n%s", name, got, known)
		}
	}
}
