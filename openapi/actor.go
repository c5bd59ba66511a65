package openapi

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth"
	"vidan/identity"
	"vidan/internal/pg"
)

// guardAndActor is by what right, and in whose hands, an act of an organisation lies.
type guardAndActor struct {
	guard pg.Guard
	actor audit.Actor
	level int // at which the officer signed in; 0: the client asserts the officer and says nothing of it
}

// official reads who acts for the organisation of need and returns the guard of their right. The officer belongs to that organisation;
// the unit of the mandate is the officer's.
func (a *API) official(ctx context.Context, need auth.Need) (guardAndActor, error) {
	officer, level, err := a.officer(ctx)
	if err != nil {
		return guardAndActor{}, err
	}
	if officer.Organisation != need.Organisation {
		return guardAndActor{}, auth.ErrMandate
	}
	me := caller(ctx)
	need.Unit = officer.Unit
	return guardAndActor{guarded(ctx, a.Auth.Mandate(me.ClientID, need)), audit.Actor{Client: me.ClientID, Officer: officer}, level}, nil
}

// officialFor is official for an act on the person whom a handle of the caller names. Who may not act learns nothing of the handle.
func (a *API) officialFor(ctx context.Context, need auth.Need, handle string) (guardAndActor, identity.VaultID, error) {
	by, err := a.official(ctx, need)
	if err != nil {
		return guardAndActor{}, identity.VaultID{}, err
	}
	vault, err := a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, handle)
	return by, vault, err
}

// sqlSector reads by whose ids an organisation names people and things; it never changes.
const sqlSector = `select sector from organisations where organisation_id = $1`

// Statements returns the SQL of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string { return map[string]string{"openapi.sqlSector": sqlSector} }

// sectorOf returns the sector of the organisation a client acts for: nearly always its own. An organisation that is not there has none,
// and the guard of the mandate says so.
func (a *API) sectorOf(ctx context.Context, organisation string) (sector string, err error) {
	if me := caller(ctx); me.Organisation == organisation {
		return me.Sector, nil
	}
	err = a.Pool.QueryRow(ctx, sqlSector, organisation).Scan(&sector)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sector, pg.Classify(err)
}

// judged runs a guard by itself, where nothing else has to be read.
func (a *API) judged(ctx context.Context, guard pg.Guard) error {
	b := new(pgx.Batch)
	guard.Queue(b)
	if err := pg.Pipeline(ctx, a.Pool, b); err != nil {
		return err
	}
	return guard.Check()
}

// missing is the answer to an id that names nothing: the caller is judged first, as for one that does (S1).
func (a *API) missing(ctx context.Context, guard pg.Guard) error {
	if err := a.judged(ctx, guard); err != nil {
		return err
	}
	return newProblem(ctx, codeNotFound)
}
