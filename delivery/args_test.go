package delivery_test

import (
	"encoding/json"
	"strings"
	"testing"

	"vidan/delivery"
	"vidan/identity"
)

// FuzzPlainArgs feeds the rule of D4 arbitrary bytes: what it takes is one flat object without a personal number, a
// space or a character outside ASCII in any string.
func FuzzPlainArgs(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"relation_id":"01930c6e-8f7a-7c4e-9d3a-0123456789ab","revision":2}`, `{"a":true,"b":null}`, `{"a":["b","c"]}`,
		`{"number":"099215000123"}`, `{"number":"099215000123"}`, `{"a":99215000123}`, `{"a":{}}`, `[]`, `{"a":"b"`, `{"a":1e3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, lists := range []bool{false, true} {
			if !delivery.PlainArgs(raw, lists) || raw == nil {
				continue
			}
			var object map[string]any
			if err := json.Unmarshal(raw, &object); err != nil {
				t.Fatalf("took what is no object: %v", err)
			}
			for name, v := range object {
				checkPlain(t, name)
				switch v := v.(type) {
				case string:
					checkPlain(t, v)
				case []any:
					for _, e := range v {
						if s, ok := e.(string); ok {
							checkPlain(t, s)
						}
					}
				case map[string]any:
					t.Fatal("took an object within")
				}
			}
		}
	})
}

func checkPlain(t *testing.T, s string) {
	t.Helper()
	if _, err := identity.ParsePersonalNumber(s); err == nil {
		t.Fatal("took a personal number")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		t.Fatalf("took %q", s)
	}
}
