package person

import (
	"encoding/binary"
	"slices"

	"vidan/identity"
	"vidan/seal"
)

// Identifier is one thing that can lead to a person. Its value prints masked.
type Identifier struct {
	kind  seal.IdentifierKind
	parts [3]identity.Private
}

// NumberIdentifier is a personal number (số định danh cá nhân).
func NumberIdentifier(n identity.PersonalNumber) Identifier {
	return Identifier{kind: seal.PersonalNumber, parts: [3]identity.Private{identity.NewPrivate(n.Reveal())}}
}

// NoticeIdentifier is the number of a birth notice (giấy chứng sinh).
func NoticeIdentifier(n identity.BirthNotice) Identifier {
	return Identifier{kind: seal.BirthNotice, parts: [3]identity.Private{identity.NewPrivate(n.Reveal())}}
}

// RegistrationIdentifier is an entry of the birth register. Errors: [identity.ErrRegistration].
func RegistrationIdentifier(organisation, book, number string) (Identifier, error) {
	entry, err := identity.ParseRegistration(organisation, book, number)
	if err != nil {
		return Identifier{}, err
	}
	o, b, n := entry.Parts()
	return Identifier{
		kind:  seal.Registration,
		parts: [3]identity.Private{identity.NewPrivate(o), identity.NewPrivate(b), identity.NewPrivate(n)},
	}, nil
}

// Kind says what the identifier is.
func (id Identifier) Kind() seal.IdentifierKind { return id.kind }

// IsZero reports an identifier without a value.
func (id Identifier) IsZero() bool { return id.parts[0].IsZero() }

// reveal returns the parts as they are digested: one, or the three of a register entry.
func (id Identifier) reveal() []string {
	parts := []string{id.parts[0].Reveal()}
	if id.kind == seal.Registration {
		parts = append(parts, id.parts[1].Reveal(), id.parts[2].Reveal())
	}
	return parts
}

// digests returns the identifier's digests under every PRF key in use, the current one first.
func (r *Registry) digests(id Identifier) []seal.Digest {
	return r.deployment.Digests(id.kind, id.reveal()...)
}

// digestArgs are digests as the statements take them: two arrays side by side.
func digestArgs(digests []seal.Digest) (keys []int32, sums [][]byte) {
	keys, sums = make([]int32, len(digests)), make([][]byte, len(digests))
	for i, d := range digests {
		keys[i], sums[i] = d.KeyID, d.Sum[:]
	}
	return keys, sums
}

// lockKeys are the advisory locks of identifiers, in the order in which everybody takes them. One lock stands for a digest under each
// key: while a key is being replaced, a process that knows both meets a process that knows one.
func lockKeys(digests []seal.Digest) []int64 {
	keys := make([]int64, len(digests))
	for i, d := range digests {
		keys[i] = int64(binary.BigEndian.Uint64(d.Sum[:8]))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
