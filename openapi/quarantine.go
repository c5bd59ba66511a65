package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/identity"
	"vidan/intake"
)

// QuarantineEntry is a valid result that a person must decide on.
type QuarantineEntry struct {
	ID           string    `json:"quarantine_id"`
	Organisation string    `json:"organisation" doc:"Who delivered it."`
	ResultID     string    `json:"result_id"`
	Reason       string    `json:"reason" enum:"subject_ambiguous,subject_changed,number_unknown,revision_conflict"`
	Deadline     time.Time `json:"deadline"`
	Overdue      bool      `json:"overdue"`
	CreatedAt    time.Time `json:"created_at"`
}

type quarantineInput struct {
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The organisation you act for."`
	Holder       string `query:"holder" enum:"organisation,registrar" default:"organisation" doc:"registrar: what concerns people, for the identity authority."`
	Cursor       string `query:"cursor" maxLength:"200" doc:"From the answer before."`
	Limit        int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type quarantineOutput struct {
	Link string `header:"Link" doc:"RFC 8288: the next page."`
	Body struct {
		Items []QuarantineEntry `json:"items"`
		Next  string            `json:"next,omitempty" doc:"Cursor of the next page."`
	}
}

type resolveInput struct {
	ID           string `path:"id" maxLength:"36"`
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who decides. Not with a token in which an officer acts."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The organisation you act for."`
	Holder       string `query:"holder" enum:"organisation,registrar" default:"organisation"`
	Body         struct {
		Action string `json:"action" enum:"store,discard" doc:"store puts it into the vault of the person named, discard gives it up."`
		Person string `json:"person,omitempty" maxLength:"200" doc:"Handle of the person, for store (registrar)."`
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why, for the holder's own records."`
	}
}

func (a *API) registerQuarantine() {
	operation(a, huma.Operation{
		OperationID: "list-quarantine", Method: http.MethodGet, Path: "/v1/quarantine", Tags: []string{"organisations", "registrar"},
		Summary: "Results that wait for your decision", Description: "Open entries whose holder is the organisation you act for, most urgent first. The registrar also holds what concerns people.",
	}, machine("results"), []string{"mandate_missing"}, a.listQuarantine)
	operation(a, huma.Operation{
		OperationID: "resolve-quarantine", Method: http.MethodPost, Path: "/v1/quarantine/{id}/resolve", Tags: []string{"organisations", "registrar"},
		Summary: "Decide on a quarantined result", Description: "Stores the result in the vault of the person named, or discards it. The deliverer gets an event.", DefaultStatus: http.StatusNoContent,
	}, machine("results"), []string{"mandate_missing", "not_found", "already_resolved", "officer_assertion_required", "record_unavailable"}, a.resolveQuarantine)
}

// holder says whose entries a caller sees, and the right that lets it: the registrar by its right to bind, an organisation by its right to resolve.
func holder(organisation, as string) (string, auth.Need) {
	if as == intake.Registrar {
		return intake.Registrar, auth.Need{Organisation: organisation, Right: auth.RightBind}
	}
	return organisation, auth.Need{Organisation: organisation, Right: auth.RightResolve}
}

func (a *API) listQuarantine(ctx context.Context, in *quarantineInput) (*quarantineOutput, error) {
	after, err := a.quarantineCursor(ctx, in.Cursor)
	if err != nil {
		return nil, err
	}
	whose, need := holder(in.Organisation, in.Holder)
	page, next, err := a.Intake.Quarantine(ctx, guarded(ctx, a.Auth.Mandate(caller(ctx).ClientID, need)), whose, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &quarantineOutput{}
	out.Body.Items = make([]QuarantineEntry, len(page))
	for i, e := range page {
		out.Body.Items[i] = QuarantineEntry{
			ID: e.ID.String(), Organisation: e.Organisation, ResultID: e.ResultID.String(), Reason: string(e.Reason),
			Deadline: e.Deadline, Overdue: e.Overdue(a.Now()), CreatedAt: e.CreatedAt,
		}
	}
	if next != nil {
		out.Body.Next = a.quarantineNext(ctx, *next)
		out.Link = a.next(ctx, out.Body.Next)
	}
	return out, nil
}

func (a *API) resolveQuarantine(ctx context.Context, in *resolveInput) (*struct{}, error) {
	id, err := identity.Parse[identity.ObjectID](in.ID)
	if err != nil {
		return nil, intake.ErrNotFound
	}
	whose, need := holder(in.Organisation, in.Holder)
	by, err := a.official(ctx, need)
	if err != nil {
		return nil, err
	}
	r := intake.Resolution{Action: intake.Action(in.Body.Action), Reason: in.Body.Reason}
	if in.Body.Person != "" {
		if r.Vault, err = a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, in.Body.Person); err != nil {
			return nil, err
		}
	}
	return nil, a.Intake.Resolve(ctx, by.guard, whose, id, by.actor, r)
}
