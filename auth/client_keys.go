package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
	"vidan/seal"
)

// clientKeyRow is a row of client_keys. Its MAC covers the thumbprint, which stands for the key in every spelling of its JWK.
type clientKeyRow struct {
	Client    string          `json:"client_id"`
	KID       string          `json:"kid"`
	State     string          `json:"state"`
	JWK       json.RawMessage `json:"public_jwk"`
	CreatedAt time.Time       `json:"created_at"`
	EndedAt   *time.Time      `json:"ended_at"`
	MAC       []byte          `json:"mac"`
}

// clientKey is a key whose row has been verified.
type clientKey struct {
	clientKeyRow
	public *Key
}

func (r *clientKeyRow) columns(thumbprint string) *seal.Columns {
	c := new(seal.Columns).Text(r.Client).Text(r.KID).Text(r.State).Text(thumbprint).Time(r.CreatedAt)
	if r.EndedAt == nil {
		return c.Null()
	}
	return c.Time(*r.EndedAt)
}

// open parses the key and verifies the row.
func (r *clientKeyRow) open(d *seal.Deployment) (*clientKey, error) {
	public, err := ParseKey(r.JWK)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", r.KID, seal.ErrTampered)
	}
	if err := d.VerifyMAC("client_keys", r.columns(public.thumb), r.MAC); err != nil {
		return nil, fmt.Errorf("key %q: %w", r.KID, err)
	}
	return &clientKey{clientKeyRow: *r, public: public.named(r.KID)}, nil
}

const (
	sqlInsertClientKey = `
insert into client_keys (client_id, kid, state, public_jwk, created_at, mac) values ($1, $2, 'active', $3, $4, $5)`

	sqlLockClientKey = `
select client_id, kid, state, public_jwk, created_at, ended_at, mac
from client_keys where client_id = $1 and kid = $2 for update`

	sqlEndClientKey = `update client_keys set state = 'ended', ended_at = $3, mac = $4 where client_id = $1 and kid = $2`
)

// AddKey registers a public key of a client under the kid that its JWK names. It works at the client's next message: an unknown
// kid makes a process look again.
func (d *Directory) AddKey(ctx context.Context, client string, jwk []byte, now time.Time) (*Key, error) {
	key, err := ParseKey(jwk)
	if err != nil {
		return nil, fmt.Errorf("key of client %q: %w: %w", client, ErrRegistration, err)
	}
	if !printable(key.kid, maxID) {
		return nil, fmt.Errorf("key of client %q: kid: %w", client, ErrRegistration)
	}
	public, err := key.JWK()
	if err != nil {
		return nil, fmt.Errorf("key of client %q: %w", client, err)
	}
	row := clientKeyRow{Client: client, KID: key.kid, State: stateActive, CreatedAt: now}
	mac := d.deployment.MAC("client_keys", row.columns(key.thumb))
	return key, d.insert(ctx, "key", key.kid, sqlInsertClientKey, client, key.kid, public, now, mac)
}

// EndKey ends a key for ever. What it signed is refused from the next request on, in every process, and so is every token
// that was obtained with it.
func (d *Directory) EndKey(ctx context.Context, client, kid string, now time.Time) error {
	err := pg.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlLockClientKey, client, kid)
		if err != nil {
			return err
		}
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[clientKeyRow])
		if err != nil {
			return absentRow(err)
		}
		key, err := row.open(d.deployment)
		if err != nil {
			return err
		}
		if row.State == stateEnded {
			return nil
		}
		row.State, row.EndedAt = stateEnded, &now
		tag, err := tx.Exec(ctx, sqlEndClientKey, client, kid, now, d.deployment.MAC("client_keys", row.columns(key.public.thumb)))
		return one(tag.RowsAffected(), err)
	})
	if err != nil {
		return fmt.Errorf("end key %q of client %q: %w", kid, client, err)
	}
	return nil
}
