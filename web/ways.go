package web

import (
	"errors"
	"net/http"

	"vidan/auth"
	"vidan/auth/codes"
	"vidan/identity"
)

// wayLine is one way to go on with, as a button.
type wayLine struct {
	Way  auth.Way
	Text string // key of its words
}

// wayPages are the pages of the steps that ask for a second factor or a passkey: template and texts.
var wayPages = map[auth.SignInStep][2]string{
	auth.StepChoose: {"choose", "choose"}, auth.StepCode: {"code", "code"}, auth.StepCard: {"code", "card"}, auth.StepPasskey: {"passkey", "passkey"},
}

// showWay shows such a step; fault names what was wrong before: wrong, malformed or nothing.
func (p *Pages) showWay(w http.ResponseWriter, r *http.Request, status int, x *auth.SignIn, fault string) {
	page := wayPages[x.Step()]
	f := p.formOf(r, x)
	if fault != "" {
		f.Error = page[1] + "." + fault
	}
	offer, err := x.Offer(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, way := range offer.Ways {
		f.Ways = append(f.Ways, wayLine{way, "way." + string(way)})
	}
	f.Lesser, f.Asked, f.Left, f.Low = offer.Lesser, offer.Asked, offer.Left, offer.Left <= codes.CardLow
	script := x.Step() == auth.StepPasskey
	if script {
		options, err := x.PasskeyOptions()
		if err != nil {
			p.moved(w, r, pathSignIn, err)
			return
		}
		f.Options = string(options)
	}
	p.show(w, r, status, page[0], view{Key: page[1], Data: f, forms: true, leads: x.Returns(), script: script})
}

// code takes the code of a display or a card.
func (p *Pages) code(w http.ResponseWriter, r *http.Request, x *auth.SignIn) {
	verdict, err := x.Code(r.Context(), auth.CodeAttempt{
		Code: identity.NewPrivate(r.PostForm.Get("code")), Address: p.address(r), Factor: p.cookie(r, cookieFactor),
	})
	p.judged(w, r, x, verdict, err)
}

// passkey takes what an authenticator answered.
func (p *Pages) passkey(w http.ResponseWriter, r *http.Request, x *auth.SignIn) {
	verdict, err := x.Passkey(r.Context(), identity.NewPrivate(r.PostForm.Get("response")))
	p.judged(w, r, x, verdict, err)
}

// judged shows what came of a second factor or a passkey.
func (p *Pages) judged(w http.ResponseWriter, r *http.Request, x *auth.SignIn, verdict auth.Verdict, err error) {
	switch {
	case errors.Is(err, auth.ErrMoved), err == nil && verdict == auth.Accepted:
		again(w, r)
	case err != nil:
		p.fail(w, r, err)
	case stops[verdict] != "":
		p.stop(w, r, http.StatusForbidden, x, stops[verdict], false)
	case verdict == auth.Malformed:
		p.showWay(w, r, http.StatusUnprocessableEntity, x, "malformed")
	default:
		p.showWay(w, r, http.StatusUnprocessableEntity, x, "wrong")
	}
}
