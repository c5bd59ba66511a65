package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// RFC 7009: what a client gives back works nowhere from the next request on.
func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	there := w.peopled(w.pool)
	machine := w.agency("motcua")
	tokens := map[string]func() (token, access string, by func() url.Values){
		"refresh token": func() (string, string, func() url.Values) {
			access, refresh := w.lasting()
			return refresh, access, func() url.Values { return url.Values{"client_id": {w.app.id}} }
		},
		"access token of a person": func() (string, string, func() url.Values) {
			access, _ := w.lasting()
			return access, access, func() url.Values { return url.Values{"client_id": {w.app.id}} }
		},
		"access token of a machine": func() (string, string, func() url.Values) {
			access := machine.token(w.Server, "results")
			return access, access, func() url.Values { return machine.proved(url.Values{}) }
		},
	}
	for name, make := range tokens {
		token, access, by := make()
		caller := &w.app.agency
		if name == "access token of a machine" {
			caller = machine
		}
		if err := caller.call(there, access); err != nil {
			t.Fatal(err)
		}
		// Another client may not, and nothing happens.
		other := w.agency("khac-" + w.next())
		form := other.proved(url.Values{"token": {token}})
		if status, body := w.postTo(w.Server, pathRevoke, form); status != http.StatusBadRequest || body["error"] != "invalid_grant" {
			t.Errorf("%s: by another client: %d %v", name, status, body)
		}
		if err := caller.call(there, access); err != nil {
			t.Errorf("%s: another client ended it: %v", name, err)
		}
		for range 2 { // a second time is no error (§2.2)
			form := by()
			form.Set("token", token)
			form.Set("token_type_hint", "refresh_token") // right or wrong, it changes nothing
			if status, body := w.postTo(w.Server, pathRevoke, form); status != http.StatusOK || len(body) != 0 {
				t.Fatalf("%s: %d %v", name, status, body)
			}
		}
		for where, s := range map[string]*Server{"here": w.Server, "there": there} {
			if err := caller.call(s, access); !errors.Is(err, ErrTokenRevoked) {
				t.Errorf("%s: %s: %v", name, where, err)
			}
		}
	}
	if err := machine.call(w.Server, machine.token(w.Server, "results")); err != nil {
		t.Errorf("a machine's other token: %v", err)
	}
	if n := len(slices.DeleteFunc(w.history(d.vault), func(line string) bool { return line != "session_ended done revoked" })); n != 2 {
		t.Errorf("%d ends recorded", n)
	}
	if status, _ := w.postTo(w.Server, pathRevoke, url.Values{"client_id": {w.app.id}, "token": {"x"}}); status != http.StatusOK {
		t.Errorf("garbage: %d", status)
	}
	for want, form := range map[string]url.Values{
		"invalid_request": {"client_id": {w.app.id}},
		"invalid_client":  {"client_id": {machine.id}, "token": {"x"}},
	} {
		if status, body := w.postTo(w.Server, pathRevoke, form); status == http.StatusOK || body["error"] != want {
			t.Errorf("%v: %d %v", form, status, body)
		}
	}
}

