package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
)

const grantClientCredentials = "client_credentials"

// grant checks one grant type's own part of a request and returns what is to be done in the batch and after it. A grant type
// exists when the table in [New] names it; the metadata follow from the table. A vidan_require in its statements that raises
// invalid_grant is answered as such.
type grant func(ctx context.Context, x *exchange) (step, error)

// step is the part of a grant in the one batch of a token request. queue may be nil; answer runs after the batch has committed.
type step struct {
	queue  func(*pgx.Batch)
	answer func() (tokenAnswer, error)
	fault  func(refusal string) error // nil, or what a refusal by the grant's own statements means: nil for one that is not its own
}

// exchange is a request at the token endpoint whose client and proof have been verified. State is not yet decided.
type exchange struct {
	form   url.Values
	client *client
	key    *clientKey // nil for a public client
	proof  proof
	ids    []proofID
	now    time.Time
}

// tokenAnswer is the successful answer (RFC 6749 §5.1, RFC 9449 §5).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	// Details: what was granted (RFC 9396 §7).
	Details []toldDetails `json:"authorization_details,omitempty"`
	// IssuedType is what an exchange gave (RFC 8693 §2.2.1).
	IssuedType string `json:"issued_token_type,omitempty"`
}

// answerWith builds the answer around an access token.
func answerWith(token, scope string) tokenAnswer {
	return tokenAnswer{AccessToken: token, TokenType: "DPoP", ExpiresIn: int(AccessTokenLife / time.Second), Scope: scope}
}

// Refusals of the batch, beside client_blocked.
const (
	codeKeyEnded      = "client_key_ended"
	codeClientChanged = "client_changed"
	codeInvalidGrant  = "invalid_grant"
)

const (
	// $1 client, $2 kid, $3 and $4 the MACs that were verified. Equal MACs say that the rows are those whose keys and scopes the
	// process used; changed ones are read again. A missing row is refused like a blocked one.
	sqlTokenState = `
select vidan_require(v.refusal is null, v.refusal) from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when k.state is distinct from 'active' then 'client_key_ended'
      when c.mac is distinct from $3 or k.mac is distinct from $4 then 'client_changed'
    end as refusal
  from (values ($1::text, $2::text)) as a (client_id, kid)
  left join clients c on c.client_id = a.client_id
  left join client_keys k on k.client_id = a.client_id and k.kid = a.kid
) as v`

	// $1 client, $2 the MAC that was verified: for clients without a key of their own.
	sqlPublicState = `
select vidan_require(v.refusal is null, v.refusal) from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when c.mac is distinct from $2 then 'client_changed'
    end as refusal
  from (values ($1::text)) as a (client_id)
  left join clients c on c.client_id = a.client_id
) as v`
)

// token answers one request at the token endpoint. Everything that can be checked without the database is checked first; one
// batch then decides state, uses up proof and assertion, and does the grant's own work; the token is signed afterwards, so that
// whoever replays costs no signature.
func (s *Server) token(r *http.Request, form url.Values) (tokenAnswer, error) {
	run, ok := s.grants[form.Get("grant_type")]
	if !ok {
		return tokenAnswer{}, &tokenError{http.StatusBadRequest, "unsupported_grant_type", "this grant type is not offered"}
	}
	// Twice only when a client's row was changed between two requests: the first batch was refused and left nothing.
	ctx := r.Context()
	for again := false; ; again = true {
		x, err := s.exchange(r, form)
		if err != nil {
			return tokenAnswer{}, err
		}
		work, err := run(ctx, x)
		if err != nil {
			return tokenAnswer{}, err
		}
		b := new(pgx.Batch)
		x.queueState(b)
		queueProofs(b, x.ids...)
		if work.queue != nil {
			work.queue(b)
		}
		err = pg.Pipeline(ctx, s.pool, b)
		if err == nil {
			return work.answer()
		}
		if pg.Refused(err) == codeClientChanged && !again {
			s.clients.entries.Invalidate(x.client.ID)
			continue
		}
		if work.fault != nil {
			if fault := work.fault(pg.Refused(err)); fault != nil {
				return tokenAnswer{}, fault
			}
		}
		return tokenAnswer{}, s.tokenFault(ctx, x, err)
	}
}

// exchange verifies client and proof. The assertion comes first: whoever has no key is refused after one verification.
func (s *Server) exchange(r *http.Request, form url.Values) (*exchange, error) {
	x, err := s.authenticated(r.Context(), form)
	if err != nil {
		return nil, err
	}
	return x, s.prove(x, r)
}

