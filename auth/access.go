package auth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vidan/identity"
)

// accessType is the typ of access tokens (RFC 9068 §2.1).
const accessType = "at+jwt"

// accessClaims are the claims of an access token (RFC 9068 §2.2; cnf: RFC 9449 §6.1). A machine's token names the client key it
// was obtained with, a person's the session: with that it ends (O3).
type accessClaims struct {
	Issuer   string       `json:"iss"`
	Subject  string       `json:"sub"`
	Audience string       `json:"aud"`
	ClientID string       `json:"client_id"`
	IssuedAt int64        `json:"iat"`
	Expires  int64        `json:"exp"`
	ID       string       `json:"jti"`
	Scope    string       `json:"scope"`
	Confirm  confirmation `json:"cnf"`

	ClientKey string   `json:"client_kid,omitempty"`
	Session   string   `json:"sid,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	Factors   int      `json:"auth_factors_level,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`

	Details []boundDetails `json:"authorization_details,omitempty"` // RFC 9396 §9.1

	Act *actClaim `json:"act,omitempty"` // RFC 8693 §4.1
}

// actClaim says which officer acts for the client that is the subject: the opaque id by which the organisation knows them, and never a name.
// The token ends with the post and with the sign-in.
type actClaim struct {
	Subject      string            `json:"sub"`
	Issuer       string            `json:"iss"`
	Organisation string            `json:"organisation"`
	Post         identity.ObjectID `json:"post"`
	Session      string            `json:"sid"`
	ACR          string            `json:"acr"`
	AuthTime     int64             `json:"auth_time"`
}

type confirmation struct {
	JKT string `json:"jkt"`
}

// audience is what access tokens are for: the resources under /v1 of this issuer, and what userinfo tells of their person.
func (s *Server) audience() string { return s.issuer + "/v1" }

// mint signs an access token. The caller sets what the token is about; issuer, audience, times and jti are set here.
func (s *Server) mint(c accessClaims, now time.Time) (string, error) {
	c.Issuer, c.Audience = s.issuer, s.audience()
	c.IssuedAt, c.Expires = now.Unix(), now.Add(AccessTokenLife).Unix()
	c.ID = randomID()
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("access token: %w", err)
	}
	return s.keys.Signer(TokenKeys).Sign(accessType, payload)
}

// randomID returns 128 random bits, base64url.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// accessToken is an access token whose signature and claims were found valid: what may be remembered (O1).
type accessToken struct {
	client    string
	clientKey string
	subject   string
	scopes    []string
	jkt       string
	issued    seconds
	expires   seconds
	id        string
	name      string // exp.jti: how client_keys.revoked_tokens names it
	key       *Key

	vault    identity.VaultID
	session  identity.SessionID
	level    int
	amr      []string
	authTime time.Time
	details  []boundDetails
	seen     atomic.Pointer[sessionRow] // the session as this process verified it last

	act *actor // nil: nobody acts but the subject
}

// readToken returns what an access token says, verifying it the first time it is seen.
func (s *Server) readToken(token string, sum digest, now time.Time) (*accessToken, error) {
	if len(token) > maxToken {
		return nil, ErrToken
	}
	t, known := s.tokens.GetIfPresent(sum)
	if !known {
		var err error
		if t, err = s.openToken(token); err != nil {
			return nil, ErrToken
		}
	}
	// A key that is published no more verifies nothing, whatever is remembered.
	if key, err := s.keys.Lookup(TokenKeys)(t.key.kid); err != nil || key.thumb != t.key.thumb {
		return nil, ErrToken
	}
	if !now.Before(t.expires.time()) {
		return nil, ErrToken
	}
	if !known {
		s.tokens.Set(sum, t)
	}
	return t, nil
}

// openToken verifies the signature and every claim that does not depend on the time.
func (s *Server) openToken(token string) (*accessToken, error) {
	payload, key, err := s.verifier.verify(token, expected{typs: []string{accessType}, keys: s.keys.Lookup(TokenKeys)})
	if err != nil {
		return nil, err
	}
	var c accessClaims
	if err := decodeClaims(payload, &c); err != nil {
		return nil, err
	}
	if c.Issuer != s.issuer || c.Audience != s.audience() || c.ClientID == "" || c.Confirm.JKT == "" || c.Expires <= 0 {
		return nil, ErrToken
	}
	t := &accessToken{
		client: c.ClientID, clientKey: c.ClientKey, subject: c.Subject, scopes: strings.Fields(c.Scope), jkt: c.Confirm.JKT,
		issued: seconds(c.IssuedAt), expires: seconds(c.Expires), id: c.ID, name: strconv.FormatInt(c.Expires, 10) + "." + c.ID, key: key,
	}
	if c.Session == "" {
		if c.ClientKey == "" {
			return nil, ErrToken
		}
		t.act, err = s.openAct(c.Act)
		return t, err
	}
	if c.Act != nil {
		return nil, ErrToken
	}
	if t.vault, t.session, err = s.openSession(c.Session); err != nil {
		return nil, err
	}
	if t.level = levelOf(c.ACR); t.level == 0 {
		return nil, ErrToken
	}
	t.amr, t.authTime, t.details = slices.Clip(c.AMR), time.Unix(c.AuthTime, 0).UTC(), c.Details
	return t, nil
}

// Sessions leave as references of the deployment: sid tells nobody else whose session it is, and saves a look-up here.
const (
	sessionSector = "api"
	sessionKind   = "session"
)

// sessionRef is the sid of a session.
func (s *Server) sessionRef(vault identity.VaultID, session identity.SessionID) string {
	v, n := vault.Bytes(), session.Bytes()
	return s.deployment.Ref(sessionSector, sessionKind, append(v[:], n[:]...))
}

func (s *Server) openSession(sid string) (identity.VaultID, identity.SessionID, error) {
	id, err := s.deployment.OpenRef(sessionSector, sessionKind, sid)
	if err != nil || len(id) != 32 {
		return identity.VaultID{}, identity.SessionID{}, ErrToken
	}
	return identity.FromBytes[identity.VaultID]([16]byte(id[:16])), identity.FromBytes[identity.SessionID]([16]byte(id[16:])), nil
}
