package consent

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// refRequest is the kind of reference by which a request is named outside, the same at every edge.
const refRequest = "request"

// RequestRef names a request in a sector.
func (l *Ledger) RequestRef(sector string, id identity.RequestID) string {
	return ref(l, sector, refRequest, id)
}

// OpenRequestRef reads a name of a request. One that is no name of the sector becomes an id that no request has, so that the same statements run
// for it (R5).
func (l *Ledger) OpenRequestRef(sector, name string) identity.RequestID {
	raw, err := l.deployment.OpenRef(sector, refRequest, name)
	if err != nil || len(raw) != 16 {
		return identity.NewID[identity.RequestID]()
	}
	return identity.FromBytes[identity.RequestID]([16]byte(raw))
}

// Told is what the organisation of a request may know of one person's answer, once that person has made themselves known to it: by signing in,
// or by a hint from their own phone. Nobody else's answer is in it (R5).
type Told struct {
	Organisation string
	Procedure    string
	Dossier      string
	Purpose      string
	// State is empty for a person whose decision the request does not ask: a representative, or one whose facts it does not need.
	State PartyState
	// Fields are those that the person's grant opens now, in the order of the form: none before a yes, and none after the end of the grant.
	Fields []string
}

const (
	sqlToldParty = `select state, expires_at > $3 from request_parties where vault_id = $1 and request_id = $2`

	sqlToldGrant = `select` + grantColumns + ` from grants g where g.vault_id = $1 and g.grant_id = $2`
)

// Told returns where one person stands with a request, read now (R1). It guards nothing: the caller has established who the person is and for
// whom it asks. [ErrNotFound] for a request that does not exist.
func (l *Ledger) Told(ctx context.Context, request identity.RequestID, vault identity.VaultID) (Told, error) {
	plan, err := l.PlanOf(ctx, l.pool, request)
	if err != nil {
		return Told{}, err
	}
	told := Told{Organisation: plan.Organisation(), Procedure: plan.Procedure(), Dossier: plan.Dossier(), Purpose: plan.Purpose(), Fields: []string{}}
	now := l.now()
	var grants []grantRow
	b := new(pgx.Batch)
	b.Queue(sqlToldParty, vault, request, now).Query(func(rows pgx.Rows) error {
		var open bool
		_, err := pgx.ForEachRow(rows, []any{&told.State, &open}, func() error {
			if told.State == Asked && !open {
				told.State = Lapsed
			}
			return nil
		})
		return err
	})
	b.Queue(sqlToldGrant, vault, grantID(vault, request)).Query(func(rows pgx.Rows) (err error) {
		grants, err = pgx.CollectRows(rows, scanGrant)
		return err
	})
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return Told{}, fmt.Errorf("answer on request %s: %w", request, err)
	}
	for i := range grants {
		keys, err := l.vaults.OpenOne(ctx, l.pool, vault)
		if err != nil {
			return Told{}, fmt.Errorf("answer on request %s: %w", request, err)
		}
		if err := l.openGrant(keys, &grants[i]); err != nil {
			return Told{}, err
		}
		if grants[i].state.at(now, grants[i].until) == GrantActive {
			told.Fields = grants[i].body.Fields
		}
	}
	return told, nil
}
