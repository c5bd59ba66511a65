package viettext

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestSame(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{"ĐỖ THỊ HÒA", "ĐỖ THỊ HOÀ"},
		{"thủy", "thuỷ"},
		{"Hoà Bình", "hòa bình"},
		{"Xã Quý Quân", "xã qúy quân"},
		{"TRẦN VĂN THÍ", norm.NFD.String("TRẦN VĂN THÍ")},
		{"Huế", "Hue\u0301\u0302"}, // tone typed before the circumflex
		{"thị", "thi\u0323"},
		{"ộ", "o\u0323\u0302"},
		{"ộ", "o\u0302\u0323"},
		{"đ", "Đ"},
		{"ĐÀO", "Ðào"}, // Icelandic eth
		{"  Đắk   Lắk ", "đắk\u00a0lắk"},
		{"Xã Đắk R’Măng", "Xã Đắk R'Măng"},
		{"Bà Rịa – Vũng Tàu", "Bà Rịa - Vũng Tàu"},
		{"an\u200bh", "anh"},
	}
	for _, c := range same {
		if !Same(c[0], c[1]) {
			t.Errorf("Same(%q, %q) = false: %q, %q", c[0], c[1], Fold(c[0]), Fold(c[1]))
		}
	}
	different := [][2]string{
		{"Đào", "Dào"}, {"HÒA", "HOA"}, {"HÒA", "HÓA"}, {"Mỹ", "Mĩ"}, {"thu", "thư"}, {"tham", "thâm"}, {"tham", "thăm"},
		{"Hòa An", "Hoa Àn"}, {"Trần Thí", "Trần  Thi"}, {"", "a"}, {"Minh An", "Minhan"}, {"PHAN VĂN TRÙNG", "PHẠM VĂN TRÙNG"},
	}
	for _, c := range different {
		if Same(c[0], c[1]) {
			t.Errorf("Same(%q, %q) = true", c[0], c[1])
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, want string
		err      error
	}{
		{in: " TRẦN MINH AN ", want: "TRẦN MINH AN"},
		{in: norm.NFD.String("TRẦN MINH AN"), want: "TRẦN MINH AN"},
		{in: "Đ\tỗ", err: ErrControl},
		{in: "An\x00", err: ErrControl},
		{in: "An\u202eNA", err: ErrControl},
		{in: "An\u2028NA", err: ErrControl},
		{in: "An\ufeffNA", err: ErrControl},
		{in: "An\u0085", want: "An"},
		{in: "A\u0085n", err: ErrControl},
		{in: "\xff", err: ErrUTF8},
		{in: "a\x00\xff", err: ErrUTF8},
		{in: "", want: ""},
	} {
		got, err := Clean(c.in)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Clean(%q) = %q, %v, want %q, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	name := strings.Repeat("NGUYỄN THỊ DỤ, xã Đại Sơn, thành phố Hải Phòng ", 4)
	if n := testing.AllocsPerRun(100, func() {
		if err := Check(name); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The shortcut of Check must say the same as the normalisation tables.
func TestAlwaysComposed(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !alwaysComposed(r) {
			continue
		}
		p := norm.NFC.PropertiesString(string(r))
		if !norm.NFC.IsNormalString(string(r)) || p.CCC() != 0 || !p.BoundaryBefore() {
			t.Errorf("%U is not always composed", r)
		}
	}
	for _, r := range "ăâđêôơưĂÂĐÊÔƠƯáàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵỴ" {
		if !alwaysComposed(r) {
			t.Errorf("%c takes the long way", r)
		}
	}
}

// spelling draws a Vietnamese text and the same text as another keyboard would have written it.
func spelling(t *rapid.T) (string, string) {
	vowels := []string{"a", "â", "ă", "e", "ê", "o", "ô", "ơ", "u", "ư", "y", "oa", "uy", "ươ", "iê", "uâ", "oe"}
	initial := []string{"", "h", "th", "đ", "Đ", "d", "ng", "qu", "kr"}
	final := []string{"", "n", "ng", "nh", "t", "c", "i"}
	var a, b strings.Builder
	for i := range rapid.IntRange(1, 5).Draw(t, "syllables") {
		if i > 0 {
			a.WriteString(" ")
			b.WriteString(rapid.SampledFrom([]string{" ", "  ", "\u00a0", " \u00a0 "}).Draw(t, "space"))
		}
		start := rapid.SampledFrom(initial).Draw(t, "initial")
		nucleus := []rune(rapid.SampledFrom(vowels).Draw(t, "vowel"))
		end := rapid.SampledFrom(final).Draw(t, "final")
		tone := ""
		if k := rapid.IntRange(-1, len(tones)-1).Draw(t, "tone"); k >= 0 {
			tone = string(tones[k])
		}
		for _, w := range []*strings.Builder{&a, &b} {
			at := rapid.IntRange(0, len(nucleus)-1).Draw(t, "place")
			w.WriteString(start + string(nucleus[:at+1]) + tone + string(nucleus[at+1:]) + end)
		}
	}
	left, right := norm.NFC.String(a.String()), b.String()
	if rapid.Bool().Draw(t, "upper") {
		right = strings.ToUpper(right)
	}
	if rapid.Bool().Draw(t, "decomposed") {
		right = norm.NFD.String(right)
	}
	return left, right
}

func TestSameSpellings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := spelling(t)
		if !Same(a, b) {
			t.Fatalf("%q and %q: %q, %q", a, b, Fold(a), Fold(b))
		}
	})
}

