package auth

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// SessionLife is how long a session lasts at most, whatever is done in it: after 30 days the person signs in again.
const SessionLife = 30 * 24 * time.Hour

const (
	sqlInsertSession = `insert into sessions (vault_id, session_id, client_id, level, amr, auth_time, expires_at, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $6)`

	sqlEndSession = `update sessions set state = 'ended', ended_at = $3 where vault_id = $1 and session_id = $2 and state = 'active'`

	// sqlLockSession comes first where an end is recorded: of many who end a session, one sees it active.
	sqlLockSession = `select session_id from sessions where vault_id = $1 and session_id = $2 for update`

	sqlEndSessions = `update sessions set state = 'ended', ended_at = $2 where vault_id = $1 and state = 'active'`

	// The column alone raises nothing: that the level is the person's was read from their sealed profile when the passphrase was right. Here
	// it must still not have been taken back.
	sqlLevelStands = `select vidan_require(exists (select from people where vault_id = $1 and level >= $2), 'insufficient_level')`
)

// Finish ends a sign-in that is done: it begins the session, issues the one-time code and returns the address at the client to which the
// browser is sent with code, state and iss. All of it is one batch, and one call of many at once has it.
//
// Errors: [ErrMoved], [ErrPersonBlocked], [ErrLevel], [ErrUntrusted] when the client was blocked meanwhile.
func (x *SignIn) Finish(ctx context.Context) (string, error) {
	s, row := x.server, x.row
	if row.Step != StepDone {
		return "", ErrMoved
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return "", fmt.Errorf("sign-in: %w", err)
	}
	now := s.now()
	secret, sum := newSecret()
	code := codeRow{
		Hash: sum[:], Client: row.Client, Vault: row.Vault, Session: identity.NewID[identity.SessionID](), RedirectURI: row.Request.RedirectURI,
		Challenge: row.Request.Challenge, Nonce: row.Request.Nonce, Scope: row.Request.Scope, JKT: row.Request.JKT, ExpiresAt: now.Add(codeLife),
		Level: row.Level, AMR: row.AMR, AuthTime: now,
	}
	to := row
	to.Step, to.Challenge, to.Number = StepDead, identity.ObjectID{}, nil

	b := new(pgx.Batch)
	b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
	x.queueMove(b, &to)
	person.QueueGoodStanding(b, row.Vault)
	b.Queue(sqlLevelStands, row.Vault, row.Level)
	b.Queue(sqlInsertSession, code.Vault, code.Session, code.Client, code.Level, code.AMR, now, now.Add(SessionLife))
	code.queueInsert(b, s.deployment)
	if _, err := s.people.audit.Queue(b, keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Actor: audit.Actor{Vault: row.Vault, Client: row.Client},
	}, s.calendar()); err != nil {
		return "", err
	}
	if err := x.send(ctx, b); err != nil {
		return "", err
	}
	answer := url.Values{"code": {secret}}
	if row.Request.State != "" {
		answer.Set("state", row.Request.State)
	}
	return s.redirect(row.Request.RedirectURI, answer), nil
}

// EndSession signs a session out: no token of it works from the next request on, in any process (O3). Ending it again changes nothing. by is
// who ends it, g decides whether they may. A session of somebody else is not there: nothing happens.
func (s *Server) EndSession(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, session identity.SessionID) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("end session %s: %w", session, err)
	}
	row, err := s.people.audit.Row(keys, audit.Entry{Vault: vault, Kind: audit.SessionEnded, Actor: by}, s.calendar())
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlLockSession, vault, session)
	row.QueueIf(b, condSessionActive, vault, session)
	b.Queue(sqlEndSession, vault, session, s.now())
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return fmt.Errorf("end session %s: %w", session, Refused(err))
	}
	return g.Check()
}

const condSessionActive = `exists (select from sessions where vault_id = $1 and session_id = $2 and state = 'active')`
