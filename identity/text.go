package identity

import (
	"errors"
	"unicode/utf8"

	"vidan/internal/viettext"
)

// ErrText reports a text that is empty, too long or not plain text.
var ErrText = errors.New("identity: not a text")

// Private is any other text that identifies or reaches a person: a telephone number, an address, a one-time code.
type Private struct{ masked }

// NewPrivate masks a text that was made or checked by the caller.
func NewPrivate(s string) Private { return Private{hide(s)} }

// ParsePrivate composes and trims one line of text of 1 to most characters, such as a postal address.
func ParsePrivate(s string, most int) (Private, error) {
	clean, err := viettext.Clean(s)
	if n := utf8.RuneCountInString(clean); err != nil || n < 1 || n > most {
		return Private{}, ErrText
	}
	return Private{hide(clean)}, nil
}
