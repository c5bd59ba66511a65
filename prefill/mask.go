package prefill

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is embedded in everything that holds a value: fmt, slog and JSON get a fixed text whatever the verb (L7, S5). The edge copies what it
// may show into wire types of its own.
type masked struct{}

const maskText = "prefill(masked)"

// String implements [fmt.Stringer] without telling anything.
func (masked) String() string { return maskText }

// Format implements [fmt.Formatter]: every verb prints the mask.
func (masked) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, maskText) }

// LogValue implements [slog.LogValuer] without telling anything.
func (masked) LogValue() slog.Value { return slog.StringValue(maskText) }

// MarshalJSON implements [json.Marshaler] without telling anything.
func (masked) MarshalJSON() ([]byte, error) { return []byte(`"` + maskText + `"`), nil }

// String masks which paper somebody has.
func (Source) String() string { return maskText }

// Format masks which paper somebody has, for every verb.
func (Source) Format(s fmt.State, verb rune) { masked{}.Format(s, verb) }

// LogValue masks which paper somebody has.
func (Source) LogValue() slog.Value { return masked{}.LogValue() }

// MarshalJSON masks which paper somebody has.
func (Source) MarshalJSON() ([]byte, error) { return masked{}.MarshalJSON() }
