package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth/passkey"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Signing in. A client sends a browser with an authorization request; the request is kept as a row of signins, named by a cookie that only
// this browser has, and moves from step to step:
//
//	passphrase → done                        level 1 was asked for, or nothing more is there and the client is content
//	passphrase → passkey → done              a key that verified its user needs no passphrase: level 2
//	passphrase → choose → confirm → done     the registered device confirmed the two digits on the page: level 2
//	             choose → code → done        a code of a code display
//	             choose → card → done        the code of the printed card that was asked for
//	             choose → passkey → done
//	             where there is one way alone, choose is passed over; from each of them "another way" leads back to it
//	any → dead                               the code was issued; or a person said no, or picked other digits
//
// Every move is one conditional update under the MAC of the row as it was read: two browsers, two processes or two phones that move the same
// sign-in have one winner, and a row that somebody else wrote moves nowhere (O4).

var (
	// ErrNoSignIn reports a cookie that names no sign-in under way: it is over, too old, or was never begun here.
	ErrNoSignIn = errors.New("auth: no sign-in under way")
	// ErrMoved reports a sign-in that is no longer at the step this call was for; whoever shows it looks again.
	ErrMoved = errors.New("auth: the sign-in moved on")
	// ErrRequestOver reports a pushed request that is not one of this client's, is too old, or was decided.
	ErrRequestOver = errors.New("auth: the pushed request is over")
	// ErrLevel reports a level of the person or session below what the act needs.
	ErrLevel = errors.New("auth: level not sufficient")
)

const (
	signInLife = 15 * time.Minute
	codeMoved  = "signin_moved"
	codeLevel  = "insufficient_level"

	codeRequestOver = "request_over"
	codeOther       = "other_person"
)

// SignInStep is where a sign-in stands.
type SignInStep string

// The steps.
const (
	StepPassphrase SignInStep = "passphrase" // the person says who they are
	StepChoose     SignInStep = "choose"     // the passphrase was right, the person chooses how to go on
	StepConfirm    SignInStep = "confirm"    // the person's device has to confirm
	StepCode       SignInStep = "code"       // a code of a code display is asked for
	StepCard       SignInStep = "card"       // a code of the printed card is asked for
	StepPasskey    SignInStep = "passkey"    // an answer of an authenticator is asked for
	StepDone       SignInStep = "done"       // the code can be issued
	StepDead       SignInStep = "dead"       // nothing more happens here
)

// people is what signing people in needs beside the rest of a [Server].
type people struct {
	registry *person.Registry
	vaults   *seal.Vaults
	audit    *audit.Recorder
	hasher   *hasher
	passkeys passkey.Party // nil: none are offered
	decoy    *seal.Keys    // keys of a vault that does not exist: what an attempt on nobody would be recorded with
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
	return &people{registry: d.People, vaults: d.Vaults, audit: d.Audit, hasher: newHasher(seats), passkeys: d.Passkeys, decoy: decoy}, nil
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

// Cancel ends the sign-in and returns where the client is told of it. Errors: [ErrMoved], [ErrRequestOver].
func (x *SignIn) Cancel(ctx context.Context) (string, error) {
	return x.end(ctx, errorDenied, "the person did not sign in")
}

// Unmet ends a sign-in that cannot reach the level the client asked for, and says so (RFC 9470 §5). Errors: as of Cancel.
func (x *SignIn) Unmet(ctx context.Context) (string, error) {
	return x.end(ctx, unmet, "the person cannot sign in with this level")
}

// end tells the client that there will be no code.
func (x *SignIn) end(ctx context.Context, code, description string) (string, error) {
	if x.Complete() {
		return "", ErrMoved
	}
	to := x.row
	to.Step, to.Challenge, to.Number, to.Level, to.AMR = StepDead, identity.ObjectID{}, nil, 0, []string{}
	b := new(pgx.Batch)
	x.queueMove(b, &to)
	x.queueDecision(b)
	if err := x.send(ctx, b); err != nil {
		return "", err
	}
	return x.server.refuse(x.row.Request, code, description).URL, nil
}

// Again begins anew with the same request, after a sign-in that died. Errors: [ErrMoved] when this one has not died or ended well,
// [ErrRequestOver] when another sign-in decided the pushed request.
func (x *SignIn) Again(ctx context.Context) (Cookie, error) {
	if x.row.Step != StepDead || x.Complete() {
		return "", ErrMoved
	}
	b := new(pgx.Batch)
	b.Queue(sqlPublicState, x.client.ID, x.client.MAC)
	if x.row.Pushed != nil {
		b.Queue(sqlPushedOpen, x.row.Pushed)
	}
	cookie := x.server.queueSignIn(b, x.client.ID, x.row.Request, x.row.Pushed)
	return cookie, x.send(ctx, b)
}

// send runs a batch of a sign-in and sorts its refusals.
func (x *SignIn) send(ctx context.Context, b *pgx.Batch) error {
	err := pg.Pipeline(ctx, x.server.pool, b)
	switch pg.Refused(err) {
	case codeMoved:
		return ErrMoved
	case codeRequestOver:
		return ErrRequestOver
	case codeOther:
		return errOtherPerson
	case codeCredentialUsed:
		return errCredentialUsed
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
