package web

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vidan/auth"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// maxForm bounds a form of a page.
const maxForm = 16 << 10

// Cookies. With https their names begin with __Host-, so that no other host and no unencrypted page can set them; on a plain http
// address of this machine browsers do not agree on whether that prefix may be used.
const (
	cookieSignIn  = "vidan-signin"
	cookieBrowser = "vidan-browser"
	cookieFactor  = "vidan-factor"
	signInAge     = 15 * time.Minute
)

func (p *Pages) cookieName(name string) string {
	if p.secure {
		return "__Host-" + name
	}
	return name
}

// setCookie sets a cookie of this host alone; with an empty value it is taken back.
func (p *Pages) setCookie(w http.ResponseWriter, name, value string, life time.Duration, site http.SameSite) {
	c := &http.Cookie{
		Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: p.secure, HttpOnly: true, SameSite: site,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (p *Pages) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// authorize is the authorization endpoint: it keeps the request and leads to the page where a person says who they are.
func (p *Pages) authorize(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		p.message(w, r, http.StatusBadRequest, "untrusted", form{})
		return
	}
	cookie, language, err := p.auth.BeginSignIn(r.Context(), params, p.address(r))
	var back *auth.RedirectError
	switch {
	case errors.As(err, &back):
		leave(w, back.URL)
	case errors.Is(err, auth.ErrUntrusted):
		p.message(w, r, http.StatusBadRequest, "untrusted", form{})
	case errors.Is(err, auth.ErrRequestOver):
		p.message(w, r, http.StatusBadRequest, "request_over", form{})
	case err != nil:
		p.fail(w, r, err)
	default:
		p.setCookie(w, cookieSignIn, string(cookie), signInAge, http.SameSiteLaxMode)
		to := pathSignIn
		if supported(language) {
			to += "?lang=" + language
		}
		leave(w, to)
	}
}

// parameters reads the parameters of an authorization request from the query, or from the body of a POST.
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return url.ParseQuery(r.URL.RawQuery)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	return r.PostForm, nil
}

// leave sends the browser on with a GET.
func leave(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// again looks at the sign-in once more.
func again(w http.ResponseWriter, r *http.Request) {
	to := pathSignIn
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		to += "?lang=" + chosen
	}
	leave(w, to)
}

// lookAgain is after how many seconds a page that waits for a phone looks again. Whoever needs longer to read it turns that off (WCAG 2.2.1).
const lookAgain = 10

// form is what the templates of a sign-in see.
type form struct {
	Stay         bool // the page does not look again by itself
	Token        string
	Client       string
	Organisation string
	Level        int
	Number       string
	Error        string // key of a text
	Back         bool   // the form that leads back to the client
	Retry        bool   // the form that begins anew
	Minutes      int
	Title, Next  string // of a problem
	Hinted       string // last digits of the number that the client expects
	Unmet        bool   // the client is told that its level cannot be reached

	Passkeys bool      // a passkey may be used in place of the passphrase
	Other    bool      // another way can be chosen
	Ways     []wayLine // to choose from
	Lesser   bool      // going on without any of them is possible
	Asked    int       // number of the card
	Left     int       // codes left on the card
	Low      bool
	Options  string // what the browser needs to ask an authenticator: JSON

	Ask askedForm // what the client asks for
}

func (p *Pages) formOf(r *http.Request, x *auth.SignIn) form {
	f := form{Token: x.Token(), Hinted: x.Hinted(), Level: x.Level(), Number: x.Number(), Passkeys: x.Passkeys(), Other: x.Proven() || x.Step() == auth.StepPasskey}
	var organisation string
	f.Client, organisation = x.Client()
	if p.names == nil || organisation == "" {
		return f
	}
	names, err := p.names.All(r.Context())
	if err != nil {
		p.log.WarnContext(r.Context(), "names of organisations not read", "error", err)
		return f
	}
	f.Organisation = names[organisation].VI
	if languageOf(r) == "en" {
		f.Organisation = names[organisation].EN
	}
	return f
}

// open reads the sign-in of a browser, or writes the page that says that there is none.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) *auth.SignIn {
	x, err := p.auth.OpenSignIn(r.Context(), auth.Cookie(p.cookie(r, cookieSignIn)))
	switch {
	case errors.Is(err, auth.ErrNoSignIn):
		p.message(w, r, http.StatusBadRequest, "no_signin", form{})
		return nil
	case err != nil:
		p.fail(w, r, err)
		return nil
	}
	return x
}

// signIn shows where a sign-in stands.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed) // HEAD must not finish anything
		return
	}
	x := p.open(w, r)
	if x == nil {
		return
	}
	switch x.Step() {
	case auth.StepPassphrase:
		p.showForm(w, r, http.StatusOK, x, "")
	case auth.StepConfirm:
		v := view{Key: "confirm", Data: p.formOf(r, x), Refresh: lookAgain, forms: true, leads: x.Returns()}
		if v.Data.Stay = r.URL.Query().Get("stay") == "1"; v.Data.Stay {
			v.Refresh = 0
		}
		p.show(w, r, http.StatusOK, "confirm", v)
	case auth.StepChoose, auth.StepCode, auth.StepCard, auth.StepPasskey:
		p.showWay(w, r, http.StatusOK, x, "")
	case auth.StepDone:
		if x.Asks() {
			p.asked(w, r, http.StatusOK, x, "")
			return
		}
		p.finish(w, r, x)
	default:
		if x.Complete() {
			p.message(w, r, http.StatusOK, "complete", form{})
			return
		}
		p.stop(w, r, http.StatusOK, x, "dead", true)
	}
}

