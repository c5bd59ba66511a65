package procedure

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schema is one place of a document type: what may stand there, and whose fact it is. References are resolved, so that
// every place has its own node, with the pointer that leads to it and the subject that holds on the way down.
type schema struct {
	name      string // last part of the pointer; "*" for every element of an array
	pointer   string
	titleVI   string
	about     string // English description
	subject   string
	shared    []string
	sensitive bool

	typ                  string   // JSON type; empty where only const or oneOf says what may stand here
	enum                 []string // allowed strings; one of them for const
	isConst              bool
	pattern              *regexp.Regexp
	date                 bool
	minLength, maxLength int // maxLength -1: none
	minimum, maximum     int64
	minItems, maxItems   int // maxItems -1: none
	unique               bool
	props                []*schema
	required             uint64 // bit i: props[i] is required
	items                *schema
	oneOf                []*schema
}

// maxMembers is what fits the bit set of an object's members.
const maxMembers = 64

// prop returns the schema of a member and its place. Papers name their members in the order of the schema, so the
// search begins where the last one ended.
func (s *schema) prop(name string, from int) (*schema, int) {
	for i := range s.props {
		at := from + i
		if at >= len(s.props) {
			at -= len(s.props)
		}
		if s.props[at].name == name {
			return s.props[at], at
		}
	}
	return nil, -1
}

// each calls do for every place below the root, in the order of the file.
func (s *schema) each(do func(*schema)) {
	for _, p := range s.props {
		do(p)
		p.each(do)
	}
	if s.items != nil {
		do(s.items)
		s.items.each(do)
	}
}

// find follows the parts of a pointer; an index and "*" both stand for the elements of an array.
func (s *schema) find(parts []string) *schema {
	for _, part := range parts {
		if s.items != nil {
			if part != "*" && !isIndex(part) {
				return nil
			}
			s = s.items
			continue
		}
		next, _ := s.prop(part, 0)
		if next == nil {
			return nil
		}
		s = next
	}
	return s
}

// isIndex reports an array index of RFC 6901 §4: digits without a leading zero.
func isIndex(part string) bool {
	if part == "" || len(part) > 6 || part[0] == '0' && len(part) > 1 {
		return false
	}
	return strings.Trim(part, "0123456789") == ""
}

// factOf reports whether a value at this place is a fact of the role, its own or shared.
func (s *schema) factOf(role string) bool {
	return s.subject == role || slices.Contains(s.shared, role)
}

// schemaReader builds schemas from a file. It knows the keywords the catalogue uses and refuses every other, so that
// nothing a file demands is silently left unchecked.
type schemaReader struct {
	t       *tape
	defs    int32 // node of $defs, -1 without
	regexps map[string]*regexp.Regexp
}

// inherited is what a place takes over from those above it.
type inherited struct {
	pointer   string
	name      string
	subject   string
	shared    []string
	sensitive bool
	depth     int
	one       bool // an alternative of oneOf: the place around it has the title
}

// placeError is a fault of a schema file with its place.
type placeError struct {
	pointer string
	err     error
}

func (e *placeError) Error() string { return fmt.Sprintf("pointer %q: %v", e.pointer, e.err) }

func (e *placeError) Unwrap() error { return e.err }

// locate adds the place to a fault that has none yet.
func (in inherited) locate(err error) error {
	var located *placeError
	if err == nil || errors.As(err, &located) {
		return err
	}
	return &placeError{pointer: in.pointer, err: err}
}

func (in inherited) errorf(format string, args ...any) error {
	return in.locate(fmt.Errorf(format, args...))
}

