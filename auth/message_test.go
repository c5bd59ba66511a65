package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// sender is somebody outside with a key: it signs what an agency, an app or an attacker would.
type sender struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
	kid     string
}

func newSender(tb testing.TB, alg jose.SignatureAlgorithm, kid string) *sender {
	tb.Helper()
	s := &sender{alg: alg, kid: kid}
	var err error
	switch alg {
	case jose.ES256:
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	case jose.PS256:
		s.private, err = rsaKey()
	}
	if err != nil || s.private == nil {
		tb.Fatalf("new %s key: %v", alg, err)
	}
	return s
}

// rsaKey is drawn once: a search for primes takes longer than every other step of these tests together.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, minRSABits) })

// public is the JWK the sender registers.
func (s *sender) public(tb testing.TB) []byte {
	tb.Helper()
	raw, err := jose.JSONWebKey{Key: s.private.Public(), KeyID: s.kid, Algorithm: string(s.alg), Use: "sig"}.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// key is the same as the service knows it.
func (s *sender) key(tb testing.TB) *Key {
	tb.Helper()
	k, err := ParseKey(s.public(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// bare is the JWK without metadata, for a proof's header.
func (s *sender) bare(tb testing.TB) json.RawMessage {
	tb.Helper()
	raw, err := jose.JSONWebKey{Key: s.private.Public()}.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func (s *sender) thumbprint(tb testing.TB) string { return s.key(tb).Thumbprint() }

// raw signs any header over any payload, well-formed or not.
func (s *sender) raw(tb testing.TB, header string, payload []byte) string {
	tb.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(s.signature(tb, []byte(input)))
}

func (s *sender) signature(tb testing.TB, input []byte) []byte {
	tb.Helper()
	digest := func() []byte { h := crypto.SHA256.New(); h.Write(input); return h.Sum(nil) }
	var out []byte
	var err error
	switch private := s.private.(type) {
	case *ecdsa.PrivateKey:
		r, t, signErr := ecdsa.Sign(rand.Reader, private, digest())
		if signErr != nil {
			tb.Fatal(signErr)
		}
		out = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		out = ed25519.Sign(private, input)
	case *rsa.PrivateKey:
		out, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest(), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// message signs claims under the kid of the sender.
func (s *sender) message(tb testing.TB, typ string, claims any) string {
	tb.Helper()
	header := map[string]any{"alg": s.alg, "kid": s.kid, "typ": typ}
	if typ == "" {
		delete(header, "typ")
	}
	return s.raw(tb, text(tb, header), []byte(text(tb, claims)))
}

// proof signs claims with the key embedded, as DPoP wants it.
func (s *sender) proof(tb testing.TB, claims any) string {
	tb.Helper()
	return s.raw(tb, text(tb, map[string]any{"alg": s.alg, "typ": "dpop+jwt", "jwk": s.bare(tb)}), []byte(text(tb, claims)))
}

func text(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// only is a lookup that knows one key.
func only(k *Key) KeyLookup {
	return func(kid string) (*Key, error) {
		if kid != k.KID() {
			return nil, ErrUnknownKey
		}
		return k, nil
	}
}

// flip changes one bit of a byte of a segment so that it still decodes.
func flip(tb testing.TB, compact string, segment, at int) string {
	tb.Helper()
	parts := strings.Split(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[segment])
	if err != nil {
		tb.Fatal(err)
	}
	raw[at%len(raw)] ^= 1
	parts[segment] = base64.RawURLEncoding.EncodeToString(raw)
	return strings.Join(parts, ".")
}
