package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/seal"
)

// Access is one line of the access history: who did what, why, with which fields. It never holds a value.
type Access struct {
	ID           string         `json:"id"`
	At           time.Time      `json:"at"`
	Kind         string         `json:"kind" example:"disclosure"`
	Outcome      string         `json:"outcome" enum:"done,refused,not_found,failed"`
	Sentence     string         `json:"sentence" doc:"What happened, in one plain sentence."`
	Organisation string         `json:"organisation,omitempty" doc:"Name of the organisation."`
	Officer      *AccessOfficer `json:"officer,omitempty"`
	ByMe         bool           `json:"by_me"`
	Procedure    string         `json:"procedure,omitempty"`
	Purpose      string         `json:"purpose,omitempty"`
	Basis        string         `json:"basis,omitempty" doc:"Consent, or the article of law."`
	Dossier      string         `json:"dossier,omitempty"`
	Fields       []string       `json:"fields,omitempty" doc:"Names of form fields."`
	Documents    []string       `json:"documents,omitempty" doc:"Papers, as you may name them."`
	Reason       string         `json:"reason,omitempty"`
	Commitment   string         `json:"commitment" doc:"SHA-256 that a transparency log can publish; base64url."`
	Damaged      bool           `json:"damaged,omitempty"`
}

// AccessOfficer is the official an organisation named.
type AccessOfficer struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Post      string `json:"post,omitempty"`
	Unit      string `json:"unit,omitempty"`
	Assurance string `json:"assurance" enum:"asserted,signed_in" doc:"Named by the organisation's client, or signed in themselves."`
}

type accessesInput struct {
	Person       string    `path:"person" maxLength:"200" doc:"me, or a handle from /v1/people."`
	Cursor       string    `query:"cursor" maxLength:"400"`
	Limit        int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Kind         string    `query:"kind" maxLength:"40" doc:"Only this kind."`
	Organisation string    `query:"organisation" maxLength:"64" doc:"Only acts of this organisation."`
	From         time.Time `query:"from" doc:"Not before."`
	To           time.Time `query:"to" doc:"Before."`
}

type accessesOutput struct {
	Link string `header:"Link" doc:"RFC 8288: the next page."`
	Body struct {
		Items []Access `json:"items"`
		Next  string   `json:"next,omitempty" doc:"Cursor of the next page."`
	}
}

func (a *API) registerAccesses() {
	operation(a, huma.Operation{OperationID: "list-accesses", Method: http.MethodGet, Path: "/v1/people/{person}/accesses", Tags: []string{"citizen"},
		Summary: "Who looked, and why", Description: "Every act, reading, refusal and attempt, newest first. Reading this history is one entry of it."},
		citizen(1), []string{codeNotFound, "record_unavailable", "keys_unavailable"}, a.listAccesses)
}

func (a *API) listAccesses(ctx context.Context, in *accessesInput) (*accessesOutput, error) {
	acting, err := a.who(ctx, in.Person)
	if err != nil {
		return nil, err
	}
	keys, err := a.keysOf(ctx, acting)
	if err != nil {
		return nil, err
	}
	page, err := a.Audit.List(ctx, a.Pool, keys, guarded(ctx, acting.Guard()), reading(ctx, acting.Vault), audit.Query{
		Cursor: in.Cursor, Limit: in.Limit, Kind: audit.Kind(in.Kind), Organisation: in.Organisation, From: in.From, To: in.To,
	}, a.Now())
	if err != nil {
		return nil, err
	}
	out := &accessesOutput{Link: a.next(ctx, page.Next)}
	out.Body.Items, out.Body.Next = make([]Access, len(page.Entries)), page.Next
	for i, e := range page.Entries {
		if out.Body.Items[i], err = a.access(ctx, acting, e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keysOf opens the keys of all vaults of a person, the main one first.
func (a *API) keysOf(ctx context.Context, acting consent.Acting) ([]*seal.Keys, error) {
	vaults, err := a.vaultsOf(ctx, acting.Vault)
	if err != nil {
		return nil, err
	}
	opened, err := a.Vaults.Open(ctx, a.Pool, vaults...)
	if err != nil {
		return nil, err
	}
	var keys []*seal.Keys
	for _, v := range vaults {
		if opened[v] != nil {
			keys = append(keys, opened[v])
		}
	}
	if len(keys) == 0 {
		return nil, seal.ErrNoKeys
	}
	return keys, nil
}

func (a *API) access(ctx context.Context, acting consent.Acting, e audit.Read) (Access, error) {
	me := caller(ctx)
	names := audit.Names{Reader: me.Vault}
	var err error
	if e.Organisation != "" {
		if names.Organisation, err = a.organisationName(ctx, e.Organisation); err != nil {
			return Access{}, err
		}
	}
	vi, en := e.Sentence(names)
	out := Access{
		ID: a.ref(ctx, kindEntry, e.ID.Bytes()), At: e.At, Kind: string(e.Kind), Outcome: string(e.Outcome), Sentence: vi,
		Organisation: names.Organisation, ByMe: e.Actor.Vault == me.Vault && acting.Actor == me.Vault, Procedure: e.Procedure, Purpose: e.Purpose,
		Basis: e.Basis, Dossier: e.Dossier, Fields: e.Fields, Reason: e.Reason, Commitment: base64url(e.Commitment[:]), Damaged: e.Damaged,
	}
	if requestOf(ctx).language == "en" {
		out.Sentence = en
	}
	if out.Outcome == "" {
		out.Outcome = string(audit.Done)
	}
	for _, d := range append([]identity.DocumentID{e.Document}, e.Documents...) {
		if !d.IsZero() {
			out.Documents = append(out.Documents, a.ref(ctx, kindDocument, d.Bytes()))
		}
	}
	if o := e.Actor.Officer; !o.IsZero() {
		officer := officerOf(o)
		out.Officer = &officer
	}
	return out, nil
}