// finish sends the browser back to the client with the code.
func (p *Pages) finish(w http.ResponseWriter, r *http.Request, x *auth.SignIn) {
	var to string
	var err error
	if x.Pages() {
		err = p.finishMine(w, r, x)
	} else {
		to, err = x.Finish(r.Context())
	}
	switch {
	case err == nil && x.Pages():
	case err == nil:
		p.setCookie(w, cookieSignIn, "", 0, http.SameSiteLaxMode)
		if factor := x.Factor(); factor != "" {
			p.setCookie(w, cookieFactor, factor, auth.BrowserLife, http.SameSiteStrictMode)
		}
		leave(w, to)
	case errors.Is(err, auth.ErrMoved):
		again(w, r)
	case errors.Is(err, auth.ErrPersonBlocked):
		p.stop(w, r, http.StatusForbidden, x, "account_closed", false)
	case errors.Is(err, auth.ErrLevel):
		p.stop(w, r, http.StatusForbidden, x, "needs_level", false)
	case errors.Is(err, auth.ErrUntrusted):
		p.message(w, r, http.StatusBadRequest, "untrusted", form{})
	case errors.Is(err, auth.ErrRequestOver):
		p.message(w, r, http.StatusBadRequest, "request_over", form{})
	default:
		p.fail(w, r, err)
	}
}

// showForm asks for number and passphrase; fault is the key of what was wrong before, or empty.
func (p *Pages) showForm(w http.ResponseWriter, r *http.Request, status int, x *auth.SignIn, fault string) {
	f := p.formOf(r, x)
	f.Error = fault
	p.show(w, r, status, "signin", view{Key: "signin", Data: f, forms: true, leads: x.Returns()})
}

// stop says why this sign-in does not go on, with the ways that do.
func (p *Pages) stop(w http.ResponseWriter, r *http.Request, status int, x *auth.SignIn, key string, retry bool) {
	f := p.formOf(r, x)
	f.Back, f.Retry, f.Unmet = true, retry, key == "needs_level" || key == "needs_way"
	p.show(w, r, status, "message", view{Key: key, Data: f, forms: true, leads: x.Returns()})
}

// postSignIn takes the forms of a sign-in.
func (p *Pages) postSignIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.message(w, r, http.StatusBadRequest, "foreign_form", form{})
		return
	}
	x := p.open(w, r)
	if x == nil {
		return
	}
	if !x.Holds(r.PostForm.Get("token")) {
		again(w, r) // another sign-in was begun in this browser meanwhile: it is shown
		return
	}
	switch r.PostForm.Get("action") {
	case "cancel":
		to, err := x.Cancel(r.Context())
		p.moved(w, r, to, err)
	case "unmet":
		to, err := x.Unmet(r.Context())
		p.moved(w, r, to, err)
	case "again":
		cookie, err := x.Again(r.Context())
		if err == nil {
			p.setCookie(w, cookieSignIn, string(cookie), signInAge, http.SameSiteLaxMode)
		}
		p.moved(w, r, pathSignIn, err)
	case "way":
		p.moved(w, r, pathSignIn, x.Choose(r.Context(), auth.Way(r.PostForm.Get("way"))))
	case "code":
		p.code(w, r, x)
	case "passkey":
		p.passkey(w, r, x)
	case "decide":
		p.decide(w, r, x)
	default:
		p.passphrase(w, r, x)
	}
}

// moved leads on after a move, or to where the sign-in is now.
func (p *Pages) moved(w http.ResponseWriter, r *http.Request, to string, err error) {
	switch {
	case errors.Is(err, auth.ErrMoved), err == nil && to == pathSignIn:
		again(w, r)
	case errors.Is(err, auth.ErrUntrusted):
		p.message(w, r, http.StatusBadRequest, "untrusted", form{})
	case errors.Is(err, auth.ErrRequestOver):
		p.message(w, r, http.StatusBadRequest, "request_over", form{})
	case err != nil:
		p.fail(w, r, err)
	default:
		p.setCookie(w, cookieSignIn, "", 0, http.SameSiteLaxMode)
		leave(w, to)
	}
}

// stops are the pages of verdicts after which the sign-in does not go on as it is.
var stops = map[auth.Verdict]string{
	auth.AccountClosed: "account_closed", auth.NoAccount: "no_account", auth.NeedsLevel: "needs_level", auth.NeedsWay: "needs_way",
}

func (p *Pages) passphrase(w http.ResponseWriter, r *http.Request, x *auth.SignIn) {
	verdict, err := x.Passphrase(r.Context(), auth.Attempt{
		Number: identity.NewPrivate(r.PostForm.Get("personal_number")), Passphrase: identity.NewPrivate(r.PostForm.Get("passphrase")),
		Address: p.address(r), Browser: p.cookie(r, cookieBrowser),
	})
	switch {
	case errors.Is(err, auth.ErrMoved):
		again(w, r)
	case err != nil:
		p.fail(w, r, err)
	case verdict == auth.Accepted:
		p.setCookie(w, cookieBrowser, x.Browser(), auth.BrowserLife, http.SameSiteStrictMode)
		again(w, r)
	case verdict == auth.Malformed:
		p.showForm(w, r, http.StatusUnprocessableEntity, x, "signin.malformed")
	case stops[verdict] != "":
		p.stop(w, r, http.StatusForbidden, x, stops[verdict], false)
	default:
		p.showForm(w, r, http.StatusUnprocessableEntity, x, "signin.wrong")
	}
}

// transient reports a fault that is over soon.
func transient(err error) bool {
	return pg.Transient(err) || errors.Is(err, pg.ErrOutcomeUnknown) || errors.Is(err, seal.ErrKeysUnavailable)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func minutes(d time.Duration) int { return max(1, int(math.Ceil(d.Minutes()))) }
