package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
	"vidan/seal"
)

// Pushed authorization requests (RFC 9126): a client leaves its request here and sends the browser with a name for it. Nobody between the
// two can read or change what is asked for, and for agencies it is the only way (FAPI 2.0 Security Profile §5.3.2.2).
//
// The name is presented within five minutes and decided once. Loading the page uses nothing up, because people reload and programs look
// ahead (RFC 9126 §4; FAPI 2.0 §5.3.2.2 note 3): of several browsers that were sent with one name, the first that is given a code or says
// no has decided, in the batch that says so.
const (
	pathPAR          = "/oauth/par"
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLife is how long a request_uri can be presented: long enough to open a link on a slow phone, below the ten minutes that FAPI 2.0
	// allows.
	pushedLife = 300 * time.Second
)

// pushedRow is a row of pushed_requests. Its MAC covers all but used_at.
type pushedRow struct {
	Hash      []byte
	Client    string
	Request   signInRequest
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time
	MAC       []byte
}

const (
	sqlInsertPushed = `insert into pushed_requests (request_hash, client_id, request, created_at, expires_at, mac)
  values ($1, $2, $3, $4, $5, $6)`

	sqlPushed = `select request_hash, client_id, request, created_at, expires_at, used_at, mac from pushed_requests where request_hash = $1`

	// sqlPushedOpen: of many sign-ins for one request, one finds it undecided; sqlUsePushed is conditional all the same.
	sqlPushedOpen = `select vidan_require(exists (
  select from pushed_requests where request_hash = $1 and used_at is null for update), 'request_over')`

	sqlUsePushed = `update pushed_requests set used_at = $2 where request_hash = $1 and used_at is null`
)

func (r *pushedRow) columns() *seal.Columns {
	request, err := json.Marshal(r.Request)
	if err != nil {
		panic("auth: a request does not marshal") // strings and numbers
	}
	return new(seal.Columns).Bytes(r.Hash).Text(r.Client).Bytes(request).Time(r.CreatedAt).Time(r.ExpiresAt)
}

// queuePushed keeps a request and returns its request_uri.
func (s *Server) queuePushed(b *pgx.Batch, client string, r signInRequest, now time.Time) string {
	secret, _ := newSecret()
	uri := requestURIPrefix + secret
	sum := sha256.Sum256([]byte(uri))
	row := pushedRow{Hash: sum[:], Client: client, Request: r, CreatedAt: now, ExpiresAt: now.Add(pushedLife)}
	b.Queue(sqlInsertPushed, row.Hash, client, r, now, row.ExpiresAt, s.deployment.MAC("pushed_requests", row.columns()))
	return uri
}

// readPushed reads one row. Errors: [ErrRequestOver] when there is none, [seal.ErrTampered].
func (s *Server) readPushed(ctx context.Context, hash []byte) (pushedRow, error) {
	var r pushedRow
	err := s.pool.QueryRow(ctx, sqlPushed, hash).Scan(&r.Hash, &r.Client, &r.Request, &r.CreatedAt, &r.ExpiresAt, &r.UsedAt, &r.MAC)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrRequestOver
	}
	if err != nil {
		return r, fmt.Errorf("read pushed request: %w", pg.Classify(err))
	}
	if err := s.deployment.VerifyMAC("pushed_requests", r.columns(), r.MAC); err != nil {
		return r, fmt.Errorf("pushed request of client %q: %w", r.Client, err)
	}
	return r, nil
}

// queueDecision decides the pushed request of a sign-in, if it has one; the batch fails with [codeRequestOver] when it was decided before.
func (x *SignIn) queueDecision(b *pgx.Batch) {
	if x.row.Pushed != nil {
		b.Queue(sqlPushedOpen, x.row.Pushed)
		b.Queue(sqlUsePushed, x.row.Pushed, x.server.now())
	}
}

// pushedAnswer is the successful answer (RFC 9126 §2.2).
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"`
}

// servePAR is POST /oauth/par.
func (s *Server) servePAR(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w.Header())
	form, err := readForm(w, r)
	var answer pushedAnswer
	if err == nil {
		answer, err = s.push(r, form)
	}
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

// push keeps the request of a form. The client proves itself as at the token endpoint; an app, which has nothing to prove itself with,
// proves the key that its tokens will be bound to. One batch decides state, uses up proof and assertion, and keeps the request.
func (s *Server) push(r *http.Request, form url.Values) (pushedAnswer, error) {
	ctx := r.Context()
	for again := false; ; again = true {
		x, err := s.pusher(r, form)
		if err != nil {
			return pushedAnswer{}, err
		}
		request, err := s.pushedRequest(x)
		if err != nil {
			return pushedAnswer{}, err
		}
		asking, err := s.pushDetails(r, x, &request)
		if err != nil {
			return pushedAnswer{}, err
		}
		b := new(pgx.Batch)
		x.queueState(b)
		queueProofs(b, x.ids...)
		if asking != nil {
			asking.queue(b)
		}
		charged := new(charges)
		if x.key == nil { // whoever proves nothing of their own is counted by address
			charged = queueCharges(b, s.beginLanes(s.address(r)), x.now)
		}
		uri := s.queuePushed(b, x.client.ID, request, x.now)
		err = pg.Pipeline(ctx, s.pool, b)
		if pg.Refused(err) == codeClientChanged && !again {
			s.clients.entries.Invalidate(x.client.ID)
			continue
		}
		if asking != nil {
			err = asking.fault(err)
		}
		if err = s.throttled(ctx, charged, err, x.now); err != nil {
			return pushedAnswer{}, s.tokenFault(ctx, x, err)
		}
		return pushedAnswer{RequestURI: uri, ExpiresIn: int(pushedLife / time.Second)}, nil
	}
}

// pusher is the client of a pushed request, with its proof if it sent one.
func (s *Server) pusher(r *http.Request, form url.Values) (*exchange, error) {
	x, err := s.authenticated(r.Context(), form)
	if err != nil {
		return nil, err
	}
	if s.people == nil || len(x.client.RedirectURIs) == 0 {
		return nil, &tokenError{http.StatusBadRequest, "unauthorized_client", "people do not sign in for this client"}
	}
	if x.key != nil && len(r.Header.Values("DPoP")) == 0 {
		return x, nil
	}
	return x, s.prove(x, r)
}

// pushedRequest is what the form asks for. A proof binds the code to its key, as dpop_jkt does; both must then name one (RFC 9449 §10.1).
func (s *Server) pushedRequest(x *exchange) (signInRequest, error) {
	params := x.form
	if x.proof.jkt != "" {
		if named := params.Get("dpop_jkt"); named != "" && named != x.proof.jkt {
			return signInRequest{}, invalidRequest("dpop_jkt and the DPoP proof name different keys")
		}
		params.Set("dpop_jkt", x.proof.jkt)
	}
	if params.Get("request_uri") != "" {
		return signInRequest{}, invalidRequest("request_uri is what this endpoint gives")
	}
	r, fault := s.readRequest(x.client, params)
	if fault != nil {
		return r, &tokenError{http.StatusBadRequest, fault.code, fault.description}
	}
	return r, nil
}
