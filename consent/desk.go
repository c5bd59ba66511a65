package consent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// partyRow is a row of request_parties with its organisation.
type partyRow struct {
	Request        identity.RequestID
	State          PartyState
	Sealed         []byte
	OrganisationVI string
	OrganisationEN string
	Sector         string
}

// desk is everything a decision about one person and one request is made from, read in one batch.
type desk struct {
	who     Acting
	keys    *seal.Keys
	party   []partyRow
	profile *person.ProfileReading
	account bool
	events  []event
	guard   *relationGuard // nil for oneself
}

// queueDesk reads a request as its person is asked, behind the guards of session and relation.
func (l *Ledger) queueDesk(b *pgx.Batch, g pg.Guard, who Acting, request identity.RequestID) *desk {
	d := l.queuePerson(b, g, who)
	b.Queue(sqlParty, who.Vault, request).Query(func(rows pgx.Rows) (err error) {
		d.party, err = pgx.CollectRows(rows, pgx.RowToStructByPos[partyRow])
		return err
	})
	b.Queue(sqlDecisions, who.Vault, grantID(who.Vault, request)).Query(func(rows pgx.Rows) (err error) {
		d.events, err = collectEvents(rows, who.Vault, grantID(who.Vault, request))
		return err
	})
	return d
}

// queuePerson reads who may decide for a person.
func (l *Ledger) queuePerson(b *pgx.Batch, g pg.Guard, who Acting) *desk {
	d := &desk{who: who}
	g.Queue(b)
	if !who.Self() {
		d.guard = &relationGuard{acting: who}
		d.guard.Queue(b)
	}
	d.profile = l.people.QueueProfile(b, who.Vault)
	b.Queue(sqlHasAccount, who.Vault).QueryRow(func(row pgx.Row) error { return row.Scan(&d.account) })
	return d
}

// sit sends the batch and checks the guards.
func (l *Ledger) sit(ctx context.Context, b *pgx.Batch, g pg.Guard, d *desk) error {
	keys, err := l.vaults.OpenOne(ctx, l.pool, d.who.Vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	d.keys = keys
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return refusal(err)
	}
	if err := g.Check(); err != nil {
		return err
	}
	if d.guard != nil {
		return d.guard.Check()
	}
	return nil
}

// deciders says who has to decide for the person now.
type deciders struct {
	rule       AgeRule
	person     bool // the person themselves
	represent  bool // a representative
	noAccount  bool // the person would have to decide too, but has no account: the record says so
	mayDecide  bool // the actor is one of those
	actsAsSelf bool
	majority   time.Time // when a child comes of age; zero for others
}

func (l *Ledger) deciders(d *desk, now time.Time) (deciders, error) {
	profile, err := d.profile.Result(d.keys)
	if errors.Is(err, person.ErrNotFound) {
		return deciders{}, ErrNotFound
	}
	if err != nil {
		return deciders{}, err
	}
	who := deciders{rule: l.ages.on(now), actsAsSelf: d.who.Self()}
	age := l.ages.band(profile.BirthDate, now)
	if age != ofAge {
		who.majority = l.ages.Majority(profile.BirthDate, now)
	}
	switch age {
	case infant:
		who.represent = true
	case minor:
		who.represent, who.person, who.noAccount = true, d.account, !d.account
	case ofAge:
		// A representative of somebody of age decides alone, and so does the person: one decision is made.
		who.person, who.represent = who.actsAsSelf, !who.actsAsSelf
	}
	who.mayDecide = who.actsAsSelf && who.person || !who.actsAsSelf && who.represent
	return who, nil
}

func (d deciders) both() bool { return d.person && d.represent }

// decided reports whether the actor's side has decided already.
func (d *desk) decided(self bool) bool {
	return slices.ContainsFunc(d.events, func(e event) bool { return e.isDecision() && e.body.bySelf() == self })
}
