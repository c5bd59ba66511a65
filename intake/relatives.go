package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// KindCopy is the task that seals a paper about two people into the second one's vault (a marriage certificate).
const KindCopy = "copy.subject"

// share is what a stored paper gives to somebody else whom it names: a sealed copy to its second subject, a holding to others. It is carried out at
// once, by a task, or, while nobody is known under the number, from the waiting room.
type share struct {
	Home         identity.VaultID       `json:"home"`
	Document     identity.DocumentID    `json:"document_id"`
	Revision     int                    `json:"revision"`
	Role         string                 `json:"role"`
	Reason       procedure.HolderReason `json:"reason"`
	Organisation string                 `json:"organisation"`
	Unit         string                 `json:"unit"`
	Officer      string                 `json:"officer"`
	Client       string                 `json:"client"`
}

func (s share) by() audit.Actor {
	return audit.Actor{Client: s.Client, Officer: audit.Officer{
		ID: s.Officer, Organisation: s.Organisation, Unit: s.Unit, Assurance: audit.Asserted,
	}}
}

// shares reports a reason for which somebody else gets their part of the paper itself. Parents and representatives see it by their relation.
func shares(reason procedure.HolderReason) bool {
	return reason == procedure.ReasonCoSubject || reason == procedure.ReasonDeclarant || reason == procedure.ReasonHeir
}

// strangers are those who get their part and have no vault yet: it waits for them under their numbers.
func (w *world) strangers() []person.Identifier {
	var ids []person.Identifier
	for _, r := range w.relatives {
		if shares(r.reason) && r.found.Vault.IsZero() {
			ids = append(ids, person.NumberIdentifier(r.number))
		}
	}
	return ids
}

// queueRelatives adds what a paper means for the other people it names. Relations and holdings are decided here, in the home vault.
func (in *Intake) queueRelatives(b *pgx.Batch, a *arrival, w *world, keys *seal.Keys, now time.Time) error {
	if a.State == Revoked {
		in.relations.QueueReconsider(b, keys.Vault(), now)
	}
	for _, r := range w.relatives {
		if !shares(r.reason) || r.found.Vault == keys.Vault() {
			continue
		}
		s := share{
			Home: keys.Vault(), Document: a.id, Revision: a.Revision, Role: r.role, Reason: r.reason,
			Organisation: a.Organisation, Unit: a.Unit, Officer: a.Officer, Client: a.client,
		}
		if err := in.queueShare(b, a, s, r, keys, now); err != nil {
			return err
		}
	}
	return in.queueProposals(b, a, w, keys, now)
}

func (in *Intake) queueShare(b *pgx.Batch, a *arrival, s share, r relative, keys *seal.Keys, now time.Time) error {
	switch {
	case r.found.Vault.IsZero():
		return in.queueWaitingShare(b, a, s, r.number, now)
	case r.reason == procedure.ReasonCoSubject:
		args, err := json.Marshal(copyArgs{share: s, To: r.found.Vault})
		if err != nil {
			return err
		}
		delivery.Queue(b, delivery.Task{Kind: KindCopy, Vault: s.Home, Args: args}, now)
		return nil
	}
	return in.queueHold(b, s, r.found.Vault, keys, now)
}

func (in *Intake) queueHold(b *pgx.Batch, s share, holder identity.VaultID, keys *seal.Keys, now time.Time) error {
	_, err := in.wallet.QueueHold(b, keys, wallet.Holding{
		Home: s.Home, Holder: holder, Document: s.Document, Reason: string(s.Reason),
	}, s.by(), now)
	return err
}

// queueProposals adds the relations that a birth certificate names. Only its newest revision names any (R9): an older one that comes late, or after
// the revocation, gives nobody authority.
func (in *Intake) queueProposals(b *pgx.Batch, a *arrival, w *world, keys *seal.Keys, now time.Time) error {
	born, _ := a.bornAndSex()
	if a.DocumentType != birthCertificate || a.State == Revoked || w.newer || born.IsZero() {
		return nil
	}
	until := in.relations.Majority(born)
	if !until.After(now) {
		return nil // nobody acts for who is of age
	}
	known := slices.ContainsFunc(append(w.people(), w.home), func(f person.Found) bool { return f.NumberKnown })
	var proposals []consent.Proposal
	for _, r := range w.relatives {
		kind := consent.Kind(r.role)
		if r.reason != procedure.ReasonParent || !kind.Valid() || r.found.Vault == keys.Vault() {
			continue
		}
		proposals = append(proposals, consent.Proposal{
			Child: keys.Vault(), ActorNumber: r.number, Actor: r.found.Vault, Kind: kind, Document: a.id, Revision: a.Revision, Until: until,
			MandateCovers: slices.Contains(a.covers, string(kind)) || slices.Contains(a.covers, kind.Reason()),
			BothByNumber:  known && !r.found.Vault.IsZero(),
			Organisation:  a.Organisation, Officer: a.Officer, Client: a.client,
		})
	}
	if len(proposals) == 0 {
		return nil
	}
	if !w.paper.vault.IsZero() {
		b.Queue(sqlStillNewest, a.id, a.Revision)
	}
	_, err := in.relations.QueuePropose(b, keys, proposals, now)
	return err
}

// copyArgs are the arguments of [KindCopy]: ids and codes.
type copyArgs struct {
	share
	To identity.VaultID `json:"to"`
}

// Copy is the handler of [KindCopy]: the second subject's own sealed copy of the same revision, so that erasing one vault never
// takes the other person's paper. It may run twice.
func (in *Intake) Copy(ctx context.Context, t delivery.Task) error {
	var args copyArgs
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	return in.copy(ctx, args.share, args.To)
}

func (in *Intake) copy(ctx context.Context, s share, to identity.VaultID) error {
	return in.wallet.Copy(ctx, wallet.Copying{
		From: s.Home, To: to, Document: s.Document, Revision: s.Revision, SubjectRole: s.Role, By: s.by(), Organisation: s.Organisation,
	})
}

// give carries out a share that waited for its person. A home that was erased since has nothing to give.
func (in *Intake) give(ctx context.Context, id identity.ObjectID, s share, number identity.PersonalNumber) error {
	b := new(pgx.Batch)
	finding := in.people.QueueFind(b, []person.Identifier{person.NumberIdentifier(number)})
	living := in.people.QueueLiving(b, s.Home)
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return err
	}
	found, err := finding.Result()
	if err != nil {
		return err
	}
	to := found[0].Vault
	if to.IsZero() {
		return errStillUnknown
	}
	if s.Reason == procedure.ReasonCoSubject {
		if err := in.copy(ctx, s, to); err != nil {
			return err
		}
		b = new(pgx.Batch)
		queueLeave(b, id, "applied")
		return pg.Pipeline(ctx, in.pool, b)
	}
	if s.Home, err = living.Of(s.Home); err != nil {
		return err
	}
	return in.giveHolding(ctx, id, s, to)
}

func (in *Intake) giveHolding(ctx context.Context, id identity.ObjectID, s share, to identity.VaultID) error {
	b := new(pgx.Batch)
	keys, err := in.vaults.OpenOne(ctx, in.pool, s.Home)
	switch {
	case errors.Is(err, seal.ErrNoKeys) || s.Home == to:
		queueLeave(b, id, "applied")
		return pg.Pipeline(ctx, in.pool, b)
	case err != nil:
		return err
	}
	in.wallet.QueueLock(b, s.Home)
	queueLeave(b, id, "applied")
	if err := in.queueHold(b, s, to, keys, in.now()); err != nil {
		return err
	}
	return pg.Pipeline(ctx, in.pool, b)
}
