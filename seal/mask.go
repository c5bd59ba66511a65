package seal

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is embedded in everything that holds a key or a value on its way to being authenticated: fmt, slog and JSON
// get a fixed text whatever the verb (C9). It is first in its struct, where it takes no room.
type masked struct{}

const maskText = "seal(masked)"

// String implements [fmt.Stringer] without telling anything.
func (masked) String() string { return maskText }

// GoString implements [fmt.GoStringer] without telling anything.
func (masked) GoString() string { return maskText }

// Format implements [fmt.Formatter]: every verb prints the mask.
func (masked) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, maskText) }

// LogValue implements [slog.LogValuer] without telling anything.
func (masked) LogValue() slog.Value { return slog.StringValue(maskText) }

// MarshalJSON implements [json.Marshaler] without telling anything.
func (masked) MarshalJSON() ([]byte, error) { return []byte(`"` + maskText + `"`), nil }
