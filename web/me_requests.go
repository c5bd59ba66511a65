package web

import (
	"errors"
	"net/http"

	"vidan/auth"
	"vidan/consent"
)

// requestList are the requests that wait for one person.
type requestList struct {
	Name  string // of somebody who is represented; empty for oneself
	Lines []requestLine
}

type requestLine struct {
	Path                    string
	Organisation, Procedure string
	Fields                  int
	Sensitive               bool
	Expires                 string
}

// requestsOnAPage bounds the list of one person: so many requests are never open at once for long.
const requestsOnAPage = 100

// waiting lists what waits for the person and for those they represent; the person comes first.
func (p *Pages) waiting(r *http.Request, s *auth.PageSession) ([]requestList, error) {
	self, err := p.self(s)
	if err != nil {
		return nil, err
	}
	people, err := p.people(r, s)
	if err != nil {
		return nil, err
	}
	var lists []requestList
	for _, who := range append([]consent.Acting{self}, people...) {
		pending, _, err := p.my.Consent.Pending(r.Context(), s.Standing(), who, "", requestsOnAPage)
		if errors.Is(err, consent.ErrNotFound) && !who.Self() {
			continue // it ended a moment ago
		}
		if err != nil {
			return nil, err
		}
		list := requestList{Name: nameOf(who)}
		for _, x := range pending {
			list.Lines = append(list.Lines, p.requestLine(r, s, who, x))
		}
		if who.Self() || len(list.Lines) > 0 {
			lists = append(lists, list)
		}
	}
	return lists, nil
}

func (p *Pages) requestLine(r *http.Request, s *auth.PageSession, who consent.Acting, x consent.Pending) requestLine {
	language := languageOf(r)
	line := requestLine{
		Path:         at(r, pathMe+"/requests/"+p.my.Consent.RequestRef(s.Sector, x.Request), who),
		Organisation: x.OrganisationVI, Procedure: x.ProcedureVI, Fields: x.Fields, Sensitive: x.Sensitive, Expires: moment(language, x.Expires),
	}
	if language == "en" {
		line.Organisation, line.Procedure = x.OrganisationEN, x.ProcedureEN
	}
	return line
}

// requests shows what waits for an answer.
func (p *Pages) requests(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	lists, err := p.waiting(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	p.page(w, r, http.StatusOK, s, "me_requests", view{Me: lists})
}

// requestPage is what stands around the question of a request.
type requestPage struct {
	State string // key of what became of it; empty while an answer is wanted
	Lines []string
}

// request shows one request: who asks, why, for which fields with what they hold now, for how long.
func (p *Pages) request(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	p.showRequest(w, r, http.StatusOK, s, "")
}

func (p *Pages) showRequest(w http.ResponseWriter, r *http.Request, status int, s *auth.PageSession, fault string) {
	who, err := p.whom(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	x, err := p.my.Consent.View(r.Context(), s.Standing(), who, p.my.Consent.OpenRequestRef(s.Sector, r.PathValue("id")))
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	v := about(who)
	if x.State != consent.Asked || !x.May || p.preview == nil {
		over := requestPage{State: "me_request." + string(x.State), Lines: textOf(languageOf(r), x)}
		if x.State == consent.Asked && p.preview != nil {
			over.State = "me_request.others"
		}
		v.Me = over
		p.page(w, r, status, s, "me_request", v)
		return
	}
	preview, err := p.preview(r.Context(), s.Standing(), who, x, s.Actor(), "")
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	v.Me = requestPage{}
	v.Data = form{Error: fault, Token: s.FormToken("decide", object(r)), Ask: askedFormOf(languageOf(r), s, x, preview)}
	v.Data.Ask.Action = at(r, pathMe+"/requests/"+p.my.Consent.RequestRef(s.Sector, x.Request), who)
	p.page(w, r, status, s, "me_request", v)
}

// decideRequest takes the answer of the page: for once, of what is not sensitive; the ledger refuses everything wider.
func (p *Pages) decideRequest(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	who, err := p.whom(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	d, ok := decisionOf(r, s)
	if !ok {
		p.showRequest(w, r, http.StatusUnprocessableEntity, s, "asked.choose")
		return
	}
	d.Request = p.my.Consent.OpenRequestRef(s.Sector, r.PathValue("id"))
	_, err = p.my.Consent.Decide(r.Context(), s.Standing(), who, d, nil)
	switch {
	case err == nil && d.Allow:
		done(w, r, pathMe+"/requests", "allowed")
	case err == nil:
		done(w, r, pathMe+"/requests", "denied")
	case errors.Is(err, consent.ErrSignatureRequired):
		p.showRequest(w, r, http.StatusUnprocessableEntity, s, "asked.app")
	case errors.Is(err, consent.ErrDecision):
		p.showRequest(w, r, http.StatusUnprocessableEntity, s, "asked.choose")
	case errors.Is(err, consent.ErrAlreadyDecided), errors.Is(err, consent.ErrExpired), errors.Is(err, consent.ErrRepresentative):
		p.showRequest(w, r, http.StatusConflict, s, "") // which says where it stands
	default:
		p.refuse(w, r, s, err)
	}
}
