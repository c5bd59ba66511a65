package procedure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"vidan/procedure/examples"
)

// The verdicts of this package are held to those of a general JSON Schema validator.

var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	schemas := map[string]*jsonschema.Schema{}
	names, err := fs.Glob(data, "data/documents/*.schema.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		raw, err := fs.ReadFile(data, name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(name, doc); err != nil {
			return nil, err
		}
		id := strings.TrimSuffix(strings.TrimPrefix(name, "data/documents/"), ".schema.json")
		if schemas[id], err = c.Compile(name); err != nil {
			return nil, err
		}
	}
	return schemas, nil
})

func oracle(t testing.TB, id string) *jsonschema.Schema {
	t.Helper()
	schemas, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return schemas[id]
}

// verdict returns the faults the validator finds, as pointer and code.
func verdict(s *jsonschema.Schema, doc any) []string {
	err := s.Validate(doc)
	if err == nil {
		return nil
	}
	var list []string
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		at := ""
		for _, part := range e.InstanceLocation {
			at += "/" + part
		}
		add := func(pointer string, code Code) { list = append(list, pointer+" "+string(code)) }
		switch k := e.ErrorKind.(type) {
		case *kind.Required:
			for _, name := range k.Missing {
				add(at+"/"+name, CodeRequired)
			}
		case *kind.AdditionalProperties:
			for _, name := range k.Properties {
				if isPlainName(name) {
					add(at+"/"+name, CodeUnknownField)
				} else {
					add(at, CodeUnknownField)
				}
			}
		case *kind.Type:
			add(at, CodeType)
		case *kind.Const:
			add(at, CodeConst)
		case *kind.Enum:
			add(at, CodeEnum)
		case *kind.Pattern:
			add(at, CodePattern)
		case *kind.Format:
			add(at, CodeFormat)
		case *kind.MinLength:
			add(at, CodeMinLength)
		case *kind.MaxLength:
			add(at, CodeMaxLength)
		case *kind.Minimum:
			add(at, CodeMinimum)
		case *kind.Maximum:
			add(at, CodeMaximum)
		case *kind.MinItems:
			add(at, CodeMinItems)
		case *kind.MaxItems:
			add(at, CodeMaxItems)
		case *kind.UniqueItems:
			add(at, CodeUniqueItems)
		case *kind.OneOf:
			add(at, CodeOneOf)
			return
		case *kind.Schema, *kind.Group, *kind.Reference:
		default:
			list = append(list, fmt.Sprintf("%s %T", at, k))
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		walk(invalid)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// spoil changes one place of a decoded paper at random.
func spoil(t *rapid.T, doc any) any {
	var places []func(any)
	var values []any
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		places, values = append(places, set), append(values, v)
		switch v := v.(type) {
		case map[string]any:
			for _, k := range sortedKeys(v) {
				walk(v[k], func(x any) {
					if x == nil {
						delete(v, k)
					} else {
						v[k] = x
					}
				})
			}
		case []any:
			for i := range v {
				walk(v[i], func(x any) { v[i] = x })
			}
		}
	}
	root := doc
	walk(doc, func(x any) { root = x })
	i := rapid.IntRange(0, len(places)-1).Draw(t, "place")
	text := rapid.StringOf(rapid.RuneFrom([]rune("aẤđ09-.X /:"))).Draw(t, "text")
	number := json.Number(rapid.SampledFrom([]string{"0", "-1", "5", "5.0", "5.5", "13", "101", "2101", "99999999999999999999"}).Draw(t, "number"))
	change := rapid.SampledFrom([]any{nil, text, number, true, map[string]any{}, []any{}, map[string]any{"text": text}, []any{text}, "2026-02-29", "unlimited", "2024-02-29", "B2", strings.Repeat("x", 301)}).Draw(t, "change")
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0: // a member more
		if object, ok := values[i].(map[string]any); ok {
			object[rapid.SampledFrom([]string{"religion", "full_name", "personal_number", "text", "Ghi chú", "0900"}).Draw(t, "member")] = change
			return root
		}
	case 1: // an element twice
		if list, ok := values[i].([]any); ok && len(list) > 0 {
			places[i](append(list, list[0]))
			return root
		}
	}
	places[i](change)
	return root
}

