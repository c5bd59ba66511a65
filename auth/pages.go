package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// The pages of the server are a client of their own: it has a row like any other, so that an operator can block it and people see it among
// their sessions; and no redirect address, no key and no token, so that nobody but the pages can sign in for it. What a browser holds instead
// of tokens is a cookie, which names one session of that client.

// PagesClient is the client of the server's own pages.
const PagesClient = "vidan-web"

// How long a session of the pages lasts: browsers are shared, so it is short.
const (
	PagesIdle = 15 * time.Minute
	PagesLife = 12 * time.Hour
)

// pagesStep is by how much the end of such a session must move before it is written again.
const pagesStep = time.Minute

// pathPages is where a sign-in for the pages leads back to.
const pathPages = "/me"

// pagesKind is the kind of reference a cookie is: whose session it is and which, and 256 random bits.
const (
	pagesKind   = "page"
	pagesLength = 16 + 16 + 32
	maxPages    = 512
)

// AddPages registers the client of the server's own pages, once for a deployment.
func (d *Directory) AddPages(ctx context.Context, now time.Time) error {
	return d.AddClient(ctx, Client{ID: PagesClient, Name: "Trang web Ví dân", Profile: App, Scopes: []string{ScopeWallet}}, now)
}

// BeginPages begins a sign-in for the server's own pages. It asks for a second factor where there is one, and is content without. address is
// that of the browser: how many sign-ins it begins is bounded.
//
// Errors: [ErrUntrusted] where the operator switched the pages off; [*Throttled]; those of the database.
func (s *Server) BeginPages(ctx context.Context, address string) (Cookie, error) {
	for again := false; ; again = true {
		c, err := s.clientOf(ctx, PagesClient)
		if errors.Is(err, ErrNotRegistered) {
			return "", ErrUntrusted
		}
		if err != nil {
			return "", err
		}
		now := s.now()
		b := new(pgx.Batch)
		b.Queue(sqlPublicState, c.ID, c.MAC)
		charged := queueCharges(b, s.beginLanes(address), now)
		cookie := s.queueSignIn(b, c.ID, signInRequest{RedirectURI: s.issuer + pathPages, Scope: ScopeWallet, Level: 2, Least: 1}, nil)
		err = pg.Pipeline(ctx, s.pool, b)
		switch {
		case pg.Refused(err) == codeClientChanged && !again:
			s.clients.entries.Invalidate(c.ID)
			continue
		case pg.Refused(err) == codeClientBlocked:
			return "", ErrUntrusted
		}
		if err := s.throttled(ctx, charged, err, now); err != nil {
			return "", fmt.Errorf("begin sign-in for the pages: %w", err)
		}
		return cookie, nil
	}
}

// Pages reports a sign-in for the server's own pages: it ends with [SignIn.FinishPages].
func (x *SignIn) Pages() bool { return x.client.ID == PagesClient }

// FinishPages ends a sign-in for the pages that is done: it begins the session and returns the cookie that names it. One call of many at once
// has it. Errors: those of Finish.
func (x *SignIn) FinishPages(ctx context.Context) (Cookie, error) {
	s, row := x.server, x.row
	if row.Step != StepDone || !x.Pages() {
		return "", ErrMoved
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return "", fmt.Errorf("sign-in: %w", err)
	}
	now := s.now()
	session := sessionRow{
		Vault: row.Vault, ID: identity.NewID[identity.SessionID](), Client: row.Client, Level: row.Level, AMR: row.AMR, Scope: row.Request.Scope,
		AuthTime: now, ExpiresAt: now.Add(PagesIdle),
	}
	cookie := s.newPages(row.Vault, session.ID)
	session.JKT = hashPages(cookie)
	to := row
	to.Step, to.Challenge, to.Number = StepDead, identity.ObjectID{}, nil

	b := new(pgx.Batch)
	b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
	x.queueMove(b, &to)
	person.QueueGoodStanding(b, row.Vault)
	b.Queue(sqlLevelStands, row.Vault, row.Level)
	session.queueInsert(b, s.deployment)
	b.Queue(sqlBindSession, session.Vault, session.ID, session.JKT, session.ExpiresAt, nil, s.deployment.MAC("sessions", session.columns()))
	if _, err := s.people.audit.Queue(b, keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Actor: audit.Actor{Vault: row.Vault, Client: row.Client},
	}, s.calendar()); err != nil {
		return "", err
	}
	return cookie, x.send(ctx, b)
}

