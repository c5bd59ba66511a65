// Package wallet keeps the papers of people. It promises that every revision once stored is there, whole, sealed and readable
// for as long as its vault lives, and that nobody reads one without a record of it.
//
// A revision is a fact: the signed message exactly as it was delivered, sealed with a header that says what it is. A head
// per paper repeats the header of the current revision, so that a list opens some thirty short seals instead of thirty messages. The head
// is only a shortcut: a reading asks the facts which revision is current, and [Wallet.RebuildHead] makes the head again from them.
//
//	W1  a revision is written once; the same revision again is refused by the primary key (*pg.Duplicate)
//	W2  current is the highest revision the issuer numbered; neither arrival nor a clock decides, and a revocation is a revision (P4)
//	W3  what stands in clear stands in the seal too: a row that was altered, moved or swapped is ErrDamaged and never served
//	W4  a reading is recorded before its bytes are returned; without the record there is no reading (P7)
//	W5  a paper of somebody else and one that does not exist are one answer by the same statements, and the attempt is
//	    recorded in the vault of who asked (S1)
//	W6  a holding opens a paper only while its row in the home vault says so and the MAC of that row fits; the row in the
//	    holder's vault merely tells where to look
//	W7  a write names one vault; what follows elsewhere is a task of the outbox and may run twice
//	W8  papers leave for an organisation only under a consent.Permit
//	W9  nothing here prints a paper, or what kind of paper it is
//
// Not here: who the person of a result is (intake), who may act for whom and who allowed what (consent; a [pg.Guard] brings it
// in), which values a form takes from a paper (prefill), attachments, export and erasure.
package wallet

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"vidan/audit"
	"vidan/identity"
	"vidan/seal"
)

// Errors of this package.
var (
	// ErrNotFound reports a paper, a revision or a holding that is not there, or not for this reader (W5).
	ErrNotFound = errors.New("wallet: not found")
	// ErrDamaged reports a stored row that is not what was written (W3). It needs an operator; nothing of the row is served.
	ErrDamaged = errors.New("wallet: stored row damaged")
	// ErrRevision reports a revision that cannot be stored as it is: a mistake of the caller, who has checked the message.
	ErrRevision = errors.New("wallet: not a revision")
	// ErrHolding reports a holding that cannot be stored as it is: a mistake of the caller.
	ErrHolding = errors.New("wallet: not a holding")
	// ErrCursor reports a cursor of another list, or a limit out of bounds.
	ErrCursor = errors.New("wallet: not a cursor")
	// ErrVault reports a lock on a vault that does not exist: a mistake of the caller.
	ErrVault = errors.New("wallet: no such vault")
)

// CodeVaultClosed is the code of the *pg.Refusal of [Wallet.QueueLock] when a vault was joined into another or erased
// after the caller looked it up: look it up again.
const CodeVaultClosed = "vault_closed"

// Deps are what a wallet stands on. All are needed.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Audit      *audit.Recorder
	Now        func() time.Time
}

// Wallet stores and reads papers. It is safe for concurrent use; its one cache holds where held papers live (W6).
type Wallet struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	vaults     *seal.Vaults
	audit      *audit.Recorder
	now        func() time.Time
	links      *otter.Cache[identity.VaultID, []link]
}

// New checks what the wallet stands on.
func New(d Deps) (*Wallet, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Audit == nil || d.Now == nil {
		return nil, errors.New("wallet: needs a pool, a deployment, vault keys, the record and a clock")
	}
	links, err := otter.New(&otter.Options[identity.VaultID, []link]{MaximumSize: maxLinkedVaults})
	if err != nil {
		return nil, fmt.Errorf("wallet: cache of links: %w", err)
	}
	return &Wallet{pool: d.Pool, deployment: d.Deployment, vaults: d.Vaults, audit: d.Audit, now: d.Now, links: links}, nil
}
