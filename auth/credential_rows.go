package auth

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// credentialRow is a row of credentials: one way into one account. Its MAC covers every column; a device key is covered by its thumbprint,
// which stands for the key in every spelling of its JWK (O4). What changes with each use, the counter, is therefore moved by an update on
// the MAC as it was read: of many uses at once, one finds it (S3).
type credentialRow struct {
	Vault     identity.VaultID
	ID        identity.CredentialID
	Kind      Way
	State     string
	Name      string
	Secret    string // passphrase: PHC string
	JWK       []byte // device
	Handle    []byte // passkey: its id, as the authenticator knows it
	COSE      []byte // passkey: public key
	Sealed    []byte // code display: secret, sealed under the vault
	Counter   int64  // passkey: signature counter; code display: last step used; card: number asked next, 0 when all are used
	Flags     int16  // passkey: flagBackupEligible, flagBackedUp
	CreatedAt time.Time
	EndedAt   *time.Time
	MAC       []byte

	key *Key // of a device whose row was verified
}

const credentialColumns = `vault_id, credential_id, kind, state, name, coalesce(secret, ''), public_jwk, handle, public_cose, sealed, counter, flags,
  created_at, ended_at, mac`

const (
	codeCredentialUsed = "credential_used"

	sqlCredentials = `select ` + credentialColumns + ` from credentials where vault_id = $1 and state = 'active' order by created_at, credential_id`

	sqlCredential = `select ` + credentialColumns + ` from credentials where vault_id = $1 and credential_id = $2`

	sqlInsertCredential = `insert into credentials (vault_id, credential_id, kind, state, name, secret, public_jwk, jkt, handle, public_cose, sealed,
  counter, flags, created_at, mac)
  values ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

	sqlEndCredential = `update credentials set state = 'ended', ended_at = $3, mac = $4
  where vault_id = $1 and credential_id = $2 and state = 'active'`

	// sqlCredentialAsRead: of many who use a credential at once, one finds it as it was read; sqlUseCredential is conditional all the same.
	sqlCredentialAsRead = `select vidan_require(exists (
  select from credentials where vault_id = $1 and credential_id = $2 and state = 'active' and mac = $3 for update), 'credential_used')`

	sqlUseCredential = `update credentials set counter = $4, flags = $5, mac = $6
  where vault_id = $1 and credential_id = $2 and state = 'active' and mac = $3`

	sqlLockVault = `select vidan_require(exists (
  select from vaults where vault_id = $1 and state = 'open' for update), 'person_blocked')`
)

func (r *credentialRow) columns() *seal.Columns {
	c := new(seal.Columns).UUID(r.Vault.Bytes()).UUID(r.ID.Bytes()).Text(string(r.Kind)).Text(r.State).Text(r.Name)
	if r.Secret == "" {
		c.Null()
	} else {
		c.Text(r.Secret)
	}
	if r.key == nil {
		c.Null()
	} else {
		c.Text(r.key.thumb)
	}
	c.Bytes(r.Handle).Bytes(r.COSE).Bytes(r.Sealed).Int(r.Counter).Int(int64(r.Flags)).Time(r.CreatedAt)
	if r.EndedAt == nil {
		return c.Null()
	}
	return c.Time(*r.EndedAt)
}

// verify believes a row only with its MAC and reads the key of a device.
func (r *credentialRow) verify(d *seal.Deployment) error {
	if r.Kind == WayDevice {
		key, err := ParseKey(r.JWK)
		if err != nil {
			return fmt.Errorf("credential %s: %w", r.ID, seal.ErrTampered)
		}
		r.key = key
	}
	if err := d.VerifyMAC("credentials", r.columns(), r.MAC); err != nil {
		return fmt.Errorf("credential %s: %w", r.ID, err)
	}
	return nil
}

func scanCredential(row pgx.CollectableRow) (credentialRow, error) {
	var r credentialRow
	err := row.Scan(&r.Vault, &r.ID, &r.Kind, &r.State, &r.Name, &r.Secret, &r.JWK, &r.Handle, &r.COSE, &r.Sealed, &r.Counter, &r.Flags,
		&r.CreatedAt, &r.EndedAt, &r.MAC)
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

// of returns those of a kind, oldest first.
func (c *credentials) of(kind Way) []*credentialRow {
	var all []*credentialRow
	for i := range c.rows {
		if c.rows[i].Kind == kind {
			all = append(all, &c.rows[i])
		}
	}
	return all
}

// one returns the one of a kind of which there is at most one, else nil.
func (c *credentials) one(kind Way) *credentialRow {
	if all := c.of(kind); len(all) > 0 {
		return all[0]
	}
	return nil
}

func (c *credentials) passphrase() *credentialRow { return c.one(WayPassphrase) }

func (c *credentials) devices() []*credentialRow { return c.of(WayDevice) }

// queueInsert adds a new row.
func (r *credentialRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	var secret, jwk, jkt any
	if r.Secret != "" {
		secret = r.Secret
	}
	if r.key != nil {
		jwk, jkt = r.JWK, r.key.thumb
	}
	b.Queue(sqlInsertCredential, r.Vault, r.ID, r.Kind, r.Name, secret, jwk, jkt, r.Handle, r.COSE, r.Sealed, r.Counter, r.Flags, r.CreatedAt,
		d.MAC("credentials", r.columns()))
}

// queueEnd ends a verified row that is active under the lock of its vault.
func (r *credentialRow) queueEnd(b *pgx.Batch, d *seal.Deployment, now time.Time) {
	r.State, r.EndedAt = stateEnded, &now
	b.Queue(sqlEndCredential, r.Vault, r.ID, now, d.MAC("credentials", r.columns()))
}

// queueUse moves the counter of a verified row; the batch fails with [codeCredentialUsed] when somebody else was faster.
func (r *credentialRow) queueUse(b *pgx.Batch, d *seal.Deployment, counter int64, flags int16) {
	to := *r
	to.Counter, to.Flags = counter, flags
	b.Queue(sqlCredentialAsRead, r.Vault, r.ID, r.MAC)
	b.Queue(sqlUseCredential, r.Vault, r.ID, r.MAC, counter, flags, d.MAC("credentials", to.columns()))
}
