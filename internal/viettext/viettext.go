// Package viettext makes two spellings of one Vietnamese text comparable, and refuses text that is not plain text.
//
// One name reaches the wallet in several spellings that look alike: composed and decomposed Unicode, HÒA and HOÀ
// (the tone mark typed on either vowel), Đ and the Icelandic Ð that old fonts drew the same. People are never found
// by such a comparison; it only tells whether two papers agree.
//
//	V1  [Clean] changes nothing a reader can see: it composes (NFC) and trims
//	V2  text with control or invisible characters, or that is not UTF-8, is refused, never repaired
//	V3  [Same] is an equivalence: it compares [Fold], which is idempotent
//	V4  a folded text is a key, never shown: it may put a mark where nobody writes one
//
// It does not judge whether a text is a Vietnamese word, and it does not equate different spellings (Mỹ and Mĩ,
// D and Đ): those are different texts in the register.
package viettext

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var (
	// ErrUTF8 reports bytes that are not UTF-8.
	ErrUTF8 = errors.New("viettext: not UTF-8")
	// ErrControl reports a control character, or an invisible one that changes how the text around it is shown.
	ErrControl = errors.New("viettext: control character")
	// ErrNotNFC reports text that is not in composed form (Unicode NFC, UAX #15).
	ErrNotNFC = errors.New("viettext: not NFC")
)

// Clean composes and trims a text. It returns [ErrUTF8] or [ErrControl] for text that cannot be kept as it is.
func Clean(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch err := Check(s); {
	case err == nil:
		return s, nil
	case !errors.Is(err, ErrNotNFC):
		return "", err
	}
	return norm.NFC.String(s), nil
}

// Check reports what keeps a text from being stored exactly as it is: [ErrUTF8], [ErrControl] or [ErrNotNFC], in this
// order. It allocates nothing.
func Check(s string) error {
	composed := true
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return firstFault(s, ErrControl)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return ErrUTF8
		}
		if hidden(r) {
			return firstFault(s, ErrControl)
		}
		composed = composed && alwaysComposed(r)
		i += size
	}
	if !composed && !norm.NFC.IsNormalString(s) {
		return ErrNotNFC
	}
	return nil
}

// firstFault keeps the order of [Check]: bytes that are not UTF-8 are named before anything else about the text.
func firstFault(s string, err error) error {
	if !utf8.ValidString(s) {
		return ErrUTF8
	}
	return err
}

// hidden reports characters that are not text: the control characters (Cc), the line and paragraph separators, and of
// the format characters (Cf) all but the two joiners that some scripts need inside a word. Bidirectional overrides can
// make a paper show another name.
func hidden(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	if r < 0x300 {
		return unicode.IsControl(r) || r == '\u00ad'
	}
	if r == '\u2028' || r == '\u2029' {
		return true
	}
	return r != zeroWidthNonJoiner && r != zeroWidthJoiner && unicode.Is(unicode.Cf, r)
}

// alwaysComposed reports characters that are in composed form whatever stands beside them. The two blocks hold every
// precomposed letter of Vietnamese, so that ordinary names need no look into the normalisation tables.
func alwaysComposed(r rune) bool { return r < 0x300 || 0x1e00 <= r && r <= 0x1eff }

// Same reports whether two texts are one text once composition, case, spaces and the place of the tone mark are set
// aside. Bytes that are not UTF-8 count as one unknown character: [Clean] refuses them beforehand.
func Same(a, b string) bool { return a == b || Fold(a) == Fold(b) }
