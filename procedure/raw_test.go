package procedure

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
)

// The oracles of the tests read the raw files with encoding/json and share no code with the package.

func rawFile(t testing.TB, name string) map[string]any {
	t.Helper()
	raw, err := fs.ReadFile(data, "data/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func rawSchema(t testing.TB, id string) map[string]any {
	t.Helper()
	return rawFile(t, "documents/"+id+".schema.json")
}

// rawPlace is what a raw schema says of one pointer.
type rawPlace struct {
	pointer   string
	subject   string
	shared    []string
	sensitive bool
	node      map[string]any // the definition, references resolved
}

// rawPlaces walks a raw schema and applies the annotations as domain/README.md words them.
func rawPlaces(schema map[string]any) []rawPlace {
	def := func(n map[string]any) map[string]any {
		if ref, ok := n["$ref"].(string); ok {
			return schema["$defs"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
		}
		return n
	}
	var list []rawPlace
	var walk func(n map[string]any, at rawPlace)
	walk = func(n map[string]any, at rawPlace) {
		d := def(n)
		for _, from := range []map[string]any{n, d} { // the nearest annotation holds: the place before its definition
			if s, ok := from["x-subject"].(string); ok {
				at.subject, at.shared = s, nil
				break
			}
		}
		if shared, ok := n["x-shared-with"].([]any); ok {
			at.shared = nil
			for _, s := range shared {
				at.shared = append(at.shared, s.(string))
			}
		}
		at.sensitive = at.sensitive || n["x-sensitive"] == true || d["x-sensitive"] == true
		at.node = d
		if at.pointer != "" {
			list = append(list, at)
		}
		if props, ok := d["properties"].(map[string]any); ok {
			for _, key := range sortedKeys(props) {
				below := at
				below.pointer += "/" + key
				walk(props[key].(map[string]any), below)
			}
		}
		if items, ok := d["items"].(map[string]any); ok {
			below := at
			below.pointer += "/*"
			walk(items, below)
		}
	}
	walk(schema, rawPlace{})
	return list
}

// rawAt follows a pointer into decoded JSON.
func rawAt(doc any, pointer string) (any, bool) {
	if pointer == "" {
		return doc, true
	}
	for _, key := range strings.Split(pointer[1:], "/") {
		object, ok := doc.(map[string]any)
		if !ok {
			return nil, false
		}
		if doc, ok = object[key]; !ok {
			return nil, false
		}
	}
	return doc, true
}

// rawEvery follows a pointer with "*" to all strings it leads to.
func rawEvery(doc any, pointer string) []string {
	values := []any{doc}
	for _, key := range strings.Split(pointer[1:], "/") {
		var next []any
		for _, v := range values {
			switch v := v.(type) {
			case []any:
				if key == "*" {
					next = append(next, v...)
				}
			case map[string]any:
				if below, ok := v[key]; ok {
					next = append(next, below)
				}
			}
		}
		values = next
	}
	var list []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}
