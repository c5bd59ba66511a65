package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// SessionLife is how long a session lasts at most, whatever is done in it: after 30 days the person signs in again.
const SessionLife = 30 * 24 * time.Hour

// sessionIdle is how long a session lasts that nobody refreshes, where [Config] says nothing else.
const sessionIdle = 14 * 24 * time.Hour

// sessionStep is by how much the end of a session must move before it is written again: refreshing often costs no more writes.
const sessionStep = time.Hour

// ErrNoSession reports a session that is not there, or is somebody else's: the two are one answer (S1).
var ErrNoSession = errors.New("auth: no such session")

// sessionRow is a row of sessions while it lasts. Its MAC covers all of it: a session written or prolonged by another hand is worth no
// token and no request (O4). When it ends the MAC is emptied, so that nobody can take the end back who has not kept it.
type sessionRow struct {
	Vault     identity.VaultID   `json:"-"`
	ID        identity.SessionID `json:"-"`
	Client    string             `json:"client_id"`
	Level     int                `json:"level"`
	AMR       []string           `json:"amr"`
	Scope     string             `json:"scope"` // as granted: refreshing only narrows
	JKT       string             `json:"jkt"`   // the key that redeemed the code; empty before that; of the pages, the hash of the cookie
	AuthTime  time.Time          `json:"auth_time"`
	ExpiresAt time.Time          `json:"expires_at"`
	MAC       []byte             `json:"mac"`
}

// sessionRowJSON is a session as a guard sends it to be verified, when its MAC is not the one that is known; the row is called s.
const sessionRowJSON = `jsonb_build_object(
      'client_id', s.client_id, 'level', s.level, 'amr', s.amr, 'scope', s.scope, 'jkt', coalesce(s.jkt, ''), 'auth_time', s.auth_time,
      'expires_at', s.expires_at, 'mac', encode(s.mac, 'base64'))`

const (
	sqlInsertSession = `insert into sessions (vault_id, session_id, client_id, level, amr, scope, auth_time, expires_at, created_at, mac)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9)`

	// sqlBindSession makes of a session that waits for its code one that is used: the key, the end and, where one was granted, the refresh token.
	sqlBindSession = `update sessions set jkt = $3, expires_at = $4, refresh_hash = $5, mac = $6
  where vault_id = $1 and session_id = $2 and state = 'active'`

	// sqlProlongSession moves the end, unless somebody else changed the row meanwhile.
	sqlProlongSession = `update sessions set expires_at = $4, mac = $5 where vault_id = $1 and session_id = $2 and state = 'active' and mac = $3`

	sqlEndSession = `update sessions
  set state = 'ended', ended_at = $3, mac = '', refresh_hash = null, refresh_previous = null
  where vault_id = $1 and session_id = $2 and state = 'active'`

	// sqlLockSession comes first where an end is recorded: of many who end a session, one sees it active.
	sqlLockSession = `select session_id from sessions where vault_id = $1 and session_id = $2 for update`

	// $2 is the session that stays, or null; the order keeps two who end all from waiting for each other.
	sqlLockSessions = `select session_id from sessions where vault_id = $1 and session_id is distinct from $2 and state = 'active'
  order by session_id for update`

	sqlEndSessions = `update sessions
  set state = 'ended', ended_at = $3, mac = '', refresh_hash = null, refresh_previous = null
  where vault_id = $1 and session_id is distinct from $2 and state = 'active'`

	sqlSessions = `select s.session_id, s.client_id, c.name, coalesce(c.organisation_id, ''), s.level, s.amr, s.auth_time, s.expires_at,
  s.refresh_hash is not null
from sessions s join clients c on c.client_id = s.client_id
where s.vault_id = $1 and s.state = 'active' and s.expires_at > $2
order by s.auth_time desc, s.session_id limit 200`

	condSessionActive  = `exists (select from sessions where vault_id = $1 and session_id = $2 and state = 'active')`
	condSessionsActive = `exists (select from sessions where vault_id = $1 and session_id is distinct from $2 and state = 'active')`
)

func (r *sessionRow) columns() *seal.Columns {
	return new(seal.Columns).UUID(r.Vault.Bytes()).UUID(r.ID.Bytes()).Text(r.Client).Int(int64(r.Level)).Texts(r.AMR).Text(r.Scope).
		Text(r.JKT).Time(r.AuthTime).Time(r.ExpiresAt)
}

