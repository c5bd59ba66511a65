package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vidan/seal"
)

func TestC8_ReferencesArePerSectorAndKind(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	raw := b.an.Bytes()
	id := raw[:]
	ref := b.Ref("mam-non-hoa-mai", "document", id)
	if len(ref) != 43 || ref != b.Ref("mam-non-hoa-mai", "document", id) {
		t.Errorf("reference %q is not 43 characters, or not stable", ref)
	}
	if got, err := b.OpenRef("mam-non-hoa-mai", "document", ref); err != nil || !bytes.Equal(got, id) {
		t.Errorf("got %x, %v", got, err)
	}
	if b.Ref("bao-hiem", "document", id) == ref || b.Ref("mam-non-hoa-mai", "request", id) == ref {
		t.Error("two sectors or kinds share a reference")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another sector":     func() ([]byte, error) { return b.OpenRef("bao-hiem", "document", ref) },
		"another kind":       func() ([]byte, error) { return b.OpenRef("mam-non-hoa-mai", "request", ref) },
		"shifted":            func() ([]byte, error) { return b.OpenRef("mam-non-hoa-maid", "ocument", ref) },
		"another deployment": func() ([]byte, error) { return other.OpenRef("mam-non-hoa-mai", "document", ref) },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrNotRef) || got != nil {
			t.Errorf("%s: got %x, %v, want ErrNotRef", name, got, err)
		}
	}
}

func TestOneStringPerReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref := b.Ref("app", "grant", []byte("0123456789abcdef"))
	bad := []string{"", "A", ref + "=", ref + "\n", "\n" + ref, ref[:20] + "\r\n" + ref[20:], " " + ref, ref + ref,
		strings.ToUpper(ref), strings.ToLower(ref), ref[:42], ref + "A", strings.Repeat("A", 43), strings.Repeat("A", 10_000),
		ref[:len(ref)-1] + string(ref[len(ref)-1]+1)}
	for i := range ref {
		flipped := []byte(ref)
		flipped[i] = map[bool]byte{true: 'B', false: 'A'}[flipped[i] == 'A']
		bad = append(bad, string(flipped))
	}
	for _, s := range bad {
		if got, err := b.OpenRef("app", "grant", s); !errors.Is(err, seal.ErrNotRef) || got != nil {
			t.Errorf("%q: got %x, %v, want ErrNotRef", s, got, err)
		}
	}
}

func TestReferencesOfEveryLength(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.SliceOfN(rapid.Byte(), 1, 256).Draw(r, "id")
		sector, kind := rapid.String().Draw(r, "sector"), rapid.String().Draw(r, "kind")
		if got, err := b.OpenRef(sector, kind, b.Ref(sector, kind, id)); err != nil || !bytes.Equal(got, id) {
			r.Fatalf("got %x, %v", got, err)
		}
	})
	for _, id := range [][]byte{nil, {}, make([]byte, 257)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("an id of %d bytes was accepted", len(id))
				}
			}()
			b.Ref("app", "grant", id)
		}()
	}
}
