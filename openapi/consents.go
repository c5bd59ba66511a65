package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// Consent is what one person allowed an organisation.
type Consent struct {
	ID           string         `json:"consent_id"`
	RequestID    string         `json:"request_id"`
	Organisation NameOf         `json:"organisation"`
	Procedure    NameOf         `json:"procedure"`
	Dossier      string         `json:"dossier_code"`
	Purpose      string         `json:"purpose"`
	Roles        []string       `json:"roles"`
	Fields       []ConsentField `json:"fields"`
	Mode         string         `json:"mode" enum:"once,uses,until"`
	State        string         `json:"state" enum:"active,paused,consumed,withdrawn,expired,suspended"`
	Uses         int            `json:"uses,omitempty" doc:"How often it may be used in all; absent: any number."`
	UsesLeft     *int           `json:"uses_left,omitempty"`
	ValidFrom    time.Time      `json:"valid_from"`
	ValidUntil   time.Time      `json:"valid_until"`
	Pinned       []Pin          `json:"pinned" doc:"With mode once: the papers it opens."`
	Replaces     string         `json:"replaces,omitempty"`
	By           string         `json:"given_by" enum:"person,representative,both"`
	NoAccount    bool           `json:"person_without_account,omitempty" doc:"The person would have had to agree too, but had no account."`
	Used         int            `json:"used" doc:"How often it was used."`
	LastUsed     *time.Time     `json:"last_used_at,omitempty"`
}

// ConsentField is one field that was allowed.
type ConsentField struct {
	Name    string `json:"name"`
	TitleVI string `json:"title_vi"`
	TitleEN string `json:"title_en"`
}

