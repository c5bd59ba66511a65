package procedure

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DocumentType is one type of result document (loại giấy tờ): its schema, and the people it speaks of.
type DocumentType struct {
	ID      string
	TitleVI string
	About   string // English description
	Home    string // role whose vault is the home of the paper: the person it is about

	// NumberPointers leads from each role to the place of that person's number; "*" stands for every element. Signing
	// officers have no entry.
	NumberPointers map[string]string

	root    *schema
	places  []*schema           // every place below the root, in the order of the file
	numbers map[string][]string // parts of NumberPointers
	raw     json.RawMessage
}

// Officer is the role of who signed: it has facts but no number, and no field is ever filled from them.
const Officer = "officer"

// Place is one place of a document type.
type Place struct {
	Pointer    string // "*" for every element of an array
	TitleVI    string
	About      string // English description
	Subject    string // role whose fact it is
	SharedWith []string
	Sensitive  bool // Decree 356/2025 Art. 4 and the pack's decisions; holds for everything below
}

// Schema returns the JSON Schema (2020-12) of the type as published. The caller must not change it.
func (t *DocumentType) Schema() json.RawMessage { return t.raw }

// Places lists every place of the type, containers included, in the order of the schema.
func (t *DocumentType) Places() []Place {
	list := make([]Place, len(t.places))
	for i, s := range t.places {
		list[i] = s.place()
	}
	return list
}

func (s *schema) place() Place {
	return Place{
		Pointer: s.pointer, TitleVI: s.titleVI, About: s.about,
		Subject: s.subject, SharedWith: slices.Clone(s.shared), Sensitive: s.sensitive,
	}
}

// Place returns the place a pointer leads to; an index and "*" both stand for the elements of an array. It is false for
// a pointer the type does not have, and for the root.
func (t *DocumentType) Place(pointer string) (Place, bool) {
	s := t.find(pointer)
	if s == nil || s == t.root {
		return Place{}, false
	}
	return s.place(), true
}

// FieldSubject says whose fact stands at a pointer, with whom it is shared and whether it is sensitive.
func (t *DocumentType) FieldSubject(pointer string) (role string, sharedWith []string, sensitive, ok bool) {
	p, ok := t.Place(pointer)
	return p.Subject, p.SharedWith, p.Sensitive, ok
}

// Roles lists the roles of the people the type speaks of, sorted.
func (t *DocumentType) Roles() []string {
	list := make([]string, 0, len(t.numbers))
	for role := range t.numbers {
		list = append(list, role)
	}
	slices.Sort(list)
	return list
}

func (t *DocumentType) find(pointer string) *schema {
	parts, ok := parts(pointer)
	if !ok {
		return nil
	}
	return t.root.find(parts)
}

// parts cuts a pointer of the catalogue (RFC 6901 §3); field names need no escapes, so none are read.
func parts(pointer string) ([]string, bool) {
	if pointer == "" {
		return nil, true
	}
	if pointer[0] != '/' || len(pointer) > 512 {
		return nil, false
	}
	return strings.Split(pointer[1:], "/"), true
}

// readType builds a type from its schema file.
func readType(id string, raw []byte, regexps map[string]*regexp.Regexp) (*DocumentType, error) {
	tape, flaws, ok := decode(raw)
	if !ok || len(flaws) > 0 {
		return nil, fmt.Errorf("not strict JSON: %s", flaws[0].code)
	}
	if at := tape.repeated(); at >= 0 {
		return nil, fmt.Errorf("key %q is repeated", tape.nodes[at].key)
	}
	r := &schemaReader{t: tape, regexps: regexps}
	r.defs = r.member(0, "$defs")
	root, err := r.read(0, inherited{})
	if err != nil {
		return nil, err
	}
	t := &DocumentType{
		ID: id, TitleVI: root.titleVI, About: root.about, root: root, raw: raw,
		NumberPointers: map[string]string{}, numbers: map[string][]string{},
	}
	root.each(func(s *schema) { t.places = append(t.places, s) })
	if home := r.member(0, "x-home"); home >= 0 {
		t.Home = tape.nodes[home].text
	}
	if subjects := r.member(0, "x-subjects"); subjects >= 0 {
		for m := subjects + 1; m < tape.nodes[subjects].next; m = tape.nodes[m].next {
			role, pointer := tape.nodes[m].key, tape.nodes[m].text
			path, ok := parts(pointer)
			if !ok {
				return nil, fmt.Errorf("x-subjects: %q is no pointer", pointer)
			}
			t.NumberPointers[role], t.numbers[role] = pointer, path
		}
	}
	return t, t.check()
}

// check holds the rules of domain/README.md for subjects: every place has one (C2), numbers belong to their role, and
// what is shared or sensitive is so by rule and not by accident.
func (t *DocumentType) check() error {
	if t.root.typ != "object" {
		return fmt.Errorf("a document is an object")
	}
	kind, _ := t.root.prop("document_type", 0)
	if kind == nil || !kind.isConst || kind.enum[0] != t.ID {
		return fmt.Errorf("document_type is not %q", t.ID)
	}
	if _, ok := t.numbers[t.Home]; !ok {
		return fmt.Errorf("x-home %q is no role of x-subjects", t.Home)
	}
	for _, role := range t.Roles() {
		s := t.root.find(t.numbers[role])
		switch {
		case role == Officer:
			return fmt.Errorf("an officer has no number")
		case s == nil || s.typ != "string":
			return fmt.Errorf("x-subjects: %q of %s leads to no number", t.NumberPointers[role], role)
		case s.subject != role:
			return fmt.Errorf("x-subjects: number of %s is a fact of %q", role, s.subject)
		}
	}
	if strings.Contains(t.NumberPointers[t.Home], "*") {
		return fmt.Errorf("x-subjects: the home person has several numbers")
	}
	for _, s := range t.places {
		if err := t.checkPlace(s); err != nil {
			return fmt.Errorf("pointer %q: %w", s.pointer, err)
		}
	}
	return nil
}

func (t *DocumentType) checkPlace(s *schema) error {
	if _, ok := t.numbers[s.subject]; !ok && s.subject != Officer {
		if s.subject == "" {
			return fmt.Errorf("no subject")
		}
		return fmt.Errorf("subject %q is no role", s.subject)
	}
	for _, role := range s.shared {
		if _, ok := t.numbers[role]; !ok || role == s.subject {
			return fmt.Errorf("shared with %q", role)
		}
	}
	last := s.name
	if last == "*" {
		last = strings.TrimSuffix(s.pointer, "/*")
		last = last[strings.LastIndexByte(last, '/')+1:]
	}
	// Names and register entries may be shared, nothing else about a person.
	if len(s.shared) > 0 && !strings.HasPrefix(s.pointer, "/registration") &&
		hasSuffix(last, "number", "residence", "ethnicity", "birth_year", "birth_date", "nationality") {
		return fmt.Errorf("only names and register entries are shared")
	}
	// Decree 356/2025 Art. 4: ethnic origin, location, health, crime, bank data.
	if !s.sensitive && hasSuffix(last, "residence", "ethnicity", "cause", "conviction_status", "account_number") {
		return fmt.Errorf("not marked sensitive")
	}
	if last == "signer" && s.subject != Officer {
		return fmt.Errorf("who signed is %q", s.subject)
	}
	return nil
}

func hasSuffix(s string, endings ...string) bool {
	return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(s, e) })
}
