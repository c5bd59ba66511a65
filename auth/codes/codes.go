// Package codes is the arithmetic of codes that a person types: it promises that a code is right only in its own half minute, or only as the
// one entry of a card that was asked for, and that comparing tells nothing by the time it takes.
//
// Two things show codes. A code display (an app or a token) computes them from a shared secret and the time (RFC 6238); a printed card holds
// forty that were drawn. Both are pure here: what was used is the caller's, who moves a counter in the database with each use.
//
//	K1  a time step that was used, or an older one, is never matched again (RFC 6238 §5.2)
//	K2  a code display is allowed one step of drift to either side, no more
//	K3  secrets and codes print masked; a secret leaves once, as the address that a display reads
//	K4  codes of a card are drawn, not derived: nothing that is kept makes them again
//
// Not here: who may try how often (package auth), where anything is stored.
package codes

import (
	"errors"
	"strings"

	"vidan/identity"
)

// Digits is how long a code is.
const Digits = 6

// ErrCode reports what cannot be a code: not six digits.
var ErrCode = errors.New("codes: not a code")

// Code is six digits. It prints masked.
type Code struct{ identity.Private }

var spaces = strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\u202f", "")

// Parse reads a code as people type it, with spaces or hyphens between its groups. Errors: [ErrCode].
func Parse(typed string) (Code, error) {
	if len(typed) > 32 {
		return Code{}, ErrCode
	}
	digits := spaces.Replace(strings.TrimSpace(typed))
	if len(digits) != Digits || strings.Trim(digits, "0123456789") != "" {
		return Code{}, ErrCode
	}
	return Code{identity.NewPrivate(digits)}, nil
}
