package openapi_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/pquerna/otp/totp"

	"vidan/identity"
	"vidan/openapi"
	"vidan/person"
)

func (c *citizen) credentials() map[string]openapi.Credential {
	c.w.t.Helper()
	list := decode[struct {
		Items []openapi.Credential `json:"items"`
	}](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/me/credentials", nil)).Items
	all := map[string]openapi.Credential{}
	for _, item := range list {
		all[item.Kind] = item
	}
	return all
}

// TestCodeDisplay: a code display is added by its first code, listed without its secret, and ended.
func TestCodeDisplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, weak := w.citizen("dan", 2), w.citizen("hoa", 1)
	type offer struct {
		URI   string `json:"otpauth_uri"`
		Offer string `json:"offer"`
	}
	name := map[string]string{"name": "Đồng hồ mã"}
	made := decode[offer](t, w.call(c.Client, http.StatusOK, http.MethodPost, "/v1/me/code-displays/offer", name))
	u := must(url.Parse(made.URI))(t)
	code := must(totp.GenerateCode(u.Query().Get("secret"), w.now()))(t)
	body := map[string]any{"name": "Đồng hồ mã", "offer": made.Offer, "code": code}
	foreign := decode[offer](t, w.call(weak.Client, http.StatusOK, http.MethodPost, "/v1/me/code-displays/offer", name))
	for want, bad := range map[string]map[string]any{
		"code_wrong":           {"name": "x", "offer": made.Offer, "code": "abcdef"},
		"code_display_refused": {"name": "x", "offer": foreign.Offer, "code": code},
	} {
		if p := w.call(c.Client, http.StatusUnprocessableEntity, http.MethodPost, "/v1/me/code-displays", bad).Problem(); p.Code != want {
			t.Errorf("%s, want %s", p.Code, want)
		}
	}
	if p := w.call(weak.Client, http.StatusUnauthorized, http.MethodPost, "/v1/me/code-displays", body).Problem(); p.Code != "insufficient_level" {
		t.Errorf("a passphrase alone: %s", p.Code)
	}
	added := decode[openapi.Credential](t, w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/code-displays", body))
	if again := decode[openapi.Credential](t, w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/code-displays", body)); again != added {
		t.Errorf("added again: %+v, first %+v", again, added)
	}
	all := c.credentials()
	if all["totp"].ID != added.ID || all["passphrase"].ID == "" || all["device"].ID == "" {
		t.Errorf("%+v", all)
	}
	if p := w.call(c.Client, http.StatusConflict, http.MethodDelete, "/v1/me/credentials/"+all["passphrase"].ID, nil).Problem(); p.Code != "last_credential" {
		t.Errorf("the passphrase: %s", p.Code)
	}
	w.call(weak.Client, http.StatusNotFound, http.MethodDelete, "/v1/me/credentials/"+added.ID, nil) // S1
	w.call(c.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/credentials/"+added.ID, nil)
	w.call(c.Client, http.StatusNotFound, http.MethodDelete, "/v1/me/credentials/"+added.ID, nil)
}

// TestCodeCard: an officer with the right hands out a card of forty codes, another one in its place; nobody else does, and the person sees how many
// codes are left, never one of them.
func TestCodeCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	number := must(identity.ParsePersonalNumber(c.number))(t)
	vault := must(w.people.Resolve(t.Context(), w.db.Pool, person.NumberIdentifier(number)))(t)
	found := decode[struct {
		Person string `json:"person"`
	}](t, w.as(registrar, http.StatusOK, http.MethodPost, "/v1/citizens/find?organisation="+registrar, map[string]any{"who": map[string]string{"personal_number": c.number}}))
	path := "/v1/citizens/" + found.Person + "/code-card?organisation="
	type card struct {
		Codes []openapi.CardEntry `json:"codes"`
	}
	printed := decode[card](t, w.as(registrar, http.StatusCreated, http.MethodPost, path+registrar, nil))
	if len(printed.Codes) != 40 {
		t.Fatalf("%d codes", len(printed.Codes))
	}
	for i, entry := range printed.Codes {
		if entry.Number != i+1 || !regexp.MustCompile(`^\d{6}$`).MatchString(entry.Code) {
			t.Errorf("line %d: %+v", i, entry)
		}
	}
	first := c.credentials()["codecard"]
	if first.Left == nil || *first.Left != 40 {
		t.Errorf("%+v", first)
	}
	w.as(registrar, http.StatusCreated, http.MethodPost, path+registrar, nil)
	if second := c.credentials()["codecard"]; second.ID == first.ID {
		t.Error("the card was not replaced")
	}
	if p := w.as(school, http.StatusForbidden, http.MethodPost, path+school, nil).Problem(); p.Code != "insufficient_scope" {
		t.Errorf("a school: %s", p.Code)
	}
	nobody := "/v1/citizens/" + w.people.Ref("registrar-x", vault) + "/code-card?organisation=" + registrar
	w.as(registrar, http.StatusNotFound, http.MethodPost, nobody, nil)
	if p := w.call(w.org[registrar], http.StatusForbidden, http.MethodPost, path+registrar, nil).Problem(); p.Code != "officer_assertion_required" {
		t.Errorf("without an officer: %s", p.Code)
	}
}

// TestPasskeysNotOffered: under an address without a name no passkey is offered, and the answer says what else to do.
func TestPasskeysNotOffered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	if p := w.call(c.Client, http.StatusUnprocessableEntity, http.MethodPost, "/v1/me/passkeys/offer", map[string]string{"name": "x"}).Problem(); p.Code != "passkey_refused" {
		t.Errorf("%+v", p)
	}
	bad := map[string]any{"name": "x", "challenge": "0123456789012345678901234567890123456789012345678901234567890123", "response": map[string]any{}}
	if p := w.call(c.Client, http.StatusUnprocessableEntity, http.MethodPost, "/v1/me/passkeys", bad).Problem(); p.Code != "passkey_refused" {
		t.Errorf("%+v", p)
	}
}
