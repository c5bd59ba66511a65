package consent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// errStrict reports a text that is not one JSON value of the expected members, each once.
var errStrict = errors.New("consent: not the JSON that is expected")

// maxSigned bounds what a device may sign: a decision on every field of the largest form is a tenth of it.
const maxSigned = 64 << 10

// strictJSON decodes one JSON object: unknown and repeated members, null for a member and anything behind it are refused, so that
// two programs cannot read one signed text in two ways (RFC 8259 §4).
func strictJSON(text []byte, into any) error {
	if len(text) > maxSigned || !uniqueMembers(json.NewDecoder(bytes.NewReader(text))) {
		return errStrict
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(into) != nil {
		return errStrict
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errStrict
	}
	return nil
}

// uniqueMembers reads one value and reports whether no object in it repeats a member or holds null.
func uniqueMembers(d *json.Decoder) bool {
	const maxDepth = 8
	var members []map[string]bool // per open container; nil for an array
	wantName := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		top := len(members) - 1
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				if len(members) == maxDepth {
					return false
				}
				var names map[string]bool
				if v == '{' {
					names = make(map[string]bool)
				}
				members = append(members, names)
			default:
				members = members[:top]
			}
		case string:
			if wantName {
				// encoding/json folds case when it matches names; a name that needs folding is another name.
				if members[top][v] || !plainName(v) {
					return false
				}
				members[top][v] = true
				wantName = false
				continue
			}
		case nil:
			return false
		}
		if len(members) == 0 {
			return true
		}
		wantName = members[len(members)-1] != nil
	}
}

func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}

// DecodeStrict reads one JSON value as signed texts are read here, for an edge whose input must mean one thing as well: lower-case names, each
// once, none that into does not have, and no null.
func DecodeStrict(text []byte, into any) error { return strictJSON(text, into) }
