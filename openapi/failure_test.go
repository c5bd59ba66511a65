package openapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestS5_AFailingDatabaseSaysNothing: whatever fails below, the answer is a code, the request's id and what to do; nothing is served that was not
// recorded (P7).
func TestS5_AFailingDatabaseSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	request := w.ask(school, nil)
	f.mother.decideAll(f.child, "me")
	for what, row := range map[string]struct{ broken, mended string }{
		"the record cannot be written": {`revoke insert on access_log from vidan_serve`, `grant insert on access_log to vidan_serve`},
		"papers cannot be read":        {`revoke select on documents from vidan_serve`, `grant select on documents to vidan_serve`},
		"a table is gone":              {`alter table grants rename to lost`, `alter table lost rename to grants`},
	} {
		w.exec(row.broken)
		answers := map[string]int{}
		for _, path := range []string{"/documents", "/consents", "/accesses"} {
			a := must(f.mother.Do(t.Context(), http.MethodGet, "/v1/people/"+f.child+path, nil))(t)
			answers[path] = a.Status
			if a.Status == http.StatusOK {
				continue
			}
			p := a.Problem()
			if a.Status < 500 || p.Code == "" || a.Header.Get("X-Request-Id") == "" || strings.Contains(string(a.Body), "SQLSTATE") || strings.Contains(string(a.Body), "permission") || strings.Contains(string(a.Body), "lost") {
				t.Errorf("%s: %s answered %d %s", what, path, a.Status, a.Body)
			}
		}
		fill := w.call(w.org[school], 0, http.MethodPost, "/v1/prefill", map[string]string{"organisation": school, "request_id": request},
			"Officer-Assertion", w.officer(school), "Idempotency-Key", "failing")
		if fill.Status < 500 || contains(fill.Body, w.of("khang").FullName) {
			t.Errorf("%s: prefill answered %d %s", what, fill.Status, fill.Body)
		}
		if what == "the record cannot be written" && (answers["/documents"] != http.StatusServiceUnavailable || fill.Problem().Code != "record_unavailable") {
			t.Errorf("%s: %v, prefill %s", what, answers, fill.Problem().Code)
		}
		w.exec(row.mended)
	}
	w.as(school, http.StatusOK, http.MethodPost, "/v1/prefill", map[string]string{"organisation": school, "request_id": request})
}
