package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/auth/codes"
	"vidan/identity"
	"vidan/internal/pg"
)

// CodeAttempt is a code of a display or a card that a person typed, and from where.
type CodeAttempt struct {
	Code    identity.Private // as typed
	Address string           // of the browser, as far as it is known; never stored
	Factor  string           // the cookie of a browser that is known for second factors, or empty
}

// Code tries a code in the step that asks for one. A code works once: its time step, or its entry on the card, is used up in the transaction
// that moves the sign-in.
//
// Errors: [ErrMoved], [*Throttled], those of the database.
func (x *SignIn) Code(ctx context.Context, a CodeAttempt) (Verdict, error) {
	s := x.server
	way := WayTOTP
	switch x.row.Step {
	case StepCode:
	case StepCard:
		way = WayCard
	default:
		return 0, ErrMoved
	}
	typed, err := codes.Parse(a.Code.Reveal())
	if err != nil {
		return Malformed, nil
	}
	now := s.now()
	b := new(pgx.Batch)
	charged := queueCharges(b, s.factorLanes(x.row.Vault, x.client.ID, a.Address, s.factorBrowser(x.row.Vault, a.Factor)), now)
	card := queueCard(b, x.row.Vault)
	if err := s.throttled(ctx, charged, pg.Pipeline(ctx, s.pool, b), now); err != nil {
		return 0, fmt.Errorf("sign-in: %w", err)
	}
	who, err := s.candidate(ctx, x.row.Vault)
	if err != nil {
		return 0, err
	}
	c := conclusion{who: who, verdict: Wrong, way: way, charged: charged}
	if way == WayTOTP {
		c.also, err = s.matchTOTP(who, typed, now)
	} else {
		c.also, err = s.matchCard(who, card, typed)
	}
	if err != nil {
		return 0, fmt.Errorf("sign-in: %w", err)
	}
	if c.also != nil && who.passphrase() != nil {
		c.verdict = x.judge(who)
	}
	if c.verdict == Accepted {
		c.to = x.done(who, WayPassphrase, way)
	}
	switch err := x.conclude(ctx, c); {
	case errors.Is(err, errCredentialUsed):
		return Wrong, nil // another sign-in was faster with the same code
	case err != nil:
		return 0, err
	}
	return c.verdict, nil
}

// done is the row of a sign-in in which everything was shown.
func (x *SignIn) done(who *candidate, ways ...Way) *signInRow {
	worth := reach(who.level, ways...)
	to := x.row
	to.Vault, to.Step, to.Challenge, to.Number = who.vault, StepDone, identity.ObjectID{}, nil
	to.Level, to.AMR = worth.level, worth.amr
	return &to
}
