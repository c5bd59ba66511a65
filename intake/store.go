package intake

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
	"vidan/wallet"
)

// store puts an arrival into its vault: one transaction, everything else follows through the outbox.
func (in *Intake) store(ctx context.Context, a *arrival, w *world, p place, now time.Time) (Answer, error) {
	var answer Answer
	var err error
	if a.fresh() {
		if answer, err = in.sign(a, w, nil, now); err != nil {
			return Answer{}, err
		}
	}
	b := new(pgx.Batch)
	keys, err := in.queuePlace(ctx, b, a, w, p, now)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case a.fresh():
		queueInsertReceipt(b, a, answer, now)
	case !a.waiting.IsZero():
		queueLeave(b, a.waiting, "applied")
	default:
		if err := in.queueResolved(b, a.resolved, keys, a, now); err != nil {
			return Answer{}, err
		}
	}
	in.queuePaper(b, a, w, keys.Vault(), now)
	if err := in.queueContents(ctx, b, a, w, p, keys, now); err != nil {
		return Answer{}, err
	}
	return answer, pg.Pipeline(ctx, in.pool, b)
}

// queuePlace begins the batch: whatever was unknown stays unknown, then the vault is locked, or opened for a newborn.
func (in *Intake) queuePlace(ctx context.Context, b *pgx.Batch, a *arrival, w *world, p place, now time.Time) (*seal.Keys, error) {
	unknown := w.strangers()
	if a.resolved == nil {
		unknown = append(unknown, identifiers(w.unknown())...)
	}
	if len(unknown) > 0 {
		in.people.QueueStillUnknown(b, unknown)
	}
	if p.open {
		return in.openVault(ctx, b, a, now)
	}
	keys, err := w.keys.OpenOne(ctx, in.pool, p.vault)
	if err != nil {
		return nil, err
	}
	in.wallet.QueueLock(b, p.vault)
	if len(p.learn) > 0 {
		err = in.people.QueueIdentifiers(b, p.vault, identifiers(p.learn), a.ResultID.String(), now)
	}
	return keys, err
}

// queueContents adds what an arrival changes inside its vault.
func (in *Intake) queueContents(ctx context.Context, b *pgx.Batch, a *arrival, w *world, p place, keys *seal.Keys, now time.Time) error {
	if err := in.wallet.QueueRevise(b, keys, a.revision(keys.Vault(), a.typ.Home), now); err != nil {
		return err
	}
	if p.propose {
		if err := in.queueProposal(ctx, b, a, p, keys, now); err != nil {
			return err
		}
	}
	if err := in.queueRelatives(b, a, w, keys, now); err != nil {
		return err
	}
	return in.queueStored(b, a, keys, now)
}

// queueStored records that the arrival is in the vault of the keys.
func (in *Intake) queueStored(b *pgx.Batch, a *arrival, keys *seal.Keys, now time.Time) error {
	_, err := in.audit.Queue(b, keys, audit.Entry{
		Vault: keys.Vault(), Kind: audit.ResultStored, Organisation: a.Organisation, Actor: a.actor(), Procedure: a.Procedure,
		Dossier: a.Dossier, Document: a.id, Revision: a.Revision, RequestTrace: a.trace,
	}, now)
	return err
}

func (a *arrival) revision(vault identity.VaultID, role string) wallet.Revision {
	from, until := a.document.Validity()
	return wallet.Revision{
		Vault: vault, Document: a.id, Type: a.DocumentType, Issuer: a.Organisation, Ref: a.DocumentRef,
		Procedure: a.Procedure, Dossier: a.Dossier, Number: a.Revision, State: wallet.State(a.State), Origin: wallet.Origin(a.Origin),
		IssuedAt: a.IssuedAt, ValidFrom: from, ValidUntil: until, SubjectRole: role, Message: a.message, PayloadSHA256: a.sha,
	}
}

// openVault adds a new vault for a newborn to the batch (RESULTS §2 rule 4).
func (in *Intake) openVault(ctx context.Context, b *pgx.Batch, a *arrival, now time.Time) (*seal.Keys, error) {
	keys, rows, err := in.deployment.NewVault(ctx, identity.NewVaultID())
	if err != nil {
		return nil, err
	}
	return keys, in.people.QueueOpenPending(b, person.NewPending{
		Keys: keys, Rows: rows, Identifiers: identifiers(a.notices()), Profile: a.profile(), Evidence: a.ResultID.String(),
	}, now)
}

// profile is what a birth certificate says of a newborn.
func (a *arrival) profile() person.Profile {
	born, sex := a.bornAndSex()
	name, _ := identity.ParseName(a.text("/full_name")) // the schema holds its length; a name that is none stays unknown
	return person.Profile{Name: name, BirthDate: born, Sex: sex, Notice: a.notice(), Mother: a.number("mother")}
}

// queueProposal keeps the number that was given, beside what it was held against.
func (in *Intake) queueProposal(ctx context.Context, b *pgx.Batch, a *arrival, p place, keys *seal.Keys, now time.Time) error {
	born, sex := a.bornAndSex()
	claim := person.Claim{Number: a.given(), Notice: a.notice(), Mother: a.number("mother"), BirthDate: born, Sex: sex}
	held := a.profile()
	if !p.open {
		var err error
		if held, err = in.people.Profile(ctx, in.pool, keys); err != nil {
			return err
		}
	}
	return in.people.QueueProposal(b, keys, a.actor(), person.Proposal{
		Number: claim.Number, Organisation: a.Organisation, Document: a.id, Checks: person.Compare(held, claim),
	}, now)
}
