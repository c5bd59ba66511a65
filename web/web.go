// Package web is the edge for people: it promises that whoever stands before a page can go on from it, without a script, in plain words, with a
// next step when something does not work.
//
// Pages are templates of the standard library and one style sheet; what they decide on is package auth's. They are written for somebody who is
// old, in a hurry, on a borrowed or an old phone: one question on a screen, large text, labels that stay, focus that shows, targets of at
// least 24 px (44 where they are buttons), Vietnamese first and English by Accept-Language or ?lang=en.
//
//	E1  nothing from elsewhere, and no script but one file of our own on the one page that asks an authenticator for a passkey, which says
//	    what to do without it: the policy of every page says so (default-src 'none'; script-src 'self' on that page alone)
//	E2  nothing that a person typed comes back in a page, a header or a log line (S5)
//	E3  a form works only from this origin, and only for the sign-in it was made for; of people who are signed in, only for their session, one act
//	    and one object
//	E4  no page is a dead end: each says what to do next
//	E5  every text exists in both languages
//
// Under /me are the pages of people who are signed in: a file for each noun. Each opens with the state of the session, the person and the pages
// themselves, read now, and calls what the edge for programs calls.
//
// Not here: what a problem code means (the edge for programs gives a table), who may sign in (package auth), what may be allowed on a page
// (package consent).
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vidan/auth"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/style.css
var styleSheet []byte

//go:embed static/passkey.js
var passkeyScript []byte

// Problem gives the page of a problem code: its title and the next step in a language, vi or en. ok is false for a code that does not exist.
type Problem func(code, language string) (title, next string, ok bool)

// Deps are what the pages stand on.
type Deps struct {
	Auth    *auth.Server
	Names   *auth.Names // names of organisations; nil: pages show the client's name alone
	Problem Problem     // nil: there are no problem pages
	Preview Preview     // nil: what a client asks for is decided in the app alone
	Mine    *Mine       // nil: there are no pages for people who are signed in
	// Address returns the address of the browser, by which failed attempts are counted. Nil: the other end of the connection; behind a proxy
	// that is the proxy, so that a deployment with one must say how it names the browser.
	Address func(*http.Request) string
	Logger  *slog.Logger // nil: nothing is logged
}

// Pages serves them. It is safe for concurrent use.
type Pages struct {
	auth    *auth.Server
	names   *auth.Names
	problem Problem
	preview Preview
	my      *Mine
	address func(*http.Request) string
	log     *slog.Logger
	secure  bool // the issuer is https
	pages   map[string]*template.Template
	style   string // version of the style sheet
	script  string // version of the script of passkeys
}

// ErrDeps reports that pages cannot be made of these parts.
var ErrDeps = errors.New("web: not a usable configuration")

// New checks its parts and parses every template.
func New(d Deps) (*Pages, error) {
	if d.Auth == nil {
		return nil, ErrDeps
	}
	p := &Pages{
		auth: d.Auth, names: d.Names, problem: d.Problem, preview: d.Preview, my: d.Mine, address: d.Address, log: d.Logger,
		secure: strings.HasPrefix(d.Auth.Issuer(), "https://"), pages: map[string]*template.Template{},
	}
	if p.address == nil {
		p.address = Peer
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	sum := sha256.Sum256(styleSheet)
	p.style = hex.EncodeToString(sum[:6])
	sum = sha256.Sum256(passkeyScript)
	p.script = hex.EncodeToString(sum[:6])
	for _, name := range []string{"home", "signin", "choose", "confirm", "code", "passkey", "activate", "asked", "message",
		"enter", "me", "me_sessions", "me_not_me", "me_devices", "me_device", "me_relations", "me_requests", "me_request", "me_accesses"} {
		t, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/ways.html", "templates/ask.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.pages[name] = t
	}
	return p, nil
}

// Routes registers the pages.
func (p *Pages) Routes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.message(w, r, http.StatusForbidden, "foreign_form", form{})
	}))
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /static/style.css", serveStatic("text/css; charset=utf-8", styleSheet))
	mux.HandleFunc("GET /static/passkey.js", serveStatic("text/javascript; charset=utf-8", passkeyScript))
	mux.HandleFunc("GET /oauth/authorize", p.authorize)
	mux.HandleFunc("POST /oauth/authorize", p.authorize) // OpenID Connect Core §3.1.2.1: from any origin, it only begins
	mux.HandleFunc("GET "+pathSignIn, p.signIn)
	mux.Handle("POST "+pathSignIn, guard.Handler(http.HandlerFunc(p.postSignIn)))
	mux.HandleFunc("GET "+pathActivate, p.activate)
	mux.Handle("POST "+pathActivate, guard.Handler(http.HandlerFunc(p.postActivate)))
	mux.HandleFunc("GET /signed-out", func(w http.ResponseWriter, r *http.Request) {
		p.message(w, r, http.StatusOK, "signed_out", form{})
	})
	if p.my != nil {
		p.routesOfMine(mux, guard)
	}
	if p.problem != nil {
		mux.HandleFunc("GET /problems/{code}", p.problemPage)
	}
}

const (
	pathSignIn   = "/signin"
	pathActivate = "/activate"
)