func TestVerdictsAgree(t *testing.T) {
	t.Parallel()
	papers := map[string]examples.Paper{}
	for _, p := range cast(t).People {
		for _, paper := range p.Papers {
			papers[p.ID+"/"+paper.Type] = paper
		}
	}
	names := sortedKeys(papers)
	rapid.Check(t, func(t *rapid.T) {
		paper := papers[rapid.SampledFrom(names).Draw(t, "paper")]
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(paper.JSON))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			doc = spoil(t, doc)
		}
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		schemas, err := compiled()
		if err != nil {
			t.Fatal(err)
		}
		c, err := loaded()
		if err != nil {
			t.Fatal(err)
		}
		_, faults := c.types[paper.Type].Parse(raw, ParseOptions{})
		got := codes(faults)
		slices.Sort(got)
		if diff := cmp.Diff(verdict(schemas[paper.Type], doc), slices.Compact(got)); diff != "" {
			t.Fatalf("%s\n%s", raw, diff)
		}
	})
}

func seedDocuments(f *testing.F) {
	for _, p := range cast(f).People {
		for _, paper := range p.Papers {
			f.Add(paper.Type, []byte(paper.JSON))
		}
	}
	for _, s := range []string{
		``, `{}`, `[]`, `{"a":1,"a":2}`, `{"full_name":"\ud83d\ude00"}`, `{"full_name":"\ud800\u0041"}`, "{\"full_name\":\"\xff\"}",
		`{"full_name":1e400}`, `{"full_name":-0.0}`, `{"full_name":01}`, `{"full_name":"` + "\u0065\u0301" + `"}`,
		"\ufeff{}", `{"mother":{"x":[[[[1]]]]}}`, `{"personal_number":null}x`, strings.Repeat(`{"mother":`, 40),
	} {
		f.Add("birth_certificate", []byte(s))
	}
}

// FuzzParse holds the reading to encoding/json and the judgement to the general validator, over any bytes.
func FuzzParse(f *testing.F) {
	seedDocuments(f)
	f.Fuzz(func(t *testing.T, id string, raw []byte) {
		typ, ok := catalogue(t).Type(id)
		if !ok {
			id = "birth_certificate"
			typ = documentType(t, id)
		}
		d, faults := typ.Parse(raw, ParseOptions{})
		for _, fault := range faults {
			if place, ok := typ.Place(fault.Pointer); fault.Pointer != "" && !ok && fault.Code != CodeUnknownField {
				t.Fatalf("%q is no place of %s: %v", fault.Pointer, id, place)
			}
			if fault.Code == "" || fault.TitleVI == "" || fault.RuleVI == "" || fault.RuleEN == "" {
				t.Fatalf("not said in words: %+v", fault)
			}
		}
		stopped := slices.ContainsFunc(faults, func(f Fault) bool { return f.Code == CodeInvalidJSON || f.Code == CodeTrailingData })
		if json.Valid(raw) && stopped {
			t.Fatalf("valid JSON was not read: %v", codes(faults))
		}
		if len(faults) > 0 {
			return
		}
		if !json.Valid(raw) || !bytes.Equal(d.JSON(), raw) {
			t.Fatal("broken JSON was taken")
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if found := verdict(oracle(t, id), doc); found != nil {
			t.Fatalf("taken in spite of %v", found)
		}
		if !norm.NFC.IsNormal(raw) && !bytes.Contains(raw, []byte(`\u`)) {
			t.Fatal("text that is not NFC was taken")
		}
		for _, p := range rawPlaces(rawSchema(t, id)) {
			if strings.Contains(p.pointer, "*") {
				continue
			}
			want, held := rawAt(doc, p.pointer)
			v, ok := d.At(p.pointer)
			if ok != held {
				t.Fatalf("%s: found %v, held %v", p.pointer, ok, held)
			}
			if s, isText := want.(string); isText && held {
				if got, _ := v.Text(); got != s {
					t.Fatalf("%s: %q, want %q", p.pointer, got, s)
				}
			}
		}
	})
}

// FuzzPointer asks papers and types for anything.
func FuzzPointer(f *testing.F) {
	for _, p := range []string{"", "/", "//", "/mother/full_name", "/household/members/*/full_name", "/household/members/0", "/classes/00", "/~0~1", "mother", "/mother/", "/\xff"} {
		f.Add(p)
	}
	papers := castPapers(f)
	f.Fuzz(func(t *testing.T, pointer string) {
		for _, paper := range papers {
			typ := paper.Document.Type()
			_, inDocument := paper.Document.At(pointer)
			_, inType := typ.Place(pointer)
			if inDocument && !inType && pointer != "" {
				t.Fatalf("%q leads into a %s but is no place of the type", pointer, typ.ID)
			}
		}
	})
}
