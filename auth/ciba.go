package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// Asking on the phone (OpenID Connect CIBA Core 1.0, poll mode). At a counter, with a request for facts open: the citizen shows a hint from the app,
// the counter's screen shows two digits, the app lists the question with three numbers, and the citizen picks. What is then answered is the request
// itself, in the wallet; the client polls until it is.
//
// Nobody is asked out of nowhere: without an open request of the organisation, and a hint that its citizen or an officer at the counter made for it
// once, there is no way in. No word of an agency reaches the phone: binding_message is the two digits and nothing else. Whatever stands in the way of an
// answer (a phone that was ended, a death, a block, "never again from them", a request that does not ask this person) is answered as silence is, with the
// same statements: pending, until the time is over.
const (
	pathBackchannel  = "/oauth/bc-authorize"
	grantBackchannel = "urn:openid:params:grant-type:ciba"

	backchannelLife  = 5 * time.Minute
	backchannelPause = 5 // seconds (CIBA Core §7.3)
	maxPause         = 60
	// maxAsked is how many questions of one organisation may wait on one person's phone.
	maxAsked = 2

	askLimit, askWindow, askBlock = 600, 15 * time.Minute, time.Minute // of a client
)

// backchannelAnswer is the acknowledgement (CIBA Core §7.3).
type backchannelAnswer struct {
	ID        string `json:"auth_req_id"`
	ExpiresIn int    `json:"expires_in"`
	Interval  int    `json:"interval"`
}

// serveBackchannel is POST /oauth/bc-authorize.
func (s *Server) serveBackchannel(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w.Header())
	form, err := readForm(w, r)
	var answer backchannelAnswer
	if err == nil {
		answer, err = s.askOnPhone(r, form)
	}
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// question is a request of the back channel whose form was found right.
type question struct {
	scope  string
	number int16
	life   time.Duration
	asking *asking
	plan   consent.Plan
	hint   hint
}

// askOnPhone takes one request of the back channel. One batch decides state, uses up assertion, proof and hint, and keeps the question.
func (s *Server) askOnPhone(r *http.Request, form url.Values) (backchannelAnswer, error) {
	ctx := r.Context()
	for again := false; ; again = true {
		x, err := s.authenticated(ctx, form)
		if err != nil {
			return backchannelAnswer{}, err
		}
		if x.key == nil || s.consent == nil {
			return backchannelAnswer{}, &tokenError{http.StatusBadRequest, "unauthorized_client", "this client asks nobody on the back channel"}
		}
		if len(r.Header.Values("DPoP")) != 0 {
			if err := s.prove(x, r); err != nil {
				return backchannelAnswer{}, err
			}
		}
		q, err := s.question(r, x)
		if err != nil {
			return backchannelAnswer{}, err
		}
		vault, err := s.reached(ctx, q)
		if err != nil {
			return backchannelAnswer{}, err
		}
		secret, sum := newSecret()
		row := backchannelRow{
			Hash: sum[:], Client: x.client.ID, Organisation: q.plan.Organisation(), Vault: vault, Request: q.plan.Request(), Scope: q.scope,
			JKT: x.proof.jkt, Challenge: identity.NewID[identity.ObjectID](), Number: q.number, State: backWaiting, CreatedAt: x.now,
			ExpiresAt: x.now.Add(q.life), Pause: backchannelPause,
		}
		b := new(pgx.Batch)
		x.queueState(b)
		q.asking.queue(b)
		queueProofs(b, x.ids...)
		queueProofs(b, q.hint.id)
		charged := queueCharges(b, []lane{{s.bucket("backchannel", []byte(x.client.ID)), askLimit, askWindow, askBlock, false}}, x.now)
		row.queueInsert(b, s.deployment)
		err = pg.Pipeline(ctx, s.pool, b)
		if pg.Refused(err) == codeClientChanged && !again {
			s.clients.entries.Invalidate(x.client.ID)
			continue
		}
		if err := s.throttled(ctx, charged, q.asking.fault(err), x.now); err != nil {
			return backchannelAnswer{}, s.questionFault(ctx, x, q, err)
		}
		return backchannelAnswer{ID: secret, ExpiresIn: int(q.life / time.Second), Interval: backchannelPause}, nil
	}
}

