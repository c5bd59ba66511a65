package openapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/wallet"
)

// PaperItem is one paper in a list.
type PaperItem struct {
	ID         string     `json:"id" doc:"The paper, as you may name it."`
	Type       string     `json:"document_type" example:"birth_certificate"`
	Title      string     `json:"title" doc:"What it is called." example:"Giấy khai sinh"`
	Issuer     string     `json:"issuer" doc:"Name of who issued it."`
	IssuerID   string     `json:"issuer_id"`
	Ref        string     `json:"document_ref" doc:"The issuer's own reference."`
	Person     string     `json:"person" doc:"Whose paper it is: me, the handle asked for, or other for a paper held."`
	Role       string     `json:"role" doc:"The role of that person in the paper."`
	Revision   int        `json:"revision"`
	State      string     `json:"state" enum:"issued,corrected,revoked"`
	Revoked    bool       `json:"revoked" doc:"What the current revision says of the paper."`
	Origin     string     `json:"origin" enum:"procedure,backfill"`
	IssuedAt   time.Time  `json:"issued_at"`
	ReceivedAt time.Time  `json:"received_at"`
	ValidFrom  string     `json:"valid_from,omitempty" doc:"Civil date as printed."`
	ValidUntil string     `json:"valid_until,omitempty" doc:"Civil date as printed."`
	Held       *PaperHeld `json:"held,omitempty" doc:"Why a paper of somebody else is shown."`
	Damaged    bool       `json:"damaged,omitempty" doc:"The stored row is not what was written; an operator is needed."`
	ETag       string     `json:"etag"`
}

// PaperHeld says by what right somebody else's paper is shown.
type PaperHeld struct {
	Reason string     `json:"reason" example:"declarant"`
	Until  *time.Time `json:"until,omitempty"`
}

// Paper is one paper, opened.
type Paper struct {
	PaperItem
	Document json.RawMessage `json:"document,omitempty" doc:"By the schema of its type; absent when it was revoked without one."`
	Message  string          `json:"signed_message" doc:"The issuer's compact JWS exactly as delivered, to be checked offline."`
}

// PaperRevision is one line of a paper's history.
type PaperRevision struct {
	Revision   int       `json:"revision"`
	State      string    `json:"state" enum:"issued,corrected,revoked"`
	IssuedAt   time.Time `json:"issued_at"`
	ReceivedAt time.Time `json:"received_at"`
	Damaged    bool      `json:"damaged,omitempty"`
}

type papersInput struct {
	Person      string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	Cursor      string `query:"cursor" maxLength:"400"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"400"`
}

type papersOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Link   string `header:"Link" doc:"RFC 8288: the next page."`
	Body   *papersBody
}

type papersBody struct {
	Items []PaperItem `json:"items"`
	Next  string      `json:"next,omitempty" doc:"Cursor of the next page."`
}

