package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/identity"
	"vidan/person"
)

type counterInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who acts. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         struct {
		Evidence Evidence `json:"evidence"`
	}
}

type codeOutput struct {
	Body struct {
		Code      string    `json:"code" doc:"For the person alone, on paper: it is not shown again."`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

// registerCounter registers what is done for somebody at a counter on evidence alone.
func (a *API) registerCounter(own []string) {
	tags, at := []string{"registrar"}, "/v1/citizens/{person}"
	type propose func(context.Context, guardAndActor, identity.VaultID, person.Evidence) (person.Approval, error)
	for _, act := range []struct {
		id, path, summary, description string
		kind                           person.ApprovalKind
		propose                        propose
	}{
		{"unblock-citizen", "/unblock", "Open a blocked account", "A first officer proposes; a second one confirms within 24 hours.", person.ApproveUnblock,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) (person.Approval, error) {
				return a.People.Unblock(ctx, by.guard, by.actor, v, ev)
			}},
		{"recover-citizen", "/recovery", "Recover an account", "For somebody who lost their phone or passphrase. A first officer proposes; when a second one has confirmed, everybody who has a way into the account may object: for 24 hours at level 2; then a one-time code goes out, and the old ways end when it is used.", person.ApproveRecovery,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) (person.Approval, error) {
				return a.People.Recover(ctx, by.guard, by.actor, v, ev)
			}},
		{"settle-recovery", "/recovery/settle", "Overrule an objection", "Both officers are of another office than the one that began the recovery.", person.ApproveSettlement,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) (person.Approval, error) {
				return a.People.Settle(ctx, by.guard, by.actor, v, ev)
			}},
		{"reverse-death", "/death/reverse", "Take a death back", "A reported or confirmed death that was wrong. A first officer proposes; a second one confirms within 24 hours.", person.ApproveRevival,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) (person.Approval, error) {
				return a.People.Revive(ctx, by.guard, by.actor, v, ev)
			}},
	} {
		operation(a, huma.Operation{OperationID: act.id, Method: http.MethodPost, Path: at + act.path, Tags: tags, DefaultStatus: http.StatusAccepted,
			Summary: act.summary, Description: act.description}, machine(auth.ScopeRegistrar), append([]string{"death_reported", "other_office_needed"}, own...),
			func(ctx context.Context, in *counterInput) (*approvalOutput, error) {
				return a.proposed(ctx, in.Organisation, in.Person, act.kind, func(by guardAndActor, v identity.VaultID) (person.Approval, error) {
					return act.propose(ctx, by, v, in.Body.Evidence.domain())
				})
			})
	}
	for _, act := range []struct {
		id, path, summary, description string
		right                          auth.Right
		do                             func(context.Context, guardAndActor, identity.VaultID, person.Evidence) error
	}{
		{"block-citizen", "/block", "Block an account", "At the next request nobody can use it, on every server; all sign-ins end. One officer may.", auth.RightRecover,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) error {
				return a.People.Block(ctx, by.guard, by.actor, v, ev)
			}},
		{"report-death", "/death", "Report a death", "At the next request nothing is done in the person's name and nothing they allowed is read. They can still say that they live.", auth.RightDeath,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) error {
				sector, err := a.sectorOf(ctx, by.actor.Officer.Organisation)
				if err != nil {
					return err
				}
				return a.People.ReportDeath(ctx, by.guard, by.actor, v, sector, ev)
			}},
		{"confirm-death", "/death/confirm", "Confirm a death", "By an extract of the register that another office than the reporter holds, seven days after the report.", auth.RightDeath,
			func(ctx context.Context, by guardAndActor, v identity.VaultID, ev person.Evidence) error {
				return a.People.ConfirmDeath(ctx, by.guard, by.actor, v, ev)
			}},
	} {
		operation(a, huma.Operation{OperationID: act.id, Method: http.MethodPost, Path: at + act.path, Tags: tags, DefaultStatus: http.StatusNoContent,
			Summary: act.summary, Description: act.description}, machine(auth.ScopeRegistrar), append([]string{"other_issuer_needed", "too_early"}, own...),
			func(ctx context.Context, in *counterInput) (*struct{}, error) {
				by, vault, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: act.right}, in.Person)
				if err != nil {
					return nil, err
				}
				return nil, act.do(ctx, by, vault, in.Body.Evidence.domain())
			})
	}
	operation(a, huma.Operation{OperationID: "hand-recovery-code", Method: http.MethodPost, Path: at + "/recovery/code", Tags: tags,
		Summary: "Hand over the code of a recovery", Description: "For somebody without a contact that may have it: none of their own, or none older than seven days. Drawn again, the one before is void."},
		machine(auth.ScopeRegistrar), own, a.handCode)
}

func (a *API) handCode(ctx context.Context, in *counterInput) (*codeOutput, error) {
	by, err := a.twoOfficers(ctx, in.Organisation, person.ApproveRecovery)
	if err != nil {
		return nil, err
	}
	vault, err := a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, in.Person)
	if err != nil {
		return nil, err
	}
	code, until, err := a.People.CounterCode(ctx, by.guard, by.actor, vault, in.Body.Evidence.domain())
	if err != nil {
		return nil, err
	}
	out := &codeOutput{}
	out.Body.Code, out.Body.ExpiresAt = code.Reveal(), until
	return out, nil
}