func (r *sessionRow) verify(d *seal.Deployment) error {
	if err := d.VerifyMAC("sessions", r.columns(), r.MAC); err != nil {
		return fmt.Errorf("session %s: %w", r.ID, err)
	}
	return nil
}

// queueInsert begins the session. It lasts as long as its code, until that is redeemed.
func (r *sessionRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	b.Queue(sqlInsertSession, r.Vault, r.ID, r.Client, r.Level, r.AMR, r.Scope, r.AuthTime, r.ExpiresAt, d.MAC("sessions", r.columns()))
}

// until is how long the session lasts from now on: as long as its refresh token may rest, else as long as its one access token.
func (s *Server) until(r *sessionRow, lasting bool, now time.Time) time.Time {
	if !lasting {
		return now.Add(AccessTokenLife)
	}
	end, idle := r.AuthTime.Add(SessionLife), now.Add(s.idle)
	if idle.Before(end) {
		return idle
	}
	return end
}

// Session is a sign-in that lasts (phiên đăng nhập), as its person sees it.
type Session struct {
	ID           string // sid of its tokens
	Client       string
	ClientName   string
	Organisation string // who runs the client; empty for an app
	Level        int    // account level, 1 or 2
	AMR          []string
	Since        time.Time
	Until        time.Time // unless it is refreshed before
	Lasting      bool      // it has a refresh token
}

// Sessions lists a person's sessions that last, newest first, at most 200. g decides whether they may be seen.
func (s *Server) Sessions(ctx context.Context, g pg.Guard, vault identity.VaultID) ([]Session, error) {
	var all []Session
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlSessions, vault, s.now()).Query(func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) {
			var x Session
			var id identity.SessionID
			err := row.Scan(&id, &x.Client, &x.ClientName, &x.Organisation, &x.Level, &x.AMR, &x.Since, &x.Until, &x.Lasting)
			x.ID = s.sessionRef(vault, id)
			return x, err
		})
		return err
	})
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("sessions: %w", Refused(err))
	}
	return all, g.Check()
}

// SessionID reads the id of a session of one person. Everything else is [ErrNoSession].
func (s *Server) SessionID(vault identity.VaultID, id string) (identity.SessionID, error) {
	of, session, err := s.openSession(id)
	if err != nil || of != vault {
		return identity.SessionID{}, ErrNoSession
	}
	return session, nil
}

// EndSession signs a session out: no token of it works from the next request on, in any process (O3). Ending it again changes nothing. by is
// who ends it, g decides whether they may. One that is not there is [ErrNoSession].
func (s *Server) EndSession(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, session identity.SessionID) error {
	return s.endSession(ctx, g, audit.Entry{Vault: vault, Kind: audit.SessionEnded, Actor: by}, session)
}

func (s *Server) endSession(ctx context.Context, g pg.Guard, e audit.Entry, session identity.SessionID) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, e.Vault)
	if err != nil {
		return fmt.Errorf("end session %s: %w", session, err)
	}
	row, err := s.people.audit.Row(keys, e, s.calendar())
	if err != nil {
		return err
	}
	found := false
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlLockSession, e.Vault, session).Query(func(rows pgx.Rows) error {
		found = rows.Next()
		rows.Close()
		return rows.Err()
	})
	row.QueueIf(b, condSessionActive, e.Vault, session)
	b.Queue(sqlEndSession, e.Vault, session, s.now())
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return fmt.Errorf("end session %s: %w", session, Refused(err))
	}
	if err := g.Check(); err != nil {
		return err
	}
	if !found {
		return ErrNoSession
	}
	return nil
}

// EndAllSessions signs a person out everywhere but in one session; the zero id spares none. It is one line of the record.
func (s *Server) EndAllSessions(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, except identity.SessionID) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	row, err := s.people.audit.Row(keys, audit.Entry{Vault: vault, Kind: audit.SessionEnded, Actor: by, Reason: "all"}, s.calendar())
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlLockSessions, vault, except)
	row.QueueIf(b, condSessionsActive, vault, except)
	b.Queue(sqlEndSessions, vault, except, s.now())
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return fmt.Errorf("end sessions: %w", Refused(err))
	}
	return g.Check()
}

// unguarded lets an act of the server itself pass: an end that misuse brings about.
type unguarded struct{}

func (unguarded) Queue(*pgx.Batch) {}
func (unguarded) Check() error     { return nil }
