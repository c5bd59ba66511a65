package web

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/internal/pg"
)

// relationsPage says who may act for somebody, and for whom they act.
type relationsPage struct {
	ForMe []relationLine
	Mine  []representedLine
}

// relationLine is one who may act for the person, or may later.
type relationLine struct {
	Kind        string // key of its words
	State       string
	Since       string
	Until       string // empty: no end
	DecideAfter string // of one that waits: until then the person can object
}

// representedLine is somebody the person may act for.
type representedLine struct {
	Name, Kind         string
	Requests, Accesses string // addresses
}

// shownStates are those a person reads about: what was restricted or has ended gives nobody a right, and is the registrar's to tell.
var shownStates = map[consent.State]bool{consent.Active: true, consent.Proposed: true, consent.Suspended: true}

// relations shows both sides. The reading is recorded, or nothing is shown.
func (p *Pages) relations(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	all, err := p.my.Consent.Relations(r.Context(), pg.All(s.Standing(), &recording{p: p, r: r, s: s}), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	var list relationsPage
	language, now := languageOf(r), p.my.Now()
	for _, x := range all {
		if !shownStates[x.State] || !x.ValidUntil.IsZero() && !now.Before(x.ValidUntil) {
			continue
		}
		line := relationLine{Kind: "relation." + string(x.Kind), State: "relation." + string(x.State), Since: moment(language, x.ValidFrom)}
		if !x.ValidUntil.IsZero() {
			line.Until = moment(language, x.ValidUntil)
		}
		if x.State == consent.Proposed && !x.DecideAfter.IsZero() {
			line.DecideAfter = moment(language, x.DecideAfter)
		}
		list.ForMe = append(list.ForMe, line)
	}
	people, err := p.people(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	for _, who := range people {
		list.Mine = append(list.Mine, representedLine{
			Name: who.Name.Reveal(), Kind: "relation.my_" + string(who.Kind),
			Requests: at(r, pathMe+"/requests", who), Accesses: at(r, pathMe+"/accesses", who),
		})
	}
	p.page(w, r, http.StatusOK, s, "me_relations", view{Me: list})
}

// recording refuses nothing: it records that the person read who may act for them, in the round trip that reads it.
type recording struct {
	p   *Pages
	r   *http.Request
	s   *auth.PageSession
	err error
}

// Queue implements [pg.Guard].
func (g *recording) Queue(b *pgx.Batch) {
	keys, err := g.p.my.Vaults.OpenOne(g.r.Context(), g.p.my.Pool, g.s.Vault)
	if err == nil {
		_, err = g.p.my.Audit.Queue(b, keys, audit.Entry{Vault: g.s.Vault, Kind: audit.RelationsRead, Actor: g.s.Actor()}, g.p.my.Now())
	}
	g.err = err
}

// Check implements [pg.Guard].
func (g *recording) Check() error { return g.err }
