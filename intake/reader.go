package intake

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"vidan/identity"
	"vidan/procedure"
)

// reader collects every fault of a payload instead of stopping at the first: an issuer corrects them in one round.
type reader struct{ faults []procedure.Fault }

func (r *reader) fault(pointer, code string) { r.faults = append(r.faults, fault(pointer, code)) }

// object is an object of the envelope, with the place where it stands.
type object struct {
	at      string
	members []member
}

// get returns the value of a member, nil when it is absent.
func (o object) get(name string) json.RawMessage {
	for _, m := range o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// object reads one object: no member twice, none that is not listed.
func (r *reader) object(at string, raw []byte, names ...string) (object, bool) {
	list, ok := cut(raw)
	if !ok {
		r.fault(at, "invalid_json")
		return object{}, false
	}
	unknown, twice := false, false
	seen := make([]bool, len(names))
	for _, m := range list {
		i := indexOf(names, m.name)
		switch {
		case i < 0:
			unknown = true
		case seen[i]:
			twice = true
		default:
			seen[i] = true
		}
	}
	if unknown {
		r.fault(at, "unknown_field") // its name is input and stays out of the answer
	}
	if twice {
		r.fault(at, "duplicate_key")
	}
	return object{at: at, members: list}, !twice
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// child reads a required object within another.
func (r *reader) child(o object, name string, names ...string) (object, bool) {
	raw := o.get(name)
	if raw == nil {
		r.fault(o.at+"/"+name, "required")
		return object{}, false
	}
	return r.object(o.at+"/"+name, raw, names...)
}

// text reads one line of 1 to limit characters, composed, without control characters and spaces at its ends.
func (r *reader) text(o object, name string, required bool, limit int) (string, bool) {
	at, raw := o.at+"/"+name, o.get(name)
	if raw == nil {
		if required {
			r.fault(at, "required")
		}
		return "", false
	}
	s, ok := unquote(raw)
	if !ok {
		r.fault(at, "type")
		return "", false
	}
	if !plain(s, limit) {
		r.fault(at, "format")
		return "", false
	}
	return s, true
}

// plain reports a text that is kept exactly as it is.
func plain(s string, limit int) bool {
	if isASCII(s) {
		return len(s) > 0 && len(s) <= limit && s[0] != ' ' && s[len(s)-1] != ' '
	}
	if utf8.RuneCountInString(s) > limit {
		return false
	}
	p, err := identity.ParsePrivate(s, limit)
	return err == nil && p.Reveal() == s
}

// isASCII reports printable ASCII, of which almost every member is made.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// code reads an opaque id as others assign it: visible ASCII without spaces, and never a personal number. Ids of officers, units and
// organisations stand in clear in refusals, events and tasks.
func (r *reader) code(o object, name string, required bool) string {
	s, ok := r.text(o, name, required, maxCode)
	if ok && !isCode(s) {
		r.fault(o.at+"/"+name, "format")
		return ""
	}
	return s
}

func isCode(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	if len(s) != 12 {
		return true
	}
	_, err := identity.ParsePersonalNumber(s)
	return err != nil
}

// enum reads one of a closed set.
func (r *reader) enum(o object, name string, required bool, allowed ...string) string {
	s, ok := r.text(o, name, required, maxCode)
	if ok && indexOf(allowed, s) < 0 {
		r.fault(o.at+"/"+name, "enum")
	}
	return s
}

// positive reads an integer from 1 to 2,147,483,647, written without fraction or exponent.
func (r *reader) positive(o object, name string) int {
	at, raw := o.at+"/"+name, o.get(name)
	if raw == nil {
		r.fault(at, "required")
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case !digits(raw) || raw[0] == '0' && len(raw) > 1:
		r.fault(at, "type")
	case err != nil || n < 1 || n > math.MaxInt32:
		r.fault(at, "range")
	default:
		return int(n)
	}
	return 0
}

// digits reports an integer of JSON, of any size.
func digits(raw []byte) bool {
	if len(raw) > 1 && raw[0] == '-' {
		raw = raw[1:]
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(raw) > 0
}

// moment reads a time of RFC 3339 that is not in the future.
func (r *reader) moment(o object, name string, now time.Time) time.Time {
	s, ok := r.text(o, name, true, maxCode)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	switch {
	case err != nil || !fixed(s):
		r.fault(o.at+"/"+name, "format")
	case at.Year() < firstYear:
		r.fault(o.at+"/"+name, "range")
	case at.After(now.Add(skew)):
		r.fault(o.at+"/"+name, "in_the_future")
	}
	return at
}

// fixed reports the digits and marks of RFC 3339 in their places: time.Parse is content with one digit for an hour and a comma for a point.
func fixed(s string) bool {
	return len(s) >= len("2006-01-02T15:04:05Z") && s[13] == ':' && s[16] == ':' && (len(s) == 20 || s[19] == '.' || s[19] == '+' || s[19] == '-')
}
