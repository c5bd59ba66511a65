// Package consent knows who may act for whom, and what each person allowed whom to read: it promises that no document opens
// for anybody without a permit, and that no permit is minted where the person concerned did not agree, or no longer does.
//
// Two chains meet here. A relation is proposed by a paper, judged, and kept in the vault of the person acted for, which decides; the
// actor's vault only mirrors it. A request is what an organisation asks; each person it concerns decides for their own facts, or
// somebody in a relation that stands decides for them; what they allow is a grant; redeeming the grants of a request inside a
// transaction mints the only [Permit] there is.
//
//	R1  authority is read where it is used, in the operation's own statements: relations and grants are in no token and no cache
//	R2  a row that grants authority is believed only under its MAC, and a grant only while no fact is newer: writing to the database opens no
//	    vault and gives back nothing that was withdrawn
//	R3  a relation that is absent, foreign, restricted or over looks the same to the actor
//	R4  a request asks for nothing the procedure does not use, and its digest and the text shown fix what a decision is about
//	R5  an agency cannot tell from a request who is unknown, dead, blocked or silent: same statements, same answer; the number by which it named
//	    somebody is kept in the request, so that papers of others name them whether or not they are enrolled
//	R6  each person decides once on a request, whatever is repeated or runs at the same time; the first decision and its receipt stand
//	R7  silence is not consent, nothing is extended by time, and no grant outlives a year or the childhood in which it was given
//	R8  a withdrawal acts on the next redemption on every process: both take the same row locks, and no state is remembered
//	R9  a use is counted in the transaction that reads; a repeated reading uses nothing up and is refused after withdrawal
//	R10 every change is a fact beside its head, with a signed receipt for the person; a head can be rebuilt from its facts
//
// Everything about procedure, dossier, people and fields of a request is sealed. What a field is and who is concerned by it is the
// catalogue's business (package procedure), values are prefill's, documents are the wallet's.
package consent

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/identity"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
)

var (
	// ErrNotFound reports a relation, handle, request or grant that is not there, or not for this asker; the two are one answer.
	ErrNotFound = errors.New("consent: not found")
	// ErrCursor reports a cursor that this package did not make, or not for this sector.
	ErrCursor = errors.New("consent: not a cursor")
)

// SignReceipt signs the claims of a receipt with the receipt key and returns a compact JWS of type [ReceiptType].
type SignReceipt func(claims []byte) (jws string, err error)

// ReceiptType is the typ of a receipt.
const ReceiptType = "vidan-consent-receipt+jwt"

// Deps are what a ledger stands on. Ages may be left out; everything else is needed.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Audit      *audit.Recorder
	People     *person.Registry
	Catalogue  *procedure.Catalogue
	Sign       SignReceipt
	Issuer     string   // of receipts: the deployment's issuer
	Ages       AgeRules // nil: StandardAges
	Now        func() time.Time
}

// Ledger keeps relations, requests and grants. It is safe for concurrent use; it remembers nothing but what requests ask, which
// never changes.
type Ledger struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	vaults     *seal.Vaults
	audit      *audit.Recorder
	people     *person.Registry
	catalogue  *procedure.Catalogue
	sign       SignReceipt
	issuer     string
	ages       AgeRules
	now        func() time.Time
	plans      *plans
	nobody     atomic.Pointer[seal.Keys] // made at the first request; see nobodyKeys
}

// New returns a ledger.
func New(d Deps) (*Ledger, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Audit == nil || d.People == nil || d.Catalogue == nil ||
		d.Sign == nil || d.Issuer == "" || d.Now == nil {
		return nil, errors.New("consent: a ledger needs a pool, a deployment, keys, a record, people, a catalogue, a signer, an issuer and a clock")
	}
	if len(d.Ages) == 0 {
		d.Ages = StandardAges()
	}
	return &Ledger{
		pool: d.Pool, deployment: d.Deployment, vaults: d.Vaults, audit: d.Audit, people: d.People, catalogue: d.Catalogue,
		sign: d.Sign, issuer: d.Issuer, ages: d.Ages, now: func() time.Time { return micro(d.Now()) }, plans: newPlans(),
	}, nil
}

// Majority is [AgeRules.Majority] by the ledger's rules and clock.
func (l *Ledger) Majority(born identity.PartialDate) time.Time { return l.ages.Majority(born, l.now()) }
