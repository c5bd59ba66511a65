package openapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/delivery"
)

// Event is something that happened to your results or requests.
type Event struct {
	Seq  int64          `json:"seq" doc:"1, 2, 3 … without a gap; ask on with the last one you have." example:"17"`
	ID   string         `json:"id" doc:"The same on every reading."`
	Kind string         `json:"kind" doc:"result.quarantined, quarantine.resolved, request.decided, grant.withdrawn, …" example:"request.decided"`
	At   time.Time      `json:"at"`
	Body map[string]any `json:"body" doc:"Ids of your own, codes and numbers; never a value."`
}

type eventsInput struct {
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The organisation you act for."`
	After        int64  `query:"after" minimum:"0" default:"0" doc:"The last seq you have; 0 for the beginning."`
	Limit        int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type eventsOutput struct {
	Body struct {
		Events []Event `json:"events"`
		Next   int64   `json:"next" doc:"Ask with this after next time."`
	}
}

func (a *API) registerEvents() {
	operation(a, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"organisations"},
		Summary: "Everything that happened to your organisation", Description: "Every event of the organisation of the last 90 days, numbered after commit: asking on from the last number misses nothing.",
	}, machine("events"), []string{"mandate_missing"}, a.listEvents)
}

func (a *API) listEvents(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	guard := guarded(ctx, a.Auth.Mandate(caller(ctx).ClientID, auth.Need{Organisation: in.Organisation}))
	events, next, err := delivery.Events(ctx, a.Pool, guard, in.Organisation, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsOutput{}
	out.Body.Events, out.Body.Next = make([]Event, len(events)), next
	for i, e := range events {
		out.Body.Events[i] = Event{Seq: e.Seq, ID: e.ID.String(), Kind: e.Kind, At: e.At}
		if err := json.Unmarshal(e.Body, &out.Body.Events[i].Body); err != nil {
			return nil, err
		}
	}
	return out, nil
}
