package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// proofType is the typ of a DPoP proof (RFC 9449 §4.2).
const proofType = "dpop+jwt"

// proofWindow is how far iat of a proof without a nonce may lie from the clock, either way (RFC 9449 §11.1).
const proofWindow = 60 * time.Second

// proof is a DPoP proof that has been verified: the key it was made with, and its name in proof_ids.
type proof struct {
	jkt   string
	id    proofID
	aging bool // it carries a nonce that is not the newest
}

type proofClaims struct {
	window
	Nonce     string `json:"nonce"`
	ID        string `json:"jti"`
	Method    string `json:"htm"`
	URI       string `json:"htu"`
	TokenHash string `json:"ath"`
}

// checkProof verifies the one DPoP header of a request (RFC 9449 §4.3) of a client of a profile. tokenHash is the ath it must carry; empty
// where no access token is presented. That the proof is used for the first time is decided by inserting its id, not here. Errors:
// [ErrProof]; [ErrNonce] when everything is right but how fresh it is.
func (s *Server) checkProof(r *http.Request, tokenHash string, p Profile, now time.Time) (proof, error) {
	header := r.Header.Values("DPoP")
	if len(header) != 1 || len(header[0]) > maxProof {
		return proof{}, ErrProof
	}
	payload, key, err := s.verifier.verify(header[0], expected{typs: []string{proofType}})
	if err != nil {
		return proof{}, ErrProof
	}
	var c proofClaims
	if decodeClaims(payload, &c) != nil || c.ID == "" || len(c.ID) > maxID || c.IssuedAt == 0 {
		return proof{}, ErrProof
	}
	if c.Method != r.Method || !s.sameURI(c.URI, r.URL) || c.TokenHash != tokenHash {
		return proof{}, ErrProof
	}
	until, err := s.nonces.fresh(&c, p, now)
	if err != nil {
		return proof{}, err
	}
	return proof{
		jkt: key.thumb, id: newProofID("dpop", key.thumb, c.ID, until), aging: c.Nonce != "" && c.Nonce != s.nonces.at(now).header[0],
	}, nil
}

// sameURI compares htu with where the request went, as the outside sees it: scheme and authority are those of the issuer,
// never those of a Host header; query and fragment are set aside on both sides (RFC 9449 §4.3).
func (s *Server) sameURI(htu string, at *url.URL) bool {
	path := at.EscapedPath()
	if rest, ok := strings.CutPrefix(htu, s.issuer); ok && rest == path {
		return true
	}
	u, err := url.Parse(htu)
	if err != nil || u.Opaque != "" || u.User != nil {
		return false
	}
	return origin(u) == s.origin && u.EscapedPath() == path
}

// origin is scheme, host and port in one spelling (RFC 3986 §6.2.2, §6.2.3).
func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// hashToken returns SHA-256 of a token and the ath that proofs made with it carry (RFC 9449 §4.2).
func hashToken(token string) (sum [sha256.Size]byte, ath string) {
	sum = sha256.Sum256([]byte(token))
	return sum, base64.RawURLEncoding.EncodeToString(sum[:])
}
