package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// codeLife is how long an authorization code can be redeemed (RELIABILITY §6 no. 15).
const codeLife = 60 * time.Second

// codeRow is a row of authorization_codes with its session. Each has its MAC: a code or a session written by another hand is worth no
// token (O4).
type codeRow struct {
	Hash        []byte
	Client      string
	Vault       identity.VaultID
	Session     identity.SessionID
	RedirectURI string
	Challenge   string
	Nonce       string
	Scope       string
	JKT         string
	Request     identity.RequestID // what was asked of the person; zero: nothing
	ExpiresAt   time.Time
	UsedAt      *time.Time
	MAC         []byte

	of sessionRow
}

const (
	codeUsed = "code_used"

	sqlInsertCode = `insert into authorization_codes
  (code_hash, client_id, vault_id, session_id, redirect_uri, challenge, nonce, scope, dpop_jkt, request_id, expires_at, mac)
  values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, nullif($9, ''), $10, $11, $12)`

	sqlCode = `select c.code_hash, c.client_id, c.vault_id, c.session_id, c.redirect_uri, c.challenge, coalesce(c.nonce, ''), c.scope,
  coalesce(c.dpop_jkt, ''), c.request_id, c.expires_at, c.used_at, c.mac,
  s.client_id, s.level, s.amr, s.scope, coalesce(s.jkt, ''), s.auth_time, s.expires_at, s.mac, s.state = 'active'
from authorization_codes c join sessions s on s.vault_id = c.vault_id and s.session_id = c.session_id
where c.code_hash = $1`

	// sqlCodeUnused: of many who redeem a code at once, one finds it unused; sqlUseCode is conditional all the same.
	sqlCodeUnused = `select vidan_require(exists (
  select from authorization_codes where code_hash = $1 and used_at is null and expires_at > $2 for update), 'code_used')`

	sqlUseCode = `update authorization_codes set used_at = $2 where code_hash = $1 and used_at is null`

	sqlSessionStands = `select vidan_require(exists (
  select from sessions where vault_id = $1 and session_id = $2 and state = 'active' and expires_at > $3), 'token_revoked')`
)

func (r *codeRow) columns() *seal.Columns {
	return new(seal.Columns).Bytes(r.Hash).Text(r.Client).UUID(r.Vault.Bytes()).UUID(r.Session.Bytes()).Text(r.RedirectURI).
		Text(r.Challenge).Text(r.Nonce).Text(r.Scope).Text(r.JKT).UUID(r.Request.Bytes()).Time(r.ExpiresAt)
}

func (r *codeRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	b.Queue(sqlInsertCode, r.Hash, r.Client, r.Vault, r.Session, r.RedirectURI, r.Challenge, r.Nonce, r.Scope, r.JKT, r.Request, r.ExpiresAt,
		d.MAC("authorization_codes", r.columns()))
}

func invalidGrant(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_grant", description}
}

// authorizationCode is the grant for people (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10): one read, and the batch of the token request.
func (s *Server) authorizationCode(ctx context.Context, x *exchange) (step, error) {
	presented, verifier, uri := x.form.Get("code"), x.form.Get("code_verifier"), x.form.Get("redirect_uri")
	switch {
	case len(presented) != codeLength:
		return step{}, invalidGrant("the code is not one of ours")
	case !isVerifier(verifier):
		return step{}, invalidRequest("code_verifier is needed (RFC 7636)")
	case uri == "":
		return step{}, invalidRequest("redirect_uri is needed")
	}
	sum := sha256.Sum256([]byte(presented))
	code, err := s.readCode(ctx, sum[:])
	if err != nil {
		return step{}, err
	}
	challenge := sha256.Sum256([]byte(verifier))
	switch {
	case code.UsedAt != nil:
		return step{}, s.codeReused(ctx, code)
	case code.Client != x.client.ID, code.RedirectURI != uri:
		return step{}, invalidGrant("the code was issued for another client or redirect_uri")
	case code.Challenge != base64.RawURLEncoding.EncodeToString(challenge[:]):
		return step{}, invalidGrant("code_verifier does not fit")
	case code.JKT != "" && code.JKT != x.proof.jkt:
		return step{}, invalidGrant("the code is bound to another DPoP key")
	case !x.now.Before(code.ExpiresAt):
		return step{}, invalidGrant("the code is too old")
	}
	bound, lasting := code.of, slices.Contains(strings.Fields(code.Scope), ScopeOffline)
	bound.JKT, bound.ExpiresAt = x.proof.jkt, s.until(&code.of, lasting, x.now)
	bound.MAC = s.deployment.MAC("sessions", bound.columns())
	details, err := s.detailsOf(ctx, x, code.Request, code.Vault)
	if err != nil {
		return step{}, err
	}
	var refresh string
	var refreshSum []byte
	if lasting {
		refresh, refreshSum = s.newRefresh(code.Vault, code.Session, code.Request)
	}
	var subject *Subject
	return step{
		queue: func(b *pgx.Batch) {
			b.Queue(sqlCodeUnused, code.Hash, x.now)
			b.Queue(sqlUseCode, code.Hash, x.now)
			b.Queue(sqlSessionStands, code.Vault, code.Session, x.now)
			person.QueueMaySignIn(b, code.Vault)
			b.Queue(sqlLevelStands, code.Vault, bound.Level)
			b.Queue(sqlBindSession, code.Vault, code.Session, bound.JKT, bound.ExpiresAt, refreshSum, bound.MAC)
			subject = QueueSubject(b, x.client.sector, code.Vault, x.now)
		},
		answer: func() (tokenAnswer, error) {
			answer, err := s.signInAnswer(x, &bound, subject.Sub(), code.Scope, code.Nonce, details)
			answer.RefreshToken = refresh
			return answer, err
		},
		fault: func(refusal string) error {
			switch refusal {
			case codeUsed:
				return s.codeReused(ctx, code)
			case codeTokenRevoked, codePersonBlocked, codeLevel:
				return errSignInEnded
			}
			return nil
		},
	}, nil
}

