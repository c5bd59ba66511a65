package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Mine is what the pages of people who are signed in stand on, beside the rest of [Deps].
type Mine struct {
	Pool    *pgxpool.Pool
	Consent *consent.Ledger
	Audit   *audit.Recorder
	People  *person.Registry
	Vaults  *seal.Vaults
	Now     func() time.Time // of substance
}

// Pages of people who are signed in, and the cookie by which a browser is.
const (
	pathMe        = "/me"
	cookieSession = "vidan-session"
)

// routesOfMine registers the pages of people who are signed in.
func (p *Pages) routesOfMine(mux *http.ServeMux, guard *http.CrossOriginProtection) {
	post := func(path string, h http.HandlerFunc) { mux.Handle("POST "+path, guard.Handler(h)) }
	post(pathMe+"/sign-in", p.beginMine)
	mux.HandleFunc("GET "+pathMe, p.mine(p.overview))
	post(pathMe+"/sign-out", p.act("sign_out", p.signOut))
	mux.HandleFunc("GET "+pathMe+"/sessions", p.mine(p.sessions))
	post(pathMe+"/sessions/end", p.act("end_sessions", p.endSessions))
	post(pathMe+"/sessions/{id}/end", p.act("end_session", p.endSession))
	mux.HandleFunc("GET "+pathMe+"/not-me", p.mine(p.notMe))
	post(pathMe+"/not-me", p.act("not_me", p.endEverything))
	mux.HandleFunc("GET "+pathMe+"/devices", p.mine(p.devices))
	mux.HandleFunc("GET "+pathMe+"/devices/{id}", p.mine(p.device))
	post(pathMe+"/devices/{id}", p.act("end_device", p.endDevice))
	mux.HandleFunc("GET "+pathMe+"/relations", p.mine(p.relations))
	mux.HandleFunc("GET "+pathMe+"/requests", p.mine(p.requests))
	mux.HandleFunc("GET "+pathMe+"/requests/{id}", p.mine(p.request))
	post(pathMe+"/requests/{id}", p.act("decide", p.decideRequest))
	mux.HandleFunc("GET "+pathMe+"/accesses", p.mine(p.accesses))
}

// page is a handler for somebody who is signed in.
type page func(http.ResponseWriter, *http.Request, *auth.PageSession)

// mine opens the session of the browser, as it is now, before h; or says why there is none, and what to do.
func (p *Pages) mine(h page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := p.auth.OpenPages(r.Context(), auth.Cookie(p.cookie(r, cookieSession)))
		if err != nil {
			p.refuse(w, r, nil, err)
			return
		}
		h(w, r, s)
	}
}

// act is mine for a form that does something: only one of this session, for this, passes (E3).
func (p *Pages) act(action string, h page) http.HandlerFunc {
	return p.mine(func(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if r.ParseForm() != nil || !s.Holds(r.PostForm.Get("token"), action, object(r)) {
			p.say(w, r, http.StatusForbidden, s, "old_form")
			return
		}
		h(w, r, s)
	})
}

// object is what a form is about: what its address names.
func object(r *http.Request) string { return r.PathValue("id") + " " + r.URL.Query().Get("for") }

// signed is what the pages show around what they say.
type signed struct {
	Out   string // token of the form that signs out
	Level int
	Here  string // key of the page
}

// page shows a page of somebody who is signed in.
func (p *Pages) page(w http.ResponseWriter, r *http.Request, status int, s *auth.PageSession, name string, v view) {
	v.Key, v.forms = name, true
	v.Signed = &signed{Out: s.FormToken("sign_out", " "), Level: s.Level, Here: name}
	v.Notice = notices[r.URL.Query().Get("done")]
	p.show(w, r, status, name, v)
}

// notices are what pages say of an act that just succeeded.
var notices = map[string]string{
	"session": "done.session", "sessions": "done.sessions", "device": "done.device", "allowed": "done.allowed", "denied": "done.denied",
}

// say writes a page with a sentence and the next step for somebody who is signed in.
func (p *Pages) say(w http.ResponseWriter, r *http.Request, status int, s *auth.PageSession, key string) {
	p.show(w, r, status, "message", view{Key: key, forms: true, Signed: &signed{Out: s.FormToken("sign_out", " "), Level: s.Level}})
}

