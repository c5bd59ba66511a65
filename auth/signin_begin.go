package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
)

// BeginSignIn reads an authorization request (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1), or takes the one that was pushed
// (RFC 9126 §4), and keeps it. It returns the cookie that names the sign-in, and the language that the client asked for, if any. address
// is that of the browser: how many requests it begins is bounded.
//
// Errors: [ErrUntrusted] when nobody can be told; [ErrRequestOver]; a [*RedirectError] with where to send the browser; [*Throttled]; those
// of the database.
func (s *Server) BeginSignIn(ctx context.Context, params url.Values, address string) (Cookie, string, error) {
	for again := false; ; again = true {
		c, err := s.requester(ctx, params)
		if err != nil {
			return "", "", err
		}
		r, pushed, fault := s.authorization(ctx, c, params)
		var back *RedirectError
		if fault != nil && !errors.As(fault, &back) {
			return "", "", fault
		}
		cookie := Cookie("")
		now := s.now()
		b := new(pgx.Batch)
		b.Queue(sqlPublicState, c.ID, c.MAC)
		charged := new(charges)
		if fault == nil {
			charged = queueCharges(b, s.beginLanes(address), now)
			cookie = s.queueSignIn(b, c.ID, r, pushed)
		}
		err = pg.Pipeline(ctx, s.pool, b)
		switch {
		case pg.Refused(err) == codeClientChanged && !again:
			s.clients.entries.Invalidate(c.ID)
			continue
		case pg.Refused(err) == codeClientBlocked:
			return "", "", ErrUntrusted
		}
		if err := s.throttled(ctx, charged, err, now); err != nil {
			return "", "", fmt.Errorf("begin sign-in for client %q: %w", c.ID, err)
		}
		return cookie, r.Language, fault
	}
}

// requester is the client that a request names.
func (s *Server) requester(ctx context.Context, params url.Values) (*client, error) {
	if len(params["client_id"]) != 1 {
		return nil, ErrUntrusted
	}
	c, err := s.clientOf(ctx, params.Get("client_id"))
	if errors.Is(err, ErrNotRegistered) {
		return nil, ErrUntrusted
	}
	return c, err
}

// authorization is what the client asks for, and the hash of the pushed request that says so; nil when the browser brought it. Beside a
// request_uri nothing but client_id is read (RFC 9101 §6.3: parameters outside are not used).
func (s *Server) authorization(ctx context.Context, c *client, params url.Values) (signInRequest, []byte, error) {
	if len(params["request_uri"]) != 1 || !strings.HasPrefix(params.Get("request_uri"), requestURIPrefix) {
		r, err := s.parseAuthorization(c, params)
		return r, nil, err
	}
	sum := sha256.Sum256([]byte(params.Get("request_uri")))
	row, err := s.readPushed(ctx, sum[:])
	if err != nil {
		return signInRequest{}, nil, err
	}
	r := row.Request
	switch {
	case row.Client != c.ID, row.UsedAt != nil, !s.now().Before(row.ExpiresAt):
		return r, nil, ErrRequestOver
	case !c.redirectsTo(r.RedirectURI), !c.signsInFor(strings.Fields(r.Scope)):
		return r, nil, ErrUntrusted // the client was registered anew since
	case r.Silent:
		return r, nil, s.refuse(r, "login_required", "every sign-in is made by the person")
	}
	return r, row.Hash, nil
}
