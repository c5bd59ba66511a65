package person

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// ErrBlocked reports an account that is blocked: only a counter opens it again, with two officers.
var ErrBlocked = errors.New("person: the account is blocked")

const (
	sqlSetBlocked = `update people set blocked = $2, changed_at = $3 where vault_id = $1 and blocked <> $2`

	// sqlEndSessions ends every sign-in, so that none of them comes back with an account that is opened again. Guards refuse an ended session and
	// the tokens that name it at the next request (auth O3).
	sqlEndSessions = `update sessions
  set state = 'ended', ended_at = $2, mac = '', refresh_hash = null, refresh_previous = null where vault_id = $1 and state = 'active'`
)

// Block shuts an account at once, on every replica: every guard reads it. by is the person themselves or an officer; ev is an officer's evidence
// and empty for the person. All sign-ins end. Blocked again nothing happens. Errors: [ErrNotFound], [ErrEvidence].
func (r *Registry) Block(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) error {
	if by.Vault.IsZero() {
		if err := ev.check(); err != nil {
			return err
		}
	}
	return r.play(ctx, g, by, audit.Blocked, ev, vault, nil, func(b *pgx.Batch, c *scene) error {
		if c.person.blocked {
			return errDone
		}
		b.Queue(sqlChanged, vault)
		one(b, sqlSetBlocked, vault, true, c.now)
		b.Queue(sqlEndSessions, vault, c.now)
		if err := c.tell(b, delivery.AccountBlocked); err != nil {
			return err
		}
		return r.note(b, c.keys, by, audit.Blocked, ev, nil, c.now)
	})
}

// unblocking opens a blocked account.
type unblocking struct {
	Evidence Evidence `json:"evidence"`
}

func (*unblocking) kind() ApprovalKind  { return ApproveUnblock }
func (*unblocking) records() audit.Kind { return audit.Unblocked }
func (a *unblocking) ground() Evidence  { return a.Evidence }
func (a *unblocking) check() error      { return a.Evidence.check() }

func (a *unblocking) may(c *scene, _ audit.Officer) error {
	switch {
	case c.person.life != Alive:
		return ErrNotAlive
	case !c.person.blocked:
		return ErrState
	}
	return nil
}

func (a *unblocking) queue(b *pgx.Batch, c *scene, _ audit.Actor) error {
	one(b, sqlSetBlocked, c.vault, false, c.now)
	return c.tell(b, delivery.AccountUnblocked)
}

// Unblock proposes to open a blocked account; a second officer carries it out. Errors: [ErrState] when it is not blocked, [ErrNotAlive], [ErrEvidence],
// [ErrNotFound].
func (r *Registry) Unblock(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) (Approval, error) {
	return r.propose(ctx, g, by, vault, &unblocking{Evidence: ev})
}
