package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/consent"
	"vidan/identity"
	"vidan/place"
	"vidan/prefill"
)

// FilledForm is a form, filled with what was allowed.
type FilledForm struct {
	Disclosure string          `json:"disclosure_id" doc:"Names this release; the same when it is repeated."`
	Request    string          `json:"request_id"`
	Procedure  string          `json:"procedure"`
	Dossier    string          `json:"dossier_code"`
	At         time.Time       `json:"at"`
	Repeated   bool            `json:"repeated" doc:"Released before under the same Idempotency-Key: the same revisions, nothing used up."`
	Fields     []FilledField   `json:"fields"`
	Missing    []MissingField  `json:"missing" doc:"What is left to type, and why."`
	Conflicts  []FieldConflict `json:"conflicts" doc:"Papers that disagree; only over fields that everybody concerned allowed."`
	Signed     string          `json:"signed" doc:"JWS (typ vidan-prefill+jwt) with a salted digest for each field, so that one value can be shown without the others."`
}

// FilledField is one field with its value and where it stands.
type FilledField struct {
	Name     string          `json:"name" example:"child_full_name"`
	Value    json.RawMessage `json:"value,omitempty" doc:"Absent when the person has to choose."`
	Choices  []FieldChoice   `json:"choices,omitempty" doc:"Several papers say different things: the person chooses."`
	Source   *FieldSource    `json:"source,omitempty"`
	Editable bool            `json:"editable"`
	Proposal bool            `json:"proposal" doc:"A fact of another person, offered: it has to be confirmed."`
	Address  *FieldAddress   `json:"address,omitempty"`
	Salt     string          `json:"salt" doc:"The digest in signed is SHA-256(salt ‖ name ‖ 0x00 ‖ value as answered), base64url."`
}

// FieldChoice is one of several values.
type FieldChoice struct {
	Value  json.RawMessage `json:"value"`
	Source FieldSource     `json:"source"`
}

// FieldSource is the paper a value stands in.
type FieldSource struct {
	DocumentType string    `json:"document_type" example:"birth_certificate"`
	Document     string    `json:"document_id" doc:"As the reader's sector names it."`
	Revision     int       `json:"revision"`
	Issuer       string    `json:"issuer" doc:"Id of the issuing organisation."`
	IssuedAt     time.Time `json:"issued_at"`
	Pointer      string    `json:"pointer" doc:"JSON Pointer into the paper." example:"/full_name"`
	FactOf       string    `json:"fact_of" doc:"Role of the person whose fact it is." example:"child"`
}

// FieldAddress shows an address as issued beside its unit of today; what cannot be told is never guessed.
type FieldAddress struct {
	State      string             `json:"state" enum:"current,converted,ambiguous,unknown,text_only"`
	Issued     PlainAddress       `json:"issued" doc:"As the paper has it."`
	Present    *PlainAddress      `json:"present,omitempty" doc:"In the units of today; absent unless it can be told."`
	Successors []AddressSuccessor `json:"successors,omitempty" doc:"Where a commune was split: the units of today among which the person chooses."`
}

// PlainAddress is an address with its coded units.
type PlainAddress struct {
	Text         string `json:"text"`
	UnitSystem   string `json:"unit_system,omitempty" enum:"before_2025_07_01,from_2025_07_01"`
	ProvinceCode string `json:"province_code,omitempty"`
	Province     string `json:"province,omitempty"`
	DistrictCode string `json:"district_code,omitempty"`
	District     string `json:"district,omitempty"`
	CommuneCode  string `json:"commune_code,omitempty"`
	Commune      string `json:"commune,omitempty"`
	Street       string `json:"street,omitempty"`
}

// AddressSuccessor is a unit of today that took over an old commune, or a part of it.
type AddressSuccessor struct {
	ProvinceCode string `json:"province_code"`
	Province     string `json:"province"`
	CommuneCode  string `json:"commune_code"`
	Commune      string `json:"commune"`
	Transfer     string `json:"transfer" doc:"How much of the old commune it took over." example:"part"`
}

// MissingField is one field left to type.
type MissingField struct {
	Name   string `json:"name"`
	Reason string `json:"reason" enum:"not_provided,no_document,issuer_pending,number_pending,expired,disputed,changed,must_be_typed" doc:"not_provided: nobody who could has allowed it, for whatever reason."`
}

// FieldConflict is a consistency check that does not hold.
type FieldConflict struct {
	Rule     string       `json:"rule"`
	Severity string       `json:"severity"`
	Message  string       `json:"message" doc:"In Vietnamese, for the officer and the person."`
	Left     ConflictSide `json:"left"`
	Right    ConflictSide `json:"right"`
}

// ConflictSide is one side of a conflict.
type ConflictSide struct {
	Field  string          `json:"field"`
	Value  json.RawMessage `json:"value,omitempty"`
	Source *FieldSource    `json:"source,omitempty"`
}

