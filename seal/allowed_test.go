package seal

import (
	"errors"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
)

// A keyset that unwraps is still refused when it is not the one algorithm of its purpose: a weaker key that somebody
// got wrapped is not used.
func TestKeysetsOfOtherAlgorithmsAreRefused(t *testing.T) {
	t.Parallel()
	k, _ := openKeys(t)
	one := func(h *keyset.Handle, err error) *keyset.Handle {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	crunchy := aead.AES256GCMKeyTemplate()
	crunchy.OutputPrefixType = 4 // CRUNCHY
	handles := map[string]*keyset.Handle{
		"AES-128-GCM":       one(keyset.NewHandle(aead.AES128GCMKeyTemplate())),
		"AES-GCM, raw":      one(keyset.NewHandle(aead.AES256GCMNoPrefixKeyTemplate())),
		"AES-GCM, crunchy":  one(keyset.NewHandle(crunchy)),
		"AES-GCM-SIV":       one(keyset.NewHandle(aead.AES256GCMSIVKeyTemplate())),
		"XChaCha20":         one(keyset.NewHandle(aead.XChaCha20Poly1305KeyTemplate())),
		"PRF, SHA-512":      one(keyset.NewHandle(prf.HMACSHA512PRFKeyTemplate())),
		"PRF, AES-CMAC":     one(keyset.NewHandle(prf.AESCMACPRFKeyTemplate())),
		"MAC, half as long": one(keyset.NewHandle(mac.HMACSHA256Tag128KeyTemplate())),
		"MAC, AES-CMAC":     one(keyset.NewHandle(mac.AESCMACTag128KeyTemplate())),
		"AES-SIV, prefixed": one(keyset.NewHandle(daead.AESSIVKeyTemplate())),
	}
	purposes := append(vaultPurposes(), deploymentPurposes()...)
	for name, handle := range handles {
		for _, p := range purposes {
			if allowed(p, handle) {
				t.Errorf("%s is allowed for %s", name, p)
			}
		}
	}
	for _, p := range purposes {
		for _, other := range purposes {
			same := algorithm(t, p) == algorithm(t, other)
			if got := allowed(p, one(newKeyset(other))); got != same && other != Tag && other != DocumentNaming {
				t.Errorf("a keyset of %s for %s: allowed %v", other, p, got)
			}
		}
	}
	// The same through the door: wrapped by the right KEK, with the right associated data.
	row := stored{purpose: Content, id: [16]byte{1}, epoch: 1, state: Active}
	binding := k.d.vaultBinding(k.vault)
	wrapped, err := wrap(t.Context(), k.d.kek, 1, handles["AES-GCM, raw"], binding(row))
	if err != nil {
		t.Fatal(err)
	}
	rows := []WrappedKey{{Vault: k.vault, Purpose: Content, KeysetID: row.id, Epoch: 1, State: Active, Wrapped: wrapped}}
	if _, err := k.d.OpenVault(t.Context(), k.vault, rows); !errors.Is(err, ErrKeyset) {
		t.Errorf("got %v, want ErrKeyset", err)
	}
	// And what unwraps to no keyset at all.
	if rows[0].Wrapped, err = k.d.kek.Wrap(t.Context(), 1, []byte("no keyset"), binding(row)); err != nil {
		t.Fatal(err)
	}
	rows[0].Wrapped = append([]byte{0x12, byte(len(rows[0].Wrapped))}, rows[0].Wrapped...)
	if _, err := k.d.OpenVault(t.Context(), k.vault, rows); !errors.Is(err, ErrKeyset) {
		t.Errorf("got %v, want ErrKeyset", err)
	}
}

// algorithm groups purposes that share one.
func algorithm(t *testing.T, p Purpose) string {
	t.Helper()
	switch p {
	case Content, Record, Waiting, Signing:
		return "AES-256-GCM"
	case Tag, Identifier, DocumentNaming:
		return "PRF"
	default:
		return string(p)
	}
}
