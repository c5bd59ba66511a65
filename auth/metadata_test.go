package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// reality holds one metadata member against what the server does.
type reality func(value any) error

// each calls check for every string of a list, of which there must be one.
func each(check func(string) error) reality {
	return func(value any) error {
		list, ok := value.([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("not a list: %v", value)
		}
		for _, v := range list {
			if err := check(v.(string)); err != nil {
				return fmt.Errorf("%v: %w", v, err)
			}
		}
		return nil
	}
}

func is(want any) reality {
	return func(value any) error {
		if value != want {
			return fmt.Errorf("%v, want %v", value, want)
		}
		return nil
	}
}

func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// RFC 8414, OpenID Connect Discovery 1.0: every member says what is so. A member without a line here fails.
func TestMetadataIsReality(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	a := w.office("cong-mot-cua")
	machine := w.agency("motcua")
	app, err := w.clientOf(t.Context(), w.app.id)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	w.Routes(mux)
	served := func(method string) reality {
		return func(value any) error {
			path, ok := strings.CutPrefix(value.(string), testIssuer)
			_, pattern := mux.Handler(httptest.NewRequestWithContext(t.Context(), method, path, nil))
			return expect(ok && pattern == method+" "+path, "served by %q", pattern)
		}
	}
	// asked reads an authorization request of the app with one parameter changed.
	asked := func(name, value string) (signInRequest, string) {
		params := w.params(1)
		params.Set(name, value)
		r, fault := w.readRequest(app, params)
		if fault != nil {
			return r, fault.code
		}
		return r, ""
	}
	accepts := func(name string) reality {
		return each(func(value string) error {
			_, fault := asked(name, value)
			return expect(fault == "", "refused with %s", fault)
		})
	}
	// authenticates posts a form with each way in which a client may prove itself: whatever is wrong, it is not the client.
	authenticates := func(path string) reality {
		return each(func(method string) error {
			form := url.Values{"client_id": {w.app.id}}
			if method == authMethod {
				form = url.Values{"client_assertion_type": {assertionForm}, "client_assertion": {machine.key.message(t, "JWT", machine.claims())}}
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			status, body := w.send(w.Server, r)
			return expect(status != http.StatusUnauthorized && status != http.StatusNotFound && body["error"] != "invalid_client", "%d %v", status, body)
		})
	}
	signers := map[string]*sender{}
	for _, alg := range algorithms {
		signers[string(alg)] = newSender(t, alg, "key-"+strings.ToLower(string(alg)))
		machine.register(signers[string(alg)])
	}
	asserts := each(func(alg string) error {
		if signers[alg] == nil {
			return errors.New("not an algorithm of ours")
		}
		form := machine.form("results")
		form.Set("client_assertion", signers[alg].message(t, "JWT", machine.claims()))
		status, body := w.post(w.Server, form, machine.proof(http.MethodPost, pathToken, ""))
		return expect(status == http.StatusOK, "%d %v", status, body)
	})
	proves := each(func(alg string) error {
		by := &agency{w: w.world, id: machine.id, key: machine.key, dpop: newSender(t, jose.SignatureAlgorithm(alg), "")}
		status, body := w.post(w.Server, by.form("results"), by.proof(http.MethodPost, pathToken, ""))
		return expect(status == http.StatusOK, "%d %v", status, body)
	})
	status, body := w.redeem(w.Server, w.signedIn())
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	idToken := body["id_token"].(string)
	claims := idClaimsOf(t, idToken)
	some := func(value any) error { return expect(len(value.([]any)) > 0, "empty") }

	checks := map[string]reality{
		"issuer":                                is(testIssuer),
		"authorization_endpoint":                is(testIssuer + pathAuthorize), // a page: package web serves it
		"token_endpoint":                        served(http.MethodPost),
		"pushed_authorization_request_endpoint": served(http.MethodPost),
		"backchannel_authentication_endpoint":   served(http.MethodPost),
		"backchannel_token_delivery_modes_supported": each(func(mode string) error { // ping and push need a way to reach the client
			return expect(mode == "poll" && w.grants[grantBackchannel] != nil, "%s", mode)
		}),
		"backchannel_user_code_parameter_supported": func(value any) error { return expect(value == false, "%v", value) },
		"authorization_details_types_supported": each(func(kind string) error {
			_, err := parseDetails(`[{"type":"` + kind + `","organisation":"o","procedure":"p","dossier_code":"d","roles":["r"],"purpose":"x"}]`)
			return err
		}),
		"revocation_endpoint":    served(http.MethodPost),
		"introspection_endpoint": served(http.MethodPost),
		"userinfo_endpoint":      served(http.MethodGet),
		"jwks_uri":               served(http.MethodGet),
		"service_documentation":  is(testIssuer + "/docs"),
		"scopes_supported": each(func(scope string) error {
			return expect(slices.Contains(machineScopes, scope) != slices.Contains(peopleScopes, scope), "nobody can have it")
		}),
		"response_types_supported": accepts("response_type"),
		"response_modes_supported": accepts("response_mode"),
		"grant_types_supported": each(func(grant string) error {
			_, body := w.post(w.Server, url.Values{"grant_type": {grant}})
			return expect(w.grants[grant] != nil && body["error"] != "unsupported_grant_type", "%v", body)
		}),
		"token_endpoint_auth_methods_supported":                    authenticates(pathToken),
		"token_endpoint_auth_signing_alg_values_supported":         asserts,
		"revocation_endpoint_auth_methods_supported":               authenticates(pathRevoke),
		"revocation_endpoint_auth_signing_alg_values_supported":    asserts,
		"introspection_endpoint_auth_methods_supported":            authenticates(pathIntrospect),
		"introspection_endpoint_auth_signing_alg_values_supported": asserts,
		"introspection_signing_alg_values_supported":               some, // held by the tests of the answer
		"userinfo_signing_alg_values_supported":                    some,
		"userinfo_encryption_alg_values_supported":                 some,
		"userinfo_encryption_enc_values_supported":                 some,
		"dpop_signing_alg_values_supported":                        proves,
		"code_challenge_methods_supported": func(value any) error {
			_, plain := asked("code_challenge_method", "plain")
			if err := accepts("code_challenge_method")(value); err != nil {
				return err
			}
			return expect(plain == "invalid_request", "plain is accepted")
		},
		"prompt_values_supported": accepts("prompt"),
		"authorization_response_iss_parameter_supported": func(value any) error {
			back := w.refuse(signInRequest{RedirectURI: appURI}, "x", "y")
			return expect(value == true && strings.Contains(back.URL, "iss="), "%s", back.URL)
		},
		"require_pushed_authorization_requests": func(value any) error {
			known, err := w.clientOf(t.Context(), a.id)
			if err != nil {
				return err
			}
			return expect(value == false && known.pushes() && !app.pushes(), "%v", value)
		},
		"subject_types_supported": each(func(kind string) error {
			return expect(kind == "pairwise" && claims["sub"] != "" && w.count(`select count(*) from subjects where sub = $1`, claims["sub"]) == 1, "%v", claims["sub"])
		}),
		"id_token_signing_alg_values_supported": each(func(alg string) error {
			raw, err := base64.RawURLEncoding.DecodeString(strings.Split(idToken, ".")[0])
			var header map[string]string
			if err != nil || json.Unmarshal(raw, &header) != nil {
				return errors.New("no header")
			}
			return expect(header["alg"] == alg, "%v", header)
		}),
		"acr_values_supported": each(func(acr string) error {
			r, fault := asked("acr_values", acr)
			return expect(fault == "" && acrOf(r.Level) == acr, "%s %+v", fault, r)
		}),
		"claims_supported": each(func(claim string) error {
			return expect(claims[claim] != nil, "not in %v", claims)
		}),
		"claim_types_supported": each(func(kind string) error { return expect(kind == "normal", "") }),
		"claims_parameter_supported": func(value any) error {
			r, fault := asked("claims", `{"id_token":{"acr":{"essential":true,"value":"`+acrLevel2+`"}}}`)
			return expect(value == true && fault == "" && r.Least == 2, "%s %+v", fault, r)
		},
		"request_parameter_supported": func(value any) error {
			_, fault := asked("request", "e30.e30.")
			return expect(value == false && fault == "request_not_supported", "%s", fault)
		},
		"request_uri_parameter_supported": func(value any) error {
			_, fault := asked("request_uri", "https://motcua.example/request.jwt")
			return expect(value == false && fault == "request_uri_not_supported", "%s", fault)
		},
		"ui_locales_supported": each(func(tag string) error { return expect(preferred(tag) == tag, "is %q", preferred(tag)) }),
	}
	for _, document := range []string{pathOAuth, pathOpenID} {
		status, m := w.send(w.Server, request(http.MethodGet, document, ""))
		if status != http.StatusOK {
			t.Fatalf("%s: %d", document, status)
		}
		for member, value := range m {
			if checks[member] == nil {
				t.Errorf("%s: %s is announced and nothing says that it is so", document, member)
			} else if err := checks[member](value); err != nil {
				t.Errorf("%s: %s: %v", document, member, err)
			}
		}
		for member := range checks {
			if _, ok := m[member]; !ok {
				t.Errorf("%s: %s is not announced", document, member)
			}
		}
	}
}
