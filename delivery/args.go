package delivery

import (
	"bytes"
	"encoding/json"

	"vidan/identity"
)

// Bounds of arguments and bodies.
const (
	maxArgs   = 4 << 10
	maxString = 200
)

// plainArgs reports whether raw is one flat JSON object that can hold no personal value (D4): members are strings without spaces of at most 200
// visible ASCII characters that are no personal number, integers below 2³¹, booleans or null; in a body of an event (lists), also lists of such strings.
// Names, addresses, dates of birth in words and numbers of people do not pass; ids, references, codes and times do.
func plainArgs(raw json.RawMessage, lists bool) bool {
	if raw == nil {
		return true
	}
	if len(raw) > maxArgs {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if s, ok := name.(string); err != nil || !ok || !plainString(s) {
			return false
		}
		if !plainMember(d, lists) {
			return false
		}
	}
	if _, err := d.Token(); err != nil {
		return false
	}
	_, err := d.Token()
	return err != nil // nothing behind the object
}

func plainMember(d *json.Decoder, lists bool) bool {
	t, err := d.Token()
	if err != nil {
		return false
	}
	if t != json.Delim('[') {
		return plainScalar(t)
	}
	for lists && d.More() {
		if t, err = d.Token(); err != nil || !plainScalar(t) {
			return false
		}
	}
	t, err = d.Token()
	return lists && err == nil && t == json.Delim(']')
}

func plainScalar(t json.Token) bool {
	switch v := t.(type) {
	case nil, bool:
		return true
	case string:
		return plainString(v)
	case json.Number:
		n, err := v.Int64()
		return err == nil && n > -1<<31 && n < 1<<31
	}
	return false
}

func plainString(s string) bool {
	if len(s) > maxString {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	_, err := identity.ParsePersonalNumber(s)
	return err != nil
}
