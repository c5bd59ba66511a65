package auth

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// The one way a client authenticates (RFC 7523 §2.2, FAPI 2.0 Security Profile §5.3.2.1).
const (
	authMethod    = "private_key_jwt"
	assertionForm = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionType = "client-authentication+jwt" // typ of newer libraries; older ones send JWT or none
	assertionLife = 5 * time.Minute
	maxAssertion  = 8 << 10
)

type assertionClaims struct {
	window
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"` // a list is refused: FAPI 2.0 wants the issuer as a string
	ID       string `json:"jti"`
}

// caller is a client that has proved itself: which key it used, and the name of its assertion in proof_ids.
type caller struct {
	client *client
	key    *clientKey
	id     proofID
}

// assertClient verifies the client assertion of a form. Whether the assertion is used for the first time, and whether client and
// key are active, is decided by the batch of the request. Faults are the token endpoint's invalid_client.
func (s *Server) assertClient(ctx context.Context, form url.Values, now time.Time) (caller, error) {
	assertion := form.Get("client_assertion")
	if form.Get("client_assertion_type") != assertionForm || assertion == "" || len(assertion) > maxAssertion {
		return caller{}, invalidClient("client_assertion of type jwt-bearer is needed")
	}
	// What is read here is believed only once the signature over the same bytes has been verified.
	claims := claimed(assertion)
	id := claims.Issuer
	if named := form.Get("client_id"); named != "" && named != id || !plainID(id) {
		return caller{}, invalidClient("client_assertion does not name the client")
	}
	c, err := s.clientOf(ctx, id)
	if err != nil {
		return caller{}, clientFault(err)
	}
	var used *clientKey
	_, _, err = s.verifier.verify(assertion, expected{
		typs: []string{"", "JWT", assertionType},
		keys: func(kid string) (*Key, error) {
			known, k, err := s.keyOf(ctx, c, kid)
			if err != nil {
				return nil, err
			}
			c, used = known, k
			return k.public, nil
		},
	})
	if err != nil {
		return caller{}, clientFault(messageFault(err, invalidClient("client_assertion does not verify")))
	}
	switch {
	case claims.Subject != id:
		return caller{}, invalidClient("iss and sub must be the client_id")
	case claims.Audience != s.issuer:
		return caller{}, invalidClient("aud must be the issuer, as a string")
	case !claims.holds(now, assertionLife):
		return caller{}, invalidClient("exp must be within 5 minutes, iat and nbf not in the future")
	case claims.ID == "" || len(claims.ID) > maxID:
		return caller{}, invalidClient("jti is needed")
	}
	return caller{client: c, key: used, id: newProofID("assertion", id, claims.ID, claims.Expires.time())}, nil
}

// claimed reads the claims of an assertion: whose keys to try, and what they will stand for. Zero: they cannot be read.
func claimed(assertion string) (claims assertionClaims) {
	_, rest, _ := strings.Cut(assertion, ".")
	body, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || !utf8.Valid(payload) || decodeClaims(payload, &claims) != nil {
		return assertionClaims{}
	}
	return claims
}
