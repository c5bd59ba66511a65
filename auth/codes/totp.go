package codes

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"vidan/identity"
)

const (
	// SecretLength is how many bytes a secret has: those of SHA-1, which every display computes (RFC 4226 §4, R6; RFC 6238 §5.1).
	SecretLength = 20
	// Period is one time step (RFC 6238 §4.1).
	Period = 30 * time.Second

	drift = 1 // steps to either side
)

// Secret is what a code display and the service share. It prints masked. The zero value matches nothing.
type Secret struct{ base32 identity.Private }

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret draws a secret.
func NewSecret() Secret {
	var b [SecretLength]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return secretOf(b[:])
}

// ReadSecret takes up a secret from its bytes. Errors: [ErrCode] for another length.
func ReadSecret(b []byte) (Secret, error) {
	if len(b) != SecretLength {
		return Secret{}, ErrCode
	}
	return secretOf(b), nil
}

func secretOf(b []byte) Secret { return Secret{identity.NewPrivate(encoding.EncodeToString(b))} }

// Bytes returns the secret to be sealed.
func (s Secret) Bytes() []byte {
	b, err := encoding.DecodeString(s.base32.Reveal())
	if err != nil {
		panic("codes: a secret does not decode") // it was encoded here
	}
	return b
}

// Equal compares two secrets in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.base32.Reveal()), []byte(other.base32.Reveal())) == 1
}

// URI is what a code display reads, from a picture or typed in: issuer and label are shown in it. It is shown to the person once (K3).
func (s Secret) URI(issuer, label string) string {
	query := url.Values{
		"secret": {s.base32.Reveal()}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {fmt.Sprint(Digits)}, "period": {fmt.Sprint(int(Period.Seconds()))},
	}
	// Displays read %20, not +, as a space.
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + label, RawQuery: spaced(query.Encode())}
	return u.String()
}

func spaced(query string) string {
	out := make([]byte, 0, len(query))
	for _, c := range []byte(query) {
		if c == '+' {
			out = append(out, "%20"...)
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

// Step is the time step of a moment.
func Step(at time.Time) int64 { return at.Unix() / int64(Period.Seconds()) }

// Match returns the time step, later than used, whose code this is at the moment given. All steps are computed and compared whatever is found.
func (s Secret) Match(code Code, at time.Time, used int64) (step int64, ok bool) {
	if s.base32.IsZero() || code.IsZero() {
		return 0, false
	}
	now := Step(at)
	for candidate := now - drift; candidate <= now+drift; candidate++ {
		want, err := s.at(candidate)
		right := err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code.Reveal())) == 1
		if right && candidate > used {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// at is the code of a step: HOTP of its number (RFC 6238 §4.2).
func (s Secret) at(step int64) (string, error) {
	if step < 0 {
		return "", ErrCode
	}
	return hotp.GenerateCodeCustom(s.base32.Reveal(), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
}
