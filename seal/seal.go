// Package seal keeps the keys of people and of the deployment, and promises that what it sealed opens only with the
// keys of the person it is about and only in the row, column and revision it was sealed for.
//
// One Tink keyset exists per vault and purpose, not one data key per value: a read unwraps three keysets once and
// then opens some thirty headers at a third of a microsecond each, a vault is erased by destroying three rows, and
// the key-encryption key is asked for three keysets instead of for every value (decision and figures: docs/CRYPTO.md).
// Everything here that leaves the process is either sealed, a keyed digest, or authenticated, and this file alone
// owns the sealed format.
//
//	C1  a sealed value is bound to deployment, table, column, vault, object, revision, chunk and form
//	C2  purposes are separate keysets: content, record and tag of one vault never open each other's values
//	C3  a keyset is bound to deployment, vault, purpose, its id and the epoch that wrapped it
//	C4  a value that does not open is ErrSealed and nothing more: no reason, no byte of it
//	C5  every encoding that is authenticated or digested puts a length before each part
//	C6  rows that grant authority carry a MAC over their security columns; writing to the database forges none
//	C7  digests of numbers are keyed: a stolen dump cannot be searched for twelve digits
//	C8  ids that leave are sealed per sector and kind; two sectors cannot compare what they hold
//	C9  keys never print; they are dropped from memory a bounded time after they were unwrapped
//	C10 without the key-encryption key nothing new is opened and nothing is ever stored in clear
//
// Not here: which value goes where (the callers' tables), signatures (package auth and its signers, whose private
// keys are only stored sealed), rotation jobs. The lengths of values and the times of rows are not hidden.
package seal

import (
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/tink"

	"vidan/identity"
)

// Errors of this package. None carries a value, a key or a reason that would help to forge one (C4).
var (
	// ErrSealed reports bytes that do not open: altered, cut, of another place, vault or deployment, or too large.
	ErrSealed = errors.New("seal: does not open")
	// ErrPlace reports a Place that names no column, or one of another vault: a mistake of the caller.
	ErrPlace = errors.New("seal: not a place to seal for")
	// ErrPurpose reports a purpose that does not seal, or not here: a mistake of the caller.
	ErrPurpose = errors.New("seal: no such use of this purpose")
	// ErrTooLarge reports a message above MaxMessage.
	ErrTooLarge = errors.New("seal: message too large")
)

// Format 1 is a Tink ciphertext with Tink's own prefix, whose first byte is 0x01:
//
//	0x01 | key id, 4 bytes | nonce, 12 bytes | AES-256-GCM ciphertext | tag, 16 bytes
//
// A later format begins with another byte; values of format 1 open for ever.
const (
	formatVersion = 0x01
	// Overhead is how many bytes longer a sealed value is than what Seal was given.
	Overhead = 1 + 4 + 12 + 16
)

// The form says how to read what is inside, so that a message is never taken for a plain value.
type form byte

const (
	formPlain   form = 0 // the value itself
	formMessage form = 1 // see message.go
)

// Place is where a sealed value lives. It is not stored beside the value: whoever opens it must know the place, so a
// value copied to another row, column, person or revision does not open (C1).
type Place struct {
	Table, Column string
	// Vault is zero for values that belong to the deployment.
	Vault identity.VaultID
	// Object is the id of the row within the vault; ObjectName makes one of a text key. Zero where a vault has one row.
	Object [16]byte
	// Revision is zero for values without.
	Revision int64
	// Chunk counts from zero and Last marks the end, for a value sealed in pieces; both are zero otherwise.
	Chunk uint32
	Last  bool
}

// appendTo writes the associated data of format 1 (C1, C5; docs/CRYPTO.md, "Associated data").
func (p Place) appendTo(b []byte, deployment [16]byte, f form) []byte {
	vault, last := p.Vault.Bytes(), byte(0)
	if p.Last {
		last = 1
	}
	b = byteField(b, formatVersion)
	b = bytesField(b, deployment[:])
	b = textField(b, p.Table)
	b = textField(b, p.Column)
	b = bytesField(b, vault[:])
	b = bytesField(b, p.Object[:])
	b = uint64Field(b, uint64(p.Revision))
	b = byteField(b, byte(f))
	b = uint32Field(b, p.Chunk)
	return byteField(b, last)
}

func (p Place) named() bool { return p.Table != "" && p.Column != "" }

func (p Place) String() string { return p.Table + "." + p.Column }

// sealer holds the keysets of one purpose: one seals, all open.
type sealer struct {
	active tink.AEAD
	others []tink.AEAD
}

// seal encrypts plaintext for the place.
func (s *sealer) seal(d *Deployment, at Place, f form, plaintext []byte) ([]byte, error) {
	ad := d.scratch.associated()
	defer d.scratch.release(ad)
	*ad = at.appendTo((*ad)[:0], d.id, f)
	sealed, err := s.active.Encrypt(plaintext, *ad)
	if err != nil { // only a plaintext of 64 GiB
		return nil, fmt.Errorf("seal %s: %w", at, ErrTooLarge)
	}
	return sealed, nil
}

// open decrypts what seal made. Tink compares the key id before it decrypts, so other keysets cost nothing.
func (s *sealer) open(d *Deployment, at Place, f form, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != formatVersion {
		return nil, fmt.Errorf("open %s: %w", at, ErrSealed)
	}
	ad := d.scratch.associated()
	defer d.scratch.release(ad)
	*ad = at.appendTo((*ad)[:0], d.id, f)
	plaintext, err := s.active.Decrypt(sealed, *ad)
	for i := 0; err != nil && i < len(s.others); i++ {
		plaintext, err = s.others[i].Decrypt(sealed, *ad)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, ErrSealed)
	}
	return plaintext, nil
}
