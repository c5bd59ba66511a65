package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth/codes"
	"vidan/identity"
	"vidan/internal/pg"
)

// ErrLastWay reports a credential that is not ended because nobody could sign in to the account any more.
var ErrLastWay = errors.New("auth: the last way into the account")

// Credential is a way into an account, as its person sees it. Nothing secret of it can be read.
type Credential struct {
	ID        string // opaque
	Kind      Way
	Name      string // given by the person; empty for a passphrase and a card
	CreatedAt time.Time
	BackedUp  bool // passkey: it is synchronised to other devices
	Left      int  // card: codes that were not used
}

func (s *Server) credential(r *credentialRow) Credential {
	return Credential{
		ID: s.deviceRef(r.Vault, r.ID), Kind: r.Kind, Name: r.Name, CreatedAt: r.CreatedAt, BackedUp: r.Kind == WayPasskey && r.Flags&flagBackedUp != 0,
	}
}

// Credentials lists the ways into a person's account, oldest first.
func (s *Server) Credentials(ctx context.Context, g pg.Guard, vault identity.VaultID) ([]Credential, error) {
	b := new(pgx.Batch)
	g.Queue(b)
	held := queueCredentials(b, vault)
	card := queueCard(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("credentials of vault %s: %w", vault, Refused(err))
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := held.verify(s.deployment); err != nil {
		return nil, err
	}
	all := make([]Credential, len(held.rows))
	for i := range held.rows {
		all[i] = s.credential(&held.rows[i])
		if all[i].Kind == WayCard {
			all[i].Left = len(card.unused(held.rows[i].ID))
		}
	}
	return all, nil
}

// CardSize is how many codes a printed card has.
const CardSize = codes.CardSize

// EndCredential ends a way into the person's account; from the next request on nothing is signed in by it. A passphrase is ended only where a
// passkey is left: everything else needs the passphrase beside it.
//
// Errors: [ErrNoDevice] for an id that is not there or not this person's, [ErrLastWay], those of g.
func (s *Server) EndCredential(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, id string) error {
	owner, credential, refErr := s.openDeviceRef(id)
	return s.endCredential(ctx, g, vault, by, func(r *credentialRow) bool { return refErr == nil && owner == vault && r.ID == credential })
}

func (s *Server) endCredential(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, is func(*credentialRow) bool) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("end a credential: %w", err)
	}
	now := s.calendar()
	err = s.changeCredentials(ctx, g, vault, func(b *pgx.Batch, held *credentials) error {
		for i := range held.rows {
			row := &held.rows[i]
			if !is(row) {
				continue
			}
			passkeys := len(held.of(WayPasskey))
			if row.Kind == WayPassphrase && passkeys == 0 || row.Kind == WayPasskey && passkeys == 1 && held.passphrase() == nil {
				return ErrLastWay
			}
			row.queueEnd(b, s.deployment, now)
			if row.Kind == WayDevice {
				_, err := s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: audit.DeviceRemoved, Actor: by}, now)
				return err
			}
			return s.queueCredentialRecord(b, keys, audit.CredentialRemoved, by, row.Kind, now)
		}
		return ErrNoDevice
	})
	if err != nil {
		return fmt.Errorf("end a credential: %w", Refused(err))
	}
	return nil
}
