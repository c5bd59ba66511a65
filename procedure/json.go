package procedure

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"vidan/internal/viettext"
)

// Limits of a document, checked before anything is kept of it.
const (
	MaxBytes  = 256 << 10 // of the JSON text
	MaxDepth  = 32        // of objects and arrays within each other
	maxNumber = 20        // characters of a number
)

// form is the kind of a JSON value.
type form uint8

const (
	formNull form = iota
	formBool
	formNumber
	formString
	formArray
	formObject
)

// node is one JSON value. Values stand in the order of the text, each before what it contains, so that a document is
// one slice and a subtree a range of it.
type node struct {
	key        string // name of the member; empty for an element of an array
	text       string // decoded string, or the literal of a number or boolean
	start, end int32  // the raw text in the source
	parent     int32  // -1 for the root
	next       int32  // the first node behind the subtree
	form       form
}

// tape is a decoded JSON text. It is never changed once built.
type tape struct {
	src   string
	nodes []node
}

// flaw is something wrong with the text itself, at a node.
type flaw struct {
	at   int32
	code Code
}

// decode reads one JSON text (RFC 8259) strictly: nothing behind it, bounded depth and size, strings in UTF-8, composed
// and free of control characters, numbers without exponent. When ok is false the text could not be read to its end,
// the last flaw says why, and the tape is good for nothing but its place. Repeated members are left to those who know
// the members: the schema, or [tape.repeated].
//
// It exists beside encoding/json because one pass yields what a document needs (places of faults, raw text of values,
// strings that share the source) at a fifth of the time; FuzzParse holds the two to one verdict.
func decode(data []byte) (t *tape, flaws []flaw, ok bool) {
	if len(data) > MaxBytes {
		return &tape{}, []flaw{{at: -1, code: CodeTooLarge}}, false
	}
	p := &decoder{src: string(data), nodes: make([]node, 0, 8+len(data)/24)}
	p.space()
	p.value("", -1, 0)
	p.space()
	if !p.dead && p.at < len(p.src) {
		p.stop(-1, CodeTrailingData)
	}
	return &tape{src: p.src, nodes: p.nodes}, p.flaws, !p.dead
}

type decoder struct {
	src   string
	at    int
	nodes []node
	flaws []flaw
	dead  bool
}

// stop ends the reading; the first reason counts.
func (p *decoder) stop(at int32, code Code) {
	if !p.dead {
		p.dead = true
		p.flaws = append(p.flaws, flaw{at: at, code: code})
	}
}

func (p *decoder) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *decoder) take(c byte) bool {
	if p.at < len(p.src) && p.src[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *decoder) value(key string, parent int32, depth int) {
	id := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{key: key, start: int32(p.at), parent: parent})
	if p.at == len(p.src) {
		p.stop(parent, CodeInvalidJSON)
		return
	}
	var f form
	var text string
	switch c := p.src[p.at]; {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			p.stop(parent, CodeTooDeep)
			return
		}
		if f = formArray; c == '{' {
			f = formObject
		}
		p.nodes[id].form = f // paths to what lies inside are asked for before the end is seen
		p.at++
		p.inside(f, id, depth+1)
	case c == '"':
		f = formString
		var code Code
		if text, code = p.str(); code == "" {
			code = textCode(text)
		}
		if code != "" && !p.dead {
			p.flaws = append(p.flaws, flaw{at: id, code: code})
		}
	case c == '-' || '0' <= c && c <= '9':
		f, text = formNumber, p.number(id)
	default:
		f, text = p.word()
	}
	if p.dead {
		p.stop(id, CodeInvalidJSON)
		return
	}
	n := &p.nodes[id]
	n.form, n.text, n.end, n.next = f, text, int32(p.at), int32(len(p.nodes))
}

// inside reads the members of an object or the elements of an array up to its closing bracket.
func (p *decoder) inside(f form, id int32, depth int) {
	end := byte(']')
	if f == formObject {
		end = '}'
	}
	p.space()
	if p.take(end) {
		return
	}
	for {
		key := ""
		if f == formObject {
			if p.at == len(p.src) || p.src[p.at] != '"' {
				p.stop(id, CodeInvalidJSON)
				return
			}
			var code Code
			if key, code = p.str(); code != "" {
				p.stop(id, code)
				return
			}
			p.space()
			if !p.take(':') {
				p.stop(id, CodeInvalidJSON)
				return
			}
			p.space()
		}
		p.value(key, id, depth)
		if p.dead {
			return
		}
		p.space()
		if p.take(end) {
			return
		}
		if !p.take(',') {
			p.stop(id, CodeInvalidJSON)
			return
		}
		p.space()
	}
}

