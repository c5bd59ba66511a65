package seal

import (
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The primitives of opened keysets. Tink's handles are dropped once these are built: they hold three times as much.

// newSealer returns nil when the purpose was destroyed.
func newSealer(set *opened) (*sealer, error) {
	if set.active == nil {
		return nil, nil
	}
	s := new(sealer)
	for i, handle := range set.all() {
		primitive, err := aead.New(handle)
		if err != nil {
			return nil, ErrKeyset
		}
		if i == 0 {
			s.active = primitive
		} else {
			s.others = append(s.others, primitive)
		}
	}
	return s, nil
}

// newPRF returns the PRF of the active keyset's primary key, the only one that computes, or nil when destroyed.
func newPRF(set *opened) (prf.PRF, error) {
	if set.active == nil {
		return nil, nil
	}
	primitives, err := prf.NewPRFSet(set.active)
	if err != nil {
		return nil, ErrKeyset
	}
	return primitives.PRFs[primitives.PrimaryID], nil
}

func newMACs(set *opened) ([]tink.MAC, error) {
	var macs []tink.MAC
	for _, handle := range set.all() {
		primitive, err := mac.New(handle)
		if err != nil {
			return nil, ErrKeyset
		}
		macs = append(macs, primitive)
	}
	return macs, nil
}

func newReferences(set *opened) ([]tink.DeterministicAEAD, error) {
	var references []tink.DeterministicAEAD
	for _, handle := range set.all() {
		primitive, err := daead.New(handle)
		if err != nil {
			return nil, ErrKeyset
		}
		references = append(references, primitive)
	}
	return references, nil
}

// compute returns n ≤ 32 bytes of the PRF; HMAC-SHA256 fails for no other reason.
func compute(p prf.PRF, input []byte, n uint32) []byte {
	out, err := p.ComputePRF(input, n)
	if err != nil {
		panic("seal: PRF output longer than SHA-256")
	}
	return out
}
