package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/person"
)

// OwnRecovery is a recovery of one's account that is under way.
type OwnRecovery struct {
	State     string    `json:"state" enum:"waiting,frozen,settled,coded" doc:"waiting: until ready_at you can object; frozen: somebody did, another office decides; settled: it decided; coded: a one-time code is out."`
	Office    NameOf    `json:"office" doc:"Where it began."`
	StartedAt time.Time `json:"started_at"`
	ReadyAt   time.Time `json:"ready_at" doc:"Before that no code goes out."`
	ExpiresAt time.Time `json:"expires_at"`
	MayObject bool      `json:"may_object"`
}

type recoveryOutput struct {
	Body struct {
		Recovery *OwnRecovery `json:"recovery,omitempty" doc:"Absent: nothing is under way."`
	}
}

type objectInput struct {
	Body struct {
		Object bool `json:"object" doc:"You have a way into the account and did not ask for this."`
	}
}

// registerAccount registers what people do with their own account.
func (a *API) registerAccount() {
	tags, own := []string{"citizen"}, []string{"record_unavailable", "keys_unavailable", "outcome_unknown"}
	operation(a, huma.Operation{OperationID: "block-account", Method: http.MethodPost, Path: "/v1/me/block", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Block your account", Description: "At the next request nobody can use it, and every sign-in ends, this one too. Only a counter opens it again, with two officers."},
		citizen(1), own, a.blockAccount)
	operation(a, huma.Operation{OperationID: "get-recovery", Method: http.MethodGet, Path: "/v1/me/recovery", Tags: tags,
		Summary: "Recovery of your account", Description: "Whether somebody said at a counter that your ways in are lost."}, citizen(1), nil, a.getRecovery)
	operation(a, huma.Operation{OperationID: "object-to-recovery", Method: http.MethodPost, Path: "/v1/me/recovery", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Object to a recovery", Description: "Freezes it: then two officers of another office decide, or it ends after seven days."},
		citizen(1), append([]string{"state_conflict"}, own...), a.objectToRecovery)
	operation(a, huma.Operation{OperationID: "say-alive", Method: http.MethodPost, Path: "/v1/me/alive", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "I am alive", Description: "The one thing somebody can do who was reported dead: the report fails, everything is as it was, and the office that made it is told."},
		citizen(1), append([]string{"state_conflict"}, own...), a.sayAlive)
}

func (a *API) blockAccount(ctx context.Context, _ *struct{}) (*struct{}, error) {
	me := caller(ctx)
	return nil, a.People.Block(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, person.Evidence{})
}

func (a *API) getRecovery(ctx context.Context, _ *struct{}) (*recoveryOutput, error) {
	out := &recoveryOutput{}
	r, under, err := a.People.RecoveryOf(ctx, guarded(ctx), caller(ctx).Vault)
	if err != nil || !under {
		return out, err
	}
	names, err := a.Names.All(ctx)
	if err != nil {
		return nil, err
	}
	out.Body.Recovery = &OwnRecovery{
		State: string(r.State), Office: NameOf{ID: r.Office, VI: names[r.Office].VI, EN: names[r.Office].EN}, StartedAt: r.StartedAt, ReadyAt: r.ReadyAt,
		ExpiresAt: r.ExpiresAt, MayObject: r.MayObject,
	}
	return out, nil
}

func (a *API) objectToRecovery(ctx context.Context, in *objectInput) (*struct{}, error) {
	if !in.Body.Object {
		return nil, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/object", Code: "value"})
	}
	me := caller(ctx)
	return nil, a.People.Object(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault)
}

// sayAlive is the one operation whose guard lets somebody pass who was reported dead.
func (a *API) sayAlive(ctx context.Context, _ *struct{}) (*struct{}, error) {
	me := caller(ctx)
	return nil, a.People.Alive(ctx, me.ReportedGuard(), reading(ctx, me.Vault).Actor, me.Vault)
}
