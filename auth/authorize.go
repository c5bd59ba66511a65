package auth

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// ErrUntrusted reports an authorization request whose client or redirect address is not one that is registered: nobody is sent anywhere
// (RFC 6749 §4.1.2.1).
var ErrUntrusted = errors.New("auth: client or redirect address not registered")

// RedirectError is a fault of an authorization request that its client is told: the browser is sent to URL.
type RedirectError struct {
	URL  string
	code string
}

func (e *RedirectError) Error() string { return "auth: authorization request: " + e.code }

// Bounds of what a client may give, in bytes.
const (
	maxState    = 1024
	maxNonce    = 255
	codeLength  = 43 // 256 bits, base64url: codes, challenges of S256, thumbprints
	errorDenied = "access_denied"
)

// signInRequest is what a client asked for, as it is kept in signins.request. It holds nothing of a person.
type signInRequest struct {
	RedirectURI string `json:"redirect_uri"`
	Scope       string `json:"scope"`
	State       string `json:"state,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	Challenge   string `json:"code_challenge"`
	JKT         string `json:"dpop_jkt,omitempty"`
	Level       int    `json:"level"`          // asked for
	Least       int    `json:"least"`          // with which the client is content
	Language    string `json:"lang,omitempty"` // asked for by ui_locales
}

// redirect writes an answer of the authorization endpoint into the redirect address, with iss (RFC 9207 §2).
func (s *Server) redirect(uri string, answer url.Values) string {
	answer.Set("iss", s.issuer)
	u, err := url.Parse(uri)
	if err != nil {
		return s.issuer // never: it was registered
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += answer.Encode()
	return u.String()
}

// refuse is what a client is told when a request of its own fails.
func (s *Server) refuse(r signInRequest, code, description string) *RedirectError {
	answer := url.Values{"error": {code}, "error_description": {description}}
	if r.State != "" {
		answer.Set("state", r.State)
	}
	return &RedirectError{URL: s.redirect(r.RedirectURI, answer), code: code}
}

// parseAuthorization reads the parameters of an authorization request of a client that is known. Errors: [ErrUntrusted] before the
// redirect address is established, then a [RedirectError].
func (s *Server) parseAuthorization(c *client, params url.Values) (signInRequest, error) {
	var r signInRequest
	uris := params["redirect_uri"]
	if len(uris) != 1 || !c.redirectsTo(uris[0]) {
		return r, ErrUntrusted
	}
	r.RedirectURI = uris[0]
	if state := params["state"]; len(state) == 1 && (state[0] == "" || visible(state[0], maxState)) {
		r.State = state[0]
	} else if len(state) != 0 {
		return r, s.refuse(r, "invalid_request", "state is repeated, too long or not printable")
	}
	for _, values := range params {
		if len(values) != 1 {
			return r, s.refuse(r, "invalid_request", "a parameter is repeated")
		}
	}
	if code, description := r.read(c, params.Get); code != "" {
		return r, s.refuse(r, code, description)
	}
	return r, nil
}

// read fills the request and returns the error code and what is wrong, or nothing.
func (r *signInRequest) read(c *client, get func(string) string) (code, description string) {
	switch response, mode := get("response_type"), get("response_mode"); {
	case get("request") != "":
		return "request_not_supported", "request objects are not offered"
	case get("request_uri") != "":
		return "request_uri_not_supported", "request_uri is not offered"
	case get("registration") != "":
		return "registration_not_supported", "registration is not offered"
	case response == "":
		return "invalid_request", "response_type is missing"
	case response != "code":
		return "unsupported_response_type", "only code is offered"
	case mode != "" && mode != "query":
		return "invalid_request", "only response_mode query is offered"
	case slices.Contains(strings.Fields(get("prompt")), "none"):
		return "login_required", "every sign-in is made by the person"
	}
	r.Challenge, r.JKT, r.Nonce = get("code_challenge"), get("dpop_jkt"), get("nonce")
	switch {
	case !isDigest(r.Challenge) || get("code_challenge_method") != "S256":
		return "invalid_request", "code_challenge with method S256 is needed"
	case r.JKT != "" && !isDigest(r.JKT):
		return "invalid_request", "dpop_jkt is not a thumbprint"
	case r.JKT == "" && c.Profile == App:
		return "invalid_request", "dpop_jkt is needed"
	case r.Nonce != "" && !visible(r.Nonce, maxNonce):
		return "invalid_request", "nonce is too long or not printable"
	}
	scopes := strings.Fields(get("scope"))
	if len(scopes) == 0 || !distinct(scopes) {
		return "invalid_scope", "name each scope that is needed, once"
	}
	for _, scope := range scopes {
		if !slices.Contains(peopleScopes, scope) || !slices.Contains(c.Scopes, scope) {
			return "invalid_scope", "a scope is not this client's for signing in"
		}
	}
	r.Scope = strings.Join(scopes, " ")
	r.Level, r.Least = 1, 1
	if asked := strings.Fields(get("acr_values")); len(asked) > 0 {
		r.Least = 2
		for i, acr := range asked {
			level := levelOf(acr)
			if level == 0 {
				return "invalid_request", "acr_values names a level that does not exist"
			}
			if i == 0 {
				r.Level = level // in order of preference (OpenID Connect Core §3.1.2.1)
			}
			r.Least = min(r.Least, level)
		}
	}
	r.Language = preferred(get("ui_locales"))
	return "", ""
}

// preferred returns vi or en, whichever comes first in a list of languages; "" when neither does.
func preferred(locales string) string {
	if len(locales) > 200 {
		return ""
	}
	for _, name := range strings.Fields(locales) {
		tag, err := language.Parse(name)
		if err != nil {
			continue
		}
		if base, _ := tag.Base(); base.String() == "vi" || base.String() == "en" {
			return base.String()
		}
	}
	return ""
}

// redirectsTo compares exactly (RFC 9700 §2.1), but for the port of an app's loopback address, which the system gives it when it starts
// (RFC 8252 §7.3).
func (c *client) redirectsTo(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.Profile != App {
		return false
	}
	bare, ok := portless(uri)
	return ok && slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		other, ok := portless(registered)
		return ok && other == bare
	})
}

// portless returns a loopback address without its port. Names are not addresses: localhost is compared as it is.
func portless(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || strings.Contains(uri, "#") || u.String() != uri {
		return "", false
	}
	switch u.Hostname() {
	case "127.0.0.1":
		u.Host = "127.0.0.1"
	case "::1":
		u.Host = "[::1]"
	default:
		return "", false
	}
	return u.String(), true
}

// isDigest accepts 32 bytes in base64url without padding.
func isDigest(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == codeLength && len(raw) == 32
}

// visible accepts 1 to limit bytes of printable ASCII (VSCHAR, RFC 6749 Appendix A).
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