// What is given back is forgotten when it would have expired, and no client fills its row.
func TestRevokedTokensAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	revoke := func() int {
		status, _ := w.postTo(w.Server, pathRevoke, a.proved(url.Values{"token": {a.token(w.Server, "results")}}))
		return status
	}
	kept := func() (n int) {
		if err := w.db.Owner(t).QueryRow(t.Context(), `select cardinality(revoked_tokens) from client_keys`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	revoke()
	w.clock.advance(AccessTokenLife + time.Second)
	revoke()
	if n := kept(); n != 1 {
		t.Errorf("%d kept", n)
	}
	if _, err := w.db.Owner(t).Exec(t.Context(),
		`update client_keys set revoked_tokens = array(select ($1::bigint + 600)::text || '.' || n from generate_series(1, 1000) as n)`, w.clock.now().Unix()); err != nil {
		t.Fatal(err)
	}
	if status := revoke(); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
	w.clock.advance(AccessTokenLife + time.Second)
	if status := revoke(); status != http.StatusOK || kept() != 1 {
		t.Errorf("%d, %d kept", status, kept())
	}
}

// guardian is a client that guards resources.
func (w *world) guardian(id string) *agency {
	w.tb.Helper()
	c := Client{ID: id, Organisation: "ubnd-phuong-sen", Name: "Kho dữ liệu", Profile: FAPI2, Scopes: []string{ScopeIntrospect}}
	if err := w.directory.AddClient(w.tb.Context(), c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	a := &agency{w: w, id: id, key: newSender(w.tb, jose.ES256, id+"-1"), dpop: newSender(w.tb, jose.ES256, "")}
	a.register(a.key)
	return a
}

func (a *agency) introspect(s *Server, token string) (int, map[string]any) {
	return a.w.postTo(s, pathIntrospect, a.proved(url.Values{"token": {token}}))
}

// RFC 7662: whoever guards resources learns of every access token what it is worth now, a client of its own, and nobody of anything else.
func TestIntrospect(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	guardian, machine, other := w.guardian("kho"), w.agency("motcua"), w.agency("khac")
	portal, body := w.lodged("mamnon", "openid offline_access")
	person, refresh := body["access_token"].(string), body["refresh_token"].(string)
	own := machine.token(w.Server, "results")
	active := func(a *agency, token string) map[string]any {
		t.Helper()
		status, body := a.introspect(w.Server, token)
		if status != http.StatusOK || body["active"] != true {
			t.Fatalf("%s: %d %v", a.id, status, body)
		}
		return body
	}
	silent := func(name string, a *agency, token string) {
		t.Helper()
		if status, body := a.introspect(w.Server, token); status != http.StatusOK || body["active"] != false || len(body) != 1 {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	told := active(guardian, person)
	if told["client_id"] != portal.id || told["scope"] != "openid offline_access" || told["token_type"] != "DPoP" || told["iss"] != testIssuer ||
		told["aud"] != testIssuer+"/v1" || told["acr"] != acrLevel1 || told["auth_time"] != float64(w.clock.now().Unix()) ||
		told["exp"] != float64(w.clock.now().Add(AccessTokenLife).Unix()) || told["jti"] == "" || told["sub"] == "" ||
		told["cnf"].(map[string]any)["jkt"] != portal.dpop.thumbprint(t) {
		t.Errorf("%v", told)
	}
	if told := active(guardian, own); told["sub"] != machine.id || told["acr"] != nil || told["scope"] != "results" {
		t.Errorf("%v", told)
	}
	active(machine, own)
	active(portal, person)
	if told := active(portal, refresh); told["token_type"] != nil || told["cnf"] != nil || told["scope"] != "openid offline_access" {
		t.Errorf("%v", told)
	}
	silent("another machine's", other, own)
	silent("a person's at another client", other, person)
	silent("a refresh token, to who guards resources", guardian, refresh)
	silent("another client's refresh token", other, refresh)
	silent("garbage", guardian, "x")
	silent("an ID token", guardian, body["id_token"].(string))
	silent("a token with another signature", guardian, person[:len(person)-4]+"AAAA")

	if status, body := w.postTo(w.Server, pathIntrospect, url.Values{"client_id": {w.app.id}, "token": {own}}); status != http.StatusBadRequest {
		t.Errorf("a public client: %d %v", status, body)
	}
	form := guardian.proved(url.Values{"token": {own}})
	w.postTo(w.Server, pathIntrospect, form)
	if status, body := w.postTo(w.Server, pathIntrospect, form); status != http.StatusBadRequest || body["error"] != "invalid_client" {
		t.Errorf("the assertion twice: %d %v", status, body)
	}

	// State is live: what ends is told at once.
	if err := w.EndSession(t.Context(), free{}, actorOf(d), d.vault, w.sessionOf(d, person)); err != nil {
		t.Fatal(err)
	}
	silent("session ended", guardian, person)
	silent("session ended: refresh", portal, refresh)
	if err := w.directory.EndKey(t.Context(), machine.id, machine.key.kid, w.clock.now()); err != nil {
		t.Fatal(err)
	}
	silent("key ended", guardian, own)
	last := other.token(w.Server, "results")
	active(guardian, last)
	if err := w.directory.BlockClient(t.Context(), other.id); err != nil {
		t.Fatal(err)
	}
	silent("client blocked", guardian, last)
	person2, _ := w.lasting()
	active(guardian, person2)
	w.exec(`update people set blocked = true`)
	silent("person blocked", guardian, person2)
	w.exec(`update people set blocked = false`)
	active(guardian, person2)
	w.clock.advance(AccessTokenLife)
	silent("expired", guardian, person2)
}

// RFC 9701: the same as a signed statement to whoever asked, of a type that is no access token's.
func TestIntrospectSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guardian, machine := w.guardian("kho"), w.agency("motcua")
	for token, active := range map[string]bool{machine.token(w.Server, "results"): true, "x": false} {
		form := guardian.proved(url.Values{"token": {token}})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathIntrospect, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/"+introspectionType)
		mux := http.NewServeMux()
		w.Routes(mux)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "application/token-introspection+jwt" || answer.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v", answer.Code, answer.Header())
		}
		payload, _, err := w.verifier.Verify(answer.Body.String(), w.keys.Lookup(TokenKeys), introspectionType)
		if err != nil {
			t.Fatal(err)
		}
		var told map[string]any
		if err := json.Unmarshal(payload, &told); err != nil {
			t.Fatal(err)
		}
		inner := told["token_introspection"].(map[string]any)
		if told["iss"] != testIssuer || told["aud"] != guardian.id || told["iat"] == nil || told["sub"] != nil || told["exp"] != nil || inner["active"] != active || !active && len(inner) != 1 {
			t.Errorf("%v", told)
		}
		if _, err := w.openToken(answer.Body.String()); err == nil {
			t.Error("an answer passes for an access token")
		}
	}
}
