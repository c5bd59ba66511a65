package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// RequestState is where a request stands, as its organisation is told.
type RequestState string

// The states.
const (
	RequestOpen     RequestState = "open"
	RequestComplete RequestState = "complete" // everybody who was asked agreed to something
	RequestClosed   RequestState = "closed"   // everybody decided, and not everybody agreed: who did not is nobody's business
	RequestExpired  RequestState = "expired"  // not everybody decided in time: unknown, dead, blocked and silent people look like this (R5)
)

// Status is what an organisation is told of its request.
type Status struct {
	State   RequestState
	Expires time.Time
}

const (
	sqlStatus = `
select organisation_id, party_vaults, expires_at from consent_requests where request_id = $1`

	// sqlPartyStates counts by state those who are asked by the request of $1.
	sqlPartyStates = `
select p.state, count(*) from request_parties p where p.request_id = $1
  and p.vault_id = any((select r.party_vaults from consent_requests r where r.request_id = $1)::uuid[])
group by p.state`

	sqlCloseRequest = `update consent_requests set state = 'closed' where request_id = $1 and state = 'open'`

	sqlSectorOf = `select sector from organisations where organisation_id = $1`
)

// standing is how far a request has come.
type standing struct {
	organisation string
	vaults       []identity.VaultID
	expires      time.Time
	count        map[PartyState]int
	found        bool
}

func queueStanding(b *pgx.Batch, id identity.RequestID) *standing {
	s := &standing{count: map[PartyState]int{}}
	b.Queue(sqlStatus, id).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&s.organisation, &s.vaults, &s.expires}, func() error {
			s.found = true
			return nil
		})
		return err
	})
	b.Queue(sqlPartyStates, id).Query(func(rows pgx.Rows) error {
		var state PartyState
		var n int
		_, err := pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			s.count[state] = n
			return nil
		})
		return err
	})
	return s
}

func (s *standing) state(now time.Time) RequestState {
	switch {
	case s.count[Asked] == 0 && s.count[Denied] == 0:
		return RequestComplete
	case s.count[Asked] == 0:
		return RequestClosed
	case !now.Before(s.expires):
		return RequestExpired
	}
	return RequestOpen
}

// Status tells an organisation how far its request has come, and never who refused or who did not answer. One round trip. [ErrNotFound] also for
// another organisation's request.
func (l *Ledger) Status(ctx context.Context, g pg.Guard, organisation string, id identity.RequestID) (Status, error) {
	b := new(pgx.Batch)
	g.Queue(b)
	s := queueStanding(b, id)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return Status{}, fmt.Errorf("status of request %s: %w", id, err)
	}
	if err := g.Check(); err != nil {
		return Status{}, err
	}
	if !s.found || s.organisation != organisation {
		return Status{}, fmt.Errorf("status of request %s: %w", id, ErrNotFound)
	}
	return Status{State: s.state(l.now()), Expires: s.expires}, nil
}

// FollowRequest is the handler of [TaskFollow]: after a request was made it tells those who may decide that there is something to read; after a decision
// and when the time is over it closes the request, once, and tells the organisation.
func (l *Ledger) FollowRequest(ctx context.Context, t delivery.Task) error {
	var args reference
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.Kind, err)
	}
	now := l.now()
	b := new(pgx.Batch)
	s := queueStanding(b, args.Request)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("follow request %s: %w", args.Request, err)
	}
	if !s.found {
		return fmt.Errorf("follow request %s: %w", args.Request, ErrNotFound)
	}
	state := s.state(now)
	if state != RequestOpen {
		return l.closeRequest(ctx, args.Request, s.organisation, state, now)
	}
	if !args.Tell {
		return nil
	}
	for _, vault := range s.vaults {
		if err := l.tellAsked(ctx, vault, now); err != nil {
			return fmt.Errorf("follow request %s: %w", args.Request, err)
		}
	}
	return nil
}

// requestEvent is the body of request.decided and request.expired, in references of the organisation's sector.
type requestEvent struct {
	Request  string `json:"request_id"`
	Complete bool   `json:"complete"`
}

// closeRequest writes the state down and queues the event, in one transaction of which only the first does anything.
func (l *Ledger) closeRequest(ctx context.Context, id identity.RequestID, organisation string, state RequestState, now time.Time) error {
	err := pg.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlCloseRequest, id)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		rows, err := tx.Query(ctx, sqlSectorOf, organisation)
		if err != nil {
			return err
		}
		sector, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		kind := "request.decided"
		if state == RequestExpired {
			kind = "request.expired"
		}
		b := new(pgx.Batch)
		delivery.QueueEvent(b, organisation, kind, requestEvent{Request: ref(l, sector, "request", id), Complete: state == RequestComplete}, now)
		return pg.Pipeline(ctx, tx, b)
	})
	if err != nil {
		return fmt.Errorf("close request %s: %w", id, err)
	}
	return nil
}

// tellAsked queues notices for one person who is asked: to them, and for a child to whoever represents it; to the child too once it has an account.
// Nothing happens for a stranger.
func (l *Ledger) tellAsked(ctx context.Context, vault identity.VaultID, now time.Time) error {
	keys, err := l.vaults.OpenOne(ctx, l.pool, vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil
	}
	if err != nil {
		return err
	}
	var homes []home
	account := false
	b := new(pgx.Batch)
	profile := l.people.QueueProfile(b, vault)
	b.Queue(sqlHasAccount, vault).QueryRow(func(row pgx.Row) error { return row.Scan(&account) })
	b.Queue(sqlHomes, vault).Query(func(rows pgx.Rows) (err error) {
		homes, err = collectHomes(rows, vault)
		return err
	})
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return err
	}
	who, err := profile.Result(keys)
	if errors.Is(err, person.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	age := l.ages.band(who.BirthDate, now)
	b = new(pgx.Batch)
	if age == ofAge || age == minor && account {
		delivery.Queue(b, notice(vault, delivery.RequestWaiting), now)
	}
	for i := range homes {
		if err := l.open(keys, &homes[i]); err != nil {
			return err
		}
		if homes[i].stands(now) {
			delivery.Queue(b, notice(homes[i].Actor, delivery.RequestWaiting), now)
		}
	}
	return pg.Pipeline(ctx, l.pool, b)
}
