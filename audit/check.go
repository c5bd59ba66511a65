package audit

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"vidan/identity"
)

// Limits of one row; far above what any form or answer needs.
const (
	maxCode   = 128
	maxText   = 200
	maxSet    = 1000
	maxFields = 500
)

// check refuses what may not stand in a row (A2). The error names the member, never what was in it.
func (e Entry) check() error {
	if e.Vault.IsZero() {
		return fmt.Errorf("%w: no vault", ErrEntry)
	}
	if !e.Kind.Valid() {
		return fmt.Errorf("%w: unknown kind", ErrEntry)
	}
	switch e.Outcome {
	case "", Done, Refused, NotFound, Failed:
	default:
		return fmt.Errorf("%w: unknown outcome", ErrEntry)
	}
	if e.Actor.Officer.Assurance > SignedIn {
		return fmt.Errorf("%w: unknown assurance", ErrEntry)
	}
	if e.Revision < 0 || len(e.Documents) > maxSet || len(e.Fields) > maxFields {
		return fmt.Errorf("%w: out of bounds", ErrEntry)
	}
	for _, c := range [...]struct{ member, s string }{
		{"organisation", e.Organisation}, {"client", e.Actor.Client}, {"officer id", e.Actor.Officer.ID},
		{"officer organisation", e.Actor.Officer.Organisation}, {"officer unit", e.Actor.Officer.Unit},
		{"procedure", e.Procedure}, {"purpose", e.Purpose}, {"reason", e.Reason}, {"request trace", e.RequestTrace},
	} {
		if !isCode(c.s) {
			return fmt.Errorf("%w: %s is not a code", ErrEntry, c.member)
		}
	}
	for _, t := range [...]struct{ member, s string }{
		{"basis", e.Basis}, {"dossier", e.Dossier}, {"officer post", e.Actor.Officer.Post},
	} {
		if !isText(t.s) {
			return fmt.Errorf("%w: %s is not plain text", ErrEntry, t.member)
		}
	}
	for _, f := range e.Fields {
		if !isFieldName(f) {
			return fmt.Errorf("%w: a field is not a name", ErrEntry)
		}
	}
	return nil
}

// isFieldName accepts the names of form fields and nothing that a citizen would write into one: lower-case ASCII
// letters, digits, "_", "." and "-", a letter first.
func isFieldName(s string) bool {
	if s == "" || len(s) > 80 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// isCode accepts an empty string and visible ASCII without spaces that is not a personal number.
func isCode(s string) bool {
	if len(s) > maxCode {
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

func isText(s string) bool {
	if len(s) > 4*maxText || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxText {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
