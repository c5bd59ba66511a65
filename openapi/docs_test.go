package openapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"vidan/internal/pgtest"
	"vidan/openapi"
)

// TestDocs: the page is our own origin's alone, and everything it names is there.
func TestDocs(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	api := openapi.New(openapi.Deps{Issuer: issuer})
	api.Documents(mux)
	get := func(path string, headers ...string) (*http.Response, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		return rec.Result(), string(must(io.ReadAll(rec.Result().Body))(t))
	}
	resp, page := get("/docs")
	policy := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "http") || strings.Contains(policy, "unsafe") {
		t.Errorf("docs answered %d with the policy %q", resp.StatusCode, policy)
	}
	if regexp.MustCompile(`<script>|<script [^>]*>[^<]|\son[a-z]+=|https?://`).MatchString(page) {
		t.Error("the page has a script in it, or something from elsewhere")
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 5 {
		t.Errorf("%d links", len(links))
	}
	for _, link := range links {
		if resp, body := get(link[1]); resp.StatusCode != http.StatusOK || len(body) == 0 || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s answered %d with %d bytes", link[1], resp.StatusCode, len(body))
		}
	}
	for _, path := range []string{"/docs/", "/docs/oauth2-redirect.html", "/docs/x.js"} {
		if resp, _ := get(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s answered %d", path, resp.StatusCode)
		}
	}
	for path, write := range map[string]func() ([]byte, error){"/openapi.yaml": api.YAML, "/openapi-3.0.yaml": api.YAML30} {
		resp, body := get(path)
		if body != string(must(write())(t)) || !strings.Contains(body, issuer) {
			t.Errorf("%s is not the document", path)
		}
		if again, _ := get(path, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s with its tag answered %d", path, again.StatusCode)
		}
	}
}

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for name, sql := range openapi.Statements() {
		conn := must(db.Pool.Acquire(t.Context()))(t)
		if _, err := conn.Conn().Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		conn.Release()
	}
}
