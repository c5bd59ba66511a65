package openapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// What package auth serves is described here and nowhere else implemented: huma does not know form bodies.

// TokenForm is the body of a token request (RFC 6749 §4.1.3, §4.4.2; RFC 7523 §2.2; RFC 7636 §4.5).
type TokenForm struct {
	GrantType     string `json:"grant_type" enum:"client_credentials,authorization_code,refresh_token,urn:openid:params:grant-type:ciba,urn:ietf:params:oauth:grant-type:token-exchange"`
	ClientID      string `json:"client_id"`
	AssertionType string `json:"client_assertion_type,omitempty" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer" doc:"Agencies."`
	Assertion     string `json:"client_assertion,omitempty" doc:"Agencies: JWT by the client's key; iss and sub the client, aud the issuer alone, jti, iat, exp at most 60 seconds on."`
	Scope         string `json:"scope,omitempty" doc:"With client_credentials: wanted scopes, separated by spaces. With refresh_token: fewer than were granted."`
	Code          string `json:"code,omitempty" doc:"With authorization_code."`
	RedirectURI   string `json:"redirect_uri,omitempty" doc:"With authorization_code: as in the authorization request."`
	Verifier      string `json:"code_verifier,omitempty" doc:"With authorization_code: PKCE."`
	RefreshToken  string `json:"refresh_token,omitempty" doc:"With refresh_token."`
	AuthRequest   string `json:"auth_req_id,omitempty" doc:"With urn:openid:params:grant-type:ciba."`
	Details       string `json:"authorization_details,omitempty" doc:"With authorization_code and refresh_token: a JSON array of the object that was granted, with fewer fields (RFC 9396 §6)."`
	Subject       string `json:"subject_token,omitempty" doc:"With token-exchange (RFC 8693): the client's own access token, whose scopes bound the new one's."`
	SubjectType   string `json:"subject_token_type,omitempty" enum:"urn:ietf:params:oauth:token-type:access_token" doc:"With token-exchange."`
	Actor         string `json:"actor_token,omitempty" doc:"With token-exchange: the access token of an officer who signed in at this client at level 2. Both tokens are bound to the key of the proof."`
	ActorType     string `json:"actor_token_type,omitempty" enum:"urn:ietf:params:oauth:token-type:access_token" doc:"With token-exchange."`
	Organisation  string `json:"organisation,omitempty" doc:"With token-exchange: for whom the officer acts; without it, for the organisation that runs the client."`
}

// TokenAnswer is an access token (RFC 6749 §5.1), bound to the key of the proof (RFC 9449 §5).
type TokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type" enum:"DPoP"`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds, at most 600."`
	Scope       string `json:"scope"`
	IDToken     string `json:"id_token,omitempty" doc:"With scope openid."`
	// RefreshToken lets the program go on without the person.
	// Details are what was granted.
	Details      []ToldDetails `json:"authorization_details,omitempty" doc:"What was asked of the person and granted (RFC 9396 §7)."`
	RefreshToken string        `json:"refresh_token,omitempty" doc:"With scope offline_access. An app's is replaced at each use; the one before may come again for ten seconds. An agency's stays the same."`
	IssuedType   string        `json:"issued_token_type,omitempty" enum:"urn:ietf:params:oauth:token-type:access_token" doc:"With token-exchange (RFC 8693 §2.2.1)."`
}

// Acting is the officer who acts in a token that was exchanged (RFC 8693 §4.1).
type Acting struct {
	Subject      string `json:"sub" doc:"Opaque id of the officer at the organisation."`
	Issuer       string `json:"iss"`
	Organisation string `json:"organisation"`
}

// ToldDetails is what one person was asked and allows, as it is told to the organisation that asked. Authority is read where the fields are.
type ToldDetails struct {
	Type         string   `json:"type" enum:"vidan_procedure"`
	ID           string   `json:"request_id" doc:"The request, as under /v1/consent-requests."`
	Organisation string   `json:"organisation"`
	Procedure    string   `json:"procedure"`
	Dossier      string   `json:"dossier_code"`
	Purpose      string   `json:"purpose"`
	State        string   `json:"state" enum:"open,granted,ended" doc:"open: not answered yet; granted: fields may be read now; ended: refused, over, withdrawn, used up, or answered by others."`
	Fields       []string `json:"fields" doc:"What may be read now."`
}

// TokenReference is the body of a revocation and of an introspection (RFC 7009 §2.1, RFC 7662 §2.1).
type TokenReference struct {
	Token         string `json:"token"`
	Hint          string `json:"token_type_hint,omitempty" doc:"Not needed: tokens are told apart by themselves."`
	ClientID      string `json:"client_id"`
	AssertionType string `json:"client_assertion_type,omitempty" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer" doc:"Agencies."`
	Assertion     string `json:"client_assertion,omitempty" doc:"Agencies, as for a token."`
}

