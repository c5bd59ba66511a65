package person

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// raising is a higher level for an account: the person came in person with their card (Decree 69/2024 Art. 11).
type raising struct {
	Level          int                   `json:"level"`
	Representative *sealedRepresentative `json:"representative,omitempty"`
	Evidence       Evidence              `json:"evidence"`
}

func (*raising) kind() ApprovalKind    { return ApproveLevel }
func (*raising) records() audit.Kind   { return audit.LevelChanged }
func (a *raising) ground() Evidence    { return a.Evidence }
func (a *raising) who() Representative { return a.Representative.representative() }

func (a *raising) check() error {
	if a.Level < 1 || a.Level > 2 {
		return ErrLevel
	}
	if who := a.who(); !who.IsZero() {
		if err := who.check(); err != nil {
			return err
		}
	}
	return a.Evidence.check()
}

func (a *raising) may(c *scene, _ audit.Officer) error {
	switch {
	case c.person.life != Alive:
		return ErrNotAlive
	case c.person.blocked:
		return ErrBlocked
	case c.person.kind != Citizen || a.Level < c.person.level:
		return ErrLevel
	case a.Level == c.person.level:
		return errDone
	}
	allowed, err := c.r.accounts.Allowed(accountKind(c.person.kind, c.profile.Ward), c.profile.BirthDate, c.now, a.Level)
	switch opener := c.opener(a.who()); {
	case err != nil:
		return err
	case allowed.Representative && opener.IsZero(), !allowed.Representative && !a.who().IsZero():
		return ErrRepresentative
	}
	return nil
}

// opener is who opens the account: the one named now, or the one who did before.
func (c *scene) opener(named Representative) Representative {
	if named.IsZero() {
		return c.profile.Representative
	}
	return named
}

func (a *raising) queue(b *pgx.Batch, c *scene, _ audit.Actor) error {
	before := c.account()
	p := c.profile
	p.Level, p.Representative = a.Level, c.opener(a.who())
	sealed, err := sealProfile(c.keys, p)
	if err != nil {
		return err
	}
	one(b, sqlUpdatePerson, c.vault, a.Level, string(c.person.kind), string(c.person.preferred), sealed, c.now)
	if before || c.ways {
		return c.tell(b, delivery.LevelChanged)
	}
	// There was nothing to sign in to: the account opens with a code, as at an enrolment.
	for _, contact := range c.contacts {
		if contact.Channel == c.person.preferred && contact.State == ContactActive && !contact.Shared {
			return c.r.queueCodeTo(b, c.keys, contact.Contact, c.now)
		}
	}
	return nil
}

// Raise proposes a higher level for a person's account; a second officer carries it out ([Registry.Approve]). A child under 14 and a ward need the
// representative, who has to be of level 2 and in good standing now. Errors: [ErrLevel], [ErrRepresentative], [ErrNotAlive], [ErrBlocked],
// [ErrEvidence], [ErrNotFound].
func (r *Registry) Raise(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, level int, who Representative, ev Evidence) (Approval, error) {
	if err := r.opens(ctx, who, vault); err != nil {
		return Approval{}, err
	}
	return r.propose(ctx, g, by, vault, &raising{Level: level, Representative: who.sealed(), Evidence: ev})
}

// opens reports whether a representative may open an account now. It is read before the transaction: a level is never taken away, and whoever
// is blocked a moment later is so for what they do themselves.
func (r *Registry) opens(ctx context.Context, who Representative, person identity.VaultID) error {
	if who.IsZero() {
		return nil
	}
	if who.Vault == person {
		return ErrRepresentative
	}
	keys, err := r.keysOf(ctx, who.Vault)
	if err != nil {
		return fmt.Errorf("representative: %w", err)
	}
	if keys == nil {
		return ErrRepresentative
	}
	b := new(pgx.Batch)
	standing := QueueStanding(b, who.Vault)
	reading := r.QueueProfile(b, who.Vault)
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return fmt.Errorf("representative: %w", err)
	}
	p, err := reading.Result(keys)
	if err != nil {
		return fmt.Errorf("representative: %w", err)
	}
	if !standing.Good() || p.Level < 2 {
		return ErrRepresentative
	}
	return nil
}
