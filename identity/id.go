// Package identity holds the values that name people and things: opaque ids, the personal number, dates
// as precise as they are known, names. It promises that none of them shows a personal value when printed.
//
// Ids are values of distinct types so that a document can never be passed where a vault is meant. They carry
// no meaning: a [VaultID] is random and exists from the first result, because the personal number may come
// days later, may change, and is never a key.
//
//	I1  a value that identifies a person prints masked through fmt, slog and JSON; only Reveal gives it out
//	I2  parsing is strict and total: what Parse accepts, String of an id gives back unchanged
//	I3  the zero id is never valid
//
// The package reads no clock and stores nothing.
package identity

import (
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// ErrID reports a string that is not the canonical form of an id.
var ErrID = errors.New("identity: not an id")

// ID is a 128-bit opaque id of the kind K. Its text form is the lower-case UUID of RFC 9562 §4.
type ID[K any] struct{ b [16]byte }

// The kinds keep ids of different things apart at compile time.
type (
	vaultKind      struct{}
	documentKind   struct{}
	requestKind    struct{}
	grantKind      struct{}
	disclosureKind struct{}
	relationKind   struct{}
	holdingKind    struct{}
	sessionKind    struct{}
	credentialKind struct{}
	entryKind      struct{}
	objectKind     struct{}
)

type (
	// VaultID names a person's vault: random (UUIDv4), the distribution key of every per-person table.
	VaultID = ID[vaultKind]
	// DocumentID names a paper: derived by a keyed function from issuer, type and the issuer's reference (UUIDv8).
	DocumentID = ID[documentKind]
	// RequestID names a consent request.
	RequestID = ID[requestKind]
	// GrantID names what one person allowed.
	GrantID = ID[grantKind]
	// DisclosureID names one release of values.
	DisclosureID = ID[disclosureKind]
	// RelationID names who may act for whom, the same on both sides.
	RelationID = ID[relationKind]
	// HoldingID names the right to see a document of another's vault, the same on both sides.
	HoldingID = ID[holdingKind]
	// SessionID names one sign-in.
	SessionID = ID[sessionKind]
	// CredentialID names a passphrase, a device key or another way in.
	CredentialID = ID[credentialKind]
	// EntryID names a row of the record.
	EntryID = ID[entryKind]
	// ObjectID names anything else: quarantine entries, refusals, messages, outbox rows.
	ObjectID = ID[objectKind]
)

// NewVaultID returns a random vault id. Time-ordered ids would tell when a person was enrolled.
func NewVaultID() VaultID { return VaultID{b: uuid.New()} }

// NewID returns a time-ordered id (UUIDv7), so that index pages stay warm.
func NewID[T ID[K], K any]() T { return T(ID[K]{b: uuid.Must(uuid.NewV7())}) }

// FromBytes makes an id of 16 bytes that were stored or derived before; the caller vouches for them.
func FromBytes[T ID[K], K any](b [16]byte) T { return T(ID[K]{b: b}) }

// Parse reads the canonical text form. It returns [ErrID] for anything else and for the zero id.
func Parse[T ID[K], K any](s string) (T, error) {
	var zero T
	if len(s) != 36 {
		return zero, ErrID
	}
	u, err := uuid.Parse(s)
	if err != nil || u == uuid.Nil || u.String() != s {
		return zero, ErrID
	}
	return T(ID[K]{b: u}), nil
}

// ParseVaultID reads a vault id.
func ParseVaultID(s string) (VaultID, error) { return Parse[VaultID](s) }

// Bytes returns the 16 bytes.
func (id ID[K]) Bytes() [16]byte { return id.b }

// IsZero reports whether the id was never set.
func (id ID[K]) IsZero() bool { return id.b == [16]byte{} }

// String returns the canonical text form.
func (id ID[K]) String() string { return uuid.UUID(id.b).String() }

// MarshalText implements [encoding.TextMarshaler].
func (id ID[K]) MarshalText() ([]byte, error) { return uuid.UUID(id.b).MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler]; it is as strict as [Parse].
func (id *ID[K]) UnmarshalText(text []byte) error {
	parsed, err := Parse[ID[K]](string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// UUIDValue lets pgx send the id as a uuid in every protocol mode (RELIABILITY T3).
func (id ID[K]) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: id.b, Valid: !id.IsZero()}, nil
}

// TextValue lets pgx send the id where it does not know the type of a parameter (exec and simple protocol, T3).
func (id ID[K]) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: id.String(), Valid: !id.IsZero()}, nil
}

// ScanUUID lets pgx read a uuid column; null becomes the zero id.
func (id *ID[K]) ScanUUID(v pgtype.UUID) error {
	id.b = v.Bytes
	if !v.Valid {
		id.b = [16]byte{}
	}
	return nil
}

// Compare orders ids by their bytes, as PostgreSQL does: several vaults are locked in this order.
func (id ID[K]) Compare(other ID[K]) int {
	for i := range id.b {
		switch {
		case id.b[i] < other.b[i]:
			return -1
		case id.b[i] > other.b[i]:
			return 1
		}
	}
	return 0
}
