// Package outside is an outside client: what the author of an agency's system or of the mobile app writes against
// the public API, with nothing of the server's inside. The demo, the benchmark and the end-to-end tests speak through it,
// so that they prove what a stranger would see.
//
//	O1  it imports nothing of the server: only HTTP, JOSE and the documented forms
//	O2  private keys it is given never leave it
package outside

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Key is an ES256 key with the signers a client needs, each built once.
type Key struct {
	JWK        jose.JSONWebKey
	Thumbprint string // RFC 7638, base64url

	dpop  jose.Signer
	nonce atomic.Pointer[string] // what the server wants in proofs; nil until it asks
	byID  map[string]jose.Signer
}

// NewKey makes a fresh key named kid.
func NewKey(kid string) (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return KeyOf(jose.JSONWebKey{Key: private, KeyID: kid, Algorithm: string(jose.ES256), Use: "sig"})
}

// ParseKey reads a private JWK, such as the sandbox prints.
func ParseKey(raw []byte) (*Key, error) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	return KeyOf(jwk)
}

// KeyOf wraps a private JWK.
func KeyOf(jwk jose.JSONWebKey) (*Key, error) {
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// A proof carries the bare public key (RFC 9449 §4.2): no kid, so that its header stays short.
	bare := jose.JSONWebKey{Key: jwk.Key}
	dpop, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: bare},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, err
	}
	return &Key{JWK: jwk, Thumbprint: base64.RawURLEncoding.EncodeToString(sum), dpop: dpop, byID: map[string]jose.Signer{}}, nil
}

// Public returns the public JWK as JSON.
func (k *Key) Public() json.RawMessage {
	public := k.JWK.Public()
	raw, err := public.MarshalJSON()
	if err != nil {
		panic(err) // a key that was made by KeyOf always has a public part
	}
	return raw
}

// Prepare builds the signers of the given types; afterwards the key may be used by several goroutines.
func (k *Key) Prepare(typs ...string) (*Key, error) {
	for _, typ := range typs {
		if k.byID[typ] != nil {
			continue
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.JWK}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return nil, err
		}
		k.byID[typ] = signer
	}
	return k, nil
}

// Sign returns a compact JWS of the type over the JSON of claims.
func (k *Key) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer := k.byID[typ]
	if signer == nil {
		if _, err := k.Prepare(typ); err != nil {
			return "", err
		}
		signer = k.byID[typ]
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Proof makes a DPoP proof (RFC 9449 §4) for one request; token is the access token it goes with, if any.
func (k *Key) Proof(method, uri, token string, now time.Time) (string, error) {
	claims := map[string]any{"jti": random(16), "htm": method, "htu": uri, "iat": now.Unix()}
	if nonce := k.nonce.Load(); nonce != nil {
		claims["nonce"] = *nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := k.dpop.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails (Go 1.24)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Verify checks a compact JWS of the server's against its published keys, offline, and returns the payload.
func Verify(jwks []byte, typ, compact string) ([]byte, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, err
	}
	message, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	header := message.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != typ {
		return nil, fmt.Errorf("the message is not of type %s", typ)
	}
	for _, key := range set.Key(header.KeyID) {
		if payload, err := message.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("no published key verifies the message")
}
