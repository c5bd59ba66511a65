package outside

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Hint is what a citizen's phone shows at a counter: who may be asked there, once, by one organisation.
func (who Citizen) Hint(issuer, organisation string, now time.Time) (string, error) {
	return who.Device.Sign("vidan-hint+jwt", map[string]any{
		"sub": who.DeviceID, "aud": issuer, "organisation": organisation, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": random(16),
	})
}

// AskOnPhone asks a citizen about an open request on the phone (OpenID Connect CIBA): number is what the counter shows. It returns the auth_req_id.
func (c *Client) AskOnPhone(ctx context.Context, officer, hint, organisation, request, number string) (string, error) {
	details, err := json.Marshal([]map[string]string{{"type": "vidan_procedure", "request_id": request, "organisation": organisation}})
	if err != nil {
		return "", err
	}
	form, err := c.proven(url.Values{
		"scope": {"openid"}, "login_hint_token": {hint}, "binding_message": {number}, "authorization_details": {string(details)},
	})
	if err != nil {
		return "", err
	}
	answer, err := c.proved(ctx, http.MethodPost, c.Issuer+"/oauth/bc-authorize", "", []byte(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Officer-Assertion": {officer}})
	if err != nil {
		return "", err
	}
	var body struct {
		ID string `json:"auth_req_id"`
	}
	if answer.Status != http.StatusOK || answer.Decode(&body) != nil || body.ID == "" {
		return "", fmt.Errorf("asking on the phone answered %d: %s", answer.Status, answer.Body)
	}
	return body.ID, nil
}

// Poll asks once what came of a question.
func (c *Client) Poll(ctx context.Context, id string) (*Answer, error) {
	form, err := c.proven(url.Values{"grant_type": {"urn:openid:params:grant-type:ciba"}, "auth_req_id": {id}})
	if err != nil {
		return nil, err
	}
	return c.TokenRequest(ctx, form)
}

// proven adds the client's assertion to a form.
func (c *Client) proven(form url.Values) (url.Values, error) {
	assertion, err := c.Assertion()
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form, err
}
