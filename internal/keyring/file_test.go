package keyring_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vidan/internal/keyring"
	"vidan/internal/keyring/keyringtest"
)

func TestFileConforms(t *testing.T) {
	t.Parallel()
	keyringtest.Conformance(t, func(t *testing.T) keyringtest.Store {
		uri := create(t)
		return keyringtest.Store{
			Open: func(t *testing.T) keyring.KEK { return open(t, uri) },
			AddEpoch: func(t *testing.T) int32 {
				epoch, err := keyring.AddEpoch(t.Context(), uri)
				if err != nil {
					t.Fatal(err)
				}
				return epoch
			},
		}
	})
}

func TestKR4_CreateNeverReplaces(t *testing.T) {
	t.Parallel()
	uri := create(t)
	path := strings.TrimPrefix(uri, "file:")
	before := read(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := keyring.Create(t.Context(), uri); !errors.Is(err, keyring.ErrExists) {
		t.Errorf("Create over a key: %v, want ErrExists", err)
	}
	other := filepath.Join(t.TempDir(), "kek.json")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keyring.Create(t.Context(), "file:"+other); !errors.Is(err, keyring.ErrExists) {
		t.Errorf("Create over an empty file: %v, want ErrExists", err)
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("the key file changed")
	}
	onlyKeyFiles(t, filepath.Dir(path))
}

func TestKR4_OneOfManyCreates(t *testing.T) {
	t.Parallel()
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	var group sync.WaitGroup
	var won atomic.Int32
	for range 100 {
		group.Go(func() {
			switch err := keyring.Create(t.Context(), uri); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, keyring.ErrExists):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d commands created the key, want 1", won.Load())
	}
	open(t, uri)
}

func TestKR4_AddEpochInParallelLosesNone(t *testing.T) {
	t.Parallel()
	uri := create(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	got := []int32{1}
	for range 32 {
		group.Go(func() {
			epoch, err := keyring.AddEpoch(t.Context(), uri)
			if errors.Is(err, keyring.ErrExists) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, epoch)
		})
	}
	group.Wait()
	slices.Sort(got)
	if kek := open(t, uri); !slices.Equal(kek.Epochs(), got) || kek.Epoch() != got[len(got)-1] {
		t.Errorf("the file has %v, the commands were told %v", kek.Epochs(), got)
	}
	onlyKeyFiles(t, filepath.Dir(strings.TrimPrefix(uri, "file:")))
}

func TestInterruptedCommandIsReported(t *testing.T) {
	t.Parallel()
	uri := create(t)
	side := strings.TrimPrefix(uri, "file:") + ".new"
	if err := os.WriteFile(side, []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.AddEpoch(t.Context(), uri); !errors.Is(err, keyring.ErrExists) || !strings.Contains(err.Error(), side) {
		t.Errorf("got %v, want ErrExists naming %s", err, side)
	}
	if string(read(t, side)) != "left behind" {
		t.Error("the file of the interrupted command was touched")
	}
	open(t, uri)
}

func TestFileIsRefused(t *testing.T) {
	t.Parallel()
	good := read(t, strings.TrimPrefix(create(t), "file:"))
	write := func(mode os.FileMode, content []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(from, to string) func(*testing.T, string) {
		spoiled := bytes.Replace(good, []byte(from), []byte(to), 1)
		if bytes.Equal(spoiled, good) {
			t.Fatalf("the key file has no %s", from)
		}
		return write(0o600, spoiled)
	}
	for name, make := range map[string]func(*testing.T, string){
		"missing":              func(*testing.T, string) {},
		"readable by a group":  write(0o640, good),
		"readable by all":      write(0o604, good),
		"writable by a group":  write(0o620, good),
		"executable":           write(0o700, good),
		"empty":                write(0o600, nil),
		"cut":                  write(0o600, good[:len(good)/2]),
		"not JSON":             write(0o600, []byte("correct horse battery staple")),
		"too large":            write(0o600, bytes.Repeat([]byte{' '}, 1<<20+1)),
		"a folder":             func(t *testing.T, path string) { _ = os.Mkdir(path, 0o700) },
		"primary not enabled":  edit(`"ENABLED"`, `"DISABLED"`),
		"another kind of key":  edit("AesGcmKey", "AesGcmSivKey"),
		"a key without prefix": edit(`"TINK"`, `"RAW"`),
		"an epoch too large":   write(0o600, bytes.ReplaceAll(good, []byte(`:1,`), []byte(`:4294967295,`))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kek.json")
			make(t, path)
			kek, err := keyring.Open(t.Context(), "file:"+path)
			if !errors.Is(err, keyring.ErrKeyFile) || kek != nil {
				t.Errorf("got %v, %v, want ErrKeyFile", kek, err)
			}
			if err != nil && (strings.Contains(err.Error(), "horse") || showsKey(t, good, err.Error())) {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
	t.Run("read-only is fine", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "kek.json")
		write(0o400, good)(t, path)
		open(t, "file:"+path)
	})
}

func TestURIs(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "Khoá của ví dân 100%20 'k'")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"file:" + folder + "/a.json", "file://" + folder + "/b.json"} {
		if err := keyring.Create(t.Context(), uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
		open(t, uri)
	}
	for _, uri := range []string{"", "kek.json", "file:", "file://", "file://host/kek.json", "FILE:/kek.json", "vault://u:secret@h/k", "file:\x00"} {
		_, errOpen := keyring.Open(t.Context(), uri)
		_, errAdd := keyring.AddEpoch(t.Context(), uri)
		for _, err := range []error{errOpen, errAdd, keyring.Create(t.Context(), uri)} {
			if !errors.Is(err, keyring.ErrURI) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v, want ErrURI without the rest", uri, err)
			}
		}
	}
	for uri, want := range map[string]string{"file:/a": "file", "pkcs11:token=x": "pkcs11", "/a": "", "": ""} {
		if got := keyring.Scheme(uri); got != want {
			t.Errorf("Scheme(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestKR3_FileKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	uri := create(t)
	kek, content := open(t, uri), read(t, strings.TrimPrefix(uri, "file:"))
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("start", "kek", kek, "held", struct{ K keyring.KEK }{kek})
	}
	j, err := json.Marshal(map[string]any{"kek": kek})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%s %v %+v %#v %x %d", j, kek, kek, kek, kek, []any{kek})
	if showsKey(t, content, out.String()) {
		t.Errorf("key material in %s", out.String())
	}
}

// showsKey looks for the key bytes of a key file in any of their usual spellings.
func showsKey(t *testing.T, file []byte, printed string) bool {
	t.Helper()
	var parsed struct {
		Key []struct{ KeyData struct{ Value []byte } }
	}
	if err := json.Unmarshal(file, &parsed); err != nil || len(parsed.Key) == 0 {
		t.Fatalf("key file: %v", err)
	}
	for _, k := range parsed.Key {
		key := k.KeyData.Value[len(k.KeyData.Value)-32:]
		for _, spelling := range []string{
			string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key[:30]),
			base64.StdEncoding.EncodeToString(k.KeyData.Value), strings.Trim(fmt.Sprint(key[:8]), "[]"),
		} {
			if strings.Contains(printed, spelling) {
				return true
			}
		}
	}
	return false
}

func create(t *testing.T) string {
	t.Helper()
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	return uri
}

func open(t *testing.T, uri string) keyring.KEK {
	t.Helper()
	kek, err := keyring.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func onlyKeyFiles(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 || entries[0].Name() != "kek.json" {
		t.Errorf("%s holds %v (%v), want kek.json alone", folder, entries, err)
	}
}