type consentsInput struct {
	Person string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	Cursor string `query:"cursor" maxLength:"400"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type consentsOutput struct {
	Link string `header:"Link" doc:"RFC 8288: the next page."`
	Body struct {
		Items []Consent `json:"items"`
		Next  string    `json:"next,omitempty" doc:"Cursor of the next page."`
	}
}

type consentInput struct {
	Person string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	ID     string `path:"id" maxLength:"200"`
}

type receiptOutput struct {
	Body struct {
		Receipt string `json:"receipt" doc:"Signed receipt (typ vidan-consent-receipt+jwt); the first one when it was done before."`
	}
}

type receiptsOutput struct {
	Body struct {
		Items []string `json:"items" doc:"Every receipt in the order in which it was given, byte for byte as then."`
	}
}

func (a *API) registerConsents() {
	tags := []string{"citizen"}
	own := []string{codeNotFound, "keys_unavailable"}
	change := append([]string{"state_conflict", "busy", "record_unavailable", "outcome_unknown"}, own...)
	operation(a, huma.Operation{OperationID: "list-consents", Method: http.MethodGet, Path: "/v1/people/{person}/consents", Tags: tags,
		Summary: "What was allowed to whom", Description: "Every permission, ended ones too, newest first."}, citizen(1), own, a.listConsents)
	operation(a, huma.Operation{OperationID: "withdraw-consent", Method: http.MethodPost, Path: "/v1/people/{person}/consents/{id}/withdraw", Tags: tags,
		Summary: "Withdraw a permission", Description: "Ends it at once: the very next reading is refused, on every server. The organisation is told. Done again, the first receipt is returned."},
		citizen(1), change, a.changing((*consent.Ledger).Withdraw))
	operation(a, huma.Operation{OperationID: "pause-consent", Method: http.MethodPost, Path: "/v1/people/{person}/consents/{id}/pause", Tags: tags,
		Summary: "Pause a permission", Description: "Nothing is read until it is resumed; its time goes on."}, citizen(1), change, a.changing((*consent.Ledger).Pause))
	operation(a, huma.Operation{OperationID: "resume-consent", Method: http.MethodPost, Path: "/v1/people/{person}/consents/{id}/resume", Tags: tags,
		Summary: "Resume a paused permission", Description: "Only whoever paused it may, or the person once of age."}, citizen(1), change, a.changing((*consent.Ledger).Resume))
	operation(a, huma.Operation{OperationID: "list-receipts", Method: http.MethodGet, Path: "/v1/people/{person}/consents/{id}/receipts", Tags: tags,
		Summary: "Receipts of a permission", Description: "Proof of every change, signed; also for a permission that was refused."}, citizen(1), own, a.listReceipts)
}

func (a *API) listConsents(ctx context.Context, in *consentsInput) (*consentsOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	grants, next, err := a.Consent.Grants(ctx, guarded(ctx), acting, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &consentsOutput{Link: a.next(ctx, next)}
	out.Body.Items, out.Body.Next = make([]Consent, len(grants)), next
	for i, g := range grants {
		if out.Body.Items[i], err = a.consent(ctx, g); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// changing is the handler of one change of a permission.
func (a *API) changing(change func(*consent.Ledger, context.Context, pg.Guard, consent.Acting, identity.GrantID) (string, error)) func(context.Context, *consentInput) (*receiptOutput, error) {
	return func(ctx context.Context, in *consentInput) (*receiptOutput, error) {
		acting, err := a.who(ctx, in.Person)
		if err != nil {
			return nil, err
		}
		receipt, err := change(a.Consent, ctx, guarded(ctx), acting, a.grantID(ctx, in.ID))
		if err != nil {
			return nil, err
		}
		out := &receiptOutput{}
		out.Body.Receipt = receipt
		return out, nil
	}
}

func (a *API) listReceipts(ctx context.Context, in *consentInput) (*receiptsOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	receipts, err := a.Consent.Receipts(ctx, guarded(ctx), acting, a.grantID(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	out := &receiptsOutput{}
	out.Body.Items = receipts
	return out, nil
}

// grantID reads a reference to a permission; one that is no reference becomes an id that none has (S1).
func (a *API) grantID(ctx context.Context, ref string) identity.GrantID {
	id, err := a.openRef(ctx, kindGrant, ref)
	if err != nil {
		return identity.NewID[identity.GrantID]()
	}
	return identity.FromBytes[identity.GrantID](id)
}

func (a *API) consent(ctx context.Context, g consent.Grant) (Consent, error) {
	out := Consent{
		ID: a.ref(ctx, kindGrant, g.ID.Bytes()), RequestID: a.ref(ctx, kindRequest, g.Request.Bytes()),
		Organisation: NameOf{g.Organisation, g.OrganisationVI, g.OrganisationEN}, Procedure: NameOf{ID: g.Procedure}, Dossier: g.Dossier, Purpose: g.Purpose,
		Roles: g.Roles, Fields: []ConsentField{}, Mode: string(g.Mode), State: string(g.State), Uses: g.Uses, ValidFrom: g.ValidFrom, ValidUntil: g.ValidUntil,
		Pinned: []Pin{}, By: "representative", NoAccount: g.NoAccount, Used: g.Used,
	}
	if out.Organisation.VI == "" { // of a decision just made
		names, err := a.Names.All(ctx)
		if err != nil {
			return Consent{}, err
		}
		out.Organisation.VI, out.Organisation.EN = names[g.Organisation].VI, names[g.Organisation].EN
	}
	p, known := a.Catalogue.Procedure(g.Procedure)
	if known {
		out.Procedure.VI, out.Procedure.EN = p.Name.VI, p.Name.EN
	}
	for _, name := range g.Fields {
		field := ConsentField{Name: name}
		if known {
			if f, ok := p.Field(name); ok {
				field.TitleVI, field.TitleEN = f.TitleVI, f.TitleEN
			}
		}
		out.Fields = append(out.Fields, field)
	}
	for _, d := range g.Pinned {
		out.Pinned = append(out.Pinned, Pin{Document: a.ref(ctx, kindDocument, d.Document.Bytes()), Revision: d.Revision})
	}
	if g.Mode != consent.Until {
		out.UsesLeft = &g.UsesLeft
	}
	if !g.Replaces.IsZero() {
		out.Replaces = a.ref(ctx, kindGrant, g.Replaces.Bytes())
	}
	if g.BySelf {
		out.By = "person"
	}
	if g.ByBoth {
		out.By = "both"
	}
	if !g.LastUsed.IsZero() {
		out.LastUsed = &g.LastUsed
	}
	return out, nil
}
