package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// ErrKey reports a JSON Web Key outside the allow-list: another type, curve or size, a private or symmetric key,
// or members that a public signing key does not have.
var ErrKey = errors.New("auth: not an accepted public key")

// algorithms is the allow-list (FAPI 2.0 Security Profile §5.4.1). Each key is usable with exactly one of them.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256}

// RSA moduli that are accepted, in bits.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// Key is a public verification key. It fixes its algorithm: ES256 for P-256, EdDSA for Ed25519, PS256 for RSA.
type Key struct {
	kid    string
	alg    jose.SignatureAlgorithm
	public crypto.PublicKey // *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey
	thumb  string
}

// KeyLookup finds the key that a message names. A kid is only ever compared, never interpreted; an unknown one
// gives [ErrUnknownKey].
type KeyLookup func(kid string) (*Key, error)

// ParseKey reads one public JWK (RFC 7517). Only the members of its type and alg, use, kid, key_ops and ext may be present.
func ParseKey(jwk []byte) (*Key, error) {
	if err := plainJWK(jwk); err != nil {
		return nil, err
	}
	var parsed jose.JSONWebKey
	if parsed.UnmarshalJSON(jwk) != nil {
		return nil, ErrKey
	}
	return publicKey(&parsed)
}

// KID returns the name of the key among those of its owner.
func (k *Key) KID() string { return k.kid }

// Algorithm returns the one JWS algorithm the key may be used with.
func (k *Key) Algorithm() string { return string(k.alg) }

// Thumbprint returns the JWK thumbprint (RFC 7638): SHA-256, base64url.
func (k *Key) Thumbprint() string { return k.thumb }

// JWK returns the public key as JSON with alg, use and kid.
func (k *Key) JWK() ([]byte, error) {
	return jose.JSONWebKey{Key: k.public, KeyID: k.kid, Algorithm: string(k.alg), Use: "sig"}.MarshalJSON()
}

// named returns the same key under another kid: the one it is registered under.
func (k *Key) named(kid string) *Key {
	other := *k
	other.kid = kid
	return &other
}

// verify reports whether signature, as a JWS carries it, is one over input. It gives the verdict of go-jose (FuzzPaths).
func (k *Key) verify(input, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		digest := sha256.Sum256(input)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, nil) == nil
	}
	return false
}

// publicKey applies the allow-list to a key that go-jose has parsed (point on the curve, sizes of its members).
func publicKey(parsed *jose.JSONWebKey) (*Key, error) {
	k := &Key{kid: parsed.KeyID, public: parsed.Key}
	switch public := parsed.Key.(type) {
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, ErrKey
		}
		k.alg = jose.ES256
	case ed25519.PublicKey:
		k.alg = jose.EdDSA
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits || public.E != 65537 {
			return nil, ErrKey
		}
		k.alg = jose.PS256
	default:
		return nil, ErrKey
	}
	if parsed.Algorithm != "" && parsed.Algorithm != string(k.alg) || parsed.Use != "" && parsed.Use != "sig" {
		return nil, ErrKey
	}
	thumb, err := parsed.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, ErrKey
	}
	k.thumb = base64.RawURLEncoding.EncodeToString(thumb)
	return k, nil
}

// jwkMembers lists what a public JWK may carry: x5u, x5c and private members are refused unread.
var jwkMembers = []string{"kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops", "ext"}

// plainJWK refuses members beyond [jwkMembers], repeated ones and null.
func plainJWK(jwk []byte) error {
	var members map[string]*json.RawMessage
	if len(jwk) > maxHeader || json.Unmarshal(jwk, &members) != nil {
		return ErrKey
	}
	for name, value := range members {
		if value == nil || !slices.Contains(jwkMembers, name) {
			return ErrKey
		}
	}
	return nil
}

// NewJWK returns a fresh ES256 key pair under a kid, as two JSON Web Keys: what an agency or an app keeps, and what it registers.
func NewJWK(kid string) (private, public []byte, err error) {
	jwk, _, err := drawKey()
	if err != nil {
		return nil, nil, err
	}
	jwk.KeyID = kid
	if private, err = jwk.MarshalJSON(); err != nil {
		return nil, nil, err
	}
	public, err = jwk.Public().MarshalJSON()
	return private, public, err
}

// newSigningJWK is NewJWK for keys of the deployment: the kid is the thumbprint.
func newSigningJWK() (private []byte, public *Key, err error) {
	jwk, public, err := drawKey()
	if err != nil {
		return nil, nil, err
	}
	jwk.KeyID = public.thumb
	private, err = jwk.MarshalJSON()
	return private, public.named(public.thumb), err
}

func drawKey() (jose.JSONWebKey, *Key, error) {
	drawn, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, nil, err
	}
	jwk := jose.JSONWebKey{Key: drawn, Algorithm: string(jose.ES256), Use: "sig"}
	public := jwk.Public()
	key, err := publicKey(&public)
	return jwk, key, err
}
