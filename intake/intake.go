// Package intake takes a finished procedure's signed result into the vault of the person it is about. It promises that
// every arrival has exactly the outcome docs/RESULTS.md §6 gives it, that a receipt once given stands for a result that is
// kept, and that nothing of one person reaches another.
//
// The use case is one walk: verify the message, read it, look who its person is, then one transaction in the home vault. What follows
// in other vaults goes through the outbox. Whoever comes from the waiting room or out of quarantine takes the same walk from "look" on.
//
//	R1  a result is judged whole: all faults at once, none with a value, before anything is stored of it
//	R2  nothing but an identifier, or the paper itself, finds a person (RESULTS §2); names never do
//	R3  two deliveries with the same payload bytes are one: one revision, one record, one receipt, byte for byte (P3, P4)
//	R4  the receipt is signed before the transaction, stored in it and released after the commit
//	R5  stored and waiting cannot be told apart by who delivered, then or later
//	R6  valid but ambiguous goes to quarantine with reason, holder and deadline, and stops nothing behind it (P5)
//	R7  what a client may deliver is its mandate, read in the first statement of the operation
//	R8  a decision holds what it was made of until it has committed: what was unknown is still unknown, what was the newest is still the
//	    newest; whoever loses that race looks again
//	R9  an older revision of a paper gives nobody a right that the newest does not give (P4)
//
// Locks are taken in one order: identifiers (package person), then vaults, then papers. The package does not decide what a paper means
// for a form (prefill), nor show it (wallet).
package intake

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// Errors of this package.
var (
	// ErrSignature reports a message that is not a JWS by a key of the calling client; nothing is kept of it.
	ErrSignature = errors.New("intake: not signed by the client")
	// ErrResultIDReused reports a result_id that names another delivery of the same organisation.
	ErrResultIDReused = errors.New("intake: result id used for another delivery")
	// ErrBusy reports an arrival that kept losing races; the same bytes may be sent again.
	ErrBusy = errors.New("intake: busy")
	// ErrNotFound reports a quarantine entry that is not there, or not this holder's.
	ErrNotFound = errors.New("intake: not found")
	// ErrResolved reports a quarantine entry that was resolved before.
	ErrResolved = errors.New("intake: resolved already")
	// ErrResolution reports a resolution that does not fit the entry.
	ErrResolution = errors.New("intake: not a resolution of this entry")
)

// Deps are what the intake stands on; all are needed but Synthetic.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Catalogue  *procedure.Catalogue
	Audit      *audit.Recorder
	People     *person.Registry
	Relations  *consent.Ledger
	Wallet     *wallet.Wallet
	Auth       *auth.Server
	Receipts   func() *auth.Signer // the active receipt key
	Issuer     string              // of receipts: the deployment's issuer
	Synthetic  bool                // a sandbox: papers marked synthetic are taken, and only there
	Now        func() time.Time
}

// Intake is the use case. It is safe for concurrent use and remembers nothing.
type Intake struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	vaults     *seal.Vaults
	catalogue  *procedure.Catalogue
	audit      *audit.Recorder
	people     *person.Registry
	relations  *consent.Ledger
	wallet     *wallet.Wallet
	auth       *auth.Server
	receipts   func() *auth.Signer
	issuer     string
	synthetic  bool
	now        func() time.Time
}

// New returns an intake.
func New(d Deps) (*Intake, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Catalogue == nil || d.Audit == nil || d.People == nil ||
		d.Relations == nil || d.Wallet == nil || d.Auth == nil || d.Receipts == nil || d.Issuer == "" || d.Now == nil {
		return nil, errors.New("intake: a dependency is missing")
	}
	return &Intake{
		pool: d.Pool, deployment: d.Deployment, vaults: d.Vaults, catalogue: d.Catalogue, audit: d.Audit, people: d.People,
		relations: d.Relations, wallet: d.Wallet, auth: d.Auth, receipts: d.Receipts, issuer: d.Issuer, synthetic: d.Synthetic,
		now: func() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }, // as PostgreSQL keeps it
	}, nil
}
