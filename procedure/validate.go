package procedure

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseOptions say under which circumstances a document is judged.
type ParseOptions struct {
	// NumberPending drops exactly one requirement: the number of the person the paper is about, who does not have it
	// yet (domain/README.md, "A child whose number is still awaited"). A number that is there is judged as ever.
	NumberPending bool
}

// Parse reads a delivered document and judges it by the schema of its type. It lists every fault, at most [MaxFaults],
// in the order of the document; without faults the document is good to be used.
func (t *DocumentType) Parse(data []byte, opts ParseOptions) (Document, []Fault) {
	tape, flaws, ok := decode(data)
	v := judge{tape: tape, typ: t, opts: opts}
	for _, f := range flaws {
		v.found = append(v.found, finding{at: f.at, code: f.code})
	}
	if ok {
		v.value(0, t.root)
	}
	if len(v.found) > 0 {
		return Document{}, v.faults()
	}
	return Document{&document{tape: tape, typ: t}}, nil
}

// Read opens a document that was judged when it was stored. It fails only on text that is no JSON: the seal vouches for
// the rest.
func (t *DocumentType) Read(data []byte) (Document, error) {
	tape, _, ok := decode(data)
	if !ok {
		return Document{}, ErrDocument
	}
	return Document{&document{tape: tape, typ: t}}, nil
}

// finding is a fault before it is put into words.
type finding struct {
	at      int32   // node; -1 for the whole text
	schema  *schema // the rule that was broken; nil for flaws of the text
	code    Code
	missing *schema // the absent member, for CodeRequired
}

type judge struct {
	tape  *tape
	typ   *DocumentType
	opts  ParseOptions
	found []finding
}

func (v *judge) fault(at int32, s *schema, code Code) {
	v.found = append(v.found, finding{at: at, schema: s, code: code})
}

// value judges the value at a node. After a wrong type, constant, choice or date nothing more is said of it.
func (v *judge) value(at int32, s *schema) {
	n := &v.tape.nodes[at]
	if s.typ != "" && !s.admits(n) {
		v.fault(at, s, CodeType)
		return
	}
	if s.enum != nil && (n.form != formString || !slices.Contains(s.enum, n.text)) {
		code := CodeEnum
		if s.isConst {
			code = CodeConst
		}
		v.fault(at, s, code)
		return
	}
	switch s.typ {
	case "string":
		v.str(at, s, n.text)
	case "integer":
		v.number(at, s, n.text)
	case "array":
		v.array(at, s)
	case "object":
		v.object(at, s)
	}
	if s.oneOf != nil {
		v.alternatives(at, s)
	}
}

func (s *schema) admits(n *node) bool {
	switch s.typ {
	case "string":
		return n.form == formString
	case "integer":
		return n.form == formNumber && isInteger(n.text)
	case "boolean":
		return n.form == formBool
	case "array":
		return n.form == formArray
	default:
		return n.form == formObject
	}
}

// isInteger reports a number without fraction; JSON Schema counts 1.0 as one.
func isInteger(text string) bool {
	_, fraction, _ := strings.Cut(text, ".")
	return strings.Trim(fraction, "0") == "" && !strings.ContainsAny(text, "eE")
}

func (v *judge) str(at int32, s *schema, text string) {
	if s.date && !isDate(text) {
		v.fault(at, s, CodeFormat)
		return
	}
	if s.minLength > 0 || s.maxLength >= 0 {
		n := utf8.RuneCountInString(text)
		if n < s.minLength {
			v.fault(at, s, CodeMinLength)
		}
		if s.maxLength >= 0 && n > s.maxLength {
			v.fault(at, s, CodeMaxLength)
		}
	}
	if s.pattern != nil && !s.pattern.MatchString(text) {
		v.fault(at, s, CodePattern)
	}
}

