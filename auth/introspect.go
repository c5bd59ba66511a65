package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"vidan/seal"
)

const (
	pathIntrospect = "/oauth/introspect"

	// introspectionType is the typ of signed answers (RFC 9701 §5), and with application/ before it the media type by which they are asked for.
	introspectionType = "token-introspection+jwt"
)

// sqlIntrospectRefresh reads the session of a refresh token that works, of a person who may act. $3 client, $4 the token, $5 now.
const sqlIntrospectRefresh = `select s.level, s.amr, s.scope, coalesce(s.jkt, ''), s.auth_time, s.expires_at, s.mac
from sessions s join people p on p.vault_id = s.vault_id
where s.vault_id = $1 and s.session_id = $2 and s.client_id = $3 and s.refresh_hash = $4 and s.state = 'active' and s.expires_at > $5
  and p.life = 'alive' and not p.blocked and p.level >= s.level`

// introspection is what is told of a token (RFC 7662 §2.2; cnf: RFC 9449 §6.2; acr and auth_time: RFC 9470 §6.2). Of one that is not active
// nothing is told but that.
type introspection struct {
	Active    bool          `json:"active"`
	Issuer    string        `json:"iss,omitempty"`
	Subject   string        `json:"sub,omitempty"`
	Audience  string        `json:"aud,omitempty"`
	ClientID  string        `json:"client_id,omitempty"`
	TokenType string        `json:"token_type,omitempty"`
	IssuedAt  int64         `json:"iat,omitempty"`
	Expires   int64         `json:"exp,omitempty"`
	ID        string        `json:"jti,omitempty"`
	Scope     string        `json:"scope,omitempty"`
	Confirm   *confirmation `json:"cnf,omitempty"`
	ACR       string        `json:"acr,omitempty"`
	AMR       []string      `json:"amr,omitempty"`
	AuthTime  int64         `json:"auth_time,omitempty"`

	Details []toldDetails `json:"authorization_details,omitempty"` // RFC 9396 §9.2
	Act     *toldActor    `json:"act,omitempty"`                   // RFC 8693 §7.4
}

// signedIntrospection is the same as a signed statement to whoever asked (RFC 9701 §5).
type signedIntrospection struct {
	Issuer   string        `json:"iss"`
	Audience string        `json:"aud"`
	IssuedAt int64         `json:"iat"`
	Token    introspection `json:"token_introspection"`
}

// serveIntrospect is POST /oauth/introspect (RFC 7662).
func (s *Server) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	x, told, err := s.introspect(r.Context(), form)
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	if !strings.Contains(r.Header.Get("Accept"), introspectionType) {
		writeJSON(w, http.StatusOK, told)
		return
	}
	payload, err := json.Marshal(signedIntrospection{Issuer: s.issuer, Audience: x.client.ID, IssuedAt: x.now.Unix(), Token: told})
	if err == nil {
		var signed string
		if signed, err = s.keys.Signer(TokenKeys).Sign(introspectionType, payload); err == nil {
			writeCompact(w, introspectionType, signed)
			return
		}
	}
	s.writeTokenError(w, r, err)
}

// writeCompact writes a message that no cache may keep.
func writeCompact(w http.ResponseWriter, typ, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/"+typ)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(message)) // the other side may have gone
}

// introspect tells a client that proves itself about a token: about its own, and, where it guards resources and is registered with the scope
// introspect, about every access token. All else is not active: what is malformed, over, ended, or somebody else's. State is read now, in
// the one batch that also uses up the assertion (O1, O3).
func (s *Server) introspect(ctx context.Context, form url.Values) (*exchange, introspection, error) {
	token := form.Get("token")
	if token == "" {
		return nil, introspection{}, invalidRequest("token is needed")
	}
	var told func() (introspection, error)
	x, err := s.asked(ctx, form, func(x *exchange, b *pgx.Batch) (err error) {
		if x.key == nil {
			return invalidClient("this endpoint is for clients that prove themselves")
		}
		told, err = s.queueIntrospect(ctx, x, b, token)
		return err
	})
	if err != nil || told == nil {
		return x, introspection{}, err
	}
	answer, err := told()
	return x, answer, err
}

// queueIntrospect adds the reading of a token's state and returns what to say after it; nil for a token of which nothing is said.
func (s *Server) queueIntrospect(ctx context.Context, x *exchange, b *pgx.Batch, token string) (func() (introspection, error), error) {
	sum, _ := hashToken(token)
	t, err := s.readToken(token, sum, x.now)
	if err != nil {
		return s.queueIntrospectRefresh(x, b, token), nil
	}
	if t.client != x.client.ID && !slices.Contains(x.client.Scopes, ScopeIntrospect) {
		return nil, nil
	}
	c, err := s.clientOf(ctx, t.client)
	if errors.Is(err, ErrNotRegistered) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g := &principalGuard{server: s, token: t, client: c, now: x.now, asking: true}
	if t.clientKey != "" {
		g.kids = []string{t.clientKey}
	}
	g.Queue(b)
	return func() (introspection, error) {
		switch err := g.Check(); {
		case errors.Is(err, ErrTokenRevoked):
			return introspection{}, nil
		case err != nil:
			return introspection{}, fmt.Errorf("introspect: %w", err)
		}
		told := s.tellAccess(t)
		told.Details, err = s.boundNow(ctx, t, c)
		return told, err
	}, nil
}

func (s *Server) tellAccess(t *accessToken) introspection {
	told := introspection{
		Active: true, Issuer: s.issuer, Subject: t.subject, Audience: s.audience(), ClientID: t.client, TokenType: "DPoP",
		IssuedAt: int64(t.issued), Expires: int64(t.expires), ID: t.id, Scope: strings.Join(t.scopes, " "), Confirm: &confirmation{t.jkt},
	}
	if !t.vault.IsZero() {
		told.ACR, told.AMR, told.AuthTime = acrOf(t.level), t.amr, t.authTime.Unix()
	}
	if t.act != nil {
		told.Act = &toldActor{t.act.officer, s.issuer, t.act.organisation}
	}
	return told
}

// queueIntrospectRefresh tells a client about its own refresh token. Whoever guards resources has no business with one.
func (s *Server) queueIntrospectRefresh(x *exchange, b *pgx.Batch, token string) func() (introspection, error) {
	vault, session, ok := s.openRefresh(token)
	if !ok {
		return nil
	}
	found := false
	r := &sessionRow{Vault: vault, ID: session, Client: x.client.ID}
	b.Queue(sqlIntrospectRefresh, vault, session, r.Client, hashRefresh(token), x.now).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&r.Level, &r.AMR, &r.Scope, &r.JKT, &r.AuthTime, &r.ExpiresAt, &r.MAC}, func() error {
			found = true
			return nil
		})
		return err
	})
	return func() (introspection, error) {
		if !found {
			return introspection{}, nil
		}
		if err := r.verify(s.deployment); err != nil {
			if errors.Is(err, seal.ErrTampered) {
				return introspection{}, nil
			}
			return introspection{}, err
		}
		return introspection{
			Active: true, Issuer: s.issuer, ClientID: r.Client, Expires: r.ExpiresAt.Unix(), Scope: r.Scope,
			ACR: acrOf(r.Level), AMR: r.AMR, AuthTime: r.AuthTime.Unix(),
		}, nil
	}
}
