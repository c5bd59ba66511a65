package openapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"vidan/openapi"
)

// fits holds an answer to the document: its status is one that the operation names, and its body fits that status's schema. Every answer of every test
// in this package goes through it.
func (w *world) fits(r *http.Request, resp *http.Response, body []byte) {
	w.t.Helper()
	err := conforms(w.api.Document(), r, resp, body)
	if _, told := w.unfit.LoadOrStore(r.Pattern+err, true); err != "" && !told {
		w.t.Errorf("%s -> %d: %s\n%s", r.Pattern, resp.StatusCode, err, body)
	}
}

func conforms(doc *huma.OpenAPI, r *http.Request, resp *http.Response, body []byte) string {
	method, path, ok := strings.Cut(r.Pattern, " ")
	if !ok || !strings.HasPrefix(path, "/v1/") {
		return ""
	}
	item := doc.Paths[path]
	if item == nil {
		return "the path is not in the document"
	}
	op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete}[method]
	if op == nil {
		return "the operation is not in the document"
	}
	told := op.Responses[strconv.Itoa(resp.StatusCode)]
	if told == nil {
		return "the status is not in the document"
	}
	if len(told.Content) == 0 {
		if len(body) > 0 {
			return "there is a body and the document has none"
		}
		return ""
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	media := told.Content[kind]
	if media == nil {
		return "the document does not have " + kind
	}
	for line := range bytes.Lines(body) {
		if kind != "application/x-ndjson" {
			line = body
		}
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			return err.Error()
		}
		res := new(huma.ValidateResult)
		huma.Validate(doc.Components.Schemas, media.Schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, v, res)
		for _, err := range res.Errors {
			return err.Error()
		}
		if code := codeIn(v); code != "" && !slices.Contains(op.Extensions["x-problem-codes"].([]string), code) {
			return "the operation does not name the code " + code
		}
		if kind != "application/x-ndjson" {
			break
		}
	}
	return ""
}

// codeIn is the problem code of a body, or of one line of an NDJSON answer.
func codeIn(v any) string {
	body, _ := v.(map[string]any)
	if problem, ok := body["problem"].(map[string]any); ok {
		body = problem
	}
	if _, ok := body["next_step"]; !ok {
		return ""
	}
	code, _ := body["code"].(string)
	return code
}

// TestConforms proves that the check of every other test can fail.
func TestConforms(t *testing.T) {
	t.Parallel()
	doc := newDocument()
	for _, row := range []struct {
		pattern, kind, body string
		status              int
		fits                bool
	}{
		{"GET /v1/people", "application/json", `{"items":[{"person":"me","relation":"self"}]}`, 200, true},
		{"GET /v1/people", "application/json", `{"items":[{"person":"me","relation":"aunt"}]}`, 200, false},
		{"GET /v1/people", "application/json", `{"items":null}`, 200, false},
		{"GET /v1/people", "application/json", `{}`, 200, false},
		{"GET /v1/people", "application/problem+json", `{"type":"https://x.example/","code":"invalid_token","title":"","status":401,"next_step":""}`, 401, true},
		{"GET /v1/people", "application/problem+json", `{"type":"https://x.example/","code":"not_found","title":"","status":401,"next_step":""}`, 401, false},
		{"GET /v1/people", "text/plain", `{}`, 200, false},
		{"GET /v1/people", "application/json", `{}`, 418, false},
		{"GET /v1/nothing", "application/json", `{}`, 200, false},
		{"POST /v1/me/sign-out", "", ``, 204, true},
		{"POST /v1/me/sign-out", "", `x`, 204, false},
	} {
		r := &http.Request{Pattern: row.pattern}
		resp := &http.Response{StatusCode: row.status, Header: http.Header{"Content-Type": {row.kind}}}
		if err := conforms(doc, r, resp, []byte(row.body)); (err == "") != row.fits {
			t.Errorf("%s %d %s: %q, want fits %v", row.pattern, row.status, row.body, err, row.fits)
		}
	}
}

func newDocument() *huma.OpenAPI { return openapi.New(openapi.Deps{Issuer: issuer}).Document() }
