package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
)

const pathUserinfo = "/oauth/userinfo"

// userinfoType is the typ and, with application/ before it, the media type of signed answers (OpenID Connect Core §5.3.2).
const userinfoType = "JWT"

// userinfo is what a client is told of the person who signed in (OpenID Connect Core §5.3.2): the same name and circumstances as in its ID
// token, and nothing else. Name, birth date and number are given by prefill, with the person's consent for each field; no scope opens them.
type userinfo struct {
	Issuer   string   `json:"iss,omitempty"` // of signed answers
	Audience string   `json:"aud,omitempty"` // the same
	Subject  string   `json:"sub"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Factors  int      `json:"auth_factors_level"`
	AuthTime int64    `json:"auth_time"`
}

// serveUserinfo is GET and POST /oauth/userinfo. The access token is in the Authorization header, with a proof, as everywhere.
func (s *Server) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w.Header())
	p, err := s.userinfoCaller(r)
	if err != nil {
		s.writeUserinfoError(w, r, err)
		return
	}
	t := p.token
	told := userinfo{Subject: t.subject, ACR: acrOf(t.level), AMR: t.amr, Factors: FactorsLevel(t.amr), AuthTime: t.authTime.Unix()}
	if !p.client.Signed {
		writeJSON(w, http.StatusOK, told)
		return
	}
	message, err := s.signUserinfo(p.client, told)
	if err != nil {
		s.writeUserinfoError(w, r, err)
		return
	}
	writeCompact(w, "jwt", message)
}

// userinfoCaller is the person's client, which may act now: everything that a token of its own cannot say was read.
func (s *Server) userinfoCaller(r *http.Request) (*Principal, error) {
	p, err := s.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if p.Kind != Citizen || p.Scope(ScopeOpenID) != nil {
		return nil, ErrScope
	}
	g := p.Guard()
	b := new(pgx.Batch)
	g.Queue(b)
	if err := pg.Pipeline(r.Context(), s.pool, b); err != nil {
		return nil, Refused(err)
	}
	return p, g.Check()
}

// signUserinfo signs an answer for its client, and encrypts it to the client's key where it has one.
func (s *Server) signUserinfo(c *client, told userinfo) (string, error) {
	told.Issuer, told.Audience = s.issuer, c.ID
	payload, err := json.Marshal(told)
	if err != nil {
		return "", fmt.Errorf("userinfo: %w", err)
	}
	signed, err := s.keys.Signer(TokenKeys).Sign(userinfoType, payload)
	if err != nil || c.Encryption == "" {
		return signed, err
	}
	message, err := encrypt(c.Encryption, signed)
	if err != nil {
		return "", fmt.Errorf("userinfo of client %q: %w", c.ID, err)
	}
	return message, nil
}

// writeUserinfoError answers as a resource does (RFC 6750 §3.1, RFC 9449 §7.1).
func (s *Server) writeUserinfoError(w http.ResponseWriter, r *http.Request, err error) {
	code := Code(err)
	switch {
	case code == "":
		s.writeTokenError(w, r, err)
		return
	case errors.Is(err, ErrScope):
		w.Header().Set("WWW-Authenticate", Challenge(err))
		writeJSON(w, http.StatusForbidden, map[string]string{"error": code, "error_description": "the token has no scope openid"})
		return
	case !errors.Is(err, ErrProof) && !errors.Is(err, ErrReplay):
		code = codeToken
	}
	w.Header().Set("WWW-Authenticate", Challenge(err))
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": code, "error_description": "a token that is valid now, with a fresh proof, is needed"})
}