// textCode names what is wrong with a string of the document.
func textCode(s string) Code {
	switch err := viettext.Check(s); {
	case err == nil:
		return ""
	case errors.Is(err, viettext.ErrUTF8):
		return CodeInvalidUnicode
	case errors.Is(err, viettext.ErrControl):
		return CodeControlCharacter
	default:
		return CodeNotNFC
	}
}

// str reads a string. Strings without escapes share the source.
func (p *decoder) str() (string, Code) {
	p.at++
	start := p.at
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case '"':
			p.at++
			return p.src[start : p.at-1], ""
		case '\\':
			return p.escaped(start)
		default:
			p.at++
		}
	}
	p.stop(int32(len(p.nodes)-1), CodeInvalidJSON)
	return "", CodeInvalidJSON
}

func (p *decoder) escaped(start int) (string, Code) {
	b := []byte(p.src[start:p.at])
	var code Code
	for p.at < len(p.src) {
		c := p.src[p.at]
		p.at++
		switch c {
		case '"':
			return string(b), code
		case '\\':
			if p.at == len(p.src) {
				break
			}
			e := p.src[p.at]
			p.at++
			if i := strings.IndexByte(`"\/bfnrt`, e); i >= 0 {
				b = append(b, "\"\\/\b\f\n\r\t"[i])
				continue
			}
			r, ok := rune(0), e == 'u'
			if ok {
				r, ok = p.hex()
			}
			if !ok {
				p.stop(int32(len(p.nodes)-1), CodeInvalidJSON)
				return "", CodeInvalidJSON
			}
			if utf16.IsSurrogate(r) {
				r = p.surrogate(r)
				if r == utf8.RuneError {
					code = CodeInvalidUnicode
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
	p.stop(int32(len(p.nodes)-1), CodeInvalidJSON)
	return "", CodeInvalidJSON
}

// surrogate reads the second half of a pair; a half alone is no character.
func (p *decoder) surrogate(first rune) rune {
	back := p.at
	if strings.HasPrefix(p.src[p.at:], `\u`) {
		p.at += 2
		if second, ok := p.hex(); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
	}
	p.at = back
	return utf8.RuneError
}

func (p *decoder) hex() (rune, bool) {
	if p.at+4 > len(p.src) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.src[p.at : p.at+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.at += 4
	return r, true
}

// number reads a number. One with an exponent could name a value of a million digits, and no paper writes one.
func (p *decoder) number(id int32) string {
	start := p.at
	p.take('-')
	if !p.take('0') && !p.digits() || p.take('.') && !p.digits() {
		p.stop(id, CodeInvalidJSON)
		return ""
	}
	exponent := p.take('e') || p.take('E')
	if exponent {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			p.stop(id, CodeInvalidJSON)
			return ""
		}
	}
	if exponent || p.at-start > maxNumber {
		p.flaws = append(p.flaws, flaw{at: id, code: CodeNumberForm})
	}
	return p.src[start:p.at]
}

func (p *decoder) digits() bool {
	start := p.at
	for p.at < len(p.src) && '0' <= p.src[p.at] && p.src[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *decoder) word() (form, string) {
	for _, w := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.src[p.at:], w) {
			p.at += len(w)
			if w == "null" {
				return formNull, w
			}
			return formBool, w
		}
	}
	p.stop(int32(len(p.nodes)-1), CodeInvalidJSON)
	return formNull, ""
}

// member returns the node of a member of an object, or -1.
func (t *tape) member(object int32, name string) int32 {
	for at := object + 1; at < t.nodes[object].next; at = t.nodes[at].next {
		if t.nodes[at].key == name {
			return at
		}
	}
	return -1
}

// element returns the node of an element of an array, or -1.
func (t *tape) element(array int32, i int) int32 {
	for at := array + 1; at < t.nodes[array].next; at = t.nodes[at].next {
		if i == 0 {
			return at
		}
		i--
	}
	return -1
}

// path returns the steps from the root to a node: names of members, indexes of elements.
func (t *tape) path(at int32) []step {
	var back []step
	for n := t.nodes[at]; n.parent >= 0; n = t.nodes[n.parent] {
		s := step{name: n.key, index: -1}
		if t.nodes[n.parent].form == formArray {
			s.index = 0
			for e := n.parent + 1; e != at; e = t.nodes[e].next {
				s.index++
			}
		}
		back = append(back, s)
		at = n.parent
	}
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	return back
}

// step is one part of a path; index is -1 for a member.
type step struct {
	name  string
	index int
}

// repeated returns a member that an object names twice, or -1.
func (t *tape) repeated() int32 {
	for id, n := range t.nodes {
		if n.form != formObject {
			continue
		}
		seen := map[string]bool{}
		for at := int32(id) + 1; at < n.next; at = t.nodes[at].next {
			if seen[t.nodes[at].key] {
				return at
			}
			seen[t.nodes[at].key] = true
		}
	}
	return -1
}
