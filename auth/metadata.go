package auth

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Paths of the authorization server.
const (
	pathToken     = "/oauth/token"
	pathJWKS      = "/oauth/jwks"
	pathAuthorize = "/oauth/authorize"
	pathOAuth     = "/.well-known/oauth-authorization-server"
	pathOpenID    = "/.well-known/openid-configuration"

	grantAuthorizationCode = "authorization_code"
)

// metadata tells clients what works here, and nothing that does not (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).
type metadata struct {
	Issuer               string   `json:"issuer"`
	AuthorizeEndpoint    string   `json:"authorization_endpoint,omitempty"`
	TokenEndpoint        string   `json:"token_endpoint"`
	JWKS                 string   `json:"jwks_uri"`
	Scopes               []string `json:"scopes_supported"`
	ResponseTypes        []string `json:"response_types_supported"`
	ResponseModes        []string `json:"response_modes_supported,omitempty"`
	Grants               []string `json:"grant_types_supported"`
	TokenAuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms  []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	ProofAlgorithms      []string `json:"dpop_signing_alg_values_supported"`
	ChallengeMethods     []string `json:"code_challenge_methods_supported,omitempty"`
	PushEndpoint         string   `json:"pushed_authorization_request_endpoint,omitempty"` // RFC 9126 §5
	DetailsTypes         []string `json:"authorization_details_types_supported,omitempty"` // RFC 9396 §10
	BackchannelEndpoint  string   `json:"backchannel_authentication_endpoint,omitempty"`   // CIBA Core §4
	BackchannelModes     []string `json:"backchannel_token_delivery_modes_supported,omitempty"`
	BackchannelUserCode  *bool    `json:"backchannel_user_code_parameter_supported,omitempty"`
	PushRequired         bool     `json:"require_pushed_authorization_requests"` // of every client; agencies must by their profile
	Prompts              []string `json:"prompt_values_supported,omitempty"`
	ClaimTypes           []string `json:"claim_types_supported,omitempty"`
	IssuerInResponse     bool     `json:"authorization_response_iss_parameter_supported,omitempty"`
	Subjects             []string `json:"subject_types_supported,omitempty"`
	IDTokenAlgorithms    []string `json:"id_token_signing_alg_values_supported,omitempty"`
	ACRs                 []string `json:"acr_values_supported,omitempty"`
	Claims               []string `json:"claims_supported,omitempty"`
	UILocales            []string `json:"ui_locales_supported,omitempty"`
	ClaimsParameter      bool     `json:"claims_parameter_supported"`
	RequestParameter     bool     `json:"request_parameter_supported"`
	RequestURIParameter  bool     `json:"request_uri_parameter_supported"` // absent would mean true
	ServiceDocumentation string   `json:"service_documentation"`

	RevokeEndpoint            string   `json:"revocation_endpoint"`
	RevokeAuthMethods         []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAuthAlgorithms      []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectEndpoint        string   `json:"introspection_endpoint"`
	IntrospectAuthMethods     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgorithms  []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectSigningAlgs     []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7
	UserinfoEndpoint          string   `json:"userinfo_endpoint,omitempty"`
	UserinfoSigningAlgorithms []string `json:"userinfo_signing_alg_values_supported,omitempty"`
	UserinfoKeyAlgorithms     []string `json:"userinfo_encryption_alg_values_supported,omitempty"`
	UserinfoEncryption        []string `json:"userinfo_encryption_enc_values_supported,omitempty"`
}

// documents are the metadata as they are served; openID is nil while nobody can sign in.
type documents struct {
	oauth  []byte
	openID []byte
}

