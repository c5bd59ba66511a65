package wallet

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is embedded in everything that holds a paper, or says which kind of paper somebody has: fmt, slog and JSON get a
// fixed text whatever the verb (W9, S5). The edge copies what it may show into wire types of its own.
type masked struct{}

const maskText = "wallet(masked)"

// String implements [fmt.Stringer] without telling anything.
func (masked) String() string { return maskText }

// Format implements [fmt.Formatter]: every verb prints the mask.
func (masked) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, maskText) }

// LogValue implements [slog.LogValuer] without telling anything.
func (masked) LogValue() slog.Value { return slog.StringValue(maskText) }

// MarshalJSON implements [json.Marshaler] without telling anything.
func (masked) MarshalJSON() ([]byte, error) { return []byte(`"` + maskText + `"`), nil }
