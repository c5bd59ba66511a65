package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vidan/identity"
	"vidan/seal"
)

var secret = []byte(`{"type":"birth_certificate","title":"Giấy khai sinh","full_name":"TRẦN MINH AN"}`)

// variant is one of the four ways a value is sealed; everything below holds for each of them.
type variant struct {
	name       string
	at         seal.Place
	seal, open func(at seal.Place, b []byte) ([]byte, error)
}

func variants(b *bundle) []variant {
	with := func(p seal.Purpose, f func(seal.Purpose, seal.Place, []byte) ([]byte, error)) func(seal.Place, []byte) ([]byte, error) {
		return func(at seal.Place, v []byte) ([]byte, error) { return f(p, at, v) }
	}
	return []variant{
		{"content", b.header(), with(seal.Content, b.ofAn.Seal), with(seal.Content, b.ofAn.Open)},
		{"content message", b.header(), with(seal.Content, b.ofAn.SealMessage), with(seal.Content, b.ofAn.OpenMessage)},
		{"record", b.header(), with(seal.Record, b.ofAn.Seal), with(seal.Record, b.ofAn.Open)},
		{"waiting", b.room(), with(seal.Waiting, b.Seal), with(seal.Waiting, b.Open)},
		{"waiting message", b.room(), with(seal.Waiting, b.SealMessage), with(seal.Waiting, b.OpenMessage)},
		{"signing", b.room(), with(seal.Signing, b.Seal), with(seal.Signing, b.Open)},
	}
}

func TestC1_OpensAtItsPlaceAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	elsewhere := map[string]func(*seal.Place){
		"table":         func(p *seal.Place) { p.Table = "holdings" },
		"column":        func(p *seal.Place) { p.Column = "sealed_title" },
		"shifted names": func(p *seal.Place) { p.Table, p.Column = p.Table+p.Column[:1], p.Column[1:] },
		"vault":         func(p *seal.Place) { p.Vault = b.dan },
		"object":        func(p *seal.Place) { p.Object[15]++ },
		"revision":      func(p *seal.Place) { p.Revision++ },
		"old revision":  func(p *seal.Place) { p.Revision = -p.Revision - 1 },
		"chunk":         func(p *seal.Place) { p.Chunk++ },
		"last":          func(p *seal.Place) { p.Last = true },
	}
	for _, v := range variants(b) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			sealed := must(v.seal(v.at, secret))(t)
			if got, err := v.open(v.at, sealed); err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("got %q, %v", got, err)
			}
			for name, move := range elsewhere {
				at := v.at
				move(&at)
				got, err := v.open(at, sealed)
				// To show the deployment's sealer a vault is a mistake rather than an attack.
				if got != nil || !errors.Is(err, seal.ErrSealed) && !(v.at.Vault.IsZero() && errors.Is(err, seal.ErrPlace)) {
					t.Errorf("another %s: got %q, %v, want ErrSealed", name, got, err)
				}
			}
		})
	}
}

func TestC1_AnotherDeploymentDoesNotOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The same KEK and the very same keysets, said to belong to another deployment.
	id := b.id
	id[0]++
	if _, err := seal.OpenDeployment(t.Context(), b.kek, id, b.rows); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("deployment keys: %v, want ErrKeyset", err)
	}
	other, _, err := seal.NewDeployment(t.Context(), b.kek, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenVault(t.Context(), b.an, b.anRows); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("vault keys: %v, want ErrKeyset", err)
	}
}

func TestC2_PurposesAreSeparate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	if _, err := b.ofAn.Open(seal.Record, b.header(), content); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("content under record: %v", err)
	}
	waiting := must(b.Seal(seal.Waiting, b.room(), secret))(t)
	if _, err := b.Open(seal.Signing, b.room(), waiting); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("waiting under signing: %v", err)
	}
	message := must(b.ofAn.SealMessage(seal.Content, b.header(), secret))(t)
	if _, err := b.ofAn.Open(seal.Content, b.header(), message); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a message opened as a plain value: %v", err)
	}
	if _, err := b.ofAn.OpenMessage(seal.Content, b.header(), content); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a plain value opened as a message: %v", err)
	}
}

func TestC4_EveryByteCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, v := range variants(b) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			sealed := must(v.seal(v.at, secret))(t)
			refuse := func(what string, i int, spoiled []byte) {
				t.Helper()
				got, err := v.open(v.at, spoiled)
				if got != nil || !errors.Is(err, seal.ErrSealed) {
					t.Errorf("%s %d: got %q, %v, want ErrSealed", what, i, got, err)
				}
				if want := "open " + v.at.String() + ": " + seal.ErrSealed.Error(); err != nil && err.Error() != want {
					t.Errorf("the error says more than %q: %v", want, err)
				}
			}
			for i := range sealed {
				for _, bit := range []byte{0x01, 0x80} {
					spoiled := slices.Clone(sealed)
					spoiled[i] ^= bit
					refuse("flipped", i, spoiled)
				}
				refuse("cut to", i, sealed[:i])
				refuse("cut from", i+1, sealed[i+1:])
			}
			refuse("grown by", 1, append(slices.Clone(sealed), 0))
			refuse("nothing", 0, nil)
		})
	}
}

