package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// Offer is what a person can go on with after a right passphrase.
type Offer struct {
	Ways   []Way // in the order in which they are shown
	Asked  int   // the number of the card that is asked for; 0 without a card
	Left   int   // codes left on the card
	Lesser bool  // the client is content with what was shown already
}

// waysOf are the second factors of an account. A card that is used up is none.
func (s *Server) waysOf(held *credentials) []Way {
	var ways []Way
	if len(held.devices()) > 0 {
		ways = append(ways, WayDevice)
	}
	if len(held.of(WayPasskey)) > 0 && s.people.passkeys != nil {
		ways = append(ways, WayPasskey)
	}
	if len(held.of(WayTOTP)) > 0 {
		ways = append(ways, WayTOTP)
	}
	if card := held.one(WayCard); card != nil && card.Counter > 0 {
		ways = append(ways, WayCard)
	}
	return ways
}

// ask moves a row to where a second factor is shown.
func (r *signInRow) ask(way Way) error {
	r.Challenge, r.Number, r.Level = identity.ObjectID{}, nil, 0
	switch way {
	case WayDevice:
		n, err := rand.Int(rand.Reader, big.NewInt(90))
		if err != nil {
			return fmt.Errorf("draw a number: %w", err)
		}
		number := int16(10 + n.Int64())
		r.Step, r.Challenge, r.Number = StepConfirm, identity.NewID[identity.ObjectID](), &number
	case WayPasskey:
		r.Step, r.Challenge = StepPasskey, identity.NewID[identity.ObjectID]()
	case WayTOTP:
		r.Step = StepCode
	case WayCard:
		r.Step = StepCard
	default:
		return fmt.Errorf("way %q: %w", way, ErrMoved)
	}
	return nil
}

// Passkeys reports whether passkeys can be offered at all: the issuer has a domain name.
func (x *SignIn) Passkeys() bool { return x.server.people.passkeys != nil }

// Proven reports that the passphrase was right in this sign-in: what the account has may be shown.
func (x *SignIn) Proven() bool { return !x.row.Vault.IsZero() }

// Offer reads what the account has. Nobody is told before the passphrase was right: then it is empty.
func (x *SignIn) Offer(ctx context.Context) (Offer, error) {
	o := Offer{Lesser: x.row.Request.Least < 2}
	if !x.Proven() {
		return o, nil
	}
	s := x.server
	b := new(pgx.Batch)
	held := queueCredentials(b, x.row.Vault)
	card := queueCard(b, x.row.Vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return o, fmt.Errorf("sign-in: %w", err)
	}
	if err := held.verify(s.deployment); err != nil {
		return o, fmt.Errorf("sign-in: %w", err)
	}
	o.Ways = s.waysOf(held)
	if row := held.one(WayCard); row != nil {
		o.Asked, o.Left = int(row.Counter), len(card.unused(row.ID))
	}
	return o, nil
}

// Choose goes on another way: one of the offer, or with "" to where the offer is shown. Before the passphrase the one way beside it is a
// passkey, and "" leads back. [WayPassphrase] after it means to go on with nothing more, where the client is content with that.
//
// Errors: [ErrMoved], also for a way that is not offered.
func (x *SignIn) Choose(ctx context.Context, way Way) error {
	to := x.row
	to.Challenge, to.Number = identity.ObjectID{}, nil
	switch x.row.Step {
	case StepDone, StepDead:
		return ErrMoved
	}
	switch {
	case !x.Proven() && way == WayPasskey && x.Passkeys():
		if err := to.ask(WayPasskey); err != nil {
			return err
		}
	case !x.Proven() && way == "":
		to.Step = StepPassphrase
	case !x.Proven():
		return ErrMoved
	case way == "":
		to.Step = StepChoose
	case way == WayPassphrase && x.row.Request.Least < 2:
		to.Step, to.Level = StepDone, 1
	default:
		o, err := x.Offer(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(o.Ways, way) {
			return ErrMoved
		}
		if err := to.ask(way); err != nil {
			return err
		}
	}
	b := new(pgx.Batch)
	x.queueMove(b, &to)
	if err := x.send(ctx, b); err != nil {
		return err
	}
	x.row = to
	return nil
}
