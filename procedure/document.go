package procedure

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"vidan/place"
)

// ErrDocument reports a stored text that is no document.
var ErrDocument = errors.New("procedure: not a document")

// mask is what a personal value prints as.
const mask = "[masked]"

// Document is a paper, decoded once. It is immutable and prints masked through fmt, slog and JSON. The zero value holds
// nothing.
type Document struct{ d *document }

type document struct {
	tape *tape
	typ  *DocumentType
}

// Type returns the type of the document; nil for the zero value.
func (d Document) Type() *DocumentType {
	if d.d == nil {
		return nil
	}
	return d.d.typ
}

// JSON returns the text of the document as it was delivered.
func (d Document) JSON() json.RawMessage {
	if d.d == nil {
		return nil
	}
	return json.RawMessage(d.d.tape.src)
}

// At returns the value a pointer (RFC 6901) leads to.
func (d Document) At(pointer string) (Value, bool) {
	path, ok := parts(pointer)
	if !ok {
		return Value{}, false
	}
	return d.at(path)
}

func (d Document) at(path []string) (Value, bool) {
	if d.d == nil {
		return Value{}, false
	}
	t, at := d.d.tape, int32(0)
	for _, part := range path {
		switch t.nodes[at].form {
		case formObject:
			at = t.member(at, part)
		case formArray:
			if !isIndex(part) {
				return Value{}, false
			}
			i, _ := strconv.Atoi(part)
			at = t.element(at, i)
		default:
			return Value{}, false
		}
		if at < 0 {
			return Value{}, false
		}
	}
	return Value{doc: d.d, at: at}, true
}

// SubjectNumber returns the numbers that the document gives for a role: none, one, or several for a role that many may
// have. They are personal values in clear.
func (d Document) SubjectNumber(role string) []string {
	var list []string
	d.eachNumber(role, func(n string) bool {
		list = append(list, n)
		return true
	})
	return list
}

// names reports whether the document names a number in a role. An absent number names nobody.
func (d Document) names(role, number string) bool {
	found := false
	if number != "" {
		d.eachNumber(role, func(n string) bool {
			found = n == number
			return !found
		})
	}
	return found
}

func (d Document) eachNumber(role string, do func(string) bool) {
	if d.d == nil {
		return
	}
	if path := d.d.typ.numbers[role]; path != nil {
		d.d.tape.each(0, path, do)
	}
}

// each calls do with every string at a path until it says no; "*" stands for every element.
func (t *tape) each(at int32, path []string, do func(string) bool) bool {
	for i, part := range path {
		if part == "*" && t.nodes[at].form == formArray {
			for e := at + 1; e < t.nodes[at].next; e = t.nodes[e].next {
				if !t.each(e, path[i+1:], do) {
					return false
				}
			}
			return true
		}
		if t.nodes[at].form != formObject {
			return true
		}
		if at = t.member(at, part); at < 0 {
			return true
		}
	}
	if n := t.nodes[at]; n.form == formString && n.text != "" {
		return do(n.text)
	}
	return true
}

// Synthetic reports a made-up paper (synthetic: true), which has no place outside the sandbox.
func (d Document) Synthetic() bool {
	v, ok := d.at([]string{"synthetic"})
	return ok && v.node().text == "true"
}

// Validity returns the first and last day on which the paper is valid, as far as it says so (YYYY-MM-DD).
func (d Document) Validity() (from, until string) {
	read := func(names ...string) string {
		for _, name := range names {
			if v, ok := d.at([]string{name}); ok {
				if s, ok := v.Text(); ok && isDate(s) {
					return s
				}
			}
		}
		return ""
	}
	return read("valid_from"), read("valid_to", "expires_on")
}

// String masks the document.
func (d Document) String() string { return mask }

// GoString masks the document in %#v.
func (d Document) GoString() string { return mask }

// LogValue masks the document in slog.
func (d Document) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON masks the document; [Document.JSON] gives it out.
func (d Document) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// Value is a value of a document: a string, number, boolean, list or object. It prints masked through fmt, slog and
// JSON; Text, JSON and Address give it out.
type Value struct {
	doc *document
	at  int32
}

func (v Value) node() *node { return &v.doc.tape.nodes[v.at] }

// IsZero reports whether there is no value.
func (v Value) IsZero() bool { return v.doc == nil }

// Text returns the value when it is a string.
func (v Value) Text() (string, bool) {
	if v.doc == nil || v.node().form != formString {
		return "", false
	}
	return v.node().text, true
}

// JSON returns the value as it stands in the document.
func (v Value) JSON() json.RawMessage {
	if v.doc == nil {
		return nil
	}
	n := v.node()
	return json.RawMessage(v.doc.tape.src[n.start:n.end])
}

// Address returns the value when it is an address block.
func (v Value) Address() (place.Address, bool) {
	if v.doc == nil || v.node().form != formObject {
		return place.Address{}, false
	}
	var a place.Address
	t := v.doc.tape
	for m := v.at + 1; m < v.node().next; m = t.nodes[m].next {
		n := &t.nodes[m]
		if n.form != formString {
			return place.Address{}, false
		}
		switch n.key {
		case "text":
			a.Text = n.text
		case "unit_system":
			a.UnitSystem = place.System(n.text)
		case "province_code":
			a.ProvinceCode = n.text
		case "province":
			a.Province = n.text
		case "district_code":
			a.DistrictCode = n.text
		case "district":
			a.District = n.text
		case "commune_code":
			a.CommuneCode = n.text
		case "commune":
			a.Commune = n.text
		case "street":
			a.Street = n.text
		default:
			return place.Address{}, false
		}
	}
	return a, a.Text != ""
}

// Equal reports whether two values say the same: addresses by their text, everything else by its content.
func (v Value) Equal(other Value) bool {
	if v.doc == nil || other.doc == nil {
		return v.doc == other.doc
	}
	a, b := v.node(), other.node()
	if a.form != b.form {
		return false
	}
	if a.form == formString {
		return a.text == b.text
	}
	if left, ok := v.Address(); ok {
		right, ok := other.Address()
		return ok && left.Text == right.Text
	}
	return v.doc.tape.canonical(v.at) == other.doc.tape.canonical(other.at)
}

// String masks the value.
func (v Value) String() string { return mask }

// GoString masks the value in %#v.
func (v Value) GoString() string { return mask }

// LogValue masks the value in slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON masks the value; [Value.JSON] gives it out.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// canonical writes a value so that equal values are equal texts: members sorted, strings without escapes.
func (t *tape) canonical(at int32) string {
	var b strings.Builder
	t.write(&b, at)
	return b.String()
}

func (t *tape) write(b *strings.Builder, at int32) {
	n := t.nodes[at]
	var below []string
	for m := at + 1; m < n.next; m = t.nodes[m].next {
		below = append(below, strconv.Quote(t.nodes[m].key)+":"+t.canonical(m))
	}
	switch n.form {
	case formObject:
		slices.Sort(below)
		b.WriteString("{" + strings.Join(below, ",") + "}")
	case formArray:
		b.WriteString("[" + strings.Join(below, ",") + "]")
	case formString:
		b.WriteString(strconv.Quote(n.text))
	default:
		b.WriteString(n.text)
	}
}

// repeats reports whether two elements of an array are equal.
func (t *tape) repeats(array int32) bool {
	seen := map[string]bool{}
	for e := array + 1; e < t.nodes[array].next; e = t.nodes[e].next {
		key := t.canonical(e)
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}
