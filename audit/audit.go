// Package audit keeps the record: every act, reading, refusal and attempt on a known vault is one row, written in the
// transaction that does it, so that nothing is read or changed without a trace.
//
// A row says in clear only what an incident must be able to search (vault, month, kind, organisation); who, why, for
// which dossier and which fields is sealed under the vault's record keyset, which outlives its contents until the legal
// term. Beside the seal stands a commitment, SHA-256(salt ‖ canonical row), which tells nothing while the salt is
// sealed and proves the row once it is opened. A transparency log can later take the commitments as its leaves without
// touching a row.
//
//	A1  a row is written in the same transaction as its act; if it cannot be written, the act fails ([ErrRecord], P7)
//	A2  a row never holds a value: fields are names of form fields, everything else is an id, a code or the name of an officer
//	A3  the commitment covers every member of the entry and every clear column; changing one makes [Read.Verify] fail
//	A4  reading the record is itself recorded, once for a page
//	A5  entries are listed newest first in one stable order, that of (at, entry id), across all vaults of a person
//	A6  a row that cannot be opened or verified is shown as damaged, never left out
//
// What the rows mean to a citizen is said in sentences.go; how they are encoded in canonical.go and body.go, both
// versioned and held by vectors in testdata. The package does not decide who may read the record, and keeps no copy of
// anything outside it.
package audit

import (
	"errors"
	"sync"

	"vidan/identity"
	"vidan/seal"
)

var (
	// ErrRecord reports that a row of the record could not be written; the act it stands for did not happen (HTTP 503).
	ErrRecord = errors.New("audit: the record cannot be written")
	// ErrEntry reports an entry that may not be recorded as it is: an unknown kind, or something where only a name may
	// stand. It is a mistake of the calling code, not of a person.
	ErrEntry = errors.New("audit: not an entry")
	// ErrCursor reports a cursor that this package did not make.
	ErrCursor = errors.New("audit: not a cursor")
	// ErrDamaged reports a row whose seal does not open, or whose commitment does not fit.
	ErrDamaged = errors.New("audit: entry damaged")
)

// Assurance says how the name of an officer is known.
type Assurance uint8

const (
	// Asserted: the organisation's client signed a statement that names the officer.
	Asserted Assurance = iota + 1
	// SignedIn: the officer signed in themselves.
	SignedIn
)

// Officer is the official (cán bộ, công chức) in whose hands an act lay, as the organisation named them.
type Officer struct {
	ID           string        // opaque and stable within the organisation
	Name         identity.Name // shown to the citizen, masked everywhere else
	Post         string        // chức vụ, as free text
	Organisation string
	Unit         string
	Assurance    Assurance
}

// IsZero reports that no officer acted.
func (o Officer) IsZero() bool { return o == Officer{} }

// Actor is who acts. A citizen acts through a client for themselves or for another; an organisation acts through its
// client and names an officer; with neither, the service acts by itself (a deadline, a mirror).
type Actor struct {
	Vault   identity.VaultID // zero: not a citizen
	Client  string           // client id, empty when no client took part
	Officer Officer
}

// Entry is one act, reading, refusal or attempt on the vault of one person. Members that do not apply stay zero.
type Entry struct {
	Vault        identity.VaultID      // whose record it is; never zero
	Kind         Kind                  // what was done
	Organisation string                // id of the acting organisation, in clear; empty for acts of citizens and of the service
	Actor        Actor                 // who did it
	Procedure    string                // catalogue id
	Purpose      string                // purpose code
	Basis        string                // consent, or the article of law
	Dossier      string                // mã hồ sơ, as the organisation gave it
	Document     identity.DocumentID   // the paper it was about
	Revision     int                   // its revision, 0 when none is meant
	Documents    []identity.DocumentID // several papers: a set, kept sorted
	Fields       []string              // names of form fields, never values (A2): a set, kept sorted
	Outcome      Outcome               // zero means Done
	Reason       string                // code of a refusal or of a choice, empty when there is nothing to say
	Request      identity.RequestID
	Grant        identity.GrantID
	Disclosure   identity.DisclosureID
	RequestTrace string // id of the HTTP request, for support
}

// Recorder writes and reads the record. It is safe for concurrent use.
type Recorder struct {
	deployment  *seal.Deployment  // seals cursors
	positions   map[string]uint64 // the vocabulary, for encoding
	conditional sync.Map          // text of InsertIf by condition, constants of the callers: as many as there are
}

// New returns a recorder for one deployment.
func New(d *seal.Deployment) *Recorder { return &Recorder{deployment: d, positions: positions()} }
