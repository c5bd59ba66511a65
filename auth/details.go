package auth

import (
	"errors"
	"net/http"
	"time"

	"vidan/consent"
	"vidan/identity"
)

// Rich authorization requests (RFC 9396). One type is known: vidan_procedure, a request for facts for one run of a procedure, with the members
// of POST /v1/consent-requests. The person who signs in is the party with the roles that the object names; the others are in parties. It is
// taken only where nobody between client and server reads it, because it names a dossier, and its other people: pushed (RFC 9126), or on the back
// channel.
const (
	detailsParam = "authorization_details"
	detailsType  = "vidan_procedure"
	codeDetails  = "invalid_authorization_details" // RFC 9396 §5

	// maxDetails bounds the parameter: twenty people and every field of the largest form are a third of it.
	maxDetails = 16 << 10
)

func wrongDetails(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, codeDetails, description}
}

// procedureDetails is an object of type vidan_procedure, as a client sends it (RFC 9396 §2).
type procedureDetails struct {
	Type         string        `json:"type"`
	Organisation string        `json:"organisation"`
	Procedure    string        `json:"procedure"`
	Dossier      string        `json:"dossier_code"`
	Roles        []string      `json:"roles"` // of whoever signs in
	Parties      []detailParty `json:"parties,omitempty"`
	Fields       []string      `json:"fields,omitempty"`
	Mode         string        `json:"mode,omitempty"`
	Uses         int           `json:"uses,omitempty"`
	Until        *time.Time    `json:"until,omitempty"`
	Purpose      string        `json:"purpose"`
	Hours        int           `json:"expires_in_hours,omitempty"`
}

// detailParty is another person of the dossier, named in exactly one way.
type detailParty struct {
	Roles       []string `json:"roles"`
	Number      string   `json:"personal_number,omitempty"`
	BirthNotice string   `json:"birth_notice_number,omitempty"`
	Subject     string   `json:"sub,omitempty"`
	SubjectRef  string   `json:"subject_ref,omitempty"`
}

// parseDetails reads the parameter. An object of another type, with a member that the type does not have, with one missing or of another kind is
// refused whole (RFC 9396 §5); so is a second object: a person answers one question at a time.
func parseDetails(text string) (procedureDetails, error) {
	var list []procedureDetails
	if len(text) > maxDetails || consent.DecodeStrict([]byte(text), &list) != nil {
		return procedureDetails{}, wrongDetails("authorization_details is not a JSON array of objects with the members of their type")
	}
	if len(list) != 1 {
		return procedureDetails{}, wrongDetails("authorization_details has one object")
	}
	d := list[0]
	switch {
	case d.Type != detailsType:
		return d, wrongDetails("the only type is vidan_procedure")
	case d.Organisation == "" || d.Procedure == "" || d.Dossier == "" || d.Purpose == "":
		return d, wrongDetails("organisation, procedure, dossier_code and purpose are needed")
	case len(d.Roles) == 0:
		return d, wrongDetails("roles of the person who signs in are needed")
	case d.Hours < 0 || d.Hours > 720 || d.Uses < 0:
		return d, wrongDetails("a number is out of bounds")
	}
	return d, nil
}

// errParty reports a person of the dossier who is not named in exactly one way.
var errParty = errors.New("auth: a party is not named in exactly one way")

// ref reads how a person of the dossier is named. A subject_ref that does not open names a paper that nobody has: whether it was ever one is not
// told (S1).
func (p detailParty) ref(s *Server, sector string) (consent.PartyRef, error) {
	named := 0
	for _, way := range []string{p.Number, p.BirthNotice, p.Subject, p.SubjectRef} {
		if way != "" {
			named++
		}
	}
	switch {
	case named != 1 || len(p.Subject) > 128 || len(p.SubjectRef) > 200:
		return consent.PartyRef{}, errParty
	case p.Number != "":
		number, err := identity.ParsePersonalNumber(p.Number)
		if err != nil {
			return consent.PartyRef{}, errParty
		}
		return consent.ByNumber(number), nil
	case p.BirthNotice != "":
		notice, err := identity.ParseBirthNotice(p.BirthNotice)
		if err != nil {
			return consent.PartyRef{}, errParty
		}
		return consent.ByNotice(notice), nil
	case p.Subject != "":
		return consent.BySubject(p.Subject), nil
	}
	raw, err := s.deployment.OpenRef(sector, subjectKind, p.SubjectRef)
	if err != nil || len(raw) != 16 {
		return consent.ByPaper(s.deployment.DocumentID("", "", p.SubjectRef)), nil
	}
	return consent.ByPaper(identity.FromBytes[identity.DocumentID]([16]byte(raw))), nil
}

// subjectKind is the kind of reference by which a receipt names the person of a paper.
const subjectKind = "subject"

// request is what the details ask, with vault as the person who signed in.
func (d *procedureDetails) request(s *Server, sector string, vault identity.VaultID) (consent.NewRequest, error) {
	r := consent.NewRequest{
		Organisation: d.Organisation, Procedure: d.Procedure, Dossier: d.Dossier, Fields: d.Fields, Mode: consent.Mode(d.Mode), Uses: d.Uses,
		Purpose: d.Purpose, Expiry: time.Duration(d.Hours) * time.Hour, Parties: []consent.Party{{Roles: d.Roles, Ref: consent.ByVault(vault)}},
	}
	if d.Until != nil {
		r.Until = *d.Until
	}
	for _, p := range d.Parties {
		ref, err := p.ref(s, sector)
		if err != nil {
			return r, err
		}
		r.Parties = append(r.Parties, consent.Party{Roles: p.Roles, Ref: ref})
	}
	return r, nil
}
