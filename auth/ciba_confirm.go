package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// What a phone shows of a question at a counter, and what its person answers: the number on the counter's screen, no, or "never again from them". The
// facts themselves are decided on the request, in the wallet.
const (
	kindSignIn   = "sign_in"
	kindQuestion = "ciba"

	decisionNever = "never" // a no to this question, and silence to every later one of the organisation
)

// shownQuestion is a question as a device sees it. Nothing in it was written by the organisation but its registered name.
func (s *Server) shownQuestion(row *backchannelRow, client string) challenge {
	return challenge{
		Kind: kindQuestion, ID: row.Challenge.String(), Client: client, Organisation: row.Organisation,
		Request: s.consent.RequestRef(AppSector, row.Request), At: row.CreatedAt.UTC(), Expires: row.ExpiresAt.UTC(),
		Numbers: s.numbers(row.Challenge, row.Number),
	}
}

// queueQuestions reads what waits on the phone of a person.
func (s *Server) queueQuestions(b *pgx.Batch, vault identity.VaultID, into *[]backchannelRow) {
	b.Queue(sqlBackchallenges, vault, s.now()).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scanBackchannel)
		return err
	})
}

// confirmQuestion carries out what a person answered on their phone.
func (s *Server) confirmQuestion(ctx context.Context, call *deviceCall, id identity.ObjectID) (any, error) {
	if s.consent == nil {
		return nil, errNoChallenge
	}
	row, err := s.readBackchannel(ctx, sqlBackchallenge, id, call.row.Vault, s.now())
	if errors.Is(err, errNoBackchannel) {
		return nil, errNoChallenge
	}
	if err != nil {
		return nil, err
	}
	state, reason := backAllowed, ""
	switch {
	case call.claims.Decision == decisionNever:
		state, reason = backDenied, "never_again"
	case call.claims.Decision == decisionDeny:
		state, reason = backDenied, "denied"
	case call.claims.Number != twoDigits(row.Number):
		state, reason = backDenied, errWrongNumber.code
	}
	now := s.now()
	b := new(pgx.Batch)
	call.queue(b)
	if reason != "" {
		if err := s.queueNo(ctx, b, &row, reason); err != nil {
			return nil, err
		}
	}
	row.queueMove(b, s.deployment, state, now)
	if call.claims.Decision == decisionNever {
		if err := s.queueSilence(ctx, b, audit.Actor{Vault: row.Vault}, row.Vault, row.Organisation, true); err != nil {
			return nil, err
		}
	}
	return call.answered(pg.Pipeline(ctx, s.pool, b), codeBackchannelMoved, reason)
}

// queueNo records a question that a person did not confirm.
func (s *Server) queueNo(ctx context.Context, b *pgx.Batch, row *backchannelRow, reason string) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	_, err = s.people.audit.Queue(b, keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Organisation: row.Organisation, Actor: audit.Actor{Client: row.Client}, Request: row.Request,
		Outcome: audit.Refused, Reason: reason,
	}, s.calendar())
	return err
}
