package person

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const sqlUpdatePerson = `update people
  set level = $2, kind = $3, preferred_channel = $4, sealed_profile = $5, changed_at = $6
  where vault_id = $1`

// errMoved: the vault that a pending person was found in was joined meanwhile.
var errMoved = errors.New("person: the vault moved")

// Enrol opens an account: a vault with its keys, or the vault of a newborn whose number was pending, with number, profile and contacts, and sends the
// one-time code that activates it. Errors: those of a bad [Enrolment]; [ErrNumberTaken], recorded with whoever has the number, and [ErrHasAccount] where they
// can sign in already: that is a recovery; [ErrNotFound], [ErrOtherNumber] and [ErrEnrolled] of the pending person; [ErrIdempotency]; a [*pg.Refusal] "busy" while the same key is at work.
func (r *Registry) Enrol(ctx context.Context, g pg.Guard, by audit.Actor, e Enrolment) (Enrolled, error) {
	if err := e.check(r.accounts, r.now()); err != nil {
		return Enrolled{}, err
	}
	if err := r.opens(ctx, e.Representative, identity.VaultID{}); err != nil {
		return Enrolled{}, err
	}
	for attempt := 0; ; attempt++ {
		done, err := r.enrol(ctx, g, by, e)
		if !errors.Is(err, errMoved) || attempt == 2 {
			return done, err
		}
	}
}

func (r *Registry) enrol(ctx context.Context, g pg.Guard, by audit.Actor, e Enrolment) (Enrolled, error) {
	t, err := r.target(ctx, e)
	if err != nil {
		return Enrolled{}, fmt.Errorf("enrol: %w", err)
	}
	numbers := r.digests(NumberIdentifier(e.Number))
	locked := numbers
	if !e.Pending.IsZero() {
		t.pending = r.digests(e.Pending)
		locked = append(append([]seal.Digest(nil), numbers...), t.pending...)
	}
	once := once(by, e)
	var s *sight
	var ways *ways
	var v verdict
	var done Enrolled
	err = pg.Exchange(ctx, r.pool,
		func(b *pgx.Batch) error {
			s = r.queueSight(b, g, locked, t.vault)
			ways = r.queueWays(b, numbers)
			once.queue(b)
			return nil
		},
		func(b *pgx.Batch) (err error) {
			if err := s.check(); err != nil {
				return err
			}
			v = verdict{}
			if done, v.refused = once.before(r); done.Again || v.refused != nil {
				return nil
			}
			v, err = s.mayEnrol(t, numbers)
			if v.refused != nil && ways.found {
				v.refused = ErrHasAccount
			}
			if err != nil || v.refused != nil {
				return err
			}
			done, err = r.queueEnrol(b, s, t, by, e, numbers, once, r.now())
			return err
		})
	if err != nil {
		return Enrolled{}, fmt.Errorf("enrol: %w", taken(err))
	}
	if v.refused != nil {
		return Enrolled{}, r.noteRefusal(ctx, by, v, e.Evidence)
	}
	return done, nil
}

// target is the vault an enrolment is about.
type target struct {
	vault   identity.VaultID
	keys    *seal.Keys
	rows    []seal.WrappedKey // of a new vault
	pending []seal.Digest     // of the identifier that names an old one
}

// target draws a new vault, or finds the pending one, which the locks of the transaction then confirm.
func (r *Registry) target(ctx context.Context, e Enrolment) (target, error) {
	if e.Pending.IsZero() {
		t := target{vault: identity.NewVaultID()}
		var err error
		t.keys, t.rows, err = r.deployment.NewVault(ctx, t.vault)
		return t, err
	}
	vault, err := r.Resolve(ctx, r.pool, e.Pending)
	if err != nil {
		return target{}, err
	}
	keys, err := r.keysOf(ctx, vault)
	return target{vault: vault, keys: keys}, err
}

// sqlWays asks whether whoever has an identifier can sign in.
const sqlWays = `select exists (select from credentials c where c.state = 'active' and c.vault_id in (
  select i.vault_id from identifiers i join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
    on i.prf_key_id = w.key_id and i.digest = w.digest
  where i.state = 'active'))`

// ways says whether there is any way into the account of whoever has a number.
type ways struct{ found bool }

func (r *Registry) queueWays(b *pgx.Batch, numbers []seal.Digest) *ways {
	w := new(ways)
	keys, sums := digestArgs(numbers)
	b.Queue(sqlWays, keys, sums).QueryRow(func(row pgx.Row) error { return row.Scan(&w.found) })
	return w
}

// verdict is a refusal and in whose record it belongs.
type verdict struct {
	refused error
	about   identity.VaultID
}