type paperInput struct {
	Person      string `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	ID          string `path:"id" maxLength:"200"`
	Revision    int    `query:"revision" minimum:"0" maximum:"2147483647" default:"0" doc:"0: the current one."`
	IfNoneMatch string `header:"If-None-Match" maxLength:"400"`
}

type paperOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   *Paper
}

type revisionsOutput struct {
	Body struct {
		Items []PaperRevision `json:"items"`
	}
}

func (a *API) registerDocuments() {
	tags := []string{"citizen"}
	operation(a, huma.Operation{OperationID: "list-documents", Method: http.MethodGet, Path: "/v1/people/{person}/documents", Tags: tags,
		Summary: "Papers of a person", Description: "One's own papers, newest first, or those of somebody one may act for. The reading is recorded."},
		citizen(1), []string{codeNotFound, "record_unavailable", "keys_unavailable"}, a.listPapers)
	operation(a, huma.Operation{OperationID: "get-document", Method: http.MethodGet, Path: "/v1/people/{person}/documents/{id}", Tags: tags,
		Summary: "One paper", Description: "The paper with its signed message. A paper of somebody else answers exactly like one that does not exist."},
		citizen(1), []string{codeNotFound, "record_unavailable", "keys_unavailable"}, a.getPaper)
	operation(a, huma.Operation{OperationID: "list-document-revisions", Method: http.MethodGet, Path: "/v1/people/{person}/documents/{id}/revisions", Tags: tags,
		Summary: "History of a paper", Description: "Every revision the issuer sent, highest first."},
		citizen(1), []string{codeNotFound, "record_unavailable", "keys_unavailable"}, a.listRevisions)
}

// person resolves {person} to vaults and the guard that lets the caller read them.
func (a *API) person(ctx context.Context, handle string) (vaults []identity.VaultID, guard pg.Guard, err error) {
	acting, err := a.who(ctx, handle)
	if err != nil {
		return nil, nil, err
	}
	vaults, err = a.vaultsOf(ctx, acting.Vault)
	return vaults, guarded(ctx, acting.Guard()), err
}

func (a *API) listPapers(ctx context.Context, in *papersInput) (*papersOutput, error) {
	vaults, guard, err := a.person(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	page, err := a.Wallet.List(ctx, guard, vaults, reading(ctx, vaults[0]), in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	body := &papersBody{Items: make([]PaperItem, len(page.Items)), Next: page.Next}
	for i, item := range page.Items {
		if body.Items[i], err = a.paperItem(ctx, in.Person, item); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	out := &papersOutput{Status: http.StatusOK, ETag: contentTag(raw), Link: a.next(ctx, page.Next), Body: body}
	if matches(in.IfNoneMatch, out.ETag) {
		out.Status, out.Body = http.StatusNotModified, nil
	}
	return out, nil
}

func (a *API) getPaper(ctx context.Context, in *paperInput) (*paperOutput, error) {
	vaults, guard, err := a.person(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	doc, err := a.Wallet.Get(ctx, guard, vaults, a.documentID(ctx, in.ID), in.Revision, reading(ctx, vaults[0]))
	if err != nil {
		return nil, err
	}
	tag := tagIn(ctx, doc.ETag)
	if matches(in.IfNoneMatch, tag) {
		return &paperOutput{Status: http.StatusNotModified, ETag: tag}, nil
	}
	item, err := a.paperItem(ctx, in.Person, doc.Item)
	if err != nil {
		return nil, err
	}
	return &paperOutput{Status: http.StatusOK, ETag: tag, Body: &Paper{PaperItem: item, Document: doc.Payload, Message: string(doc.Message)}}, nil
}

func (a *API) listRevisions(ctx context.Context, in *paperInput) (*revisionsOutput, error) {
	vaults, guard, err := a.person(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	found, err := a.Wallet.Revisions(ctx, guard, vaults, a.documentID(ctx, in.ID), reading(ctx, vaults[0]))
	if err != nil {
		return nil, err
	}
	out := &revisionsOutput{}
	out.Body.Items = make([]PaperRevision, len(found))
	for i, r := range found {
		out.Body.Items[i] = PaperRevision{Revision: r.Number, State: string(r.State), IssuedAt: r.IssuedAt, ReceivedAt: r.ReceivedAt, Damaged: r.Damaged}
	}
	return out, nil
}

// documentID reads a reference to a paper. One that is no reference becomes an id that no paper has, so that the same statements
// run, and the attempt is recorded, as for a missing one (S1).
func (a *API) documentID(ctx context.Context, ref string) identity.DocumentID {
	id, err := a.openRef(ctx, kindDocument, ref)
	if err != nil {
		return identity.NewID[identity.DocumentID]()
	}
	return identity.FromBytes[identity.DocumentID](id)
}

func (a *API) paperItem(ctx context.Context, person string, item wallet.Item) (PaperItem, error) {
	issuer, err := a.organisationName(ctx, item.Issuer)
	if err != nil {
		return PaperItem{}, err
	}
	out := PaperItem{
		ID: a.ref(ctx, kindDocument, item.ID.Bytes()), Type: item.Type, Title: item.Title, Issuer: issuer, IssuerID: item.Issuer, Ref: item.Ref,
		Person: person, Role: item.SubjectRole, Revision: item.Revision, State: string(item.State), Revoked: item.Revoked, Origin: string(item.Origin),
		IssuedAt: item.IssuedAt, ReceivedAt: item.ReceivedAt, ValidFrom: item.ValidFrom, ValidUntil: item.ValidUntil, Damaged: item.Damaged, ETag: tagIn(ctx, item.ETag),
	}
	if t, ok := a.Catalogue.Type(item.Type); ok && out.Title == "" {
		out.Title = t.TitleVI
		if requestOf(ctx).language == "en" {
			out.Title = t.About
		}
	}
	if item.Held != nil {
		out.Person, out.Held = "other", &PaperHeld{Reason: item.Held.Reason}
		if !item.Held.Until.IsZero() {
			out.Held.Until = &item.Held.Until
		}
	}
	return out, nil
}
