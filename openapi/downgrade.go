package openapi

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2/yaml"
)

// YAML returns the OpenAPI 3.1 document.
func (a *API) YAML() ([]byte, error) { return a.Document().YAML() }

// YAML30 returns the same as OpenAPI 3.0.3, for generators that do not read 3.1. huma rewrites nullable types, bounds and examples; what it leaves
// is done here.
func (a *API) YAML30() ([]byte, error) {
	raw, err := a.Document().Downgrade()
	if err != nil {
		return nil, err
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	downgrade(doc)
	if raw, err = json.Marshal(doc); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = yaml.Convert(&out, bytes.NewReader(raw))
	return out.Bytes(), err
}

// downgrade wraps references that have a description beside them, which 3.0.3 ignores (OpenAPI 3.0.3, Reference Object).
func downgrade(node any) {
	switch v := node.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && len(v) > 1 {
			delete(v, "$ref")
			v["allOf"] = []any{map[string]any{"$ref": ref}}
		}
		for name, child := range v {
			if name != "example" { // a body, not a part of the document
				downgrade(child)
			}
		}
	case []any:
		for _, child := range v {
			downgrade(child)
		}
	}
}
