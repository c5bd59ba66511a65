package person

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Bind makes a personal number lead to a vault: the registrar's act that confirms a proposal, or needs none. Results that wait under the number are
// woken, and relations that waited for it. It ends nothing: a person with another number keeps it, unless the basis is [NumberReplaced]; then the old
// one still leads to them. Errors: [ErrNotFound], [ErrJoined], [ErrNumberTaken], [ErrOtherNumber], [ErrEvidence], [ErrIdentifier].
func (r *Registry) Bind(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, number identity.PersonalNumber, ev Evidence) error {
	if number.IsZero() {
		return ErrIdentifier
	}
	return r.attach(ctx, g, by, vault, NumberIdentifier(number), ev)
}

// AddIdentifier makes a birth notice or a register entry lead to a vault. Errors: as [Registry.Bind], and [ErrRegistrarOnly] for a number.
func (r *Registry) AddIdentifier(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, id Identifier, ev Evidence) error {
	switch {
	case id.IsZero():
		return ErrIdentifier
	case id.kind == seal.PersonalNumber:
		return ErrRegistrarOnly
	}
	return r.attach(ctx, g, by, vault, id, ev)
}

func (r *Registry) attach(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, id Identifier, ev Evidence) error {
	if err := ev.check(); err != nil {
		return err
	}
	keys, err := r.keysOf(ctx, vault)
	if err != nil {
		return fmt.Errorf("bind to vault %s: %w", vault, err)
	}
	digests := r.digests(id)
	var s *sight
	var refused error
	err = pg.Exchange(ctx, r.pool,
		func(b *pgx.Batch) error {
			s = r.queueSight(b, g, digests, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := s.check(); err != nil {
				return err
			}
			now := r.now()
			var done bool
			done, refused = s.mayBind(vault, id.kind, digests, ev)
			switch {
			case keys == nil:
				refused = ErrNotFound
				return nil
			case done:
				return nil
			case refused != nil:
				return r.note(b, keys, by, audit.IdentifierBound, ev, refused, now)
			}
			return r.queueBind(b, s, keys, by, id, digests, ev, now)
		})
	if err != nil {
		return fmt.Errorf("bind to vault %s: %w", vault, taken(err))
	}
	return refused
}

// mayBind judges a binding: it is done already, or refused, or neither.
func (s *sight) mayBind(vault identity.VaultID, kind seal.IdentifierKind, digests []seal.Digest, ev Evidence) (done bool, refused error) {
	if err := s.open(vault); err != nil {
		return false, err
	}
	switch holder := s.holder(digests); {
	case holder == vault:
		return true, nil
	case !holder.IsZero():
		return false, ErrNumberTaken
	case kind == seal.PersonalNumber && ev.Basis != NumberReplaced && len(s.numbers(vault)) > 0:
		return false, ErrOtherNumber
	}
	return false, nil
}

func (r *Registry) queueBind(b *pgx.Batch, s *sight, keys *seal.Keys, by audit.Actor, id Identifier, digests []seal.Digest, ev Evidence, now time.Time) error {
	vault := keys.Vault()
	b.Queue(sqlChanged, vault)
	if id.kind == seal.PersonalNumber {
		for _, replaced := range s.numbers(vault) {
			r.queueEndNumber(b, replaced, now)
		}
	}
	if err := r.queueIdentifier(b, vault, id, ev, now); err != nil {
		return err
	}
	if id.kind == seal.PersonalNumber {
		queueNumbered(b, vault, digests, now)
	}
	return r.note(b, keys, by, audit.IdentifierBound, ev, nil, now)
}
