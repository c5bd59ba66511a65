package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const testType = "vidan-result+jwt"

func TestVerifyAcceptsEachAlgorithmOnBothPaths(t *testing.T) {
	t.Parallel()
	for _, alg := range algorithms {
		s := newSender(t, alg, "k1")
		v := NewVerifier(10)
		for i := range 3 {
			want := fmt.Sprintf(`{"n":%d}`, i)
			payload, kid, err := v.Verify(s.raw(t, text(t, map[string]any{"alg": alg, "kid": "k1", "typ": testType}), []byte(want)), only(s.key(t)), testType)
			if err != nil || kid != "k1" || string(payload) != want {
				t.Errorf("%s message %d: %q %q %v", alg, i, payload, kid, err)
			}
		}
		if n := v.headers.EstimatedSize(); n != 1 {
			t.Errorf("%s: %d headers remembered, want 1", alg, n)
		}
	}
}

// Each row is one way to slip a message past the check (RFC 8725 §2), tried on a fresh verifier and on one that knows the good header.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	s, other := newSender(t, jose.ES256, "k1"), newSender(t, jose.ES256, "k1")
	payload := []byte(`{"n":1}`)
	good := s.message(t, testType, map[string]int{"n": 1})
	parts := strings.Split(good, ".")
	plain := func(header string) string { return s.raw(t, header, payload) }
	b64 := base64.RawURLEncoding.EncodeToString
	withMAC := func() string {
		input := b64([]byte(`{"alg":"HS256","kid":"k1","typ":"`+testType+`"}`)) + "." + b64(payload)
		mac := hmac.New(sha256.New, s.public(t))
		mac.Write([]byte(input))
		return input + "." + b64(mac.Sum(nil))
	}
	rows := []struct {
		name, message string
		want          error
	}{
		{"alg none", b64([]byte(`{"alg":"none","kid":"k1","typ":"`+testType+`"}`)) + "." + parts[1] + ".", ErrMalformed},
		{"alg none with a signature", plain(`{"alg":"none","kid":"k1","typ":"` + testType + `"}`), ErrMalformed},
		{"HMAC with the public key", withMAC(), ErrMalformed},
		{"algorithm of another key type", plain(`{"alg":"EdDSA","kid":"k1","typ":"` + testType + `"}`), ErrSignature},
		{"algorithm not allowed", plain(`{"alg":"ES384","kid":"k1","typ":"` + testType + `"}`), ErrMalformed},
		{"embedded key", other.raw(t, `{"alg":"ES256","typ":"`+testType+`","jwk":`+string(other.bare(t))+`}`, payload), ErrMalformed},
		{"embedded key beside the kid", other.raw(t, `{"alg":"ES256","kid":"k1","typ":"`+testType+`","jwk":`+string(other.bare(t))+`}`, payload), ErrMalformed},
		{"key by URL", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","jku":"https://attacker.example/keys"}`), ErrMalformed},
		{"certificate", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","x5c":[]}`), ErrMalformed},
		{"crit", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","crit":["b64"],"b64":true}`), ErrMalformed},
		{"crit null", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","crit":null}`), ErrMalformed},
		{"b64 false", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","b64":false,"crit":["b64"]}`), ErrMalformed},
		{"unknown member", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","x":1}`), ErrMalformed},
		{"repeated member", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `","alg":"ES256"}`), ErrMalformed},
		{"other case", plain(`{"Alg":"ES256","kid":"k1","typ":"` + testType + `"}`), ErrMalformed},
		{"no typ", plain(`{"alg":"ES256","kid":"k1"}`), ErrType},
		{"empty typ", plain(`{"alg":"ES256","kid":"k1","typ":""}`), ErrMalformed},
		{"typ a number", plain(`{"alg":"ES256","kid":"k1","typ":1}`), ErrMalformed},
		{"another typ", plain(`{"alg":"ES256","kid":"k1","typ":"at+jwt"}`), ErrType},
		{"no kid", plain(`{"alg":"ES256","typ":"` + testType + `"}`), ErrMalformed},
		{"empty kid", plain(`{"alg":"ES256","kid":"","typ":"` + testType + `"}`), ErrMalformed},
		{"kid null", plain(`{"alg":"ES256","kid":null,"typ":"` + testType + `"}`), ErrMalformed},
		{"kid a path", plain(`{"alg":"ES256","kid":"../../k1","typ":"` + testType + `"}`), ErrUnknownKey},
		{"another's signature", other.message(t, testType, map[string]int{"n": 1}), ErrSignature},
		{"payload changed", flip(t, good, 1, 5), ErrSignature},
		{"signature changed", flip(t, good, 2, 9), ErrSignature},
		{"signature in DER", parts[0] + "." + parts[1] + "." + b64(der(t, s, parts[0]+"."+parts[1])), ErrSignature},
		{"signature of zeros", parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), ErrSignature},
		{"signature missing", parts[0] + "." + parts[1] + ".", ErrMalformed},
		{"two segments", parts[0] + "." + parts[1], ErrMalformed},
		{"four segments", good + ".e30", ErrMalformed},
		{"detached payload", parts[0] + ".." + parts[2], ErrMalformed},
		{"line break inside", parts[0] + "." + parts[1][:3] + "\n" + parts[1][3:] + "." + parts[2], ErrMalformed},
		{"padding", parts[0] + "." + parts[1] + "=." + parts[2], ErrMalformed},
		{"standard alphabet", parts[0] + "." + parts[1] + "." + base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 64))), ErrMalformed},
		{"JSON serialization", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, ErrMalformed},
		{"payload not UTF-8", s.raw(t, `{"alg":"ES256","kid":"k1","typ":"`+testType+`"}`, []byte("{\"a\":\"\xff\"}")), ErrMalformed},
		{"header not UTF-8", plain("{\"alg\":\"ES256\",\"kid\":\"k1\xff\",\"typ\":\"" + testType + "\"}"), ErrMalformed},
		{"header after data", plain(`{"alg":"ES256","kid":"k1","typ":"` + testType + `"} {}`), ErrMalformed},
		{"header too long", plain(`{"alg":"ES256","typ":"` + testType + `","kid":"` + strings.Repeat("k", maxHeader) + `"}`), ErrMalformed},
		{"too long", parts[0] + "." + strings.Repeat("A", maxCompact) + "." + parts[2], ErrMalformed},
		{"empty", "", ErrMalformed},
	}
	warm := NewVerifier(100)
	if _, _, err := warm.Verify(good, only(s.key(t)), testType); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for name, v := range map[string]*Verifier{"first": NewVerifier(10), "later": warm} {
			if _, _, err := v.Verify(row.message, only(s.key(t)), testType); !errors.Is(err, row.want) {
				t.Errorf("%s (%s): %v, want %v", row.name, name, err, row.want)
			}
		}
	}
	if n := warm.headers.EstimatedSize(); n != 1 {
		t.Errorf("refused messages left %d headers", n-1)
	}
}

