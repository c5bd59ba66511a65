package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/internal/pg"
	"vidan/prefill"
)

// Preview shows what a person would give now; it is a recorded reading of its own ([prefill.Filler.Preview]).
type Preview func(ctx context.Context, g pg.Guard, who consent.Acting, view consent.View, by audit.Actor, trace string) (prefill.Preview, error)

// askedForm is what the page of a request shows: the text word by word as it is hashed, and the fields with what they hold now. Nothing is
// preselected. A field that needs the signature of a device has no box here: the app decides about it.
type askedForm struct {
	Lines  []string
	Fields []askedField
	Pins   []string
	Here   bool // something can be allowed on this page
	App    bool // something, or everything, can only be allowed in the app

	Action string // address of the form
	Later  bool   // it is part of a sign-in, which can go on without an answer
}

// pins names papers on a page.
type pins interface {
	PinRef(consent.DocRevision) string
	OpenPin(string) (consent.DocRevision, bool)
}

type askedField struct {
	Name, Title, Value string
	Here               bool
}

// asked shows what the client asks the person who signed in, or ends the sign-in when nothing of it is theirs to decide, or all is decided.
func (p *Pages) asked(w http.ResponseWriter, r *http.Request, status int, x *auth.SignIn, fault string) {
	asked, err := x.Asked(r.Context())
	switch {
	case err != nil:
		p.notAsked(w, r, x, err)
		return
	case !asked.Mine || p.preview == nil:
		p.finish(w, r, x)
		return
	}
	name, _ := x.Client()
	preview, err := p.preview(r.Context(), x.Standing(), asked.Acting, asked.View, audit.Actor{Vault: asked.Acting.Actor, Client: asked.Acting.Client}, "")
	if errors.Is(err, consent.ErrNotFound) {
		p.finish(w, r, x)
		return
	}
	if err != nil {
		p.notAsked(w, r, x, err)
		return
	}
	f := p.formOf(r, x)
	f.Error, f.Client, f.Ask = fault, name, askedFormOf(languageOf(r), x, asked.View, preview)
	f.Ask.Action, f.Ask.Later = pathSignIn, true
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		f.Ask.Action += "?lang=" + chosen
	}
	p.show(w, r, status, "asked", view{Key: "asked", Data: f, forms: true, leads: x.Returns()})
}

// textOf is what a person reads before they decide, word by word as it is hashed, one statement a line.
func textOf(language string, v consent.View) []string {
	return strings.Split(v.Texts[language].Body.Reveal(), "\n")
}

func askedFormOf(language string, x pins, v consent.View, preview prefill.Preview) askedForm {
	a := askedForm{Lines: textOf(language, v), App: v.Mode != consent.Once}
	for _, f := range v.Fields {
		field := askedField{Name: f.Name, Title: f.TitleVI, Here: !f.Sensitive}
		if language == "en" {
			field.Title = f.TitleEN
		}
		for _, shown := range preview.Fields {
			if shown.Name == f.Name {
				field.Value = words(shown.Value)
			}
		}
		a.Here, a.App = a.Here || field.Here, a.App || !field.Here
		a.Fields = append(a.Fields, field)
	}
	for _, pin := range preview.Pinned {
		a.Pins = append(a.Pins, x.PinRef(pin))
	}
	return a
}

// words writes a value as a person reads it: a text as it is, of anything else the texts in it.
func words(raw json.RawMessage) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	var all []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			for _, part := range v {
				walk(part)
			}
		case map[string]any:
			names := make([]string, 0, len(v))
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				walk(v[name])
			}
		}
	}
	walk(value)
	return strings.Join(all, ", ")
}

// decide takes the answer of the page.
func (p *Pages) decide(w http.ResponseWriter, r *http.Request, x *auth.SignIn) {
	if !x.Asks() {
		again(w, r)
		return
	}
	if r.PostForm.Get("decision") == "later" {
		p.finish(w, r, x)
		return
	}
	d, ok := decisionOf(r, x)
	if !ok {
		again(w, r)
		return
	}
	err := x.Decide(r.Context(), d)
	switch {
	case err == nil, errors.Is(err, consent.ErrAlreadyDecided), errors.Is(err, consent.ErrExpired):
		p.finish(w, r, x)
	case errors.Is(err, consent.ErrDecision), errors.Is(err, consent.ErrSignatureRequired):
		p.asked(w, r, http.StatusUnprocessableEntity, x, "asked.choose")
	default:
		p.notAsked(w, r, x, err)
	}
}

// decisionOf reads the answer of a form. A page allows for once.
func decisionOf(r *http.Request, x pins) (consent.Decision, bool) {
	d := consent.Decision{Language: languageOf(r)}
	switch r.PostForm.Get("decision") {
	case "allow":
		d.Allow, d.Mode, d.Fields = true, consent.Once, r.PostForm["field"]
		for _, text := range r.PostForm["pin"] {
			if pin, ok := x.OpenPin(text); ok {
				d.Pinned = append(d.Pinned, pin)
			}
		}
		return d, true
	case "deny":
		return d, true
	}
	return d, false
}

// notAsked says why the question could not be put.
func (p *Pages) notAsked(w http.ResponseWriter, r *http.Request, x *auth.SignIn, err error) {
	switch {
	case errors.Is(err, auth.ErrMoved):
		again(w, r)
	case errors.Is(err, auth.ErrPersonBlocked):
		p.stop(w, r, http.StatusForbidden, x, "account_closed", false)
	case errors.Is(err, auth.ErrAskedEnough), errors.Is(err, auth.ErrMandate):
		p.stop(w, r, http.StatusForbidden, x, "not_asked", false)
	case errors.Is(err, auth.ErrUntrusted):
		p.message(w, r, http.StatusBadRequest, "untrusted", form{})
	default:
		p.fail(w, r, err)
	}
}
