package prefill

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// AnswerType is the typ of a signed answer (RFC 8725 §3.11).
const AnswerType = "vidan-prefill+jwt"

// Sign signs the claims of an answer with the prefill key and returns a compact JWS of type [AnswerType].
type Sign func(claims []byte) (jws string, err error)

// claims are what is signed of an answer: who got what for which request, every value as a salted digest. They are evidence and do not expire.
type claims struct {
	Issuer       string            `json:"iss"`
	Audience     string            `json:"aud"`
	IssuedAt     int64             `json:"iat"`
	Disclosure   string            `json:"disclosure_id"`
	Request      string            `json:"request_id"`
	Procedure    string            `json:"procedure"`
	Dossier      string            `json:"dossier"`
	Digests      map[string]string `json:"digests"`
	Missing      map[string]Reason `json:"missing"`
	RequestSHA   string            `json:"request_sha256"`
	Organisation string            `json:"organisation"`
}

const saltSize = 16

// sign salts and digests every field and signs the answer.
func (r *release) sign(a *Answer) error {
	digest := r.plan.Digest()
	c := claims{
		Issuer: r.f.d.Issuer, Audience: r.order.Client, IssuedAt: r.now.Unix(), Disclosure: a.Disclosure, Request: a.Request, Procedure: a.Procedure,
		Dossier: a.Dossier, Digests: make(map[string]string, len(a.Fields)), Missing: make(map[string]Reason, len(a.Missing)),
		RequestSHA: b64(digest[:]), Organisation: r.order.Organisation,
	}
	salts := make([]byte, saltSize*len(a.Fields))
	rand.Read(salts) // never fails: crypto/rand aborts the process first
	for i := range a.Fields {
		field, salt := &a.Fields[i], salts[i*saltSize:][:saltSize]
		field.Salt = b64(salt)
		c.Digests[field.Name] = FieldDigest(salt, field.Name, field.Answered())
	}
	for _, m := range a.Missing {
		c.Missing[m.Name] = m.Reason
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if a.Signed, err = r.f.d.Sign(raw); err != nil {
		return fmt.Errorf("sign answer: %w", err)
	}
	return nil
}

// FieldDigest is the digest of one field of a signed answer: base64url of SHA-256(salt ‖ name ‖ 0x00 ‖ text), where text is [Field.Answered]: the
// JSON of the value as answered, or of the array of the values among which the citizen has to choose.
func FieldDigest(salt []byte, name string, text json.RawMessage) string {
	b := append(make([]byte, 0, 512), salt...)
	b = append(append(b, name...), 0)
	sum := sha256.Sum256(append(b, text...))
	return b64(sum[:])
}

func b64(b []byte) string {
	var text [64]byte // enough for a digest; one allocation instead of two
	return string(base64.RawURLEncoding.AppendEncode(text[:0], b))
}
