package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
)

type issueCardInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who hands the card out. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
}

type issueCardOutput struct {
	Body struct {
		IssuedAt time.Time   `json:"issued_at"`
		Codes    []CardEntry `json:"codes" doc:"To be printed now: they are not shown again."`
	}
}

// CardEntry is one line of a printed card.
type CardEntry struct {
	Number int    `json:"number" minimum:"1" maximum:"40"`
	Code   string `json:"code" doc:"Six digits."`
}

func (a *API) registerCard(own []string) {
	operation(a, huma.Operation{OperationID: "issue-code-card", Method: http.MethodPost, Path: "/v1/citizens/{person}/code-card", Tags: []string{"registrar"}, DefaultStatus: http.StatusCreated,
		Summary: "Hand out a card of codes", Description: "For the person at the counter: 40 numbered codes, each good once beside the passphrase. The card before is void at once; so is this one when the call is repeated."},
		machine(auth.ScopeRegistrar), append([]string{"person_blocked"}, own...), a.issueCard)
}

func (a *API) issueCard(ctx context.Context, in *issueCardInput) (*issueCardOutput, error) {
	by, vault, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightLevel}, in.Person)
	if err != nil {
		return nil, err
	}
	card, err := a.Auth.IssueCard(ctx, by.guard, by.actor, vault)
	if err != nil {
		return nil, err
	}
	out := &issueCardOutput{}
	out.Body.IssuedAt, out.Body.Codes = card.IssuedAt, make([]CardEntry, len(card.Codes))
	for i, code := range card.Codes {
		out.Body.Codes[i] = CardEntry{Number: i + 1, Code: code.Reveal()}
	}
	return out, nil
}
