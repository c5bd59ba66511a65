package prefill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Preview is what an agency would get for the fields that one person decides about, if that person allowed all of them.
type Preview struct {
	Fields []PreviewField
	// Pinned are the papers these values stand in: what a decision for once allows to be opened.
	Pinned []consent.DocRevision
}

// PreviewField is one field with its present value.
type PreviewField struct {
	Name    string
	Value   json.RawMessage   // nil: nothing is held, or there are choices
	Choices []json.RawMessage // several papers say different things
	Source  *Source
	Address *Address
	Missing Reason // why there is no value; empty when there is one
}

// Preview shows, to the person or whoever acts for them, what the agency would get: limited to what the viewer may open, and a recorded reading of
// its own. g is the guard of the viewer, view what consent showed them in the same request. It makes no promise for later: a grant for once pins what was seen.
func (f *Filler) Preview(ctx context.Context, g pg.Guard, who consent.Acting, view consent.View, by audit.Actor, trace string) (Preview, error) {
	plan, err := f.Consent.PlanOf(ctx, f.Pool, view.Request)
	if err != nil {
		return Preview{}, err
	}
	scope, err := f.scope(ctx, plan)
	if err != nil {
		return Preview{}, err
	}
	rec := audit.Entry{
		Vault: who.Vault, Actor: by, Organisation: view.Organisation, Procedure: view.Procedure, Purpose: view.Purpose, Dossier: view.Dossier,
		Request: view.Request, RequestTrace: trace,
	}
	for _, field := range view.Fields {
		rec.Fields = append(rec.Fields, field.Name)
	}
	opened, err := f.Wallet.Preview(ctx, g, scope, []identity.VaultID{who.Vault}, rec)
	if err != nil {
		return Preview{}, err
	}
	profiles := map[identity.VaultID]*person.ProfileReading{}
	b := new(pgx.Batch)
	for _, v := range plan.People() {
		if scope.Keys[v] != nil {
			profiles[v] = f.People.QueueProfile(b, v)
		}
	}
	if err := pg.Pipeline(ctx, f.Pool, b); err != nil {
		return Preview{}, fmt.Errorf("preview of request %s: %w", view.Request, err)
	}
	form, err := f.form(plan, scope, opened, profiles, f.Now())
	if errors.Is(err, errProcedure) {
		return Preview{}, consent.ErrNotFound
	}
	if err != nil {
		return Preview{}, err
	}
	form.allowed = func(v identity.VaultID, field string) bool { return v == who.Vault && asks(view, field) }
	return f.preview(form, view, who.Sector), nil
}

func asks(view consent.View, field string) bool {
	for _, f := range view.Fields {
		if f.Name == field {
			return true
		}
	}
	return false
}

func (f *Filler) preview(form *form, view consent.View, sector string) Preview {
	var out Preview
	pinned := map[consent.DocRevision]bool{}
	for _, v := range form.values {
		if !asks(view, v.Field.Name) {
			continue
		}
		picked := form.pick(v)
		field := PreviewField{Name: v.Field.Name}
		for _, c := range picked {
			pin := consent.DocRevision{Document: identity.FromBytes[identity.DocumentID](c.Paper.ID), Revision: c.Paper.Revision}
			if !pinned[pin] {
				pinned[pin] = true
				out.Pinned = append(out.Pinned, pin)
			}
		}
		switch len(picked) {
		case 0:
			field.Missing = form.why(v)
		case 1:
			filled := f.field(form, v, picked, sector)
			field.Value, field.Source, field.Address = filled.Value, filled.Source, filled.Address
		default:
			for _, c := range picked {
				field.Choices = append(field.Choices, c.Value.JSON())
			}
		}
		out.Fields = append(out.Fields, field)
	}
	return out
}
