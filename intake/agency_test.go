package intake_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"vidan/auth"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/outside"
)

// agency is an organisation's program outside.
type agency struct {
	w            *world
	organisation string
	client       *outside.Client
	mandate      identity.ObjectID
	token        *sync.Once
}

// register puts the organisations, their programs and mandates into the directory.
func (w *world) register() {
	w.t.Helper()
	for _, o := range []struct {
		id        string
		mandate   auth.Mandate
		relations []string
	}{
		{commune, auth.Mandate{
			DocumentTypes: []string{"birth_certificate", "marriage_certificate", "death_extract"},
			Procedures:    []string{"birth_registration", "marriage_registration", "death_registration"},
			Relations:     []string{"mother", "father"}, Rights: []auth.Right{auth.RightDeliver, auth.RightOpenVault, auth.RightResolve},
		}, nil},
		{insurance, auth.Mandate{
			DocumentTypes: []string{"health_insurance_card"}, Procedures: []string{"child_health_insurance_card"},
			Rights: []auth.Right{auth.RightDeliver, auth.RightResolve},
		}, nil},
		{police, auth.Mandate{
			DocumentTypes: []string{"residence_registration", "citizen_identity_card"},
			Procedures:    []string{"permanent_residence_registration", "child_identity_card"}, Rights: []auth.Right{auth.RightDeliver},
		}, nil},
		{registrar, auth.Mandate{Rights: []auth.Right{auth.RightBind, auth.RightEnrol}}, nil},
	} {
		w.organisation(o.id)
		o.mandate.Units = []string{auth.AllUnits}
		w.agency(o.id, o.mandate)
	}
}

func (w *world) organisation(id string) {
	w.t.Helper()
	ok(w.t, w.directory.AddOrganisation(w.t.Context(), auth.Organisation{ID: id, NameVI: "Cơ quan " + id, NameEN: "Body " + id, Kind: "commune"}, beginning))
}

// agency registers a program of an organisation with a mandate.
func (w *world) agency(organisation string, m auth.Mandate) *agency {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	id := organisation + "-client"
	ok(t, w.directory.AddClient(ctx, auth.Client{
		ID: id, Organisation: organisation, Name: "Một cửa", Profile: auth.FAPI2, Scopes: []string{auth.ScopeResults},
	}, beginning))
	key := must(must(outside.NewKey(id+"-1"))(t).Prepare("JWT", intake.ResultType))(t)
	must(w.directory.AddKey(ctx, id, key.Public(), beginning))(t)
	m.Client, m.Organisation, m.From, m.Until = id, organisation, beginning.Add(-time.Hour), beginning.AddDate(5, 0, 0)
	g := &agency{w: w, organisation: organisation, token: new(sync.Once), mandate: must(w.directory.AddMandate(ctx, m))(t)}
	g.client = &outside.Client{Issuer: issuer, ID: id, Key: key, DPoP: must(outside.NewKey(""))(t), HTTP: &http.Client{Transport: w}, Now: protocol}
	w.agencies[organisation] = g
	return g
}

// RoundTrip serves the token endpoint in this process.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	mux := http.NewServeMux()
	w.auth.Routes(mux)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// call is what a handler has of a request to deliver: its principal, authenticated by token and proof.
func (g *agency) call() (intake.Call, error) {
	g.w.t.Helper()
	g.token.Do(func() { ok(g.w.t, g.client.Login(context.Background(), auth.ScopeResults)) })
	const path = "/v1/results"
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, nil)
	r.Header.Set("Authorization", "DPoP "+g.client.Token)
	proof, err := g.client.DPoP.Proof(http.MethodPost, issuer+path, g.client.Token, protocol())
	if err != nil {
		return intake.Call{}, err
	}
	r.Header.Set("DPoP", proof)
	p, err := g.w.auth.Authenticate(r)
	if err != nil {
		return intake.Call{}, err
	}
	return intake.Call{Principal: p, First: true, Trace: "req-1"}, p.Scope(auth.ScopeResults)
}

// in is the agency as it talks to another process.
func (g *agency) in(w *world) *agency {
	other := *g
	other.w = w
	return &other
}

// send delivers a signed message in a request of its own.
func (g *agency) send(compact string) (intake.Answer, error) {
	g.w.t.Helper()
	call, err := g.call()
	if err != nil {
		return intake.Answer{}, err
	}
	return g.w.Accept(context.Background(), call, compact)
}

func (g *agency) sign(p payload) string {
	g.w.t.Helper()
	return must(g.client.Key.Sign(intake.ResultType, p))(g.w.t)
}

// deliver signs and sends a result.
func (g *agency) deliver(p payload) (intake.Answer, error) {
	g.w.t.Helper()
	return g.send(g.sign(p))
}

// accepted delivers a result that must be accepted.
func (g *agency) accepted(p payload) intake.Answer {
	g.w.t.Helper()
	answer := must(g.deliver(p))(g.w.t)
	if answer.Status != intake.Accepted || answer.Repeated {
		g.w.t.Fatalf("status %s, repeated %t, reason %s", answer.Status, answer.Repeated, answer.Reason)
	}
	return answer
}

// quarantined delivers a result that must go to quarantine.
func (g *agency) quarantined(p payload, reason intake.Reason) intake.Answer {
	g.w.t.Helper()
	answer := must(g.deliver(p))(g.w.t)
	if answer.Status != intake.Quarantined || answer.Reason != reason || answer.Quarantine == "" || answer.Deadline.IsZero() {
		g.w.t.Fatalf("status %s, reason %s, want quarantine for %s", answer.Status, answer.Reason, reason)
	}
	return answer
}

// refused delivers a result that must be refused with a problem code of [intake.Invalid].
func (g *agency) refused(p payload, code string) *intake.Invalid {
	g.w.t.Helper()
	answer, err := g.deliver(p)
	var wrong *intake.Invalid
	if !errors.As(err, &wrong) || wrong.Code != code {
		g.w.t.Fatalf("answer %q, error %v, want %s", answer.Status, err, code)
	}
	return wrong
}

// resign gives a message another signature over the same payload bytes.
func (g *agency) resign(compact string) string {
	g.w.t.Helper()
	raw := must(base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1]))(g.w.t)
	return must(g.client.Key.Sign(intake.ResultType, json.RawMessage(raw)))(g.w.t)
}
