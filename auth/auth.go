// Package auth is the authorization server: it promises that a token alone is never enough, because every operation proves
// possession of a key, and reads in its own first statement whether client, key, session and person may still act.
//
// It stands on go-jose and pgx; no Go library has proof-of-possession, durable one-time use and the state checks together in
// one round trip (DESIGN §5). Agencies get tokens with private_key_jwt and client credentials, people by signing in; both
// kinds are RFC 9068 JWTs of at most ten minutes, bound to a key by DPoP (RFC 9449).
//
//	O1  a token carries no authority that can be withdrawn; what is cached is "this signature and these claims are valid"
//	O2  a token without a fresh proof by its own key opens nothing, and a proof works once, in every process (S3)
//	O3  what ends (client, client key, session, person, mandate) ends at the next request, also for tokens issued before
//	O4  rows that grant authority are believed only with their MAC; writing to the database lets nobody act
//	O5  each key has one algorithm, each message one typ and an exact set of header members
//	O6  no token, proof, key or name of an officer is ever in an error or a log line (S5)
//	O7  a machine's token costs one round trip: state and one-time ids are decided by one batch; a person's reads its code before that, and a
//	    refresh nothing
//
//	O8  a request that a client pushed is decided once: of many sign-ins for it one gets a code, or one no ends it
//	O9  a wrong clock is no reason why somebody cannot sign in: a proof with a nonce of ours is as fresh as the nonce, whatever it says of
//	    itself (nonce.go has the policy)
//
// Not here: pages (package web), what a scope or right allows to read (the packages above).
package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"vidan/audit"
	"vidan/auth/passkey"
	"vidan/consent"
	"vidan/person"
	"vidan/seal"
)

// AccessTokenLife is how long an access token is valid (RELIABILITY §6 no. 23).
const AccessTokenLife = 10 * time.Minute

// maxID bounds a jti, a kid and other opaque ids; maxProof a DPoP proof; maxToken an access token.
const (
	maxID    = 255
	maxProof = 8 << 10
	maxToken = 8 << 10
)

// Deps are what a [Server] is made of.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Keys       *Keys
	// Issuer is the URL by which the outside knows the service: https (or http on this machine), no path. Nothing of a
	// request's Host header is ever compared with it.
	Issuer string
	// Now is the real clock: windows of tokens, proofs and assertions.
	Now func() time.Time
	// Calendar is the clock of substance, by which mandates begin and end; a sandbox may advance it. Nil: Now.
	Calendar func() time.Time
	// Address returns the address of whoever sent a request, by which unauthenticated ones are counted. Nil: [Peer].
	Address func(*http.Request) string
	// Logger gets what an operator must see. Nil: nothing is logged.
	Logger *slog.Logger
	// People, Vaults and Audit let people sign in. Without all three the server is for machines alone.
	People *person.Registry
	Vaults *seal.Vaults
	Audit  *audit.Recorder
	// Consent is where people are asked for facts (package consent). Nil: authorization_details and the back channel are not offered.
	Consent *consent.Ledger
	// Passkeys reads what authenticators answer. Nil: no passkeys are offered, as where the issuer has no domain name.
	Passkeys passkey.Party
	Config   Config
}

// Config bounds the caches. Zero values stand for the defaults.
type Config struct {
	Headers  int           // protected-header segments, some 1 KiB each; 8,192
	Verdicts int           // access tokens and officer assertions found valid, some 1 KiB each; 8,192
	Clients  int           // clients with their keys, some 4 KiB each; 1,024
	Idle     time.Duration // how long a session lasts that nobody refreshes, at most [SessionLife]; 14 days
	Hashes   int           // passphrases checked at once, 19 MiB each; as many as there are processors

	// RequireNonce takes no proof without a nonce of ours (RFC 9449 §8): whatever was made in advance is then worth nothing.
	RequireNonce bool
}

// ErrConfig reports that a server cannot be made of these parts.
var ErrConfig = errors.New("auth: not a usable configuration")

// Server issues and checks tokens. It is safe for concurrent use. Several servers on one database act as one.
type Server struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	keys       *Keys
	issuer     string
	origin     string
	now        func() time.Time
	calendar   func() time.Time
	idle       time.Duration
	log        *slog.Logger
	address    func(*http.Request) string

	verifier *Verifier
	nonces   nonces
	clients  clientCache
	tokens   *otter.Cache[digest, *accessToken]
	officers *otter.Cache[digest, *officerVerdict]
	grants   map[string]grant
	people   *people // nil: nobody signs in here
	consent  *consent.Ledger
	metadata documents
}

// digest is SHA-256 of a message whose verdict is remembered.
type digest = [32]byte

// New checks its parts and returns a server.
func New(d Deps) (*Server, error) {
	if d.Pool == nil || d.Deployment == nil || d.Keys == nil || d.Now == nil {
		return nil, fmt.Errorf("pool, deployment, keys and clock are needed: %w", ErrConfig)
	}
	issuer, err := url.Parse(d.Issuer)
	if err != nil || issuer.Host == "" || d.Issuer != issuer.Scheme+"://"+issuer.Host {
		return nil, fmt.Errorf("issuer %q has more than scheme and host: %w", d.Issuer, ErrConfig)
	}
	if issuer.Scheme != "https" && !(issuer.Scheme == "http" && loopback(issuer.Hostname())) {
		return nil, fmt.Errorf("issuer %q is not https: %w", d.Issuer, ErrConfig)
	}
	s := &Server{
		pool: d.Pool, deployment: d.Deployment, keys: d.Keys, issuer: d.Issuer, origin: origin(issuer),
		now: d.Now, calendar: d.Calendar, idle: d.Config.Idle, log: d.Logger, address: d.Address,
		nonces:   nonces{deployment: d.Deployment, required: d.Config.RequireNonce},
		verifier: NewVerifier(size(d.Config.Headers, 8192)),
		clients:  newClientCache(size(d.Config.Clients, 1024)),
		tokens:   otter.Must(&otter.Options[digest, *accessToken]{MaximumSize: size(d.Config.Verdicts, 8192)}),
		officers: otter.Must(&otter.Options[digest, *officerVerdict]{MaximumSize: size(d.Config.Verdicts, 8192)}),
	}
	if s.calendar == nil {
		s.calendar = s.now
	}
	if s.idle <= 0 {
		s.idle = sessionIdle
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.address == nil {
		s.address = Peer
	}
	s.grants = map[string]grant{grantClientCredentials: s.clientCredentials}
	if s.people, err = newPeople(d); err != nil {
		return nil, err
	}
	if s.people != nil {
		s.consent = d.Consent
		s.grants[grantAuthorizationCode], s.grants[grantRefreshToken] = s.authorizationCode, s.refreshToken
		s.grants[grantExchange] = s.exchangeToken
		if s.consent != nil {
			s.grants[grantBackchannel] = s.backchannel
		}
	}
	if s.metadata, err = s.describe(); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return s, nil
}

func size(n, fallback int) int {
	if n <= 0 {
		return fallback
	}
	return n
}

// Issuer returns the URL by which the outside knows the service.
func (s *Server) Issuer() string { return s.issuer }

// Verifier returns the verifier whose memory of headers the server shares.
func (s *Server) Verifier() *Verifier { return s.verifier }
