package keyringtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"vidan/internal/keyring"
)

// Store is where one KEK lives; the suite opens it, adds epochs and opens it again. Every Store given to the suite
// holds different keys.
type Store struct {
	Open     func(t *testing.T) keyring.KEK
	AddEpoch func(t *testing.T) int32
}

// Conformance proves that KEKs of the kind that newStore makes keep the promises of package keyring.
func Conformance(t *testing.T, newStore func(t *testing.T) Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(*testing.T) Store){
		"round trip":               roundTrip,
		"KR1 associated data":      boundData,
		"KR1 every byte counts":    everyByte,
		"KR2 unknown epoch":        unknownEpoch,
		"KR2 epochs are apart":     epochsApart,
		"KR2 another key":          anotherKey,
		"KR2 context that ended":   endedContext,
		"KR3 prints masked":        printsMasked,
		"check":                    checks,
		"arguments are left alone": argumentsLeftAlone,
		"parallel":                 parallel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStore)
		})
	}
}

var (
	plain = []byte("keyset of eighty or ninety bytes, as package seal writes it, and so on and so on until here")
	place = []byte("deployment, vault-key, vault, purpose, keyset, epoch")
)

func roundTrip(t *testing.T, newStore func(*testing.T) Store) {
	store := newStore(t)
	kek := store.Open(t)
	if kek.Epoch() != 1 || !slices.Equal(kek.Epochs(), []int32{1}) {
		t.Fatalf("a new KEK has epoch %d of %v, want 1 of [1]", kek.Epoch(), kek.Epochs())
	}
	for _, p := range [][]byte{plain, {}, bytes.Repeat([]byte{7}, 4096)} {
		wrapped := wrap(t, kek, 1, p, place)
		if len(p) > 0 && bytes.Contains(wrapped, p) {
			t.Error("the wrapped bytes show what was wrapped")
		}
		again := wrap(t, kek, 1, p, place)
		if bytes.Equal(wrapped, again) {
			t.Error("two wrappings of the same bytes are equal")
		}
		for _, w := range [][]byte{wrapped, again} {
			if got := unwrap(t, store.Open(t), 1, w, place); !bytes.Equal(got, p) {
				t.Errorf("opened again, got %d bytes, want %d", len(got), len(p))
			}
		}
	}
}

func boundData(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	wrapped := wrap(t, kek, 1, plain, place)
	for _, ad := range [][]byte{nil, {}, place[1:], append(slices.Clone(place), 0)} {
		refused(t, kek, 1, wrapped, ad)
	}
}

func everyByte(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	wrapped := wrap(t, kek, 1, plain, place)
	for i := range wrapped {
		spoiled := slices.Clone(wrapped)
		spoiled[i] ^= 0x40
		refused(t, kek, 1, spoiled, place)
		refused(t, kek, 1, wrapped[:i], place)
	}
	refused(t, kek, 1, append(slices.Clone(wrapped), 0), place)
	refused(t, kek, 1, nil, place)
}

func unknownEpoch(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	wrapped := wrap(t, kek, 1, plain, place)
	for _, epoch := range []int32{-1, 0, 2, 1 << 30} {
		if _, err := kek.Wrap(t.Context(), epoch, plain, place); !errors.Is(err, keyring.ErrEpoch) {
			t.Errorf("wrap under epoch %d: %v, want ErrEpoch", epoch, err)
		}
		if _, err := kek.Unwrap(t.Context(), epoch, wrapped, place); !errors.Is(err, keyring.ErrEpoch) {
			t.Errorf("unwrap under epoch %d: %v, want ErrEpoch", epoch, err)
		}
	}
}

func epochsApart(t *testing.T, newStore func(*testing.T) Store) {
	store := newStore(t)
	before := store.Open(t)
	first := wrap(t, before, 1, plain, place)
	if got := store.AddEpoch(t); got != 2 {
		t.Fatalf("AddEpoch gave %d, want 2", got)
	}
	after := store.Open(t)
	if after.Epoch() != 2 || !slices.Equal(after.Epochs(), []int32{1, 2}) {
		t.Fatalf("after AddEpoch: epoch %d of %v, want 2 of [1 2]", after.Epoch(), after.Epochs())
	}
	if got := unwrap(t, after, 1, first, place); !bytes.Equal(got, plain) {
		t.Error("epoch 1 no longer opens what it wrapped")
	}
	second := wrap(t, after, 2, plain, place)
	refused(t, after, 2, first, place)
	refused(t, after, 1, second, place)
	if _, err := before.Unwrap(t.Context(), 2, second, place); err != nil && !errors.Is(err, keyring.ErrEpoch) {
		t.Errorf("a KEK opened before: %v, want the value or ErrEpoch", err)
	}
	if got := store.AddEpoch(t); got != 3 {
		t.Errorf("the next AddEpoch gave %d, want 3", got)
	}
}

