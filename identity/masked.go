package identity

import (
	"fmt"
	"io"
	"log/slog"
	"unique"
)

// mask is what a personal value prints as.
const mask = "[masked]"

// masked holds a text that must not be printed by accident (I1). Methods alone do not protect it: fmt walks into the
// unexported fields of a caller's struct without calling any. The text therefore lies behind a handle, of which
// such a walk shows an address. Two masked texts are == when they read the same; "" is the zero value.
type masked struct{ h unique.Handle[string] }

func hide(s string) masked {
	if s == "" {
		return masked{}
	}
	return masked{h: unique.Make(s)}
}

// Reveal returns the text: for sealing, digests, and the answers of people entitled to it. It is "" when not known.
func (m masked) Reveal() string {
	if m.IsZero() {
		return ""
	}
	return m.h.Value()
}

// IsZero reports whether the text is not known.
func (m masked) IsZero() bool { return m == masked{} }

// String returns the mask.
func (m masked) String() string { return mask }

// Format writes the mask whatever the verb: %d would otherwise print the fields.
func (m masked) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns the mask.
func (m masked) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns the mask: wire types that may show the value call Reveal.
func (m masked) MarshalText() ([]byte, error) { return []byte(mask), nil }