// read builds the place described by a node of the file.
func (r *schemaReader) read(at int32, in inherited) (*schema, error) {
	if in.depth > MaxDepth {
		return nil, in.errorf("schema is nested too deep or refers to itself")
	}
	s := &schema{
		name: in.name, pointer: in.pointer,
		maxLength: -1, maxItems: -1, minimum: math.MinInt64, maximum: math.MaxInt64,
	}
	def := at
	if ref := r.member(at, "$ref"); ref >= 0 {
		name, ok := strings.CutPrefix(r.t.nodes[ref].text, "#/$defs/")
		if def = -1; ok && r.defs >= 0 {
			def = r.member(r.defs, name)
		}
		if def < 0 {
			return nil, in.errorf("$ref leads nowhere")
		}
	}
	if err := r.annotate(s, at, def, &in); err != nil {
		return nil, err
	}
	if def != at {
		for m := at + 1; m < r.t.nodes[at].next; m = r.t.nodes[m].next {
			if key := r.t.nodes[m].key; key != "$ref" && !isAnnotation(key) {
				return nil, in.errorf("keyword %q stands beside $ref", key)
			}
		}
	}
	if err := r.constrain(s, def, in); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *schemaReader) member(at int32, name string) int32 {
	if r.t.nodes[at].form != formObject {
		return -1
	}
	return r.t.member(at, name)
}

func isAnnotation(key string) bool {
	switch key {
	case "title", "description", "examples", "x-verified", "x-subject", "x-shared-with", "x-sensitive":
		return true
	}
	return false
}

// annotate settles titles and whose fact the place is: the nearest annotation on the way down holds, one on a referenced
// definition included; sharing ends where a new subject begins; what is sensitive stays so below (domain/README.md).
func (r *schemaReader) annotate(s *schema, at, def int32, in *inherited) error {
	text := func(key string) string {
		for _, n := range [...]int32{at, def} {
			if m := r.member(n, key); m >= 0 {
				return r.t.nodes[m].text
			}
		}
		return ""
	}
	s.titleVI, s.about = text("title"), text("description")
	if own := text("x-subject"); own != "" {
		in.subject, in.shared = own, nil
	}
	if m := r.member(at, "x-shared-with"); m >= 0 {
		list, err := r.strings(m)
		if err != nil {
			return in.errorf("x-shared-with: %w", err)
		}
		in.shared = list
	}
	in.sensitive = in.sensitive || text("x-sensitive") == "true"
	s.subject, s.shared, s.sensitive = in.subject, in.shared, in.sensitive
	if s.titleVI == "" && !in.one {
		return in.errorf("no title")
	}
	return nil
}

func (r *schemaReader) constrain(s *schema, def int32, in inherited) error {
	if r.t.nodes[def].form != formObject {
		return in.errorf("not a schema")
	}
	closed := false
	for m := def + 1; m < r.t.nodes[def].next; m = r.t.nodes[m].next {
		n := r.t.nodes[m]
		var err error
		switch n.key {
		case "type":
			s.typ = n.text
			if _, _, ok := typeRule(n.text); !ok {
				err = fmt.Errorf("unknown type %q", n.text)
			}
		case "properties":
			err = r.properties(s, m, in)
		case "required": // below, when the properties are known
		case "additionalProperties":
			closed = n.text == "false"
		case "items":
			below := in
			below.pointer, below.name, below.depth, below.one = in.pointer+"/*", "*", in.depth+1, false
			s.items, err = r.read(m, below)
		case "oneOf":
			err = r.alternatives(s, m, in)
		case "const":
			s.enum, s.isConst = []string{n.text}, true
			if n.form != formString {
				err = fmt.Errorf("const is no string")
			}
		case "enum":
			s.enum, err = r.strings(m)
		case "pattern":
			err = r.pattern(s, n.text)
		case "format":
			s.date = n.text == "date"
			if !s.date {
				err = fmt.Errorf("unknown format %q", n.text)
			}
		case "uniqueItems":
			s.unique = n.text == "true"
		case "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum":
			err = s.bound(n.key, n.text)
		default:
			root := in.pointer == "" && slices.Contains([]string{"$schema", "$id", "$defs", "x-field-basis", "x-home", "x-subjects"}, n.key)
			if !root && !isAnnotation(n.key) {
				err = fmt.Errorf("unknown keyword %q", n.key)
			}
		}
		if err != nil {
			return in.locate(err)
		}
	}
	if (s.typ == "object") != (s.props != nil) || s.typ == "object" && !closed {
		return in.errorf("an object must list its properties and forbid others")
	}
	if (s.typ == "array") != (s.items != nil) {
		return in.errorf("an array must say what its items are")
	}
	if s.typ == "" && !s.isConst && s.oneOf == nil {
		return in.errorf("no type")
	}
	return r.requirements(s, def, in)
}

