package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
	"vidan/person"
)

// Token exchange (RFC 8693) is how an officer acts under their own sign-in. By the terms of §1.1 it is a delegation: the subject is the
// organisation's client, whose work is done, and the actor is the officer who does it. The client presents its own access token
// (subject_token) and that of its officer (actor_token), who signed in at this client at level 2, and gets a token in which sub is the client
// and act the officer. Nothing else is exchanged here: no impersonation, no chain of actors, no token of another kind or for another service.

const (
	grantExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

	// officerLevel is the account level at which officers sign in.
	officerLevel = 2
)

// errTarget refuses an organisation for which client or officer may not act, and one that is not there.
var errTarget = &tokenError{http.StatusBadRequest, "invalid_target", "client and officer do not both act for this organisation"}

// exchangeToken is the grant. Beside what RFC 8693 §2.1 defines, organisation says for whom the officer acts; without it, for the one that
// runs the client. Both tokens are bound to the key of the proof, as the new one is: neither opens anything by itself (O2). The scope is that
// of the subject token or part of it.
func (s *Server) exchangeToken(ctx context.Context, x *exchange) (step, error) {
	if x.key == nil {
		return step{}, &tokenError{http.StatusBadRequest, "unauthorized_client", "an app acts for people only"}
	}
	if err := plainExchange(x); err != nil {
		return step{}, err
	}
	subject, officer, err := s.exchanged(x)
	if err != nil {
		return step{}, err
	}
	scope, err := exchangeScope(x, subject)
	if err != nil {
		return step{}, err
	}
	organisation := x.form.Get("organisation")
	if organisation == "" {
		organisation = x.client.Organisation
	}
	var found []postRow
	b := new(pgx.Batch)
	queuePosts(b, &found, sqlOfficer, organisation, officer.vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return step{}, fmt.Errorf("post of an officer: %w", err)
	}
	if len(found) != 1 {
		return step{}, errTarget
	}
	post := &found[0]
	if err := post.open(s.deployment); err != nil {
		return step{}, err
	}
	if !post.holds(s.calendar()) {
		return step{}, errTarget
	}
	claim := &actClaim{
		Subject: post.Officer, Issuer: s.issuer, Organisation: post.Organisation, Post: post.ID, Session: s.sessionRef(officer.vault, officer.session),
		ACR: acrOf(officer.level), AuthTime: officer.authTime.Unix(),
	}
	acts := &actor{
		officer: post.Officer, organisation: post.Organisation, post: post.ID, vault: officer.vault, session: officer.session, level: officer.level,
	}
	acts.seenPost.Store(post)
	guard := &principalGuard{
		server: s, client: x.client, now: x.now, kids: []string{subject.clientKey},
		token: &accessToken{client: x.client.ID, name: subject.name, act: acts},
	}
	mandate := s.Mandate(x.client.ID, Need{Organisation: organisation, Unit: post.shown.Unit})
	return step{
		queue: func(b *pgx.Batch) {
			person.QueueGoodStanding(b, officer.vault)
			mandate.Queue(b)
			guard.Queue(b)
		},
		answer: func() (tokenAnswer, error) {
			if err := mandate.Check(); err != nil {
				return tokenAnswer{}, err
			}
			if err := guard.Check(); err != nil {
				return tokenAnswer{}, err
			}
			token, err := s.mint(accessClaims{
				Subject: x.client.ID, ClientID: x.client.ID, Scope: scope, Confirm: confirmation{x.proof.jkt}, ClientKey: x.key.KID, Act: claim,
			}, x.now)
			answer := answerWith(token, scope)
			answer.IssuedType = accessTokenType
			return answer, err
		},
		fault: func(refusal string) error {
			switch refusal {
			case codeMandate:
				return errTarget
			case codeTokenRevoked, codePersonBlocked:
				return invalidRequest("the sign-in, the post or a token has ended")
			}
			return nil
		},
	}, nil
}

// plainExchange refuses what RFC 8693 §2.1 allows to be asked for and is not given here.
func plainExchange(x *exchange) error {
	f := x.form
	switch {
	case f.Get("subject_token") == "" || f.Get("actor_token") == "":
		return invalidRequest("subject_token and actor_token are needed")
	case f.Get("subject_token_type") != accessTokenType || f.Get("actor_token_type") != accessTokenType:
		return invalidRequest("both tokens are access tokens of this server")
	case f.Has("requested_token_type") && f.Get("requested_token_type") != accessTokenType:
		return invalidRequest("only access tokens are issued")
	case f.Has("resource") || f.Has("audience"):
		return &tokenError{http.StatusBadRequest, "invalid_target", "tokens are for this service alone"}
	case f.Has(detailsParam):
		return wrongDetails("a machine's own token has no details")
	}
	return nil
}

// exchanged verifies both tokens. What is wrong with either is invalid_request (RFC 8693 §2.2.2).
func (s *Server) exchanged(x *exchange) (subject, officer *accessToken, err error) {
	read := func(name string) *accessToken {
		token := x.form.Get(name)
		sum, _ := hashToken(token)
		t, err := s.readToken(token, sum, x.now)
		if err != nil || t.client != x.client.ID || t.jkt != x.proof.jkt || t.act != nil {
			return nil
		}
		return t
	}
	if subject = read("subject_token"); subject == nil || !subject.vault.IsZero() {
		return nil, nil, invalidRequest("subject_token is not this client's own, bound to the key of the proof")
	}
	if officer = read("actor_token"); officer == nil || officer.vault.IsZero() {
		return nil, nil, invalidRequest("actor_token is not of a sign-in at this client, bound to the key of the proof")
	}
	if officer.level < officerLevel {
		return nil, nil, invalidRequest("the officer has to sign in at level 2")
	}
	return subject, officer, nil
}

// exchangeScope returns the scopes of the new token: those asked for, or all, of what the subject token and the client have.
func exchangeScope(x *exchange, subject *accessToken) (string, error) {
	asked := *x
	if !x.form.Has("scope") {
		asked.form = url.Values{"scope": {strings.Join(subject.scopes, " ")}}
	}
	scope, err := asked.scope(machineScopes)
	if err != nil {
		return "", err
	}
	for one := range strings.FieldsSeq(scope) {
		if !slices.Contains(subject.scopes, one) {
			return "", &tokenError{http.StatusBadRequest, "invalid_scope", "an exchange never widens"}
		}
	}
	return scope, nil
}
