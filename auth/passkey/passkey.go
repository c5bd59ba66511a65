// Package passkey is what this service needs of WebAuthn and nothing else: it promises that an answer of an authenticator is accepted only for
// the challenge it was asked with, from this site, by the key that was registered, after the authenticator verified its user.
//
// The formats are easy to read wrongly and the library that reads them is young. So this package is an interface and its words, and the library
// stands behind it in a package of its own; whatever takes its place passes the same tests. Nothing here keeps anything or reads a clock: a
// challenge is its caller's, who uses it once (W3C Web Authentication Level 3, §7.1, §7.2).
//
//	Y1  origin and relying party are those of the issuer, never those of a request
//	Y2  the user was verified by the authenticator: a passkey is two factors or it is refused
//	Y3  the signature counter of a key never goes back; one that does is a copy of the key
//	Y4  no attestation is asked for, so that no maker or model of a phone is known here
//	Y5  whatever bytes arrive, the answer is a credential or an error of this package, never a panic and never a detail of the input
//
// Not here: whose key it is, where it is stored, what it is worth (package auth).
package passkey

import "errors"

var (
	// ErrIssuer reports an issuer that browsers make no passkeys for: its host is an address, not a name.
	ErrIssuer = errors.New("passkey: the issuer has no domain name")
	// ErrResponse reports bytes that are not the answer of an authenticator.
	ErrResponse = errors.New("passkey: not an answer of an authenticator")
	// ErrRefused reports an answer that is not good: another challenge, site or key, no user verified, a wrong signature.
	ErrRefused = errors.New("passkey: answer refused")
	// ErrCopied reports an answer that is right but for its counter, which did not go forward: somebody has a copy of the key.
	ErrCopied = errors.New("passkey: counter did not go forward")
)

// Bounds of what arrives, in bytes.
const (
	MaxResponse = 12 << 10
	MaxID       = 1023 // WebAuthn §4, credential id
	MaxHandle   = 64   // WebAuthn §4, user handle
)

// Credential is a registered key.
type Credential struct {
	ID             []byte // as the authenticator knows it, up to [MaxID] bytes
	PublicKey      []byte // COSE_Key
	Counter        uint32 // 0 where the authenticator has none, as synchronised ones do
	BackupEligible bool   // fixed when the key was made
	BackedUp       bool   // synchronised now
}

// Answer is the answer of an authenticator that was read and not verified.
type Answer struct {
	ID     []byte // which key it says it is by
	Handle []byte // whose it says it is
	Raw    []byte
}

// Party is the relying party: this service under its issuer. It is safe for concurrent use.
type Party interface {
	// CreationOptions returns, as JSON for navigator.credentials.create, what a browser needs to make a key. name is what the authenticator
	// shows for it; held are the ids of keys that are registered already.
	CreationOptions(challenge, handle []byte, name string, held [][]byte) ([]byte, error)
	// Register checks the answer to CreationOptions (§7.1) and returns the new key. Errors: [ErrResponse], [ErrRefused].
	Register(challenge, handle, response []byte) (Credential, error)
	// RequestOptions returns, as JSON for navigator.credentials.get, what a browser needs to ask for a key of this site, whosever it is.
	RequestOptions(challenge []byte) ([]byte, error)
	// Read reads the answer to RequestOptions. Errors: [ErrResponse].
	Read(response []byte) (Answer, error)
	// Verify checks an answer (§7.2) against the key that is registered under its id for the person with this handle, and returns the key with
	// its new counter and backup state. Errors: [ErrRefused], [ErrCopied].
	Verify(a Answer, challenge, handle []byte, key Credential) (Credential, error)
}
