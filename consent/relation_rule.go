package consent

import (
	"time"

	"vidan/identity"
)

// circumstances are what a home relation is judged by: the facts of the day, read under the lock of its vault.
type circumstances struct {
	state       State
	reason      Reason
	restricted  bool // this actor is restricted in another relation to the same person
	revoked     bool // the paper's current revision revokes it
	same        bool // the actor already stands in this kind by another paper
	other       bool // somebody else stands in this kind, or was named before
	mandate     bool // the issuer's mandate includes this relation
	childKnown  bool // the person's number is bound
	actorKnown  bool // somebody is enrolled under the actor's number
	confirmed   bool // by a second officer
	decideAfter time.Time
}

// judge is the whole rule of DESIGN §6 on relations: it returns the state a relation belongs in now, and why. It is held
// by testdata/relations.csv, a table in the words of the law, and never turns an ended or restricted relation.
func (c circumstances) judge(now time.Time) (State, Reason) {
	switch {
	case c.state == Ended || c.state == Restricted:
		return c.state, c.reason
	case c.revoked:
		return Ended, ReasonRevoked
	case c.restricted:
		return Restricted, ReasonBefore
	case c.state == Active:
		return Active, c.reason
	case c.same:
		return Ended, ReasonSame
	case c.other:
		return Suspended, ReasonContradiction
	case !c.actorKnown:
		return c.waits(), ReasonActorNumber
	case c.mandate && c.childKnown:
		return Active, ReasonPaper
	case c.confirmed && !now.Before(c.decideAfter):
		return Active, ReasonConfirmed
	case c.mandate:
		return c.waits(), ReasonChildNumber
	}
	return c.waits(), ReasonMandate
}

// waits is the state of a relation that nothing forbids and nothing carries yet: one that was suspended stays so, since
// whoever was told of the contradiction was told of that.
func (c circumstances) waits() State {
	if c.state == Suspended {
		return Suspended
	}
	return Proposed
}

// among reads from the person's other home relations what bears on this one. others may include it.
func (c *circumstances) among(one home, others []home) {
	for _, o := range others {
		if o.ID == one.ID || o.State == Ended {
			continue
		}
		mine := o.body.Number == one.body.Number
		switch {
		case mine && o.State == Restricted && o.Reason != ReasonBefore:
			c.restricted = true // a restriction that only follows from another is lifted by itself
		case o.Kind != one.Kind:
		case mine:
			c.same = c.same || o.State == Active
		default:
			// One that is itself only proposed or suspended counts when it was there first, so that of two
			// contradicting papers exactly the later is suspended.
			c.other = c.other || o.State == Active || o.State == Restricted || before(o, one)
		}
	}
}

// before reports whether o was proposed before one: by the clock of substance, then by id.
func before(o, one home) bool {
	if !o.ValidFrom.Equal(one.ValidFrom) {
		return o.ValidFrom.Before(one.ValidFrom)
	}
	return identity.RelationID.Compare(o.ID, one.ID) < 0
}
