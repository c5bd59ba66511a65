package procedure

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// procedureFile is a file of data/procedures; its README names the keys.
type procedureFile struct {
	Procedure
	Note     string          `json:"$schema_note"`
	Subjects ordered[string] `json:"subjects"`
	Inputs   formFile        `json:"inputs"`
}

type formFile struct {
	Type       string             `json:"type"`
	Properties ordered[fieldFile] `json:"properties"`
	Required   []string           `json:"required"`
	Open       *bool              `json:"additionalProperties"`
}

type fieldFile struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Type        string    `json:"type"`
	Pattern     string    `json:"pattern"`
	Format      string    `json:"format"`
	Enum        []string  `json:"enum"`
	Items       *itemFile `json:"items"`
	Subject     string    `json:"x-subject"`
	Required    bool      `json:"x-required"`
	ManualEntry bool      `json:"x-manual-entry"`
	Locked      bool      `json:"x-locked-when-prefilled"`
	Shape       string    `json:"x-shape"`
	Reuse       []*Source `json:"x-reuse"`
}

type itemFile struct {
	Type string `json:"type"`
}

// ordered is a JSON object whose members keep their order: forms are shown in the order of the file.
type ordered[V any] []member[V]

type member[V any] struct {
	name  string
	value V
}

// UnmarshalJSON reads the members in order; unknown keys below are refused.
func (o *ordered[V]) UnmarshalJSON(data []byte) error {
	t, _, ok := decode(data)
	if !ok || t.nodes[0].form != formObject {
		return fmt.Errorf("not an object")
	}
	for m := int32(1); m < t.nodes[0].next; m = t.nodes[m].next {
		n := t.nodes[m]
		var v V
		if err := strictJSON([]byte(t.src[n.start:n.end]), &v); err != nil {
			return fmt.Errorf("%s: %w", n.key, err)
		}
		*o = append(*o, member[V]{n.key, v})
	}
	return nil
}

// procedureKeys are the members every procedure file has.
func procedureKeys() []string {
	return []string{
		"$schema_note", "id", "code", "name", "group", "depends_on", "legal_basis", "agency", "time_limit",
		"minimum_identity_level", "applicants", "subjects", "basis", "consent_by", "inputs", "sensitive_fields",
		"attachments", "produces", "consistency_checks", "unverified",
	}
}

// readFile decodes a file of the catalogue: strict JSON without repeated or unknown keys (C5).
func readFile(raw []byte, into any) (*tape, error) {
	t, flaws, ok := decode(raw)
	if !ok || len(flaws) > 0 {
		return nil, fmt.Errorf("not strict JSON: %s", flaws[0].code)
	}
	if at := t.repeated(); at >= 0 {
		return nil, fmt.Errorf("key %q is repeated", t.nodes[at].key)
	}
	for _, n := range t.nodes {
		if n.key != strings.ToLower(n.key) && n.key != "additionalProperties" { // encoding/json would take "ID" for "id"
			return nil, fmt.Errorf("key %q is unknown", n.key)
		}
	}
	return t, strictJSON(raw, into)
}

func readProcedure(raw []byte) (*Procedure, error) {
	var f procedureFile
	t, err := readFile(raw, &f)
	if err != nil {
		return nil, err
	}
	var keys []string
	for m := int32(1); m < t.nodes[0].next; m = t.nodes[m].next {
		keys = append(keys, t.nodes[m].key)
	}
	for _, k := range procedureKeys() {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("key %q is missing", k)
		}
	}
	p := f.Procedure
	p.fields = map[string]int{}
	for _, s := range f.Subjects {
		p.Roles = append(p.Roles, Role{ID: s.name, About: s.value})
	}
	if f.Inputs.Type != "object" || f.Inputs.Open == nil || *f.Inputs.Open {
		return nil, fmt.Errorf("inputs: not a closed object")
	}
	var required []string
	for i, in := range f.Inputs.Properties {
		v := in.value
		if v.Type == "array" && v.Items == nil {
			return nil, fmt.Errorf("inputs: %s: an array must say what its items are", in.name)
		}
		p.fields[in.name] = i
		p.Fields = append(p.Fields, Field{
			Name: in.name, TitleVI: v.Title, TitleEN: v.Description, Type: v.Type, Shape: v.Shape,
			Pattern: v.Pattern, Format: v.Format, Enum: v.Enum, Subject: v.Subject,
			Required: v.Required, ManualEntry: v.ManualEntry, Locked: v.Locked,
			Sensitive: slices.Contains(p.SensitiveFields, in.name), Reuse: v.Reuse,
		})
		if v.Required {
			required = append(required, in.name)
		}
	}
	slices.Sort(required)
	slices.Sort(f.Inputs.Required)
	if !slices.Equal(required, f.Inputs.Required) {
		return nil, fmt.Errorf("inputs: required and x-required differ")
	}
	return &p, nil
}

func readGroups(files fs.FS) ([]*Group, []TransferRule, error) {
	var f struct {
		Sources  string         `json:"sources"`
		Groups   []*Group       `json:"groups"`
		Transfer []TransferRule `json:"transfer_rules"`
	}
	const name = "procedure_groups.json"
	raw, err := fs.ReadFile(files, name)
	if err == nil {
		_, err = readFile(raw, &f)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("procedure: %s: %w", name, err)
	}
	return f.Groups, f.Transfer, nil
}
