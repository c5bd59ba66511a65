package openapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
)

type findInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who looks. Not with a token in which an officer acts."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         struct {
		Who PersonName `json:"who"`
	}
}

type findOutput struct {
	Body struct {
		Person string `json:"person" doc:"Handle for later calls. Nobody has one too: it leads nowhere, and what follows answers not found."`
	}
}

func (a *API) registerFind(own []string) {
	operation(a, huma.Operation{OperationID: "find-citizen", Method: http.MethodPost, Path: "/v1/citizens/find", Tags: []string{"registrar"},
		Summary: "Handle of a person", Description: "Turns a number into the handle by which the registrar's other calls name a person, so that no number stands in an address. It tells nothing of whether there is such a person."},
		machine(auth.ScopeRegistrar), own, a.find)
}

func (a *API) find(ctx context.Context, in *findInput) (*findOutput, error) {
	by, err := a.registrar(ctx, in.Organisation, "")
	if err != nil {
		return nil, err
	}
	vault, err := a.named(ctx, in.Body.Who)
	if err != nil {
		return nil, err
	}
	if err := a.judged(ctx, by.guard); err != nil {
		return nil, err
	}
	out := &findOutput{}
	out.Body.Person = a.People.Ref(caller(ctx).Sector, vault)
	return out, nil
}
