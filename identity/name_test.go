package identity_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vidan/identity"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"TRẦN MINH AN":                   "TRẦN MINH AN",
		"  ĐỖ THỊ HÒA ":                  "ĐỖ THỊ HÒA",
		norm.NFD.String("ĐỖ THỊ HÒA"):    "ĐỖ THỊ HÒA",
		"Ai":                             "Ai",
		strings.Repeat("Ệ", 100):         strings.Repeat("Ệ", 100),
		"H'Hen Niê":                      "H'Hen Niê",
		"PHAN VĂN TRÙNG (tự: Văn Trùng)": "PHAN VĂN TRÙNG (tự: Văn Trùng)",
	} {
		if got := name(t, in).Reveal(); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
	for _, in := range []string{"", " ", "A", strings.Repeat("Ệ", 101), "TRẦN\x00AN", "TRẦN\nAN", "TRẦN \xff", "\u202eNA HNIM"} {
		if n, err := identity.ParseName(in); !errors.Is(err, identity.ErrName) || !n.IsZero() {
			t.Errorf("%q was accepted", in)
		}
	}
}

// TestSameName: HÒA on the card and HOÀ in the certificate are one name; D and Đ are not.
func TestSameName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"ĐỖ THỊ HÒA", "ĐỖ THỊ HOÀ", true},
		{"ĐỖ THỊ HÒA", "Đỗ Thị Hoà", true},
		{"ĐỖ THỊ HÒA", "ĐỖ  THỊ HÒA", true},
		{"ĐỖ THỊ HÒA", "DỖ THỊ HÒA", false},
		{"ĐỖ THỊ HÒA", "ĐỖ THỊ HỎA", false},
		{"PHAN VĂN TRÙNG", "PHAN VĂN TRỪNG", false},
	} {
		if got := name(t, c.a).Same(name(t, c.b)); got != c.want {
			t.Errorf("%q and %q: got %v", c.a, c.b, got)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"TRẦN MINH AN", norm.NFD.String("ĐỖ THỊ HÒA"), "HOÀ", "A", "\u202eNA", "TRẦN\x00", "\xff\xfe", strings.Repeat("ế", 101)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := identity.ParseName(s)
		if err != nil {
			if !errors.Is(err, identity.ErrName) || err.Error() != identity.ErrName.Error() || !n.IsZero() {
				t.Fatal("a refusal says nothing but that it is one")
			}
			return
		}
		kept := n.Reveal()
		if !utf8.ValidString(kept) || !norm.NFC.IsNormalString(kept) || strings.TrimSpace(kept) != kept {
			t.Fatalf("%q is kept as %q", s, kept)
		}
		again, err := identity.ParseName(kept)
		if err != nil || again != n || !again.Same(n) {
			t.Fatalf("%q is not stable", kept)
		}
	})
}
