package auth

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/maypok86/otter/v2"
)

// What can be wrong with a signed message. Each says which check failed, none says anything of the content.
var (
	// ErrMalformed reports a message that is not a compact JWS with exactly the header members it must have.
	ErrMalformed = errors.New("auth: not a compact JWS of the expected form")
	// ErrType reports a message of another kind: its typ is not the one asked for.
	ErrType = errors.New("auth: message of another type")
	// ErrUnknownKey reports a kid that names no key of the sender.
	ErrUnknownKey = errors.New("auth: unknown key")
	// ErrSignature reports a signature that does not verify, or an algorithm that is not the key's.
	ErrSignature = errors.New("auth: signature does not verify")
)

// messageFault returns as for what is wrong with a message itself, and every other error (of the database) as it is.
func messageFault(err, as error) error {
	for _, fault := range []error{ErrMalformed, ErrType, ErrUnknownKey, ErrSignature} {
		if errors.Is(err, fault) {
			return as
		}
	}
	return err
}

// Bounds on what is decoded, in bytes of its text form.
const (
	maxHeader  = 4 << 10 // a protected header with an RSA-4096 key needs about 1 KiB
	maxCompact = 1 << 20 // a result: 256 KiB of payload, base64, and its frame
)

// Verifier verifies compact JWS (RFC 7515 §7.1). The first message with a given protected-header segment is read by
// go-jose, later ones with the same segment are verified with the standard library directly: a sender's header is
// constant, and parsing it again costs a fifth of the verification. Both paths give one verdict (FuzzPaths).
//
// What is remembered is how a header reads, never that a message was valid. A Verifier is safe for concurrent use.
type Verifier struct {
	headers *otter.Cache[string, *header]
}

// header is what a protected-header segment says.
type header struct {
	alg jose.SignatureAlgorithm
	kid string // empty when the key is embedded
	typ string
	key *Key // the embedded key (RFC 9449 §4.2), else nil
}

// NewVerifier returns a verifier that remembers at most size header segments.
func NewVerifier(size int) *Verifier {
	return &Verifier{headers: otter.Must(&otter.Options[string, *header]{MaximumSize: size})}
}

// Verify checks a message whose protected header is exactly alg, kid and typ, and returns its payload bytes and the kid of
// the key that signed it. Errors are [ErrMalformed], [ErrType], [ErrUnknownKey], [ErrSignature], or what keys returned.
func (v *Verifier) Verify(compact string, keys KeyLookup, typ string) (payload []byte, kid string, err error) {
	payload, key, err := v.verify(compact, expected{typs: []string{typ}, keys: keys})
	if err != nil {
		return nil, "", err
	}
	return payload, key.kid, nil
}

// expected is what a message must be: one of the types, signed by a key that keys knows, or, without keys, by the key it embeds.
type expected struct {
	typs []string // "" among them: typ may be absent
	keys KeyLookup
}

// names returns the header members a message must have; typ is left out when it may be absent.
func (e expected) names() []string {
	if e.keys == nil {
		return []string{"alg", "jwk"}
	}
	return []string{"alg", "kid"}
}

func (v *Verifier) verify(compact string, e expected) ([]byte, *Key, error) {
	segment, rest, ok := strings.Cut(compact, ".")
	if !ok || len(segment) > maxHeader || len(compact) > maxCompact || strings.ContainsAny(compact, "\r\n") {
		return nil, nil, ErrMalformed
	}
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || body == "" || signature == "" {
		return nil, nil, ErrMalformed
	}
	// Strict decoding leaves one text form per message; go-jose alone would accept several.
	payload, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || !utf8.Valid(payload) {
		return nil, nil, ErrMalformed
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return nil, nil, ErrMalformed
	}
	if h, known := v.headers.GetIfPresent(segment); known {
		key, err := h.accept(e)
		if err != nil {
			return nil, nil, err
		}
		if !key.verify([]byte(compact[:len(segment)+1+len(body)]), sig) {
			return nil, nil, ErrSignature
		}
		return payload, key, nil
	}
	h, key, err := first(compact, segment, e)
	if err != nil {
		return nil, nil, err
	}
	v.headers.Set(strings.Clone(segment), h) // the clone lets the message go
	return payload, key, nil
}

// accept returns the key to verify with, if a message with this header may be what is expected.
func (h *header) accept(e expected) (*Key, error) {
	if (h.key != nil) != (e.keys == nil) {
		return nil, ErrMalformed
	}
	if !slices.Contains(e.typs, h.typ) {
		return nil, ErrType
	}
	if h.key != nil {
		return h.key, nil
	}
	key, err := e.keys(h.kid)
	if err != nil {
		return nil, err
	}
	if key.alg != h.alg {
		return nil, ErrSignature
	}
	return key, nil
}

// first reads and verifies a message whose header has not been seen: go-jose does both.
func first(compact, segment string, e expected) (*header, *Key, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil || !utf8.Valid(raw) {
		return nil, nil, ErrMalformed
	}
	var members map[string]*json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, nil, ErrMalformed
	}
	want := e.names()
	if _, ok := members["typ"]; ok {
		want = append(want, "typ")
	}
	if len(members) != len(want) {
		return nil, nil, ErrMalformed
	}
	for _, name := range want {
		if members[name] == nil {
			return nil, nil, ErrMalformed
		}
	}
	if e.keys == nil && plainJWK(*members["jwk"]) != nil {
		return nil, nil, ErrMalformed
	}
	message, err := jose.ParseSignedCompact(compact, algorithms)
	if err != nil {
		return nil, nil, ErrMalformed
	}
	protected := message.Signatures[0].Protected
	h := &header{alg: jose.SignatureAlgorithm(protected.Algorithm), kid: protected.KeyID}
	if members["typ"] != nil {
		typ, ok := protected.ExtraHeaders[jose.HeaderType].(string)
		if !ok || typ == "" {
			return nil, nil, ErrMalformed
		}
		h.typ = typ
	}
	switch {
	case e.keys != nil:
		if h.kid == "" {
			return nil, nil, ErrMalformed
		}
	default:
		if h.key, err = publicKey(protected.JSONWebKey); err != nil || h.key.alg != h.alg {
			return nil, nil, ErrMalformed
		}
	}
	key, err := h.accept(e)
	if err != nil {
		return nil, nil, err
	}
	if _, err := message.Verify(key.public); err != nil {
		return nil, nil, ErrSignature
	}
	return h, key, nil
}
