package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs messages of the deployment with one ES256 key. It is built once per key and safe for concurrent use.
type Signer struct {
	key     *Key
	private *ecdsa.PrivateKey
	headers sync.Map // typ → protected-header segment, written by go-jose the first time
}

// newSigner returns the signer of a private P-256 JWK.
func newSigner(jwk []byte) (*Signer, error) {
	var parsed jose.JSONWebKey
	if parsed.UnmarshalJSON(jwk) != nil {
		return nil, ErrKey
	}
	private, ok := parsed.Key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() || parsed.KeyID == "" {
		return nil, ErrKey
	}
	public := parsed.Public()
	key, err := publicKey(&public)
	if err != nil {
		return nil, err
	}
	return &Signer{key: key, private: private}, nil
}

// Key returns the public key that verifies what the signer signs.
func (s *Signer) Key() *Key { return s.key }

// Sign returns payload as a compact JWS whose protected header is alg, kid and typ. typ is one of a few constants of the caller.
func (s *Signer) Sign(typ string, payload []byte) (string, error) {
	segment, err := s.header(typ)
	if err != nil {
		return "", err
	}
	encoding := base64.RawURLEncoding
	message := make([]byte, 0, len(segment)+2+encoding.EncodedLen(len(payload))+encoding.EncodedLen(64))
	message = append(append(message, segment...), '.')
	message = encoding.AppendEncode(message, payload)
	digest := sha256.Sum256(message)
	r, t, err := ecdsa.Sign(rand.Reader, s.private, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign %s with key %s: %w", typ, s.key.kid, err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return string(encoding.AppendEncode(append(message, '.'), signature[:])), nil
}

// header returns the protected-header segment for a typ.
func (s *Signer) header(typ string) (string, error) {
	if segment, ok := s.headers.Load(typ); ok {
		return segment.(string), nil
	}
	options := new(jose.SignerOptions).WithType(jose.ContentType(typ))
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.private, KeyID: s.key.kid}}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("header of %s: %w", typ, err)
	}
	message, err := signer.Sign([]byte("{}"))
	if err != nil {
		return "", fmt.Errorf("header of %s: %w", typ, err)
	}
	compact, err := message.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("header of %s: %w", typ, err)
	}
	segment, _, _ := strings.Cut(compact, ".")
	s.headers.Store(typ, segment)
	return segment, nil
}

// String shows the kid alone: a signer holds a private key (S5).
func (s *Signer) String() string { return "signer " + s.key.kid }

// GoString shows the kid alone in %#v.
func (s *Signer) GoString() string { return s.String() }

// LogValue shows the kid alone in slog.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }
