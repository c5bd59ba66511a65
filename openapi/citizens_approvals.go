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

// Approval is an act that needs two officers, proposed by the first.
type Approval struct {
	ID        string         `json:"approval_id"`
	Kind      string         `json:"kind" enum:"level,recovery,settlement,contact,unblock,revival"`
	Officer   ApprovalBy     `json:"proposed_by"`
	Level     int            `json:"level,omitempty" doc:"The level that is proposed."`
	Contact   *ContactChange `json:"contact,omitempty" doc:"The change of contacts that is proposed."`
	Evidence  Evidence       `json:"evidence"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt time.Time      `json:"expires_at" doc:"Until then a second officer can confirm."`
}

// ApprovalBy is the officer who proposed.
type ApprovalBy struct {
	Name         string `json:"name"`
	Post         string `json:"post"`
	Organisation string `json:"organisation"`
}

type approvalOutput struct {
	Body struct {
		ID        string    `json:"approval_id" doc:"For the second officer."`
		ExpiresAt time.Time `json:"expires_at" doc:"Until then they can confirm."`
	}
}

type approvalsInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Kind         string `query:"kind" required:"true" enum:"level,recovery,settlement,contact,unblock,revival"`
}

type approvalsOutput struct {
	Body struct {
		Items []Approval `json:"items"`
	}
}

type confirmApprovalInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the second officer. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Approval     string `path:"approval" maxLength:"200"`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
}

// approvalRight is the right that each of two officers needs.
func approvalRight(kind person.ApprovalKind) auth.Right {
	switch kind {
	case person.ApproveLevel:
		return auth.RightLevel
	case person.ApproveContact:
		return auth.RightContact
	case person.ApproveRevival:
		return auth.RightDeath
	}
	return auth.RightRecover
}

func (a *API) registerApprovals(own []string) {
	tags := []string{"registrar"}
	operation(a, huma.Operation{OperationID: "list-approvals", Method: http.MethodGet, Path: "/v1/citizens/{person}/approvals", Tags: tags,
		Summary: "What waits for a second officer", Description: "Proposals of first officers, with what they would do. The reading is recorded."},
		machine(auth.ScopeRegistrar), own, a.listApprovals)
	operation(a, huma.Operation{OperationID: "confirm-approval", Method: http.MethodPost, Path: "/v1/citizens/{person}/approvals/{approval}/confirm", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Confirm as the second officer", Description: "Carries out what another officer proposed. Confirmed again by the same officer it is done already; one that is over or not yours is not found."},
		machine(auth.ScopeRegistrar), append([]string{
			"other_office_needed", "level_not_allowed", "representative_needed", "death_reported", "account_blocked", "recently_recovered", "too_many_contacts",
		}, own...), a.confirmApproval)
}

// twoOfficers returns the guard and actor of one of the two officers of an act. Who signed in below level 2 is neither of them; where the client asserts
// the officer and says nothing of the level, its mandate answers for it.
func (a *API) twoOfficers(ctx context.Context, organisation string, kind person.ApprovalKind) (guardAndActor, error) {
	by, err := a.registrar(ctx, organisation, approvalRight(kind))
	if err == nil && by.level == 1 {
		return by, newProblem(ctx, "officer_level_needed")
	}
	return by, err
}

// proposed lets a first officer propose an act on the person of a path.
func (a *API) proposed(ctx context.Context, organisation, handle string, kind person.ApprovalKind, propose func(guardAndActor, identity.VaultID) (person.Approval, error)) (*approvalOutput, error) {
	by, err := a.twoOfficers(ctx, organisation, kind)
	if err != nil {
		return nil, err
	}
	vault, err := a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, handle)
	if err != nil {
		return nil, err
	}
	done, err := propose(by, vault)
	if err != nil {
		return nil, err
	}
	out := &approvalOutput{}
	out.Body.ID, out.Body.ExpiresAt = a.approvalRef(ctx, done), done.ExpiresAt
	return out, nil
}

// approvalRef names a proposal together with its kind, which says what right it takes to confirm it.
func (a *API) approvalRef(ctx context.Context, p person.Approval) string {
	return a.ref(ctx, kindApproval+"-"+string(p.Kind), p.ID.Bytes())
}

// openApproval reads a name of approvalRef. Any other string names a proposal that is not there, of the first kind: whoever may confirm none of those is
// told so, as for one that is there (S1).
func (a *API) openApproval(ctx context.Context, ref string) (person.ApprovalKind, identity.ObjectID) {
	for _, kind := range person.ApprovalKinds() {
		if id, err := a.openRef(ctx, kindApproval+"-"+string(kind), ref); err == nil {
			return kind, identity.FromBytes[identity.ObjectID](id)
		}
	}
	return person.ApproveLevel, identity.NewID[identity.ObjectID]()
}

func (a *API) listApprovals(ctx context.Context, in *approvalsInput) (*approvalsOutput, error) {
	kind := person.ApprovalKind(in.Kind)
	by, vault, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: approvalRight(kind)}, in.Person)
	if err != nil {
		return nil, err
	}
	list, err := a.People.Approvals(ctx, by.guard, by.actor, vault, kind)
	if err != nil {
		return nil, err
	}
	out := &approvalsOutput{}
	out.Body.Items = make([]Approval, len(list))
	for i, p := range list {
		out.Body.Items[i] = Approval{
			ID: a.approvalRef(ctx, p), Kind: string(p.Kind), Level: p.Level, Evidence: evidenceOf(p.Evidence), CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
			Officer: ApprovalBy{Name: p.Officer.Name.Reveal(), Post: p.Officer.Post, Organisation: p.Officer.Organisation},
		}
		if p.Kind == person.ApproveContact {
			out.Body.Items[i].Contact = a.contactChangeOf(ctx, p.Contact)
		}
	}
	return out, nil
}

func evidenceOf(e person.Evidence) Evidence {
	return Evidence{Basis: string(e.Basis), Reference: e.Reference}
}

func (a *API) confirmApproval(ctx context.Context, in *confirmApprovalInput) (*struct{}, error) {
	kind, id := a.openApproval(ctx, in.Approval)
	by, err := a.twoOfficers(ctx, in.Organisation, kind)
	if err != nil {
		return nil, err
	}
	vault, err := a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, in.Person)
	if err != nil {
		return nil, err
	}
	return nil, a.People.Approve(ctx, by.guard, by.actor, vault, kind, id)
}