// signInAnswer signs what a session is worth, for the scopes given. nonce is that of the request, where the answer is to the code.
func (s *Server) signInAnswer(x *exchange, r *sessionRow, sub, scope, nonce string, details detailed) (tokenAnswer, error) {
	token, err := s.mint(accessClaims{
		Subject: sub, ClientID: r.Client, Scope: scope, Confirm: confirmation{x.proof.jkt}, Session: s.sessionRef(r.Vault, r.ID),
		ACR: acrOf(r.Level), Factors: FactorsLevel(r.AMR), AMR: r.AMR, AuthTime: r.AuthTime.Unix(),
		Details: details.bound,
	}, x.now)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer := answerWith(token, scope)
	answer.Details = details.told
	if slices.Contains(strings.Fields(scope), ScopeOpenID) {
		answer.IDToken, err = s.IDToken(SignedIn{
			ClientID: r.Client, Subject: sub, Nonce: nonce, Level: r.Level, AMR: r.AMR, AuthTime: r.AuthTime,
		}, x.now)
	}
	return answer, err
}

func (s *Server) readCode(ctx context.Context, hash []byte) (*codeRow, error) {
	r, active := new(codeRow), false
	err := s.pool.QueryRow(ctx, sqlCode, hash).Scan(&r.Hash, &r.Client, &r.Vault, &r.Session, &r.RedirectURI, &r.Challenge, &r.Nonce, &r.Scope,
		&r.JKT, &r.Request, &r.ExpiresAt, &r.UsedAt, &r.MAC,
		&r.of.Client, &r.of.Level, &r.of.AMR, &r.of.Scope, &r.of.JKT, &r.of.AuthTime, &r.of.ExpiresAt, &r.of.MAC, &active)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, invalidGrant("the code is not one of ours")
	}
	if err != nil {
		return nil, fmt.Errorf("read code: %w", pg.Classify(err))
	}
	if err := s.deployment.VerifyMAC("authorization_codes", r.columns(), r.MAC); err != nil {
		return nil, fmt.Errorf("code of client %q: %w", r.Client, err)
	}
	r.of.Vault, r.of.ID = r.Vault, r.Session
	if !active {
		return r, nil // its MAC is empty; the batch refuses it
	}
	if err := r.of.verify(s.deployment); err != nil {
		return nil, fmt.Errorf("code of client %q: %w", r.Client, err)
	}
	return r, nil
}

// codeReused ends the session that a code made when the code comes a second time: one of the two who have it should not (RFC 9700 §4.5.3,
// RELIABILITY §6 no. 16). It returns the answer to the second.
func (s *Server) codeReused(ctx context.Context, code *codeRow) error {
	err := s.endSession(ctx, unguarded{}, audit.Entry{
		Vault: code.Vault, Kind: audit.SessionEnded, Actor: audit.Actor{Client: code.Client}, Reason: "code_reused",
	}, code.Session)
	if err != nil {
		return err
	}
	return invalidGrant("the code was used before")
}

// isVerifier accepts 43 to 128 unreserved characters (RFC 7636 §4.1).
func isVerifier(s string) bool {
	return len(s) >= 43 && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}
