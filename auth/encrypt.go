package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// What is encrypted to a client is a JWE whose content key is agreed with its P-256 key (RFC 7518 §4.6) and whose content is under AES-GCM
// (§5.3). The client chooses between agreeing on the content key itself and on a key that wraps it.
var keyAgreements = []jose.KeyAlgorithm{jose.ECDH_ES, jose.ECDH_ES_A256KW}

const contentEncryption = jose.A256GCM

// newEncrypter reads the key a client is registered with: a public P-256 JWK for encryption, whose alg says how; ECDH-ES where it says nothing.
func newEncrypter(jwk string) (jose.Encrypter, error) {
	if err := plainJWK([]byte(jwk)); err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if key.UnmarshalJSON([]byte(jwk)) != nil {
		return nil, ErrKey
	}
	public, ok := key.Key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() || key.Use != "" && key.Use != "enc" || key.KeyID == "" || !printable(key.KeyID, maxID) {
		return nil, ErrKey
	}
	alg := jose.KeyAlgorithm(key.Algorithm)
	if alg == "" {
		alg = jose.ECDH_ES
	}
	if !slices.Contains(keyAgreements, alg) {
		return nil, ErrKey
	}
	// cty says that a JWT is inside (RFC 7519 §5.2).
	options := new(jose.EncrypterOptions).WithContentType("JWT").WithType("JWT")
	encrypter, err := jose.NewEncrypter(contentEncryption, jose.Recipient{Algorithm: alg, Key: public, KeyID: key.KeyID}, options)
	if err != nil {
		return nil, ErrKey
	}
	return encrypter, nil
}

// encrypt encrypts a signed message to the key of a client.
func encrypt(jwk, signed string) (string, error) {
	encrypter, err := newEncrypter(jwk)
	if err != nil {
		return "", err
	}
	message, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	return message.CompactSerialize()
}
