package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// What a row of credentials is.
const (
	kindPassphrase = "passphrase"
	kindDevice     = "device"
)

// credentialRow is a row of credentials. Its MAC covers the hash of a passphrase, or the thumbprint of a device key, which stands
// for the key in every spelling of its JWK (O4).
type credentialRow struct {
	Vault     identity.VaultID
	ID        identity.CredentialID
	Kind      string
	State     string
	Name      string
	Secret    string // PHC string; empty for a device
	JWK       []byte // nil for a passphrase
	CreatedAt time.Time
	EndedAt   *time.Time
	MAC       []byte

	key *Key // of a device whose row was verified
}

const credentialColumns = `vault_id, credential_id, kind, state, name, coalesce(secret, ''), public_jwk, created_at, ended_at, mac`

const (
	sqlCredentials = `select ` + credentialColumns + ` from credentials where vault_id = $1 and state = 'active' order by created_at, credential_id`

	sqlCredential = `select ` + credentialColumns + ` from credentials where vault_id = $1 and credential_id = $2`

	sqlInsertCredential = `insert into credentials (vault_id, credential_id, kind, state, name, secret, public_jwk, jkt, created_at, mac)
  values ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9)`

	sqlEndCredential = `update credentials set state = 'ended', ended_at = $3, mac = $4
  where vault_id = $1 and credential_id = $2 and state = 'active'`

	sqlLockVault = `select vidan_require(exists (
  select from vaults where vault_id = $1 and state = 'open' for update), 'person_blocked')`
)

func (r *credentialRow) columns(thumbprint string) *seal.Columns {
	c := new(seal.Columns).UUID(r.Vault.Bytes()).UUID(r.ID.Bytes()).Text(r.Kind).Text(r.State).Text(r.Name)
	if r.Kind == kindDevice {
		c.Null().Text(thumbprint)
	} else {
		c.Text(r.Secret).Null()
	}
	c.Time(r.CreatedAt)
	if r.EndedAt == nil {
		return c.Null()
	}
	return c.Time(*r.EndedAt)
}

// verify believes a row only with its MAC and reads the key of a device.
func (r *credentialRow) verify(d *seal.Deployment) error {
	thumbprint := ""
	if r.Kind == kindDevice {
		key, err := ParseKey(r.JWK)
		if err != nil {
			return fmt.Errorf("credential %s: %w", r.ID, seal.ErrTampered)
		}
		r.key, thumbprint = key, key.thumb
	}
	if err := d.VerifyMAC("credentials", r.columns(thumbprint), r.MAC); err != nil {
		return fmt.Errorf("credential %s: %w", r.ID, err)
	}
	return nil
}

func scanCredential(row pgx.CollectableRow) (credentialRow, error) {
	var r credentialRow
	err := row.Scan(&r.Vault, &r.ID, &r.Kind, &r.State, &r.Name, &r.Secret, &r.JWK, &r.CreatedAt, &r.EndedAt, &r.MAC)
	return r, err
}

// credentials are the active ways into one vault, to be read after the batch that queued them.
type credentials struct{ rows []credentialRow }

func queueCredentials(b *pgx.Batch, vault identity.VaultID) *credentials {
	c := new(credentials)
	b.Queue(sqlCredentials, vault).Query(func(rows pgx.Rows) (err error) {
		c.rows, err = pgx.CollectRows(rows, scanCredential)
		return err
	})
	return c
}

// verify believes all of them or none.
func (c *credentials) verify(d *seal.Deployment) error {
	for i := range c.rows {
		if err := c.rows[i].verify(d); err != nil {
			return err
		}
	}
	return nil
}

// passphrase returns the one that is active, nil when there is none.
func (c *credentials) passphrase() *credentialRow {
	for i := range c.rows {
		if c.rows[i].Kind == kindPassphrase {
			return &c.rows[i]
		}
	}
	return nil
}

func (c *credentials) devices() []*credentialRow {
	var all []*credentialRow
	for i := range c.rows {
		if c.rows[i].Kind == kindDevice {
			all = append(all, &c.rows[i])
		}
	}
	return all
}

// queueInsert adds a new row.
func (r *credentialRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	var secret, jwk, jkt any
	thumbprint := ""
	if r.Kind == kindDevice {
		jwk, jkt, thumbprint = r.JWK, r.key.thumb, r.key.thumb
	} else {
		secret = r.Secret
	}
	b.Queue(sqlInsertCredential, r.Vault, r.ID, r.Kind, r.Name, secret, jwk, jkt, r.CreatedAt, d.MAC("credentials", r.columns(thumbprint)))
}

// queueEnd ends a verified row that is active under the lock of its vault.
func (r *credentialRow) queueEnd(b *pgx.Batch, d *seal.Deployment, now time.Time) {
	thumbprint := ""
	if r.Kind == kindDevice {
		thumbprint = r.key.thumb
	}
	r.State, r.EndedAt = stateEnded, &now
	b.Queue(sqlEndCredential, r.Vault, r.ID, now, d.MAC("credentials", r.columns(thumbprint)))
}

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
	return s.replacePassphrase(ctx, vault, hash, func(*pgx.Batch) error { return nil })
}

// replacePassphrase ends the passphrase there is and inserts a new one, in the transaction of also. Sessions begun with the old one end.
func (s *Server) replacePassphrase(ctx context.Context, vault identity.VaultID, hash string, also func(*pgx.Batch) error) error {
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
			if old := held.passphrase(); old != nil {
				old.queueEnd(b, s.deployment, now)
				b.Queue(sqlEndSessions, vault, s.now())
			}
			row := credentialRow{
				Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: kindPassphrase, State: stateActive, Secret: hash, CreatedAt: now,
			}
			row.queueInsert(b, s.deployment)
			return nil
		})
	if err != nil {
		return fmt.Errorf("passphrase of vault %s: %w", vault, Refused(err))
	}
	return nil
}
