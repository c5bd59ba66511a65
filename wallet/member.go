package wallet

import (
	"encoding/json"
	"errors"
)

// errMember reports a payload in which the document cannot be found for certain.
var errMember = errors.New("not an object with at most one document")

// maxDepth bounds nesting; the intake allows less.
const maxDepth = 128

// documentMember returns where the value of the member "document" of a JSON object begins and ends; both are 0 when there
// is none. It finds the place once, when a revision is stored, so that no reading parses the payload again. The payload was
// parsed strictly before it came here; this walk only skips over what it does not look for, and refuses what it cannot skip.
func documentMember(payload []byte) (from, to int, err error) {
	w := &walker{b: payload}
	w.space()
	if !w.is('{') {
		return 0, 0, errMember
	}
	w.space()
	for first := true; !w.is('}'); first = false {
		if !first && !w.is(',') {
			return 0, 0, errMember
		}
		w.space()
		name, ok := w.text()
		w.space()
		if !ok || !w.is(':') {
			return 0, 0, errMember
		}
		w.space()
		start := w.at
		if !w.value(0) {
			return 0, 0, errMember
		}
		if isDocument(name) {
			if to != 0 {
				return 0, 0, errMember
			}
			from, to = start, w.at
		}
		w.space()
	}
	w.space()
	if w.at != len(payload) {
		return 0, 0, errMember
	}
	return from, to, nil
}

// isDocument compares a quoted name; one with escapes is unquoted first.
func isDocument(quoted []byte) bool {
	if string(quoted) == `"document"` {
		return true
	}
	for _, c := range quoted {
		if c == '\\' {
			var name string
			return json.Unmarshal(quoted, &name) == nil && name == "document"
		}
	}
	return false
}

// walker moves over JSON text.
type walker struct {
	b  []byte
	at int
}

func (w *walker) space() {
	for w.at < len(w.b) && (w.b[w.at] == ' ' || w.b[w.at] == '\n' || w.b[w.at] == '\t' || w.b[w.at] == '\r') {
		w.at++
	}
}

// is takes c if it is next.
func (w *walker) is(c byte) bool {
	if w.at < len(w.b) && w.b[w.at] == c {
		w.at++
		return true
	}
	return false
}

// text takes a string and returns it with its quotes.
func (w *walker) text() ([]byte, bool) {
	start := w.at
	if !w.is('"') {
		return nil, false
	}
	for w.at < len(w.b) {
		c := w.b[w.at]
		w.at++
		switch {
		case c == '"':
			return w.b[start:w.at], true
		case c == '\\':
			w.at++
		}
	}
	return nil, false
}

// value takes any value: brackets are matched, strings are skipped whole, everything else runs to the next delimiter.
func (w *walker) value(depth int) bool {
	if depth > maxDepth || w.at >= len(w.b) {
		return false
	}
	switch c := w.b[w.at]; c {
	case '"':
		_, ok := w.text()
		return ok
	case '{', '[':
		w.at++
		return w.nested(c+2, depth+1) // '}' and ']' stand two after their openings
	default:
		start := w.at
		for w.at < len(w.b) && !delimiter(w.b[w.at]) {
			w.at++
		}
		return w.at > start
	}
}

func (w *walker) nested(end byte, depth int) bool {
	for w.at < len(w.b) {
		switch c := w.b[w.at]; {
		case c == end:
			w.at++
			return true
		case c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\t' || c == '\r':
			w.at++
		case !w.value(depth):
			return false
		}
	}
	return false
}

func delimiter(c byte) bool {
	switch c {
	case ',', ':', '{', '}', '[', ']', '"', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}
