package openapi_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// TestP3_TheSameKeyIsTheSameAct: the same key and body give the first answer, another body is refused, a missing key is refused.
func TestP3_TheSameKeyIsTheSameAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	key := uuid.NewString()
	send := func(status int, path, key string, body any) []byte {
		t.Helper()
		headers := []string{"Officer-Assertion", w.officer(school)}
		if key != "" {
			headers = append(headers, "Idempotency-Key", key)
		}
		return w.call(w.org[school], status, http.MethodPost, path, body, headers...).Body
	}
	first := send(http.StatusCreated, "/v1/consent-requests", key, w.asking(school, nil))
	if again := send(http.StatusOK, "/v1/consent-requests", key, w.asking(school, nil)); string(again) != string(first) {
		t.Errorf("sent again: %s, first %s", again, first)
	}
	for _, row := range []struct {
		status          int
		path, key, code string
		body            any
	}{
		{422, "/v1/consent-requests", key, "idempotency_conflict", w.asking(school, func(b map[string]any) { b["dossier_code"] = "MN-2" })},
		{400, "/v1/consent-requests", "", "idempotency_key_required", w.asking(school, nil)},
		{400, "/v1/prefill", "", "idempotency_key_required", map[string]string{"organisation": school, "request_id": "x"}},
	} {
		if body := send(row.status, row.path, row.key, row.body); !contains(body, `"`+row.code+`"`) {
			t.Errorf("%s: want %s: %s", row.path, row.code, body)
		}
	}
	if p := w.call(w.org[school], http.StatusForbidden, http.MethodPost, "/v1/consent-requests", w.asking(school, nil), "Idempotency-Key", key).Problem(); p.Code != "officer_assertion_required" {
		t.Errorf("without an officer: %s", p.Code)
	}

	// Many at once, one request.
	key = uuid.NewString()
	ids := make([]string, 20)
	var made, group = 0, sync.WaitGroup{}
	var mu sync.Mutex
	officer := w.officer(school)
	for i := range ids {
		group.Go(func() {
			a, err := w.org[school].Do(t.Context(), http.MethodPost, "/v1/consent-requests", w.asking(school, func(b map[string]any) { b["dossier_code"] = "MN-3" }),
				"Officer-Assertion", officer, "Idempotency-Key", key)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch a.Status {
			case http.StatusCreated:
				made++
				ids[i] = string(a.Body)
			case http.StatusOK:
				ids[i] = string(a.Body)
			case http.StatusConflict, http.StatusServiceUnavailable:
			default:
				t.Errorf("answered %d %s", a.Status, a.Body)
			}
		})
	}
	group.Wait()
	if made != 1 {
		t.Errorf("%d were told that they made it", made)
	}
	want := ""
	for _, id := range ids {
		if id != "" && want == "" {
			want = id
		}
		if id != "" && id != want {
			t.Errorf("two requests: %s, %s", id, want)
		}
	}

	// A decision again is the first receipt; another one is refused; enrolling again under the key is the same person.
	base := "/v1/people/" + f.child + "/consent-requests"
	list := decode[struct {
		Items []struct {
			ID string `json:"request_id"`
		} `json:"items"`
	}](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, base, nil))
	path := base + "/" + list.Items[0].ID + "/decision"
	deny := map[string]string{"decision": "deny"}
	receipt := func() string {
		return decode[struct {
			Receipt string `json:"receipt"`
		}](t, w.call(f.mother.Client, http.StatusOK, http.MethodPost, path, deny)).Receipt
	}
	if a, b := receipt(), receipt(); a == "" || a != b {
		t.Error("the same decision gave two receipts")
	}
	allow := map[string]any{"decision": "allow", "fields": []string{"child_full_name"}}
	if p := w.call(f.mother.Client, http.StatusConflict, http.MethodPost, path, allow).Problem(); p.Code != "already_decided" {
		t.Errorf("another decision: %s", p.Code)
	}
	key = uuid.NewString()
	enrol := func() []byte {
		return w.call(w.org[registrar], http.StatusCreated, http.MethodPost, "/v1/citizens?organisation="+registrar, w.enrolment("le", 1),
			"Officer-Assertion", w.officer(registrar), "Idempotency-Key", key).Body
	}
	if a, b := enrol(), enrol(); string(a) != string(b) {
		t.Errorf("enrolled twice: %s, %s", a, b)
	}
	if p := w.as(registrar, http.StatusConflict, http.MethodPost, "/v1/citizens?organisation="+registrar, w.enrolment("le", 1)).Problem(); p.Code != "number_taken" {
		t.Errorf("enrolled under another key: %s", p.Code)
	}
}
