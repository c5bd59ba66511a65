package outside

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Citizen is what a person has in hand: number, passphrase and, with a registered phone, a device key.
type Citizen struct {
	PersonalNumber string
	Passphrase     string
	DeviceID       string
	Device         *Key
}

// browser follows the sign-in pages as a person without scripts would: it reads forms, fills fields, follows links.
type browser struct {
	http *http.Client
	page string
	url  *url.URL
}

var (
	reForm  = regexp.MustCompile(`(?s)<form[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>`)
	reInput = regexp.MustCompile(`<(?:input|button)\b[^>]*>`)
	reAttr  = regexp.MustCompile(`\b(name|value|type)="([^"]*)"`)
	// reNumber finds the two digits a page shows for the phone to confirm.
	reNumber = regexp.MustCompile(`data-number="(\d\d)"`)
)

// SignIn runs authorization code + PKCE (RFC 7636) through the plain pages and leaves the token in the client. With
// confirm the device confirms, which gives level 2; else the passphrase alone, level 1.
func (c *Client) SignIn(ctx context.Context, who Citizen, redirectURI, scope string, confirm bool) error {
	verifier, state := random(32), random(16)
	sum := sha256.Sum256([]byte(verifier))
	level := "urn:vidan:level:1"
	if confirm {
		level = "urn:vidan:level:2"
	}
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {redirectURI}, "scope": {scope}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"acr_values": {level}, "nonce": {random(16)}, "dpop_jkt": {c.DPoP.Thumbprint},
	}
	for name, values := range c.Ask {
		query[name] = values
	}
	if c.Key != nil {
		uri, err := c.push(ctx, query)
		if err != nil {
			return err
		}
		query = url.Values{"client_id": {c.ID}, "request_uri": {uri}}
	}
	code, err := c.signInPages(ctx, who, c.Issuer+"/oauth/authorize?"+query.Encode(), redirectURI, state, confirm)
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {c.ID}, "code": {code},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
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

// push leaves an authorization request at the server and returns its name (RFC 9126): the only way for agencies.
func (c *Client) push(ctx context.Context, query url.Values) (string, error) {
	assertion, err := c.Assertion()
	if err != nil {
		return "", err
	}
	form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
	for name, values := range query {
		form[name] = values
	}
	answer, err := c.proved(ctx, http.MethodPost, c.Issuer+"/oauth/par", "", []byte(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err != nil {
		return "", err
	}
	var body struct {
		RequestURI string `json:"request_uri"`
	}
	if answer.Status != http.StatusCreated || answer.Decode(&body) != nil || body.RequestURI == "" {
		return "", fmt.Errorf("pushed request answered %d: %s", answer.Status, answer.Body)
	}
	return body.RequestURI, nil
}

func (c *Client) signInPages(ctx context.Context, who Citizen, start, redirectURI, state string, confirm bool) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	stop := errors.New("redirected to the client")
	var landed *url.URL
	b := &browser{http: &http.Client{Jar: jar, Transport: c.HTTP.Transport, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), redirectURI) {
			landed = req.URL
			return stop
		}
		return nil
	}}}
	if err := b.get(ctx, start); err != nil && !errors.Is(err, stop) {
		return "", err
	}
	for range 8 {
		if landed != nil {
			if landed.Query().Get("state") != state || landed.Query().Get("iss") != c.Issuer {
				return "", errors.New("the answer of the sign-in is not for this request")
			}
			if code := landed.Query().Get("code"); code != "" {
				return code, nil
			}
			return "", fmt.Errorf("sign-in refused: %s", landed.Query().Get("error"))
		}
		err := b.step(ctx, c, who, confirm)
		if err != nil && !errors.Is(err, stop) {
			return "", err
		}
	}
	return "", errors.New("sign-in did not come to an end")
}

