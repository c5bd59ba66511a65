package delivery

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"vidan/internal/egress"
)

// minWebhookSecret is the least length of the secret that the gateway and the service share, in bytes.
const minWebhookSecret = 32

// webhookMessage is the body of one message on its way to a gateway: the address and the texts are for it to send, word by word.
type webhookMessage struct {
	ID       string `json:"message_id"`
	Channel  string `json:"channel"`
	Address  string `json:"address"`
	Template string `json:"template"`
	TextVI   string `json:"text_vi"`
	TextEN   string `json:"text_en"`
}

type webhook struct {
	uri    string
	secret []byte
	out    *egress.Client
}

// OpenWebhook returns a gateway that is reached by HTTPS: each message is one POST of JSON, through out, signed with a secret of at least 32
// bytes in the manner of Standard Webhooks: webhook-signature is "v1," and the base64 of HMAC-SHA-256 over webhook-id, webhook-timestamp and
// body, joined by dots. The id is the same on every try. A URI to which out sends nothing is [ErrGateway].
//
// 2xx: it took the message. 410 and 422: it never will ([ErrUndeliverable]). Everything else is tried again.
func OpenWebhook(uri string, secret []byte, out *egress.Client) (Gateway, error) {
	switch {
	case out == nil, out.Allowed(uri) != nil:
		return nil, fmt.Errorf("%w: its host is not on the list of those that may be reached", ErrGateway)
	case len(secret) < minWebhookSecret:
		return nil, fmt.Errorf("%w: its secret has less than %d bytes", ErrGateway, minWebhookSecret)
	}
	return webhook{uri, secret, out}, nil
}

// errWebhook reports a gateway that did not take a message and may later.
var errWebhook = errors.New("delivery: the gateway did not take it")

// Deliver implements [Gateway].
func (w webhook) Deliver(ctx context.Context, m Outgoing) error {
	id := m.ID.String()
	body, err := json.Marshal(webhookMessage{
		ID: id, Channel: string(m.Channel), Address: string(m.Address), Template: string(m.Template), TextVI: string(m.Vietnamese),
		TextEN: string(m.English),
	})
	if err != nil {
		return fmt.Errorf("message %s: malformed", id)
	}
	answer, err := w.out.Post(ctx, w.uri, w.header(id, m.At, body), body)
	if err != nil {
		return fmt.Errorf("%w: %w", errWebhook, err)
	}
	switch {
	case answer.Status >= 200 && answer.Status < 300:
		return nil
	case answer.Status == http.StatusGone, answer.Status == http.StatusUnprocessableEntity:
		return ErrUndeliverable
	}
	return fmt.Errorf("%w: status %d", errWebhook, answer.Status)
}

func (w webhook) header(id string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, w.secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}
