package prefill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Preview is what an agency would get for the fields that one person decides about, if that person allowed all of them. It prints masked (L7).
type Preview struct {
	masked
	Fields []PreviewField // in the order of the form
	// Pinned are the papers these values stand in: what a decision for once allows to be opened.
	Pinned []consent.DocRevision
}

// PreviewField is one field with its present value. It prints masked (L7).
type PreviewField struct {
	masked
	Name    string
	Value   json.RawMessage   // nil: nothing is held, or there are choices
	Choices []json.RawMessage // several papers say different things
	Source  *Source
	Address *Address
	Missing Reason // why there is no value; empty when there is one
}

// Preview shows, to the person or whoever acts for them, what the agency would get: limited to what the viewer may open, and a recorded reading of
// its own. g is the guard of the viewer's session; that of who is added here. view is what consent showed them in the same request. It makes no
// promise for later: a grant for once pins what was seen. One round trip with plan and keys at hand.
//
// Errors: [consent.ErrNotFound] for a request that does not ask this person; [audit.ErrRecord]; those of g, seal and pg.
func (f *Filler) Preview(ctx context.Context, g pg.Guard, who consent.Acting, view consent.View, by audit.Actor, trace string) (Preview, error) {
	plan, err := f.d.Consent.PlanOf(ctx, f.d.Pool, view.Request)
	if err != nil {
		return Preview{}, err
	}
	fields := plan.FieldsOf(who.Vault)
	if len(fields) == 0 {
		return Preview{}, consent.ErrNotFound
	}
	scope, err := f.scope(ctx, plan)
	if err != nil {
		return Preview{}, fmt.Errorf("preview of request %s: %w", view.Request, err)
	}
	if scope.Keys[who.Vault] == nil {
		return Preview{}, consent.ErrNotFound
	}
	reading := &profilesGuard{f: f, plan: &plan}
	opened, err := f.d.Wallet.Preview(ctx, pg.All(g, who.Guard(), reading), scope, []identity.VaultID{who.Vault}, audit.Entry{
		Vault: who.Vault, Actor: by, Organisation: plan.Organisation(), Procedure: plan.Procedure(), Purpose: plan.Purpose(), Basis: plan.Basis(),
		Dossier: plan.Dossier(), Request: view.Request, Fields: fields, RequestTrace: trace,
	})
	if pg.Refused(err) == consent.CodeNotFound {
		return Preview{}, consent.ErrNotFound
	}
	if err != nil {
		return Preview{}, err
	}
	allowed := func(v identity.VaultID, field string) bool { return v == who.Vault && slices.Contains(fields, field) }
	form, err := f.form(plan, scope, opened, reading.profiles, allowed, f.d.Now())
	if errors.Is(err, errProcedure) {
		return Preview{}, consent.ErrNotFound
	}
	if err != nil {
		return Preview{}, fmt.Errorf("preview of request %s: %w", view.Request, err)
	}
	return f.preview(form, fields, who.Sector), nil
}

// profilesGuard refuses nothing: it reads the profiles of a dossier's people in the round trip of the operation that it is given to.
type profilesGuard struct {
	f        *Filler
	plan     *consent.Plan
	profiles map[identity.VaultID]*person.ProfileReading
}

// Queue implements [pg.Guard].
func (g *profilesGuard) Queue(b *pgx.Batch) { g.profiles = g.f.queueProfiles(b, *g.plan) }

// Check implements [pg.Guard].
func (g *profilesGuard) Check() error { return nil }

func (f *Filler) preview(form *form, fields []string, sector string) Preview {
	var out Preview
	for i := range form.fields {
		v := &form.fields[i]
		if !slices.Contains(fields, v.Field.Name) {
			continue
		}
		field := PreviewField{Name: v.Field.Name, Missing: v.reason}
		if len(v.picked) > 0 {
			filled := form.field(v, f.d.Deployment, sector)
			field.Value, field.Source, field.Address = filled.Value, filled.Source, filled.Address
			for _, c := range filled.Choices {
				field.Choices = append(field.Choices, c.Value)
			}
		}
		for _, c := range v.picked {
			pin := consent.DocRevision{Document: identity.FromBytes[identity.DocumentID](c.Paper.ID), Revision: c.Paper.Revision}
			if !slices.Contains(out.Pinned, pin) {
				out.Pinned = append(out.Pinned, pin)
			}
		}
		out.Fields = append(out.Fields, field)
	}
	return out
}
