package person

import (
	"context"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// Approvals lists what of a kind waits for a second officer, oldest first, and records the reading. g is the guard of the right for kind.
func (r *Registry) Approvals(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, kind ApprovalKind) ([]Approval, error) {
	var list []Approval
	err := r.play(ctx, g, by, audit.ListRead, Evidence{}, vault,
		func(b *pgx.Batch, c *scene) { collectApprovals(b, &c.approvals, sqlApprovals, vault, r.now()) },
		func(b *pgx.Batch, c *scene) error {
			list = nil
			for _, row := range c.approvals {
				if row.kind != kind {
					continue
				}
				act, officer, err := row.open(c.keys)
				if err != nil {
					return err
				}
				a := Approval{ID: row.id, Kind: row.kind, Officer: officer, Evidence: act.ground(), CreatedAt: row.created, ExpiresAt: row.expires}
				switch act := act.(type) {
				case *raising:
					a.Level = act.Level
				case *contacting:
					a.Contact = act.change()
				}
				list = append(list, a)
			}
			return c.record(b, by, audit.ListRead, "approvals", "")
		})
	return list, err
}
