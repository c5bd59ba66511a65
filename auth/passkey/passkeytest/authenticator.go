// Package passkeytest is a phone's authenticator for tests: it promises to answer as WebAuthn says, or to misbehave in the one way it is told to.
// No binary may reach it.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Flags of authenticator data (WebAuthn §6.1).
const (
	Present  = 0x01
	Verified = 0x04
	Eligible = 0x08
	BackedUp = 0x10

	attested = 0x40
)

// Authenticator makes one key for a site and signs with it.
type Authenticator struct {
	Key     *ecdsa.PrivateKey
	ID      []byte
	Handle  []byte // given by the site when the key was made
	Counter uint32
	Flags   byte // beside presence and verification
	Without byte // flags that it leaves out
	Origin  string
	RP      string
	Type    string // of the client data; empty: the right one

	t testing.TB
}

// New makes an authenticator in a browser at an origin.
func New(t testing.TB, origin, rp string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &Authenticator{t: t, Key: key, ID: id, Origin: origin, RP: rp}
}

// Base64 is the encoding of bytes in JSON.
func Base64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *Authenticator) cbor(v any) []byte {
	a.t.Helper()
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func (a *Authenticator) json(v any) []byte {
	a.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func (a *Authenticator) clientData(typ, challenge string) []byte {
	if a.Type != "" {
		typ = a.Type
	}
	return a.json(map[string]any{"type": typ, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
}

// data is authenticator data.
func (a *Authenticator) data(flags byte, key []byte) []byte {
	rp := sha256.Sum256([]byte(a.RP))
	out := append(rp[:], (flags|Present|Verified|a.Flags)&^a.Without)
	return append(binary.BigEndian.AppendUint32(out, a.Counter), key...)
}

// COSE is the public key as COSE_Key (RFC 9053 §7.1): EC2, ES256, P-256.
func (a *Authenticator) COSE() []byte {
	a.t.Helper()
	point, err := a.Key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	return a.cbor(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
}

// Options are what a site asks, as far as an authenticator reads it.
type Options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"user"`
	Attestation      string `json:"attestation"`
	UserVerification string `json:"userVerification"`
	Selection        struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Exclude []struct {
		ID string `json:"id"`
	} `json:"excludeCredentials"`
	Allow []any `json:"allowCredentials"`
}

// Read reads what a site asks.
func (a *Authenticator) Read(raw []byte) Options {
	a.t.Helper()
	var o Options
	if err := json.Unmarshal(raw, &o); err != nil {
		a.t.Fatal(err)
	}
	return o
}

// Challenge is the challenge of what a site asks.
func (a *Authenticator) Challenge(raw []byte) []byte {
	a.t.Helper()
	challenge, err := base64.RawURLEncoding.DecodeString(a.Read(raw).Challenge)
	if err != nil {
		a.t.Fatal(err)
	}
	return challenge
}

// Create answers navigator.credentials.create.
func (a *Authenticator) Create(raw []byte) []byte {
	a.t.Helper()
	o := a.Read(raw)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Handle = handle
	key := binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(a.ID)))
	key = append(append(key, a.ID...), a.COSE()...)
	object := a.cbor(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(attested, key)})
	return a.json(map[string]any{
		"id": Base64(a.ID), "rawId": Base64(a.ID), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": Base64(a.clientData("webauthn.create", o.Challenge)), "attestationObject": Base64(object)},
	})
}

// Get answers navigator.credentials.get.
func (a *Authenticator) Get(raw []byte) []byte {
	a.t.Helper()
	o := a.Read(raw)
	data, client := a.data(0, nil), a.clientData("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte(nil), data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.Key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.json(map[string]any{
		"id": Base64(a.ID), "rawId": Base64(a.ID), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{
			"clientDataJSON": Base64(client), "authenticatorData": Base64(data), "signature": Base64(signature), "userHandle": Base64(a.Handle),
		},
	})
}
