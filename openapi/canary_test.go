package openapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"vidan/internal/outside"
)

// The canaries: what nobody in the world is called, and what no answer and no log line may ever hold (S5).
const (
	canaryNumber = "099188887777"
	canaryName   = "NGUYỄN THỊ CHIM HOÀNG YẾN"
	canaryWord   = "chim-hoang-yen-7777"
)

// TestS5_CanariesReachNoAnswerAndNoLog sends them through every operation: as ids, parameters, headers, members and values, in right and wrong shapes,
// with and without a token.
func TestS5_CanariesReachNoAnswerAndNoLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	w.goodShapes(f)
	doc := w.api.Document()
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete} {
			if op == nil || op.OperationID == "authorize" || op.OperationID == "livez" || op.OperationID == "readyz" {
				continue // served elsewhere
			}
			w.badShapes(f, method, path, op)
		}
	}
	w.drain()
	for what, text := range map[string]string{"an answer": w.answers.String(), "the log": w.logs.String()} {
		for _, canary := range []string{canaryNumber, canaryName, canaryWord, url.PathEscape(canaryName), url.QueryEscape(canaryName), "HOÀNG YẾN"} {
			if i := strings.Index(text, canary); i >= 0 {
				t.Errorf("%s holds %q: …%s…", what, canary, text[max(0, i-300):min(len(text), i+100)])
			}
		}
	}
	if strings.Count(w.answers.String(), "\n") < 1000 {
		t.Error("too few answers to mean anything")
	}
}

// goodShapes are acts on somebody who bears the canaries, none of which may repeat them.
func (w *world) goodShapes(f family) {
	w.t.Helper()
	enrolment := w.enrolment("hoa", 1)
	enrolment["personal_number"], enrolment["full_name"] = canaryNumber, canaryName
	enrolment["birth_date"], enrolment["sex"] = "1988-01-01", "female"
	w.as(registrar, http.StatusCreated, http.MethodPost, "/v1/citizens?organisation="+registrar, enrolment)
	who := map[string]any{"who": map[string]string{"personal_number": canaryNumber}}
	w.as(registrar, http.StatusOK, http.MethodPost, "/v1/citizens/find?organisation="+registrar, who)
	evidence := map[string]string{"basis": "identity_card", "reference": canaryWord}
	w.as(registrar, http.StatusConflict, http.MethodPost, "/v1/citizens/bind?organisation="+registrar, map[string]any{
		"who": map[string]string{"personal_number": canaryNumber}, "personal_number": w.of("dan").PersonalNumber, "evidence": evidence,
	})
	w.as(registrar, http.StatusConflict, http.MethodPost, "/v1/citizens/join?organisation="+registrar, map[string]any{
		"main": map[string]string{"personal_number": canaryNumber}, "alias": map[string]string{"personal_number": canaryNumber}, "evidence": evidence,
	})
	w.ask(school, func(b map[string]any) {
		b["parties"] = []map[string]any{{"roles": []string{"child"}, "personal_number": canaryNumber}}
	})
	// Fields outside the procedure are named by their place alone.
	w.as(school, http.StatusUnprocessableEntity, http.MethodPost, "/v1/consent-requests", w.asking(school, func(b map[string]any) {
		b["fields"] = []string{"child_full_name", canaryWord, canaryName}
	}))
	// Papers: one that is taken, one that names another person, one with a fault at the canary.
	certificate := func(edit func(document, payload map[string]any)) []byte {
		return w.paper(commune, "khang", "birth_certificate", func(p map[string]any) {
			var document map[string]any
			if err := json.Unmarshal(p["document"].(json.RawMessage), &document); err != nil {
				w.t.Fatal(err)
			}
			p["document_ref"] = uuid.NewString()
			edit(document, p)
			p["document"] = document
		})
	}
	for status, line := range map[int][]byte{
		http.StatusCreated: certificate(func(d, p map[string]any) {
			d["full_name"], d["personal_number"], p["subject"] = canaryName, canaryNumber, map[string]string{"personal_number": canaryNumber}
		}),
		http.StatusUnprocessableEntity: certificate(func(d, _ map[string]any) {
			d["personal_number"], d["birth_date"], d[canaryWord] = canaryNumber, canaryName, canaryName
		}),
	} {
		w.call(w.org[commune], status, http.MethodPost, "/v1/results", line)
	}
	w.call(w.org[commune], http.StatusUnprocessableEntity, http.MethodPost, "/v1/results", certificate(func(d, _ map[string]any) { d["personal_number"] = canaryNumber }))
	_ = must(f.mother.Do(w.t.Context(), http.MethodPost, "/v1/me/devices", map[string]any{
		"name": canaryName, "jwk": map[string]any{"kty": canaryWord}, "proof": canaryNumber + canaryNumber, "activation": map[string]string{"personal_number": canaryNumber, "code": "12345678"},
	}))(w.t)
	_ = must(f.mother.TokenRequest(w.t.Context(), url.Values{"grant_type": {canaryWord}, "client_id": {canaryNumber}, "code": {canaryName}}))(w.t)
}

