package codes_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vidan/auth/codes"
)

func secret(t testing.TB) codes.Secret {
	t.Helper()
	s, err := codes.ReadSecret([]byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func code(t testing.TB, s string) codes.Code {
	t.Helper()
	c, err := codes.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The vectors of RFC 6238, Appendix B, SHA-1; their last six digits, which is what a shorter display shows (RFC 4226 §5.3).
func TestVectorsOfRFC6238(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		moment := time.Unix(at, 0)
		if step, ok := secret(t).Match(code(t, want), moment, 0); !ok || step != codes.Step(moment) {
			t.Errorf("%d: %d %v", at, step, ok)
		}
	}
}

// K1, K2: a code is right in its own step and one to either side, once.
func TestK1_K2_Window(t *testing.T) {
	t.Parallel()
	at := time.Unix(1111111109, 0)
	right, step := code(t, "081 804"), codes.Step(at)
	for drift, want := range map[time.Duration]bool{0: true, codes.Period: true, -codes.Period: true, 2 * codes.Period: false, -2 * codes.Period: false} {
		if _, ok := secret(t).Match(right, at.Add(drift), 0); ok != want {
			t.Errorf("%s: %v", drift, ok)
		}
	}
	for used, want := range map[int64]bool{step - 1: true, step: false, step + 1: false} {
		if _, ok := secret(t).Match(right, at, used); ok != want {
			t.Errorf("after step %d: %v", used, ok)
		}
	}
	if _, ok := secret(t).Match(code(t, "081805"), at, 0); ok {
		t.Error("another code")
	}
	if _, ok := (codes.Secret{}).Match(right, at, 0); ok {
		t.Error("no secret")
	}
	if _, ok := secret(t).Match(codes.Code{}, at, 0); ok {
		t.Error("no code")
	}
	if _, ok := secret(t).Match(right, time.Unix(-100, 0), 0); ok {
		t.Error("before time")
	}
}

// What a display reads is RFC-shaped, and nothing else prints the secret (K3).
func TestK3_SecretsPrintMasked(t *testing.T) {
	t.Parallel()
	s := codes.NewSecret()
	u, err := url.Parse(s.URI("Ví dân", "điện thoại của tôi"))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Ví dân:điện thoại của tôi" || strings.Contains(u.RawQuery, "+") {
		t.Fatalf("%s %v", u, err)
	}
	q := u.Query()
	if q.Get("issuer") != "Ví dân" || q.Get("digits") != "6" || q.Get("period") != "30" || q.Get("algorithm") != "SHA1" || len(q.Get("secret")) != 32 {
		t.Errorf("%v", q)
	}
	again, err := codes.ReadSecret(s.Bytes())
	if err != nil || !again.Equal(s) || again.Equal(codes.NewSecret()) {
		t.Errorf("read again: %v", err)
	}
	if _, err := codes.ReadSecret([]byte("short")); !errors.Is(err, codes.ErrCode) {
		t.Errorf("%v", err)
	}
	for _, printed := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s), fmt.Sprintf("%s", code(t, "287082"))} {
		if strings.Contains(printed, q.Get("secret")) || strings.Contains(printed, "287082") || strings.Contains(printed, hex.EncodeToString(s.Bytes())) {
			t.Errorf("prints %q", printed)
		}
	}
}

// A card has forty different codes; the next number asked is one of the unused.
func TestCards(t *testing.T) {
	t.Parallel()
	card, err := codes.NewCard()
	if err != nil {
		t.Fatal(err)
	}
	other, err := codes.NewCard()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, c := range card {
		if _, err := codes.Parse(c.Reveal()); err != nil || seen[c.Reveal()] {
			t.Errorf("number %d: %v", i+1, err)
		}
		seen[c.Reveal()] = true
	}
	if card == other {
		t.Error("two cards alike")
	}
	rapid.Check(t, func(t *rapid.T) {
		unused := rapid.SliceOfNDistinct(rapid.IntRange(1, codes.CardSize), 0, codes.CardSize, rapid.ID[int]).Draw(t, "unused")
		n, err := codes.Next(unused)
		if err != nil || (n == 0) != (len(unused) == 0) {
			t.Fatalf("%d of %v: %v", n, unused, err)
		}
		for _, u := range unused {
			if u == n {
				return
			}
		}
		if n != 0 {
			t.Fatalf("%d is not one of %v", n, unused)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"123456", "123 456", " 123-456 ", "12345", "1234567", "", "１２３４５６", "12345a", "\u00a0123456", "-------"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		c, err := codes.Parse(typed)
		if err != nil {
			if !errors.Is(err, codes.ErrCode) || !c.IsZero() {
				t.Fatalf("%v", err)
			}
			return
		}
		if again, err := codes.Parse(c.Reveal()); err != nil || again != c || len(c.Reveal()) != codes.Digits {
			t.Fatal("a code does not read as itself")
		}
	})
}

// Whatever bytes a secret has, its own code matches at its time and never after it was used.
func FuzzTOTP(f *testing.F) {
	f.Add([]byte("12345678901234567890"), int64(1111111109), "081804")
	f.Add(make([]byte, 20), int64(0), "000000")
	f.Fuzz(func(t *testing.T, raw []byte, at int64, typed string) {
		s, err := codes.ReadSecret(raw)
		c, parseErr := codes.Parse(typed)
		if err != nil || parseErr != nil || at < 0 || at > 1<<40 {
			return
		}
		moment := time.Unix(at, 0)
		step, ok := s.Match(c, moment, -1)
		if !ok {
			return
		}
		if step < codes.Step(moment)-1 || step > codes.Step(moment)+1 {
			t.Fatalf("step %d at %d", step, codes.Step(moment))
		}
		if _, twice := s.Match(c, moment, codes.Step(moment)+1); twice {
			t.Fatal("matched after its step was used")
		}
	})
}