// describe writes the metadata from the table of grants.
func (s *Server) describe() (documents, error) {
	var algs, grants []string
	for _, alg := range algorithms {
		algs = append(algs, string(alg))
	}
	for name := range s.grants {
		grants = append(grants, name)
	}
	slices.Sort(grants)
	m := metadata{
		Issuer: s.issuer, TokenEndpoint: s.issuer + pathToken, JWKS: s.issuer + pathJWKS,
		Scopes: machineScopes, ResponseTypes: []string{}, Grants: grants,
		TokenAuthMethods: []string{authMethod}, TokenAuthAlgorithms: algs, ProofAlgorithms: algs,
		ServiceDocumentation: s.issuer + "/docs",

		RevokeEndpoint: s.issuer + pathRevoke, RevokeAuthMethods: []string{authMethod}, RevokeAuthAlgorithms: algs,
		IntrospectEndpoint: s.issuer + pathIntrospect, IntrospectAuthMethods: []string{authMethod}, IntrospectAuthAlgorithms: algs,
		IntrospectSigningAlgs: []string{"ES256"},
	}
	signIn := s.grants[grantAuthorizationCode] != nil
	if signIn {
		m.AuthorizeEndpoint = s.issuer + pathAuthorize
		m.Scopes = slices.Concat(machineScopes, peopleScopes)
		m.ResponseTypes, m.ResponseModes = []string{"code"}, []string{"query"}
		m.TokenAuthMethods = []string{authMethod, "none"}
		m.RevokeAuthMethods = m.TokenAuthMethods
		m.UserinfoEndpoint, m.UserinfoSigningAlgorithms = s.issuer+pathUserinfo, []string{"ES256"}
		for _, alg := range keyAgreements {
			m.UserinfoKeyAlgorithms = append(m.UserinfoKeyAlgorithms, string(alg))
		}
		m.UserinfoEncryption = []string{string(contentEncryption)}
		m.ChallengeMethods, m.IssuerInResponse = []string{"S256"}, true
		m.PushEndpoint, m.Prompts = s.issuer+pathPAR, prompts
		m.ClaimsParameter, m.ClaimTypes = true, []string{"normal"}
		m.Subjects, m.IDTokenAlgorithms = []string{"pairwise"}, []string{"ES256"}
		m.ACRs = []string{acrLevel1, acrLevel2}
		m.Claims = []string{"iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "acr", "amr", "auth_factors_level"}
		m.UILocales = []string{"vi", "en"}
		if s.consent != nil {
			m.DetailsTypes = []string{detailsType}
			m.BackchannelEndpoint, m.BackchannelModes, m.BackchannelUserCode = s.issuer+pathBackchannel, []string{"poll"}, new(bool)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return documents{}, err
	}
	if !signIn {
		return documents{oauth: raw}, nil
	}
	return documents{oauth: raw, openID: raw}, nil
}

// Routes registers the endpoints of this package. Pages and sign-in are registered elsewhere.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST "+pathToken, s.serveToken)
	mux.HandleFunc("POST "+pathRevoke, s.serveRevoke)
	mux.HandleFunc("POST "+pathIntrospect, s.serveIntrospect)
	mux.HandleFunc("POST "+pathOwnKeys, s.serveOwnKeys)
	mux.HandleFunc("GET "+pathJWKS, func(w http.ResponseWriter, _ *http.Request) {
		serveDocument(w, "application/jwk-set+json", s.keys.JWKS())
	})
	mux.HandleFunc("GET "+pathOAuth, func(w http.ResponseWriter, _ *http.Request) {
		serveDocument(w, "application/json", s.metadata.oauth)
	})
	if s.people != nil {
		mux.HandleFunc("POST "+pathPAR, s.servePAR)
		mux.HandleFunc("GET "+pathUserinfo, s.serveUserinfo)
		mux.HandleFunc("POST "+pathUserinfo, s.serveUserinfo)
		s.routePeople(mux)
		if s.consent != nil {
			mux.HandleFunc("POST "+pathBackchannel, s.serveBackchannel)
		}
	}
	if s.metadata.openID != nil {
		mux.HandleFunc("GET "+pathOpenID, func(w http.ResponseWriter, _ *http.Request) {
			serveDocument(w, "application/json", s.metadata.openID)
		})
	}
}

// serveDocument writes a public document that may be kept for five minutes: a new key is published longer than that before it signs.
func serveDocument(w http.ResponseWriter, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the other side may have gone
}
