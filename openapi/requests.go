package openapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/consent"
	"vidan/identity"
)

// AskBody is what an organisation asks people for, for one run of a procedure.
type AskBody struct {
	Organisation string     `json:"organisation" minLength:"1" maxLength:"64" doc:"The organisation you act for." example:"mam-non-hoa-mai"`
	Procedure    string     `json:"procedure" minLength:"1" maxLength:"64" doc:"Id from /v1/procedures." example:"kindergarten_enrolment"`
	Dossier      string     `json:"dossier_code" minLength:"1" maxLength:"64" doc:"Your code of this run of the procedure." example:"H24.99-261120-0007"`
	Parties      []AskParty `json:"parties" minItems:"1" maxItems:"20" doc:"Everybody who has a role in the dossier; who of them is asked follows from the fields."`
	Fields       []string   `json:"fields,omitempty" maxItems:"200" doc:"Fields of the form; left out: everything that can be reused. A field the procedure does not use refuses the whole request."`
	Mode         string     `json:"mode,omitempty" enum:"once,uses,until" doc:"How often what is allowed may be read; left out: once."`
	Uses         int        `json:"uses,omitempty" minimum:"0" maximum:"100" doc:"With mode uses: how often."`
	Until        *time.Time `json:"until,omitempty" doc:"When a permission ends at the latest: required with mode until, at most twelve months from now."`
	Purpose      string     `json:"purpose" pattern:"^[a-z0-9_.-]{1,64}$" doc:"Purpose code, shown to people." example:"kindergarten_enrolment"`
	Expiry       int        `json:"expires_in_hours,omitempty" minimum:"1" maximum:"720" doc:"How long people have to decide; left out: 72."`
}

// AskParty is one person of the dossier, named in exactly one way. Whether the person is known is never told.
type AskParty struct {
	Roles       []string `json:"roles" minItems:"1" maxItems:"10" doc:"Roles of the procedure." example:"[\"child\"]"`
	Number      string   `json:"personal_number,omitempty" pattern:"^[0-9]{12}$"`
	BirthNotice string   `json:"birth_notice_number,omitempty" maxLength:"18" doc:"A newborn whose number is pending."`
	Subject     string   `json:"sub,omitempty" maxLength:"128" doc:"The person's pairwise subject towards your organisation."`
	SubjectRef  string   `json:"subject_ref,omitempty" maxLength:"200" doc:"From a receipt of your organisation."`
}

// AskStatus is how far a request has come.
type AskStatus struct {
	ID        string    `json:"request_id"`
	State     string    `json:"state" enum:"open,complete,closed,expired" doc:"complete: everybody asked agreed to something; closed: everybody decided, not everybody agreed. Who did is nobody's business."`
	ExpiresAt time.Time `json:"expires_at"`
}

type askInput struct {
	Officer     string `header:"Officer-Assertion" doc:"JWS that names the officer who asks. Not with a token in which an officer acts."`
	Idempotency string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"255" doc:"Your own key: the same key and body give the same request."`
	Body        AskBody
}

// AskAnswer names a request.
type AskAnswer struct {
	ID string `json:"request_id" doc:"The request, as your organisation names it."`
}

type askOutput struct {
	Status   int
	Location string `header:"Location" doc:"Where the state of the request is read."`
	Body     AskAnswer
}

type askStatusInput struct {
	ID           string `path:"id" maxLength:"200"`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The organisation you act for."`
}

type askStatusOutput struct{ Body AskStatus }

func (a *API) registerRequests() {
	tags := []string{"organisations"}
	operation(a, huma.Operation{
		OperationID: "create-consent-request", Method: http.MethodPost, Path: "/v1/consent-requests", Tags: tags, DefaultStatus: http.StatusCreated,
		Responses: map[string]*huma.Response{
			"200": {Description: "Asked before", Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[AskAnswer](a)}}},
			"201": {Description: "Asked"},
		},
		Summary: "Ask people for their facts",
		Description: "Asks everybody whose facts the fields are. The answer is the same whether the people named exist, have an account, or neither. " +
			"The same Idempotency-Key with the same body answers 200 with the first request.",
	}, machine(auth.ScopeConsent), []string{"mandate_missing", "officer_assertion_required", "idempotency_key_required", "idempotency_conflict",
		"fields_outside_procedure", "too_many_open", "busy", "record_unavailable", "keys_unavailable", "outcome_unknown"}, a.ask)
	operation(a, huma.Operation{
		OperationID: "get-consent-request", Method: http.MethodGet, Path: "/v1/consent-requests/{id}", Tags: tags,
		Summary:     "How far a request has come",
		Description: "Complete or not, and never who refused or did not answer. The event request.decided tells the same without asking.",
	}, machine(auth.ScopeConsent), []string{"mandate_missing", codeNotFound}, a.askStatus)
}

