package openapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"vidan/procedure"
)

// DocumentType is one type of paper.
type DocumentType struct {
	ID      string            `json:"id" example:"birth_certificate"`
	Title   string            `json:"title" doc:"In Vietnamese, as printed." example:"Giấy khai sinh"`
	About   string            `json:"about" doc:"English description."`
	Home    string            `json:"home" doc:"Role whose vault is the home of the paper." example:"child"`
	Numbers map[string]string `json:"subject_numbers" doc:"Role to JSON Pointer of that person's number."`
	Fields  []DocumentField   `json:"fields,omitempty" doc:"Only when one type is asked for."`
	Schema  any               `json:"schema,omitempty" doc:"JSON Schema 2020-12; only when one type is asked for."`
}

// DocumentField is one place of a type, with whose fact it is.
type DocumentField struct {
	Pointer    string   `json:"pointer" example:"/mother/full_name"`
	Title      string   `json:"title"`
	Subject    string   `json:"subject" doc:"Role of the person whose fact it is."`
	SharedWith []string `json:"shared_with,omitempty"`
	Sensitive  bool     `json:"sensitive,omitempty"`
}

// Procedure is one administrative procedure.
type Procedure struct {
	ID        string           `json:"id" example:"kindergarten_enrolment"`
	Code      string           `json:"code" doc:"Number in the national list, or a local one."`
	Name      string           `json:"name" doc:"In the language asked for."`
	NameVI    string           `json:"name_vi"`
	NameEN    string           `json:"name_en"`
	Group     string           `json:"group,omitempty"`
	Level     int              `json:"minimum_identity_level" doc:"For online self-service; a counter never demands an account."`
	Basis     string           `json:"basis" enum:"consent,statutory"`
	BasisRef  string           `json:"basis_ref"`
	Article   string           `json:"basis_article"`
	Produces  []string         `json:"produces" doc:"Document types."`
	Fields    []ProcedureField `json:"fields,omitempty" doc:"Only when one procedure is asked for."`
	Roles     []string         `json:"roles" doc:"People of a dossier."`
	Sensitive []string         `json:"sensitive_fields,omitempty"`
}

// ProcedureField is one field of the form.
type ProcedureField struct {
	Name        string   `json:"name" example:"child_full_name"`
	TitleVI     string   `json:"title_vi"`
	TitleEN     string   `json:"title_en"`
	Subject     string   `json:"subject" doc:"Role of the person the field is about."`
	Required    bool     `json:"required"`
	Sensitive   bool     `json:"sensitive,omitempty"`
	Locked      bool     `json:"locked_when_prefilled"`
	ManualEntry bool     `json:"manual_entry"`
	Sources     []string `json:"reusable_from,omitempty" doc:"Document types, best first; empty: it must be typed."`
}

type oneInput struct {
	ID          string `path:"id" maxLength:"64"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"200"`
}

type listInput struct {
	IfNoneMatch string `header:"If-None-Match" maxLength:"200"`
}

type catalogueOutput[T any] struct {
	Status       int
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         *T
}

type typesBody struct {
	Items []DocumentType `json:"items"`
}

type proceduresBody struct {
	Items []Procedure `json:"items"`
}

