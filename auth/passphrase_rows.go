package auth

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// SetPassphrase gives a person a passphrase in place of the one they had. It asks nobody and records nothing: it is for a deployment that
// is being set up with people in it. Errors: [ErrPassphrase], [ErrBusy], [ErrPersonBlocked].
func (s *Server) SetPassphrase(ctx context.Context, vault identity.VaultID, passphrase string) error {
	p, err := NewPassphrase(passphrase, identity.PersonalNumber{})
	if err != nil {
		return err
	}
	hash, err := s.people.hasher.hash(ctx, p)
	if err != nil {
		return err
	}
	return s.replacePassphrase(ctx, vault, hash, false, func(*pgx.Batch) error { return nil })
}

// replacePassphrase ends the passphrase there is, or every way in there is, and inserts a new one, in the transaction of also. Sessions begun with
// the old ones end.
func (s *Server) replacePassphrase(ctx context.Context, vault identity.VaultID, hash string, everything bool, also func(*pgx.Batch) error) error {
	now := s.calendar()
	var held *credentials
	err := pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			b.Queue(sqlLockVault, vault)
			held = queueCredentials(b, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := held.verify(s.deployment); err != nil {
				return err
			}
			if err := also(b); err != nil {
				return err
			}
			ends := false
			for i := range held.rows {
				if old := &held.rows[i]; everything || old.Kind == WayPassphrase {
					old.queueEnd(b, s.deployment, now)
					ends = true
				}
			}
			if ends || everything {
				b.Queue(sqlEndSessions, vault, identity.SessionID{}, s.now())
			}
			row := credentialRow{
				Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: WayPassphrase, State: stateActive, Secret: hash, CreatedAt: now,
			}
			row.queueInsert(b, s.deployment)
			return nil
		})
	if err != nil {
		return fmt.Errorf("passphrase of vault %s: %w", vault, Refused(err))
	}
	return nil
}
