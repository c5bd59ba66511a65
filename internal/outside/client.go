package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is one registered program: an agency's, with its key for private_key_jwt, or the app, with a DPoP key alone.
type Client struct {
	Issuer string // external URL of the server, no trailing slash
	ID     string
	Key    *Key // signs assertions, results and officer assertions
	DPoP   *Key // binds the tokens
	HTTP   *http.Client
	Now    func() time.Time

	Ask          url.Values // parameters of authorization requests beside the usual, such as those of [Answer.StepUp]
	Token        string     // the access token in use
	RefreshToken string     // with scope offline_access
}

// Answer is a response with its body read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is what RFC 9457 bodies of this API carry.
type Problem struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Title   string `json:"title"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// Decode reads the body as JSON into v.
func (a *Answer) Decode(v any) error { return json.Unmarshal(a.Body, v) }

// Problem reads the body as a problem; the zero Problem if it is none.
func (a *Answer) Problem() Problem {
	var p Problem
	_ = json.Unmarshal(a.Body, &p) // not a problem: the zero value says so
	return p
}

// Assertion makes a client assertion (RFC 7523 §3) with the issuer as its only audience.
func (c *Client) Assertion() (string, error) {
	now := c.Now()
	return c.Key.Sign("JWT", map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": c.Issuer, "jti": random(16), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
}

// Login gets an access token by client credentials, bound to the DPoP key.
func (c *Client) Login(ctx context.Context, scopes ...string) error {
	assertion, err := c.Assertion()
	if err != nil {
		return err
	}
	return c.token(ctx, url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {c.ID},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
		"scope":                 {strings.Join(scopes, " ")},
	})
}

func (c *Client) token(ctx context.Context, form url.Values) error {
	answer, err := c.TokenRequest(ctx, form)
	if err != nil {
		return err
	}
	var body struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("token endpoint answered %d: %s", answer.Status, answer.Body)
	}
	if err := answer.Decode(&body); err != nil || body.TokenType != "DPoP" {
		return fmt.Errorf("token endpoint answered without a DPoP token: %w", err)
	}
	c.Token = body.AccessToken
	if body.RefreshToken != "" { // an agency's stays the same and does not come again
		c.RefreshToken = body.RefreshToken
	}
	return nil
}

// Refresh gets another access token with the refresh token (RFC 6749 §6), for fewer scopes if some are named.
func (c *Client) Refresh(ctx context.Context, scopes ...string) error {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ID}, "refresh_token": {c.RefreshToken}}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	if c.Key != nil {
		assertion, err := c.Assertion()
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	return c.token(ctx, form)
}

// TokenRequest posts a form to the token endpoint with a fresh proof.
func (c *Client) TokenRequest(ctx context.Context, form url.Values) (*Answer, error) {
	return c.proved(ctx, http.MethodPost, c.Issuer+"/oauth/token", "", []byte(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// proved sends a request with a fresh proof, and once more with the server's nonce when it asks for one (RFC 9449 §8, §9). From then on the
// key's proofs carry the newest nonce it was given.
func (c *Client) proved(ctx context.Context, method, uri, token string, body []byte, header http.Header) (*Answer, error) {
	bare, _, _ := strings.Cut(uri, "?")
	for again := false; ; again = true {
		proof, err := c.DPoP.Proof(method, bare, token, c.Now())
		if err != nil {
			return nil, err
		}
		header.Set("DPoP", proof)
		var reader io.Reader
		if body != nil {
			reader = bytes.NewReader(body)
		}
		answer, err := c.send(ctx, method, uri, reader, header)
		if err != nil {
			return nil, err
		}
		nonce := answer.Header.Get("DPoP-Nonce")
		wanted := nonce != "" && answer.wantsNonce()
		if nonce != "" && (wanted || c.DPoP.nonce.Load() != nil) {
			c.DPoP.nonce.Store(&nonce)
		}
		if !wanted || again {
			return answer, nil
		}
	}
}

// wantsNonce reports whether the server asks for a proof with its nonce.
func (a *Answer) wantsNonce() bool {
	var body struct {
		Error string `json:"error"`
	}
	switch a.Status {
	case http.StatusBadRequest:
		return a.Decode(&body) == nil && body.Error == "use_dpop_nonce"
	case http.StatusUnauthorized:
		return strings.Contains(a.Header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`)
	}
	return false
}

// StepUp reads what a refused call asks of the sign-in (RFC 9470 §3): the acr_values and max_age to ask for; false for any other answer.
func (a *Answer) StepUp() (url.Values, bool) {
	challenge := a.Header.Get("WWW-Authenticate")
	if a.Status != http.StatusUnauthorized || !strings.Contains(challenge, `error="insufficient_user_authentication"`) {
		return nil, false
	}
	params := url.Values{}
	for _, name := range []string{"acr_values", "max_age"} {
		if _, rest, ok := strings.Cut(challenge, name+`="`); ok {
			value, _, _ := strings.Cut(rest, `"`)
			params.Set(name, value)
		}
	}
	return params, true
}

// Do calls the API with the token and a fresh proof. body is sent as JSON unless it is nil or already []byte.
func (c *Client) Do(ctx context.Context, method, path string, body any, headers ...string) (*Answer, error) {
	header := http.Header{"Authorization": {"DPoP " + c.Token}}
	var raw []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
		header.Set("Content-Type", "application/json")
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			return nil, err
		}
		header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return c.proved(ctx, method, c.Issuer+path, c.Token, raw, header)
}

// Officer makes the assertion that names the officer behind a call.
func (c *Client) Officer(organisation, unit, id, name, post string) (string, error) {
	now := c.Now()
	return c.Key.Sign("vidan-officer+jwt", map[string]any{
		"iss": c.ID, "sub": id, "name": name, "post": post, "organisation": organisation, "unit": unit,
		"aud": c.Issuer, "iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(), "jti": random(16),
	})
}

// Result signs a result (docs/RESULTS.md §1.1) and wraps it as a request body.
func (c *Client) Result(payload any) ([]byte, error) {
	signed, err := c.Key.Sign("vidan-result+jwt", payload)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"result": signed})
}

func (c *Client) send(ctx context.Context, method, uri string, body io.Reader, header http.Header) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, uri, body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}
