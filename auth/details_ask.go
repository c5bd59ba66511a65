package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// A sign-in whose request has authorization_details makes the request of them when it is done, in which the person is the party: once, whatever is
// loaded again. The person then decides on the page, or in the app, or leaves it open; the code is issued in any of these but a no.

var (
	// ErrAskedEnough reports an organisation that has asked this person too much lately.
	ErrAskedEnough = errors.New("auth: asked too often")
	// ErrSaidNo reports a person who said no to what the client asked for, or let its time pass.
	ErrSaidNo = errors.New("auth: the person said no")
)

// Asks reports a sign-in that is done and asks its person for facts before it ends.
func (x *SignIn) Asks() bool { return x.row.Step == StepDone && x.row.Request.Details != "" }

// Asked is a request as the person who signed in is asked.
type Asked struct {
	Acting consent.Acting
	View   consent.View
	// Mine: there is something that this person decides for themselves.
	Mine bool
}

// Asked makes the request of the details, the first time, and returns it as the person is asked. Errors: [ErrMoved], [ErrAskedEnough],
// [ErrMandate] when the client may no longer ask, [ErrPersonBlocked].
func (x *SignIn) Asked(ctx context.Context) (Asked, error) {
	id, err := x.ask(ctx)
	if errors.Is(err, errOtherPerson) {
		return Asked{}, nil // Finish says so to the client
	}
	if err != nil {
		return Asked{}, err
	}
	acting, err := x.acting()
	if err != nil {
		return Asked{}, err
	}
	view, err := x.server.consent.View(ctx, x.Standing(), acting, id)
	if errors.Is(err, consent.ErrNotFound) {
		return Asked{Acting: acting}, nil // others are asked, in their own wallets
	}
	if err != nil {
		return Asked{}, fmt.Errorf("sign-in for client %q: %w", x.client.ID, x.refused(err))
	}
	return Asked{Acting: acting, View: view, Mine: view.State == consent.Asked && view.May}, nil
}

// acting is the person who signed in, for themselves. References in what they decide are those of the apps: the wallet is theirs, not the client's.
func (x *SignIn) acting() (consent.Acting, error) {
	acting, err := x.server.consent.Who(x.row.Vault, AppSector, consent.Me)
	acting.Client = x.client.ID
	return acting, err
}

// ask makes the request once and returns its id.
func (x *SignIn) ask(ctx context.Context) (identity.RequestID, error) {
	s := x.server
	w, err := openWanted(s.deployment, x.row.Request.Details)
	if err != nil {
		return identity.RequestID{}, fmt.Errorf("sign-in for client %q: %w", x.client.ID, err)
	}
	if w == nil || x.row.Step != StepDone || s.consent == nil {
		return identity.RequestID{}, ErrMoved
	}
	officer, err := w.Officer.of(w.Details.Organisation)
	if err != nil {
		return identity.RequestID{}, fmt.Errorf("sign-in for client %q: %w", x.client.ID, err)
	}
	r, err := w.Details.request(s, w.Sector, x.row.Vault)
	if err != nil {
		return identity.RequestID{}, fmt.Errorf("sign-in for client %q: %w", x.client.ID, err)
	}
	w.fill(&r, x.client.ID, officer, x.row.Vault)
	mandate := s.Mandate(x.client.ID, Need{Organisation: r.Organisation, Unit: officer.Unit, Procedure: r.Procedure, Right: RightRequest})
	id, _, err := s.consent.Create(ctx, pg.All(x.Standing(), mandate), r)
	switch {
	case errors.Is(err, consent.ErrTooMany):
		return id, ErrAskedEnough
	case err != nil:
		return id, fmt.Errorf("sign-in for client %q: %w", x.client.ID, x.refused(err))
	}
	return id, nil
}

// Decide writes down what the person decided on the page: without a device's signature, so that it can only allow once what is not sensitive.
// Errors: those of [consent.Ledger.Decide], and of Asked.
func (x *SignIn) Decide(ctx context.Context, d consent.Decision) error {
	id, err := x.ask(ctx)
	if err != nil {
		return err
	}
	acting, err := x.acting()
	if err != nil {
		return err
	}
	d.Request, d.Signature = id, ""
	if _, err := x.server.consent.Decide(ctx, x.Standing(), acting, d, nil); err != nil {
		return x.refused(err)
	}
	return nil
}

// answered is where the request stands when the code is about to be issued: a no, or a time that is over, is no authorization.
func (x *SignIn) answered(ctx context.Context) (identity.RequestID, error) {
	if x.row.Request.Details == "" {
		return identity.RequestID{}, nil
	}
	id, err := x.ask(ctx)
	if err != nil {
		return id, err
	}
	told, err := x.server.consent.Told(ctx, id, x.row.Vault)
	if err != nil {
		return id, fmt.Errorf("sign-in for client %q: %w", x.client.ID, err)
	}
	if told.State == consent.Denied || told.State == consent.Lapsed {
		return id, ErrSaidNo
	}
	return id, nil
}

// sqlSignInStands: the sign-in is still as it was read.
const sqlSignInStands = `select vidan_require(exists (
  select from signins where signin_hash = $1 and mac = $2 and expires_at > $3), 'signin_moved')`

// Standing guards what a person does between proving themselves and the end of the sign-in: the sign-in has not moved, the client works, and the
// person may act.
func (x *SignIn) Standing() pg.Guard { return signInGuard{x} }

type signInGuard struct{ x *SignIn }

// Queue implements [pg.Guard].
func (g signInGuard) Queue(b *pgx.Batch) {
	b.Queue(sqlPublicState, g.x.client.ID, g.x.client.MAC)
	b.Queue(sqlSignInStands, g.x.row.Hash, g.x.row.MAC, g.x.server.now())
	g.x.queueSubject(b)
	person.QueueGoodStanding(b, g.x.row.Vault)
}

// Check implements [pg.Guard]: the row was verified when it was read, and the statement found that one.
func (g signInGuard) Check() error {
	if g.x.row.Step != StepDone || g.x.row.Vault.IsZero() {
		return ErrMoved
	}
	return nil
}

// refused turns what a guard said into errors of this package.
func (x *SignIn) refused(err error) error {
	switch pg.Refused(err) {
	case codeMoved:
		return ErrMoved
	case codeOther:
		return errOtherPerson
	case codeClientBlocked:
		return ErrUntrusted
	case codeClientChanged:
		x.server.clients.entries.Invalidate(x.client.ID)
		return ErrMoved
	}
	return Refused(err)
}

// PinRef names one paper in one revision on a page, and OpenPin reads it again; every other string is no pin.
func (x *SignIn) PinRef(p consent.DocRevision) string { return x.server.pinRef(p) }

// OpenPin reads what PinRef wrote.
func (x *SignIn) OpenPin(text string) (consent.DocRevision, bool) { return x.server.openPin(text) }

func (s *Server) pinRef(p consent.DocRevision) string {
	id := p.Document.Bytes()
	return strconv.Itoa(p.Revision) + "." + s.deployment.Ref(AppSector, "document", id[:])
}

func (s *Server) openPin(text string) (consent.DocRevision, bool) {
	number, name, _ := strings.Cut(text, ".")
	revision, err := strconv.Atoi(number)
	raw, refErr := s.deployment.OpenRef(AppSector, "document", name)
	if err != nil || refErr != nil || len(raw) != 16 || revision < 1 {
		return consent.DocRevision{}, false
	}
	return consent.DocRevision{Document: identity.FromBytes[identity.DocumentID]([16]byte(raw)), Revision: revision}, true
}
