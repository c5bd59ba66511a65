package seal_test

import (
	"path/filepath"
	"testing"

	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/keyring/keyringtest"
	"vidan/seal"
)

// bundle is what most tests stand on: a deployment of their own, whose KEK can be broken, and two vaults.
type bundle struct {
	*seal.Deployment
	id         [16]byte
	uri        string
	kek        *keyringtest.Faulty
	rows       []seal.DeploymentKey
	an, dan    identity.VaultID
	ofAn, ofDa *seal.Keys
	anRows     []seal.WrappedKey
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	b := &bundle{id: [16]byte{0xde, 0x91}, an: identity.NewVaultID(), dan: identity.NewVaultID()}
	b.uri = "file:" + filepath.Join(tb.TempDir(), "kek.json")
	if err := keyring.Create(tb.Context(), b.uri); err != nil {
		tb.Fatal(err)
	}
	b.kek = keyringtest.Fault(openKEK(tb, b.uri))
	var err error
	if b.Deployment, b.rows, err = seal.NewDeployment(tb.Context(), b.kek, b.id); err != nil {
		tb.Fatal(err)
	}
	if b.ofAn, b.anRows, err = b.NewVault(tb.Context(), b.an); err != nil {
		tb.Fatal(err)
	}
	if b.ofDa, _, err = b.NewVault(tb.Context(), b.dan); err != nil {
		tb.Fatal(err)
	}
	return b
}

func openKEK(tb testing.TB, uri string) keyring.KEK {
	tb.Helper()
	kek, err := keyring.Open(tb.Context(), uri)
	if err != nil {
		tb.Fatal(err)
	}
	return kek
}

// header is where the sealed header of a document lives.
func (b *bundle) header() seal.Place {
	return seal.Place{Table: "documents", Column: "sealed_header", Vault: b.an, Object: [16]byte{7}, Revision: 2}
}

// room is where a waiting result lives, in no vault.
func (b *bundle) room() seal.Place {
	return seal.Place{Table: "waiting_results", Column: "sealed", Object: [16]byte{9}}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}
