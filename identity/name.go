package identity

import (
	"errors"
	"unicode/utf8"

	"vidan/internal/viettext"
)

// ErrName reports an empty, overlong or unprintable name.
var ErrName = errors.New("identity: not a name")

// Name is a full name in Vietnamese order (họ, chữ đệm và tên), Unicode NFC, as registered.
type Name struct{ masked }

// ParseName composes and trims a name of 2 to 100 characters.
func ParseName(s string) (Name, error) {
	clean, err := viettext.Clean(s)
	if n := utf8.RuneCountInString(clean); err != nil || n < 2 || n > 100 {
		return Name{}, ErrName
	}
	return Name{hide(clean)}, nil
}

// Same reports whether two names are written alike once composition, case, spaces and the place of the tone mark
// (HÒA, HOÀ) are set aside. It never identifies a person: two people may bear one name.
func (n Name) Same(other Name) bool { return viettext.Same(n.Reveal(), other.Reveal()) }
