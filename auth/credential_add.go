package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Authority says in which right somebody adds a way into an account. The zero value is none.
type Authority struct {
	vault  identity.VaultID // by a session of level 2 that was confirmed just now
	number identity.PersonalNumber
	code   person.Code // by an activation code, tried when the device is registered
}

// SessionAuthority is the right of a person who confirmed with a second factor within the last quarter of an hour. Errors: [*StepUp].
func (s *Server) SessionAuthority(p *Principal) (Authority, error) {
	if err := p.require(2, freshLevel, s.now()); err != nil {
		return Authority{}, err
	}
	return Authority{vault: p.Vault}, nil
}

// CodeAuthority is the right of a person with a fresh activation code, which an officer had sent to them. The code is tried when
// the credential is added, and only when the number is that of the person who is signed in: nobody uses up another's tries.
// Errors: [ErrCode] for what cannot be a number or a code.
func (s *Server) CodeAuthority(_ context.Context, number, code identity.Private) (Authority, error) {
	n, err := parseTyped(number)
	if err != nil {
		return Authority{}, ErrCode
	}
	c, err := person.ParseCode(code.Reveal())
	if err != nil {
		return Authority{}, ErrCode
	}
	return Authority{number: n, code: c}, nil
}

// adding is a credential on its way into an account.
type adding struct {
	right  Authority
	by     audit.Actor
	kind   audit.Kind // recorded
	reason string
	notice delivery.Template // sent to the person
	proofs []proofID         // used up with it
	// make returns the row to insert, or the row that is the same already: then nothing is to be done. It may run twice.
	make func(keys *seal.Keys, held *credentials, now time.Time) (row *credentialRow, again bool, err error)
}

// add puts a credential into an account under the lock of its vault, in the transaction that uses up what authorised it. A retry whose first
// answer was lost finds its own row and has no need of a code that it has used already.
//
// Errors: [ErrLevel] without an authority for this person, [ErrCode] when its code is not right, those of make and of g.
func (s *Server) add(ctx context.Context, g pg.Guard, vault identity.VaultID, a adding) (*credentialRow, error) {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil && !(errors.Is(err, seal.ErrNoKeys) && vault.IsZero()) {
		return nil, err
	}
	now := s.calendar()
	activation, err := s.holds(ctx, vault, keys, a, now)
	if err != nil {
		return nil, err
	}
	var row *credentialRow
	err = s.changeCredentials(ctx, g, vault, func(b *pgx.Batch, held *credentials) (err error) {
		var again bool
		if row, again, err = a.make(keys, held, now); err != nil || again {
			return err
		}
		queueProofs(b, a.proofs...)
		if !a.right.number.IsZero() {
			if err := s.people.registry.QueueActivation(b, keys, activation, a.by, now); err != nil {
				return err
			}
		}
		row.queueInsert(b, s.deployment)
		queueNotice(b, vault, a.notice, now)
		_, err = s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: a.kind, Actor: a.by, Reason: a.reason}, now)
		return err
	})
	if err != nil {
		if pg.Refused(err) == person.CodeUsed || errors.Is(err, person.ErrCode) {
			return nil, ErrCode
		}
		return nil, Refused(err)
	}
	return row, nil
}

// changeCredentials lets change queue what is done to the ways into an account: under the lock of its vault, knowing all of them as they stand, in one
// transaction that g has passed. Errors: those of g and of change, [seal.ErrTampered].
func (s *Server) changeCredentials(ctx context.Context, g pg.Guard, vault identity.VaultID, change func(*pgx.Batch, *credentials) error) error {
	var held *credentials
	return pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			g.Queue(b)
			b.Queue(sqlLockVault, vault)
			held = queueCredentials(b, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			if err := held.verify(s.deployment); err != nil {
				return err
			}
			return change(b, held)
		})
}

// queueNotice has a person told, without content, that there is something to see.
func queueNotice(b *pgx.Batch, vault identity.VaultID, template delivery.Template, now time.Time) {
	args, err := json.Marshal(map[string]string{"template": string(template)})
	if err != nil {
		panic("auth: a text does not marshal") // never
	}
	delivery.Queue(b, delivery.Task{Kind: person.KindNotice, Vault: vault, Args: args}, now)
}

// holds reports whether an authority is for this person; by a code, it tries the code, unless the credential is there already.
func (s *Server) holds(ctx context.Context, vault identity.VaultID, keys *seal.Keys, a adding, now time.Time) (person.Activation, error) {
	right := a.right
	if right.number.IsZero() {
		if right.vault != vault || vault.IsZero() {
			return person.Activation{}, ErrLevel
		}
		return person.Activation{}, nil
	}
	id := person.NumberIdentifier(right.number)
	b := new(pgx.Batch)
	finding := s.people.registry.QueueFind(b, []person.Identifier{id})
	held := queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return person.Activation{}, err
	}
	found, err := finding.Result()
	if err != nil {
		return person.Activation{}, err
	}
	if found[0].Vault != vault || vault.IsZero() {
		return person.Activation{}, ErrCode
	}
	if err := held.verify(s.deployment); err != nil {
		return person.Activation{}, err
	}
	if _, again, err := a.make(keys, held, now); err == nil && again {
		return person.Activation{}, nil
	}
	activation, err := s.people.registry.CheckDevice(ctx, id, right.code)
	if errors.Is(err, person.ErrCode) {
		return person.Activation{}, ErrCode
	}
	return activation, err
}