// authenticated verifies the client of a form: by its assertion, or by nothing but its name where it is public.
func (s *Server) authenticated(ctx context.Context, form url.Values) (*exchange, error) {
	now := s.now()
	x := &exchange{form: form, now: now}
	if id := form.Get("client_id"); id != "" && !form.Has("client_assertion") && !form.Has("client_assertion_type") {
		c, err := s.clientOf(ctx, id)
		if err != nil {
			return nil, clientFault(err)
		}
		if c.Profile != App {
			return nil, invalidClient("this client must authenticate with " + authMethod)
		}
		x.client = c
	} else {
		by, err := s.assertClient(ctx, form, now)
		if err != nil {
			return nil, err
		}
		x.client, x.key, x.ids = by.client, by.key, []proofID{by.id}
	}
	return x, nil
}

// prove verifies the proof of a request whose client is known.
func (s *Server) prove(x *exchange, r *http.Request) error {
	made, err := s.checkProof(r, "", x.client.Profile, x.now)
	switch {
	case errors.Is(err, ErrNonce):
		return &tokenError{http.StatusBadRequest, codeNonce, "repeat the request with the nonce of DPoP-Nonce in the proof"}
	case err != nil:
		return &tokenError{http.StatusBadRequest, codeProof, "a fresh DPoP proof for this request is needed"}
	}
	x.proof, x.ids = made, append(x.ids, made.id)
	return nil
}

func (x *exchange) queueState(b *pgx.Batch) {
	if x.key == nil {
		b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
		return
	}
	b.Queue(sqlTokenState, x.client.ID, x.key.KID, x.client.MAC, x.key.MAC)
}

// scope returns the scopes asked for, each of which the client must have and the grant type must know.
func (x *exchange) scope(known []string) (string, error) {
	asked := strings.Fields(x.form.Get("scope"))
	if len(asked) == 0 || !distinct(asked) {
		return "", &tokenError{http.StatusBadRequest, "invalid_scope", "name each scope that is needed, once"}
	}
	for _, scope := range asked {
		if !slices.Contains(known, scope) || !slices.Contains(x.client.Scopes, scope) {
			return "", &tokenError{http.StatusBadRequest, "invalid_scope", "a scope is not this client's for this grant type"}
		}
	}
	return strings.Join(asked, " "), nil
}

// clientCredentials is the grant for machines (RFC 6749 §4.4): the token is the client's own and ends with the key it proved
// itself with.
func (s *Server) clientCredentials(_ context.Context, x *exchange) (step, error) {
	if x.key == nil {
		return step{}, &tokenError{http.StatusBadRequest, "unauthorized_client", "an app acts for people only"}
	}
	scope, err := x.scope(machineScopes)
	if err != nil {
		return step{}, err
	}
	if x.form.Get(detailsParam) != "" {
		return step{}, wrongDetails("a machine's own token has no details")
	}
	return step{answer: func() (tokenAnswer, error) {
		token, err := s.mint(accessClaims{
			Subject: x.client.ID, ClientID: x.client.ID, Scope: scope, Confirm: confirmation{x.proof.jkt}, ClientKey: x.key.KID,
		}, x.now)
		return answerWith(token, scope), err
	}}, nil
}

// tokenFault sorts why the batch was refused.
func (s *Server) tokenFault(ctx context.Context, x *exchange, err error) error {
	if replayed(err) {
		return s.replayFault(ctx, x)
	}
	switch pg.Refused(err) {
	case codeClientBlocked:
		return invalidClient("the client is blocked")
	case codeKeyEnded:
		return invalidClient("the key has ended")
	case codeInvalidGrant:
		return &tokenError{http.StatusBadRequest, codeInvalidGrant, "what was presented is not valid, or not any more"}
	}
	return fmt.Errorf("token for client %q: %w", x.client.ID, err)
}

// replayFault says which of the two was used before: the batch left neither, so the one that is there is the one.
func (s *Server) replayFault(ctx context.Context, x *exchange) error {
	if x.key != nil {
		var used bool
		if err := s.pool.QueryRow(ctx, sqlIsUsed, x.ids[0].slot, x.ids[0].digest[:]).Scan(&used); err != nil {
			return fmt.Errorf("token for client %q: %w", x.client.ID, pg.Classify(err))
		}
		if used {
			return invalidClient("client_assertion was used before")
		}
	}
	return &tokenError{http.StatusBadRequest, codeProof, "the DPoP proof was used before"}
}
