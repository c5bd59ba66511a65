package bench

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"vidan/internal/outside"
)

// portalURI is where the kindergarten's portal is sent back to (sandbox contents).
const portalURI = "http://127.0.0.1:7792/callback"

// signInAtPortal signs one of the cast in at the kindergarten's portal, which may go on without them.
func (w *world) signInAtPortal(ctx context.Context) error {
	c := w.clients[kindergarten]
	dpop, err := outside.NewKey("dpop")
	if err != nil {
		return err
	}
	w.portal = &outside.Client{Issuer: w.issuer, ID: c.ID, Key: c.Key, DPoP: dpop, HTTP: w.http, Now: time.Now}
	who := w.box.Citizen("du")
	person := outside.Citizen{PersonalNumber: who.PersonalNumber, Passphrase: who.Passphrase}
	if err := w.portal.SignIn(ctx, person, portalURI, "openid offline_access", false); err != nil {
		return err
	}
	if w.portal.RefreshToken == "" {
		return errors.New("the portal got no refresh token")
	}
	return nil
}

// proved is a form with a fresh assertion of the portal.
func (w *world) proved(form url.Values) (url.Values, error) {
	assertion, err := w.portal.Assertion()
	if err != nil {
		return nil, err
	}
	form.Set("client_id", w.portal.ID)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form, nil
}

// refreshes prepares n requests that go on with the sign-in at the portal, each with an assertion and a proof of its own.
func (w *world) refreshes(ctx context.Context, n int) ([]call, error) {
	calls := make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		form, err := w.proved(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.portal.RefreshToken}})
		if err != nil {
			return err
		}
		proof, err := w.portal.DPoP.Proof(http.MethodPost, w.issuer+"/oauth/token", "", time.Now())
		if err != nil {
			return err
		}
		calls[i] = call{message(http.MethodPost, w.addr, "/oauth/token", []byte(form.Encode()),
			"Content-Type", "application/x-www-form-urlencoded", "DPoP", proof), http.StatusOK}
		return nil
	})
}

// introspections prepares n questions of the portal about its access token, which is made anew: the last one may be over.
func (w *world) introspections(ctx context.Context, n int) ([]call, error) {
	if err := w.portal.Refresh(ctx); err != nil {
		return nil, err
	}
	calls := make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		form, err := w.proved(url.Values{"token": {w.portal.Token}})
		if err != nil {
			return err
		}
		calls[i] = call{message(http.MethodPost, w.addr, "/oauth/introspect", []byte(form.Encode()),
			"Content-Type", "application/x-www-form-urlencoded"), http.StatusOK}
		return nil
	})
}