// view is what a template sees: texts in one language, and nothing that a person typed.
type view struct {
	Lang    string
	Other   string // address of the same page in the other language
	Style   string
	Script  string // version of the script of this page, empty for a page without
	Query   string // "?lang=en" where the language was chosen, so that links keep it
	Key     string // of the texts of this page
	Refresh int    // seconds after which the page looks again; 0: never
	Data    form
	Me      any     // of a page for somebody who is signed in
	Signed  *signed // who is signed in; nil: nobody, as far as this page knows
	Notice  string  // key of what just succeeded
	Whose   string  // name of the person that the page is about, where it is not who reads it
	Members bool    // there are pages for people who sign in here

	keep   string // ?for= of the address, where the page is about somebody who is represented
	forms  bool
	script bool
	leads  string // where forms may lead in the end, beside here
}

// T returns a text in the language of the page.
func (v view) T(key string) (string, error) { return say(v.Lang, key) }

// Mine returns a text of this page.
func (v view) Mine(part string) (string, error) { return say(v.Lang, v.Key+"."+part) }

// Has reports whether this page has such a text.
func (v view) Has(part string) bool {
	_, ok := texts[v.Key+"."+part]
	return ok
}

// show writes a page.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Lang, v.Style = languageOf(r), p.style
	if v.script {
		v.Script = p.script
	}
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		v.Query = "?lang=" + chosen
	}
	other := map[string]string{"vi": "en", "en": "vi"}[v.Lang]
	v.Other = "?lang=" + other
	if v.keep != "" {
		v.Other = "?" + url.Values{"for": {v.keep}, "lang": {other}}.Encode()
	}
	v.Members = p.my != nil
	var page bytes.Buffer
	if err := p.pages[name].ExecuteTemplate(&page, "layout", v); err != nil {
		p.log.ErrorContext(r.Context(), "page not rendered", "page", name, "error", err)
		http.Error(w, "Xin thử lại sau. / Please try again later.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy(v.leads, v.script))
	h.Set("Referrer-Policy", referrer(v.forms))
	if v.Refresh > 0 {
		h.Set("Refresh", strconv.Itoa(v.Refresh))
	}
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the other side may have gone
}

// policy forbids everything but the style sheet and forms, and the one script where it is asked for. Some browsers hold redirects after a form to form-action as well, so that the place
// to which the sign-in leads in the end is named too.
func policy(leads string, script bool) string {
	forms := "'self'"
	if source := sourceOf(leads); source != "" {
		forms += " " + source
	}
	scripts := ""
	if script {
		scripts = "; script-src 'self'"
	}
	return "default-src 'none'; style-src 'self'; form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'" + scripts
}

// sourceOf is the source expression of an address: its origin, or its scheme where an app has one of its own.
func sourceOf(uri string) string {
	u, err := url.Parse(uri)
	if uri == "" || err != nil {
		return ""
	}
	source := u.Scheme + ":"
	if u.Host != "" && !strings.HasPrefix(u.Host, "[") && (u.Scheme == "https" || u.Scheme == "http") { // the grammar has no IPv6 address
		source += "//" + u.Host
	}
	if strings.ContainsFunc(source, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-+:/", r)
	}) {
		return ""
	}
	return source
}

// referrer: addresses of pages go nowhere. Pages with forms let this origin alone see them, because with no-referrer a browser sends
// "Origin: null" with its own form (Fetch, "append a request Origin header"), and older ones send nothing else to know it by.
func referrer(forms bool) string {
	if forms {
		return "same-origin"
	}
	return "no-referrer"
}

// message writes a page that says something and what to do next.
func (p *Pages) message(w http.ResponseWriter, r *http.Request, status int, key string, data form) {
	p.show(w, r, status, "message", view{Key: key, Data: data})
}

// fail writes the page for an error that is none of the person's, and logs it without anything of theirs.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	var wait *auth.Throttled
	switch {
	case errors.As(err, &wait):
		w.Header().Set("Retry-After", seconds(wait.RetryAfter))
		p.message(w, r, http.StatusTooManyRequests, "throttled", form{Minutes: minutes(wait.RetryAfter)})
	case errors.Is(err, auth.ErrBusy), transient(err):
		p.log.WarnContext(r.Context(), "page not served", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
		p.message(w, r, http.StatusServiceUnavailable, "busy", form{})
	case errors.Is(err, context.Canceled):
		w.WriteHeader(499) // nobody reads it
	default:
		p.log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "error", err)
		p.message(w, r, http.StatusInternalServerError, "failed", form{})
	}
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, "home", view{Key: "home"})
}

func (p *Pages) problemPage(w http.ResponseWriter, r *http.Request) {
	title, next, ok := p.problem(r.PathValue("code"), languageOf(r))
	if !ok {
		p.message(w, r, http.StatusNotFound, "no_page", form{})
		return
	}
	p.message(w, r, http.StatusOK, "problem", form{Title: title, Next: next})
}

// serveStatic serves a file that is part of the program; pages name it with its version.
func serveStatic(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "public, max-age=86400")
		_, _ = w.Write(content) // the other side may have gone
	}
}

// Peer is [auth.Peer]: the address by which browsers are counted where nobody stands before us.
func Peer(r *http.Request) string { return auth.Peer(r) }
