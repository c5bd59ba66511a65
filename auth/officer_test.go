package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"vidan/audit"
	"vidan/identity"
)

func (a *agency) officerClaims() map[string]any {
	now := a.w.clock.now()
	return map[string]any{
		"iss": a.id, "sub": "cb-0042", "name": "Lê Văn Chung", "post": "Công chức tư pháp – hộ tịch", "organisation": "ubnd-phuong-sen",
		"unit": "ho-tich", "aud": testIssuer, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": "officer-" + a.w.next(),
	}
}

// officer presents assertions beside a good token and proof.
func (a *agency) officer(s *Server, token string, assertions ...string) (*Principal, audit.Officer, error) {
	const path = "/v1/results"
	r := request(http.MethodPost, path, token, a.proof(http.MethodPost, path, token))
	for _, assertion := range assertions {
		r.Header.Add(OfficerHeader, assertion)
	}
	p, err := s.Authenticate(r)
	if err != nil {
		return nil, audit.Officer{}, err
	}
	officer, err := s.Officer(r, p)
	return p, officer, err
}

func TestOfficer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.agency("motcua"), w.agency("congan")
	token := a.token(w.Server, "results")
	good := a.key.message(t, officerType, a.officerClaims())
	name, err := identity.ParseName("Lê Văn Chung")
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Officer{
		ID: "cb-0042", Name: name, Post: "Công chức tư pháp – hộ tịch", Organisation: "ubnd-phuong-sen", Unit: "ho-tich",
		Assurance: audit.Asserted,
	}
	for i := range 3 { // it may accompany several calls
		p, officer, err := a.officer(w.Server, token, good)
		if err != nil || officer != want {
			t.Fatalf("call %d: %v %v", i, cmp.Equal(officer.ID, want.ID), err)
		}
		if err := run(t.Context(), w.Server, p.Guard()); err != nil {
			t.Errorf("call %d: guard: %v", i, err)
		}
	}
	if _, officer, err := a.officer(w.another(), token, good); err != nil || officer != want {
		t.Errorf("at another process: %v", err)
	}
	with := func(claim string, value any) string {
		c := a.officerClaims()
		if value == nil {
			delete(c, claim)
		} else {
			c[claim] = value
		}
		return a.key.message(t, officerType, c)
	}
	now := w.clock.now()
	for name, assertions := range map[string][]string{
		"none":                  nil,
		"two":                   {good, good},
		"empty":                 {""},
		"a name in clear":       {"Lê Văn Chung"},
		"another client's key":  {b.key.message(t, officerType, a.officerClaims())},
		"another client's":      {b.key.message(t, officerType, b.officerClaims())},
		"a key of nobody":       {newSender(t, jose.ES256, "motcua-1").message(t, officerType, a.officerClaims())},
		"an unknown kid":        {newSender(t, jose.ES256, "motcua-9").message(t, officerType, a.officerClaims())},
		"typ JWT":               {a.key.message(t, "JWT", a.officerClaims())},
		"typ of an assertion":   {a.key.message(t, assertionType, a.officerClaims())},
		"no typ":                {a.key.message(t, "", a.officerClaims())},
		"altered":               {flip(t, good, 1, 30)},
		"another issuer":        {with("iss", "congan")},
		"another audience":      {with("aud", "https://other.example")},
		"a list of audiences":   {with("aud", []string{testIssuer})},
		"no exp":                {with("exp", nil)},
		"expired":               {with("exp", now.Unix())},
		"longer than 5 minutes": {with("exp", now.Add(7*time.Minute).Unix())},
		"no iat":                {with("iat", nil)},
		"from the future":       {with("iat", now.Add(2*time.Minute).Unix())},
		"no jti":                {with("jti", nil)},
		"no officer":            {with("sub", nil)},
		"a number as officer":   {with("sub", "001090000001")},
		"a name as officer id":  {with("sub", "Lê Văn Chung")},
		"no name":               {with("name", nil)},
		"no post":               {with("post", nil)},
		"post on two lines":     {with("post", "a\nb")},
		"no organisation":       {with("organisation", nil)},
		"no unit":               {with("unit", nil)},
		"name as object":        {with("name", map[string]string{"full": "x"})},
		"no such level":         {with("acr", "urn:vidan:level:9")},
	} {
		if _, _, err := a.officer(w.Server, token, assertions...); !errors.Is(err, ErrOfficer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.clock.advance(5 * time.Minute)
	if _, _, err := a.officer(w.Server, token, good); !errors.Is(err, ErrOfficer) {
		t.Errorf("after its life: %v", err)
	}
	phone := w.app("vidan-app")
	if _, _, err := phone.officer(w.Server, phone.signIn(2), good); !errors.Is(err, ErrOfficer) {
		t.Errorf("from a citizen's app: %v", err)
	}
}

// O3: an assertion by a key that has ended is refused by the guard, though its signature is remembered; and so is any other message
// of the request.
func TestO3_OfficerWithAnEndedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	token := a.token(w.Server, "results")
	second := newSender(t, jose.ES256, "motcua-2")
	a.register(second)
	w.clock.advance(2 * reloadAfter)
	assertion := second.message(t, officerType, a.officerClaims())
	p, _, err := a.officer(w.Server, token, assertion)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), w.Server, p.Guard()); err != nil {
		t.Fatal(err)
	}
	if err := w.directory.EndKey(t.Context(), a.id, "motcua-2", w.clock.now()); err != nil {
		t.Fatal(err)
	}
	p, _, err = a.officer(w.Server, token, assertion)
	if err != nil {
		t.Fatalf("the process has not read the end yet: %v", err)
	}
	if err := run(t.Context(), w.Server, p.Guard()); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("guard: %v", err)
	}
	if _, _, err := a.officer(w.another(), token, assertion); !errors.Is(err, ErrOfficer) {
		t.Errorf("at a process that reads it now: %v", err)
	}
	if err := a.call(w.Server, token); err != nil {
		t.Errorf("a call that does not rely on that key: %v", err)
	}
}

// S5: an officer prints without the name.
func TestS5_OfficerPrintsMasked(t *testing.T) {
	t.Parallel()
	o := newOffline(t)
	assertion := o.agency.key.message(t, officerType, o.agency.officerClaims())
	key := o.agency.key.key(t)
	v, err := o.openOfficer(assertion, only(key))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v.officer)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(v.officer), fmt.Sprintf("%+v", v.officer), fmt.Sprintf("%#v", v.officer), string(raw)} {
		if strings.Contains(shown, "Chung") {
			t.Errorf("shown: %s", shown)
		}
	}
}
