package openapi

import (
	"context"
	"slices"
	"time"

	"vidan/audit"
	"vidan/consent"
	"vidan/prefill"
)

// RequestView is a request as a person is asked. Nothing in it is preselected for people: to_sign is a proposal to the app's program.
type RequestView struct {
	ID           string                 `json:"request_id"`
	Organisation NameOf                 `json:"organisation"`
	Officer      AccessOfficer          `json:"officer" doc:"Who asks in person."`
	Procedure    NameOf                 `json:"procedure"`
	Dossier      string                 `json:"dossier_code"`
	Purpose      string                 `json:"purpose"`
	Basis        string                 `json:"basis" doc:"The law."`
	Article      string                 `json:"basis_article"`
	Roles        []string               `json:"roles" doc:"Of the person in the dossier."`
	Fields       []RequestField         `json:"fields"`
	Mode         string                 `json:"mode" enum:"once,uses,until"`
	Uses         int                    `json:"uses,omitempty"`
	Until        time.Time              `json:"until" doc:"A permission ends there at the latest."`
	CreatedAt    time.Time              `json:"created_at"`
	ExpiresAt    time.Time              `json:"expires_at"`
	State        string                 `json:"state" enum:"asked,allowed,denied,lapsed"`
	Self         bool                   `json:"self" doc:"You are the person."`
	Both         bool                   `json:"both" doc:"The person and a representative both have to decide."`
	May          bool                   `json:"may_decide" doc:"Your decision is open."`
	Texts        map[string]RequestText `json:"texts" doc:"What is to be read before deciding, by language (vi, en), word by word as it is hashed."`
	Digest       string                 `json:"request_digest" doc:"SHA-256 of the request, base64url."`
	Nonce        string                 `json:"nonce"`
	Pinned       []Pin                  `json:"pinned" doc:"The papers in which the values shown stand: what a decision for once allows to be opened."`
	ToSign       *ToSign                `json:"to_sign,omitempty" doc:"The canonical decision, complete, with allow of all fields as a proposal to the app's program; nothing of it is to be shown as chosen."`
}

// NameOf is something with an id and a name in both languages.
type NameOf struct {
	ID string `json:"id"`
	VI string `json:"name_vi"`
	EN string `json:"name_en"`
}

// RequestText is the text a person reads, and its hash.
type RequestText struct {
	Text   string `json:"text"`
	SHA256 string `json:"sha256" doc:"Of the UTF-8 text, base64url."`
}

// RequestField is one field asked for, with what would be given.
type RequestField struct {
	Name      string   `json:"name" example:"child_full_name"`
	TitleVI   string   `json:"title_vi"`
	TitleEN   string   `json:"title_en"`
	Sensitive bool     `json:"sensitive"`
	Required  bool     `json:"required" doc:"The form cannot do without it; it may be typed or the paper brought."`
	Present   *Present `json:"present,omitempty" doc:"Only while a decision is open."`
}

// Present is what a field would be filled with now.
type Present struct {
	Value   any           `json:"value,omitempty"`
	Choices []any         `json:"choices,omitempty" doc:"Several papers say different things."`
	Source  *FieldSource  `json:"source,omitempty"`
	Address *FieldAddress `json:"address,omitempty"`
	Missing string        `json:"missing,omitempty" enum:"not_provided,no_document,issuer_pending,number_pending,expired,disputed,changed,must_be_typed" doc:"Why there is no value."`
}

// Pin is one paper in one revision.
type Pin struct {
	Document string `json:"document" maxLength:"200"`
	Revision int    `json:"revision" minimum:"1" maximum:"2147483647"`
}

// ToSign is the canonical decision (typ vidan-decision+jwt). Every member is always present; lists are in ascending byte order without repetition.
type ToSign struct {
	Version       int      `json:"v"`
	Person        string   `json:"person"`
	Authority     ToSignBy `json:"authority"`
	RequestDigest string   `json:"request_digest"`
	TextSHA256    string   `json:"text_sha256"`
	Language      string   `json:"language"`
	Decision      string   `json:"decision"`
	Fields        []string `json:"fields"`
	Mode          string   `json:"mode"`
	Uses          int      `json:"uses"`
	Until         string   `json:"until"`
	Pinned        []Pin    `json:"pinned"`
	Replaces      string   `json:"replaces"`
	Nonce         string   `json:"nonce"`
	Expires       string   `json:"expires"`
}

// ToSignBy is in which right somebody decides.
type ToSignBy struct {
	Kind     string `json:"kind" enum:"self,relation"`
	Relation string `json:"relation"`
	Document string `json:"document"`
	Revision int    `json:"revision"`
}

func (a *API) requestView(ctx context.Context, v consent.View) RequestView {
	out := RequestView{
		ID:           a.ref(ctx, kindRequest, v.Request.Bytes()),
		Organisation: NameOf{v.Organisation, v.OrganisationVI, v.OrganisationEN}, Officer: officerOf(v.Officer),
		Procedure: NameOf{v.Procedure, v.ProcedureVI, v.ProcedureEN}, Dossier: v.Dossier, Purpose: v.Purpose, Basis: v.BasisRef, Article: v.BasisArticle,
		Roles: v.Roles, Fields: make([]RequestField, len(v.Fields)), Mode: string(v.Mode), Uses: v.Uses, Until: v.Until, CreatedAt: v.Created,
		ExpiresAt: v.Expires, State: string(v.State), Self: v.Self, Both: v.Both, May: v.May, Texts: map[string]RequestText{}, Digest: v.Digest,
		Nonce: v.Nonce, Pinned: []Pin{},
	}
	for i, f := range v.Fields {
		out.Fields[i] = RequestField{Name: f.Name, TitleVI: f.TitleVI, TitleEN: f.TitleEN, Sensitive: f.Sensitive, Required: f.Required}
	}
	for language, text := range v.Texts {
		out.Texts[language] = RequestText{Text: text.Body.Reveal(), SHA256: base64url(text.SHA256[:])}
	}
	return out
}

func officerOf(o audit.Officer) AccessOfficer {
	out := AccessOfficer{ID: o.ID, Name: o.Name.Reveal(), Post: o.Post, Unit: o.Unit, Assurance: "asserted"}
	if o.Assurance == audit.SignedIn {
		out.Assurance = "signed_in"
	}
	return out
}

func (a *API) present(p prefill.PreviewField) *Present {
	out := &Present{Value: rawOrNil(p.Value), Missing: string(p.Missing), Source: sourceOf(p.Source), Address: addressOf(p.Address)}
	for _, c := range p.Choices {
		out.Choices = append(out.Choices, c)
	}
	return out
}

// proposal is the decision that allows everything as asked: what an app changes and signs.
func proposal(v consent.View, language string, pinned []Pin) ToSign {
	text := v.Texts[language]
	d := ToSign{
		Version: 1, Person: v.Person, Authority: ToSignBy(v.Authority), RequestDigest: v.Digest, TextSHA256: base64url(text.SHA256[:]),
		Language: language, Decision: "allow", Fields: []string{}, Mode: string(v.Mode), Uses: v.Uses, Until: stamp(v.Until), Pinned: []Pin{},
		Nonce: v.Nonce, Expires: stamp(v.Expires),
	}
	for _, f := range v.Fields {
		d.Fields = append(d.Fields, f.Name)
	}
	slices.Sort(d.Fields)
	if v.Mode == consent.Once {
		d.Pinned = pinned
	}
	return d
}

// stamp is a moment in a canonical text: whole seconds, UTC.
func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
