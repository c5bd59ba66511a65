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

	Token string // the access token in use
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
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("token endpoint answered %d: %s", answer.Status, answer.Body)
	}
	if err := answer.Decode(&body); err != nil || body.TokenType != "DPoP" {
		return fmt.Errorf("token endpoint answered without a DPoP token: %w", err)
	}
	c.Token = body.AccessToken
	return nil
}

// TokenRequest posts a form to the token endpoint with a fresh proof.
func (c *Client) TokenRequest(ctx context.Context, form url.Values) (*Answer, error) {
	uri := c.Issuer + "/oauth/token"
	proof, err := c.DPoP.Proof(http.MethodPost, uri, "", c.Now())
	if err != nil {
		return nil, err
	}
	return c.send(ctx, http.MethodPost, uri, strings.NewReader(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Dpop": {proof}})
}

// Do calls the API with the token and a fresh proof. body is sent as JSON unless it is nil or already []byte.
func (c *Client) Do(ctx context.Context, method, path string, body any, headers ...string) (*Answer, error) {
	uri := c.Issuer + path
	bare, _, _ := strings.Cut(uri, "?")
	proof, err := c.DPoP.Proof(method, bare, c.Token, c.Now())
	if err != nil {
		return nil, err
	}
	header := http.Header{"Authorization": {"DPoP " + c.Token}, "Dpop": {proof}}
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(raw)
		header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return c.send(ctx, method, uri, reader, header)
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