func TestSealedFormat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	second := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	if len(first) != len(secret)+seal.Overhead || first[0] != 1 {
		t.Errorf("sealed %d bytes into %d, first byte %#x", len(secret), len(first), first[0])
	}
	if !bytes.Equal(first[:5], second[:5]) || bytes.Equal(first[5:17], second[5:17]) {
		t.Error("want the same key id and another nonce")
	}
	if empty := must(b.ofAn.Seal(seal.Content, b.header(), nil))(t); len(empty) != seal.Overhead {
		t.Errorf("nothing seals into %d bytes, want %d", len(empty), seal.Overhead)
	}
}

func TestMistakesOfTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nameless, other, misplaced := b.header(), b.header(), b.room()
	nameless.Column = ""
	other.Vault = b.dan
	misplaced.Vault = b.an
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no column", errOf(b.ofAn.Seal(seal.Content, nameless, secret)), seal.ErrPlace},
		{"another vault", errOf(b.ofAn.Seal(seal.Content, other, secret)), seal.ErrPlace},
		{"another vault, message", errOf(b.ofAn.SealMessage(seal.Content, other, secret)), seal.ErrPlace},
		{"tag seals nothing", errOf(b.ofAn.Seal(seal.Tag, b.header(), secret)), seal.ErrPurpose},
		{"a purpose of the deployment", errOf(b.ofAn.Seal(seal.Waiting, b.header(), secret)), seal.ErrPurpose},
		{"unknown purpose", errOf(b.ofAn.Seal("contents", b.header(), secret)), seal.ErrPurpose},
		{"the deployment and a vault", errOf(b.Seal(seal.Waiting, misplaced, secret)), seal.ErrPlace},
		{"a purpose of vaults", errOf(b.Seal(seal.Content, b.room(), secret)), seal.ErrPurpose},
		{"a digest seals nothing", errOf(b.SealMessage(seal.Identifier, b.room(), secret)), seal.ErrPurpose},
		{"no keys, seal", errOf((*seal.Keys)(nil).Seal(seal.Content, b.header(), secret)), seal.ErrNoKeys},
		{"no keys, open", errOf((*seal.Keys)(nil).Open(seal.Content, b.header(), secret)), seal.ErrNoKeys},
		{"no keys, message", errOf((*seal.Keys)(nil).OpenMessage(seal.Content, b.header(), secret)), seal.ErrNoKeys},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if tag := (*seal.Keys)(nil).TypeTag("birth_certificate"); tag != [16]byte{} || !(*seal.Keys)(nil).Vault().IsZero() {
		t.Error("nil keys have a tag or a vault")
	}
}

func TestPropertySealedOnceOpensOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name := rapid.StringMatching(`[a-z_]{1,12}`)
	at := rapid.Custom(func(r *rapid.T) seal.Place {
		return seal.Place{
			Table: name.Draw(r, "table"), Column: name.Draw(r, "column"), Vault: b.an,
			Object:   [16]byte(rapid.SliceOfN(rapid.ByteRange(0, 2), 16, 16).Draw(r, "object")),
			Revision: rapid.Int64Range(-2, 3).Draw(r, "revision"),
			Chunk:    rapid.Uint32Range(0, 2).Draw(r, "chunk"), Last: rapid.Bool().Draw(r, "last"),
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		here, there := at.Draw(r, "here"), at.Draw(r, "there")
		value := rapid.SliceOf(rapid.Byte()).Draw(r, "value")
		sealed := must(b.ofAn.Seal(seal.Content, here, value))(t)
		got, err := b.ofAn.Open(seal.Content, there, sealed)
		switch {
		case here == there && (err != nil || !bytes.Equal(got, value)):
			r.Fatalf("at its place: %v", err)
		case here != there && !errors.Is(err, seal.ErrSealed):
			r.Fatalf("sealed for %+v, opened at %+v: %v", here, there, err)
		}
	})
}

func TestObjectName(t *testing.T) {
	t.Parallel()
	if got := hex.EncodeToString(sliceOf(seal.ObjectName("abc"))); got != "ba7816bf8f01cfea414140de5dae2223" { // FIPS 180-2, B.1
		t.Errorf("got %s", got)
	}
}

func TestKeysSayWhose(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if b.ofAn.Vault() != b.an || b.ID() != b.id {
		t.Error("keys or deployment name another")
	}
	if _, _, err := b.NewVault(t.Context(), identity.VaultID{}); !errors.Is(err, seal.ErrPlace) {
		t.Errorf("a vault without an id: %v", err)
	}
	if _, _, err := seal.NewDeployment(t.Context(), b.kek, [16]byte{}); !errors.Is(err, seal.ErrPlace) {
		t.Errorf("a deployment without an id: %v", err)
	}
}

func errOf(_ []byte, err error) error { return err }

func sliceOf(b [16]byte) []byte { return b[:] }
