package auth

import (
	"encoding/json"
	"fmt"
	"time"
)

// idTokenType is the typ of ID tokens (RFC 7519 §5.1): never that of an access token.
const idTokenType = "JWT"

// idTokenLife bounds how long an ID token says that somebody has just signed in.
const idTokenLife = 5 * time.Minute

// SignedIn is what an ID token says of a sign-in.
type SignedIn struct {
	ClientID string
	Subject  string // pairwise, of the client's sector
	Nonce    string // as in the request; empty: none
	Level    int    // account level, 1 or 2
	AMR      []string
	AuthTime time.Time
}

// idClaims are the claims of an ID token (OpenID Connect Core §2), and auth_factors_level (Decree 69/2024 Art. 20).
type idClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce,omitempty"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Factors  int      `json:"auth_factors_level"`
}

// IDToken signs an ID token. It carries no name and no number: who may know more asks for consent.
func (s *Server) IDToken(in SignedIn, now time.Time) (string, error) {
	acr := acrOf(in.Level)
	if acr == "" || in.Subject == "" || in.ClientID == "" || len(in.AMR) == 0 {
		return "", fmt.Errorf("id token without level, subject, client or method: %w", ErrToken)
	}
	payload, err := json.Marshal(idClaims{
		Issuer: s.issuer, Subject: in.Subject, Audience: in.ClientID, Expires: now.Add(idTokenLife).Unix(), IssuedAt: now.Unix(),
		AuthTime: in.AuthTime.Unix(), Nonce: in.Nonce, ACR: acr, AMR: in.AMR, Factors: FactorsLevel(in.AMR),
	})
	if err != nil {
		return "", fmt.Errorf("id token: %w", err)
	}
	return s.keys.Signer(TokenKeys).Sign(idTokenType, payload)
}
