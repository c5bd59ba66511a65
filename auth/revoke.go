package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

const pathRevoke = "/oauth/revoke"

const (
	// $1 client, $2 kid, $3 the token as exp.jti, $4 now in seconds. Those that have expired go; more than a thousand at once are refused, so
	// that the row stays small.
	sqlRevokeToken = `update client_keys set revoked_tokens = array(
    select t from unnest(revoked_tokens) as t where split_part(t, '.', 1)::bigint > $4 and t <> $3) || $3::text
  where client_id = $1 and kid = $2
    and (select count(*) from unnest(revoked_tokens) as t where split_part(t, '.', 1)::bigint > $4) < 1000`

	sqlSessionClient = `select client_id from sessions where vault_id = $1 and session_id = $2`
)

// serveRevoke is POST /oauth/revoke (RFC 7009).
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	if err == nil {
		err = s.revoke(r.Context(), form)
	}
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// revoke ends what a client gives back. A token of a sign-in, of either kind, ends the sign-in (RFC 7009 §2.1 lets related tokens go too); a
// machine's access token ends alone. What is no token, or none any more, is done already (§2.2). What was issued to another client is
// refused, and stays.
func (s *Server) revoke(ctx context.Context, form url.Values) error {
	token := form.Get("token")
	if token == "" {
		return invalidRequest("token is needed")
	}
	var owner string
	x, err := s.asked(ctx, form, func(x *exchange, b *pgx.Batch) error {
		if vault, session, ok := s.openRefresh(token); ok {
			owner = ""
			b.Queue(sqlSessionClient, vault, session).Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&owner}, func() error { return nil })
				return err
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if vault, session, ok := s.openRefresh(token); ok {
		return s.revokeSession(ctx, x, owner, vault, session)
	}
	sum, _ := hashToken(token)
	t, err := s.readToken(token, sum, x.now)
	if err != nil {
		return nil // not one of ours, or over
	}
	if !t.vault.IsZero() {
		return s.revokeSession(ctx, x, t.client, t.vault, t.session)
	}
	if t.client != x.client.ID {
		return errForeignToken
	}
	tag, err := s.pool.Exec(ctx, sqlRevokeToken, t.client, t.clientKey, t.name, x.now.Unix())
	if err != nil {
		return fmt.Errorf("revoke a token of client %q: %w", t.client, pg.Classify(err))
	}
	if tag.RowsAffected() == 0 {
		return &tokenError{http.StatusServiceUnavailable, "temporarily_unavailable", "too many tokens were given back in these ten minutes"}
	}
	return nil
}

// errForeignToken refuses to touch what another client was given (RFC 7009 §2.1). Who holds a token can read in it whose it is.
var errForeignToken = invalidGrant("the token was issued to another client")

func (s *Server) revokeSession(ctx context.Context, x *exchange, owner string, vault identity.VaultID, session identity.SessionID) error {
	switch owner {
	case "": // the session is gone
		return nil
	case x.client.ID:
	default:
		return errForeignToken
	}
	err := s.endSession(ctx, unguarded{}, audit.Entry{
		Vault: vault, Kind: audit.SessionEnded, Actor: audit.Actor{Client: x.client.ID}, Reason: "revoked",
	}, session)
	if errors.Is(err, ErrNoSession) {
		return nil
	}
	return err
}

// asked decides who asks for something beside tokens: the client of the form, its state and the first use of its assertion, together with
// what work adds, in one batch. It is done twice only when the client's row was changed between two requests.
func (s *Server) asked(ctx context.Context, form url.Values, work func(x *exchange, b *pgx.Batch) error) (*exchange, error) {
	for again := false; ; again = true {
		x, err := s.authenticated(ctx, form)
		if err != nil {
			return nil, err
		}
		b := new(pgx.Batch)
		x.queueState(b)
		queueProofs(b, x.ids...)
		if err := work(x, b); err != nil {
			return nil, err
		}
		err = pg.Pipeline(ctx, s.pool, b)
		if pg.Refused(err) == codeClientChanged && !again {
			s.clients.entries.Invalidate(x.client.ID)
			continue
		}
		if err != nil {
			return nil, s.tokenFault(ctx, x, err)
		}
		return x, nil
	}
}
