package web

import (
	"errors"
	"net/http"

	"vidan/auth"
	"vidan/identity"
)

// activate asks for the one-time code and a passphrase.
func (p *Pages) activate(w http.ResponseWriter, r *http.Request) {
	p.showActivate(w, r, http.StatusOK, "")
}

func (p *Pages) showActivate(w http.ResponseWriter, r *http.Request, status int, fault string) {
	p.show(w, r, status, "activate", view{Key: "activate", Data: form{Error: fault}, forms: true})
}

func (p *Pages) postActivate(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.message(w, r, http.StatusBadRequest, "foreign_form", form{})
		return
	}
	chosen := r.PostForm.Get("passphrase")
	if chosen != r.PostForm.Get("passphrase_again") {
		p.showActivate(w, r, http.StatusUnprocessableEntity, "activate.differ")
		return
	}
	err := p.auth.Activate(r.Context(), auth.Activation{
		Number: identity.NewPrivate(r.PostForm.Get("personal_number")), Code: identity.NewPrivate(r.PostForm.Get("code")),
		Passphrase: identity.NewPrivate(chosen), Address: p.address(r),
	})
	switch {
	case err == nil:
		p.message(w, r, http.StatusOK, "activated", form{})
	case errors.Is(err, auth.ErrCode):
		p.showActivate(w, r, http.StatusUnprocessableEntity, "activate.wrong")
	case errors.Is(err, auth.ErrPassphrase):
		p.showActivate(w, r, http.StatusUnprocessableEntity, "activate.weak")
	case errors.Is(err, auth.ErrPersonBlocked):
		p.message(w, r, http.StatusForbidden, "account_closed", form{})
	default:
		p.fail(w, r, err)
	}
}
