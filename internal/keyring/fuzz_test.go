package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vidan/internal/keyring"
)

// FuzzKeyFile: a key file is one this package made, or is refused.
func FuzzKeyFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "kek.json")
	if err := keyring.Create(f.Context(), "file:"+path); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"primaryKeyId":1,"key":[]}`))
	f.Add([]byte(`{"primaryKeyId":1,"key":[{"keyId":1,"status":"ENABLED","outputPrefixType":"TINK","keyData":null}]}`))
	f.Add(bytes.ReplaceAll(good, []byte("TINK"), []byte("CRUNCHY")))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "kek.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		kek, err := keyring.Open(t.Context(), "file:"+path)
		if err != nil {
			if kek != nil || !errors.Is(err, keyring.ErrKeyFile) {
				t.Fatalf("got %v, %v", kek, err)
			}
			return
		}
		wrapped, err := kek.Wrap(t.Context(), kek.Epoch(), []byte("keyset"), nil)
		if err != nil || kek.Epoch() < 1 || !bytes.Equal(wrapped[:5], []byte{1, byte(kek.Epoch() >> 24), byte(kek.Epoch() >> 16), byte(kek.Epoch() >> 8), byte(kek.Epoch())}) {
			t.Fatalf("epoch %d wraps into %x, %v", kek.Epoch(), wrapped, err)
		}
	})
}

// FuzzCheck: only the check of this deployment passes.
func FuzzCheck(f *testing.F) {
	uri := "file:" + filepath.Join(f.TempDir(), "kek.json")
	if err := keyring.Create(f.Context(), uri); err != nil {
		f.Fatal(err)
	}
	kek, err := keyring.Open(f.Context(), uri)
	if err != nil {
		f.Fatal(err)
	}
	good, err := keyring.NewCheck(f.Context(), kek, [16]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:5])
	f.Add([]byte(strings.Repeat("\xff", 64)))
	f.Fuzz(func(t *testing.T, check []byte) {
		err := keyring.Check(t.Context(), kek, [16]byte{1}, check)
		if bytes.Equal(check, good) != (err == nil) || err != nil && !errors.Is(err, keyring.ErrCheck) {
			t.Fatalf("%x: %v", check, err)
		}
	})
}