// KeysForm is the body of a change of a client's own keys.
type KeysForm struct {
	ClientID      string `json:"client_id,omitempty"`
	AssertionType string `json:"client_assertion_type" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"`
	Assertion     string `json:"client_assertion" doc:"As for a token, by a key that is active."`
	JWK           string `json:"jwk,omitempty" doc:"The key to add: a public JSON Web Key (RFC 7517) with a kid of its own."`
	EndKID        string `json:"end_kid,omitempty" doc:"The key to end."`
}

// KeysAnswer lists the keys that verify from now on.
type KeysAnswer struct {
	Active []string `json:"active" doc:"By their kid."`
}

// Introspection is what a token is worth now (RFC 7662 §2.2). Of one that is not active nothing is told but that.
type Introspection struct {
	Active    bool          `json:"active"`
	Issuer    string        `json:"iss,omitempty"`
	Subject   string        `json:"sub,omitempty"`
	Audience  string        `json:"aud,omitempty"`
	ClientID  string        `json:"client_id,omitempty"`
	TokenType string        `json:"token_type,omitempty" enum:"DPoP" doc:"Access tokens."`
	IssuedAt  int64         `json:"iat,omitempty"`
	Expires   int64         `json:"exp,omitempty"`
	ID        string        `json:"jti,omitempty"`
	Scope     string        `json:"scope,omitempty"`
	Confirm   *Confirmation `json:"cnf,omitempty"`
	ACR       string        `json:"acr,omitempty"`
	AMR       []string      `json:"amr,omitempty"`
	AuthTime  int64         `json:"auth_time,omitempty"`
	Details   []ToldDetails `json:"authorization_details,omitempty" doc:"What is granted now (RFC 9396 §9.2)."`
	Acting    *Acting       `json:"act,omitempty" doc:"The officer who acts, with a token that was exchanged (RFC 8693 §7.4)."`
}

// Confirmation is the key a token is bound to (RFC 9449 §6).
type Confirmation struct {
	JKT string `json:"jkt"`
}

// Userinfo is what a client is told of the person who signed in (OpenID Connect Core §5.3.2).
type Userinfo struct {
	Issuer   string   `json:"iss,omitempty" doc:"Signed answers."`
	Audience string   `json:"aud,omitempty" doc:"Signed answers."`
	Subject  string   `json:"sub" doc:"The person, as this sector knows them; the same as in the ID token."`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Factors  int      `json:"auth_factors_level" doc:"Authentication level of Decree 69/2024 Art. 20."`
	AuthTime int64    `json:"auth_time"`
}

