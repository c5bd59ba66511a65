package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"vidan/internal/pg"
	"vidan/seal"
)

// clientRow is a row of clients, with what its MAC covers in the order it covers it.
type clientRow struct {
	ID           string    `json:"client_id"`
	Organisation string    `json:"organisation_id"` // empty for null
	Name         string    `json:"name"`
	Profile      Profile   `json:"profile"`
	State        string    `json:"state"`
	Scopes       []string  `json:"scopes"`
	RedirectURIs []string  `json:"redirect_uris"`
	Signed       bool      `json:"userinfo_signed"`
	Encryption   string    `json:"encryption_jwk"` // empty: none
	CreatedAt    time.Time `json:"created_at"`
	MAC          []byte    `json:"mac"`
}

func (r *clientRow) columns() *seal.Columns {
	c := new(seal.Columns).Text(r.ID)
	if r.Organisation == "" {
		c.Null()
	} else {
		c.Text(r.Organisation)
	}
	return c.Text(r.Name).Text(string(r.Profile)).Text(r.State).Texts(r.Scopes).Texts(r.RedirectURIs).Bool(r.Signed).
		Text(r.Encryption).Time(r.CreatedAt)
}

// into lists where the columns are scanned to.
func (r *clientRow) into() []any {
	return []any{&r.ID, &r.Organisation, &r.Name, &r.Profile, &r.State, &r.Scopes, &r.RedirectURIs, &r.Signed, &r.Encryption, &r.CreatedAt, &r.MAC}
}

func (r *clientRow) verify(d *seal.Deployment) error {
	return d.VerifyMAC("clients", r.columns(), r.MAC)
}

// client is what a process remembers of a client: rows whose MACs it has verified. It decides nothing by itself: each
// operation reads the state again and compares the MAC it finds with the one verified here.
type client struct {
	clientRow
	sector string
	keys   map[string]*clientKey
	loaded time.Time
}

// key finds an active key of the client.
func (c *client) key(kid string) (*clientKey, error) {
	if k := c.keys[kid]; k != nil && k.State == stateActive {
		return k, nil
	}
	return nil, ErrUnknownKey
}

const (
	sqlClient = `
select c.client_id, coalesce(c.organisation_id, ''), c.name, c.profile, c.state, c.scopes, c.redirect_uris, c.userinfo_signed,
  c.encryption_jwk, c.created_at, c.mac,
  coalesce(o.sector, '')
from clients c left join organisations o on o.organisation_id = c.organisation_id
where c.client_id = $1`

	sqlClientKeys = `
select client_id, kid, state, public_jwk, created_at, ended_at, mac
from client_keys where client_id = $1`
)

// clientCache remembers verified clients, at most as many as it was made for.
type clientCache struct {
	entries *otter.Cache[string, *client]
}

func newClientCache(size int) clientCache {
	return clientCache{otter.Must(&otter.Options[string, *client]{MaximumSize: size})}
}

// clientOf returns a client as this process knows it, reading it in one round trip when it does not.
func (s *Server) clientOf(ctx context.Context, id string) (*client, error) {
	if c, ok := s.clients.entries.GetIfPresent(id); ok {
		return c, nil
	}
	return s.loadClient(ctx, id)
}

// loadClient reads a client and its keys and verifies their MACs. An altered row is [seal.ErrTampered] and not remembered.
func (s *Server) loadClient(ctx context.Context, id string) (*client, error) {
	if !plainID(id) {
		return nil, ErrNotRegistered
	}
	c := &client{keys: map[string]*clientKey{}, loaded: s.now()}
	var keys []clientKeyRow
	b := new(pgx.Batch)
	b.Queue(sqlClient, id).QueryRow(func(row pgx.Row) error {
		return absentRow(row.Scan(append(c.into(), &c.sector)...))
	})
	b.Queue(sqlClientKeys, id).Query(func(rows pgx.Rows) (err error) {
		keys, err = pgx.CollectRows(rows, pgx.RowToStructByPos[clientKeyRow])
		return err
	})
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("read client %q: %w", id, err)
	}
	if err := c.verify(s.deployment); err != nil {
		return nil, fmt.Errorf("client %q: %w", id, err)
	}
	if c.sector == "" {
		c.sector = AppSector
	}
	for i := range keys {
		k, err := keys[i].open(s.deployment)
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", id, err)
		}
		c.keys[k.KID] = k
	}
	s.clients.entries.Set(id, c)
	return c, nil
}

// reloadAfter is how old knowledge of a client must be before an unknown kid makes the process look again: a key may have
// been added since.
const reloadAfter = time.Second

// keyOf finds an active key of a client by its kid, and returns the client as it was then known.
func (s *Server) keyOf(ctx context.Context, c *client, kid string) (*client, *clientKey, error) {
	k, err := c.key(kid)
	if err == nil || s.now().Sub(c.loaded) < reloadAfter {
		return c, k, err
	}
	c, err = s.loadClient(ctx, c.ID)
	if err != nil {
		return nil, nil, err
	}
	k, err = c.key(kid)
	return c, k, err
}
