package openapi_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"vidan/openapi"
)

// TestStory is the consent walk over HTTP: ask, read, decide, fill, withdraw.
func TestStory_AskDecideFillWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	request := w.ask(school, func(b map[string]any) { b["mode"], b["uses"] = "uses", 3 })

	fill := map[string]string{"organisation": school, "request_id": request}
	if p := w.as(school, http.StatusForbidden, http.MethodPost, "/v1/prefill", fill).Problem(); p.Code != "not_granted" {
		t.Fatalf("before a decision: %s", p.Code)
	}
	f.mother.decideAll(f.child, "me")
	w.drain()
	status := decode[openapi.AskStatus](t, w.call(w.org[school], http.StatusOK, http.MethodGet, "/v1/consent-requests/"+request+"?organisation="+school, nil))
	if status.State != "complete" {
		t.Fatalf("state %s", status.State)
	}
	key := uuid.NewString()
	answer := w.call(w.org[school], http.StatusOK, http.MethodPost, "/v1/prefill", fill, "Officer-Assertion", w.officer(school), "Idempotency-Key", key)
	form := decode[openapi.FilledForm](t, answer)
	if len(form.Fields) < 10 || form.Signed == "" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d fields: %s", len(form.Fields), answer.Body)
	}
	again := decode[openapi.FilledForm](t, w.call(w.org[school], http.StatusOK, http.MethodPost, "/v1/prefill", fill,
		"Officer-Assertion", w.officer(school), "Idempotency-Key", key))
	if again.Disclosure != form.Disclosure || !again.Repeated {
		t.Errorf("the same key became another release")
	}
	list := decode[struct {
		Items []openapi.Consent `json:"items"`
	}](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people/"+f.child+"/consents", nil))
	if len(list.Items) != 1 || list.Items[0].State != "active" || *list.Items[0].UsesLeft != 2 {
		t.Fatalf("consents: %+v", list.Items)
	}
	path := "/v1/people/" + f.child + "/consents/" + list.Items[0].ID
	for _, act := range []string{"pause", "resume", "withdraw"} {
		w.call(f.mother.Client, http.StatusOK, http.MethodPost, path+"/"+act, nil)
	}
	receipts := decode[struct {
		Items []string `json:"items"`
	}](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, path+"/receipts", nil))
	if len(receipts.Items) != 4 {
		t.Errorf("%d receipts, want four", len(receipts.Items))
	}
	if p := w.as(school, http.StatusForbidden, http.MethodPost, "/v1/prefill", fill).Problem(); p.Code != "grant_withdrawn" {
		t.Errorf("after the withdrawal: %s", p.Code)
	}
}
