package openapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/consent"
	"vidan/identity"
)

// PendingRequest is one line of what a person is asked.
type PendingRequest struct {
	ID           string    `json:"request_id"`
	Organisation string    `json:"organisation" doc:"Name of who asks."`
	Procedure    string    `json:"procedure" doc:"Id of the procedure." example:"kindergarten_enrolment"`
	Title        string    `json:"procedure_name" doc:"Name of the procedure."`
	Fields       int       `json:"fields" doc:"How many fields are asked for."`
	Sensitive    bool      `json:"sensitive" doc:"Some of them are sensitive."`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at" doc:"Silence until then is a no."`
	May          bool      `json:"may_decide" doc:"Your decision is wanted."`
}

type pendingRequestsInput struct {
	Person string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	Cursor string `query:"cursor" maxLength:"400"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type pendingRequestsOutput struct {
	Link string `header:"Link" doc:"RFC 8288: the next page."`
	Body struct {
		Items []PendingRequest `json:"items"`
		Next  string           `json:"next,omitempty" doc:"Cursor of the next page."`
	}
}

type viewInput struct {
	Person string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	ID     string `path:"id" maxLength:"200"`
}

type viewOutput struct{ Body RequestView }

// DecisionBody is a yes or a no. A yes names the fields; nothing is allowed that is not named.
type DecisionBody struct {
	Decision  string     `json:"decision" enum:"allow,deny"`
	Fields    []string   `json:"fields,omitempty" maxItems:"200" doc:"With allow: at least one of those asked for. With a signature every member but decision may be left out: the signed text has them."`
	Language  string     `json:"language,omitempty" enum:"vi,en" doc:"In which the text was read; left out: that of this request."`
	Mode      string     `json:"mode,omitempty" enum:"once,uses,until" doc:"Left out: as asked; never wider than asked."`
	Uses      int        `json:"uses,omitempty" minimum:"0" maximum:"100"`
	Until     *time.Time `json:"until,omitempty" doc:"Whole seconds; left out: as asked."`
	Pinned    []Pin      `json:"pinned,omitempty" maxItems:"200" doc:"With mode once: the papers that were shown."`
	Replaces  string     `json:"replaces,omitempty" maxLength:"200" doc:"An older permission to the same organisation that ends with this one."`
	Signature string     `json:"signature,omitempty" maxLength:"65536" doc:"JWS (typ vidan-decision+jwt) of the canonical decision by a registered device; without it only a permission for once of fields that are not sensitive."`
}

type decideInput struct {
	Person string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	ID     string `path:"id" maxLength:"200"`
	Body   DecisionBody
}

// DecisionAnswer is what became of a decision.
type DecisionAnswer struct {
	Allowed  bool     `json:"allowed"`
	Complete bool     `json:"complete" doc:"Nobody else has to decide for this person."`
	Consent  *Consent `json:"consent,omitempty" doc:"What was allowed, once it is complete."`
	Receipt  string   `json:"receipt" doc:"Signed receipt (typ vidan-consent-receipt+jwt); the first one when the decision is repeated."`
	Repeated bool     `json:"repeated"`
}

type decideOutput struct{ Body DecisionAnswer }

func (a *API) registerDecisions() {
	tags := []string{"citizen"}
	operation(a, huma.Operation{OperationID: "list-requests", Method: http.MethodGet, Path: "/v1/people/{person}/consent-requests", Tags: tags,
		Summary: "Who asks for something", Description: "Open requests to a person, newest first."},
		citizen(1), []string{codeNotFound, "keys_unavailable"}, a.pendingRequests)
	operation(a, huma.Operation{OperationID: "get-request", Method: http.MethodGet, Path: "/v1/people/{person}/consent-requests/{id}", Tags: tags,
		Summary: "One request, with what would be given", Description: "Who asks, which officer, why, on what ground, for which fields with the values they have now, " +
			"for how long; and to_sign: the canonical decision with every member filled in, so that an app only changes decision and fields and signs. The reading is recorded."},
		citizen(1), []string{codeNotFound, "record_unavailable", "keys_unavailable"}, a.viewRequest)
	operation(a, huma.Operation{OperationID: "decide-request", Method: http.MethodPost, Path: "/v1/people/{person}/consent-requests/{id}/decision", Tags: tags,
		Summary: "Say yes or no", Description: "Decides once; the same decision again gives the first receipt. Standing permissions and sensitive fields need the signature of a registered device."},
		citizen(1), []string{codeNotFound, "recently_recovered", "already_decided", "request_expired", "representative_needed", "decision_mismatch", "signature_required",
			"signature_invalid", "state_conflict", "busy", "record_unavailable", "keys_unavailable", "outcome_unknown"}, a.decide)
}

func (a *API) pendingRequests(ctx context.Context, in *pendingRequestsInput) (*pendingRequestsOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	list, next, err := a.Consent.Pending(ctx, guarded(ctx), acting, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	english := requestOf(ctx).language == "en"
	out := &pendingRequestsOutput{Link: a.next(ctx, next)}
	out.Body.Items, out.Body.Next = make([]PendingRequest, len(list)), next
	for i, p := range list {
		out.Body.Items[i] = PendingRequest{
			ID: a.ref(ctx, kindRequest, p.Request.Bytes()), Organisation: either(english, p.OrganisationVI, p.OrganisationEN), Procedure: p.Procedure,
			Title: either(english, p.ProcedureVI, p.ProcedureEN), Fields: p.Fields, Sensitive: p.Sensitive, CreatedAt: p.Created, ExpiresAt: p.Expires, May: p.May,
		}
	}
	return out, nil
}

func either(english bool, vi, en string) string {
	if english {
		return en
	}
	return vi
}

// request reads a reference to a request that the caller was shown.
func (a *API) request(ctx context.Context, ref string) identity.RequestID {
	return a.requestIn(caller(ctx).Sector, ref)
}

func (a *API) viewRequest(ctx context.Context, in *viewInput) (*viewOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	view, err := a.Consent.View(ctx, guarded(ctx), acting, a.request(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	out := a.requestView(ctx, view)
	if view.State != consent.Asked {
		return &viewOutput{Body: out}, nil // nothing is to be decided: no paper is opened
	}
	// The proof was used up by the view; state is read again where papers are opened.
	preview, err := a.Prefill.Preview(ctx, standing(ctx, acting.Guard()), acting, view, reading(ctx, acting.Vault).Actor, requestOf(ctx).id)
	if err != nil {
		return nil, err
	}
	for i := range out.Fields {
		for _, p := range preview.Fields {
			if p.Name == out.Fields[i].Name {
				out.Fields[i].Present = a.present(p)
			}
		}
	}
	for _, p := range preview.Pinned {
		out.Pinned = append(out.Pinned, Pin{Document: a.ref(ctx, kindDocument, p.Document.Bytes()), Revision: p.Revision})
	}
	slices.SortFunc(out.Pinned, func(x, y Pin) int { return strings.Compare(x.Document, y.Document) })
	if view.May {
		toSign := proposal(view, requestOf(ctx).language, out.Pinned)
		out.ToSign = &toSign
	}
	return &viewOutput{Body: out}, nil
}

func (a *API) decide(ctx context.Context, in *decideInput) (*decideOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	d := a.decision(ctx, in.Body.signed())
	d.Request = a.request(ctx, in.ID)
	me := caller(ctx)
	done, err := a.Consent.Decide(ctx, guarded(ctx), acting, d, func(ctx context.Context, jws string) ([]byte, identity.CredentialID, error) {
		return a.Auth.VerifyDecision(ctx, me.Vault, jws)
	})
	if err != nil {
		return nil, err
	}
	out := &decideOutput{Body: DecisionAnswer{Allowed: done.Allowed, Complete: done.Complete, Receipt: done.Receipt, Repeated: done.Repeated}}
	if !done.Grant.ID.IsZero() {
		c, err := a.consent(ctx, done.Grant)
		if err != nil {
			return nil, err
		}
		out.Body.Consent = &c
	}
	return out, nil
}

// signed fills what the body leaves out with what the signed text says. Nothing is believed by it: the ledger compares the whole with the text
// once its signature has verified.
func (b DecisionBody) signed() DecisionBody {
	parts := strings.Split(b.Signature, ".")
	if len(parts) != 3 {
		return b
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return b
	}
	d, err := consent.ParseDecided(payload)
	if err != nil {
		return b
	}
	if b.Language == "" {
		b.Language = d.Language
	}
	if b.Decision == "deny" {
		return b
	}
	if b.Fields == nil {
		b.Fields = d.Fields
	}
	if b.Mode == "" {
		b.Mode, b.Uses = string(d.Mode), d.Uses
	}
	if b.Pinned == nil {
		for _, p := range d.Pinned {
			b.Pinned = append(b.Pinned, Pin(p))
		}
	}
	if b.Replaces == "" {
		b.Replaces = d.Replaces
	}
	if until, err := time.Parse(time.RFC3339, d.Until); err == nil && b.Until == nil {
		b.Until = &until
	}
	return b
}

// decision reads a body; ids that are none become ids that nothing has.
func (a *API) decision(ctx context.Context, b DecisionBody) consent.Decision {
	d := consent.Decision{
		Allow: b.Decision == "allow", Fields: b.Fields, Language: b.Language, Mode: consent.Mode(b.Mode), Uses: b.Uses, Signature: b.Signature,
		Trace: requestOf(ctx).id,
	}
	if d.Language == "" {
		d.Language = requestOf(ctx).language
	}
	if b.Until != nil {
		d.Until = *b.Until
	}
	for _, p := range b.Pinned {
		d.Pinned = append(d.Pinned, consent.DocRevision{Document: a.documentID(ctx, p.Document), Revision: p.Revision})
	}
	if b.Replaces != "" {
		d.Replaces = a.grantID(ctx, b.Replaces)
	}
	return d
}
