package consent

import (
	"errors"
	"time"

	"vidan/identity"
)

// Kind is what somebody is to the person they may act for. Each kind may stand once: a second mother by number contradicts
// the first, and a person has at most one father and one appointed representative at a time.
type Kind string

// The kinds. Mother and Father give the holder's reason "parent" of the catalogue, the third "legal_representative".
const (
	// Mother (mẹ) by the birth certificate.
	Mother Kind = "mother"
	// Father (cha) by the birth certificate.
	Father Kind = "father"
	// LegalRepresentative (người đại diện hợp pháp, người giám hộ) by a registered guardianship.
	LegalRepresentative Kind = "legal_representative"
)

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return k == Mother || k == Father || k == LegalRepresentative }

// Reason returns the word by which the catalogue names the right to hold the person's papers.
func (k Kind) Reason() string {
	if k == LegalRepresentative {
		return "legal_representative"
	}
	return "parent"
}

// State is where a relation is in its life (relations.state).
type State string

// The states. Only Active gives authority, and only between the dates of the relation.
const (
	// Proposed: a paper named the actor; a number, seven days or a second officer are awaited.
	Proposed State = "proposed"
	// Active: the actor may act.
	Active State = "active"
	// Suspended: another paper says otherwise; the registrar decides.
	Suspended State = "suspended"
	// Restricted: a court or the registrar took the right away; for the actor it is as if it had never been.
	Restricted State = "restricted"
	// Ended: over for good.
	Ended State = "ended"
)

// States returns the closed set, as the constraint of relations.state lists it.
func States() []State { return []State{Proposed, Active, Suspended, Restricted, Ended} }

// May reports whether a relation may go from s to another state. sqlMove holds the same graph, and one table tests both.
//
//	proposed ─→ active ⇄ restricted
//	   │  ╲   ↗   │         │
//	   │   suspended        │      restricted is reached from every state but ended
//	   ╰──────→ ended ←─────╯
func (s State) May(to State) bool {
	switch s {
	case Proposed:
		return to == Active || to == Suspended || to == Restricted || to == Ended
	case Active:
		return to == Suspended || to == Restricted || to == Ended
	case Suspended:
		return to == Active || to == Restricted || to == Ended
	case Restricted:
		return to == Active || to == Ended
	}
	return false
}

// Relation is who may act for whom, why, from when to when, as the home vault has it.
type Relation struct {
	ID          identity.RelationID
	Person      identity.VaultID // acted for; its vault is the home of the relation
	Actor       identity.VaultID // acts; zero while nobody is enrolled under the number the paper gives
	Kind        Kind
	State       State
	Reason      Reason // why it is in this state
	Document    identity.DocumentID
	Revision    int
	ValidFrom   time.Time
	ValidUntil  time.Time // first moment at which it no longer holds; zero: no end
	DecideAfter time.Time // proposed: when the waiting period is over
	Confirmed   bool      // a second officer confirmed it
}

// stands reports whether the relation gives authority at now.
func (r Relation) stands(now time.Time) bool {
	return r.State == Active && !now.Before(r.ValidFrom) && (r.ValidUntil.IsZero() || now.Before(r.ValidUntil))
}

// Reason says why a relation is in its state.
type Reason string

// The reasons.
const (
	ReasonPaper         Reason = "paper"          // a paper names the actor and both people match by number
	ReasonChildNumber   Reason = "child_number"   // waits for the number of the person to be bound
	ReasonActorNumber   Reason = "actor_number"   // waits for somebody to be enrolled under the actor's number
	ReasonMandate       Reason = "mandate"        // the issuer's mandate does not include relations: time and a second officer decide
	ReasonConfirmed     Reason = "confirmed"      // the waiting period is over and a second officer confirmed
	ReasonContradiction Reason = "contradiction"  // another person already stands, or was named before, in this kind
	ReasonSame          Reason = "same"           // the actor already stands in this kind by another paper
	ReasonSelf          Reason = "self"           // the paper names the person as who may act for them
	ReasonRevoked       Reason = "paper_revoked"  // the paper was revoked
	ReasonBefore        Reason = "restricted_yet" // this actor was restricted before, and a new paper does not lift that
)

// Waiting is how long a relation that needs a second officer waits, so that those it concerns can object.
const Waiting = 7 * 24 * time.Hour

var (
	// ErrRelation reports a proposal that cannot become a relation: an unknown kind, no number of the actor, the person
	// themselves, dates that exclude each other. It is a mistake of the calling code.
	ErrRelation = errors.New("consent: not a relation")
	// ErrSameOfficer reports a confirmation by the officer who issued the paper: it takes a second one.
	ErrSameOfficer = errors.New("consent: the officer who proposed may not confirm")
	// ErrState reports a change that the relation's or grant's state does not allow.
	ErrState = errors.New("consent: not possible in this state")
)
