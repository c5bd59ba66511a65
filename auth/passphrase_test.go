package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"vidan/identity"
)

func TestPassphraseMatches(t *testing.T) {
	t.Parallel()
	h := newHasher(2)
	chosen, err := NewPassphrase("bến nước, cây đa", identity.PersonalNumber{})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.hash(t.Context(), chosen)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("stored as %q", stored[:40])
	}
	for typed, want := range map[string]bool{
		"bến nước, cây đa":                               true,
		"bê\u0301n nu\u031bo\u031b\u0301c, ca\u0302y đa": true, // typed by a keyboard that composes letters
		"bến\u00a0nước, cây đa":                          true,
		"bến nước, cây đa ":                              false,
		"Bến nước, cây đa":                               false,
		"x":                                              false,
	} {
		p, ok := typedPassphrase(typed)
		if !ok {
			t.Fatalf("%q cannot be typed", typed)
		}
		if got, err := h.matches(t.Context(), stored, p); err != nil || got != want {
			t.Errorf("%q: %v %v", typed, got, err)
		}
	}
	if again, err := h.hash(t.Context(), chosen); err != nil || again == stored {
		t.Error("two hashes under one salt")
	}
	if got, err := h.matches(t.Context(), h.dummy, chosen); err != nil || got {
		t.Errorf("the dummy is somebody's passphrase: %v %v", got, err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", chosen, chosen, chosen, chosen); strings.Contains(shown, "nước") {
		t.Errorf("a passphrase prints as %s", shown)
	}
}

func TestNewPassphraseRefuses(t *testing.T) {
	t.Parallel()
	number, err := identity.ParsePersonalNumber(duNumber)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		"", "ngắn quá", "1111111111", "abababababab", "0123456789", "9876543210", " bến nước, cây đa", "bến nước,\ncây đa",
		"của tôi 099 193 000 003", strings.Repeat("bến nước ", 20), "bến nước\xff cây đa",
	} {
		if _, err := NewPassphrase(s, number); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// At most as many are computed at once as there are seats; whoever waits too long is told so, and nobody is left behind.
func TestHasherIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(1)
		p, _ := typedPassphrase("bến nước, cây đa")
		if err := h.sit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.hash(t.Context(), p); !errors.Is(err, ErrBusy) {
			t.Errorf("a second seat: %v", err)
		}
		if _, err := h.matches(t.Context(), h.dummy, p); !errors.Is(err, ErrBusy) {
			t.Errorf("a second seat: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.matches(gone, h.dummy, p); !errors.Is(err, context.Canceled) {
			t.Errorf("somebody who left: %v", err)
		}
		h.rise()
		if _, err := h.matches(t.Context(), h.dummy, p); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func FuzzPHC(f *testing.F) {
	f.Add(newHasher(1).dummy)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2i$v=19$m=19456,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		memory, passes, salt, sum, err := parsePHC(s)
		if err != nil {
			return
		}
		if memory > mostMemory || passes == 0 || passes > mostPasses || len(salt) != saltLength || len(sum) != hashLength {
			t.Errorf("%q reads as m=%d t=%d", s, memory, passes)
		}
		if memory == hashMemory && passes == hashPasses && phc(salt, sum) != s {
			t.Errorf("%q has two forms", s)
		}
	})
}
