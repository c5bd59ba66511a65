package consent

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Relations lists who may, might or might not act for a person, whatever the state: for the registrar, whose guard g is. One round trip, and the
// reading is recorded by the caller with what it shows.
func (l *Ledger) Relations(ctx context.Context, g pg.Guard, person identity.VaultID) ([]Relation, error) {
	homes, _, err := l.homes(ctx, g, person)
	if err != nil {
		return nil, fmt.Errorf("relations of vault %s: %w", person, err)
	}
	list := make([]Relation, len(homes))
	for i := range homes {
		list[i] = homes[i].Relation
	}
	return list, nil
}

// homes reads and opens the home relations of a person.
func (l *Ledger) homes(ctx context.Context, g pg.Guard, person identity.VaultID) ([]home, *seal.Keys, error) {
	keys, err := l.vaults.OpenOne(ctx, l.pool, person)
	if err != nil && !errors.Is(err, seal.ErrNoKeys) {
		return nil, nil, err
	}
	var homes []home
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlHomes, person).Query(func(rows pgx.Rows) (err error) {
		homes, err = collectHomes(rows, person)
		return err
	})
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, nil, err
	}
	if err := g.Check(); err != nil {
		return nil, nil, err
	}
	if keys == nil {
		return nil, nil, ErrNotFound
	}
	for i := range homes {
		if err := l.open(keys, &homes[i]); err != nil {
			return nil, nil, err
		}
	}
	return homes, keys, nil
}

// Confirm is a second officer's word that a proposed or suspended relation is right. It takes effect when the waiting period is over and
// nothing contradicts it. Errors: [ErrNotFound]; [ErrSameOfficer]; [ErrState] for a relation that is decided.
func (l *Ledger) Confirm(ctx context.Context, g pg.Guard, by audit.Actor, person identity.VaultID, relation identity.RelationID) error {
	err := l.officially(ctx, g, person, relation, func(h home) (change, error) {
		word := byWhom(by)
		switch {
		case h.State != Proposed && h.State != Suspended:
			return change{}, ErrState
		case by.Officer.ID == "" || word == h.body.Organisation+"/"+h.body.Officer:
			return change{}, ErrSameOfficer
		case h.Confirmed:
			return change{}, errDone
		}
		to := h
		to.body.ConfirmedBy, to.Confirmed = word, true
		// Judged at once, and again when the waiting period ends.
		return change{from: h, to: to, by: by, tasks: []delivery.Task{
			{Kind: TaskDecide, Vault: person, Args: relationArgs(relation)},
			{Kind: TaskDecide, Vault: person, Args: relationArgs(relation), NotBefore: h.DecideAfter},
		}}, nil
	})
	if err != nil {
		return fmt.Errorf("confirm relation %s: %w", relation, err)
	}
	return nil
}

// Restrict takes the right away by decision of a court, the registrar or a provisional request; reason is its code. For the actor it is from the
// next statement on as if the relation had never been (R3); the person's own record says what happened. Done again it does nothing.
func (l *Ledger) Restrict(ctx context.Context, g pg.Guard, by audit.Actor, person identity.VaultID, relation identity.RelationID, reason string) error {
	return l.turn(ctx, g, by, person, relation, Restricted, Reason(reason))
}

// Lift gives back a right that was restricted; between its dates it stands again.
func (l *Ledger) Lift(ctx context.Context, g pg.Guard, by audit.Actor, person identity.VaultID, relation identity.RelationID, reason string) error {
	return l.turn(ctx, g, by, person, relation, Active, Reason(reason))
}

// End ends a relation for good: a proposal that is wrong, a guardianship that is over.
func (l *Ledger) End(ctx context.Context, g pg.Guard, by audit.Actor, person identity.VaultID, relation identity.RelationID, reason string) error {
	return l.turn(ctx, g, by, person, relation, Ended, Reason(reason))
}

// errDone ends an official act that was done before.
var errDone = errors.New("consent: done before")

func (l *Ledger) turn(ctx context.Context, g pg.Guard, by audit.Actor, person identity.VaultID, relation identity.RelationID, to State, reason Reason) error {
	if !isCode(string(reason)) {
		return fmt.Errorf("%w: reason is not a code", ErrRelation)
	}
	err := l.officially(ctx, g, person, relation, func(h home) (change, error) {
		switch {
		case h.State == to:
			return change{}, errDone
		case !h.State.May(to) || to == Active && h.State != Restricted:
			return change{}, ErrState
		}
		next := h
		next.State, next.Reason = to, reason
		c := change{from: h, to: next, by: by, kind: recordKind(h.State, to)}
		// What contradicted another relation, or was restricted, may free that other.
		c.tasks = []delivery.Task{{Kind: TaskDecide, Vault: person, Args: relationArgs(relation)}}
		return c, nil
	})
	if err != nil {
		return fmt.Errorf("relation %s: to %s: %w", relation, to, err)
	}
	return nil
}

// officially carries out what an officer decided about one relation: read behind the guard, then written if it is still as it was read.
func (l *Ledger) officially(ctx context.Context, g pg.Guard, person identity.VaultID, relation identity.RelationID, decide func(home) (change, error)) error {
	for range maxRaces {
		homes, keys, err := l.homes(ctx, g, person)
		if err != nil {
			return err
		}
		g = pg.All() // it has been asked
		var c change
		err = ErrNotFound
		for _, h := range homes {
			if h.ID == relation {
				c, err = decide(h)
			}
		}
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if err = l.move(ctx, keys, c); pg.Refused(err) != codeRelationChanged {
			return err
		}
	}
	return pg.ErrBusy
}