func anotherKey(t *testing.T, newStore func(*testing.T) Store) {
	wrapped := wrap(t, newStore(t).Open(t), 1, plain, place)
	refused(t, newStore(t).Open(t), 1, wrapped, place)
}

func endedContext(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	wrapped := wrap(t, kek, 1, plain, place)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kek.Wrap(ended, 1, plain, place); !errors.Is(err, context.Canceled) {
		t.Errorf("wrap: %v, want context.Canceled", err)
	}
	if _, err := kek.Unwrap(ended, 1, wrapped, place); !errors.Is(err, context.Canceled) {
		t.Errorf("unwrap: %v, want context.Canceled", err)
	}
}

func printsMasked(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	var want string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		got := fmt.Sprintf(verb, kek)
		if want == "" {
			want = got
		}
		if got != want || !strings.Contains(got, "masked") {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if b, err := json.Marshal(kek); err != nil || string(b) != `"`+want+`"` {
		t.Errorf("JSON: %s, %v", b, err)
	}
}

func checks(t *testing.T, newStore func(*testing.T) Store) {
	store, ours, theirs := newStore(t), [16]byte{1}, [16]byte{2}
	kek := store.Open(t)
	check, err := keyring.NewCheck(t.Context(), kek, ours)
	if err != nil {
		t.Fatal(err)
	}
	store.AddEpoch(t)
	for _, k := range []keyring.KEK{kek, store.Open(t)} {
		if err := keyring.Check(t.Context(), k, ours, check); err != nil {
			t.Errorf("the right key: %v", err)
		}
	}
	wrong := func(what string, k keyring.KEK, deployment [16]byte, check []byte) {
		t.Helper()
		if err := keyring.Check(t.Context(), k, deployment, check); !errors.Is(err, keyring.ErrCheck) {
			t.Errorf("%s: %v, want ErrCheck", what, err)
		}
	}
	wrong("another key", newStore(t).Open(t), ours, check)
	wrong("another deployment", kek, theirs, check)
	wrong("no check", kek, ours, nil)
	for i := range check {
		spoiled := slices.Clone(check)
		spoiled[i] ^= 0x40
		wrong(fmt.Sprintf("byte %d flipped", i), kek, ours, spoiled)
	}
	down := Fault(kek)
	down.Down()
	if err := keyring.Check(t.Context(), down, ours, check); !errors.Is(err, keyring.ErrUnavailable) || errors.Is(err, keyring.ErrCheck) {
		t.Errorf("a KEK that is down: %v, want ErrUnavailable alone", err)
	}
}

func argumentsLeftAlone(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	p, ad := slices.Clone(plain), slices.Clone(place)
	wrapped := wrap(t, kek, 1, p, ad)
	kept := slices.Clone(wrapped)
	opened := unwrap(t, kek, 1, wrapped, ad)
	clear(opened)
	if !bytes.Equal(p, plain) || !bytes.Equal(ad, place) || !bytes.Equal(wrapped, kept) {
		t.Error("an argument was changed, or the answer shares its memory")
	}
}

func parallel(t *testing.T, newStore func(*testing.T) Store) {
	kek := newStore(t).Open(t)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 20 {
				wrapped, err := kek.Wrap(t.Context(), 1, plain, place)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := kek.Unwrap(t.Context(), 1, wrapped, place); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			}
		})
	}
	group.Wait()
}

func wrap(t *testing.T, kek keyring.KEK, epoch int32, p, ad []byte) []byte {
	t.Helper()
	wrapped, err := kek.Wrap(t.Context(), epoch, p, ad)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func unwrap(t *testing.T, kek keyring.KEK, epoch int32, wrapped, ad []byte) []byte {
	t.Helper()
	p, err := kek.Unwrap(t.Context(), epoch, wrapped, ad)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func refused(t *testing.T, kek keyring.KEK, epoch int32, wrapped, ad []byte) {
	t.Helper()
	if p, err := kek.Unwrap(t.Context(), epoch, wrapped, ad); !errors.Is(err, keyring.ErrRefused) || p != nil {
		t.Errorf("got %d bytes and %v, want ErrRefused", len(p), err)
	}
}
