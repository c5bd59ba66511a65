package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Signing in. A client sends a browser with an authorization request; the request is kept as a row of signins, named by a cookie that only
// this browser has, and moves from step to step:
//
//	passphrase → done                 the passphrase was right, level 1 was asked for
//	passphrase → confirm → done       the registered device confirmed the two digits on the page: level 2
//	any        → dead                 the code was issued; or a person said no, or picked other digits
//
// Every move is one conditional update under the MAC of the row as it was read: two browsers, two processes or two phones that move the same
// sign-in have one winner, and a row that somebody else wrote moves nowhere (O4).

var (
	// ErrNoSignIn reports a cookie that names no sign-in under way: it is over, too old, or was never begun here.
	ErrNoSignIn = errors.New("auth: no sign-in under way")
	// ErrMoved reports a sign-in that is no longer at the step this call was for; whoever shows it looks again.
	ErrMoved = errors.New("auth: the sign-in moved on")
	// ErrLevel reports a level of the person or session below what the act needs.
	ErrLevel = errors.New("auth: level not sufficient")
)

const (
	signInLife = 15 * time.Minute
	codeMoved  = "signin_moved"
	codeLevel  = "insufficient_level"
)

// SignInStep is where a sign-in stands.
type SignInStep string

// The steps.
const (
	StepPassphrase SignInStep = "passphrase" // the person says who they are
	StepConfirm    SignInStep = "confirm"    // the person's device has to confirm
	StepDone       SignInStep = "done"       // the code can be issued
	StepDead       SignInStep = "dead"       // nothing more happens here
)

// people is what signing people in needs beside the rest of a [Server].
type people struct {
	registry *person.Registry
	vaults   *seal.Vaults
	audit    *audit.Recorder
	hasher   *hasher
	decoy    *seal.Keys // keys of a vault that does not exist: what an attempt on nobody would be recorded with
}

// newPeople returns nil when the server is for machines alone.
func newPeople(d Deps) (*people, error) {
	if d.People == nil && d.Vaults == nil && d.Audit == nil {
		return nil, nil
	}
	if d.People == nil || d.Vaults == nil || d.Audit == nil {
		return nil, fmt.Errorf("people need a registry, keys and a record: %w", ErrConfig)
	}
	decoy, _, err := d.Deployment.NewVault(context.Background(), identity.NewVaultID())
	if err != nil {
		return nil, fmt.Errorf("keys for nobody: %w", err)
	}
	seats := size(d.Config.Hashes, runtime.NumCPU())
	return &people{registry: d.People, vaults: d.Vaults, audit: d.Audit, hasher: newHasher(seats), decoy: decoy}, nil
}

// SignIn is one sign-in as it stood when it was opened. It serves one request.
type SignIn struct {
	server *Server
	client *client
	row    signInRow

	browser string // after a right passphrase
}

// Cookie is the secret of a browser: 256 random bits, base64url. Only its SHA-256 is stored.
type Cookie string

func newSecret() (text string, sum digest) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, sha256.Sum256([]byte(text))
}

