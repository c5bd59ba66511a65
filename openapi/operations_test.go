package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// bare is an edge for its document alone.
func bare() *API { return New(Deps{Issuer: "http://127.0.0.1:8080"}) }

// each calls fn with every operation of the document.
func each(a *API, fn func(method, path string, op *huma.Operation)) {
	for _, path := range slices.Sorted(maps.Keys(a.Document().Paths)) {
		item := a.Document().Paths[path]
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete, http.MethodPut: item.Put, http.MethodPatch: item.Patch,
			http.MethodHead: item.Head, http.MethodOptions: item.Options, http.MethodTrace: item.Trace,
		} {
			if op != nil {
				fn(method, path, op)
			}
		}
	}
}

// unguarded lists operations under /v1 that nobody said may be called by whom (E1).
func unguarded(a *API) (found []string) {
	each(a, func(method, path string, op *huma.Operation) {
		p, ok := a.policies[op.OperationID]
		if strings.HasPrefix(path, "/v1/") && (!ok || p.public == (p.kind != 0) || !p.public && p.scope == "") {
			found = append(found, method+" "+path)
		}
	})
	return found
}

func TestE1_ARouteWithoutPolicyFails(t *testing.T) {
	t.Parallel()
	a := bare()
	if found := unguarded(a); len(found) > 0 {
		t.Errorf("operations without a policy: %v", found)
	}
	huma.Register(a.huma, huma.Operation{OperationID: "stray", Method: http.MethodGet, Path: "/v1/stray"}, a.listDevices)
	if found := unguarded(a); len(found) != 1 || found[0] != "GET /v1/stray" {
		t.Errorf("a stray operation is not found: %v", found)
	}
}

// TestE1_OnlyCatalogueIsPublic pins what may be called without a token.
func TestE1_OnlyTheCatalogueIsPublic(t *testing.T) {
	t.Parallel()
	var public []string
	for id, p := range bare().policies {
		if p.public {
			public = append(public, id)
		}
	}
	slices.Sort(public)
	if want := []string{"get-document-type", "get-procedure", "list-document-types", "list-procedures"}; !slices.Equal(public, want) {
		t.Errorf("public operations: %v, want %v", public, want)
	}
}

func TestE1_EveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	each(bare(), func(method, path string, op *huma.Operation) {
		name := method + " " + path
		switch {
		case op.OperationID == "" || seen[op.OperationID]:
			t.Errorf("%s: operation id %q is missing or used twice", name, op.OperationID)
		case op.Summary == "" || op.Description == "" || len(op.Tags) == 0 || len(op.Security) == 0:
			t.Errorf("%s: summary, description, tags or security missing", name)
		}
		seen[op.OperationID] = true
		succeeds := false
		for status, r := range op.Responses {
			succeeds = succeeds || status < "400"
			for kind, media := range r.Content {
				if media.Schema == nil || media.Example == nil && status < "300" {
					t.Errorf("%s: %s %s has no schema or example", name, status, kind)
				}
				if strings.HasPrefix(path, "/v1/") && status >= "400" && kind != "application/problem+json" {
					t.Errorf("%s: %s answers %s", name, status, kind)
				}
			}
			if status >= "400" && len(r.Content) == 0 && op.OperationID != "authorize" {
				t.Errorf("%s: %s has no body", name, status)
			}
		}
		if !succeeds {
			t.Errorf("%s never succeeds", name)
		}
		if op.RequestBody != nil {
			for kind, media := range op.RequestBody.Content {
				if media.Schema == nil || media.Example == nil {
					t.Errorf("%s: body %s has no schema or example", name, kind)
				}
			}
		}
		codes, ok := op.Extensions["x-problem-codes"].([]string)
		if !strings.HasPrefix(path, "/v1/") {
			_, ok = op.Extensions["x-error-codes"]
		}
		if !ok {
			t.Errorf("%s: no problem codes", name)
		}
		for _, code := range codes {
			if _, known := problems[code]; !known {
				t.Errorf("%s: unknown code %s", name, code)
			}
		}
	})
}

// TestExamplesFitTheirSchemas holds every committed example to the document with huma's own validator, requests strictly.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	a := bare()
	used := map[string]bool{}
	check := func(name string, mode huma.ValidateMode, media *huma.MediaType) {
		used[name+".json"] = true
		raw, err := json.Marshal(media.Example)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		res := new(huma.ValidateResult)
		huma.Validate(a.Document().Components.Schemas, media.Schema, huma.NewPathBuffer([]byte{}, 0), mode, v, res)
		for _, err := range res.Errors {
			t.Errorf("example %s: %v", name, err)
		}
	}
	each(a, func(_, _ string, op *huma.Operation) {
		if op.RequestBody != nil {
			for _, media := range op.RequestBody.Content {
				check(op.OperationID+".request", huma.ModeWriteToServer, media)
			}
		}
		for status, r := range op.Responses {
			for kind, media := range r.Content {
				switch {
				case status >= "300":
				case kind == ndjson:
					check(op.OperationID+".line", huma.ModeReadFromServer, media)
				default:
					check(op.OperationID+".response", huma.ModeReadFromServer, media)
				}
			}
		}
	})
	files, err := examples.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !used[f.Name()] {
			t.Errorf("example %s belongs to no operation", f.Name())
		}
	}
}

// TestContractOnlyGrows holds problem codes, operation ids and enum values to what was published: nothing of it is ever taken away (ECOSYSTEM A7).
func TestContractOnlyGrows(t *testing.T) {
	t.Parallel()
	a := bare()
	var operations, enums []string
	each(a, func(method, path string, op *huma.Operation) {
		operations = append(operations, op.OperationID+" "+method+" "+path)
	})
	for name, schema := range a.Document().Components.Schemas.Map() {
		for property, s := range schema.Properties {
			values := s.Enum
			if s.Items != nil {
				values = append(values, s.Items.Enum...)
			}
			for _, v := range values {
				enums = append(enums, name+"."+property+" "+v.(string))
			}
		}
	}
	for file, have := range map[string][]string{
		"problem_codes.txt": slices.Collect(maps.Keys(problems)), "operations.txt": operations, "enums.txt": enums,
	} {
		raw, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		published := strings.Split(strings.TrimSpace(string(raw)), "\n")
		for _, line := range published {
			if !slices.Contains(have, line) {
				t.Errorf("%s: %q was published and is gone", file, line)
			}
		}
		slices.Sort(have)
		for _, line := range have {
			if !slices.Contains(published, line) {
				t.Errorf("%s: add %q, which is published from now on", file, line)
			}
		}
	}
}

// TestDocumentsAreCommitted: what is in the repository is what is served, but for the address of the server.
func TestDocumentsAreCommitted(t *testing.T) {
	t.Parallel()
	a := bare()
	for file, write := range map[string]func() ([]byte, error){"openapi.yaml": a.YAML, "openapi-3.0.yaml": a.YAML30} {
		want, err := write()
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s is stale: run make generate", file)
		}
	}
}

// TestAnswersMayGrow: what is sent is strict, what is answered is not, in the document as on the wire.
func TestAnswersMayGrow(t *testing.T) {
	t.Parallel()
	schemas := bare().Document().Components.Schemas.Map()
	for name, strict := range map[string]bool{"AskBody": true, "AskParty": true, "DecisionBody": true, "Pin": true, "FilledForm": false, "Problem": false, "RequestView": false} {
		if got := schemas[name].AdditionalProperties == false; got != strict {
			t.Errorf("%s refuses unknown members: %v, want %v", name, got, strict)
		}
	}
}