// question reads the form (CIBA Core §7.1, §7.2).
func (s *Server) question(r *http.Request, x *exchange) (*question, error) {
	q := &question{life: backchannelLife}
	if err := q.read(x); err != nil {
		return nil, err
	}
	asked, err := readAsked(x.form.Get(detailsParam))
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	sector, err := s.sectorOf(ctx, x.client, asked.Organisation)
	if err != nil {
		return nil, err
	}
	errNone := wrongDetails("authorization_details names no open request of this organisation")
	q.plan, err = s.consent.PlanOf(ctx, s.pool, s.consent.OpenRequestRef(sector, asked.Request))
	if errors.Is(err, consent.ErrNotFound) || err == nil && q.plan.Organisation() != asked.Organisation {
		return nil, errNone
	}
	if err != nil {
		return nil, fmt.Errorf("back channel of client %q: %w", x.client.ID, err)
	}
	if q.asking, err = s.asks(r, x, asked.Organisation, q.plan.Procedure()); err != nil {
		return nil, err
	}
	status, err := s.consent.Status(ctx, pg.All(), asked.Organisation, q.plan.Request())
	switch {
	case errors.Is(err, consent.ErrNotFound), err == nil && status.State != consent.RequestOpen:
		return nil, errNone
	case err != nil:
		return nil, fmt.Errorf("back channel of client %q: %w", x.client.ID, err)
	}
	q.hint, err = s.openHint(ctx, x, q.asking, asked.Organisation, q.plan)
	return q, err
}

// read judges the parameters that stand for themselves.
func (q *question) read(x *exchange) error {
	form := x.form
	scopes := strings.Fields(form.Get("scope"))
	switch {
	case form.Get("request") != "":
		return invalidRequest("request objects are not offered")
	case form.Get("login_hint") != "" || form.Get("id_token_hint") != "" || form.Get("login_hint_token") == "":
		return invalidRequest("the one hint that is taken is login_hint_token")
	case !slices.Contains(scopes, ScopeOpenID) || !distinct(scopes) || !x.client.signsInFor(scopes):
		return &tokenError{http.StatusBadRequest, "invalid_scope", "name openid, and each further scope of the client once"}
	case len(form.Get("acr_values")) > maxClaims:
		return invalidRequest("acr_values is too long")
	}
	q.scope = strings.Join(scopes, " ")
	number, err := strconv.ParseInt(form.Get("binding_message"), 10, 8)
	if err != nil || number < 10 || number > 99 || len(form.Get("binding_message")) != 2 {
		return &tokenError{http.StatusBadRequest, "invalid_binding_message", "binding_message is the number from 10 to 99 that the counter shows"}
	}
	q.number = int16(number)
	if text := form.Get("requested_expiry"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 32)
		if err != nil || seconds < 1 {
			return invalidRequest("requested_expiry is a positive number of seconds")
		}
		q.life = min(q.life, time.Duration(seconds)*time.Second)
	}
	return nil
}

// namesRequest is the object of type vidan_procedure as the back channel takes it: a request that was made before (RFC 9396 §2).
type namesRequest struct {
	Type         string `json:"type"`
	Request      string `json:"request_id"`
	Organisation string `json:"organisation"`
}

// readAsked reads which request the person is asked about.
func readAsked(text string) (namesRequest, error) {
	var list []namesRequest
	if len(text) > maxDetails || consent.DecodeStrict([]byte(text), &list) != nil || len(list) != 1 || list[0].Type != detailsType ||
		list[0].Request == "" || len(list[0].Request) > 200 || !plainID(list[0].Organisation) {
		return namesRequest{}, wrongDetails("authorization_details has one object of type vidan_procedure with request_id and organisation")
	}
	return list[0], nil
}

// reached returns whose phone shows the question: the person's of the hint, or a stand-in for whom there is no phone. What is read is the same for
// everybody.
func (s *Server) reached(ctx context.Context, q *question) (identity.VaultID, error) {
	told, err := s.consent.Told(ctx, q.plan.Request(), q.hint.vault)
	if err != nil {
		return identity.VaultID{}, fmt.Errorf("back channel: %w", err)
	}
	open := 0
	b := new(pgx.Batch)
	b.Queue(sqlBackchannelOpen, q.hint.vault, q.plan.Organisation(), s.now()).QueryRow(func(row pgx.Row) error { return row.Scan(&open) })
	never := queueSilenced(b, q.hint.vault, q.plan.Organisation())
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return identity.VaultID{}, fmt.Errorf("back channel: %w", err)
	}
	silenced, err := never.stands(s.deployment)
	if err != nil {
		return identity.VaultID{}, err
	}
	if !q.hint.alive || told.State != consent.Asked || silenced || open >= maxAsked {
		return identity.NewVaultID(), nil
	}
	return q.hint.vault, nil
}

// questionFault sorts why the batch was refused: of the one-time messages the hint is looked for first.
func (s *Server) questionFault(ctx context.Context, x *exchange, q *question, err error) error {
	if replayed(err) {
		var used bool
		if err := s.pool.QueryRow(ctx, sqlIsUsed, q.hint.id.slot, q.hint.id.digest[:]).Scan(&used); err != nil {
			return fmt.Errorf("back channel of client %q: %w", x.client.ID, pg.Classify(err))
		}
		if used {
			return errHintOld
		}
	}
	return s.tokenFault(ctx, x, err)
}

// hashRequest is the name under which an auth_req_id is kept.
func hashRequest(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}
