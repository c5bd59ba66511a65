package consent

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
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
	// sqlParty reads one person's row with the organisation's names, a small table that every shard holds.
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
