package intake

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	sqlQuarantined = `select q.client_id, q.sealed, q.reason, q.state, q.created_at, q.organisation_id, q.result_id, ` + told + `
  from quarantine q where q.quarantine_id = $1 and q.holder = $2`

	// sqlStillOpen lets one of several who decide on an entry go on.
	sqlStillOpen = `select vidan_require((select state from quarantine where quarantine_id = $1 for update) = 'open', 'resolved_already')`

	// sqlResolve empties the entry: a stored result lies in its vault, a discarded one nowhere.
	sqlResolve = `update quarantine set state = $2, sealed = ''::bytea, resolved_at = $3, resolved_by = $4, resolution = $5
  where quarantine_id = $1`
)

const codeResolved = "resolved_already"

// Action is what a holder decides.
type Action string

// The actions.
const (
	// Store puts the result into the vault of the person named. It does not fit a conflict of revisions: there the issuer sends a higher revision.
	Store Action = "store"
	// Discard gives it up; the deliverer is told.
	Discard Action = "discard"
)

// Resolution is a holder's decision on one entry.
type Resolution struct {
	Action Action
	Vault  identity.VaultID // for Store: whose it is
	Reason string           // 1–200 characters, why, in the holder's words; kept sealed
}

func (r Resolution) fits(by audit.Actor) bool {
	n := utf8.RuneCountInString(r.Reason)
	return n >= 1 && n <= 200 && by.Officer.ID != "" && (r.Action == Store && !r.Vault.IsZero() || r.Action == Discard && r.Vault.IsZero())
}

// resolved is a decision that is carried out.
type resolved struct {
	Resolution
	id           identity.ObjectID
	by           audit.Actor
	because      Reason // for which the result is in quarantine
	organisation string
	result       identity.ObjectID
	told         bool // the deliverer knows of the entry
}

// Resolve decides on an entry of the holder. The paper may go to the person it is at home with already, and to nobody else.
// Errors: [ErrNotFound], [ErrResolved], [ErrResolution], seal.ErrNoKeys for a person who is not there.
func (in *Intake) Resolve(ctx context.Context, g pg.Guard, holder string, id identity.ObjectID, by audit.Actor, r Resolution) error {
	if !r.fits(by) {
		return ErrResolution
	}
	d := &resolved{Resolution: r, id: id, by: by}
	var client, state string
	var sealed []byte
	var created time.Time
	missing := false
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlQuarantined, id, holder).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&client, &sealed, &d.because, &state, &created, &d.organisation, &d.result, &d.told)
		if missing = errors.Is(err, pgx.ErrNoRows); missing {
			return nil
		}
		return err
	})
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return fmt.Errorf("quarantine %s: %w", id, err)
	}
	if err := g.Check(); err != nil {
		return err
	}
	switch {
	case missing:
		return ErrNotFound
	case state != "open":
		return ErrResolved
	case r.Action == Store && d.because == RevisionConflict:
		return ErrResolution
	}
	k, err := in.openKept(quarantinePlace(id), sealed)
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", id, err)
	}
	for range races {
		if err = in.carryOut(ctx, d, k, client, created); !lost(err) {
			break
		}
	}
	switch {
	case pg.Refused(err) == codeResolved:
		return ErrResolved
	case lost(err):
		err = ErrBusy
	}
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", id, err)
	}
	return nil
}

// carryOut does what was decided in one transaction.
func (in *Intake) carryOut(ctx context.Context, d *resolved, k kept, client string, created time.Time) error {
	now := in.now()
	a, err := in.arrivalOf(k, client, created)
	var wrong *Invalid
	if errors.As(err, &wrong) && d.Action == Discard {
		b := new(pgx.Batch) // it cannot be read any more, so that nobody knows in whose record this belongs
		if err := in.queueDiscard(b, d, now); err != nil {
			return err
		}
		return pg.Pipeline(ctx, in.pool, b)
	}
	if err != nil {
		return err
	}
	a.resolved = d
	w, err := in.look(ctx, a, pg.All())
	if err != nil {
		return err
	}
	if d.Action == Store {
		if w.other || !w.home.Vault.IsZero() && w.home.Vault != d.Vault {
			return ErrResolution
		}
		_, err := in.store(ctx, a, w, place{vault: d.Vault}, now)
		return err
	}
	b := new(pgx.Batch)
	if err := in.queueDiscard(b, d, now); err != nil {
		return err
	}
	if err := in.recordIn(ctx, b, a, w, d.entry(), now); err != nil {
		return err
	}
	return pg.Pipeline(ctx, in.pool, b)
}

func (d *resolved) entry() audit.Entry {
	return audit.Entry{Kind: audit.ResultResolved, Organisation: d.by.Officer.Organisation, Actor: d.by, Reason: string(d.Action)}
}

// queueResolved closes an entry whose result is stored by the same batch, and records who decided.
func (in *Intake) queueResolved(b *pgx.Batch, d *resolved, keys *seal.Keys, a *arrival, now time.Time) error {
	if err := in.queueDecision(b, d, "stored", now); err != nil {
		return err
	}
	e := d.entry()
	e.Vault, e.Procedure, e.Dossier, e.Document, e.Revision = keys.Vault(), a.Procedure, a.Dossier, a.id, a.Revision
	_, err := in.audit.Queue(b, keys, e, now)
	return err
}

func (in *Intake) queueDiscard(b *pgx.Batch, d *resolved, now time.Time) error {
	return in.queueDecision(b, d, "discarded", now)
}

// queueDecision closes an entry. The deliverer is told, but of an entry they do not know of only that it was given up: then somebody has
// to act (R5).
func (in *Intake) queueDecision(b *pgx.Batch, d *resolved, state string, now time.Time) error {
	why, err := in.deployment.SealMessage(seal.Waiting, seal.Place{Table: "quarantine", Column: "resolution", Object: d.id.Bytes()}, []byte(d.Reason))
	if err != nil {
		return err
	}
	b.Queue(sqlStillOpen, d.id)
	b.Queue(sqlResolve, d.id, state, now, d.by.Officer.Organisation+"/"+d.by.Officer.ID, why)
	if d.told || d.Action == Discard {
		delivery.QueueEvent(b, d.organisation, EventResolved, map[string]string{
			"quarantine_id": d.id.String(), "result_id": d.result.String(), "state": state,
		}, now)
	}
	return nil
}
