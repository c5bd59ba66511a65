package auth

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Every fault of an authorization request: told to nobody when the client or the redirect address is not registered, else to the client with
// state and iss (RFC 6749 §4.1.2.1, RFC 9207).
func TestAuthorizationRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	set := func(name string, values ...string) func(url.Values) {
		return func(p url.Values) {
			if p[name] = values; len(values) == 0 {
				p.Del(name)
			}
		}
	}
	rows := map[string]struct {
		change func(url.Values)
		want   string // error code; "" untrusted
	}{
		"no client":               {set("client_id"), ""},
		"unknown client":          {set("client_id", "khong-co"), ""},
		"client twice":            {set("client_id", "vidan-app", "vidan-app"), ""},
		"client that is no id":    {set("client_id", "../x"), ""},
		"no redirect":             {set("redirect_uri"), ""},
		"redirect twice":          {set("redirect_uri", appURI, appURI), ""},
		"redirect below":          {set("redirect_uri", appURI+"/more"), ""},
		"redirect with a query":   {set("redirect_uri", appURI+"?x=1"), ""},
		"redirect elsewhere":      {set("redirect_uri", "https://evil.example/back"), ""},
		"redirect in upper case":  {set("redirect_uri", "VN.vidan.app:/back"), ""},
		"no response type":        {set("response_type"), "invalid_request"},
		"token":                   {set("response_type", "token"), "unsupported_response_type"},
		"code and id token":       {set("response_type", "code id_token"), "unsupported_response_type"},
		"fragment":                {set("response_mode", "fragment"), "invalid_request"},
		"request object":          {set("request", "e30.e30."), "request_not_supported"},
		"request by reference":    {set("request_uri", "https://evil.example"), "request_uri_not_supported"},
		"registration":            {set("registration", "{}"), "registration_not_supported"},
		"without a person":        {set("prompt", "none"), "login_required"},
		"no challenge":            {set("code_challenge"), "invalid_request"},
		"plain challenge":         {set("code_challenge_method", "plain"), "invalid_request"},
		"challenge without how":   {set("code_challenge_method"), "invalid_request"},
		"short challenge":         {set("code_challenge", "abc"), "invalid_request"},
		"challenge with stray":    {set("code_challenge", strings.Repeat("B", 43)), "invalid_request"},
		"no key":                  {set("dpop_jkt"), "invalid_request"},
		"a key that is none":      {set("dpop_jkt", "abc"), "invalid_request"},
		"no scope":                {set("scope"), "invalid_scope"},
		"scope twice":             {set("scope", "wallet wallet"), "invalid_scope"},
		"a machine's scope":       {set("scope", "wallet results"), "invalid_scope"},
		"an unknown scope":        {set("scope", "openid admin"), "invalid_scope"},
		"an unknown level":        {set("acr_values", "urn:vidan:level:3"), unmet},
		"an unknown prompt":       {set("prompt", "create"), "invalid_request"},
		"none and more":           {set("prompt", "none login"), "invalid_request"},
		"a negative age":          {set("max_age", "-1"), "invalid_request"},
		"an age that is none":     {set("max_age", "1.5"), "invalid_request"},
		"claims that are none":    {set("claims", "[]"), "invalid_request"},
		"claims in two voices":    {set("claims", `{"id_token":{"acr":null,"acr":null}}`), "invalid_request"},
		"claims of another form":  {set("claims", `{"id_token":{"acr":"urn:vidan:level:2"}}`), "invalid_request"},
		"long claims":             {set("claims", `{"id_token":{"x":"`+strings.Repeat("x", maxClaims)+`"}}`), "invalid_request"},
		"an essential level":      {set("claims", `{"id_token":{"acr":{"essential":true,"value":"phr"}}}`), unmet},
		"several subjects":        {set("claims", `{"id_token":{"sub":{"values":["a","b"]}}}`), "invalid_request"},
		"a number in the address": {set("login_hint", duNumber), "invalid_request"},
		"long nonce":              {set("nonce", strings.Repeat("n", maxNonce+1)), "invalid_request"},
		"nonce on two lines":      {set("nonce", "a\nb"), "invalid_request"},
		"scope given twice":       {set("scope", "openid", "wallet"), "invalid_request"},
		"unknown parameter twice": {set("x", "1", "2"), "invalid_request"},
		"state twice":             {set("state", "a", "b"), "invalid_request"},
		"long state":              {set("state", strings.Repeat("s", maxState+1)), "invalid_request"},
		"state on two lines":      {set("state", "a\r\nLocation: x"), "invalid_request"},
	}
	for name, row := range rows {
		params := w.params(1)
		row.change(params)
		cookie, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1")
		var back *RedirectError
		switch {
		case cookie != "" || err == nil:
			t.Errorf("%s: begun", name)
		case row.want == "" && !errors.Is(err, ErrUntrusted):
			t.Errorf("%s: %v", name, err)
		case row.want == "":
		case !errors.As(err, &back):
			t.Errorf("%s: %v", name, err)
		default:
			u, parseErr := url.Parse(back.URL)
			if parseErr != nil || !strings.HasPrefix(back.URL, appURI+"?") {
				t.Errorf("%s: sent to %q", name, back.URL)
				continue
			}
			q := u.Query()
			state := "state-1"
			if strings.Contains(name, "state") {
				state = ""
			}
			if q.Get("error") != row.want || q.Get("iss") != testIssuer || q.Get("state") != state || q.Get("code") != "" {
				t.Errorf("%s: %v", name, q)
			}
		}
	}
	if n := w.count(`select count(*) from signins`); n != 0 {
		t.Errorf("%d sign-ins were kept", n)
	}
}

