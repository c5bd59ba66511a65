package openapi

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/consent"
	"vidan/identity"
	"vidan/person"
)

type raiseInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who proposes. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         struct {
		Level          int             `json:"level" minimum:"1" maximum:"2"`
		Representative *Representative `json:"representative,omitempty" doc:"For a child under 14 or a ward whose account nobody opened yet."`
		Evidence       Evidence        `json:"evidence"`
	}
}

func (a *API) registerLevel(own []string) {
	operation(a, huma.Operation{OperationID: "raise-level", Method: http.MethodPost, Path: "/v1/citizens/{person}/level", Tags: []string{"registrar"}, DefaultStatus: http.StatusAccepted,
		Summary: "Raise the level of an account", Description: "A first officer proposes; a second one confirms within 24 hours, and the level is raised."},
		machine(auth.ScopeRegistrar), append([]string{"level_not_allowed", "representative_needed", "death_reported", "account_blocked"}, own...), a.raise)
}

func (a *API) raise(ctx context.Context, in *raiseInput) (*approvalOutput, error) {
	return a.proposed(ctx, in.Organisation, in.Person, person.ApproveLevel, func(by guardAndActor, vault identity.VaultID) (person.Approval, error) {
		who, err := a.representative(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightLevel}, in.Body.Representative, vault)
		if err != nil {
			return person.Approval{}, err
		}
		return a.People.Raise(ctx, by.guard, by.actor, vault, in.Body.Level, who, in.Body.Evidence.domain())
	})
}

// representative reads who opens another's account. The officer's proof is refused where the person's own vault says otherwise: a relation that was
// restricted or ended is not made good by the register that it came from.
func (a *API) representative(ctx context.Context, need auth.Need, body *Representative, child identity.VaultID) (person.Representative, error) {
	if body == nil {
		return person.Representative{}, nil
	}
	vault, err := a.named(ctx, body.Who)
	if err != nil {
		return person.Representative{}, err
	}
	who := person.Representative{Vault: vault, Right: person.RepresentativeRight(body.Right), Proof: body.Proof.domain()}
	if child.IsZero() {
		return who, nil
	}
	relations, err := a.Consent.Relations(ctx, standing(ctx, a.Auth.Mandate(caller(ctx).ClientID, need)), child)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return who, nil // what follows says that there is nobody
	case err != nil:
		return who, err
	}
	lost := slices.ContainsFunc(relations, func(r consent.Relation) bool {
		return r.Actor == vault && (r.State == consent.Restricted || r.State == consent.Ended || r.State == consent.Suspended)
	})
	if lost {
		return who, person.ErrRepresentative
	}
	return who, nil
}
