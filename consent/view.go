package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// View is a request as one person is asked, for somebody who may decide for them. Present values are not in it: they are prefill's.
type View struct {
	Request        identity.RequestID
	Organisation   string // id
	OrganisationVI string
	OrganisationEN string
	Officer        audit.Officer // the name prints masked; it is shown to the citizen
	Procedure      string
	ProcedureVI    string
	ProcedureEN    string
	Dossier        string
	Purpose        string
	BasisRef       string // number of the law
	BasisArticle   string
	Roles          []string // of the person in the dossier
	Fields         []Field  // that the person decides about, in the order of the form; none is preselected
	Mode           Mode
	Uses           int
	Until          time.Time // a grant ends there at the latest
	Created        time.Time
	Expires        time.Time

	// What a decision names.
	Person    string    // handle
	Authority Authority // of the viewer
	Digest    string    // of the request, base64url
	Nonce     string    // base64url
	Texts     map[string]Text

	// Where the decision stands.
	Self  bool // the viewer is the person
	Both  bool // the person and a representative both have to decide
	May   bool // the viewer's decision is open
	State PartyState

	tooAge int
}

// Field is one field of the form that is asked for.
type Field struct {
	Name      string
	TitleVI   string
	TitleEN   string
	Sensitive bool
	Required  bool // the form cannot do without it; it may be typed or the paper brought
}

// PartyState is where one person stands with a request.
type PartyState string

// The states of request_parties; Lapsed is one that nobody decided in time.
const (
	Asked   PartyState = "asked"
	Allowed PartyState = "allowed"
	Denied  PartyState = "denied"
	Lapsed  PartyState = "lapsed"
)

const (
	// partyColumns are read with the organisation's names, a small table that every shard holds.
	sqlParty = `
select p.request_id, p.state, p.sealed, o.name_vi, o.name_en, o.sector
from request_parties p join organisations o on o.organisation_id = p.organisation_id
where p.vault_id = $1 and p.request_id = $2`

	sqlPendingParties = `
select p.request_id, p.state, p.sealed, o.name_vi, o.name_en, o.sector
from request_parties p join organisations o on o.organisation_id = p.organisation_id
where p.vault_id = $1 and p.state = 'asked' and p.expires_at > $2 and p.request_id < $3
order by p.request_id desc limit $4`

	sqlHasAccount = `select exists (select 1 from credentials where vault_id = $1 and state = 'active')`
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

// View returns a request as a person is asked, for the person or somebody in a relation that stands. One round trip. [ErrNotFound] for
// whatever is not theirs.
func (l *Ledger) View(ctx context.Context, g pg.Guard, who Acting, request identity.RequestID) (View, error) {
	b := new(pgx.Batch)
	d := l.queueDesk(b, g, who, request)
	if err := l.sit(ctx, b, g, d); err != nil {
		return View{}, fmt.Errorf("view request %s: %w", request, err)
	}
	v, _, err := l.view(d, l.now())
	if err != nil {
		return View{}, fmt.Errorf("view request %s: %w", request, err)
	}
	return v, nil
}

// view makes the view of what was read.
func (l *Ledger) view(d *desk, now time.Time) (View, *content, error) {
	if len(d.party) == 0 {
		return View{}, nil, ErrNotFound
	}
	row := d.party[0]
	c, digest, err := l.openContent(partyPlace(d.who.Vault, row.Request), row.Sealed)
	if err != nil {
		return View{}, nil, err
	}
	who, err := l.deciders(d, now)
	if err != nil {
		return View{}, nil, err
	}
	if err := d.openEvents(); err != nil {
		return View{}, nil, err
	}
	p, _ := c.of(d.who.Vault)
	v := View{
		Request: c.ID, Organisation: c.Organisation, OrganisationVI: row.OrganisationVI, OrganisationEN: row.OrganisationEN,
		Officer: c.Officer.of(c.Organisation), Procedure: c.Procedure, Dossier: c.Dossier, Purpose: c.Purpose,
		BasisRef: c.BasisRef, BasisArticle: c.BasisArticle, Roles: p.Roles, Mode: c.Mode, Uses: c.Uses, Until: c.Until,
		Created: c.Created, Expires: c.Expires, Person: d.who.Handle, Digest: encode64(digest[:]),
		Nonce: encode64(c.nonceFor(d.who.Vault, d.who.Actor)), Self: who.actsAsSelf, Both: who.both(), tooAge: who.rule.Too,
		State: row.State, Authority: Authority{Kind: "self"},
	}
	if row.State == Asked && !now.Before(c.Expires) {
		v.State = Lapsed
	}
	v.May = who.mayDecide && v.State == Asked && !d.decided(who.actsAsSelf)
	if d.guard != nil {
		if v.Authority, err = l.authority(d); err != nil {
			return View{}, nil, err
		}
	}
	procedure, ok := l.catalogue.Procedure(c.Procedure)
	if !ok {
		return View{}, nil, fmt.Errorf("procedure %s is not in this catalogue", c.Procedure)
	}
	v.ProcedureVI, v.ProcedureEN = procedure.Name.VI, procedure.Name.EN
	for _, name := range p.Fields {
		f, ok := procedure.Field(name)
		if !ok {
			return View{}, nil, fmt.Errorf("field %s is not in this catalogue", name)
		}
		v.Fields = append(v.Fields, Field{Name: name, TitleVI: f.TitleVI, TitleEN: f.TitleEN, Sensitive: f.Sensitive, Required: f.Required})
	}
	v.Texts = map[string]Text{Vietnamese: writeText(&v, Vietnamese), English: writeText(&v, English)}
	return v, c, nil
}

// authority says in which relation the actor decides.
func (l *Ledger) authority(d *desk) (Authority, error) {
	h := d.guard.row
	if err := l.open(d.keys, &h); err != nil {
		return Authority{}, err
	}
	a := Authority{Kind: "relation", Relation: ref(l, d.who.Sector, "relation", h.ID), Revision: h.Revision}
	if !h.Document.IsZero() {
		a.Document = ref(l, d.who.Sector, "document", h.Document)
	}
	return a, nil
}

// ref names an id in a sector.
func ref[K any](l *Ledger, sector, kind string, id identity.ID[K]) string {
	raw := id.Bytes()
	return l.deployment.Ref(sector, kind, raw[:])
}

// decided reports whether the actor's side has decided already.
func (d *desk) decided(self bool) bool {
	return slices.ContainsFunc(d.events, func(e event) bool { return e.isDecision() && e.body.bySelf() == self })
}

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
