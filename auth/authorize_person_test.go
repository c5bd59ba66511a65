package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What each parameter of a person's sign-in asks for (OpenID Connect Core §3.1.2.1, §5.5.1.1).
func TestPersonParameters(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	known, err := w.clientOf(t.Context(), w.app.id)
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		level, least int
		silent       bool
		subject      string
		fault        string
	}
	for given, expected := range map[string]want{
		"":                        {1, 1, false, "", ""},
		"acr_values=" + acrLevel2: {2, 2, false, "", ""},
		"acr_values=" + acrLevel2 + " " + acrLevel1: {2, 1, false, "", ""},
		"acr_values=" + acrLevel1 + " " + acrLevel2: {1, 1, false, "", ""},
		"acr_values=phr " + acrLevel2:               {2, 2, false, "", ""},
		"acr_values=phr":                            {fault: unmet},
		"prompt=login consent select_account":       {1, 1, false, "", ""},
		"prompt=none":                               {1, 1, true, "", ""},
		"prompt=login none":                         {fault: "invalid_request"},
		"max_age=0":                                 {1, 1, false, "", ""},
		"max_age=86400":                             {1, 1, false, "", ""},
		"max_age=2147483648":                        {fault: "invalid_request"},
		"max_age=x":                                 {fault: "invalid_request"},
		`claims={}`:                                 {1, 1, false, "", ""},
		`claims={"userinfo":{"picture":null},"id_token":{"auth_time":{"essential":true},"acr":null,"x":{"value":1}}}`: {1, 1, false, "", ""},
		`claims={"id_token":{"acr":{"values":["` + acrLevel2 + `"]}}}`:                                                {2, 1, false, "", ""},
		`claims={"id_token":{"acr":{"essential":true,"values":["` + acrLevel2 + `","` + acrLevel1 + `"]}}}`:           {2, 1, false, "", ""},
		`claims={"id_token":{"acr":{"essential":true,"value":"` + acrLevel2 + `"}}}&acr_values=` + acrLevel1:          {2, 2, false, "", ""},
		`claims={"id_token":{"acr":{"essential":true}}}`:                                                              {1, 1, false, "", ""},
		`claims={"id_token":{"acr":{"value":"phr"}}}`:                                                                 {1, 1, false, "", ""},
		`claims={"id_token":{"acr":{"essential":true,"value":"phr"}}}`:                                                {fault: unmet},
		`claims={"id_token":{"sub":{"value":"s-1"}}}`:                                                                 {1, 1, false, "s-1", ""},
		`claims={"ID_TOKEN":{"acr":{"essential":true,"value":"phr"}}}`:                                                {1, 1, false, "", ""},
		`claims={"id_token":[]}`:                     {fault: "invalid_request"},
		`claims=null`:                                {fault: "invalid_request"},
		`claims={"id_token":{"acr":{"values":"x"}}}`: {fault: "invalid_request"},
		"login_hint=0990 0000 001":                   {fault: "invalid_request"},
	} {
		params := w.params(1)
		params.Del("acr_values")
		more, err := url.ParseQuery(strings.ReplaceAll(given, "+", "%2B"))
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range more {
			params[name] = values
		}
		r, fault := w.readRequest(known, params)
		got := want{r.Level, r.Least, r.Silent, r.Subject, ""}
		if fault != nil {
			got = want{fault: fault.code}
		}
		if diff := cmp.Diff(expected, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s: %s", given, diff)
		}
	}
}

// prompt=none is answered at the authorization endpoint, never at the pushed request endpoint (RFC 9126 §2.3), and with iss and state.
func TestSilentSignIn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.office("cong-mot-cua")
	form := a.pushForm(1)
	form.Set("prompt", "none")
	status, _, body := w.postPAR(w.Server, form)
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	plain := w.params(1)
	plain.Set("prompt", "none")
	for _, params := range []url.Values{from(a, body["request_uri"].(string)), plain} {
		var back *RedirectError
		if _, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1"); !errors.As(err, &back) {
			t.Fatal(err)
		}
		u, err := url.Parse(back.URL)
		if err != nil || u.Query().Get("error") != "login_required" || u.Query().Get("iss") != testIssuer || u.Query().Get("state") != "state-1" {
			t.Errorf("sent to %q", back.URL)
		}
	}
}

