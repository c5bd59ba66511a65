package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/seal"
)

const (
	// keyLife is how long a key signs before the schedule replaces it.
	keyLife = 90 * 24 * time.Hour
	// keyLead is how long a key is published before it signs: longer than others keep the key set (five minutes) and than a process goes
	// without reading it (one).
	keyLead = 10 * time.Minute
)

// ErrPurpose reports a purpose for which there are no signing keys.
var ErrPurpose = errors.New("auth: no such purpose")

const (
	sqlLockRotation = `select pg_advisory_xact_lock($1)`
	sqlMoveKey      = `update signing_keys set state = $3, sealed = $4, changed_at = $5 where kid = $1 and state = $2`
)

// RotateKeys does what is due by itself (S4): a key that has been published for [keyLead] takes over, one that has signed for [keyLife] gets
// a successor, and a token key that nothing valid was signed with any more goes. It runs every minute in every process, before [Keys.Refresh];
// one of them does the work.
func RotateKeys(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, now time.Time) error {
	return rotateKeys(ctx, pool, d, now, "")
}

// RotateKey publishes the successor of the key of a purpose now, whatever its age; the minute job has it take over after [keyLead]. Where
// there is a successor already nothing changes. Errors: [ErrPurpose].
func RotateKey(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, p Purpose, now time.Time) error {
	if !slices.Contains(purposes, p) {
		return fmt.Errorf("%q: %w", p, ErrPurpose)
	}
	return rotateKeys(ctx, pool, d, now, p)
}

func rotateKeys(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, now time.Time, wanted Purpose) error {
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockRotation, int64(pg.NewLockKey("signing_keys rotation"))); err != nil {
			return err
		}
		rows, err := readSigningKeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range purposes {
			if err := rotatePurpose(ctx, tx, d, p, rows, now, p == wanted); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rotate signing keys: %w", err)
	}
	return nil
}

func rotatePurpose(ctx context.Context, tx pgx.Tx, d *seal.Deployment, p Purpose, rows []signingRow, now time.Time, wanted bool) error {
	var active, next *signingRow
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Purpose != p:
		case r.State == keyActive:
			active = r
		case r.State == keyNext:
			next = r
		case r.State == keyRetired && !r.published(now):
			if err := r.move(ctx, tx, d, keyArchived, now); err != nil {
				return err
			}
		}
	}
	if active == nil {
		return fmt.Errorf("no active %s key: %w", p, ErrSigningKeys)
	}
	if next != nil && now.Sub(next.Changed) >= keyLead {
		if err := active.move(ctx, tx, d, keyRetired, now); err != nil {
			return err
		}
		return next.move(ctx, tx, d, keyActive, now)
	}
	if next == nil && (wanted || now.Sub(active.Changed) >= keyLife) {
		return createKey(ctx, tx, d, p, keyNext, now)
	}
	return nil
}

// move brings a key into another state and seals it with that.
func (r *signingRow) move(ctx context.Context, tx pgx.Tx, d *seal.Deployment, to string, now time.Time) error {
	key, _, err := r.open(d)
	if err != nil {
		return err
	}
	kept, err := d.Open(seal.Signing, r.place(), r.Sealed)
	if err != nil {
		return err
	}
	if to == keyRetired || to == keyArchived {
		if kept, err = key.JWK(); err != nil {
			return err
		}
	}
	from := r.State
	r.State, r.Changed = to, now.Truncate(time.Microsecond)
	if r.Sealed, err = d.Seal(seal.Signing, r.place(), kept); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, sqlMoveKey, r.KID, from, r.State, r.Sealed, r.Changed)
	return one(tag.RowsAffected(), err)
}

// SigningKey is what operators see of one.
type SigningKey struct {
	KID       string
	Purpose   Purpose
	State     string // next, active, retired, archived
	Created   time.Time
	Since     time.Time // in this state
	Published bool
	Signs     time.Time // a next key: from when on it signs
}

// SigningKeys lists the keys of a deployment, oldest first. A row that was altered is an error of package seal.
func SigningKeys(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, now time.Time) ([]SigningKey, error) {
	rows, err := readSigningKeys(ctx, pool)
	if err != nil {
		return nil, err
	}
	all := make([]SigningKey, len(rows))
	for i := range rows {
		r := &rows[i]
		if _, _, err := r.open(d); err != nil {
			return nil, err
		}
		all[i] = SigningKey{KID: r.KID, Purpose: r.Purpose, State: r.State, Created: r.Created, Since: r.Changed, Published: r.published(now)}
		if r.State == keyNext {
			all[i].Signs = r.Changed.Add(keyLead)
		}
	}
	return all, nil
}
