// Package client shows how an agency's program uses the client that is generated from the API document. It is compiled, not run: a change of
// the API that breaks it fails here.
package client

import (
	"context"
	"fmt"
	"net/http"

	"vidan/clients/go/vidan"
)

// Sign adds the access token and a fresh proof of possession to a request.
type Sign func(ctx context.Context, r *http.Request) error

// Fill asks for what a form needs and, once it is allowed, fills it.
func Fill(ctx context.Context, server string, sign Sign, officer, key, childRef string) (*vidan.FilledForm, error) {
	c, err := vidan.NewClientWithResponses(server, vidan.WithRequestEditorFn(vidan.RequestEditorFn(sign)))
	if err != nil {
		return nil, err
	}
	mode := vidan.AskBodyModeOnce
	asked, err := c.CreateConsentRequestWithResponse(ctx, &vidan.CreateConsentRequestParams{OfficerAssertion: &officer, IdempotencyKey: key}, vidan.AskBody{
		Organisation: "mam-non-hoa-mai", Procedure: "kindergarten_enrolment", DossierCode: "MN-2026-0001", Purpose: "enrolment", Mode: &mode,
		Parties: []vidan.AskParty{{Roles: []string{"child"}, SubjectRef: &childRef}},
	})
	if err != nil {
		return nil, err
	}
	if asked.JSON201 == nil {
		return nil, fmt.Errorf("asking answered %s", asked.Status())
	}
	filled, err := c.PrefillFormWithResponse(ctx, &vidan.PrefillFormParams{OfficerAssertion: &officer, IdempotencyKey: key},
		vidan.PrefillInputBody{Organisation: "mam-non-hoa-mai", RequestId: asked.JSON201.RequestId})
	if err != nil {
		return nil, err
	}
	if p := filled.ApplicationproblemJSON403; p != nil {
		return nil, fmt.Errorf("%s: %s", p.Code, p.NextStep)
	}
	return filled.JSON200, nil
}
