package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"vidan/identity"
)

var (
	// ErrPassphrase reports a passphrase that may not be chosen: too short, too long, or too easy to guess.
	ErrPassphrase = errors.New("auth: not a passphrase")
	// ErrBusy reports that too many passphrases are being checked at once; it is over in seconds.
	ErrBusy = errors.New("auth: too many sign-ins at once")
	// errHash reports a stored hash of another form; its row was not written by this package.
	errHash = errors.New("auth: not a hash of a passphrase")
)

// Bounds of a passphrase in characters (NIST SP 800-63B-4 §3.1.1.2: long, no rules of composition).
const (
	minPassphrase  = 10
	maxPassphrase  = 128
	leastDifferent = 5 // characters: "1111111111" and "abababab…" are tried first by whoever guesses
)

// Passphrase is what a person knows, in the one form in which it is hashed. It prints masked.
type Passphrase struct{ identity.Private }

// typedPassphrase reads what was typed at sign-in. Any text is one; keyboards that compose Vietnamese letters differently type the same
// (RFC 8265 §4.2.2: NFC, every space is a space).
func typedPassphrase(s string) (Passphrase, bool) {
	if s == "" || len(s) > 4*maxPassphrase || !utf8.ValidString(s) {
		return Passphrase{}, false
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s)
	return Passphrase{identity.NewPrivate(norm.NFC.String(s))}, true
}

// NewPassphrase reads a passphrase that is being chosen: 10 to 128 characters, at least five of them different, without the person's own
// number. Errors: [ErrPassphrase].
func NewPassphrase(s string, number identity.PersonalNumber) (Passphrase, error) {
	p, ok := typedPassphrase(s)
	if !ok {
		return Passphrase{}, ErrPassphrase
	}
	text := p.Reveal()
	different := map[rune]bool{}
	for _, r := range text {
		if unicode.IsControl(r) {
			return Passphrase{}, ErrPassphrase
		}
		different[unicode.ToLower(r)] = true
	}
	length := utf8.RuneCountInString(text)
	switch {
	case length < minPassphrase, length > maxPassphrase, len(different) < leastDifferent, strings.TrimSpace(text) != text:
		return Passphrase{}, ErrPassphrase
	case !number.IsZero() && strings.Contains(strings.ReplaceAll(text, " ", ""), number.Reveal()):
		return Passphrase{}, ErrPassphrase
	case strings.Contains("0123456789012345678901234567890", text), strings.Contains("98765432109876543210", text):
		return Passphrase{}, ErrPassphrase
	}
	return p, nil
}

// argon2id as DESIGN §10: 19 MiB, two passes, one lane (RFC 9106 §4, OWASP's least). Stored hashes with other parameters within
// the bounds are still checked, so that the parameters can be raised.
const (
	hashMemory = 19 << 10 // KiB
	hashPasses = 2
	hashLanes  = 1
	saltLength = 16
	hashLength = 32

	mostMemory = 64 << 10
	mostPasses = 8
	hashWait   = 2 * time.Second
)

// hasher computes argon2id for at most as many callers at once as it has seats: memory stays bounded however many sign in
// (RELIABILITY T15).
type hasher struct {
	seats chan struct{}
	dummy string // the hash of a passphrase that nobody knows: what an unknown person's is compared with
}

func newHasher(seats int) *hasher {
	h := &hasher{seats: make(chan struct{}, max(seats, 1))}
	var drawn [saltLength + hashLength]byte
	_, _ = rand.Read(drawn[:]) // never fails (crypto/rand)
	h.dummy = phc(drawn[:saltLength], drawn[saltLength:])
	return h
}

// sit waits for a seat, not for long: whoever is refused tries again, whoever waits holds memory and a connection.
func (h *hasher) sit(ctx context.Context) error {
	wait := time.NewTimer(hashWait)
	defer wait.Stop()
	select {
	case h.seats <- struct{}{}:
		return nil
	case <-wait.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) rise() { <-h.seats }

// hash returns a passphrase as a PHC string, under a fresh salt.
func (h *hasher) hash(ctx context.Context, p Passphrase) (string, error) {
	if p.IsZero() {
		return "", ErrPassphrase
	}
	if err := h.sit(ctx); err != nil {
		return "", err
	}
	defer h.rise()
	var salt [saltLength]byte
	_, _ = rand.Read(salt[:]) // never fails (crypto/rand)
	return phc(salt[:], argon2.IDKey([]byte(p.Reveal()), salt[:], hashPasses, hashMemory, hashLanes, hashLength)), nil
}

// matches reports whether a PHC string is the hash of a passphrase. Errors: [ErrBusy], and one for a string of another form.
func (h *hasher) matches(ctx context.Context, stored string, p Passphrase) (bool, error) {
	memory, passes, salt, sum, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	if err := h.sit(ctx); err != nil {
		return false, err
	}
	defer h.rise()
	found := argon2.IDKey([]byte(p.Reveal()), salt, passes, memory, hashLanes, uint32(len(sum)))
	return subtle.ConstantTimeCompare(found, sum) == 1, nil
}

// phc writes a hash in the PHC string format.
func phc(salt, sum []byte) string {
	encoding := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes,
		encoding.EncodeToString(salt), encoding.EncodeToString(sum))
}

// parsePHC reads a hash, within the bounds of what this package would ever write.
func parsePHC(s string) (memory, passes uint32, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return 0, 0, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &memory, &passes); err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=1", memory, passes) {
		return 0, 0, nil, nil, errHash
	}
	encoding := base64.RawStdEncoding.Strict()
	salt, saltErr := encoding.DecodeString(parts[4])
	sum, sumErr := encoding.DecodeString(parts[5])
	switch {
	case saltErr != nil, sumErr != nil, len(salt) != saltLength, len(sum) != hashLength:
		return 0, 0, nil, nil, errHash
	case memory < 8<<10 || memory > mostMemory, passes < 1 || passes > mostPasses:
		return 0, 0, nil, nil, errHash
	}
	return memory, passes, salt, sum, nil
}