// step does what the page in front of the person asks for.
func (b *browser) step(ctx context.Context, c *Client, who Citizen, confirm bool) error {
	if number := reNumber.FindStringSubmatch(b.page); number != nil {
		if err := c.Confirm(ctx, who, number[1]); err != nil {
			return err
		}
		return b.get(ctx, b.url.String()) // the page waits by plain refresh
	}
	fields := map[string]string{"personal_number": who.PersonalNumber, "passphrase": who.Passphrase}
	if !strings.Contains(b.page, `name="passphrase"`) {
		return fmt.Errorf("the sign-in shows a page that a person could not go on from: %.200q", text(b.page))
	}
	return b.submit(ctx, fields)
}

func (b *browser) get(ctx context.Context, uri string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return err
	}
	return b.load(req)
}

// submit fills the named fields of the form that has them all and posts it.
func (b *browser) submit(ctx context.Context, fields map[string]string) error {
	for _, form := range reForm.FindAllStringSubmatch(b.page, -1) {
		values := url.Values{}
		for _, input := range reInput.FindAllString(form[2], -1) {
			attr := map[string]string{}
			for _, a := range reAttr.FindAllStringSubmatch(input, -1) {
				attr[a[1]] = html.UnescapeString(a[2])
			}
			if attr["name"] != "" && attr["type"] != "submit" {
				values.Set(attr["name"], attr["value"])
			}
		}
		fits := true
		for name, value := range fields {
			fits = fits && values.Has(name)
			values.Set(name, value)
		}
		if !fits {
			continue
		}
		action, err := b.url.Parse(html.UnescapeString(form[1]))
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", action.Scheme+"://"+action.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return b.load(req)
	}
	return errors.New("no form on the page has the fields")
}

func (b *browser) load(req *http.Request) error {
	req.Header.Set("Accept-Language", "vi")
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	b.page, b.url = string(raw), resp.Request.URL
	if resp.StatusCode >= 500 {
		return fmt.Errorf("page answered %d", resp.StatusCode)
	}
	return nil
}

// Confirm is the phone: it asks what waits for this person, finds the sign-in that shows the number, and signs it.
func (c *Client) Confirm(ctx context.Context, who Citizen, number string) error {
	answer, err := c.postDevice(ctx, "/oauth/device/challenges", who, "vidan-device+jwt", nil)
	if err != nil {
		return err
	}
	var list struct {
		Challenges []struct {
			ID      string   `json:"challenge_id"`
			Numbers []string `json:"numbers"`
		} `json:"challenges"`
	}
	if answer.Status != http.StatusOK || answer.Decode(&list) != nil {
		return fmt.Errorf("device challenges answered %d", answer.Status)
	}
	for _, ch := range list.Challenges {
		answer, err := c.postDevice(ctx, "/oauth/device/confirm", who, "vidan-confirmation+jwt",
			map[string]any{"challenge_id": ch.ID, "number": number, "decision": "allow"})
		if err != nil {
			return err
		}
		if answer.Status == http.StatusOK || answer.Status == http.StatusNoContent {
			return nil
		}
	}
	return errors.New("no sign-in waits for this phone")
}

// postDevice sends what the phone signs, and once more with the server's nonce when the phone's clock does not do.
func (c *Client) postDevice(ctx context.Context, path string, who Citizen, typ string, more map[string]any) (*Answer, error) {
	nonce := ""
	for {
		now := c.Now()
		claims := map[string]any{"sub": who.DeviceID, "aud": c.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": random(16)}
		for name, value := range more {
			claims[name] = value
		}
		if nonce != "" {
			claims["nonce"] = nonce
		}
		signed, err := who.Device.Sign(typ, claims)
		if err != nil {
			return nil, err
		}
		answer, err := c.send(ctx, http.MethodPost, c.Issuer+path, strings.NewReader(fmt.Sprintf(`{"assertion":%q}`, signed)),
			http.Header{"Content-Type": {"application/json"}})
		if err != nil || nonce != "" || !strings.Contains(string(answer.Body), `"use_dpop_nonce"`) {
			return answer, err
		}
		nonce = answer.Header.Get("DPoP-Nonce")
	}
}

var reTag = regexp.MustCompile(`(?s)<(style|script).*?</(style|script)>|<[^>]*>`)

func text(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(reTag.ReplaceAllString(page, " "))), " ")
}
