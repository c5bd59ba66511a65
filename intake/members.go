package intake

import (
	"encoding/json"
)

// walker cuts JSON text into members without reading their values. It vouches for the frame alone: quotes and brackets close, names,
// colons and commas alternate. Every value it hands out is judged by whoever reads it, and whoever reads none refuses the whole;
// so the one large value, the document, is parsed once and not three times.
type walker struct {
	b  []byte
	at int
}

// maxDepth bounds nesting while values are skipped; no value that may stand here comes near it.
const maxDepth = 64

// member is one member of an object, its value as it stands.
type member struct {
	name  string
	value json.RawMessage
}

// cut returns the members of the one object that raw is, in its order.
func cut(raw []byte) ([]member, bool) {
	w := &walker{b: raw}
	w.space()
	if !w.is('{') {
		return nil, false
	}
	list := make([]member, 0, 16)
	w.space()
	for first := true; !w.is('}'); first = false {
		if !first && !w.is(',') {
			return nil, false
		}
		w.space()
		start := w.at
		if !w.text() {
			return nil, false
		}
		name, ok := unquote(raw[start:w.at])
		w.space()
		if !ok || !w.is(':') {
			return nil, false
		}
		w.space()
		start = w.at
		if !w.value(0) {
			return nil, false
		}
		list = append(list, member{name, raw[start:w.at:w.at]})
		w.space()
	}
	w.space()
	return list, w.at == len(raw)
}

// unquote reads a JSON string (RFC 8259 §7).
func unquote(quoted []byte) (string, bool) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' || c == '"' || c < ' ' {
			var s string
			err := json.Unmarshal(quoted, &s)
			return s, err == nil
		}
	}
	return string(inner), true
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

// text skips a string.
func (w *walker) text() bool {
	if !w.is('"') {
		return false
	}
	for w.at < len(w.b) {
		c := w.b[w.at]
		w.at++
		switch c {
		case '"':
			return true
		case '\\':
			w.at++
		}
	}
	return false
}

// value skips a value: strings whole, brackets in pairs, everything else to the next delimiter.
func (w *walker) value(depth int) bool {
	if depth > maxDepth || w.at >= len(w.b) {
		return false
	}
	switch c := w.b[w.at]; c {
	case '"':
		return w.text()
	case '{', '[':
		w.at++
		return w.nested(c+2, depth+1) // '}' and ']' stand two after their openings
	}
	start := w.at
	for w.at < len(w.b) && !delimiter(w.b[w.at]) {
		w.at++
	}
	return w.at > start
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
