package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// SilencedOrganisation asks a person nothing on the phone any more.
type SilencedOrganisation struct {
	Organisation NameOf    `json:"organisation"`
	Since        time.Time `json:"since"`
}

type silencedOutput struct {
	Body struct {
		Items []SilencedOrganisation `json:"items"`
	}
}

type silencedInput struct {
	Organisation string `path:"organisation" maxLength:"64" doc:"Id of the organisation."`
}

func (a *API) registerSilenced() {
	tags := []string{"citizen"}
	faults := []string{codeNotFound, "keys_unavailable", "record_unavailable", "outcome_unknown"}
	operation(a, huma.Operation{OperationID: "list-silenced", Method: http.MethodGet, Path: "/v1/me/silenced", Tags: tags,
		Summary: "Who may not ask on your phone", Description: "Organisations of which you said \"never again\". Their requests still wait in your wallet."},
		citizen(1), nil, a.listSilenced)
	operation(a, huma.Operation{OperationID: "silence-organisation", Method: http.MethodPost, Path: "/v1/me/silenced/{organisation}", Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "No more questions on the phone",
		Description: "The organisation is not told: its questions stay unanswered until they are over."}, citizen(1), faults, a.silence)
	operation(a, huma.Operation{OperationID: "hear-organisation", Method: http.MethodDelete, Path: "/v1/me/silenced/{organisation}", Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "Let an organisation ask again", Description: "From the next question on."}, citizen(1), faults, a.hear)
}

func (a *API) listSilenced(ctx context.Context, _ *struct{}) (*silencedOutput, error) {
	list, err := a.Auth.Silenced(ctx, guarded(ctx), caller(ctx).Vault)
	if err != nil {
		return nil, err
	}
	names, err := a.Names.All(ctx)
	if err != nil {
		return nil, err
	}
	out := &silencedOutput{}
	out.Body.Items = make([]SilencedOrganisation, len(list))
	for i, s := range list {
		name := names[s.Organisation]
		out.Body.Items[i] = SilencedOrganisation{Organisation: NameOf{ID: s.Organisation, VI: name.VI, EN: name.EN}, Since: s.Since}
	}
	return out, nil
}

func (a *API) silence(ctx context.Context, in *silencedInput) (*struct{}, error) {
	return nil, a.setSilenced(ctx, in.Organisation, true)
}

func (a *API) hear(ctx context.Context, in *silencedInput) (*struct{}, error) {
	return nil, a.setSilenced(ctx, in.Organisation, false)
}

func (a *API) setSilenced(ctx context.Context, organisation string, silent bool) error {
	me := caller(ctx)
	return a.Auth.Silence(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, organisation, silent)
}