// PushForm is the body of a pushed authorization request (RFC 9126 §2.1): the parameters of an authorization request, and the proof of who sends it.
type PushForm struct {
	ClientID        string `json:"client_id"`
	AssertionType   string `json:"client_assertion_type,omitempty" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer" doc:"Agencies."`
	Assertion       string `json:"client_assertion,omitempty" doc:"Agencies: as at the token endpoint; aud the issuer alone."`
	ResponseType    string `json:"response_type" enum:"code"`
	RedirectURI     string `json:"redirect_uri" doc:"One that is registered."`
	Scope           string `json:"scope" doc:"wallet for the app, openid for portals."`
	State           string `json:"state,omitempty"`
	Nonce           string `json:"nonce,omitempty" doc:"Comes back in the ID token."`
	Challenge       string `json:"code_challenge" doc:"PKCE (RFC 7636)."`
	ChallengeMethod string `json:"code_challenge_method" enum:"S256"`
	JKT             string `json:"dpop_jkt,omitempty" doc:"Thumbprint of the key the token will be bound to; the proof of this request says the same."`
	ACR             string `json:"acr_values,omitempty" doc:"urn:vidan:level:1 or urn:vidan:level:2, in order of preference."`
	MaxAge          string `json:"max_age,omitempty" doc:"Seconds; every sign-in is made anew."`
	Prompt          string `json:"prompt,omitempty" doc:"login, consent or select_account; none is answered with login_required."`
	Claims          string `json:"claims,omitempty" doc:"OpenID Connect Core 5.5: acr and sub of id_token are heeded."`
	LoginHint       string `json:"login_hint,omitempty" doc:"The personal number of whom the client expects; here alone, never in an address."`
	UILocales       string `json:"ui_locales,omitempty" doc:"vi or en"`
	Details         string `json:"authorization_details,omitempty" doc:"RFC 9396: a JSON array of one object of type vidan_procedure with organisation, procedure, dossier_code, roles (of whoever signs in), purpose, and as under POST /v1/consent-requests parties, fields, mode, uses, until, expires_in_hours. The header Officer-Assertion must name the officer who asks."`
}

// BackchannelForm is the body of a question to a person's phone (OpenID Connect CIBA Core 1.0 §7.1).
type BackchannelForm struct {
	ClientID      string `json:"client_id"`
	AssertionType string `json:"client_assertion_type" enum:"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"`
	Assertion     string `json:"client_assertion" doc:"As at the token endpoint; aud the issuer alone."`
	Scope         string `json:"scope" doc:"openid, and offline_access if a refresh token is wanted."`
	Hint          string `json:"login_hint_token" doc:"Works once, five minutes. By the person's phone: a JWS (typ vidan-hint+jwt) with sub (the device), aud (the issuer), organisation, iat, exp, jti. By the officer at the counter: a JWS by the client's key (typ vidan-counter-hint+jwt) with iss (the client), sub (the officer), aud, organisation, role (of the person in the dossier), iat, exp, jti."`
	Binding       string `json:"binding_message" pattern:"^[1-9][0-9]$" doc:"The number that the counter shows and the person picks on the phone. Words are refused."`
	Details       string `json:"authorization_details" doc:"A JSON array of one object of type vidan_procedure with request_id and organisation of an open request."`
	Expiry        string `json:"requested_expiry,omitempty" doc:"Seconds, at most 300."`
	ACR           string `json:"acr_values,omitempty" doc:"Read and not promised: a phone alone is level 1."`
}

// BackchannelAnswer acknowledges a question. It is the same whether the person exists, lives, may answer or wants to.
type BackchannelAnswer struct {
	ID        string `json:"auth_req_id"`
	ExpiresIn int    `json:"expires_in" doc:"Seconds."`
	Interval  int    `json:"interval" doc:"Seconds between two polls; five more after each slow_down."`
}

// PushAnswer names a pushed request.
type PushAnswer struct {
	RequestURI string `json:"request_uri" example:"urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"`
	ExpiresIn  int    `json:"expires_in" doc:"Seconds in which the browser must bring it."`
}

// OAuthError is an error of the authorization server (RFC 6749 §5.2).
type OAuthError struct {
	Error       string `json:"error" example:"invalid_client"`
	Description string `json:"error_description,omitempty"`
}

// DeviceMessage is what a device sends: one JWS by its key.
type DeviceMessage struct {
	Assertion string `json:"assertion" doc:"JWS by the device's key with sub (the device), aud (the issuer), iat, exp, jti, and nonce (of DPoP-Nonce) after the error use_dpop_nonce; typ vidan-device+jwt to ask, vidan-confirmation+jwt with challenge_id, number and decision to answer."`
}

// DeviceChallenges are the sign-ins that wait for a person.
type DeviceChallenges struct {
	Challenges []DeviceChallenge `json:"challenges"`
}

// DeviceChallenge is one sign-in or question that waits: the page or the counter shows one of the numbers, and the person picks it.
type DeviceChallenge struct {
	Kind         string   `json:"kind" enum:"sign_in,ciba" doc:"A sign-in in a browser, or a question at a counter."`
	ID           string   `json:"challenge_id"`
	Client       string   `json:"client" doc:"Name of the program that asked."`
	Organisation string   `json:"organisation,omitempty" doc:"Of a question: who asks."`
	Request      string   `json:"request_id,omitempty" doc:"Of a question: the request that waits in the wallet."`
	At           string   `json:"at" format:"date-time"`
	Expires      string   `json:"expires_at" format:"date-time"`
	Numbers      []string `json:"numbers"`
}

