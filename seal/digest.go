package seal

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/prf"

	"vidan/identity"
)

// IdentifierKind is what a digest is of; two kinds with the same text have different digests.
type IdentifierKind string

const (
	// PersonalNumber is a personal identification number (số định danh cá nhân).
	PersonalNumber IdentifierKind = "personal_number"
	// BirthNotice is the number of a notice of birth (giấy chứng sinh).
	BirthNotice IdentifierKind = "birth_notice"
	// Registration is an entry of a civil-status book: organisation, book, number.
	Registration IdentifierKind = "registration"
	// Paper is a paper of an issuer: organisation, document type, the issuer's reference.
	Paper IdentifierKind = "paper"
	// Contact is an address where a person is reached; a household may share one.
	Contact IdentifierKind = "contact"
)

// Digest is a keyed digest and the PRF key that made it (identifiers.prf_key_id, digest). It is comparable.
type Digest struct {
	KeyID int32
	Sum   [32]byte
}

// String names the key alone: a digest in a log would link its lines to one person.
func (g Digest) String() string { return fmt.Sprintf("digest(key %d)", g.KeyID) }

// Format prints String for every verb.
func (g Digest) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, g.String()) }

// numberedPRF is one key of the identifier keysets.
type numberedPRF struct {
	id  int32
	prf prf.PRF
}

func newNumberedPRFs(set *opened) ([]numberedPRF, error) {
	var all []numberedPRF
	for _, handle := range set.all() {
		primitives, err := prf.NewPRFSet(handle)
		if err != nil {
			return nil, ErrKeyset
		}
		all = append(all, numberedPRF{id: int32(primitives.PrimaryID), prf: primitives.PRFs[primitives.PrimaryID]})
	}
	return all, nil
}

// Digest returns the digest under which a value is stored and found (C7). The caller brings the value into its one
// canonical form; a value of several parts is given as its parts.
func (d *Deployment) Digest(kind IdentifierKind, parts ...string) Digest {
	return d.digest(d.identifiers[0], digestInput(d.id, kind, parts))
}

// Digests returns the value's digests under every PRF key in use, the current one first. While a key is being
// replaced there are two: both are written, and either finds the row.
func (d *Deployment) Digests(kind IdentifierKind, parts ...string) []Digest {
	input := digestInput(d.id, kind, parts)
	all := make([]Digest, len(d.identifiers))
	for i, key := range d.identifiers {
		all[i] = d.digest(key, input)
	}
	return all
}

func (d *Deployment) digest(key numberedPRF, input []byte) Digest {
	return Digest{KeyID: key.id, Sum: [32]byte(compute(key.prf, input, 32))}
}

func digestInput(deployment [16]byte, kind IdentifierKind, parts []string) []byte {
	b := textField(make([]byte, 0, 128), "identifier")
	b = bytesField(b, deployment[:])
	b = textField(b, string(kind))
	for _, part := range parts {
		b = textField(b, part)
	}
	return b
}

// DocumentID names a paper by its issuing organisation, document type and the issuer's reference: the same paper has
// the same id whenever and however often it arrives, and nobody without the key can tell which paper it is. It is
// shaped as a UUID of version 8 (RFC 9562 §5.8), 122 bits of it from the PRF.
func (d *Deployment) DocumentID(organisation, documentType, ref string) identity.DocumentID {
	b := textField(make([]byte, 0, 160), "document-id")
	b = bytesField(b, d.id[:])
	b = textField(b, organisation)
	b = textField(b, documentType)
	id := [16]byte(compute(d.naming, textField(b, ref), 16))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return identity.FromBytes[identity.DocumentID](id)
}
