// Package person knows which vault a number leads to, and promises that a number leads to one person or to nobody.
//
// A vault is random and exists before its person's number does; numbers, birth notices and register entries are identifiers that lead to
// it, kept as keyed digests. What makes somebody a particular person, the binding of a number, is the registrar's act alone: an organisation's word about a
// newborn's number is a proposal. Everything the registrar may do here is one transaction that begins with the caller's guard.
//
//	N1  an identifier leads to at most one vault at a time; two who bind it at once have one winner
//	N2  a row of identifiers or vault_aliases is believed only under its MAC: writing to the database moves no number
//	N3  only the registrar binds a personal number; whatever an organisation says of one is a proposal beside its checks
//	N4  a joined vault is left behind whole: no identifier leads to it, nothing is bound to it, and its alias is one step from the living vault
//	N5  every act is recorded and followed up in its own transaction: when an identifier becomes known, each result that waits for it is woken,
//	    and no result can begin to wait for it unseen
//	N6  an act done twice is one act; a refused one changes nothing but the record
//	N7  a person who is unknown, another's or out of sight is answered alike, and no error says more
//	N8  a one-time code is worthless in a dump, costs a try before it is compared, and is used once
//	N9  an act that needs two officers changes nothing until the second has spoken, is done once, and has both in the record
//	N10 a recovery is stopped by any way into the account until its code is used, and gives nothing lasting away for three days
//	N11 a one-time code goes to a contact that is the person's alone, known to be theirs and seven days old, and otherwise over a counter
//
// Names never find anybody (docs/RESULTS.md §2). The package does not decide who the registrar is: guards do.
package person

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrNotFound reports a person who is not there, or not there for this caller; the two are one answer (N7).
	ErrNotFound = errors.New("person: not found")
	// ErrNumberTaken reports an identifier that leads to somebody already; nothing was changed.
	ErrNumberTaken = errors.New("person: the identifier leads to somebody already")
	// ErrOtherNumber reports a person who has another personal number; only [NumberReplaced] as the basis gives them a new one.
	ErrOtherNumber = errors.New("person: the person has another number")
	// ErrEnrolled reports a person who has an account already.
	ErrEnrolled = errors.New("person: enrolled already")
	// ErrHasAccount reports somebody who is enrolled anew though there is a way into their account: that is a recovery, with two officers and a
	// waiting time, and nothing was changed.
	ErrHasAccount = errors.New("person: there is a way into the account: recover it")
	// ErrJoined reports a vault that was joined into another: whatever is to be done is done there (N4).
	ErrJoined = errors.New("person: the vault was joined into another")
	// ErrTwoNumbers reports two vaults of two different personal numbers; only [NumberReplaced] as the basis joins them.
	ErrTwoNumbers = errors.New("person: two different numbers")
	// ErrSameVault reports a vault that was to be joined into itself.
	ErrSameVault = errors.New("person: one and the same vault")
	// ErrRegistrarOnly reports a personal number where only notices and register entries may be given (N3).
	ErrRegistrarOnly = errors.New("person: only the registrar binds a number")
	// ErrEvidence reports a basis that is not in the closed set, or a reference that is not a file's.
	ErrEvidence = errors.New("person: not evidence")
	// ErrIdentifier reports an identifier without a value.
	ErrIdentifier = errors.New("person: not an identifier")
)

// Deps are what a registry stands on; all are needed.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Audit      *audit.Recorder
	Now        func() time.Time
}

// Registry finds people and carries out what the registrar decides about them. It is safe for concurrent use.
type Registry struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	vaults     *seal.Vaults
	audit      *audit.Recorder
	now        func() time.Time
	accounts   Accounts
	joined     *otter.Cache[identity.VaultID, []identity.VaultID] // see VaultsOf
}

// New returns a registry.
func New(d Deps) (*Registry, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Audit == nil || d.Now == nil {
		return nil, errors.New("person: a registry needs a pool, a deployment, keys, a record and a clock")
	}
	accounts, err := LoadAccounts()
	if err != nil {
		return nil, err
	}
	return &Registry{
		pool: d.Pool, deployment: d.Deployment, vaults: d.Vaults, audit: d.Audit, now: d.Now, accounts: accounts, joined: newVaultsCache(),
	}, nil
}

// keysOf opens the keys of a vault, nil when it has none: the transaction then finds that there is no such vault, behind its guard.
func (r *Registry) keysOf(ctx context.Context, vault identity.VaultID) (*seal.Keys, error) {
	keys, err := r.vaults.OpenOne(ctx, r.pool, vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil, nil
	}
	return keys, err
}

// note queues the record of what an officer did, or tried to do, to the person whose keys are given.
func (r *Registry) note(b *pgx.Batch, keys *seal.Keys, by audit.Actor, kind audit.Kind, ev Evidence, refused error, now time.Time) error {
	e := audit.Entry{
		Vault: keys.Vault(), Kind: kind, Organisation: by.Officer.Organisation, Actor: by,
		Dossier: ev.Reference, Reason: string(ev.Basis),
	}
	if refused != nil {
		e.Outcome, e.Reason = audit.Refused, reason(refused)
	}
	_, err := r.audit.Queue(b, keys, e, now)
	return err
}

// refusalCode is a refusal that is recorded, and its code.
type refusalCode struct {
	err  error
	code string
}

func refusalCodes() []refusalCode {
	return []refusalCode{
		{ErrHasAccount, "recovery_needed"}, {ErrNumberTaken, "number_taken"}, {ErrOtherNumber, "other_number"}, {ErrEnrolled, "enrolled_already"},
		{ErrJoined, "vault_joined"}, {ErrTwoNumbers, "two_numbers"}, {ErrWrongWay, "account_in_alias"}, {ErrLevel, "level"},
		{ErrRepresentative, "representative"}, {ErrNotAlive, "death_reported"}, {ErrBlocked, "blocked"}, {ErrState, "state"},
		{ErrSameOfficer, "same_officer"}, {ErrSameOffice, "same_office"}, {ErrSameIssuer, "same_issuer"}, {ErrTooEarly, "too_early"},
		{ErrContact, "contact"}, {ErrTooManyContacts, "too_many_contacts"},
	}
}

// reason is the code under which a refusal is recorded.
func reason(err error) string {
	for _, r := range refusalCodes() {
		if errors.Is(err, r.err) {
			return r.code
		}
	}
	return "refused"
}

// taken turns what the database says of a second binding into [ErrNumberTaken]: the unique index has the last word (N1).
func taken(err error) error {
	var twice *pg.Duplicate
	if errors.As(err, &twice) && twice.Constraint == "identifiers_one_active" {
		return fmt.Errorf("%w: %w", ErrNumberTaken, err)
	}
	return err
}