// DeviceConfirmed repeats what was decided.
type DeviceConfirmed struct {
	ID       string `json:"challenge_id"`
	Decision string `json:"decision" enum:"allow,deny,never"`
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
	oauthErrors := []string{"invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "invalid_target", "invalid_authorization_details", "authorization_pending", "slow_down", "expired_token", "access_denied", "unauthorized_client", "unsupported_grant_type", "invalid_dpop_proof", "use_dpop_nonce", "temporarily_unavailable", "server_error"}
	deviceErrors := []string{"invalid_request", "invalid_device", "use_dpop_nonce", "replayed", "person_blocked", "unsupported_media_type", "too_large", "unavailable", "internal"}
	pushErrors := append([]string{"unsupported_response_type", "request_not_supported", "registration_not_supported", "unmet_authentication_requirements"}, oauthErrors...)
	optionalProof := &huma.Param{Name: "DPoP", In: "header", Schema: text("Proof of possession; an app must send one, and its key binds the code (RFC 9449 §10.1).")}
	proof := &huma.Param{Name: "DPoP", In: "header", Required: true, Schema: text("Proof of possession (RFC 9449 §4); its key binds the token.")}
	for _, d := range []described{
		{method: http.MethodPost, path: "/oauth/token", id: "token", summary: "Get an access token",
			description: "Agencies: client_credentials with private_key_jwt. People: authorization_code with PKCE, then refresh_token. Officers: token-exchange (RFC 8693) of their own sign-in. Every token lives at most ten minutes and is bound to the key of the DPoP proof.",
			params:      []*huma.Param{proof}, request: schemaOf[TokenForm](a), form: true,
			status: "200", answer: schemaOf[TokenAnswer](a), errors: oauthErrors, statuses: []string{"400", "401", "413", "503"}},
		{method: http.MethodPost, path: "/oauth/revoke", id: "revoke-token", summary: "Give a token back",
			description: "RFC 7009. A refresh token, or a person's access token, ends the sign-in; a machine's access token ends alone. What is no token any more is done already.",
			request:     schemaOf[TokenReference](a), form: true, status: "200", errors: oauthErrors, statuses: []string{"400", "401", "413", "503"}},
		{method: http.MethodPost, path: "/oauth/keys", id: "change-client-keys", summary: "Change your own keys",
			description: "For agencies: adds the public key in jwk, or ends the one that end_kid names, or both, for a client that proves itself with a key that is active. At most five keys are active; the last is never ended, and a kid never comes back. What an ended key signed or obtained works no more, from the next request on.",
			request:     schemaOf[KeysForm](a), form: true, status: "200", answer: schemaOf[KeysAnswer](a), errors: oauthErrors, statuses: []string{"400", "401", "413", "503"}},
		{method: http.MethodPost, path: "/oauth/introspect", id: "introspect-token", summary: "What a token is worth now",
			description: "RFC 7662: a client learns of its own tokens, one registered with the scope introspect of every access token. With Accept: application/token-introspection+jwt the answer is signed (RFC 9701).",
			request:     schemaOf[TokenReference](a), form: true, status: "200", answer: schemaOf[Introspection](a), errors: oauthErrors, statuses: []string{"400", "401", "413", "503"}},
		{method: http.MethodGet, path: "/oauth/userinfo", id: "userinfo", summary: "Who signed in",
			description: "For an access token with the scope openid, in the Authorization header (DPoP). Name, birth date and number come with consent only, by prefill. A client that is registered so gets a signed JWT, or one encrypted to its key (application/jwt).",
			params:      []*huma.Param{proof}, status: "200", answer: schemaOf[Userinfo](a),
			errors: []string{"invalid_token", "invalid_dpop_proof", "use_dpop_nonce", "insufficient_scope", "temporarily_unavailable", "server_error"}, statuses: []string{"401", "403", "503"}},
		{method: http.MethodPost, path: "/oauth/userinfo", id: "userinfo-post", summary: "Who signed in, by POST",
			description: "The same as GET, which OpenID Connect wants both ways (Core §5.3.1).",
			params:      []*huma.Param{proof}, status: "200", answer: schemaOf[Userinfo](a),
			errors: []string{"invalid_token", "invalid_dpop_proof", "use_dpop_nonce", "insufficient_scope", "temporarily_unavailable", "server_error"}, statuses: []string{"401", "403", "503"}},
		{method: http.MethodPost, path: "/oauth/par", id: "push-authorization-request", summary: "Push an authorization request",
			description: "RFC 9126: mandatory for agencies, optional for the app. The browser is then sent to /oauth/authorize with client_id and request_uri. A request_uri is presented within 300 seconds and decided once.",
			params:      []*huma.Param{optionalProof}, request: schemaOf[PushForm](a), form: true,
			status: "201", answer: schemaOf[PushAnswer](a), errors: pushErrors, statuses: []string{"400", "401", "413", "429", "503"}},
		{method: http.MethodPost, path: "/oauth/bc-authorize", id: "ask-on-phone", summary: "Ask a person on the phone",
			description: "OpenID Connect CIBA Core 1.0, poll mode: at a counter, about an open request of the organisation, with a hint made for it once. The answer is the same whether or not anybody can answer. The token endpoint is then polled with auth_req_id: authorization_pending, slow_down, access_denied, expired_token, or the token.",
			params: []*huma.Param{{Name: "Officer-Assertion", In: "header", Required: true, Schema: text("JWS that names the officer who asks.")},
				{Name: "DPoP", In: "header", Schema: text("Binds the question to the key of the proof.")}},
			request: schemaOf[BackchannelForm](a), form: true, status: "200", answer: schemaOf[BackchannelAnswer](a),
			errors:   append([]string{"unknown_user_id", "expired_login_hint_token", "invalid_binding_message"}, oauthErrors...),
			statuses: []string{"400", "401", "413", "429", "503"}},
		{method: http.MethodGet, path: "/oauth/authorize", id: "authorize", summary: "Begin a sign-in",
			description: "Agencies bring client_id and request_uri of a pushed request, and nothing else; the other parameters are the app's. Pages that work without scripts, Vietnamese first; in the end the browser is sent to redirect_uri with code, state and iss (RFC 9207).",
			params: []*huma.Param{query("client_id", "", true), query("request_uri", "Of a pushed request.", false), query("response_type", "code", false),
				query("redirect_uri", "One that is registered.", false), query("scope", "wallet for the app, openid for portals.", false), query("state", "", false),
				query("nonce", "", false), query("code_challenge", "PKCE (RFC 7636).", false), query("code_challenge_method", "S256", false),
				query("prompt", "login, consent or select_account; none is answered with login_required.", false), query("max_age", "Seconds; every sign-in is made anew.", false),
				query("claims", "OpenID Connect Core 5.5: acr and sub of id_token are heeded.", false),
				query("acr_values", "urn:vidan:level:1 or urn:vidan:level:2", false), query("dpop_jkt", "Thumbprint of the key the token will be bound to (RFC 9449 §10).", false),
				query("ui_locales", "vi or en", false)},
			status: "303", answer: nil, statuses: []string{"400"}},
		{method: http.MethodGet, path: "/oauth/jwks", id: "keys", summary: "Public keys",
			description: "Every published signing key (RFC 7517); receipt keys stay for ever.", status: "200", answer: object(), media: "application/jwk-set+json"},
		{method: http.MethodPost, path: "/oauth/device/challenges", id: "list-challenges", summary: "Sign-ins and questions that wait for a device",
			description: "Called by the app on a registered device; each is shown with three numbers, one of which is on the page, or on the counter's screen.",
			request:     schemaOf[DeviceMessage](a), status: "200", answer: schemaOf[DeviceChallenges](a),
			errors: deviceErrors, statuses: []string{"400", "401", "403", "413", "415", "503"}},
		{method: http.MethodPost, path: "/oauth/device/confirm", id: "confirm-challenge", summary: "Confirm or refuse a sign-in or a question",
			description: "One that is refused, or for which another number was picked, is dead. never, for a question: no, and this organisation asks on the phone no more.",
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
