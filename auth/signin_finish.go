package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/person"
)

const (
	// The column alone raises nothing: that the level is the person's was read from their sealed profile when the passphrase was right. Here
	// it must still not have been taken back.
	sqlLevelStands = `select vidan_require(exists (select from people where vault_id = $1 and level >= $2), 'insufficient_level')`
)

// Finish ends a sign-in that is done: it begins the session, issues the one-time code and returns the address at the client to which the
// browser is sent with code, state and iss. All of it is one batch, and one call of many at once has it.
//
// Errors: [ErrMoved], [ErrRequestOver], [ErrPersonBlocked], [ErrLevel], [ErrUntrusted] when the client was blocked meanwhile.
func (x *SignIn) Finish(ctx context.Context) (string, error) {
	s, row := x.server, x.row
	if row.Step != StepDone || x.Pages() {
		return "", ErrMoved
	}
	request, err := x.answered(ctx)
	switch {
	case errors.Is(err, ErrSaidNo):
		return x.end(ctx, errorDenied, "the person said no")
	case errors.Is(err, errOtherPerson):
		return x.end(ctx, "login_required", "another person was asked for")
	case err != nil:
		return "", err
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return "", fmt.Errorf("sign-in: %w", err)
	}
	now := s.now()
	secret, sum := newSecret()
	session := sessionRow{
		Vault: row.Vault, ID: identity.NewID[identity.SessionID](), Client: row.Client, Level: row.Level, AMR: row.AMR,
		Scope: row.Request.Scope, AuthTime: now, ExpiresAt: now.Add(codeLife),
	}
	code := codeRow{
		Hash: sum[:], Client: row.Client, Vault: row.Vault, Session: session.ID, RedirectURI: row.Request.RedirectURI,
		Challenge: row.Request.Challenge, Nonce: row.Request.Nonce, Scope: row.Request.Scope, JKT: row.Request.JKT, Request: request,
		ExpiresAt: now.Add(codeLife),
	}
	to := row
	to.Step, to.Challenge, to.Number = StepDead, identity.ObjectID{}, nil

	b := new(pgx.Batch)
	b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
	x.queueMove(b, &to)
	x.queueDecision(b)
	x.queueSubject(b)
	person.QueueMaySignIn(b, row.Vault)
	b.Queue(sqlLevelStands, row.Vault, row.Level)
	session.queueInsert(b, s.deployment)
	code.queueInsert(b, s.deployment)
	if _, err := s.people.audit.Queue(b, keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Actor: audit.Actor{Vault: row.Vault, Client: row.Client},
	}, s.calendar()); err != nil {
		return "", err
	}
	if err := x.send(ctx, b); errors.Is(err, errOtherPerson) {
		return x.end(ctx, "login_required", "another person was asked for")
	} else if err != nil {
		return "", err
	}
	answer := url.Values{"code": {secret}}
	if row.Request.State != "" {
		answer.Set("state", row.Request.State)
	}
	return s.redirect(row.Request.RedirectURI, answer), nil
}
