package person

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// mayObject reports whether a way into the account can still stop a recovery: until the code is used, and not after it was settled.
func (r recoveryRow) mayObject() bool {
	return !r.settled && (r.state == RecoveryWaiting || r.state == RecoveryCoded)
}

// RecoveryOf returns the recovery that is under way for an account, ok false for none. g is the guard of the person's session.
func (r *Registry) RecoveryOf(ctx context.Context, g pg.Guard, vault identity.VaultID) (found Recovery, ok bool, err error) {
	var rows []recoveryRow
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlOpenRecovery, vault).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, scanRecovery)
		return err
	})
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return Recovery{}, false, fmt.Errorf("recovery of vault %s: %w", vault, err)
	}
	if err := g.Check(); err != nil || len(rows) == 0 {
		return Recovery{}, false, err
	}
	row := rows[0]
	if err := r.believeRecovery(row); err != nil {
		return Recovery{}, false, err
	}
	return Recovery{
		State: row.state, Office: row.office, StartedAt: row.started, ReadyAt: row.ready, ExpiresAt: row.expires, MayObject: row.mayObject(),
	}, true, nil
}

// Object freezes a recovery, in the name of a way into the account that is not lost: by is the person. Said again nothing happens. Errors: [ErrState]
// when there is nothing to object to.
func (r *Registry) Object(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID) error {
	return r.play(ctx, g, by, audit.RecoveryStopped, Evidence{}, vault, nil, func(b *pgx.Batch, c *scene) error {
		row, under := c.recovery()
		switch {
		case under && row.state == RecoveryFrozen:
			return errDone
		case !under || !row.mayObject():
			return ErrState
		}
		to := row
		to.state, to.expires = RecoveryFrozen, c.now.Add(RecoveryHold)
		b.Queue(sqlChanged, vault)
		if err := r.queueMoveRecovery(b, row, to); err != nil {
			return err
		}
		queueStep(b, to, to.expires, c.now)
		if err := c.tell(b, delivery.RecoveryFrozen); err != nil {
			return err
		}
		_, err := r.audit.Queue(b, c.keys, audit.Entry{Vault: vault, Kind: audit.RecoveryStopped, Actor: by, Reason: "objected"}, c.now)
		return err
	})
}

// StepRecovery is the handler of [KindRecovery]: it sends the code when the waiting is over and ends what ran out. Whatever is not due, or was done
// before, is left alone.
func (r *Registry) StepRecovery(ctx context.Context, t delivery.Task) error {
	var args struct {
		Recovery identity.ObjectID `json:"recovery_id"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	err := r.play(ctx, pg.All(), audit.Actor{}, audit.RecoveryCode, Evidence{}, t.Vault, nil, func(b *pgx.Batch, c *scene) error {
		row, under := c.recovery()
		if !under || row.id != args.Recovery {
			return errDone
		}
		switch {
		case !c.now.Before(row.expires):
			return r.queueExpire(b, c, row)
		case (row.state == RecoveryWaiting || row.state == RecoverySettled) && !c.now.Before(row.ready) && c.person.life == Alive:
			return r.queueSend(b, c, row)
		}
		return errDone
	})
	if gone(err) {
		return nil
	}
	return err
}

func (r *Registry) queueExpire(b *pgx.Batch, c *scene, row recoveryRow) error {
	to := row
	to.state = RecoveryExpired
	b.Queue(sqlChanged, c.vault)
	if err := r.queueMoveRecovery(b, row, to); err != nil {
		return err
	}
	_, err := r.audit.Queue(b, c.keys, audit.Entry{Vault: c.vault, Kind: audit.RecoveryStopped, Reason: "expired"}, c.now)
	return err
}

// queueSend lets the code out: to a contact that may have it, the preferred channel first; without one the person fetches it at a counter.
func (r *Registry) queueSend(b *pgx.Batch, c *scene, row recoveryRow) error {
	to := row
	to.state, to.expires = RecoveryCoded, c.now.Add(ActivationLife)
	contact, reached := c.codeContact()
	to.sent = reached
	b.Queue(sqlChanged, c.vault)
	if err := r.queueMoveRecovery(b, row, to); err != nil {
		return err
	}
	queueStep(b, to, to.expires, c.now)
	reason := "counter"
	if reached {
		reason = "sent"
		if _, err := r.queueRecoveryCode(b, c, to, contact); err != nil {
			return err
		}
	}
	_, err := r.audit.Queue(b, c.keys, audit.Entry{Vault: c.vault, Kind: audit.RecoveryCode, Reason: reason}, c.now)
	return err
}

// codeContact is where a code may go.
func (c *scene) codeContact() (Contact, bool) {
	var found Contact
	ok := false
	for _, k := range c.contacts {
		if k.takesCodes(c.now) && (!ok || k.Channel == c.person.preferred && found.Channel != c.person.preferred) {
			found, ok = k.Contact, true
		}
	}
	return found, ok
}

// queueRecoveryCode draws the code of a recovery, with which the account gets a new passphrase and then a new device; with a contact it is sent there.
func (r *Registry) queueRecoveryCode(b *pgx.Batch, c *scene, row recoveryRow, to Contact) (Code, error) {
	code, err := newCode()
	if err != nil {
		return Code{}, err
	}
	for _, purpose := range []codePurpose{forRecovery, forDevice} {
		r.queueCode(b, c.vault, code, purpose, row.id, c.now)
	}
	if to.ID.IsZero() {
		return code, nil
	}
	_, err = delivery.QueueMessage(b, c.keys, c.vault, to.sendable(), delivery.RecoveryCode, delivery.Args{Code: delivery.Code(code.digits.Reveal())}, c.now)
	return code, err
}

// CounterCode draws the code of a recovery for somebody without a contact that may have one: the officer hands it over on paper. The two officers who
// began the recovery have seen the person; this one is in the record as well. Errors: [ErrState] unless a code is due here; [ErrNotFound].
func (r *Registry) CounterCode(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) (Code, time.Time, error) {
	if err := ev.check(); err != nil {
		return Code{}, time.Time{}, err
	}
	var code Code
	var until time.Time
	err := r.play(ctx, g, by, audit.RecoveryCode, ev, vault, nil, func(b *pgx.Batch, c *scene) error {
		row, under := c.recovery()
		if !under || row.state != RecoveryCoded || row.sent || !c.now.Before(row.expires) {
			return ErrState
		}
		b.Queue(sqlVoidCodes, vault, row.id, c.now) // one at a time is good
		var err error
		if code, err = r.queueRecoveryCode(b, c, row, Contact{}); err != nil {
			return err
		}
		until = c.now.Add(ActivationLife)
		return r.note(b, c.keys, by, audit.RecoveryCode, ev, nil, c.now)
	})
	if err != nil {
		return Code{}, time.Time{}, err
	}
	return code, until, nil
}