func (a *API) ask(ctx context.Context, in *askInput) (*askOutput, error) {
	by, err := a.official(ctx, auth.Need{Organisation: in.Body.Organisation, Procedure: in.Body.Procedure, Right: auth.RightRequest})
	if err != nil {
		return nil, err
	}
	sector, err := a.sectorOf(ctx, in.Body.Organisation)
	if err != nil {
		return nil, err
	}
	r := consent.NewRequest{
		Organisation: in.Body.Organisation, Client: caller(ctx).ClientID, Officer: by.actor.Officer, Procedure: in.Body.Procedure,
		Dossier: in.Body.Dossier, Fields: in.Body.Fields, Mode: consent.Mode(in.Body.Mode), Uses: in.Body.Uses, Purpose: in.Body.Purpose,
		Expiry: time.Duration(in.Body.Expiry) * time.Hour, IdempotencyKey: in.Idempotency, Trace: requestOf(ctx).id,
	}
	if in.Body.Until != nil {
		r.Until = *in.Body.Until
	}
	var faults []Fault
	for i, p := range in.Body.Parties {
		ref, fault := a.partyRef(sector, p)
		if fault != "" {
			faults = append(faults, Fault{Pointer: "/parties/" + strconv.Itoa(i), Code: fault})
		}
		r.Parties = append(r.Parties, consent.Party{Roles: p.Roles, Ref: ref})
	}
	if len(faults) > 0 {
		return nil, newProblem(ctx, codeInvalidRequest, faults...)
	}
	id, created, err := a.Consent.Create(ctx, by.guard, r)
	if err != nil {
		return nil, withPointers(ctx, err, in.Body.Fields)
	}
	out := &askOutput{Status: http.StatusOK}
	if created {
		out.Status = http.StatusCreated
	}
	raw := id.Bytes()
	out.Body.ID = a.Deployment.Ref(sector, kindRequest, raw[:])
	out.Location = a.Issuer + "/v1/consent-requests/" + out.Body.ID
	return out, nil
}

// partyRef reads how a person is named. A subject_ref that does not open names a paper that nobody has: it is answered as an unknown
// person is, and so is a foreign one (S1).
func (a *API) partyRef(sector string, p AskParty) (ref consent.PartyRef, fault string) {
	named := 0
	for _, way := range []string{p.Number, p.BirthNotice, p.Subject, p.SubjectRef} {
		if way != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return ref, "one_of"
	case p.Number != "":
		number, err := identity.ParsePersonalNumber(p.Number)
		if err != nil {
			return ref, "format"
		}
		return consent.ByNumber(number), ""
	case p.BirthNotice != "":
		notice, err := identity.ParseBirthNotice(p.BirthNotice)
		if err != nil {
			return ref, "format"
		}
		return consent.ByNotice(notice), ""
	case p.Subject != "":
		return consent.BySubject(p.Subject), ""
	}
	raw, err := a.Deployment.OpenRef(sector, kindSubject, p.SubjectRef)
	if err != nil || len(raw) != 16 {
		// The same made-up reference is the same stranger each time, so that limits and idempotency keys count for it as for anybody.
		return consent.ByPaper(a.Deployment.DocumentID("", "", p.SubjectRef)), ""
	}
	return consent.ByPaper(identity.FromBytes[identity.DocumentID]([16]byte(raw))), ""
}

// withPointers names each field outside the procedure by its place in the request: what was written there never leaves.
func withPointers(ctx context.Context, err error, asked []string) error {
	var outside *consent.OutsideFields
	if !errors.As(err, &outside) {
		return err
	}
	var faults []Fault
	for i, name := range asked {
		if slices.Contains(outside.Fields, name) {
			faults = append(faults, Fault{Pointer: "/fields/" + strconv.Itoa(i), Code: "unknown_to_procedure"})
		}
	}
	return newProblem(ctx, "fields_outside_procedure", faults...)
}

func (a *API) askStatus(ctx context.Context, in *askStatusInput) (*askStatusOutput, error) {
	sector, err := a.sectorOf(ctx, in.Organisation)
	if err != nil {
		return nil, err
	}
	guard := guarded(ctx, a.Auth.Mandate(caller(ctx).ClientID, auth.Need{Organisation: in.Organisation, Right: auth.RightRequest}))
	status, err := a.Consent.Status(ctx, guard, in.Organisation, a.requestIn(sector, in.ID))
	if err != nil {
		return nil, err
	}
	return &askStatusOutput{Body: AskStatus{ID: in.ID, State: string(status.State), ExpiresAt: status.Expires}}, nil
}

// requestIn reads a reference to a request. One that is no reference becomes an id that no request has, so that the same statements run (S1).
func (a *API) requestIn(sector, ref string) identity.RequestID {
	raw, err := a.Deployment.OpenRef(sector, kindRequest, ref)
	if err != nil || len(raw) != 16 {
		return identity.NewID[identity.RequestID]()
	}
	return identity.FromBytes[identity.RequestID]([16]byte(raw))
}
