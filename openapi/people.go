package openapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"vidan/consent"
)

// Person is somebody one may act for.
type Person struct {
	Handle   string `json:"person" doc:"Names the person in /v1/people/{person}/…; made for you alone."`
	Name     string `json:"name,omitempty" doc:"Full name."`
	Relation string `json:"relation" enum:"self,mother,father,legal_representative" doc:"By what right you act."`
}

type peopleOutput struct {
	Body struct {
		Items []Person `json:"items"`
	}
}

func (a *API) registerPeople() {
	operation(a, huma.Operation{OperationID: "list-people", Method: http.MethodGet, Path: "/v1/people", Tags: []string{"citizen"},
		Summary: "Whom you may act for", Description: "Yourself, and those you represent now. A relation that was restricted or has ended is not listed."},
		citizen(1), nil, a.listPeople)
}

func (a *API) listPeople(ctx context.Context, _ *struct{}) (*peopleOutput, error) {
	me := caller(ctx)
	people, err := a.Consent.People(ctx, guarded(ctx), me.Vault, me.Sector)
	if err != nil {
		return nil, err
	}
	out := &peopleOutput{}
	out.Body.Items = []Person{{Handle: consent.Me, Relation: "self"}}
	for _, p := range people {
		out.Body.Items = append(out.Body.Items, Person{Handle: p.Handle, Name: p.Name.Reveal(), Relation: string(p.Kind)})
	}
	return out, nil
}
