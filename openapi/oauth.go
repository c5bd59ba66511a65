package openapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// What package auth serves is described here and nowhere else implemented: huma does not know form bodies.

// TokenForm is the body of a token request (RFC 6749 §4.1.3, §4.4.2; RFC 7523 §2.2; RFC 7636 §4.5).
type TokenForm struct {
	GrantType     string `json:"grant_type" enum:"client_credentials,authorization_code"`
	ClientID      string `json:"client_id"`
	AssertionType string `json:"client_assertion_type,omitempty" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer" doc:"Agencies."`
	Assertion     string `json:"client_assertion,omitempty" doc:"Agencies: JWT by the client's key; iss and sub the client, aud the issuer alone, jti, iat, exp at most 60 seconds on."`
	Scope         string `json:"scope,omitempty" doc:"With client_credentials: wanted scopes, separated by spaces."`
	Code          string `json:"code,omitempty" doc:"With authorization_code."`
	RedirectURI   string `json:"redirect_uri,omitempty" doc:"With authorization_code: as in the authorization request."`
	Verifier      string `json:"code_verifier,omitempty" doc:"With authorization_code: PKCE."`
}

// TokenAnswer is an access token (RFC 6749 §5.1), bound to the key of the proof (RFC 9449 §5).
type TokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type" enum:"DPoP"`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds, at most 600."`
	Scope       string `json:"scope"`
	IDToken     string `json:"id_token,omitempty" doc:"With scope openid."`
}

// OAuthError is an error of the authorization server (RFC 6749 §5.2).
type OAuthError struct {
	Error       string `json:"error" example:"invalid_client"`
	Description string `json:"error_description,omitempty"`
}

// DeviceMessage is what a device sends: one JWS by its key.
type DeviceMessage struct {
	Assertion string `json:"assertion" doc:"JWS by the device's key with sub (the device), aud (the issuer), iat, exp, jti; typ vidan-device+jwt to ask, vidan-confirmation+jwt with challenge_id, number and decision to answer."`
}

// DeviceChallenges are the sign-ins that wait for a person.
type DeviceChallenges struct {
	Challenges []DeviceChallenge `json:"challenges"`
}

// DeviceChallenge is one sign-in that waits: the page shows one of the numbers, and the person picks it.
type DeviceChallenge struct {
	ID      string   `json:"challenge_id"`
	Client  string   `json:"client" doc:"Name of the program that asked."`
	At      string   `json:"at" format:"date-time"`
	Expires string   `json:"expires_at" format:"date-time"`
	Numbers []string `json:"numbers"`
}

// DeviceConfirmed repeats what was decided.
type DeviceConfirmed struct {
	ID       string `json:"challenge_id"`
	Decision string `json:"decision" enum:"allow,deny"`
}

// Health is the state of a server.
type Health struct {
	Status string `json:"status" enum:"ok,failing"`
}

// described is one operation that another package serves.
type described struct {
	method, path, id, summary, description string
	params                                 []*huma.Param
	request                                *huma.Schema
	form                                   bool
	status                                 string
	answer                                 *huma.Schema
	media                                  string
	errors                                 []string // error codes of RFC 6749 and of the device endpoints
	statuses                               []string
}

func (a *API) describeOAuth() {
	object := func() *huma.Schema { return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true} }
	text := func(about string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: about} }
	query := func(name, about string, required bool) *huma.Param {
		return &huma.Param{Name: name, In: "query", Required: required, Schema: text(about)}
	}
	oauthErrors := []string{"invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client", "unsupported_grant_type", "invalid_dpop_proof", "temporarily_unavailable", "server_error"}
	deviceErrors := []string{"invalid_request", "invalid_device", "replayed", "person_blocked", "unsupported_media_type", "too_large", "unavailable", "internal"}
	proof := &huma.Param{Name: "DPoP", In: "header", Required: true, Schema: text("Proof of possession (RFC 9449 §4); its key binds the token.")}
	for _, d := range []described{
		{method: http.MethodPost, path: "/oauth/token", id: "token", summary: "Get an access token",
			description: "Agencies: client_credentials with private_key_jwt. People: authorization_code with PKCE. Every token lives at most ten minutes and is bound to the key of the DPoP proof.",
			params:      []*huma.Param{proof}, request: schemaOf[TokenForm](a), form: true,
			status: "200", answer: schemaOf[TokenAnswer](a), errors: oauthErrors, statuses: []string{"400", "401", "413", "503"}},
		{method: http.MethodGet, path: "/oauth/authorize", id: "authorize", summary: "Begin a sign-in",
			description: "Pages that work without scripts, Vietnamese first; in the end the browser is sent to redirect_uri with code, state and iss (RFC 9207).",
			params: []*huma.Param{query("response_type", "code", true), query("client_id", "", true), query("redirect_uri", "One that is registered.", true),
				query("scope", "wallet for the app, openid for portals.", true), query("state", "", false), query("nonce", "", false),
				query("code_challenge", "PKCE (RFC 7636).", true), query("code_challenge_method", "S256", true),
				query("acr_values", "urn:vidan:level:1 or urn:vidan:level:2", false), query("dpop_jkt", "Thumbprint of the key the token will be bound to (RFC 9449 §10).", false),
				query("ui_locales", "vi or en", false)},
			status: "303", answer: nil, statuses: []string{"400"}},
		{method: http.MethodGet, path: "/oauth/jwks", id: "keys", summary: "Public keys",
			description: "Every published signing key (RFC 7517); receipt keys stay for ever.", status: "200", answer: object(), media: "application/jwk-set+json"},
		{method: http.MethodPost, path: "/oauth/device/challenges", id: "list-challenges", summary: "Sign-ins that wait for a device",
			description: "Called by the app on a registered device; each sign-in is shown with three numbers, one of which is on the page.",
			request:     schemaOf[DeviceMessage](a), status: "200", answer: schemaOf[DeviceChallenges](a),
			errors: deviceErrors, statuses: []string{"400", "401", "403", "413", "415", "503"}},
		{method: http.MethodPost, path: "/oauth/device/confirm", id: "confirm-challenge", summary: "Confirm or refuse a sign-in",
			description: "A sign-in that is refused, or for which another number was picked, is dead.",
			request:     schemaOf[DeviceMessage](a), status: "200", answer: schemaOf[DeviceConfirmed](a),
			errors: append([]string{"not_found", "wrong_number"}, deviceErrors...), statuses: []string{"400", "401", "403", "404", "409", "413", "415", "503"}},
		{method: http.MethodGet, path: "/.well-known/oauth-authorization-server", id: "oauth-metadata", summary: "Metadata of the authorization server",
			description: "RFC 8414: what works here, and nothing that does not.", status: "200", answer: object()},
		{method: http.MethodGet, path: "/.well-known/openid-configuration", id: "openid-metadata", summary: "OpenID configuration",
			description: "OpenID Connect Discovery 1.0.", status: "200", answer: object()},
		{method: http.MethodGet, path: "/livez", id: "livez", summary: "The process runs", description: "Depends on nothing else.",
			status: "200", answer: schemaOf[Health](a)},
		{method: http.MethodGet, path: "/readyz", id: "readyz", summary: "The server can serve", description: "Database, schema, keys and the age of the outbox; 503 while one of them fails or the server drains.",
			status: "200", answer: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{"status": text("ok or failing")}, Required: []string{"status"}}, statuses: []string{"503"}},
	} {
		a.describe(d, schemaOf[OAuthError](a))
	}
}

// schemaOf is a reference to the schema of a wire type that huma meets nowhere else.
func schemaOf[T any](a *API) *huma.Schema {
	t := reflect.TypeFor[T]()
	return a.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

func (a *API) describe(d described, fault *huma.Schema) {
	op := &huma.Operation{
		OperationID: d.id, Method: d.method, Path: d.path, Summary: d.summary, Description: d.description, Tags: []string{"public"},
		Security: anyone().security(), Parameters: d.params, Responses: map[string]*huma.Response{}, Extensions: map[string]any{"x-error-codes": d.errors},
	}
	if d.errors == nil {
		op.Extensions["x-error-codes"] = []string{}
	}
	if d.request != nil {
		media := "application/json"
		if d.form {
			media = "application/x-www-form-urlencoded"
		}
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{media: {Schema: d.request}}}
	}
	done := &huma.Response{Description: "Done"}
	if d.answer != nil {
		media := d.media
		if media == "" {
			media = "application/json"
		}
		done.Content = map[string]*huma.MediaType{media: {Schema: d.answer}}
	}
	if d.status == "303" {
		done.Description = "To the sign-in page, and from there to the client"
		done.Headers = map[string]*huma.Param{"Location": {Schema: &huma.Schema{Type: huma.TypeString, Format: "uri-reference"}}}
	}
	op.Responses[d.status] = done
	for _, status := range d.statuses {
		r := &huma.Response{Description: statusText(status)}
		switch d.id {
		case "authorize":
			r.Description = "A page that says what is wrong: nobody is sent anywhere (RFC 6749 §4.1.2.1)"
		case "readyz":
			r.Content = done.Content
		default:
			r.Content = map[string]*huma.MediaType{"application/json": {Schema: fault}}
		}
		op.Responses[status] = r
	}
	a.huma.OpenAPI().AddOperation(op)
}
