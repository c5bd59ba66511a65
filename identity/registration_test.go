package identity_test

import (
	"errors"
	"strings"
	"testing"

	"vidan/identity"
)

func TestParseRegistration(t *testing.T) {
	t.Parallel()
	r, err := identity.ParseRegistration("ubnd-gia-loc", " 01/2026 ", "12/2026")
	if err != nil {
		t.Fatal(err)
	}
	if o, b, n := r.Parts(); o != "ubnd-gia-loc" || b != "01/2026" || n != "12/2026" {
		t.Errorf("parts %q %q %q", o, b, n)
	}
	if o, b, n := (identity.Registration{}).Parts(); o+b+n != "" {
		t.Errorf("the zero entry has parts %q %q %q", o, b, n)
	}
	for _, bad := range [][3]string{
		{"", "01/2026", "12/2026"}, {"o", "", "12/2026"}, {"o", "01/2026", " "}, {"o", "01\n2026", "12"}, {"o", "\xff", "12"},
		{"o", "01/2026", strings.Repeat("1", 41)},
	} {
		if got, err := identity.ParseRegistration(bad[0], bad[1], bad[2]); !errors.Is(err, identity.ErrRegistration) || !got.IsZero() {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParsePrivate(t *testing.T) {
	t.Parallel()
	p, err := identity.ParsePrivate("  thôn Giả, xã Gia Lộc ", 100)
	if err != nil || p.Reveal() != "thôn Giả, xã Gia Lộc" {
		t.Errorf("%q, %v", p.Reveal(), err)
	}
	for _, bad := range []string{"", "  ", "hai\ndòng", strings.Repeat("ệ", 101), "\xff"} {
		if p, err := identity.ParsePrivate(bad, 100); !errors.Is(err, identity.ErrText) || !p.IsZero() {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// FuzzRegistration: no two different entries are taken for one, however their parts are cut.
func FuzzRegistration(f *testing.F) {
	f.Add("ubnd-gia-loc", "01/2026", "12/2026")
	f.Add("a\nb", "c", "d")
	f.Add("a", "", "d")
	f.Fuzz(func(t *testing.T, organisation, book, number string) {
		r, err := identity.ParseRegistration(organisation, book, number)
		if err != nil {
			if !errors.Is(err, identity.ErrRegistration) || !r.IsZero() {
				t.Fatal("a refusal gives nothing")
			}
			return
		}
		o, b, n := r.Parts()
		again, err := identity.ParseRegistration(o, b, n)
		if err != nil || again != r || o == "" || b == "" || n == "" {
			t.Fatalf("%q %q %q became %q %q %q", organisation, book, number, o, b, n)
		}
	})
}