type prefillInput struct {
	Officer     string `header:"Officer-Assertion" doc:"JWS that names the officer who reads. Not with a token in which an officer acts."`
	Idempotency string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"255" doc:"Your own key: the same key and body are the same release, which uses nothing up."`
	Body        struct {
		Organisation string `json:"organisation" minLength:"1" maxLength:"64" doc:"The organisation you act for." example:"mam-non-hoa-mai"`
		Request      string `json:"request_id" minLength:"1" maxLength:"200" doc:"From /v1/consent-requests."`
	}
}

type prefillOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         FilledForm
}

func (a *API) registerPrefill() {
	operation(a, huma.Operation{OperationID: "prefill-form", Method: http.MethodPost, Path: "/v1/prefill", Tags: []string{"organisations"},
		Summary: "Fill a form with what was allowed", Description: "Redeems what people allowed on a request and answers every field with its source, or why it is missing. " +
			"The reading is recorded with everybody concerned before it is answered. The same Idempotency-Key is the same release, and refused after a withdrawal."},
		machine(auth.ScopePrefill), []string{"mandate_missing", "officer_assertion_required", "idempotency_key_required", codeNotFound, "not_granted", "grant_withdrawn",
			"grant_consumed", "grant_expired", "idempotency_conflict", "record_unavailable", "keys_unavailable", "outcome_unknown"}, a.fill)
}

func (a *API) fill(ctx context.Context, in *prefillInput) (*prefillOutput, error) {
	sector, err := a.sectorOf(ctx, in.Body.Organisation)
	if err != nil {
		return nil, err
	}
	need := auth.Need{Organisation: in.Body.Organisation, Right: auth.RightRequest}
	plan, found, err := a.planOf(ctx, sector, in.Body.Request)
	if err != nil {
		return nil, err
	}
	if found {
		need.Procedure = plan.Procedure()
	}
	by, err := a.official(ctx, need)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, a.missing(ctx, by.guard)
	}
	answer, err := a.Prefill.Fill(ctx, by.guard, prefill.Order{
		Request: plan.Request(), Organisation: in.Body.Organisation, Sector: sector, Client: caller(ctx).ClientID, Officer: by.actor.Officer,
		IdempotencyKey: in.Idempotency, Trace: requestOf(ctx).id,
	})
	if err != nil {
		return nil, as(ctx, err, consent.ErrExpired, "grant_expired")
	}
	return &prefillOutput{CacheControl: "no-store", Body: filledForm(answer)}, nil
}

// planOf finds what a request asks. Foreign and missing are one answer, after the caller was judged.
func (a *API) planOf(ctx context.Context, sector, ref string) (consent.Plan, bool, error) {
	raw, err := a.Deployment.OpenRef(sector, kindRequest, ref)
	if err != nil || len(raw) != 16 {
		return consent.Plan{}, false, nil
	}
	plan, err := a.Consent.PlanOf(ctx, a.Pool, identity.FromBytes[identity.RequestID]([16]byte(raw)))
	if errors.Is(err, consent.ErrNotFound) {
		return consent.Plan{}, false, nil
	}
	return plan, err == nil, err
}

func filledForm(a prefill.Answer) FilledForm {
	out := FilledForm{
		Disclosure: a.Disclosure, Request: a.Request, Procedure: a.Procedure, Dossier: a.Dossier, At: a.At, Repeated: a.Repeated, Signed: a.Signed,
		Fields: make([]FilledField, len(a.Fields)), Missing: make([]MissingField, len(a.Missing)), Conflicts: make([]FieldConflict, len(a.Conflicts)),
	}
	for i, f := range a.Fields {
		field := FilledField{
			Name: f.Name, Value: f.Value, Source: sourceOf(f.Source), Editable: f.Editable, Proposal: f.Proposal, Address: addressOf(f.Address), Salt: f.Salt,
		}
		for _, c := range f.Choices {
			field.Choices = append(field.Choices, FieldChoice{Value: c.Value, Source: *sourceOf(&c.Source)})
		}
		out.Fields[i] = field
	}
	for i, m := range a.Missing {
		out.Missing[i] = MissingField{Name: m.Name, Reason: string(m.Reason)}
	}
	for i, c := range a.Conflicts {
		out.Conflicts[i] = FieldConflict{Rule: c.Rule, Severity: c.Severity, Message: c.MessageVI, Left: sideOf(c.Left), Right: sideOf(c.Right)}
	}
	return out
}

func sideOf(s prefill.Side) ConflictSide {
	return ConflictSide{Field: s.Field, Value: s.Value, Source: sourceOf(s.Source)}
}

func sourceOf(s *prefill.Source) *FieldSource { return (*FieldSource)(s) }

func addressOf(a *prefill.Address) *FieldAddress {
	if a == nil {
		return nil
	}
	out := &FieldAddress{State: a.State, Issued: plainAddress(a.Issued)}
	if a.Present != nil {
		present := plainAddress(*a.Present)
		out.Present = &present
	}
	for _, s := range a.Successors {
		out.Successors = append(out.Successors, AddressSuccessor{
			ProvinceCode: s.Unit.Province.Code, Province: s.Unit.Province.Name, CommuneCode: s.Unit.Code, Commune: s.Unit.Name, Transfer: string(s.Transfer),
		})
	}
	return out
}

func plainAddress(a place.Revealed) PlainAddress {
	return PlainAddress{
		Text: a.Text, UnitSystem: string(a.UnitSystem), ProvinceCode: a.ProvinceCode, Province: a.Province, DistrictCode: a.DistrictCode,
		District: a.District, CommuneCode: a.CommuneCode, Commune: a.Commune, Street: a.Street,
	}
}

// rawOrNil keeps an absent value absent.
func rawOrNil(v json.RawMessage) any {
	if v == nil {
		return nil
	}
	return v
}
