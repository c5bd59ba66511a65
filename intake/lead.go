package intake

import (
	"encoding/json"
	"slices"

	"vidan/identity"
	"vidan/person"
	"vidan/seal"
)

// lead is one thing that may lead to the person of a result: a personal number, a birth notice or a register entry. Exactly one
// member is set.
type lead struct {
	number       identity.PersonalNumber
	notice       identity.BirthNotice
	registration identity.Registration
}

// leads are those that a delivery gives, or, of one that was kept, what it waits under.
func (a *arrival) leads() []lead {
	if a.under != nil {
		return slices.Clone(a.under)
	}
	var list []lead
	if n := a.given(); !n.IsZero() {
		list = append(list, lead{number: n})
	}
	return append(list, a.notices()...)
}

// notices are the leads by which a birth certificate may open a vault, and which go on leading to it.
func (a *arrival) notices() []lead {
	var list []lead
	if !a.Subject.Notice.IsZero() {
		list = append(list, lead{notice: a.Subject.Notice})
	}
	if !a.Subject.Registration.IsZero() {
		list = append(list, lead{registration: a.Subject.Registration})
	}
	return list
}

func (l lead) identifier() person.Identifier {
	switch {
	case !l.number.IsZero():
		return person.NumberIdentifier(l.number)
	case !l.notice.IsZero():
		return person.NoticeIdentifier(l.notice)
	}
	id, _ := person.RegistrationIdentifier(l.registration.Parts()) // it was parsed when it came
	return id
}

func identifiers(leads []lead) []person.Identifier {
	ids := make([]person.Identifier, len(leads), len(leads)+4)
	for i, l := range leads {
		ids[i] = l.identifier()
	}
	return ids
}

// sealedLead is a lead as it lies sealed.
type sealedLead struct {
	Number       string    `json:"personal_number,omitempty"`
	Notice       string    `json:"birth_notice_number,omitempty"`
	Registration [3]string `json:"registration,omitzero"`
}

// MarshalJSON writes the value in clear: leads are only ever written into a seal.
func (l lead) MarshalJSON() ([]byte, error) {
	s := sealedLead{Number: l.number.Reveal(), Notice: l.notice.Reveal()}
	if !l.registration.IsZero() {
		s.Registration[0], s.Registration[1], s.Registration[2] = l.registration.Parts()
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *lead) UnmarshalJSON(raw []byte) (err error) {
	var s sealedLead
	if json.Unmarshal(raw, &s) != nil {
		return seal.ErrSealed
	}
	switch {
	case s.Number != "":
		l.number, err = identity.ParsePersonalNumber(s.Number)
	case s.Notice != "":
		l.notice, err = identity.ParseBirthNotice(s.Notice)
	default:
		l.registration, err = identity.ParseRegistration(s.Registration[0], s.Registration[1], s.Registration[2])
	}
	return err
}
