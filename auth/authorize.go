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

// signInRequest is what a client asked for, as it is kept in signins.request and pushed_requests.request. What it holds of a person is
// sealed (Hint) or known by the client alone (Subject).
type signInRequest struct {
	RedirectURI string `json:"redirect_uri"`
	Scope       string `json:"scope"`
	State       string `json:"state,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	Challenge   string `json:"code_challenge"`
	JKT         string `json:"dpop_jkt,omitempty"`
	Level       int    `json:"level"`             // asked for
	Least       int    `json:"least"`             // with which the client is content
	Language    string `json:"lang,omitempty"`    // asked for by ui_locales
	Silent      bool   `json:"silent,omitempty"`  // prompt=none
	Subject     string `json:"subject,omitempty"` // the only person whose sign-in the client wants, by its pairwise name
	Hint        string `json:"hint,omitempty"`    // login_hint: a personal number, as a reference that only the deployment opens
	Details     string `json:"details,omitempty"` // authorization_details, sealed: see wanted
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

// requestFault is what is wrong with an authorization request. Without a redirect address nobody is sent anywhere.
type requestFault struct{ code, description string }

func wrong(description string) *requestFault { return &requestFault{"invalid_request", description} }

// parseAuthorization reads the parameters of an authorization request that a browser brought. Errors: [ErrUntrusted] before the redirect
// address is established, then a [RedirectError].
func (s *Server) parseAuthorization(c *client, params url.Values) (signInRequest, error) {
	r, fault := s.readRequest(c, params)
	switch {
	case r.RedirectURI == "":
		return r, ErrUntrusted
	case fault != nil:
		return r, s.refuse(r, fault.code, fault.description)
	case c.pushes():
		return r, s.refuse(r, "invalid_request", "this client must push its request (RFC 9126)")
	case params.Get(detailsParam) != "":
		return r, s.refuse(r, codeDetails, "authorization_details belongs into a pushed request: addresses are kept and logged")
	case params.Get("login_hint") != "":
		return r, s.refuse(r, "invalid_request", "login_hint belongs into a pushed request: addresses are kept and logged")
	case r.Silent:
		return r, s.refuse(r, "login_required", "every sign-in is made by the person")
	}
	return r, nil
}

// pushes reports whether PAR is the only way in for a client: require_pushed_authorization_requests of RFC 9126 §6, which follows from the
// profile (FAPI 2.0 Security Profile §5.3.2.2).
func (c *client) pushes() bool { return c.Profile == FAPI2 }

// readRequest reads and judges the parameters of an authorization request, by whatever way it came. RedirectURI is set only when it is one
// of the client's, State only when it can be given back.
func (s *Server) readRequest(c *client, params url.Values) (signInRequest, *requestFault) {
	var r signInRequest
	uris := params["redirect_uri"]
	if len(uris) != 1 || !c.redirectsTo(uris[0]) {
		return r, wrong("redirect_uri is missing or not registered")
	}
	r.RedirectURI = uris[0]
	if state := params["state"]; len(state) == 1 && (state[0] == "" || visible(state[0], maxState)) {
		r.State = state[0]
	} else if len(state) != 0 {
		return r, wrong("state is repeated, too long or not printable")
	}
	for _, values := range params {
		if len(values) != 1 {
			return r, wrong("a parameter is repeated")
		}
	}
	if fault := r.read(c, params.Get); fault != nil {
		return r, fault
	}
	if r.Hint != "" {
		r.Hint = s.sealHint(r.Hint)
	}
	return r, nil
}

// read fills the request.
func (r *signInRequest) read(c *client, get func(string) string) *requestFault {
	switch response, mode := get("response_type"), get("response_mode"); {
	case get("request") != "":
		return &requestFault{"request_not_supported", "request objects are not offered"}
	case get("request_uri") != "":
		return &requestFault{"request_uri_not_supported", "only a request_uri of the pushed request endpoint is taken"}
	case get("registration") != "":
		return &requestFault{"registration_not_supported", "registration is not offered"}
	case response == "":
		return wrong("response_type is missing")
	case response != "code":
		return &requestFault{"unsupported_response_type", "only code is offered"}
	case mode != "" && mode != "query":
		return wrong("only response_mode query is offered")
	}
	r.Challenge, r.JKT, r.Nonce = get("code_challenge"), get("dpop_jkt"), get("nonce")
	switch {
	case !isDigest(r.Challenge) || get("code_challenge_method") != "S256":
		return wrong("code_challenge with method S256 is needed")
	case r.JKT != "" && !isDigest(r.JKT):
		return wrong("dpop_jkt is not a thumbprint")
	case r.JKT == "" && c.Profile == App:
		return wrong("dpop_jkt is needed")
	case r.Nonce != "" && !visible(r.Nonce, maxNonce):
		return wrong("nonce is too long or not printable")
	}
	scopes := strings.Fields(get("scope"))
	if len(scopes) == 0 || !distinct(scopes) {
		return &requestFault{"invalid_scope", "name each scope that is needed, once"}
	}
	if !c.signsInFor(scopes) {
		return &requestFault{"invalid_scope", "a scope is not this client's for signing in"}
	}
	r.Scope = strings.Join(scopes, " ")
	return r.readPerson(get)
}

// signsInFor reports whether a client may ask people to sign in for these scopes.
func (c *client) signsInFor(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(scope string) bool {
		return !slices.Contains(peopleScopes, scope) || !slices.Contains(c.Scopes, scope)
	})
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
