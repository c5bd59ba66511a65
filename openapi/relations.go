package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// Relation is who may act for a person, why and from when to when, as the registrar sees it.
type Relation struct {
	ID          string     `json:"relation_id"`
	Kind        string     `json:"kind" enum:"mother,father,legal_representative"`
	State       string     `json:"state" enum:"proposed,active,suspended,restricted,ended"`
	Reason      string     `json:"reason" doc:"Why it is in this state." example:"paper"`
	Actor       string     `json:"actor,omitempty" doc:"Handle of who acts; absent while nobody is enrolled under the number the paper gives."`
	Document    string     `json:"document_id,omitempty" doc:"The paper it stands on."`
	Revision    int        `json:"revision,omitempty"`
	ValidFrom   time.Time  `json:"valid_from"`
	ValidUntil  *time.Time `json:"valid_until,omitempty"`
	DecideAfter *time.Time `json:"decide_after,omitempty" doc:"Proposed: until then those it concerns can object."`
	Confirmed   bool       `json:"confirmed" doc:"A second officer confirmed it."`
}

type relationsInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
}

type relationsOutput struct {
	Body struct {
		Items []Relation `json:"items"`
	}
}

type relationInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who decides. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Relation     string `path:"relation" maxLength:"200"`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
}

type relationReasonInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who decides. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Relation     string `path:"relation" maxLength:"200"`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         struct {
		Reason string `json:"reason" pattern:"^[a-z0-9_.-]{1,64}$" doc:"Code of the ground, shown in the person's record." example:"court_order"`
	}
}

func (a *API) registerRelations() {
	tags := []string{"registrar"}
	own := []string{"mandate_missing", codeNotFound, "officer_assertion_required", "record_unavailable", "keys_unavailable"}
	change := append([]string{"state_conflict", "busy", "outcome_unknown"}, own...)
	at := "/v1/citizens/{person}/relations"
	operation(a, huma.Operation{OperationID: "list-relations", Method: http.MethodGet, Path: at, Tags: tags,
		Summary: "Who may act for a person", Description: "Every relation whatever its state. The reading is recorded with the person."},
		machine(auth.ScopeRegistrar), own, a.listRelations)
	operation(a, huma.Operation{OperationID: "confirm-relation", Method: http.MethodPost, Path: at + "/{relation}/confirm", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Confirm a relation", Description: "A second officer's word that a proposed or suspended relation is right; it takes effect when the waiting period is over and nothing contradicts it."},
		machine(auth.ScopeRegistrar), append([]string{"second_officer_needed"}, change...), func(ctx context.Context, in *relationInput) (*struct{}, error) {
			return a.turnRelation(ctx, in.Organisation, in.Person, in.Relation, func(by guardAndActor, person identity.VaultID, id identity.RelationID) error {
				return a.Consent.Confirm(ctx, by.guard, by.actor, person, id)
			})
		})
	for _, act := range []struct {
		id, summary, description string
		turn                     func(*consent.Ledger, context.Context, pg.Guard, audit.Actor, identity.VaultID, identity.RelationID, string) error
	}{
		{"restrict", "Restrict a relation", "Takes the right away by decision of a court, the registrar or a provisional request. For the actor it is at once as if it had never been.", (*consent.Ledger).Restrict},
		{"lift", "Lift a restriction", "Gives back a right that was restricted.", (*consent.Ledger).Lift},
		{"end", "End a relation", "Ends it for good.", (*consent.Ledger).End},
	} {
		operation(a, huma.Operation{OperationID: act.id + "-relation", Method: http.MethodPost, Path: at + "/{relation}/" + act.id, Tags: tags, DefaultStatus: http.StatusNoContent,
			Summary: act.summary, Description: act.description}, machine(auth.ScopeRegistrar), change, func(ctx context.Context, in *relationReasonInput) (*struct{}, error) {
			return a.turnRelation(ctx, in.Organisation, in.Person, in.Relation, func(by guardAndActor, person identity.VaultID, id identity.RelationID) error {
				return act.turn(a.Consent, ctx, by.guard, by.actor, person, id, in.Body.Reason)
			})
		})
	}
}

func (a *API) listRelations(ctx context.Context, in *relationsInput) (*relationsOutput, error) {
	by, person, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightRelation}, in.Person)
	if err != nil {
		return nil, err
	}
	list, err := a.Consent.Relations(ctx, by.guard, person)
	if err != nil {
		return nil, err
	}
	if err := a.recordReading(ctx, by, person); err != nil {
		return nil, err
	}
	out := &relationsOutput{}
	out.Body.Items = make([]Relation, len(list))
	for i, r := range list {
		out.Body.Items[i] = a.relation(ctx, r)
	}
	return out, nil
}

// recordReading records that an officer read who may act for a person, before it is answered; if it cannot be recorded, nothing is.
func (a *API) recordReading(ctx context.Context, by guardAndActor, person identity.VaultID) error {
	keys, err := a.Vaults.OpenOne(ctx, a.Pool, person)
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	_, err = a.Audit.Queue(b, keys, audit.Entry{
		Vault: person, Kind: audit.RelationsRead, Actor: by.actor, Organisation: by.actor.Officer.Organisation, RequestTrace: requestOf(ctx).id,
	}, a.Now())
	if err != nil {
		return err
	}
	return pg.Pipeline(ctx, a.Pool, b)
}

func (a *API) relation(ctx context.Context, r consent.Relation) Relation {
	out := Relation{
		ID: a.ref(ctx, kindRelation, r.ID.Bytes()), Kind: string(r.Kind), State: string(r.State), Reason: string(r.Reason), ValidFrom: r.ValidFrom, Confirmed: r.Confirmed,
	}
	if !r.Actor.IsZero() {
		out.Actor = a.People.Ref(caller(ctx).Sector, r.Actor)
	}
	if !r.Document.IsZero() {
		out.Document, out.Revision = a.ref(ctx, kindDocument, r.Document.Bytes()), r.Revision
	}
	if !r.ValidUntil.IsZero() {
		out.ValidUntil = &r.ValidUntil
	}
	if r.State == consent.Proposed && !r.DecideAfter.IsZero() {
		out.DecideAfter = &r.DecideAfter
	}
	return out
}

// turnRelation carries out what an officer decided about a relation.
func (a *API) turnRelation(ctx context.Context, organisation, handle, relation string, turn func(guardAndActor, identity.VaultID, identity.RelationID) error) (*struct{}, error) {
	by, person, err := a.officialFor(ctx, auth.Need{Organisation: organisation, Right: auth.RightRelation}, handle)
	if err != nil {
		return nil, err
	}
	id, err := a.openRef(ctx, kindRelation, relation)
	if err != nil {
		id = identity.NewID[identity.RelationID]().Bytes() // the same statements run as for a missing one (S1)
	}
	return nil, turn(by, person, identity.FromBytes[identity.RelationID](id))
}