// A client that was blocked gets nobody sent to it, also by a process that knew it before; a changed one is read again.
func TestAuthorizationOfABlockedClient(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.begin(w.Server, 1)
	if err := w.directory.BlockClient(t.Context(), w.app.id); err != nil {
		t.Fatal(err)
	}
	wrong := w.params(1)
	wrong.Set("scope", "admin")
	for _, params := range []url.Values{w.params(1), wrong} {
		if _, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1"); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%v", err)
		}
	}
	if err := w.directory.UnblockClient(t.Context(), w.app.id); err != nil {
		t.Fatal(err)
	}
	w.begin(w.Server, 1)
}

func TestRedirectsTo(t *testing.T) {
	t.Parallel()
	registered := []string{"http://127.0.0.1/back", "http://[::1]:1/back?x=1", "http://localhost:8000/back", "https://app.example/back", "vn.vidan.app:/back"}
	for uri, want := range map[string]bool{
		"http://127.0.0.1/back":              true,
		"http://127.0.0.1:49152/back":        true,
		"http://[::1]:49152/back?x=1":        true,
		"http://[::1]/back?x=1":              true,
		"https://app.example/back":           true,
		"vn.vidan.app:/back":                 true,
		"http://localhost:8000/back":         true,
		"http://localhost:8001/back":         false,
		"http://127.0.0.1:49152/back/":       false,
		"http://127.0.0.1:49152/back?x=1":    false,
		"http://127.0.0.1:49152/back#":       false,
		"http://127.0.0.1:49152@evil/back":   false,
		"http://u@127.0.0.1:49152/back":      false,
		"http://127.0.0.1.evil.example/back": false,
		"http://127.0.0.2:49152/back":        false,
		"https://127.0.0.1:49152/back":       false,
		"HTTP://127.0.0.1:49152/back":        false,
		"https://app.example:444/back":       false,
		"http://[::1]:49152/back":            false,
		"":                                   false,
	} {
		if got := (&client{clientRow: clientRow{Profile: App, RedirectURIs: registered}}).redirectsTo(uri); got != want {
			t.Errorf("app, %q: %v", uri, got)
		}
		exact := strings.Contains("http://127.0.0.1/back https://app.example/back vn.vidan.app:/back http://localhost:8000/back", uri) && uri != ""
		if got := (&client{clientRow: clientRow{Profile: FAPI2, RedirectURIs: registered}}).redirectsTo(uri); got != exact {
			t.Errorf("agency, %q: %v", uri, got)
		}
	}
}

func TestPreferred(t *testing.T) {
	t.Parallel()
	for locales, want := range map[string]string{
		"": "", "en": "en", "en-GB vi": "en", "vi-VN en": "vi", "fr-CA en": "en", "fr": "", "x\x00 en": "en", strings.Repeat("en ", 100): "",
	} {
		if got := preferred(locales); got != want {
			t.Errorf("%q: %q", locales, got)
		}
	}
}

// FuzzAuthorize: whatever a request holds, nobody is sent anywhere but to a registered address, and what is accepted is complete.
func FuzzAuthorize(f *testing.F) {
	challenge := strings.Repeat("A", 43)
	f.Add("response_type=code&redirect_uri=vn.vidan.app%3A%2Fback&scope=openid&code_challenge=" + challenge + "&code_challenge_method=S256&dpop_jkt=" + challenge)
	f.Add("redirect_uri=vn.vidan.app%3A%2Fback&response_type=token&state=x")
	f.Add("redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fback&state=%0d%0a")
	f.Add("redirect_uri=http%3A%2F%2F127.0.0.1%3A99999%2Fback%3Fcode%3D1&redirect_uri=x")
	f.Add("acr_values=urn%3Avidan%3Alevel%3A2&redirect_uri=https%3A%2F%2Fapp.example%2Fback%3Fa%3Db&ui_locales=en")
	f.Add("redirect_uri=vn.vidan.app%3A%2Fback&claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22values%22%3A%5B%22urn%3Avidan%3Alevel%3A2%22%5D%7D%7D%7D&prompt=login&max_age=0&login_hint=099193000003")
	s := &Server{issuer: testIssuer, deployment: newDeployment(f)}
	c := &client{clientRow: clientRow{
		ID: "vidan-app", Profile: App, Scopes: peopleScopes,
		RedirectURIs: []string{"vn.vidan.app:/back", "http://127.0.0.1/back", "https://app.example/back?a=b"},
	}}
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r, err := s.parseAuthorization(c, params)
		var back *RedirectError
		if errors.As(err, &back) {
			u, err := url.Parse(back.URL)
			if err != nil || strings.ContainsAny(back.URL, "\r\n") || u.Query().Get("iss") != testIssuer || u.Query().Get("error") == "" {
				t.Fatalf("sent to %q: %v", back.URL, err)
			}
			if !strings.HasPrefix(back.URL, "vn.vidan.app:/back?") && !strings.HasPrefix(back.URL, "https://app.example/back?a=b&") &&
				!(u.Scheme == "http" && u.Hostname() == "127.0.0.1" && u.Path == "/back" && u.User == nil) {
				t.Fatalf("sent to %q", back.URL)
			}
			return
		}
		if err != nil {
			return
		}
		if !isDigest(r.Challenge) || !isDigest(r.JKT) || r.Scope == "" || r.Level < 1 || r.Level > 2 || r.Least > r.Level || !c.redirectsTo(r.RedirectURI) {
			t.Fatalf("accepted %+v", r)
		}
	})
}
