package auth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// S5: names, numbers, tokens, proofs and keys put into every place that a request has come back in no answer, error or log line.
func TestS5_Canary(t *testing.T) {
	t.Parallel()
	const canary, number = "CANARYNAME", "001090123456"
	w := newWorld(t)
	a := w.agency("motcua")
	token := a.token(w.Server, "results")
	var said strings.Builder
	hear := func(err error) {
		for ; err != nil; err = errors.Unwrap(err) {
			said.WriteString(err.Error() + "\n" + Challenge(err) + "\n")
		}
	}
	secrets := []string{canary, number, strings.SplitAfterN(token, ".", 3)[2]}

	// The token endpoint, with the canary in each parameter, claim and header in turn.
	post := func(form url.Values, proof string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathToken, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		mux := http.NewServeMux()
		w.Routes(mux)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			return // the answer to a good request is a token and an accepted scope
		}
		for name, values := range answer.Header() {
			said.WriteString(name + ": " + strings.Join(values, ",") + "\n")
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(body)
	}
	for name := range a.form("results") {
		for _, value := range []string{canary, number, canary + "\n" + number, "\xff" + canary} {
			f := a.form("results")
			f.Set(name, value)
			post(f, a.proof(http.MethodPost, pathToken, ""))
		}
	}
	for claim := range a.claims() {
		c := a.claims()
		c[claim] = canary + number
		f := a.form("results")
		f.Set("client_assertion", a.key.message(t, "JWT", c))
		secrets = append(secrets, strings.SplitN(f.Get("client_assertion"), ".", 3)[2])
		post(f, a.proof(http.MethodPost, pathToken, ""))
		post(f, canary)
	}
	post(a.form("results"), newSender(t, jose.ES256, "").proof(t, map[string]any{"jti": canary, "htu": number}))

	// A call, with the canary in token, proof and officer assertion.
	const path = "/v1/results"
	for claim := range a.proofClaims(http.MethodPost, path, token) {
		c := a.proofClaims(http.MethodPost, path, token)
		c[claim] = canary + number
		proof := a.dpop.proof(t, c)
		secrets = append(secrets, strings.SplitN(proof, ".", 3)[2])
		_, err := w.Authenticate(request(http.MethodPost, path, token, proof))
		hear(err)
	}
	_, err := w.Authenticate(request(http.MethodPost, path, canary, a.proof(http.MethodPost, path, canary)))
	hear(err)
	for claim := range a.officerClaims() {
		c := a.officerClaims()
		c[claim] = canary + number
		assertion := a.key.message(t, officerType, c)
		secrets = append(secrets, strings.SplitN(assertion, ".", 3)[2])
		_, _, err := a.officer(w.Server, token, assertion)
		hear(err)
	}

	// Faults inside: an altered row, a database that is gone.
	if _, err := w.db.Owner(t).Exec(t.Context(), `update clients set name = 'CANARYNAME'`); err != nil {
		t.Fatal(err)
	}
	fresh := w.another()
	hear(a.call(fresh, token))
	f := a.form("results")
	secrets = append(secrets, strings.SplitN(f.Get("client_assertion"), ".", 3)[2])
	for _, s := range []*Server{fresh, w.Server} {
		s.pool = fresh.pool
		status, body := w.post(s, f, a.proof(http.MethodPost, pathToken, ""))
		said.WriteString(text(t, body))
		_ = status
	}
	if w.logs.String() == "" {
		t.Error("no fault was logged: this test would prove nothing")
	}
	for where, heard := range map[string]string{"answers and errors": said.String(), "logs": w.logs.String()} {
		for _, secret := range secrets {
			if strings.Contains(heard, secret) {
				t.Errorf("%s show %q", where, secret)
			}
		}
	}
}