// mayEnrol judges an enrolment.
func (s *sight) mayEnrol(t target, numbers []seal.Digest) (verdict, error) {
	holder := s.holder(numbers)
	if t.pending == nil {
		if !holder.IsZero() {
			return verdict{ErrNumberTaken, holder}, nil
		}
		return verdict{}, nil
	}
	switch named := s.holder(t.pending); {
	case named.IsZero() || t.keys == nil:
		return verdict{refused: ErrNotFound}, nil
	case named != t.vault:
		return verdict{}, errMoved
	case !holder.IsZero() && holder != t.vault:
		return verdict{ErrNumberTaken, t.vault}, nil
	case s.people[t.vault].level > 0 || s.people[t.vault].kind == Foreigner:
		return verdict{ErrEnrolled, t.vault}, nil
	case holder.IsZero() && len(s.numbers(t.vault)) > 0:
		return verdict{ErrOtherNumber, t.vault}, nil
	}
	return verdict{}, s.open(t.vault)
}

// noteRefusal records a refusal with whom it is about and returns it.
func (r *Registry) noteRefusal(ctx context.Context, by audit.Actor, v verdict, ev Evidence) error {
	if v.about.IsZero() {
		return v.refused
	}
	keys, err := r.vaults.OpenOne(ctx, r.pool, v.about)
	if err != nil {
		return fmt.Errorf("record a refused enrolment: %w", err)
	}
	b := new(pgx.Batch)
	if err := r.note(b, keys, by, audit.Enrolled, ev, v.refused, r.now()); err != nil {
		return err
	}
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return fmt.Errorf("record a refused enrolment: %w", err)
	}
	return v.refused
}

func (r *Registry) queueEnrol(b *pgx.Batch, s *sight, t target, by audit.Actor, e Enrolment, numbers []seal.Digest, once *idempotent, now time.Time) (Enrolled, error) {
	if err := r.queueWho(b, s, t, e, now); err != nil {
		return Enrolled{}, err
	}
	if s.holder(numbers).IsZero() {
		if err := r.queueIdentifier(b, t.vault, NumberIdentifier(e.Number), e.Evidence, now); err != nil {
			return Enrolled{}, err
		}
		queueNumbered(b, t.vault, numbers, now)
	}
	preferred, reached := e.own()
	done := Enrolled{Vault: t.vault, CodeSent: reached && e.account()}
	for i, c := range e.Contacts {
		c.ID, c.State = identity.NewID[identity.ObjectID](), ContactActive
		if err := r.queueContact(b, t.keys, c, now); err != nil {
			return Enrolled{}, err
		}
		if i == preferred && done.CodeSent {
			if err := r.queueCodeTo(b, t.keys, c, now); err != nil {
				return Enrolled{}, err
			}
		}
	}
	once.keep(b, r, done, now)
	return done, r.note(b, t.keys, by, audit.Enrolled, e.Evidence, nil, now)
}

// queueWho writes who the person is, into a new vault or the pending one.
func (r *Registry) queueWho(b *pgx.Batch, s *sight, t target, e Enrolment, now time.Time) error {
	p := Profile{Name: e.Name, BirthDate: e.BirthDate, Sex: e.Sex, Level: e.Level, Ward: e.Ward, Representative: e.Representative}
	old, pending := s.people[t.vault]
	if pending {
		held, err := old.open(t.keys)
		if err != nil {
			return err
		}
		p.Mother, p.Notice = held.Mother, held.Notice
	}
	sealed, err := sealProfile(t.keys, p)
	if err != nil {
		return err
	}
	if pending {
		b.Queue(sqlChanged, t.vault)
		one(b, sqlUpdatePerson, t.vault, e.Level, string(e.Kind), string(e.PreferredChannel), sealed, now)
		return nil
	}
	b.Queue(sqlInsertVault, t.vault, now)
	seal.QueueVaultKeys(b, t.rows, now)
	b.Queue(sqlInsertPerson, t.vault, e.Level, string(e.Kind), string(e.PreferredChannel), sealed, now)
	return nil
}

// queueCodeTo draws a code and sends it.
func (r *Registry) queueCodeTo(b *pgx.Batch, keys *seal.Keys, to Contact, now time.Time) error {
	code, err := newCode()
	if err != nil {
		return err
	}
	for _, purpose := range []codePurpose{forAccount, forDevice} {
		r.queueCode(b, keys.Vault(), code, purpose, identity.ObjectID{}, now)
	}
	_, err = delivery.QueueMessage(b, keys, keys.Vault(), to.sendable(),
		delivery.ActivationCode, delivery.Args{Code: delivery.Code(code.digits.Reveal())}, now)
	return err
}