// BeginSignIn reads an authorization request (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1) and keeps it. It returns the cookie
// that names the sign-in, and the language that the client asked for, if any.
//
// Errors: [ErrUntrusted] when nobody can be told; a [*RedirectError] with where to send the browser; those of the database.
func (s *Server) BeginSignIn(ctx context.Context, params url.Values) (Cookie, string, error) {
	for again := false; ; again = true {
		c, err := s.requester(ctx, params)
		if err != nil {
			return "", "", err
		}
		r, fault := s.parseAuthorization(c, params)
		if errors.Is(fault, ErrUntrusted) {
			return "", "", fault
		}
		cookie := Cookie("")
		b := new(pgx.Batch)
		b.Queue(sqlPublicState, c.ID, c.MAC)
		if fault == nil {
			cookie = s.queueSignIn(b, c.ID, r)
		}
		err = pg.Pipeline(ctx, s.pool, b)
		switch {
		case err == nil:
			return cookie, r.Language, fault
		case pg.Refused(err) == codeClientChanged && !again:
			s.clients.entries.Invalidate(c.ID)
			continue
		case pg.Refused(err) == codeClientBlocked:
			return "", "", ErrUntrusted
		}
		return "", "", fmt.Errorf("begin sign-in for client %q: %w", c.ID, err)
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

// OpenSignIn reads the sign-in that a cookie names. Errors: [ErrNoSignIn].
func (s *Server) OpenSignIn(ctx context.Context, cookie Cookie) (*SignIn, error) {
	if s.people == nil || len(cookie) != codeLength {
		return nil, ErrNoSignIn
	}
	sum := sha256.Sum256([]byte(cookie))
	row, err := s.readSignIn(ctx, sqlSignIn, sum[:], s.now())
	if err != nil {
		return nil, err
	}
	c, err := s.clientOf(ctx, row.Client)
	if err != nil {
		return nil, err
	}
	return &SignIn{server: s, client: c, row: row}, nil
}

// Step is where the sign-in stands.
func (x *SignIn) Step() SignInStep { return x.row.Step }

// Complete reports a dead sign-in that ended well: its code was issued.
func (x *SignIn) Complete() bool { return x.row.Step == StepDead && x.row.Level > 0 }

// Client is the name of the program that asked, as people know it, and of who runs it; empty for a citizen's app.
func (x *SignIn) Client() (name, organisation string) { return x.client.Name, x.client.Organisation }

// Level is the level that was asked for.
func (x *SignIn) Level() int { return x.row.Request.Level }

// Number is the two digits that the person looks for on their device, in the confirm step.
func (x *SignIn) Number() string {
	if x.row.Step != StepConfirm || x.row.Number == nil {
		return ""
	}
	return twoDigits(*x.row.Number)
}

// Returns is where forms of this sign-in may lead in the end: the redirect address.
func (x *SignIn) Returns() string { return x.row.Request.RedirectURI }

// Token is what forms of this sign-in carry: it follows from the sign-in, and nothing follows from it.
func (x *SignIn) Token() string {
	mac := x.server.deployment.MAC("signins", new(seal.Columns).Text("form").Bytes(x.row.Hash))
	return base64.RawURLEncoding.EncodeToString(mac)
}

// Holds reports whether a form belongs to this sign-in.
func (x *SignIn) Holds(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(x.Token())) == 1
}

// Cancel ends the sign-in and returns where the client is told of it. Errors: [ErrMoved].
func (x *SignIn) Cancel(ctx context.Context) (string, error) {
	if x.Complete() {
		return "", ErrMoved
	}
	to := x.row
	to.Step, to.Challenge, to.Number, to.Level, to.AMR = StepDead, identity.ObjectID{}, nil, 0, []string{}
	b := new(pgx.Batch)
	x.queueMove(b, &to)
	if err := x.send(ctx, b); err != nil {
		return "", err
	}
	return x.server.refuse(x.row.Request, errorDenied, "the person did not sign in").URL, nil
}

// Again begins anew with the same request, after a sign-in that died. Errors: [ErrMoved] when this one has not died or ended well.
func (x *SignIn) Again(ctx context.Context) (Cookie, error) {
	if x.row.Step != StepDead || x.Complete() {
		return "", ErrMoved
	}
	b := new(pgx.Batch)
	b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
	cookie := x.server.queueSignIn(b, x.client.ID, x.row.Request)
	return cookie, x.send(ctx, b)
}

// send runs a batch of a sign-in and sorts its refusals.
func (x *SignIn) send(ctx context.Context, b *pgx.Batch) error {
	err := pg.Pipeline(ctx, x.server.pool, b)
	switch pg.Refused(err) {
	case codeMoved:
		return ErrMoved
	case codeLevel:
		return ErrLevel
	case codeClientBlocked:
		return ErrUntrusted
	case codeClientChanged:
		x.server.clients.entries.Invalidate(x.client.ID) // the next try reads it
		return ErrMoved
	}
	if err != nil {
		return fmt.Errorf("sign-in for client %q: %w", x.client.ID, Refused(err))
	}
	return nil
}
