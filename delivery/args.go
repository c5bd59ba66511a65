package delivery

import (
	"encoding/json"

	"vidan/identity"
)

// Bounds of arguments and bodies.
const (
	maxArgs   = 4 << 10
	maxString = 200
	maxDigits = 10 // of an integer, as a revision may have; a personal number has 12
)

// plainArgs reports whether raw is one flat JSON object that can hold no personal value (D4): members are strings without
// spaces of at most 200 visible ASCII characters that are no personal number, integers of at most ten digits, booleans or
// null; in the body of an event (lists), also lists of these. Names, addresses, dates of birth in words and numbers of
// people do not pass; ids, references, codes and times do. It reads the bytes as encoding/json writes them, without
// escapes, because every task passes here.
func plainArgs(raw json.RawMessage, lists bool) bool {
	if raw == nil {
		return true
	}
	if len(raw) > maxArgs {
		return false
	}
	s := scanner{rest: raw, lists: lists}
	return s.object() && s.end()
}

// scanner takes what it understands from the front of rest; a method that returns false has seen something else.
type scanner struct {
	rest  []byte
	lists bool
}

func (s *scanner) object() bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for s.text() && s.take(':') && s.member() {
		if !s.take(',') {
			return s.take('}')
		}
	}
	return false
}

func (s *scanner) member() bool {
	if !s.lists || !s.take('[') {
		return s.scalar()
	}
	if s.take(']') {
		return true
	}
	for s.scalar() {
		if !s.take(',') {
			return s.take(']')
		}
	}
	return false
}

func (s *scanner) scalar() bool {
	s.space()
	if len(s.rest) == 0 {
		return false
	}
	switch c := s.rest[0]; {
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return s.integer()
	}
	return s.word("true") || s.word("false") || s.word("null")
}

func (s *scanner) text() bool {
	if !s.take('"') {
		return false
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return plainString(string(text))
		case c == '\\':
			return false
		}
	}
	return false
}

func (s *scanner) integer() bool {
	if s.rest[0] == '-' {
		s.rest = s.rest[1:]
	}
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > maxDigits || n > 1 && s.rest[0] == '0' {
		return false
	}
	s.rest = s.rest[n:]
	return true // a fraction or an exponent is left for the caller to stumble over
}

func (s *scanner) word(w string) bool {
	if len(s.rest) < len(w) || string(s.rest[:len(w)]) != w {
		return false
	}
	s.rest = s.rest[len(w):]
	return true
}

func (s *scanner) take(c byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

func (s *scanner) end() bool {
	s.space()
	return len(s.rest) == 0
}

// plainString is the rule for one string, of which an id, a code or a time always is one.
func plainString(s string) bool {
	if len(s) > maxString {
		return false
	}
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
