package openapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// examples are the bodies shown with each operation, as <operation id>.request.json and <operation id>.response.json, and .line.json for one line of
// an NDJSON answer. Everybody in them is of the
// fictional cast. A test holds each to its schema.
//
//go:embed examples/*.json
var examples embed.FS

// finish completes the document with what huma cannot know: which problem codes an answer carries, that answers may grow, examples.
func (a *API) finish() error {
	doc := a.huma.OpenAPI()
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete, item.Put, item.Patch} {
			if op == nil {
				continue
			}
			a.finishErrors(op)
			finishCached(op)
			if err := finishExamples(op); err != nil {
				return err
			}
		}
	}
	letGrow(doc)
	return nil
}

// finishErrors names the codes of each error answer; huma's own guesses at statuses go.
func (a *API) finishErrors(op *huma.Operation) {
	codes, ok := op.Extensions["x-problem-codes"].([]string)
	if !ok {
		return
	}
	byStatus := map[string][]string{}
	for _, code := range codes {
		status := strconv.Itoa(problems[code].status)
		byStatus[status] = append(byStatus[status], code)
	}
	for status := range op.Responses {
		if status >= "400" && byStatus[status] == nil {
			delete(op.Responses, status)
		}
	}
	for status, codes := range byStatus {
		r := op.Responses[status]
		r.Description = "Codes: " + strings.Join(codes, ", ")
		for _, media := range r.Content {
			media.Example = a.problemExample(codes[0])
		}
	}
}

func (a *API) problemExample(code string) map[string]any {
	kind := problems[code]
	example := map[string]any{
		"type": a.Issuer + "/problems/" + code, "code": code, "title": kind.title.vi, "status": kind.status, "next_step": kind.next.vi,
		"request_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	}
	if code == codeInvalidRequest {
		example["errors"] = []map[string]any{{"pointer": "/personal_number", "code": "pattern"}}
	}
	return example
}

// finishCached adds the 304 of operations that know If-None-Match.
func finishCached(op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.In == "header" && p.Name == "If-None-Match" {
			p.Description = "ETag of what you have: answered 304 while it is current."
			op.Responses["304"] = &huma.Response{Description: "Not modified"}
		}
	}
}

// finishExamples puts the committed example into every body of the operation.
func finishExamples(op *huma.Operation) error {
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			if err := exampleOf(op.OperationID+".request", media); err != nil {
				return err
			}
		}
	}
	for status, r := range op.Responses {
		for kind, media := range r.Content {
			name := op.OperationID + ".response"
			if kind == ndjson {
				name = op.OperationID + ".line"
			}
			if status >= "300" {
				continue
			}
			if err := exampleOf(name, media); err != nil {
				return err
			}
		}
	}
	return nil
}

func exampleOf(name string, media *huma.MediaType) error {
	raw, err := fs.ReadFile(examples, "examples/"+name+".json")
	if err != nil {
		return fmt.Errorf("openapi: no example %s", name)
	}
	if err := json.Unmarshal(raw, &media.Example); err != nil {
		return fmt.Errorf("openapi: example %s: %w", name, err)
	}
	return nil
}

// letGrow lets answers carry members that this version does not know: what is sent stays strict, what is answered may grow (ECOSYSTEM A7).
func letGrow(doc *huma.OpenAPI) {
	strict := map[*huma.Schema]bool{}
	schemas := doc.Components.Schemas
	var mark func(s *huma.Schema, seen map[*huma.Schema]bool)
	mark = func(s *huma.Schema, seen map[*huma.Schema]bool) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		if s.Ref != "" {
			mark(schemas.SchemaFromRef(s.Ref), seen)
			return
		}
		strict[s] = true
		mark(s.Items, seen)
		for _, p := range s.Properties {
			mark(p, seen)
		}
	}
	seen := map[*huma.Schema]bool{}
	for _, item := range doc.Paths {
		if item.Post == nil || item.Post.RequestBody == nil {
			continue
		}
		for _, media := range item.Post.RequestBody.Content {
			mark(media.Schema, seen)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(schemas.Map())) {
		loosen(schemas.Map()[name], strict)
	}
}

func loosen(s *huma.Schema, strict map[*huma.Schema]bool) {
	if s == nil || strict[s] {
		return
	}
	if s.AdditionalProperties == false {
		s.AdditionalProperties = nil
	}
	loosen(s.Items, strict)
	for _, p := range s.Properties {
		loosen(p, strict)
	}
}