// done leads on after a form, in the language that was chosen.
func done(w http.ResponseWriter, r *http.Request, to, what string) {
	q := url.Values{}
	if what != "" {
		q.Set("done", what)
	}
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		q.Set("lang", chosen)
	}
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	leave(w, to)
}

// refuse writes the page for what did not go. s is nil where nobody is signed in.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, s *auth.PageSession, err error) {
	enter := func(status int, key string) {
		p.show(w, r, status, "enter", view{Key: key, forms: true})
	}
	switch {
	case errors.Is(err, auth.ErrNoSession) && s == nil && r.Method == http.MethodGet:
		enter(http.StatusOK, "enter")
	case errors.Is(err, auth.ErrNoSession) && s == nil:
		enter(http.StatusForbidden, "enter")
	case errors.Is(err, auth.ErrTokenRevoked):
		p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
		enter(http.StatusForbidden, "over")
	case errors.Is(err, auth.ErrPersonBlocked):
		p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
		p.message(w, r, http.StatusForbidden, "account_closed", form{})
	case errors.Is(err, auth.ErrClientBlocked), errors.Is(err, auth.ErrUntrusted):
		p.message(w, r, http.StatusForbidden, "pages_off", form{})
	case s != nil && (errors.Is(err, consent.ErrNotFound) || errors.Is(err, auth.ErrNoSession) || errors.Is(err, auth.ErrNoDevice) ||
		pg.Refused(err) == consent.CodeNotFound || errors.Is(err, audit.ErrCursor) || errors.Is(err, consent.ErrCursor)):
		p.say(w, r, http.StatusNotFound, s, "not_here")
	default:
		p.fail(w, r, auth.Refused(err))
	}
}

// beginMine begins a sign-in for these pages.
func (p *Pages) beginMine(w http.ResponseWriter, r *http.Request) {
	cookie, err := p.auth.BeginPages(r.Context(), p.address(r))
	if err != nil {
		p.refuse(w, r, nil, err)
		return
	}
	p.setCookie(w, cookieSignIn, string(cookie), signInAge, http.SameSiteLaxMode)
	again(w, r)
}

// finishMine ends a sign-in for these pages.
func (p *Pages) finishMine(w http.ResponseWriter, r *http.Request, x *auth.SignIn) error {
	cookie, err := x.FinishPages(r.Context())
	if err != nil {
		return err
	}
	p.setCookie(w, cookieSession, string(cookie), auth.PagesLife, http.SameSiteLaxMode)
	p.setCookie(w, cookieSignIn, "", 0, http.SameSiteLaxMode)
	if factor := x.Factor(); factor != "" {
		p.setCookie(w, cookieFactor, factor, auth.BrowserLife, http.SameSiteStrictMode)
	}
	done(w, r, pathMe, "")
	return nil
}

// whom is for whom a page is asked: the person, or by ?for= somebody they represent now. Every other name is [consent.ErrNotFound] (R3).
func (p *Pages) whom(r *http.Request, s *auth.PageSession) (consent.Acting, error) {
	handle := r.URL.Query().Get("for")
	if handle == "" {
		return p.self(s)
	}
	people, err := p.people(r, s)
	if err != nil {
		return consent.Acting{}, err
	}
	for _, who := range people {
		if who.Handle == handle {
			return who, nil
		}
	}
	return consent.Acting{}, consent.ErrNotFound
}

func (p *Pages) self(s *auth.PageSession) (consent.Acting, error) {
	who, err := p.my.Consent.Who(s.Vault, s.Sector, consent.Me)
	who.Client = s.ClientID
	return who, err
}

// people are those whom somebody represents now.
func (p *Pages) people(r *http.Request, s *auth.PageSession) ([]consent.Acting, error) {
	people, err := p.my.Consent.People(r.Context(), s.Standing(), s.Vault, s.Sector)
	for i := range people {
		people[i].Client = s.ClientID
	}
	return people, err
}

// at writes an address of these pages with its parameters: for whom, and in the language that was chosen.
func at(r *http.Request, path string, who consent.Acting, more ...string) string {
	q := url.Values{}
	if !who.Self() {
		q.Set("for", who.Handle)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		q.Set("lang", chosen)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// vietnam is the one time of the country.
var vietnam = time.FixedZone("ICT", 7*60*60)

// moment writes a time as people say it.
func moment(language string, t time.Time) string {
	if language == "en" {
		return t.In(vietnam).Format("2 January 2006, 15:04")
	}
	return t.In(vietnam).Format("15:04 ngày 02/01/2006")
}
