package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Activation is what a person typed to open their account, and from where.
type Activation struct {
	Number     identity.Private
	Code       identity.Private
	Passphrase identity.Private
	Address    string
}

// Activate uses the one-time code that was sent to a person and gives them the passphrase they chose; one they had ends with everything
// that was signed in by it. The code of a recovery ends every way into the account that there was.
//
// Errors: [ErrCode] for a number or code that is not right, whichever; [ErrPassphrase]; [ErrPersonBlocked]; [ErrBusy]; [*Throttled].
func (s *Server) Activate(ctx context.Context, a Activation) error {
	number, err := parseTyped(a.Number)
	if err != nil {
		return ErrCode
	}
	code, err := person.ParseCode(a.Code.Reveal())
	if err != nil {
		return ErrCode
	}
	chosen, err := NewPassphrase(a.Passphrase.Reveal(), number)
	if err != nil {
		return err
	}
	now := s.now()
	b := new(pgx.Batch)
	charged := queueCharges(b, s.activationLanes(s.account(number), a.Address), now)
	if err := s.throttled(ctx, charged, pg.Pipeline(ctx, s.pool, b), now); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	// Before the code is tried: whoever is told that others are busy has lost no try.
	hash, err := s.people.hasher.hash(ctx, chosen)
	if err != nil {
		return err
	}
	right, err := s.people.registry.CheckActivation(ctx, person.NumberIdentifier(number), code)
	if errors.Is(err, person.ErrCode) {
		return ErrCode
	}
	if err != nil {
		return err
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, right.Vault())
	if err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	err = s.replacePassphrase(ctx, right.Vault(), hash, right.Recovers(), func(b *pgx.Batch) error {
		charged.queueRefund(b)
		return s.people.registry.QueueActivation(b, keys, right, audit.Actor{Vault: right.Vault()}, s.calendar())
	})
	if pg.Refused(err) == person.CodeUsed {
		return ErrCode
	}
	return err
}
