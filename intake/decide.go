package intake

import (
	"vidan/identity"
	"vidan/person"
)

// Reason is why a valid result needs a person's decision.
type Reason string

// The reasons, and who holds what they stop.
const (
	SubjectAmbiguous Reason = "subject_ambiguous" // registrar
	SubjectChanged   Reason = "subject_changed"   // registrar
	NumberUnknown    Reason = "number_unknown"    // registrar
	RevisionConflict Reason = "revision_conflict" // the issuing organisation
)

// Registrar is the holder of what only the identity authority can decide.
const Registrar = "registrar"

func (r Reason) holder(organisation string) string {
	if r == RevisionConflict {
		return organisation
	}
	return Registrar
}

// place is where an arrival goes: into a vault, into a new one, to the waiting room, or to quarantine.
type place struct {
	vault      identity.VaultID // zero unless it goes into a vault that exists
	open       bool
	wait       bool
	quarantine Reason
	learn      []lead // notices and register entries that lead to the vault from now on
	propose    bool   // the number given is kept there as a proposal
}

// decide applies RESULTS §2, rules 1 to 5, and §4. It is a pure function of what was read.
func (a *arrival) decide(w *world) place {
	if a.resolved != nil {
		return place{vault: a.resolved.Vault}
	}
	switch {
	case w.other:
		return place{quarantine: RevisionConflict}
	case !a.second.IsZero() && !w.paper.second.IsZero() && a.second != w.paper.second:
		return place{quarantine: SubjectChanged} // the other of two people is another
	}
	switch people := w.people(); len(people) {
	case 0:
		return a.decideUnknown(w)
	case 1:
		return a.decideKnown(w, people[0])
	}
	return place{quarantine: SubjectAmbiguous}
}

func (a *arrival) decideKnown(w *world, who person.Found) place {
	if !w.home.Vault.IsZero() && w.home.Vault != who.Vault {
		return place{quarantine: SubjectChanged}
	}
	p := place{vault: who.Vault}
	own := a.notices()
	for i, l := range w.leads {
		switch {
		case !w.found[i].Vault.IsZero():
		case !l.number.IsZero() && who.NumberKnown:
			return place{quarantine: SubjectAmbiguous} // the person has another number
		case !l.number.IsZero():
			p.propose = p.propose || l.number == a.given()
		case a.DocumentType == birthCertificate && a.openBy && contains(own, l):
			p.learn = append(p.learn, l)
		}
	}
	return p
}

func (a *arrival) decideUnknown(w *world) place {
	if !w.home.Vault.IsZero() {
		if w.home.NumberKnown {
			return place{quarantine: SubjectChanged}
		}
		return a.decideKnown(w, w.home)
	}
	if a.DocumentType == birthCertificate && len(a.notices()) > 0 && a.openBy && a.State != Revoked {
		return place{open: true, propose: !a.given().IsZero()}
	}
	return place{wait: true}
}

func contains(leads []lead, l lead) bool {
	for _, one := range leads {
		if one == l {
			return true
		}
	}
	return false
}

// unknown are the leads that lead to nobody: a decision that was made of that holds only while it is so (R8).
func (w *world) unknown() []lead {
	var list []lead
	for i, l := range w.leads {
		if w.found[i].Vault.IsZero() {
			list = append(list, l)
		}
	}
	return list
}
