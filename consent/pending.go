package consent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// Pending is one line of what a person is asked.
type Pending struct {
	Request        identity.RequestID
	OrganisationVI string
	OrganisationEN string
	Procedure      string
	ProcedureVI    string
	ProcedureEN    string
	Fields         int
	Sensitive      bool
	Created        time.Time
	Expires        time.Time
	May            bool // by age and right; whether this side has decided already, View says
}

// Page bounds.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Pending lists the open requests to a person, newest first, and the cursor of the next page, empty at the end. One round trip.
func (l *Ledger) Pending(ctx context.Context, g pg.Guard, who Acting, cursor string, limit int) ([]Pending, string, error) {
	before, err := l.openCursor(who, cursor)
	if err != nil {
		return nil, "", err
	}
	limit, now := bounded(limit), l.now()
	b := new(pgx.Batch)
	d := l.queuePerson(b, g, who)
	b.Queue(sqlPendingParties, who.Vault, now, before, limit).Query(func(rows pgx.Rows) (err error) {
		d.party, err = pgx.CollectRows(rows, pgx.RowToStructByPos[partyRow])
		return err
	})
	if err := l.sit(ctx, b, g, d); err != nil {
		return nil, "", fmt.Errorf("list requests: %w", err)
	}
	decide, err := l.deciders(d, now)
	if err != nil {
		return nil, "", fmt.Errorf("list requests: %w", err)
	}
	list := make([]Pending, 0, len(d.party))
	for _, row := range d.party {
		c, _, err := l.openContent(partyPlace(who.Vault, row.Request), row.Sealed)
		if err != nil {
			return nil, "", fmt.Errorf("list requests: %w", err)
		}
		p, _ := c.of(who.Vault)
		line := Pending{
			Request: c.ID, OrganisationVI: row.OrganisationVI, OrganisationEN: row.OrganisationEN, Procedure: c.Procedure,
			Fields: len(p.Fields), Created: c.Created, Expires: c.Expires, May: decide.mayDecide,
		}
		if procedure, ok := l.catalogue.Procedure(c.Procedure); ok {
			line.ProcedureVI, line.ProcedureEN = procedure.Name.VI, procedure.Name.EN
			line.Sensitive = slices.ContainsFunc(p.Fields, func(name string) bool {
				f, ok := procedure.Field(name)
				return ok && f.Sensitive
			})
		}
		list = append(list, line)
	}
	if len(list) < limit {
		return list, "", nil
	}
	return list, ref(l, who.Sector, refCursor, list[len(list)-1].Request), nil
}

func bounded(limit int) int {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return min(limit, MaxLimit)
}

// refCursor is the kind of reference a cursor is: the id of the last row.
const refCursor = "consent-page"

// openCursor returns the id before which the page begins: for the first one behind every other.
func (l *Ledger) openCursor(who Acting, cursor string) (identity.RequestID, error) {
	if cursor == "" {
		var last [16]byte
		for i := range last {
			last[i] = 0xff
		}
		return identity.FromBytes[identity.RequestID](last), nil
	}
	id, err := l.deployment.OpenRef(who.Sector, refCursor, cursor)
	if err != nil || len(id) != 16 {
		return identity.RequestID{}, ErrCursor
	}
	return identity.FromBytes[identity.RequestID]([16]byte(id)), nil
}
