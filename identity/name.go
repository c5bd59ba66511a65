package identity

import (
	"errors"
	"log/slog"
	"unicode/utf8"

	"vidan/internal/viettext"
)

// ErrName reports an empty, overlong or unprintable name.
var ErrName = errors.New("identity: not a name")

// Name is a full name in Vietnamese order (họ, chữ đệm và tên), Unicode NFC, as registered.
type Name struct{ s string }

// ParseName composes and trims a name of 2 to 100 characters.
func ParseName(s string) (Name, error) {
	clean, err := viettext.Clean(s)
	if n := utf8.RuneCountInString(clean); err != nil || n < 2 || n > 100 {
		return Name{}, ErrName
	}
	return Name{s: clean}, nil
}

// Reveal returns the name as registered.
func (n Name) Reveal() string { return n.s }

// IsZero reports whether no name is known.
func (n Name) IsZero() bool { return n.s == "" }

// Same reports whether two names are written alike once composition, case, spaces and the place of the tone mark
// (HÒA, HOÀ) are set aside. It never identifies a person: two people may bear one name.
func (n Name) Same(other Name) bool { return viettext.Same(n.s, other.s) }

// String masks the name (I1).
func (n Name) String() string { return mask }

// GoString masks the name in %#v.
func (n Name) GoString() string { return mask }

// LogValue masks the name in slog.
func (n Name) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText masks the name in JSON.
func (n Name) MarshalText() ([]byte, error) { return []byte(mask), nil }
