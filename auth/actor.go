package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// actor is who acts in a token that was exchanged: what its claims say, and the rows as this process verified them last.
type actor struct {
	officer      string
	organisation string
	post         identity.ObjectID
	vault        identity.VaultID
	session      identity.SessionID
	level        int
	authTime     time.Time

	seen     atomic.Pointer[sessionRow]
	seenPost atomic.Pointer[postRow]
}

// toldActor is what an introspection says of it (RFC 8693 §7.4).
type toldActor struct {
	Subject      string `json:"sub"`
	Issuer       string `json:"iss"`
	Organisation string `json:"organisation"`
}

// openAct reads the claim of a token whose signature is verified; nil for one without.
func (s *Server) openAct(c *actClaim) (*actor, error) {
	if c == nil {
		return nil, nil
	}
	vault, session, err := s.openSession(c.Session)
	if err != nil {
		return nil, err
	}
	a := &actor{
		officer: c.Subject, organisation: c.Organisation, post: c.Post, vault: vault, session: session, level: levelOf(c.ACR),
		authTime: time.Unix(c.AuthTime, 0).UTC(),
	}
	if c.Issuer != s.issuer || a.officer == "" || a.organisation == "" || a.post.IsZero() || a.level != officerLevel {
		return nil, ErrToken
	}
	return a, nil
}

const (
	// $1 client, $2 post, $3 MAC of its row as verified, $4 vault, $5 session, $6 MAC of its row as verified, $7 level, $8 now, $9 the day of
	// substance: one answer.
	sqlGuardActor = `
select vidan_require(v.refusal is null, v.refusal), v.post, v.session` + guardActor

	sqlAskActor = `
select v.refusal, v.post, v.session` + guardActor

	guardActor = `
from (
  select case
      when p.life is distinct from 'alive' or p.blocked or p.level < $7
        or o.state is distinct from 'active' or o.vault_id <> $4 or o.valid_from > $9 or o.valid_until <= $9
        or s.state is distinct from 'active' or s.client_id <> $1 or s.expires_at <= $8 or s.level < $7
        then 'token_revoked'
    end as refusal,
    case when o.mac is distinct from $3 then jsonb_build_object(
      'post_id', o.post_id, 'organisation_id', o.organisation_id, 'officer_id', o.officer_id, 'vault_id', o.vault_id,
      'sealed', encode(o.sealed, 'base64'), 'state', o.state, 'valid_from', o.valid_from, 'valid_until', o.valid_until,
      'mac', encode(o.mac, 'base64')) end as post,
    case when s.mac is distinct from $6 then ` + sessionRowJSON + ` end as session
  from (values ($2::uuid)) as a (post_id)
  left join officers o on o.post_id = a.post_id
  left join sessions s on s.vault_id = $4 and s.session_id = $5
  left join people p on p.vault_id = $4
) as v`
)

// queueActor adds what must hold of the officer: post, sign-in and account.
func (g *principalGuard) queueActor(b *pgx.Batch) {
	a := g.token.act
	g.session, g.post = a.seen.Load(), a.seenPost.Load()
	sql := sqlGuardActor
	if g.asking {
		sql = sqlAskActor
	}
	b.Queue(sql, g.token.client, a.post, g.post.verified(), a.vault, a.session, g.session.verified(), a.level, g.now, g.server.calendar()).
		QueryRow(func(row pgx.Row) error {
			var r changedRow
			err := row.Scan(g.refusal(), &r.post, &r.session)
			g.found(r)
			return err
		})
}

// verified is the MAC under which the row was verified; nil, which equals nothing, when it was not.
func (r *postRow) verified() []byte {
	if r == nil {
		return nil
	}
	return r.MAC
}

// verifyActor holds the rows of an officer that have changed since they were read against their MACs.
func (g *principalGuard) verifyActor(r changedRow) error {
	a := g.token.act
	if r.post != nil {
		post := new(postRow)
		if json.Unmarshal(r.post, post) != nil {
			return seal.ErrTampered
		}
		if err := post.open(g.server.deployment); err != nil {
			return err
		}
		g.post = post
		a.seenPost.Store(post)
	}
	if r.session != nil {
		session := &sessionRow{Vault: a.vault, ID: a.session}
		if json.Unmarshal(r.session, session) != nil {
			return seal.ErrTampered
		}
		if err := session.verify(g.server.deployment); err != nil {
			return err
		}
		g.session = session
		a.seen.Store(session)
	}
	return nil
}

// checkActor holds what the MACs cover against the token: the database refused by columns that it could have been made to lie about.
func (g *principalGuard) checkActor() error {
	a, s := g.token.act, g.session
	if !a.is(g.post) || !g.post.holds(g.server.calendar()) {
		return ErrTokenRevoked
	}
	if s == nil || s.Client != g.token.client || s.Level < a.level || !g.now.Before(s.ExpiresAt) {
		return ErrTokenRevoked
	}
	return nil
}

// is reports whether a verified row is the post that the token names, of the person who signed in.
func (a *actor) is(r *postRow) bool {
	return r != nil && r.ID == a.post && r.Vault == a.vault && r.Officer == a.officer && r.Organisation == a.organisation
}

// actingOfficer returns who acts by their own sign-in. A process reads the post once for each token, to know the name; whether the post still
// stands is decided by the guard of each operation.
func (s *Server) actingOfficer(ctx context.Context, p *Principal) (*officerVerdict, error) {
	a := p.token.act
	post := a.seenPost.Load()
	if post == nil {
		var found []postRow
		b := new(pgx.Batch)
		queuePosts(b, &found, sqlOfficerPost, a.post)
		if err := pg.Pipeline(ctx, s.pool, b); err != nil {
			return nil, fmt.Errorf("post of an officer: %w", err)
		}
		if len(found) != 1 {
			return nil, ErrOfficer
		}
		if err := found[0].open(s.deployment); err != nil {
			return nil, err
		}
		if post = &found[0]; !a.is(post) {
			return nil, ErrOfficer
		}
		a.seenPost.Store(post)
	}
	return &officerVerdict{client: p.ClientID, officer: post.shown, level: a.level}, nil
}