// isDate reports a day of the calendar, YYYY-MM-DD (RFC 3339 full-date).
func isDate(text string) bool {
	if len(text) != len(time.DateOnly) {
		return false
	}
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

func (v *judge) number(at int32, s *schema, text string) {
	whole, _, _ := strings.Cut(text, ".")
	n, _ := strconv.ParseInt(whole, 10, 64) // out of range: the nearest number, which is as far out of any bound
	if n < s.minimum {
		v.fault(at, s, CodeMinimum)
	}
	if n > s.maximum {
		v.fault(at, s, CodeMaximum)
	}
}

func (v *judge) object(at int32, s *schema) {
	var seen uint64
	place := -1
	nodes := v.tape.nodes
	for m := at + 1; m < nodes[at].next; m = nodes[m].next {
		p, i := s.prop(nodes[m].key, place+1)
		if p == nil {
			v.fault(m, s, CodeUnknownField)
			continue
		}
		place = i
		if seen&(1<<i) != 0 {
			v.fault(m, p, CodeDuplicateKey)
			continue
		}
		seen |= 1 << i
		v.value(m, p)
	}
	absent := s.required &^ seen
	if absent == 0 {
		return
	}
	for i, p := range s.props {
		if absent&(1<<i) == 0 || v.opts.NumberPending && p.pointer == v.typ.NumberPointers[v.typ.Home] {
			continue
		}
		v.found = append(v.found, finding{at: at, schema: s, code: CodeRequired, missing: p})
	}
}

func (v *judge) array(at int32, s *schema) {
	nodes := v.tape.nodes
	n := 0
	for m := at + 1; m < nodes[at].next; m = nodes[m].next {
		v.value(m, s.items)
		n++
	}
	if n < s.minItems {
		v.fault(at, s, CodeMinItems)
	}
	if s.maxItems >= 0 && n > s.maxItems {
		v.fault(at, s, CodeMaxItems)
	}
	if s.unique && n > 1 && v.tape.repeats(at) {
		v.fault(at, s, CodeUniqueItems)
	}
}

// alternatives asks for exactly one that fits.
func (v *judge) alternatives(at int32, s *schema) {
	fits := 0
	for _, one := range s.oneOf {
		trial := judge{tape: v.tape, typ: v.typ, opts: v.opts}
		trial.value(at, one)
		if len(trial.found) == 0 {
			fits++
		}
	}
	if fits != 1 {
		v.fault(at, s, CodeOneOf)
	}
}

// faults puts the findings into words, in the order of the document.
func (v *judge) faults() []Fault {
	slices.SortStableFunc(v.found, func(a, b finding) int { return cmp.Compare(a.at, b.at) })
	var list []Fault
	for _, f := range v.found {
		fault := v.describe(f)
		if len(list) > 0 && fault == list[len(list)-1] {
			continue // unknown members without a name fit to be repeated
		}
		if len(list) == MaxFaults-1 {
			vi, en, _ := textRule(CodeMoreFaults)
			return append(list, Fault{Code: CodeMoreFaults, TitleVI: v.typ.TitleVI, RuleVI: vi, RuleEN: en})
		}
		list = append(list, fault)
	}
	return list
}

// describe names the place by the catalogue, never by the document (C4): the walk along the document's members ends
// where the catalogue does not know the next.
func (v *judge) describe(f finding) Fault {
	s, pointer, title := v.typ.root, "", ""
	down := func(next *schema, part string) {
		s, pointer = next, pointer+"/"+part
		switch {
		case next.name == "*": // an element is called like its list
		case title == "":
			title = next.titleVI
		default:
			title += " – " + next.titleVI
		}
	}
	if f.at >= 0 {
		for _, step := range v.tape.path(f.at) {
			next, part := (*schema)(nil), step.name
			if step.index >= 0 {
				next, part = s.items, strconv.Itoa(step.index)
			} else {
				next, _ = s.prop(part, 0)
			}
			if next == nil {
				if f.code == CodeUnknownField && isPlainName(part) {
					pointer += "/" + part
				}
				break
			}
			down(next, part)
		}
	}
	if f.missing != nil {
		down(f.missing, f.missing.name)
	}
	if title == "" {
		title = v.typ.TitleVI
	}
	if f.schema != nil {
		s = f.schema
	}
	vi, en := s.rule(f.code)
	return Fault{Pointer: pointer, Code: f.code, TitleVI: title, RuleVI: vi, RuleEN: en}
}

// isPlainName reports a member name that may be repeated to the sender: letters and underscores, so that no number, date
// or name of a person put in the place of a field's name comes back.
func isPlainName(name string) bool {
	return name != "" && len(name) <= 40 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == ""
}
