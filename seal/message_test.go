package seal

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vidan/identity"
	"vidan/internal/keyring"
)

// openKeys is for the tests that must seal what the package itself would never seal.
func openKeys(tb testing.TB) (*Keys, Place) {
	tb.Helper()
	uri := "file:" + filepath.Join(tb.TempDir(), "kek.json")
	if err := keyring.Create(tb.Context(), uri); err != nil {
		tb.Fatal(err)
	}
	kek, err := keyring.Open(tb.Context(), uri)
	if err != nil {
		tb.Fatal(err)
	}
	d, _, err := NewDeployment(context.Background(), kek, [16]byte{1})
	if err != nil {
		tb.Fatal(err)
	}
	v := identity.NewVaultID()
	k, _, err := d.NewVault(context.Background(), v)
	if err != nil {
		tb.Fatal(err)
	}
	return k, Place{Table: "document_revisions", Column: "sealed", Vault: v, Object: [16]byte{2}, Revision: 1}
}

func TestMessagesOfEverySize(t *testing.T) {
	t.Parallel()
	k, at := openKeys(t)
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, MaxMessage)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for _, size := range []int{0, 1, 58, 59, 60, 127, 128, 129, 2048, 64 << 10, MaxMessage - 1, MaxMessage} {
		for name, message := range map[string][]byte{
			"text":  []byte(strings.Repeat("Giấy khai sinh của TRẦN MINH AN. ", size/20+1))[:size],
			"noise": noise[:size],
		} {
			sealed, err := k.SealMessage(Content, at, message)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.OpenMessage(Content, at, sealed); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s of %d: got %d bytes, %v", name, size, len(got), err)
			}
			if inner := len(sealed) - Overhead; inner%framePadding != 0 || inner > frameHeader+size+framePadding {
				t.Errorf("%s of %d takes %d bytes inside", name, size, inner)
			}
			if name == "text" && size >= 2048 && len(sealed) > size/4 {
				t.Errorf("text of %d seals into %d", size, len(sealed))
			}
		}
	}
	if _, err := k.SealMessage(Content, at, append(noise, 0)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte too many: %v, want ErrTooLarge", err)
	}
}

// A frame can only be wrong when a key was stolen or this package is; it is refused all the same.
func TestFramesThatLieAreRefused(t *testing.T) {
	t.Parallel()
	k, at := openKeys(t)
	frame := func(marker byte, length uint32, body ...[]byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{marker}, length), bytes.Join(body, nil)...)
	}
	hello, zeros := deflated(t, []byte("hello")), make([]byte, framePadding)
	bomb := deflated(t, make([]byte, 8<<20))
	for name, f := range map[string][]byte{
		"nothing":                  nil,
		"half a header":            {markerDeflated, 0, 0},
		"unknown marker":           frame(2, 5, hello),
		"stored, too short":        frame(markerStored, 6, []byte("hello")),
		"stored, something behind": frame(markerStored, 5, []byte("hello!")),
		"stored, much behind":      frame(markerStored, 5, []byte("hello"), zeros),
		"stored, huge":             frame(markerStored, 1<<31, []byte("hello")),
		"deflated, too short":      frame(markerDeflated, 6, hello),
		"deflated, too long":       frame(markerDeflated, 4, hello),
		"deflated, cut":            frame(markerDeflated, 5, hello[:len(hello)-1]),
		"deflated, not at all":     frame(markerDeflated, 5, []byte{0xff, 0xff, 0xff}),
		"deflated, no body":        frame(markerDeflated, 0),
		"deflated, twice":          frame(markerDeflated, 5, hello, hello),
		"deflated, much behind":    frame(markerDeflated, 5, hello, zeros),
		"bomb, honest":             frame(markerDeflated, 8<<20, bomb),
		"bomb, wrapped around":     frame(markerDeflated, 1<<32-1, bomb),
		"bomb, lying":              frame(markerDeflated, MaxMessage, bomb),
		"bomb, lying small":        frame(markerDeflated, 100, bomb),
	} {
		sealed, err := k.content.seal(k.d, at, formMessage, f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenMessage(Content, at, sealed); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: got %d bytes, %v, want ErrSealed", name, len(got), err)
		}
	}
	for name, f := range map[string][]byte{
		"stored, unpadded":   frame(markerStored, 5, []byte("hello")),
		"stored, padded":     frame(markerStored, 5, []byte("hello"), zeros[1:]),
		"deflated, unpadded": frame(markerDeflated, 5, hello),
		"deflated, padded":   frame(markerDeflated, 5, hello, zeros[1:]),
	} {
		if got, ok := unframe(&k.d.scratch, f); !ok || string(got) != "hello" {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}

func TestBombCostsLittleMemory(t *testing.T) { // not parallel: it reads the process's counters
	k, at := openKeys(t)
	bomb := deflated(t, make([]byte, 8<<20))
	sealed, err := k.content.seal(k.d, at, formMessage, append(binary.BigEndian.AppendUint32([]byte{markerDeflated}, MaxMessage), bomb...))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := k.OpenMessage(Content, at, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("got %v, want ErrSealed", err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4*MaxMessage {
		t.Errorf("a bomb of 8 MiB made the server allocate %d bytes", got)
	}
}

func TestBuffersDoNotMixMessages(t *testing.T) {
	t.Parallel()
	k, at := openKeys(t)
	for i := range 50 {
		message := bytes.Repeat([]byte{byte(i)}, 3000-i*50)
		sealed, err := k.SealMessage(Record, at, message)
		if err != nil {
			t.Fatal(err)
		}
		first, err := k.OpenMessage(Record, at, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.SealMessage(Record, at, []byte(strings.Repeat("another", 400))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, message) {
			t.Fatal("an opened message changed when the buffers were used again")
		}
	}
}

func deflated(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
