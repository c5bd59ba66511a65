package openapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vidan/openapi"
)

type papers struct {
	Items []openapi.PaperItem `json:"items"`
	Next  string              `json:"next"`
}

// TestReading_TagsCursorsAndLanguage covers A1, A2, A5 and A8.
func TestReading_TagsCursorsAndLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	base := "/v1/people/" + f.child + "/documents"
	first := w.call(f.mother.Client, http.StatusOK, http.MethodGet, base, nil)
	all := decode[papers](t, first)
	if len(all.Items) < 2 || first.Header.Get("ETag") == "" || first.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d papers, tag %q", len(all.Items), first.Header.Get("ETag"))
	}
	if again := w.call(f.mother.Client, http.StatusNotModified, http.MethodGet, base, nil, "If-None-Match", first.Header.Get("ETag")); len(again.Body) != 0 {
		t.Errorf("304 with a body: %s", again.Body)
	}
	for _, item := range all.Items {
		one := w.call(f.mother.Client, http.StatusOK, http.MethodGet, base+"/"+item.ID, nil)
		if one.Header.Get("ETag") != item.ETag {
			t.Errorf("the list says %s, the paper %s", item.ETag, one.Header.Get("ETag"))
		}
		w.call(f.mother.Client, http.StatusNotModified, http.MethodGet, base+"/"+item.ID, nil, "If-None-Match", `"x", `+item.ETag)
		w.call(f.mother.Client, http.StatusOK, http.MethodGet, base+"/"+item.ID, nil, "If-None-Match", `"x"`)
		w.call(f.mother.Client, http.StatusOK, http.MethodGet, base+"/"+item.ID, nil, "If-None-Match", item.ETag, "Accept-Language", "en")
		w.call(f.mother.Client, http.StatusOK, http.MethodGet, base+"/"+item.ID+"/revisions", nil)
	}

	// Page by page, the same papers in the same order; the Link header leads on.
	var seen []string
	path := base + "?limit=1"
	for range len(all.Items) + 1 {
		a := w.call(f.mother.Client, http.StatusOK, http.MethodGet, path, nil)
		page := decode[papers](t, a)
		for _, item := range page.Items {
			seen = append(seen, item.ID)
		}
		if page.Next == "" {
			break
		}
		path = base + "?limit=1&cursor=" + url.QueryEscape(page.Next)
		link := a.Header.Get("Link")
		if !strings.HasSuffix(link, `>; rel="next"`) || !strings.Contains(link, page.Next) {
			t.Errorf("Link %q", link)
		}
		next := strings.TrimSuffix(strings.TrimPrefix(link, "<"+issuer), `>; rel="next"`)
		if p := decode[papers](t, w.call(f.mother.Client, http.StatusOK, http.MethodGet, next, nil)); len(p.Items) != 1 {
			t.Errorf("the link leads to %d papers", len(p.Items))
		}
	}
	if len(seen) != len(all.Items) {
		t.Errorf("page by page %d papers, at once %d", len(seen), len(all.Items))
	}
	for i := range seen {
		if seen[i] != all.Items[i].ID {
			t.Errorf("paper %d is another page by page", i)
		}
	}
	for _, bad := range []string{"cursor=x", "limit=0", "limit=201", "limit=many", "nothing=1"} {
		if p := w.call(f.mother.Client, http.StatusBadRequest, http.MethodGet, base+"?"+bad, nil).Problem(); p.Code != "invalid_request" {
			t.Errorf("%s answered %s", bad, p.Code)
		}
	}

	for header, want := range map[string]string{"": "vi", "en": "en", "en-GB,vi;q=0.5": "en", "fr": "vi", "vi-VN": "vi"} {
		a := w.call(f.mother.Client, http.StatusNotFound, http.MethodGet, base+"/x", nil, "Accept-Language", header)
		if got := a.Header.Get("Content-Language"); got != want || !strings.Contains(a.Header.Get("Vary"), "Accept-Language") {
			t.Errorf("Accept-Language %q answered in %q", header, got)
		}
		if title := a.Problem().Title; (title == "Not found.") != (want == "en") {
			t.Errorf("Accept-Language %q: %q", header, title)
		}
	}
	trace := "4bf92f3577b34da6a3ce929d0e0e4736"
	a := w.call(f.mother.Client, http.StatusOK, http.MethodGet, "/v1/people", nil, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if a.Header.Get("X-Request-Id") != trace {
		t.Errorf("the trace became %q", a.Header.Get("X-Request-Id"))
	}
}

// TestCatalogue: public, in both languages, cached.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(path string, headers ...string) *http.Response {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+path, nil))(t)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return must(w.http.Do(r))(t)
	}
	for _, path := range []string{"/v1/document-types", "/v1/document-types/birth_certificate", "/v1/procedures", "/v1/procedures/kindergarten_enrolment"} {
		vi, en := get(path), get(path, "Accept-Language", "en")
		if vi.StatusCode != http.StatusOK || en.StatusCode != http.StatusOK || !strings.HasPrefix(vi.Header.Get("Cache-Control"), "public") {
			t.Errorf("%s answered %d", path, vi.StatusCode)
		}
		if again := get(path, "If-None-Match", vi.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s with its tag answered %d", path, again.StatusCode)
		}
		if strings.HasPrefix(path, "/v1/procedures") && vi.Header.Get("ETag") == en.Header.Get("ETag") {
			t.Errorf("%s is the same in both languages", path)
		}
	}
	for path, want := range map[string]int{"/v1/procedures/none": 404, "/v1/nothing": 404, "/v1/events": 401, "/v1/people": 401} {
		resp := get(path)
		if resp.StatusCode != want || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s answered %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	r := must(http.NewRequestWithContext(t.Context(), http.MethodDelete, issuer+"/v1/consent-requests", nil))(t)
	if resp := must(w.http.Do(r))(t); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("another method answered %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}
