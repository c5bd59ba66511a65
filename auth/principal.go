package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vidan/identity"
	"vidan/internal/pg"
)

// Kind says who acts.
type Kind int

const (
	// Citizen: a person, through a client.
	Citizen Kind = iota + 1
	// Machine: a client by itself, for an organisation it names in each call.
	Machine
)

// Principal is who a request comes from, as far as cryptography can tell. It may act only once its [Principal.Guard] has
// passed, in the batch of the operation (O1). It serves one request.
type Principal struct {
	Kind         Kind
	ClientID     string
	Organisation string // who runs the client; empty for a citizen's app
	Sector       string // by whose pairwise ids the client knows people and things
	Scopes       []string

	// For citizens.
	Vault    identity.VaultID
	Session  identity.SessionID
	Level    int // account level of the session, 1 or 2
	AMR      []string
	AuthTime time.Time

	server *Server
	token  *accessToken
	proof  proofID
	aging  bool // the proof's nonce is good, and not the newest

	mu     sync.Mutex // guards what follows: the lines of one request may be verified at once
	client *client
	kids   []string // client keys whose signatures this request relies on
}

// Authenticate checks the access token and the proof of a request: signatures, claims, and that the proof is made by the
// token's key for this token, method and URL, now. It costs no round trip once the client is known to the process.
//
// Errors: [ErrToken], [ErrProof], [ErrNonce], or that of the database when the client had to be read.
func (s *Server) Authenticate(r *http.Request) (*Principal, error) {
	header := r.Header.Values("Authorization")
	if len(header) != 1 {
		return nil, ErrToken
	}
	scheme, token, ok := strings.Cut(header[0], " ")
	if !ok || !strings.EqualFold(scheme, "DPoP") {
		return nil, ErrToken
	}
	now := s.now()
	sum, ath := hashToken(token)
	t, err := s.readToken(token, sum, now)
	if err != nil {
		return nil, err
	}
	c, err := s.clientOf(r.Context(), t.client)
	if errors.Is(err, ErrNotRegistered) {
		return nil, ErrToken
	}
	if err != nil {
		return nil, err
	}
	made, err := s.checkProof(r, ath, c.Profile, now)
	if err != nil {
		return nil, err
	}
	if made.jkt != t.jkt {
		return nil, ErrProof
	}
	p := &Principal{
		Kind: Machine, ClientID: t.client, Organisation: c.Organisation, Sector: c.sector, Scopes: t.scopes,
		server: s, client: c, token: t, proof: made.id, aging: made.aging,
	}
	if t.clientKey != "" {
		p.kids = []string{t.clientKey}
	}
	if !t.vault.IsZero() {
		p.Kind, p.Vault, p.Session, p.Level, p.AMR, p.AuthTime = Citizen, t.vault, t.session, t.level, t.amr, t.authTime
	}
	return p, nil
}

// NextNonce returns the nonce to put into the answer's DPoP-Nonce header when the one that was sent will soon be over (RFC 9449 §8.2); else "".
func (p *Principal) NextNonce() string {
	if !p.aging {
		return ""
	}
	return p.server.Nonce()
}

// Scope returns [ErrScope] unless the token has the scope.
func (p *Principal) Scope(scope string) error {
	if !slices.Contains(p.Scopes, scope) {
		return ErrScope
	}
	return nil
}

// Keys returns the keys of the calling client, for messages that it signs beside the request: results, officers. Every key it
// gives out becomes part of the guards made afterwards: the operation is refused unless that key is still active.
func (p *Principal) Keys(ctx context.Context) KeyLookup {
	return func(kid string) (*Key, error) {
		p.mu.Lock()
		known := p.client
		p.mu.Unlock()
		c, k, err := p.server.keyOf(ctx, known, kid)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.client = c
		p.rely(kid)
		return k.public, nil
	}
}

// rely makes later guards depend on a key. p.mu is held.
func (p *Principal) rely(kid string) {
	if !slices.Contains(p.kids, kid) {
		p.kids = append(p.kids, kid)
	}
}

// Guard decides in the operation's batch whether the principal may act, and uses up the proof: client, session, person and
// every client key this request relies on are active, and the proof is new. Refusals have the codes client_blocked,
// token_revoked and person_blocked; a second use of the proof is a [pg.Duplicate]; [Refused] turns both into errors of this package.
// A batch that is refused uses nothing up.
func (p *Principal) Guard() pg.Guard { return p.guard(true) }

// Standing is Guard without the proof: for the further batches of a request whose first batch has used it.
func (p *Principal) Standing() pg.Guard { return p.guard(false) }

func (p *Principal) guard(proof bool) *principalGuard {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &principalGuard{server: p.server, token: p.token, client: p.client, kids: slices.Clone(p.kids), now: p.server.now()}
	if proof {
		g.proof = &p.proof
	}
	return g
}