func (s *Server) newPages(vault identity.VaultID, session identity.SessionID) Cookie {
	v, n := vault.Bytes(), session.Bytes()
	var id [pagesLength]byte
	copy(id[:], v[:])
	copy(id[16:], n[:])
	_, _ = rand.Read(id[32:]) // never fails (crypto/rand)
	return Cookie(s.deployment.Ref(sessionSector, pagesKind, id[:]))
}

// hashPages is what the row of a session keeps of its cookie, under its MAC, in the place of the thumbprint of a key. No thumbprint looks like it.
func hashPages(c Cookie) string {
	sum := sha256.Sum256([]byte(c))
	return "cookie:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// PageSession is a session of the server's own pages, as it was found. It serves one request.
type PageSession struct {
	*Principal
	server *Server
	cookie Cookie
}

// OpenPages reads the session that a cookie names, as it is now: one round trip, in which the guard of the pages runs. Whatever is done
// afterwards asks the guard again ([Principal.Standing]).
//
// Errors: [ErrNoSession] for a cookie that never named one; [ErrTokenRevoked] for a session that ended or is too old; [ErrPersonBlocked];
// [ErrClientBlocked] where the operator switched the pages off; [seal.ErrTampered].
func (s *Server) OpenPages(ctx context.Context, cookie Cookie) (*PageSession, error) {
	if s.people == nil || cookie == "" || len(cookie) > maxPages {
		return nil, ErrNoSession
	}
	id, err := s.deployment.OpenRef(sessionSector, pagesKind, string(cookie))
	if err != nil || len(id) != pagesLength {
		return nil, ErrNoSession
	}
	c, err := s.clientOf(ctx, PagesClient)
	if errors.Is(err, ErrNotRegistered) {
		return nil, ErrClientBlocked
	}
	if err != nil {
		return nil, err
	}
	t := &accessToken{
		client: c.ID, level: 1, vault: identity.FromBytes[identity.VaultID]([16]byte(id[:16])), session: identity.FromBytes[identity.SessionID]([16]byte(id[16:32])),
	}
	p := &Principal{
		Kind: Citizen, ClientID: c.ID, Sector: c.sector, Scopes: []string{ScopeWallet}, Vault: t.vault, Session: t.session, server: s, client: c, token: t,
	}
	g := p.Standing()
	b := new(pgx.Batch)
	g.Queue(b)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("session of the pages: %w", Refused(err))
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	row := *t.seen.Load()
	if subtle.ConstantTimeCompare([]byte(row.JKT), []byte(hashPages(cookie))) != 1 {
		return nil, ErrNoSession
	}
	t.level, p.Level, p.AMR, p.AuthTime = row.Level, row.Level, row.AMR, row.AuthTime
	return &PageSession{Principal: p, server: s, cookie: cookie}, s.prolongPages(ctx, &row)
}

// prolongPages moves the end of a session in which a page was asked for.
func (s *Server) prolongPages(ctx context.Context, r *sessionRow) error {
	now := s.now()
	end := now.Add(PagesIdle)
	if last := r.AuthTime.Add(PagesLife); last.Before(end) {
		end = last
	}
	if end.Before(r.ExpiresAt.Add(pagesStep)) {
		return nil
	}
	old := r.MAC
	r.ExpiresAt = end
	if _, err := s.pool.Exec(ctx, sqlProlongSession, r.Vault, r.ID, old, end, s.deployment.MAC("sessions", r.columns())); err != nil {
		return fmt.Errorf("prolong session %s: %w", r.ID, pg.Classify(err))
	}
	return nil
}

// Actor is how the record names who acts on a page.
func (x *PageSession) Actor() audit.Actor { return audit.Actor{Vault: x.Vault, Client: x.ClientID} }

// FormToken is what a form carries that does one thing to one object: it follows from the session's cookie, and nothing follows from it.
func (x *PageSession) FormToken(action, object string) string {
	sum := sha256.Sum256([]byte(x.cookie))
	mac := x.server.deployment.MAC("sessions", new(seal.Columns).Text("form").Bytes(sum[:]).Text(action).Text(object))
	return base64.RawURLEncoding.EncodeToString(mac)
}

// Holds reports whether a form is one of this session for this.
func (x *PageSession) Holds(token, action, object string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(x.FormToken(action, object))) == 1
}

// PinRef names one paper in one revision on a page, and OpenPin reads it again, as those of [SignIn] do.
func (x *PageSession) PinRef(p consent.DocRevision) string { return x.server.pinRef(p) }

// OpenPin reads what PinRef wrote.
func (x *PageSession) OpenPin(text string) (consent.DocRevision, bool) { return x.server.openPin(text) }
