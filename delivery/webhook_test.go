package delivery_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"vidan/delivery"
	"vidan/internal/egress"
)

// office is a gateway outside: it keeps what reached it and answers as it is told.
type office struct {
	mu     sync.Mutex
	got    []map[string]string
	bad    int
	status int
	uri    string
	out    *egress.Client
}

var officeSecret = []byte("ba muoi hai chu cai bi mat o day!")

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{status: http.StatusAccepted}
	s := httptest.NewTLSServer(http.HandlerFunc(o.serve))
	t.Cleanup(s.Close)
	host := s.Listener.Addr().String()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	address, _, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	o.out, err = egress.New(egress.Config{Hosts: []string{host}, Private: []netip.Prefix{netip.MustParsePrefix(address + "/32")}, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	o.uri = "https://" + host + "/messages"
	return o
}

func (o *office) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, officeSecret)
	mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(body)))
	var m map[string]string
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || json.Unmarshal(body, &m) != nil || m["message_id"] != r.Header.Get("Webhook-Id") ||
		r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		o.bad++
	}
	o.got = append(o.got, m)
	w.WriteHeader(o.status)
}

func (o *office) answer(status int) []map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status = status
	return o.got
}

func (o *office) open(t *testing.T) delivery.Gateway {
	t.Helper()
	g, err := delivery.OpenWebhook(o.uri, officeSecret, o.out)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A message reaches the gateway signed, with the texts that it sends on; one that it will never take has failed.
func TestWebhookTakesAMessage(t *testing.T) {
	t.Parallel()
	p, o := setupPost(t), newOffice(t)
	id := p.queueMessage(delivery.ActivationCode, delivery.Args{Code: someCode})
	if err := p.drain(o.open(t)); err != nil {
		t.Fatal(err)
	}
	got := o.answer(http.StatusUnprocessableEntity)
	if len(got) != 1 || o.bad != 0 || p.state(id) != "sent" {
		t.Fatalf("%d messages, %d not signed, state %s", len(got), o.bad, p.state(id))
	}
	m := got[0]
	if len(m) != 6 || m["message_id"] != id.String() || m["channel"] != "sms" || m["address"] != string(someAddress) || m["template"] != "activation_code" ||
		!strings.Contains(m["text_vi"], string(someCode)) || !strings.Contains(m["text_en"], string(someCode)) {
		t.Errorf("%v", m)
	}
	id = p.queueMessage(delivery.RequestWaiting, delivery.Args{})
	if err := p.drain(o.open(t)); err != nil || p.state(id) != "failed" {
		t.Errorf("%s %v", p.state(id), err)
	}
}

// A gateway that is out of order gets the message again under the same id; whatever it says, no error tells address, code or URI.
func TestWebhookTriesAgain(t *testing.T) {
	t.Parallel()
	p, o := setupPost(t), newOffice(t)
	m, err := delivery.NewMessenger(p.Pool, p.vaults, o.open(t), p.now)
	if err != nil {
		t.Fatal(err)
	}
	id := p.queueMessage(delivery.ActivationCode, delivery.Args{Code: someCode})
	task := delivery.Task{Kind: delivery.TaskMessage, Vault: p.keys.Vault(), Args: json.RawMessage(`{"message_id":"` + id.String() + `"}`)}
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusFound, http.StatusNotFound} {
		o.answer(status)
		err := m.Send(t.Context(), task)
		if err == nil || p.state(id) != "queued" {
			t.Fatalf("%d: %v, %s", status, err, p.state(id))
		}
		for _, secret := range []string{string(someCode), string(someAddress), "messages\"", "127.0.0.1"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%d tells %q", status, secret)
			}
		}
	}
	o.answer(http.StatusOK)
	for range 2 { // a second try after it was sent sends nothing
		if err := m.Send(t.Context(), task); err != nil || p.state(id) != "sent" {
			t.Fatal(err)
		}
	}
	got := o.answer(http.StatusOK)
	for _, m := range got {
		if m["message_id"] != id.String() {
			t.Errorf("another id")
		}
	}
	if len(got) != 5 {
		t.Errorf("%d tries", len(got))
	}
}

func TestOpenWebhookRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for name, open := range map[string]func() (delivery.Gateway, error){
		"a host that is not listed": func() (delivery.Gateway, error) {
			return delivery.OpenWebhook("https://secret.example/messages", officeSecret, o.out)
		},
		"http":           func() (delivery.Gateway, error) { return delivery.OpenWebhook("http"+o.uri[5:], officeSecret, o.out) },
		"a short secret": func() (delivery.Gateway, error) { return delivery.OpenWebhook(o.uri, officeSecret[:31], o.out) },
		"no way out":     func() (delivery.Gateway, error) { return delivery.OpenWebhook(o.uri, officeSecret, nil) },
	} {
		if _, err := open(); !errors.Is(err, delivery.ErrGateway) || strings.Contains(err.Error(), "secret.example") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was held while there was no gateway is sent once there is one, by however many processes that start at once; what is too old stays.
func TestHeldMessagesAreReleased(t *testing.T) {
	t.Parallel()
	p, o := setupPost(t), newOffice(t)
	none, err := delivery.OpenGateway("", nil)
	if err != nil {
		t.Fatal(err)
	}
	old := p.queueMessage(delivery.RequestWaiting, delivery.Args{})
	young := p.queueMessage(delivery.RequestWaiting, delivery.Args{})
	if err := p.drain(none); err != nil {
		t.Fatal(err)
	}
	if _, err := p.db.Owner(t).Exec(t.Context(), `update messages set created_at = created_at - interval '25 hours' where message_id = $1`, old); err != nil {
		t.Fatal(err)
	}
	counts := make([]int, 4)
	var wait sync.WaitGroup
	for i := range counts {
		m, err := delivery.NewMessenger(p.Pool, p.vaults, o.open(t), p.now)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			var err error
			if counts[i], err = m.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := counts[0] + counts[1] + counts[2] + counts[3]; n != 1 {
		t.Errorf("released %d times", n)
	}
	if err := p.drain(o.open(t)); err != nil {
		t.Fatal(err)
	}
	if p.state(young) != "sent" || p.state(old) != "held" || len(o.answer(http.StatusOK)) != 1 {
		t.Errorf("young %s, old %s", p.state(young), p.state(old))
	}
}