func (r *schemaReader) properties(s *schema, at int32, in inherited) error {
	s.props = []*schema{}
	for m := at + 1; m < r.t.nodes[at].next; m = r.t.nodes[m].next {
		name := r.t.nodes[m].key
		if !isFieldName(name) {
			return fmt.Errorf("property %q is no field name", name)
		}
		below := in
		below.pointer, below.name, below.depth, below.one = in.pointer+"/"+name, name, in.depth+1, false
		p, err := r.read(m, below)
		if err != nil {
			return err
		}
		s.props = append(s.props, p)
	}
	if len(s.props) > maxMembers {
		return fmt.Errorf("more than %d properties", maxMembers)
	}
	return nil
}

// isFieldName reports a name fit for a pointer without escapes, and for a fault.
func isFieldName(name string) bool {
	return name != "" && len(name) <= 40 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (r *schemaReader) requirements(s *schema, def int32, in inherited) error {
	m := r.member(def, "required")
	if m < 0 {
		return nil
	}
	names, err := r.strings(m)
	if err != nil {
		return in.errorf("required: %w", err)
	}
	for _, name := range names {
		_, i := s.prop(name, 0)
		if i < 0 {
			return in.errorf("required field %q does not exist", name)
		}
		s.required |= 1 << i
	}
	return nil
}

// alternatives reads oneOf. Alternatives are single values: a place inside one of them would have no pointer of its own.
func (r *schemaReader) alternatives(s *schema, at int32, in inherited) error {
	for m := at + 1; m < r.t.nodes[at].next; m = r.t.nodes[m].next {
		below := in
		below.depth, below.one = in.depth+1, true
		one, err := r.read(m, below)
		if err != nil {
			return err
		}
		if one.props != nil || one.items != nil {
			return fmt.Errorf("oneOf holds more than single values")
		}
		s.oneOf = append(s.oneOf, one)
	}
	return nil
}

func (r *schemaReader) pattern(s *schema, expression string) error {
	if _, _, ok := patternRule(expression); !ok {
		return fmt.Errorf("pattern %q has no sentence", expression)
	}
	compiled, ok := r.regexps[expression]
	if !ok {
		var err error
		if compiled, err = regexp.Compile(expression); err != nil {
			return fmt.Errorf("pattern: %w", err)
		}
		r.regexps[expression] = compiled
	}
	s.pattern = compiled
	return nil
}

func (s *schema) bound(key, text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	switch key {
	case "minLength":
		s.minLength = int(v)
	case "maxLength":
		s.maxLength = int(v)
	case "minItems":
		s.minItems = int(v)
	case "maxItems":
		s.maxItems = int(v)
	case "minimum":
		s.minimum = v
	case "maximum":
		s.maximum = v
	}
	return nil
}

// strings reads a list of strings.
func (r *schemaReader) strings(at int32) ([]string, error) {
	var list []string
	if r.t.nodes[at].form != formArray {
		return nil, fmt.Errorf("not a list")
	}
	for m := at + 1; m < r.t.nodes[at].next; m = r.t.nodes[m].next {
		if r.t.nodes[m].form != formString {
			return nil, fmt.Errorf("not a list of strings")
		}
		list = append(list, r.t.nodes[m].text)
	}
	return list, nil
}
