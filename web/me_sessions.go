package web

import (
	"net/http"

	"vidan/auth"
	"vidan/identity"
)

// overviewPage is what waits for somebody.
type overviewPage struct {
	Waiting  int // requests that wait for an answer
	Devices  int // ways to sign in
	Sessions int
}

// overview is the first page of somebody who is signed in.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	var o overviewPage
	lists, err := p.waiting(r, s)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	for _, list := range lists {
		o.Waiting += len(list.Lines)
	}
	ways, err := p.auth.Credentials(r.Context(), s.Standing(), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	sessions, err := p.auth.Sessions(r.Context(), s.Standing(), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	o.Devices, o.Sessions = len(ways), len(sessions)
	p.page(w, r, http.StatusOK, s, "me", view{Me: o})
}

// signOut ends the session of this browser.
func (p *Pages) signOut(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	if err := p.auth.EndSession(r.Context(), s.Standing(), s.Actor(), s.Vault, s.Session); err != nil {
		p.refuse(w, r, s, err)
		return
	}
	p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
	done(w, r, "/signed-out", "")
}

// sessionsPage lists where somebody is signed in.
type sessionsPage struct {
	Lines []sessionLine
	Token string // of the form that ends all others
}

type sessionLine struct {
	Path, Token  string
	Client       string
	Organisation string
	Since        string
	Level        int
	Current      bool
}

func (p *Pages) sessions(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	all, err := p.auth.Sessions(r.Context(), s.Standing(), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	language := languageOf(r)
	list := sessionsPage{Token: s.FormToken("end_sessions", " ")}
	for _, x := range all {
		id, err := p.auth.SessionID(s.Vault, x.ID)
		if err != nil {
			p.refuse(w, r, s, err)
			return
		}
		list.Lines = append(list.Lines, sessionLine{
			Path: pathMe + "/sessions/" + x.ID + "/end", Token: s.FormToken("end_session", x.ID+" "), Client: x.ClientName,
			Organisation: p.organisation(r, x.Organisation), Since: moment(language, x.Since), Level: x.Level, Current: id == s.Session,
		})
	}
	p.page(w, r, http.StatusOK, s, "me_sessions", view{Me: list})
}

// endSession ends one session.
func (p *Pages) endSession(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	id, err := p.auth.SessionID(s.Vault, r.PathValue("id"))
	if err == nil {
		err = p.auth.EndSession(r.Context(), s.Standing(), s.Actor(), s.Vault, id)
	}
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	if id == s.Session {
		p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
		done(w, r, "/signed-out", "")
		return
	}
	done(w, r, pathMe+"/sessions", "session")
}

// endSessions ends all sessions but that of this browser.
func (p *Pages) endSessions(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	if err := p.auth.EndAllSessions(r.Context(), s.Standing(), s.Actor(), s.Vault, s.Session); err != nil {
		p.refuse(w, r, s, err)
		return
	}
	done(w, r, pathMe+"/sessions", "sessions")
}

// notMe asks before everything ends.
func (p *Pages) notMe(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	p.page(w, r, http.StatusOK, s, "me_not_me", view{Me: s.FormToken("not_me", " ")})
}

// endEverything ends every session, this one too: somebody else was in the account, and only a counter can say who is who.
func (p *Pages) endEverything(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	if err := p.auth.EndAllSessions(r.Context(), s.Standing(), s.Actor(), s.Vault, identity.SessionID{}); err != nil {
		p.refuse(w, r, s, err)
		return
	}
	p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
	p.message(w, r, http.StatusOK, "all_ended", form{})
}

// organisation is the name of an organisation in the reader's language; empty where it is not known.
func (p *Pages) organisation(r *http.Request, id string) string {
	if p.names == nil || id == "" {
		return ""
	}
	names, err := p.names.All(r.Context())
	if err != nil {
		p.log.WarnContext(r.Context(), "names of organisations not read", "error", err)
		return ""
	}
	if languageOf(r) == "en" {
		return names[id].EN
	}
	return names[id].VI
}
