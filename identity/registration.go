package identity

import (
	"errors"
	"strings"
)

// ErrRegistration reports a register entry without one of its three parts, or with a part that is not plain text.
var ErrRegistration = errors.New("identity: not a register entry")

// maxRegister is the length of a book or number in the schema of the birth certificate; ids of organisations are shorter.
const maxRegister = 40

// Registration is one entry of a civil-status register (sổ hộ tịch): the organisation that keeps it, the book, the number in it.
// It names a newborn as well as the birth notice does, as long as both are written as the register has them: nothing is
// done to make "12/2026" and "012/2026" one entry.
type Registration struct{ masked }

// ParseRegistration reads the three parts; none may be empty.
func ParseRegistration(organisation, book, number string) (Registration, error) {
	parts := [3]string{organisation, book, number}
	for i, s := range parts {
		text, err := ParsePrivate(s, maxRegister)
		if err != nil {
			return Registration{}, ErrRegistration
		}
		parts[i] = text.Reveal()
	}
	// A line break cannot stand in a part, so three parts are read back as they were.
	return Registration{hide(strings.Join(parts[:], "\n"))}, nil
}

// Parts returns organisation, book and number, all empty when not known.
func (r Registration) Parts() (organisation, book, number string) {
	organisation, rest, _ := strings.Cut(r.Reveal(), "\n")
	book, number, _ = strings.Cut(rest, "\n")
	return organisation, book, number
}