// login_hint comes by a pushed request alone, is nowhere in clear, and stands for a number that is left empty.
func TestLoginHint(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.office("cong-mot-cua")
	form := a.pushForm(1)
	form.Set("login_hint", "099 193 000003")
	status, _, body := w.postPAR(w.Server, form)
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	x := w.opened(from(a, body["request_uri"].(string)))
	if x.Hinted() != "003" {
		t.Errorf("hinted %q", x.Hinted())
	}
	for _, table := range []string{"pushed_requests", "signins"} {
		if n := w.count(`select count(*) from ` + table + ` t where t::text like '%000003%'`); n != 0 {
			t.Errorf("the number is in %s", table)
		}
	}
	if verdict, err := x.Passphrase(t.Context(), attempt("", duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		t.Errorf("with the hint: %d %v", verdict, err)
	}
	other := w.opened(from(a, body["request_uri"].(string)))
	if verdict, err := other.Passphrase(t.Context(), attempt(nobodyNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("what is typed counts: %d %v", verdict, err)
	}
	if plain := w.begin(w.Server, 1); plain.Hinted() != "" {
		t.Error("a hint from nowhere")
	}
}

// A client that asks for one person gets a code for that person or none (OpenID Connect Core §5.5.1), and may be told so.
func TestOnlyThePersonAskedFor(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	_, body := w.redeem(w.Server, w.signedIn())
	sub := idClaimsOf(t, body["id_token"].(string))["sub"].(string)
	ask := func(sub string) *SignIn {
		params := w.params(1)
		params.Set("claims", `{"id_token":{"sub":{"value":"`+sub+`"}}}`)
		x := w.opened(params)
		w.advanceToDone(x, d)
		return x
	}
	to, err := ask(sub).Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.codeIn(to)
	codes := w.count(`select count(*) from authorization_codes`)
	x := ask("somebody-else")
	if to, err = x.Finish(t.Context()); err != nil || !strings.Contains(to, "error=login_required") || !strings.Contains(to, "iss=") {
		t.Errorf("%q %v", to, err)
	}
	if n := w.count(`select count(*) from authorization_codes`); n != codes {
		t.Error("a code was issued")
	}
	if _, err := x.Finish(t.Context()); !errors.Is(err, ErrMoved) {
		t.Errorf("again: %v", err)
	}
}

// idClaimsOf reads an ID token as its client does, without verifying it again.
func idClaimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	payload := strings.Split(token, ".")[1]
	var claims map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatalf("ID token: %v", err)
	}
	return claims
}

// RFC 9470: a sign-in that is too weak or too old is challenged with what will do.
func TestStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.clock.now()
	p := func(level int, ago time.Duration) *Principal {
		return &Principal{Kind: Citizen, Level: level, AuthTime: now.Add(-ago), server: w.Server}
	}
	for name, row := range map[string]struct {
		p      *Principal
		level  int
		within time.Duration
		want   string
	}{
		"enough":            {p(2, time.Minute), 2, 15 * time.Minute, ""},
		"just in time":      {p(1, 15*time.Minute), 1, 15 * time.Minute, ""},
		"any time":          {p(1, 24*time.Hour), 1, 0, ""},
		"too weak":          {p(1, 0), 2, 0, `acr_values="` + acrLevel2 + `", algs=`},
		"too old":           {p(2, 16*time.Minute), 2, 15 * time.Minute, `acr_values="` + acrLevel2 + `", max_age="900", algs=`},
		"too old for one":   {p(1, 6*time.Minute), 1, 5 * time.Minute, `acr_values="` + acrLevel1 + `", max_age="300", algs=`},
		"nobody, a machine": {&Principal{Kind: Machine, server: w.Server}, 1, 0, `acr_values="` + acrLevel1 + `", algs=`},
	} {
		err := row.p.Require(row.level, row.within)
		if row.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		challenge := Challenge(err)
		if !errors.Is(err, ErrLevel) || !strings.HasPrefix(challenge, `DPoP error="insufficient_user_authentication", `) || !strings.Contains(challenge, row.want) {
			t.Errorf("%s: %v %s", name, err, challenge)
		}
	}
}

// The level that a client insists on and an account does not have is told to the client by its own code (RFC 9470 §5).
func TestUnmetLevel(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(1, false)
	x := w.opened(w.params(2))
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != NeedsLevel {
		t.Fatalf("%d %v", verdict, err)
	}
	to, err := x.Unmet(t.Context())
	if err != nil || !strings.Contains(to, "error="+unmet) || !strings.Contains(to, "iss=") || !strings.Contains(to, "state=state-1") {
		t.Errorf("%q %v", to, err)
	}
}
