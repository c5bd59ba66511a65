package openapi

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// rendered is an answer that writes its own JSON: those that are asked for most, where finding out at each request what the members of a type are is the
// dearest part of rendering. What it writes is what encoding/json would, but for the space inside of raw values; a test holds the two together.
type rendered interface{ appendTo(w *jsonText) }

// jsonFormat is huma's, with answers that render themselves written at once.
func jsonFormat() huma.Format {
	return huma.Format{Unmarshal: huma.DefaultJSONFormat.Unmarshal, Marshal: func(w io.Writer, v any) error {
		r, ok := v.(rendered)
		if !ok {
			return huma.DefaultJSONFormat.Marshal(w, v)
		}
		text := jsonText{b: make([]byte, 0, 8<<10)}
		r.appendTo(&text)
		_, err := w.Write(append(text.b, '\n'))
		return err
	}}
}

// jsonText is JSON (RFC 8259) being written. Names of members are our own and stand as they are.
type jsonText struct{ b []byte }

func (t *jsonText) open(bracket byte)  { t.b = append(t.b, bracket) }
func (t *jsonText) close(bracket byte) { t.b = append(t.b, bracket) }

// next parts an element from the one before.
func (t *jsonText) next() {
	if last := t.b[len(t.b)-1]; last != '[' && last != '{' {
		t.b = append(t.b, ',')
	}
}

func (t *jsonText) name(name string) {
	t.next()
	t.b = append(t.b, '"')
	t.b = append(t.b, name...)
	t.b = append(t.b, '"', ':')
}

func (t *jsonText) text(name, value string) {
	t.name(name)
	t.b = appendString(t.b, value)
}

// some writes a text that is left out when it is empty.
func (t *jsonText) some(name, value string) {
	if value != "" {
		t.text(name, value)
	}
}

func (t *jsonText) number(name string, value int) {
	t.name(name)
	t.b = strconv.AppendInt(t.b, int64(value), 10)
}

func (t *jsonText) truth(name string, value bool) {
	t.name(name)
	t.b = strconv.AppendBool(t.b, value)
}

func (t *jsonText) moment(name string, value time.Time) {
	t.name(name)
	t.b = append(t.b, '"')
	t.b = value.AppendFormat(t.b, time.RFC3339Nano)
	t.b = append(t.b, '"')
}

// raw writes what is JSON already, and was checked when it was stored; an absent value is left out.
func (t *jsonText) raw(name string, value json.RawMessage) {
	if len(value) > 0 {
		t.name(name)
		t.b = append(t.b, value...)
	}
}

// list writes an array, null for one that is absent, as encoding/json does.
func list[T any](t *jsonText, name string, values []T, each func(*T)) {
	t.name(name)
	if values == nil {
		t.b = append(t.b, "null"...)
		return
	}
	t.open('[')
	for i := range values {
		t.next()
		each(&values[i])
	}
	t.close(']')
}

// appendString appends a JSON string. Nearly all texts need no escapes; the others are left to encoding/json.
func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var escaped bytes.Buffer
	encoder := json.NewEncoder(&escaped)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes, into a buffer that takes everything
	return append(b, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
}

// plain reports a text that stands in JSON as it is. U+2028 and U+2029, which encoding/json escapes, begin with 0xE2.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c == '"', c == '\\', c == 0xE2:
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(s)
}
