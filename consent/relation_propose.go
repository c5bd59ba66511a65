package consent

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/seal"
)

// Proposal is one relation that a paper names.
type Proposal struct {
	Child         identity.VaultID        // acted for; the paper's home vault
	ActorNumber   identity.PersonalNumber // of who would act, as the paper gives it; names never find anybody
	Actor         identity.VaultID        // the vault found by that number, zero when none is
	Kind          Kind
	Document      identity.DocumentID
	Revision      int
	Until         time.Time // for parents Ledger.Majority of the birth date; zero: no end
	MandateCovers bool      // the issuer's mandate includes this relation
	BothByNumber  bool      // the child's number is bound, and Actor was found by ActorNumber
	Organisation  string    // which issued the paper
	Officer       string    // who issued it: their stable opaque id
	Client        string    // through which client
}

// QueuePropose adds the relations that one revision of a paper names to the batch that stores it. The batch has locked the
// child's vault before (sqlLockVault or the like); k are its keys; every Child is that vault.
//
// A relation takes effect in this transaction when mandate and numbers allow it and nothing else stands or was ever proposed
// that is not over; every other is decided within seconds by the task relation.decide, which reads all that stands. Errors:
// [ErrRelation], [audit.ErrRecord].
func (l *Ledger) QueuePropose(b *pgx.Batch, k *seal.Keys, proposals []Proposal, now time.Time) ([]identity.RelationID, error) {
	now = micro(now)
	ids := make([]identity.RelationID, len(proposals))
	for i := range ids {
		ids[i] = identity.NewID[identity.RelationID]()
	}
	for i, p := range proposals {
		if err := p.check(now); err != nil {
			return nil, err
		}
		if err := l.queueProposal(b, k, p, ids[i], ids, now); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (p Proposal) check(now time.Time) error {
	switch {
	case p.Child.IsZero() || p.ActorNumber.IsZero() || !p.Kind.Valid() || p.Child == p.Actor:
		return fmt.Errorf("%w: %s", ErrRelation, p.Kind)
	case !p.Until.IsZero() && !p.Until.After(now):
		return fmt.Errorf("%w: over before it begins", ErrRelation)
	case p.BothByNumber && p.Actor.IsZero():
		return fmt.Errorf("%w: found by number, and no vault", ErrRelation)
	}
	return nil
}

func (l *Ledger) queueProposal(b *pgx.Batch, k *seal.Keys, p Proposal, id identity.RelationID, siblings []identity.RelationID, now time.Time) error {
	eligible := p.MandateCovers && p.BothByNumber
	active := home{
		Relation: Relation{
			ID: id, Person: p.Child, Actor: p.Actor, Kind: p.Kind, State: Active, Reason: ReasonPaper,
			Document: p.Document, Revision: p.Revision, ValidFrom: now, ValidUntil: micro(p.Until),
		},
		body: relationBody{Number: p.ActorNumber, Mandate: p.MandateCovers, Organisation: p.Organisation, Officer: p.Officer, Version: 1},
	}
	proposed := active
	proposed.State, proposed.Reason, proposed.DecideAfter = Proposed, "", now.Add(Waiting)
	fact := identity.NewID[identity.ObjectID]()
	var facts [2][]byte
	for i, h := range []*home{&active, &proposed} {
		if err := l.close(k, h); err != nil {
			return err
		}
		sealed, err := l.fact(k, h, fact, p.Client)
		if err != nil {
			return err
		}
		facts[i] = sealed
	}
	b.Queue(sqlInsertHome, p.Child, id, p.Document, now, nullTime(active.ValidUntil), proposed.DecideAfter,
		active.sealed, proposed.sealed, active.mac, proposed.mac, eligible, slices.Clone(siblings))
	b.Queue(sqlInsertFirstFact, p.Child, id, fact, now, facts[0], facts[1])
	if p.Actor.IsZero() {
		keys, sums := l.digestArgs(p.ActorNumber)
		b.Queue(sqlInsertWait, keys, sums, p.Child, id)
	}
	if err := l.recordProposal(b, k, p, id, eligible, now); err != nil {
		return err
	}
	task := delivery.Task{Kind: TaskDecide, Vault: p.Child, Args: relationArgs(id)}
	if eligible {
		task.Kind = TaskMirror
	}
	delivery.Queue(b, task, now)
	return nil
}

// conditionState is the condition under which a row of the record about a relation is true.
const conditionState = `exists (select 1 from relations where vault_id = $1 and relation_id = $2 and state = $3)`

// recordProposal records what the relation became; which of the two it is, the transaction decides.
func (l *Ledger) recordProposal(b *pgx.Batch, k *seal.Keys, p Proposal, id identity.RelationID, eligible bool, now time.Time) error {
	entry := audit.Entry{
		Vault: p.Child, Kind: audit.RelationProposed, Organisation: p.Organisation, Reason: string(p.Kind),
		Actor:    audit.Actor{Client: p.Client, Officer: audit.Officer{ID: p.Officer, Organisation: p.Organisation}},
		Document: p.Document, Revision: p.Revision,
	}
	proposed, err := l.audit.Row(k, entry, now)
	if err != nil {
		return err
	}
	if !eligible {
		proposed.Queue(b)
		return nil
	}
	entry.Kind = audit.RelationActive
	active, err := l.audit.Row(k, entry, now)
	if err != nil {
		return err
	}
	active.QueueIf(b, conditionState, p.Child, id, string(Active))
	proposed.QueueIf(b, conditionState, p.Child, id, string(Proposed))
	return nil
}

// QueueReconsider adds to the batch that stores a revocation, or anything else that may bear on the person's relations, a task
// that judges all of them again.
func (l *Ledger) QueueReconsider(b *pgx.Batch, person identity.VaultID, now time.Time) {
	delivery.Queue(b, delivery.Task{Kind: TaskDecide, Vault: person}, now)
}

// Handlers returns the handlers of this package's tasks by kind, for the relay.
func (l *Ledger) Handlers() map[string]delivery.Handler {
	return map[string]delivery.Handler{TaskDecide: l.DecideRelations, TaskMirror: l.MirrorRelation, TaskFollow: l.FollowRequest}
}

// The kinds of task of this package.
const (
	// TaskDecide has the vault acted for, and perhaps relation_id: without it every relation of the vault is judged, and every
	// relation that waits for the vault's own number to appear.
	TaskDecide = "relation.decide"
	// TaskMirror has the vault acted for and relation_id.
	TaskMirror = "relation.mirror"
	// TaskFollow has request_id: a request was made, decided on, or has expired.
	TaskFollow = "request.follow"
)

type relationTask struct {
	Relation identity.RelationID `json:"relation_id,omitzero"`
}

func relationArgs(id identity.RelationID) json.RawMessage {
	raw, err := json.Marshal(relationTask{Relation: id})
	if err != nil {
		panic("consent: an id does not marshal")
	}
	return raw
}

// micro is a moment as PostgreSQL keeps it.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}
