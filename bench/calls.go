package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// authorized is a call of an organisation's client with its token and a fresh proof.
func (w *world) authorized(organisation, method, path string, body []byte, want int, headers ...string) (call, error) {
	c := w.clients[organisation]
	bare, _, _ := strings.Cut(path, "?")
	proof, err := c.DPoP.Proof(method, w.issuer+bare, c.Token, time.Now())
	if err != nil {
		return call{}, err
	}
	headers = append(headers, "Authorization", "DPoP "+c.Token, "DPoP", proof)
	if body != nil {
		headers = append(headers, "Content-Type", "application/json")
	}
	return call{message(method, w.addr, path, body, headers...), want}, nil
}

// tokens prepares n requests for an access token, each with an assertion and a proof of its own.
func (w *world) tokens(ctx context.Context, n int) ([]call, error) {
	c, calls := w.clients[registry], make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		assertion, err := c.Assertion()
		if err != nil {
			return err
		}
		proof, err := c.DPoP.Proof(http.MethodPost, w.issuer+"/oauth/token", "", time.Now())
		if err != nil {
			return err
		}
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {c.ID}, "scope": {"results"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		}
		calls[i] = call{message(http.MethodPost, w.addr, "/oauth/token", []byte(form.Encode()),
			"Content-Type", "application/x-www-form-urlencoded", "DPoP", proof), http.StatusOK}
		return nil
	})
}

// readings prepares n readings of their own birth certificates by citizens who are signed in.
func (w *world) readings(ctx context.Context, n int) ([]call, error) {
	calls := make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		r := w.readers[i%len(w.readers)]
		proof, err := r.client.DPoP.Proof(http.MethodGet, w.issuer+r.path, r.client.Token, time.Now())
		if err != nil {
			return err
		}
		calls[i] = call{message(http.MethodGet, w.addr, r.path, nil, "Authorization", "DPoP "+r.client.Token, "DPoP", proof), http.StatusOK}
		return nil
	})
}

// forms prepares n fillings of a form under standing grants, each a release of its own. One assertion names the officer of all of them, as for a
// morning's work.
func (w *world) forms(ctx context.Context, n int) ([]call, error) {
	officer, err := w.clients[kindergarten].Officer(kindergarten, "van-phong", "gv-007", w.cast.Officers[0], "Giáo viên")
	if err != nil {
		return nil, err
	}
	calls := make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		body, err := json.Marshal(map[string]string{"organisation": kindergarten, "request_id": w.grants[i%len(w.grants)]})
		if err != nil {
			return err
		}
		calls[i], err = w.authorized(kindergarten, http.MethodPost, "/v1/prefill", body, http.StatusOK,
			"Officer-Assertion", officer, "Idempotency-Key", uuid.NewString())
		return err
	})
}
