package auth

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/seal"
)

// principalGuard is what [Principal.Guard] returns.
type principalGuard struct {
	server *Server
	token  *accessToken
	client *client
	kids   []string
	proof  *proofID
	now    time.Time

	clients []clientRow
	keys    []clientKeyRow
}

const (
	// $1 client, $2 kids: one row for each key. A missing row is refused like an ended one.
	sqlGuardMachine = `
select vidan_require(v.refusal is null, v.refusal), v.client_id, coalesce(v.organisation_id, ''), v.name, v.profile, v.state, v.scopes,
  v.redirect_uris, v.created_at, v.mac, v.kid, v.key_state, v.public_jwk, v.key_created_at, v.ended_at, v.key_mac
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when k.state is distinct from 'active' then 'token_revoked'
    end as refusal,
    c.client_id, c.organisation_id, c.name, c.profile, c.state, c.scopes, c.redirect_uris, c.created_at, c.mac,
    k.kid, k.state as key_state, k.public_jwk, k.created_at as key_created_at, k.ended_at, k.mac as key_mac
  from unnest($2::text[]) as a (kid)
  left join clients c on c.client_id = $1
  left join client_keys k on k.client_id = $1 and k.kid = a.kid
) as v`

	// $1 client, $2 vault, $3 session, $4 level, $5 now.
	sqlGuardCitizen = `
select vidan_require(v.refusal is null, v.refusal), v.client_id, coalesce(v.organisation_id, ''), v.name, v.profile, v.state, v.scopes,
  v.redirect_uris, v.created_at, v.mac
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when p.life is distinct from 'alive' or p.blocked then 'person_blocked'
      when s.state is distinct from 'active' or s.client_id <> c.client_id or s.expires_at <= $5 or s.level < $4 or p.level < $4
        then 'token_revoked'
    end as refusal,
    c.client_id, c.organisation_id, c.name, c.profile, c.state, c.scopes, c.redirect_uris, c.created_at, c.mac
  from (values ($1::text)) as a (client_id)
  left join clients c on c.client_id = a.client_id
  left join sessions s on s.vault_id = $2 and s.session_id = $3
  left join people p on p.vault_id = $2
) as v`
)

// Queue implements [pg.Guard]: state first, so that a refused request leaves nothing, then the proof.
func (g *principalGuard) Queue(b *pgx.Batch) {
	if !g.token.vault.IsZero() {
		b.Queue(sqlGuardCitizen, g.token.client, g.token.vault, g.token.session, g.token.level, g.now).Query(func(rows pgx.Rows) error {
			var r clientRow
			_, err := pgx.ForEachRow(rows, append([]any{nil}, r.into()...), func() error {
				g.clients = append(g.clients, r)
				return nil
			})
			return err
		})
	}
	if len(g.kids) > 0 {
		b.Queue(sqlGuardMachine, g.token.client, g.kids).Query(func(rows pgx.Rows) error {
			var r clientRow
			k := clientKeyRow{Client: g.token.client}
			_, err := pgx.ForEachRow(rows, append(append([]any{nil}, r.into()...), k.into()...), func() error {
				g.clients, g.keys = append(g.clients, r), append(g.keys, k)
				return nil
			})
			return err
		})
	}
	if g.proof != nil {
		queueProofs(b, *g.proof)
	}
}

// into lists where the columns of a row are scanned to.
func (r *clientRow) into() []any {
	return []any{&r.ID, &r.Organisation, &r.Name, &r.Profile, &r.State, &r.Scopes, &r.RedirectURIs, &r.CreatedAt, &r.MAC}
}

// into lists where the columns of a row after its client are scanned to.
func (r *clientKeyRow) into() []any {
	return []any{&r.KID, &r.State, &r.JWK, &r.CreatedAt, &r.EndedAt, &r.MAC}
}

// Check implements [pg.Guard]: the rows that let the batch pass are those that the directory wrote (O4).
func (g *principalGuard) Check() error {
	if len(g.clients) == 0 || len(g.keys) != len(g.kids) {
		return fmt.Errorf("guard of client %q was not run: %w", g.token.client, ErrToken)
	}
	for i := range g.clients {
		r := &g.clients[i]
		if g.client.State == stateActive && sameMAC(r.MAC, g.client.MAC) {
			continue
		}
		g.server.clients.entries.Invalidate(r.ID) // what is remembered is no longer what is written
		if err := r.verify(g.server.deployment); err != nil {
			return fmt.Errorf("client %q: %w", r.ID, err)
		}
	}
	for i := range g.keys {
		r := &g.keys[i]
		known := g.client.keys[r.KID]
		if known != nil && known.State == stateActive && sameMAC(r.MAC, known.MAC) {
			continue
		}
		g.server.clients.entries.Invalidate(r.Client)
		found, err := r.open(g.server.deployment)
		if err != nil {
			return fmt.Errorf("client %q: %w", r.Client, err)
		}
		if known != nil && found.public.thumb != known.public.thumb {
			return fmt.Errorf("client %q: key %q: %w", r.Client, r.KID, seal.ErrTampered)
		}
	}
	return nil
}
