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

// codeRow is a row of authorization_codes with what its session says. The MAC covers both: a code or a session written by another hand
// is worth no token (O4).
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
	ExpiresAt   time.Time
	UsedAt      *time.Time
	MAC         []byte

	Level    int
	AMR      []string
	AuthTime time.Time
}

const (
	codeUsed = "code_used"

	sqlInsertCode = `insert into authorization_codes
  (code_hash, client_id, vault_id, session_id, redirect_uri, challenge, nonce, scope, dpop_jkt, expires_at, mac)
  values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, nullif($9, ''), $10, $11)`

	sqlCode = `select c.code_hash, c.client_id, c.vault_id, c.session_id, c.redirect_uri, c.challenge, coalesce(c.nonce, ''), c.scope,
  coalesce(c.dpop_jkt, ''), c.expires_at, c.used_at, c.mac, s.level, s.amr, s.auth_time
from authorization_codes c join sessions s on s.vault_id = c.vault_id and s.session_id = c.session_id
where c.code_hash = $1`

	// sqlCodeUnused: of many who redeem a code at once, one finds it unused; sqlUseCode is conditional all the same.
	sqlCodeUnused = `select vidan_require(exists (
  select from authorization_codes where code_hash = $1 and used_at is null and expires_at > $2 for update), 'code_used')`

	sqlUseCode = `update authorization_codes set used_at = $2 where code_hash = $1 and used_at is null`

	sqlSessionStands = `select vidan_require(exists (
  select from sessions where vault_id = $1 and session_id = $2 and state = 'active' and expires_at > $3), 'token_revoked')`

	sqlBindSession = `update sessions set jkt = $3 where vault_id = $1 and session_id = $2`
)

func (r *codeRow) columns() *seal.Columns {
	return new(seal.Columns).Bytes(r.Hash).Text(r.Client).UUID(r.Vault.Bytes()).UUID(r.Session.Bytes()).Text(r.RedirectURI).
		Text(r.Challenge).Text(r.Nonce).Text(r.Scope).Text(r.JKT).Time(r.ExpiresAt).Int(int64(r.Level)).Texts(r.AMR).Time(r.AuthTime)
}

func (r *codeRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	b.Queue(sqlInsertCode, r.Hash, r.Client, r.Vault, r.Session, r.RedirectURI, r.Challenge, r.Nonce, r.Scope, r.JKT, r.ExpiresAt,
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
		return step{}, invalidRequest("code_verifier is needed (RFC 7636 §4.1)")
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
	var subject *Subject
	return step{
		queue: func(b *pgx.Batch) {
			b.Queue(sqlCodeUnused, code.Hash, x.now)
			b.Queue(sqlUseCode, code.Hash, x.now)
			b.Queue(sqlSessionStands, code.Vault, code.Session, x.now)
			person.QueueGoodStanding(b, code.Vault)
			b.Queue(sqlLevelStands, code.Vault, code.Level)
			b.Queue(sqlBindSession, code.Vault, code.Session, x.proof.jkt)
			subject = QueueSubject(b, x.client.sector, code.Vault, x.now)
		},
		answer: func() (tokenAnswer, error) { return s.signInAnswer(x, code, subject.Sub()) },
		fault: func(refusal string) error {
			switch refusal {
			case codeUsed:
				return s.codeReused(ctx, code)
			case codeTokenRevoked, codePersonBlocked, codeLevel:
				return invalidGrant("the sign-in has ended")
			}
			return nil
		},
	}, nil
}

// signInAnswer signs what a sign-in is worth.
func (s *Server) signInAnswer(x *exchange, code *codeRow, sub string) (tokenAnswer, error) {
	acr := acrOf(code.Level)
	token, err := s.mint(accessClaims{
		Subject: sub, ClientID: code.Client, Scope: code.Scope, Confirm: confirmation{x.proof.jkt}, Session: s.sessionRef(code.Vault, code.Session),
		ACR: acr, Factors: FactorsLevel(code.AMR), AMR: code.AMR, AuthTime: code.AuthTime.Unix(),
	}, x.now)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer := answerWith(token, code.Scope)
	if slices.Contains(strings.Fields(code.Scope), ScopeOpenID) {
		answer.IDToken, err = s.IDToken(SignedIn{
			ClientID: code.Client, Subject: sub, Nonce: code.Nonce, Level: code.Level, AMR: code.AMR, AuthTime: code.AuthTime,
		}, x.now)
	}
	return answer, err
}

func (s *Server) readCode(ctx context.Context, hash []byte) (*codeRow, error) {
	r := new(codeRow)
	err := s.pool.QueryRow(ctx, sqlCode, hash).Scan(&r.Hash, &r.Client, &r.Vault, &r.Session, &r.RedirectURI, &r.Challenge, &r.Nonce, &r.Scope,
		&r.JKT, &r.ExpiresAt, &r.UsedAt, &r.MAC, &r.Level, &r.AMR, &r.AuthTime)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, invalidGrant("the code is not one of ours")
	}
	if err != nil {
		return nil, fmt.Errorf("read code: %w", pg.Classify(err))
	}
	if err := s.deployment.VerifyMAC("authorization_codes", r.columns(), r.MAC); err != nil {
		return nil, fmt.Errorf("code of client %q: %w", r.Client, err)
	}
	return r, nil
}

// codeReused ends the session that a code made when the code comes a second time: one of the two who have it should not (RFC 9700 §4.5.3,
// RELIABILITY §6 no. 16). It returns the answer to the second.
func (s *Server) codeReused(ctx context.Context, code *codeRow) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, code.Vault)
	if err != nil {
		return fmt.Errorf("end session %s: %w", code.Session, err)
	}
	row, err := s.people.audit.Row(keys, audit.Entry{
		Vault: code.Vault, Kind: audit.SessionEnded, Actor: audit.Actor{Client: code.Client}, Reason: "code_reused",
	}, s.calendar())
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	b.Queue(sqlLockSession, code.Vault, code.Session)
	row.QueueIf(b, condSessionActive, code.Vault, code.Session)
	b.Queue(sqlEndSession, code.Vault, code.Session, s.now())
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return fmt.Errorf("end session %s: %w", code.Session, err)
	}
	return invalidGrant("the code was used before")
}

// isVerifier accepts 43 to 128 unreserved characters (RFC 7636 §4.1).
func isVerifier(s string) bool {
	return len(s) >= 43 && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}
