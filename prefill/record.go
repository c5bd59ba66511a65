package prefill

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// conditionKnown holds for people who exist.
const conditionKnown = `exists (select 1 from vaults where vault_id = $1)`

// entry is what every row of this order says in the record of one person.
func (r *release) entry(who identity.VaultID) audit.Entry {
	return audit.Entry{
		Vault: who, Kind: audit.Disclosure, Organisation: r.order.Organisation, Actor: audit.Actor{Client: r.order.Client, Officer: r.order.Officer},
		Procedure: r.plan.Procedure(), Purpose: r.plan.Purpose(), Basis: r.plan.Basis(), Dossier: r.plan.Dossier(), Request: r.order.Request,
		RequestTrace: r.order.Trace,
	}
}

// queueRecord records the release with everybody who granted it, repeated or not, and with whose paper was opened for a fact of somebody else.
func (r *release) queueRecord(b *pgx.Batch, c credits) error {
	record := func(e audit.Entry, documents []identity.DocumentID) error {
		e.Disclosure, e.Documents = r.permit.Disclosure(), documents
		_, err := r.f.d.Audit.Queue(b, r.scope.Keys[e.Vault], e, r.now)
		return err
	}
	for _, who := range r.permit.Vaults() {
		e := r.entry(who)
		e.Fields, e.Grant = c.use.Fields[who], r.permit.Grant(who)
		var documents []identity.DocumentID
		for _, d := range c.use.Opened[who] {
			documents = append(documents, d.Document)
		}
		if err := record(e, documents); err != nil {
			return err
		}
	}
	for _, who := range r.plan.People() {
		if documents := c.homes[who]; len(documents) > 0 && !r.permit.Has(who) {
			if err := record(r.entry(who), documents); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusal is the code of an error that says no to the organisation, and how it is recorded; empty for what is no refusal.
func refusal(err error) (reason string, outcome audit.Outcome) {
	for _, row := range []struct {
		err     error
		reason  string
		outcome audit.Outcome
	}{
		{consent.ErrWithdrawn, "grant_withdrawn", audit.Refused}, {consent.ErrConsumed, "grant_consumed", audit.Refused},
		{consent.ErrExpired, "grant_expired", audit.Refused}, {consent.ErrNotGranted, "not_granted", audit.Refused},
		{consent.ErrNotFound, "other_organisation", audit.NotFound}, // the request is there: its plan was read
	} {
		if errors.Is(err, row.err) {
			return row.reason, row.outcome
		}
	}
	return "", ""
}

// refused records a refusal with everybody who was asked, and returns cause; what says nothing about the request is no refusal. A refusal that
// cannot be recorded is [audit.ErrRecord] instead.
func (r *release) refused(ctx context.Context, cause error) error {
	reason, outcome := refusal(cause)
	if reason == "" {
		return cause
	}
	b := new(pgx.Batch)
	for _, who := range r.plan.Vaults() {
		keys, err := r.f.keysFor(ctx, r.scope.Keys[who])
		if err != nil {
			return fmt.Errorf("record a refusal: %w: %w", audit.ErrRecord, err)
		}
		e := r.entry(keys.Vault())
		e.Kind, e.Outcome, e.Reason = audit.AccessRefused, outcome, reason
		row, err := r.f.d.Audit.Row(keys, e, r.now)
		if err != nil {
			return fmt.Errorf("record a refusal: %w", err)
		}
		row.QueueIf(b, conditionKnown, e.Vault)
	}
	if err := pg.Pipeline(ctx, r.f.d.Pool, b); err != nil {
		if !errors.Is(err, audit.ErrRecord) {
			err = fmt.Errorf("%w: %w", audit.ErrRecord, err)
		}
		return fmt.Errorf("record a refusal: %w", err)
	}
	return cause
}
