package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/seal"
)

// principalGuard is what [Principal.Guard] returns.
type principalGuard struct {
	server  *Server
	token   *accessToken
	client  *client     // as the process knows it
	session *sessionRow // the same; nil before the first use of the token here
	post    *postRow    // the same, of the officer who acts
	kids    []string
	proof   *proofID
	now     time.Time
	// reported lets somebody pass whose death was reported.
	reported bool
	// asking has a refusal told instead of raised: who introspects is not who is refused.
	asking bool

	rows    int // answers of the state statements
	refused bool
	changed []changedRow
}

// changedRow is a row that let the batch pass but is not the one this process has verified before.
type changedRow struct {
	client  []byte
	key     []byte
	session []byte
	post    []byte
}

// Both statements refuse in the database by what the rows say, and return a row only where its MAC is not the one this process has
// verified: then the process verifies it again (O4). A missing row is refused like an ended one.
const (
	// $1 client, $2 its MAC as verified, $3 kids, $4 their MACs, $5 the token: one answer for each key.
	sqlGuardMachine = `
select vidan_require(v.refusal is null, v.refusal), v.client, v.key` + guardMachine

	// sqlAskMachine and sqlAskCitizen tell what the guards raise.
	sqlAskMachine = `
select v.refusal, v.client, v.key` + guardMachine

	sqlAskCitizen = `
select v.refusal, v.client, v.session` + guardCitizenHead + `p.life is distinct from 'alive' or p.blocked` + guardCitizenTail

	guardMachine = `
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when k.state is distinct from 'active' or $5 = any (k.revoked_tokens) then 'token_revoked'
    end as refusal,
    case when c.mac is distinct from $2 then jsonb_build_object(
      'client_id', c.client_id, 'organisation_id', c.organisation_id, 'name', c.name, 'profile', c.profile, 'state', c.state,
      'scopes', c.scopes, 'redirect_uris', c.redirect_uris, 'userinfo_signed', c.userinfo_signed, 'encryption_jwk', c.encryption_jwk,
      'created_at', c.created_at, 'mac', encode(c.mac, 'base64')) end as client,
    case when k.mac is distinct from a.mac then jsonb_build_object(
      'client_id', k.client_id, 'kid', k.kid, 'state', k.state, 'public_jwk', k.public_jwk, 'created_at', k.created_at,
      'ended_at', k.ended_at, 'mac', encode(k.mac, 'base64')) end as key
  from unnest($3::text[], $4::bytea[]) as a (kid, mac)
  left join clients c on c.client_id = $1
  left join client_keys k on k.client_id = $1 and k.kid = a.kid
) as v`

	// $1 client, $2 its MAC as verified, $3 vault, $4 session, $5 level, $6 now, $7 MAC of the session as verified: one answer.
	sqlGuardCitizen = guardCitizenRaise + guardCitizenHead + `p.life is distinct from 'alive' or p.blocked` + guardCitizenTail

	// sqlGuardReported lets through one more: somebody whose death was reported and not confirmed. It guards "I am alive" and nothing else.
	sqlGuardReported = guardCitizenRaise + guardCitizenHead + `p.life is null or p.life not in ('alive', 'death_reported') or p.blocked` + guardCitizenTail

	guardCitizenRaise = `
select vidan_require(v.refusal is null, v.refusal), v.client, v.session`

	guardCitizenHead = `
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when `

	guardCitizenTail = ` then 'person_blocked'
      when s.state is distinct from 'active' or s.client_id <> c.client_id or s.expires_at <= $6 or s.level < $5 or p.level < $5
        then 'token_revoked'
    end as refusal,
    case when c.mac is distinct from $2 then jsonb_build_object(
      'client_id', c.client_id, 'organisation_id', c.organisation_id, 'name', c.name, 'profile', c.profile, 'state', c.state,
      'scopes', c.scopes, 'redirect_uris', c.redirect_uris, 'userinfo_signed', c.userinfo_signed, 'encryption_jwk', c.encryption_jwk,
      'created_at', c.created_at, 'mac', encode(c.mac, 'base64')) end as client,
    case when s.mac is distinct from $7 then ` + sessionRowJSON + ` end as session
  from (values ($1::text)) as a (client_id)
  left join clients c on c.client_id = a.client_id
  left join sessions s on s.vault_id = $3 and s.session_id = $4
  left join people p on p.vault_id = $3
) as v`
)

