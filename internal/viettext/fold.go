package viettext

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The five tone marks, in the canonical order of their combining classes: the dot below comes before the others.
var tones = [...]rune{
	'\u0323', // nặng
	'\u0300', // huyền
	'\u0301', // sắc
	'\u0303', // ngã
	'\u0309', // hỏi
}

// graphemeJoiner is put in by normalisation after thirty marks in a row; it carries no text.
const graphemeJoiner = '\u034f'

// Fold returns the comparison key of a text: composed, in lower case, spaces collapsed, and the tone of each syllable
// moved behind its last letter, so that HÒA and HOÀ, thủy and thuỷ, "ế" typed in any order of its marks are one key.
// Look-alikes that keyboards and old fonts produce fall together as well: Ð and Ɖ for Đ, curly for straight
// apostrophes, long for short dashes. Invisible characters are dropped.
func Fold(s string) string {
	f := folder{out: make([]rune, 0, len(s)+8)}
	for _, r := range norm.NFD.String(s) {
		f.add(r)
	}
	f.endSyllable()
	key := norm.NFC.String(string(f.out))
	return strings.ReplaceAll(key, string(graphemeJoiner), "")
}

// folder writes decomposed text and holds the tones of the syllable at hand back until it ends.
type folder struct {
	out   []rune
	tones uint8 // bit i stands for tones[i]: a syllable has one tone, and one typed twice counts once
	space bool  // a space is due before the next character
}

func (f *folder) add(r rune) {
	switch {
	case unicode.IsSpace(r):
		f.endSyllable()
		f.space = len(f.out) > 0
		return
	case r == graphemeJoiner || unicode.Is(unicode.Cf, r):
		return
	}
	if f.space {
		f.out = append(f.out, ' ')
		f.space = false
	}
	for i, tone := range tones {
		if r == tone {
			f.tones |= 1 << i
			return
		}
	}
	r = plain(r)
	if !unicode.IsLetter(r) && !unicode.IsMark(r) {
		f.endSyllable()
	}
	f.out = append(f.out, r)
}

func (f *folder) endSyllable() {
	for i, tone := range tones {
		if f.tones&(1<<i) != 0 {
			f.out = append(f.out, tone)
		}
	}
	f.tones = 0
}

// plain maps a decomposed character to the one that stands for it and its look-alikes in a key.
func plain(r rune) rune {
	switch r {
	case 'Đ', 'đ', 'Ð', 'ð', 'Ɖ', 'ɖ':
		return 'đ'
	case '\u2018', '\u2019', '\u02bc', '\u00b4', '`':
		return '\''
	case '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212':
		return '-'
	}
	if r < 0x80 {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	if unicode.IsLetter(r) {
		return unicode.ToLower(unicode.ToUpper(r))
	}
	return r
}
