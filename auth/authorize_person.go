package auth

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// What an authorization request says of the person and of how they sign in (OpenID Connect Core §3.1.2.1, §5.5).
//
// Nobody is signed in here from before: each request is answered by a person who proves themselves for it. prompt=login, prompt=consent,
// prompt=select_account and any max_age therefore hold without more, auth_time always says when, and prompt=none cannot be met.

// unmet is the error for a level that does not exist or cannot be reached (OpenID Connect Core Error Code unmet_authentication_requirements
// 1.0; RFC 9470 §5: a client is not sent round in circles).
const unmet = "unmet_authentication_requirements"

const (
	maxClaims = 4 << 10
	maxAge    = 1 << 31 // seconds; what does not fit is a mistake
)

// prompts are the values of prompt.
var prompts = []string{"none", "login", "consent", "select_account"}

// readPerson reads prompt, max_age, acr_values, claims, login_hint and ui_locales.
func (r *signInRequest) readPerson(get func(string) string) *requestFault {
	asked := strings.Fields(get("prompt"))
	for _, prompt := range asked {
		if !slices.Contains(prompts, prompt) {
			return wrong("prompt has a value that is not offered")
		}
	}
	if r.Silent = slices.Contains(asked, "none"); r.Silent && len(asked) > 1 {
		return wrong("prompt none stands alone")
	}
	if age := get("max_age"); age != "" {
		if n, err := strconv.ParseInt(age, 10, 64); err != nil || n < 0 || n >= maxAge {
			return wrong("max_age is not a number of seconds")
		}
	}
	r.Level, r.Least = 1, 1
	if acrs := strings.Fields(get("acr_values")); len(acrs) > 0 && !r.want(acrs, true) {
		return &requestFault{unmet, "acr_values names no level that exists"}
	}
	if fault := r.readClaims(get("claims")); fault != nil {
		return fault
	}
	if hint := get("login_hint"); hint != "" {
		number, err := parseTyped(identity.NewPrivate(hint))
		if err != nil {
			return wrong("login_hint is not a personal number")
		}
		r.Hint = number.Reveal()
	}
	r.Language = preferred(get("ui_locales"))
	return nil
}

// want asks for a level by acr values in order of preference; what several parameters ask for adds up to the highest. Values that name no
// level are passed over. essential: the client is content with nothing below the least of them. It reports whether one is known.
func (r *signInRequest) want(acrs []string, essential bool) bool {
	first, least := 0, 0
	for _, acr := range acrs {
		level := levelOf(acr)
		if level == 0 {
			continue
		}
		if first == 0 {
			first, least = level, level
		}
		least = min(least, level)
	}
	r.Level = max(r.Level, first)
	if essential {
		r.Least = max(r.Least, least)
	}
	return first != 0
}

// claimRequest is a member of the claims parameter (OpenID Connect Core §5.5.1); null stands for the zero value.
type claimRequest struct {
	Essential bool     `json:"essential"`
	Value     string   `json:"value"`
	Values    []string `json:"values"`
}

func (c claimRequest) all() []string {
	if c.Value != "" {
		return append([]string{c.Value}, c.Values...)
	}
	return c.Values
}

// readClaims reads the claims parameter. Two members mean something here: acr of the ID token, which asks for a level (§5.5.1.1), and sub,
// which names the only person who will do (§5.5.1). Every other claim is passed over, as §5.5 demands: an ID token says what it says, and a
// paper says more, with consent.
func (r *signInRequest) readClaims(text string) *requestFault {
	if text == "" {
		return nil
	}
	var request struct {
		IDToken  map[string]*json.RawMessage `json:"id_token"`
		UserInfo map[string]*json.RawMessage `json:"userinfo"`
	}
	if len(text) > maxClaims || decodeClaims([]byte(text), &request) != nil {
		return wrong("claims is not a JSON object of claims")
	}
	var acr, sub claimRequest
	for name, into := range map[string]*claimRequest{"acr": &acr, "sub": &sub} {
		if raw := request.IDToken[name]; raw != nil && string(*raw) != "null" && decodeClaims(*raw, into) != nil {
			return wrong("claims: a member is not of the form of OpenID Connect Core 5.5.1")
		}
	}
	if values := acr.all(); len(values) > 0 && !r.want(values, acr.Essential) && acr.Essential {
		return &requestFault{unmet, "claims asks for a level that does not exist"}
	}
	if len(sub.Values) > 0 || len(sub.Value) > maxID {
		return wrong("claims: sub takes one value")
	}
	r.Subject = sub.Value
	return nil
}

// A hint is kept sealed: the rows of requests under way say of nobody who they are.
const (
	hintSector = "auth"
	hintKind   = "login_hint"
)

func (s *Server) sealHint(number string) string {
	return s.deployment.Ref(hintSector, hintKind, []byte(number))
}

// hint is the personal number that the client expects, by its login_hint; empty without one.
func (x *SignIn) hint() identity.Private {
	if x.row.Request.Hint == "" {
		return identity.Private{}
	}
	raw, err := x.server.deployment.OpenRef(hintSector, hintKind, x.row.Request.Hint)
	if err != nil {
		return identity.Private{}
	}
	return identity.NewPrivate(string(raw))
}

// expected is the number that was typed, or the one that the client expects where the field was left empty.
func (x *SignIn) expected(typed identity.Private) identity.Private {
	if strings.TrimSpace(typed.Reveal()) == "" {
		return x.hint()
	}
	return typed
}

// Hinted returns the last three digits of the personal number that the client expects, or "": enough for its bearer to know that the form
// means them, and nothing for anybody else. A form without a number means that one.
func (x *SignIn) Hinted() string {
	number := x.hint().Reveal()
	if len(number) < 3 {
		return ""
	}
	return number[len(number)-3:]
}

var errOtherPerson = errors.New("auth: another person than the client asked for")

// sqlSubjectIs: the person is the one that the client named.
const sqlSubjectIs = `select vidan_require(exists (
  select from subjects where vault_id = $1 and sector = $2 and sub = $3), 'other_person')`

// queueSubject holds the sign-in to the person that the client wants, if it named one (OpenID Connect Core §5.5.1).
func (x *SignIn) queueSubject(b *pgx.Batch) {
	if x.row.Request.Subject != "" {
		b.Queue(sqlSubjectIs, x.row.Vault, x.client.sector, x.row.Request.Subject)
	}
}
