package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// Plan is what one request asks of whom. It never changes, holds no state and grants nothing; it says which vaults have to be opened before a
// transaction that redeems. Its slices are shared and must not be changed.
type Plan struct {
	c      *content
	asked  []identity.VaultID // in ascending order, as the next
	people []identity.VaultID
	digest [32]byte
}

// IsZero reports a plan of nothing.
func (p Plan) IsZero() bool { return p.c == nil }

// Request returns the request's id.
func (p Plan) Request() identity.RequestID { return p.c.ID }

// Organisation returns who asks.
func (p Plan) Organisation() string { return p.c.Organisation }

// Client returns the client through which it asked.
func (p Plan) Client() string { return p.c.Client }

// Officer returns the officer in whose hands the request lay.
func (p Plan) Officer() audit.Officer { return p.c.Officer.of(p.c.Organisation) }

// Procedure returns the catalogue id.
func (p Plan) Procedure() string { return p.c.Procedure }

// Dossier returns the organisation's code of the run.
func (p Plan) Dossier() string { return p.c.Dossier }

// Purpose returns the purpose code.
func (p Plan) Purpose() string { return p.c.Purpose }

// Basis returns the ground, as the record names it.
func (p Plan) Basis() string { return p.c.basis() }

// Digest is [View.Digest].
func (p Plan) Digest() [32]byte { return p.digest }

// Fields returns the form fields asked for, in the order of the form.
func (p Plan) Fields() []string { return p.c.Fields }

// Vaults returns the people who are asked, in ascending order: only they can have granted something. Strangers are among them and cannot be told
// apart here.
func (p Plan) Vaults() []identity.VaultID { return p.asked }

// People returns everybody of the dossier, in ascending order: whoever reads under a permit opens the keys of these. A fact that one person
// granted may stand in a paper of another, who then is not asked: a mother's in the certificate of her child.
func (p Plan) People() []identity.VaultID { return p.people }

// Roles returns who has each role of the dossier, whether they are asked or not.
func (p Plan) Roles() map[string]identity.VaultID {
	roles := make(map[string]identity.VaultID)
	for _, q := range p.c.Parties {
		for _, role := range q.Roles {
			roles[role] = q.Vault
		}
	}
	return roles
}

// Number returns the personal number by which the organisation named a person, zero where it named them otherwise. It proves nothing about them; of a
// person nobody knows it is what the papers of others are matched by, so that an answer does not tell who is enrolled (R5).
func (p Plan) Number(vault identity.VaultID) identity.PersonalNumber {
	q, _ := p.c.of(vault)
	return q.Number.PersonalNumber
}

// FieldsOf returns the fields that a person decides about, in the order of the form.
func (p Plan) FieldsOf(vault identity.VaultID) []string {
	q, _ := p.c.of(vault)
	return q.Fields
}

// Has reports whether a person is asked.
func (p Plan) Has(vault identity.VaultID) bool { return slices.Contains(p.asked, vault) }

// plans keeps what requests ask: some 2 KB each, a bounded number, and never their state.
type plans struct {
	cache *otter.Cache[identity.RequestID, Plan]
}

const maxPlans = 4096

func newPlans() *plans {
	return &plans{cache: otter.Must(&otter.Options[identity.RequestID, Plan]{
		MaximumSize: maxPlans, ExpiryCalculator: otter.ExpiryAccessing[identity.RequestID, Plan](15 * time.Minute),
	})}
}

const sqlRequest = `
select organisation_id, sealed from consent_requests where request_id = $1`

// PlanOf returns what a request asks, from memory or in one round trip; [ErrNotFound] when there is no such request. Whose request it is,
// redeeming checks.
func (l *Ledger) PlanOf(ctx context.Context, db pg.Sender, request identity.RequestID) (Plan, error) {
	if plan, known := l.plans.cache.GetIfPresent(request); known {
		return plan, nil
	}
	plan, err := l.readPlan(ctx, db, request)
	if err != nil {
		return Plan{}, err
	}
	l.plans.cache.Set(request, plan)
	return plan, nil
}

func (l *Ledger) readPlan(ctx context.Context, db pg.Sender, request identity.RequestID) (Plan, error) {
	var organisation string
	var sealed []byte
	b := new(pgx.Batch)
	b.Queue(sqlRequest, request).QueryRow(func(row pgx.Row) error { return row.Scan(&organisation, &sealed) })
	err := pg.Pipeline(ctx, db, b)
	if errors.Is(err, pgx.ErrNoRows) {
		return Plan{}, ErrNotFound
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan of request %s: %w", request, err)
	}
	c, digest, err := l.openContent(requestPlace(request), sealed)
	if err != nil {
		return Plan{}, fmt.Errorf("plan of request %s: %w", request, err)
	}
	return Plan{c: c, asked: c.vaults(), people: c.people(), digest: digest}, nil
}