// V3: Same is reflexive, symmetric and transitive because Fold is a function; what is left to prove is that Fold is
// idempotent and blind to composition, case and spaces, over any text at all.
func TestFoldProperties(t *testing.T) {
	t.Parallel()
	letters := rapid.StringOf(rapid.OneOf(
		rapid.Rune(),
		rapid.SampledFrom([]rune("aăâeêioôơuưyđĐðnghtHOÀ’'-– \u0300\u0301\u0303\u0309\u0323\u0302\u0306\u031b\u0340\u0341\u034f\u200d")),
	))
	rapid.Check(t, func(t *rapid.T) {
		s := letters.Draw(t, "s")
		checkFold(t, s)
	})
}

type failer interface{ Fatalf(string, ...any) }

func checkFold(t failer, s string) {
	key := Fold(s)
	if again := Fold(key); again != key {
		t.Fatalf("Fold(%q) = %q, folded again %q", s, key, again)
	}
	if !utf8.ValidString(key) {
		t.Fatalf("Fold(%q) = %q is not UTF-8", s, key)
	}
	if utf8.ValidString(s) {
		for _, other := range []string{norm.NFD.String(s), norm.NFC.String(s), " " + s + "\n", strings.ReplaceAll(s, " ", "  ")} {
			if !Same(s, other) {
				t.Fatalf("%q and %q differ: %q, %q", s, other, key, Fold(other))
			}
		}
	}
	if !Same(s, s) || Same(s, key) != Same(key, s) {
		t.Fatalf("Same is no equivalence at %q", s)
	}
}

func checkClean(t failer, s string) {
	clean, err := Clean(s)
	if err != nil {
		if clean != "" {
			t.Fatalf("Clean(%q) returned text with an error", s)
		}
		return
	}
	if again, err := Clean(clean); err != nil || again != clean {
		t.Fatalf("Clean(%q) = %q, again %q, %v", s, clean, again, err)
	}
	if Check(clean) != nil || !norm.NFC.IsNormalString(clean) {
		t.Fatalf("Clean(%q) = %q does not pass Check", s, clean)
	}
	if !Same(clean, s) {
		t.Fatalf("Clean(%q) = %q is another text", s, clean)
	}
}

func seed(f *testing.F) {
	for _, s := range []string{"ĐỖ THỊ HOÀ", "Hue\u0301\u0302", "\xff\u0300", "Đắk R’Măng", "a" + strings.Repeat("\u0323\u0302", 40), "\u202e", " \u0301a"} {
		f.Add(s)
	}
}

func FuzzFold(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) { checkFold(t, s) })
}

func FuzzClean(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) { checkClean(t, s) })
}

func BenchmarkFold(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Fold("ĐỖ THỊ HOÀ")
	}
}

func BenchmarkCheck(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = Check("Thôn Mẫu, xã Đại Sơn, thành phố Hải Phòng")
	}
}