func (a *API) registerCatalogue() {
	public := []string{"public"}
	operation(a, huma.Operation{OperationID: "list-document-types", Method: http.MethodGet, Path: "/v1/document-types", Tags: public,
		Summary: "Types of papers", Description: "Every type of result document the wallet keeps."}, anyone(), nil,
		func(ctx context.Context, in *listInput) (*catalogueOutput[typesBody], error) {
			body := typesBody{Items: []DocumentType{}}
			for _, t := range a.Catalogue.Types() {
				body.Items = append(body.Items, documentType(t))
			}
			return cached(ctx, in.IfNoneMatch, body)
		})
	operation(a, huma.Operation{OperationID: "get-document-type", Method: http.MethodGet, Path: "/v1/document-types/{id}", Tags: public,
		Summary: "One type of paper", Description: "With its schema, and whose fact every field is."}, anyone(), []string{codeNotFound},
		func(ctx context.Context, in *oneInput) (*catalogueOutput[DocumentType], error) {
			t, ok := a.Catalogue.Type(in.ID)
			if !ok {
				return nil, newProblem(ctx, codeNotFound)
			}
			return cached(ctx, in.IfNoneMatch, detailedType(t))
		})
	operation(a, huma.Operation{OperationID: "list-procedures", Method: http.MethodGet, Path: "/v1/procedures", Tags: public,
		Summary: "Procedures", Description: "Every procedure whose form the wallet can fill."}, anyone(), nil,
		func(ctx context.Context, in *listInput) (*catalogueOutput[proceduresBody], error) {
			body := proceduresBody{Items: []Procedure{}}
			for _, p := range a.Catalogue.Procedures() {
				body.Items = append(body.Items, wireProcedure(p, requestOf(ctx).language, false))
			}
			return cached(ctx, in.IfNoneMatch, body)
		})
	operation(a, huma.Operation{OperationID: "get-procedure", Method: http.MethodGet, Path: "/v1/procedures/{id}", Tags: public,
		Summary: "One procedure", Description: "With the fields of its form and where each may be found."}, anyone(), []string{codeNotFound},
		func(ctx context.Context, in *oneInput) (*catalogueOutput[Procedure], error) {
			p, ok := a.Catalogue.Procedure(in.ID)
			if !ok {
				return nil, newProblem(ctx, codeNotFound)
			}
			return cached(ctx, in.IfNoneMatch, wireProcedure(p, requestOf(ctx).language, true))
		})
}

// cached answers public data with a tag of its content: it changes only with the binary, and with the language.
func cached[T any](_ context.Context, ifNoneMatch string, body T) (*catalogueOutput[T], error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	out := &catalogueOutput[T]{ETag: contentTag(raw), CacheControl: "public, max-age=300"}
	if matches(ifNoneMatch, out.ETag) {
		out.Status = http.StatusNotModified
		return out, nil
	}
	out.Status, out.Body = http.StatusOK, &body
	return out, nil
}

func documentType(t *procedure.DocumentType) DocumentType {
	return DocumentType{ID: t.ID, Title: t.TitleVI, About: t.About, Home: t.Home, Numbers: t.NumberPointers}
}

func detailedType(t *procedure.DocumentType) DocumentType {
	out := documentType(t)
	for _, p := range t.Places() {
		out.Fields = append(out.Fields, DocumentField{Pointer: p.Pointer, Title: p.TitleVI, Subject: p.Subject, SharedWith: p.SharedWith, Sensitive: p.Sensitive})
	}
	out.Schema = t.Schema()
	return out
}

func wireProcedure(p *procedure.Procedure, language string, detail bool) Procedure {
	out := Procedure{
		ID: p.ID, Code: p.Code.Value, Name: p.Name.VI, NameVI: p.Name.VI, NameEN: p.Name.EN, Level: p.MinimumIdentityLevel,
		Basis: string(p.Basis.Kind), BasisRef: p.Basis.Ref, Article: p.Basis.Article, Produces: []string{}, Roles: []string{}, Sensitive: p.SensitiveFields,
	}
	if language == "en" {
		out.Name = p.Name.EN
	}
	if p.Group != nil {
		out.Group = p.Group.ID
	}
	for _, r := range p.Roles {
		out.Roles = append(out.Roles, r.ID)
	}
	for _, r := range p.Produces {
		if r.DocumentType != "" {
			out.Produces = append(out.Produces, r.DocumentType)
		}
	}
	for _, f := range p.Fields {
		if !detail {
			break
		}
		field := ProcedureField{Name: f.Name, TitleVI: f.TitleVI, TitleEN: f.TitleEN, Subject: f.Subject, Required: f.Required,
			Sensitive: f.Sensitive, Locked: f.Locked, ManualEntry: f.ManualEntry}
		for _, s := range f.Reuse {
			field.Sources = append(field.Sources, s.Type)
		}
		out.Fields = append(out.Fields, field)
	}
	return out
}