// der re-signs input the way X.509 would encode it.
func der(tb testing.TB, s *sender, input string) []byte {
	tb.Helper()
	digest := sha256.Sum256([]byte(input))
	sig, err := ecdsa.SignASN1(rand.Reader, s.private.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

// A header seen with an embedded key never stands for one that names a key, and the other way round.
func TestVerifyKeepsEmbeddedAndNamedApart(t *testing.T) {
	t.Parallel()
	s := newSender(t, jose.ES256, "k1")
	v := NewVerifier(10)
	proof := s.proof(t, map[string]string{"jti": "x"})
	for range 2 {
		if _, k, err := v.verify(proof, expected{typs: []string{"dpop+jwt"}}); err != nil || k.Thumbprint() != s.thumbprint(t) {
			t.Fatalf("proof: %v", err)
		}
		if _, _, err := v.Verify(proof, only(s.key(t)), "dpop+jwt"); !errors.Is(err, ErrMalformed) {
			t.Fatalf("proof taken for a named message: %v", err)
		}
	}
	named := s.message(t, "dpop+jwt", map[string]string{"jti": "x"})
	for range 2 {
		if _, _, err := v.Verify(named, only(s.key(t)), "dpop+jwt"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.verify(named, expected{typs: []string{"dpop+jwt"}}); !errors.Is(err, ErrMalformed) {
			t.Fatalf("named message taken for a proof: %v", err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	s := newSender(t, jose.ES256, "k1")
	private, _, err := NewJWK("k1")
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	marshal := func(key any) string {
		raw, err := jose.JSONWebKey{Key: key}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for name, jwk := range map[string]string{
		"private":             string(private),
		"symmetric":           `{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"RSA 1024":            marshal(&small.PublicKey),
		"P-384":               marshal(&p384.PublicKey),
		"not on the curve":    `{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`,
		"other algorithm":     strings.Replace(string(s.public(t)), `"ES256"`, `"ES384"`, 1),
		"for encryption":      strings.Replace(string(s.public(t)), `"sig"`, `"enc"`, 1),
		"certificate by URL":  strings.Replace(string(s.public(t)), `{`, `{"x5u":"https://attacker.example",`, 1),
		"repeated member":     strings.Replace(string(s.public(t)), `{`, `{"kty":"EC",`, 1),
		"member of other use": strings.Replace(string(s.public(t)), `{`, `{"d":null,`, 1),
		"no object":           `[]`,
		"empty":               ``,
	} {
		if _, err := ParseKey([]byte(jwk)); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	back, err := ParseKey(s.public(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.JWK()
	if err != nil || string(again) != string(s.public(t)) {
		t.Errorf("JWK changed on the way: %s, %v", again, err)
	}
}

// One line per rule of RFC 7519 and of the decoder.
func TestDecodeClaims(t *testing.T) {
	t.Parallel()
	type claims struct {
		window
		ID string `json:"jti"`
	}
	for body, ok := range map[string]bool{
		`{"jti":"a","iat":1700000000}`:   true,
		`{"jti":"a","iat":1.7e9}`:        true,
		`{"jti":"a","iat":1700000000.5}`: true,
		`{"jti":"a","other":{"x":[1]}}`:  true,
		`{"jti":"a","jti":"b"}`:          false,
		`{"other":1,"other":2}`:          false,
		`{"jti":1}`:                      false,
		`{"jti":"a","iat":"1700000000"}`: false,
		`{"jti":"a","iat":0}`:            false,
		`{"jti":"a","iat":-5}`:           false,
		`{"jti":"a","iat":1e300}`:        false,
		`{"jti":"a"}{}`:                  false,
		`{"jti":"a"} x`:                  false,
		` {"jti":"a"}`:                   false,
		`["jti"]`:                        false,
		`null`:                           false,
		``:                               false,
	} {
		var c claims
		if err := decodeClaims([]byte(body), &c); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestSignerWritesWhatGoJoseReads(t *testing.T) {
	t.Parallel()
	private, public, err := NewJWK("r1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := newSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // r and s are shorter than 32 bytes in every 128th signature
		compact, err := signer.Sign("vidan-receipt+jwt", []byte(`{"a":"ă"}`))
		if err != nil {
			t.Fatal(err)
		}
		message, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := message.Verify(key.public); err != nil || string(payload) != `{"a":"ă"}` {
			t.Fatalf("%q %v", payload, err)
		}
		if h := message.Signatures[0].Protected; h.KeyID != "r1" || h.ExtraHeaders[jose.HeaderType] != "vidan-receipt+jwt" || len(h.ExtraHeaders) != 1 {
			t.Fatalf("header %v", h)
		}
	}
	for _, shown := range []string{fmt.Sprint(signer), fmt.Sprintf("%#v", signer), fmt.Sprintf("%+v", struct{ S *Signer }{signer}), signer.LogValue().String()} {
		if strings.Contains(shown, signer.private.D.String()) {
			t.Error("a signer printed its private key")
		}
	}
}