// badShapes sends one operation everything that does not belong there.
func (w *world) badShapes(f family, method, path string, op *huma.Operation) {
	w.t.Helper()
	for _, c := range w.callers(f, op) {
		for _, canary := range []string{canaryNumber, canaryName, canaryWord} {
			for _, body := range bodies(w.t, op, canary) {
				for _, kind := range []string{"application/json", "application/x-ndjson", "text/" + canaryWord} {
					if body == nil && kind != "application/json" || op.OperationID != "deliver-results" && kind == "application/x-ndjson" {
						continue
					}
					w.send(c, method, path, op, canary, kind, body)
				}
			}
		}
	}
}

// callers are those who may call an operation, with a token and without.
func (w *world) callers(f family, op *huma.Operation) []*outside.Client {
	nobody := *w.org[school]
	nobody.Token = ""
	list := []*outside.Client{&nobody}
	for _, requirement := range op.Security {
		for kind, scopes := range requirement {
			switch kind {
			case "citizen":
				list = append(list, f.mother.Client)
			case "machine":
				list = append(list, w.org[map[string]string{"results": commune, "consent": school, "prefill": school, "events": school, "registrar": registrar}[scopes[0]]])
			}
		}
	}
	return list
}

func (w *world) send(c *outside.Client, method, path string, op *huma.Operation, canary, kind string, body []byte) {
	w.t.Helper()
	headers := []string{"Content-Type", kind, "Accept-Language", canaryWord, "Traceparent", "00-" + canaryWord + "-00f067aa0ba902b7-01", "X-Request-Id", canaryWord}
	query := url.Values{}
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(canary))
		case "query":
			query.Set(p.Name, canary)
		case "header":
			headers = append(headers, p.Name, strings.Map(ascii, canary))
		}
	}
	for _, q := range []url.Values{query, {canary: {canary}}, {"organisation": {registrar}, "holder": {canary}}} {
		full := path
		if len(q) > 0 {
			full += "?" + q.Encode()
		}
		var send any
		if body != nil {
			send = body
		}
		a := must(c.Do(w.t.Context(), method, full, send, headers...))(w.t)
		if a.Status >= http.StatusInternalServerError {
			w.t.Errorf("%s %s answered %d: %s\n%s", method, op.OperationID, a.Status, a.Body, w.logs.String())
		}
	}
}

// ascii drops what no header may carry.
func ascii(r rune) rune {
	if r > '~' {
		return -1
	}
	return r
}

// bodies are the wrong bodies of an operation: none, no JSON, other types, its example with the canary as every text, as a new member, as a number.
func bodies(t testing.TB, op *huma.Operation, canary string) [][]byte {
	t.Helper()
	if op.RequestBody == nil {
		return [][]byte{nil}
	}
	encode := func(v any) []byte { return must(json.Marshal(v))(t) }
	list := [][]byte{nil, []byte(canary), []byte(`{"` + canary), encode(canary), encode([]string{canary}), encode(map[string]any{canary: canary})}
	raw, err := os.ReadFile("examples/" + op.OperationID + ".request.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(any) any{
		func(v any) any { return canary },
		func(v any) any { return []any{canary} },
		func(v any) any { return map[string]any{canary: canary} },
		func(v any) any { return 99188887777 },
	} {
		var example any
		if err := json.Unmarshal(raw, &example); err != nil {
			t.Fatal(err)
		}
		list = append(list, encode(leaves(example, change)))
		more := example.(map[string]any)
		more[canary] = canary
		list = append(list, encode(more))
	}
	return list
}

// leaves changes every value that holds no others.
func leaves(v any, change func(any) any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, child := range v {
			out[name] = leaves(child, change)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = leaves(child, change)
		}
		return out
	}
	return change(v)
}
