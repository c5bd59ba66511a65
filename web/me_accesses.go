package web

import (
	"net/http"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/internal/pg"
	"vidan/seal"
)

// accessesPage is a page of the record: who did what, in plain sentences. It never holds a value.
type accessesPage struct {
	Lines []accessLine
	More  string // address of the next page, empty at the end
}

type accessLine struct {
	At, Sentence string
	Officer      string // name and post as they were given
	SignedIn     bool   // the officer signed in; else the organisation named them
}

const accessesOnAPage = 50

// accesses shows the record of the person, or of somebody they represent. Reading it is a line of it.
func (p *Pages) accesses(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	who, err := p.whom(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	keys, err := p.keysOf(r, who)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	found, err := p.my.Audit.List(r.Context(), p.my.Pool, keys, pg.All(s.Standing(), who.Guard()), audit.Entry{Vault: who.Vault, Actor: s.Actor()},
		audit.Query{Cursor: r.URL.Query().Get("cursor"), Limit: accessesOnAPage}, p.my.Now())
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	language := languageOf(r)
	var list accessesPage
	for _, e := range found.Entries {
		names := audit.Names{Reader: s.Vault, Organisation: p.organisation(r, e.Organisation)}
		if !who.Self() {
			names.Owner = who.Name.Reveal()
		}
		vi, en := e.Sentence(names)
		line := accessLine{At: moment(language, e.At), Sentence: vi}
		if language == "en" {
			line.Sentence = en
		}
		if o := e.Actor.Officer; !o.IsZero() {
			line.Officer, line.SignedIn = officerWords(o), o.Assurance == audit.SignedIn
		}
		list.Lines = append(list.Lines, line)
	}
	if found.Next != "" {
		list.More = at(r, pathMe+"/accesses", who, "cursor", found.Next)
	}
	v := about(who)
	v.Me = list
	p.page(w, r, http.StatusOK, s, "me_accesses", v)
}

// keysOf opens the keys of all vaults of a person, the main one first.
func (p *Pages) keysOf(r *http.Request, who consent.Acting) ([]*seal.Keys, error) {
	vaults, err := p.my.People.VaultsOf(r.Context(), who.Vault)
	if err != nil {
		return nil, err
	}
	opened, err := p.my.Vaults.Open(r.Context(), p.my.Pool, vaults...)
	if err != nil {
		return nil, err
	}
	var keys []*seal.Keys
	for _, vault := range vaults {
		if opened[vault] != nil {
			keys = append(keys, opened[vault])
		}
	}
	if len(keys) == 0 {
		return nil, seal.ErrNoKeys
	}
	return keys, nil
}

// about is the view of a page about a person: the other language is about the same one.
func about(who consent.Acting) view {
	if who.Self() {
		return view{}
	}
	return view{Whose: nameOf(who), keep: who.Handle}
}

// nameOf is the name of somebody who is represented; empty for oneself.
func nameOf(who consent.Acting) string {
	if who.Self() {
		return ""
	}
	return who.Name.Reveal()
}

// officerWords is how an organisation named its officer.
func officerWords(o audit.Officer) string {
	words := o.Name.Reveal()
	if words == "" {
		words = o.ID
	}
	if o.Post != "" {
		words += ", " + o.Post
	}
	return words
}