// Queue implements [pg.Guard]: state first, so that a refused request leaves nothing, then the proof.
func (g *principalGuard) Queue(b *pgx.Batch) {
	t := g.token
	if !t.vault.IsZero() {
		g.session = t.seen.Load()
		sql := sqlGuardCitizen
		switch {
		case g.asking:
			sql = sqlAskCitizen
		case g.reported:
			sql = sqlGuardReported
		}
		b.Queue(sql, t.client, g.client.verified(), t.vault, t.session, t.level, g.now, g.session.verified()).QueryRow(func(row pgx.Row) error {
			var r changedRow
			err := row.Scan(g.refusal(), &r.client, &r.session)
			g.found(r)
			return err
		})
	}
	if t.act != nil {
		g.queueActor(b)
	}
	if len(g.kids) > 0 {
		macs := make([][]byte, len(g.kids))
		for i, kid := range g.kids {
			macs[i] = g.client.keys[kid].verified()
		}
		sql := sqlGuardMachine
		if g.asking {
			sql = sqlAskMachine
		}
		b.Queue(sql, t.client, g.client.verified(), g.kids, macs, t.name).Query(func(rows pgx.Rows) error {
			var r changedRow
			_, err := pgx.ForEachRow(rows, []any{g.refusal(), &r.client, &r.key}, func() error { g.found(r); return nil })
			return err
		})
	}
	if g.proof != nil {
		queueProofs(b, *g.proof)
	}
}

// refusal is where the first column goes: nothing, unless it is asked for.
func (g *principalGuard) refusal() any {
	if !g.asking {
		return nil
	}
	return refusalOf{g}
}

// refusalOf notes that a code of refusal came.
type refusalOf struct{ g *principalGuard }

// Scan implements sql.Scanner.
func (r refusalOf) Scan(code any) error {
	r.g.refused = r.g.refused || code != nil
	return nil
}

func (g *principalGuard) found(r changedRow) {
	g.rows++
	if r.client != nil || r.key != nil || r.session != nil || r.post != nil {
		g.changed = append(g.changed, r)
	}
}

// verified is the MAC under which an active row was verified; nil, which equals nothing, for any other.
func (c *client) verified() []byte {
	if c.State != stateActive {
		return nil
	}
	return c.MAC
}

// verified is the MAC under which the session was verified; nil, which equals nothing, when it was not.
func (r *sessionRow) verified() []byte {
	if r == nil {
		return nil
	}
	return r.MAC
}

func (k *clientKey) verified() []byte {
	if k == nil || k.State != stateActive {
		return nil
	}
	return k.MAC
}

// Check implements [pg.Guard]: the rows that let the batch pass are those that the directory wrote (O4).
func (g *principalGuard) Check() error {
	want := len(g.kids)
	if !g.token.vault.IsZero() {
		want++
	}
	if g.token.act != nil {
		want++
	}
	if g.rows != want || want == 0 {
		return fmt.Errorf("guard of client %q was not run: %w", g.token.client, ErrToken)
	}
	if g.refused {
		return fmt.Errorf("client %q: %w", g.token.client, ErrTokenRevoked)
	}
	for _, r := range g.changed {
		if r.client != nil || r.key != nil {
			g.server.clients.entries.Invalidate(g.token.client) // what is remembered is no longer what is written
		}
		if err := g.verify(r); err != nil {
			return fmt.Errorf("client %q: %w", g.token.client, err)
		}
	}
	if g.token.act != nil {
		if err := g.checkActor(); err != nil {
			return fmt.Errorf("officer at client %q: %w", g.token.client, err)
		}
	}
	// The database refused by the columns of the row; what the MAC covers is held against the token here, because a row whose MAC is the
	// known one is not read again.
	if s, t := g.session, g.token; !t.vault.IsZero() && (s == nil || s.Client != t.client || s.Level < t.level || !g.now.Before(s.ExpiresAt)) {
		return fmt.Errorf("session of client %q: %w", t.client, ErrTokenRevoked)
	}
	return nil
}

// verify holds rows that have changed since they were read against their MACs.
func (g *principalGuard) verify(r changedRow) error {
	if r.client != nil {
		var row clientRow
		if json.Unmarshal(r.client, &row) != nil {
			return seal.ErrTampered
		}
		if err := row.verify(g.server.deployment); err != nil {
			return err
		}
	}
	if g.token.act != nil && (r.post != nil || r.session != nil) {
		return g.verifyActor(r)
	}
	if r.session != nil {
		session := &sessionRow{Vault: g.token.vault, ID: g.token.session}
		if json.Unmarshal(r.session, session) != nil {
			return seal.ErrTampered
		}
		if err := session.verify(g.server.deployment); err != nil {
			return err
		}
		g.session = session
		g.token.seen.Store(session)
	}
	if r.key == nil {
		return nil
	}
	var row clientKeyRow
	if json.Unmarshal(r.key, &row) != nil {
		return seal.ErrTampered
	}
	found, err := row.open(g.server.deployment)
	if err != nil {
		return err
	}
	// The process may have verified a signature with what it knew under this kid: a kid never changes its key.
	if known := g.client.keys[row.KID]; known != nil && known.public.thumb != found.public.thumb {
		return fmt.Errorf("key %q: %w", row.KID, seal.ErrTampered)
	}
	return nil
}
