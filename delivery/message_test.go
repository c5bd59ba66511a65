package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	someAddress = delivery.Address("+84900000417")
	someCode    = delivery.Code("XK4Q-9PZT")
)

// post is a bundle with the keys of one vault, stored as enrolment stores them.
type post struct {
	*bundle
	keys   *seal.Keys
	vaults *seal.Vaults
}

func setupPost(t *testing.T) *post {
	t.Helper()
	b := setup(t)
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	kek, err := keyring.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := seal.NewDeployment(t.Context(), kek, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	keys, rows, err := d.NewVault(t.Context(), identity.NewVaultID())
	if err != nil {
		t.Fatal(err)
	}
	batch := new(pgx.Batch)
	seal.QueueVaultKeys(batch, rows, b.now())
	if err := pg.Pipeline(t.Context(), b.Pool, batch); err != nil {
		t.Fatal(err)
	}
	vaults, err := seal.NewVaults(d, seal.CacheConfig{}, b.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vaults.Close)
	return &post{bundle: b, keys: keys, vaults: vaults}
}

// queueMessage commits one message.
func (p *post) queueMessage(template delivery.Template, args delivery.Args) identity.ObjectID {
	p.tb.Helper()
	to := delivery.Contact{ID: identity.NewID[identity.ObjectID](), Channel: delivery.SMS, Address: someAddress}
	batch := new(pgx.Batch)
	id, err := delivery.QueueMessage(batch, p.keys, p.keys.Vault(), to, template, args, p.now())
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := pg.Pipeline(p.tb.Context(), p.Pool, batch); err != nil {
		p.tb.Fatal(err)
	}
	return id
}

// drain sends what is due through a gateway.
func (p *post) drain(g delivery.Gateway) error {
	p.tb.Helper()
	m, err := delivery.NewMessenger(p.Pool, p.vaults, g, p.now)
	if err != nil {
		p.tb.Fatal(err)
	}
	r := p.relay(func(c *delivery.Config) { c.Handlers[delivery.TaskMessage] = m.Send })
	return r.Drain(p.tb.Context())
}

func (p *post) state(id identity.ObjectID) string {
	p.tb.Helper()
	return value[string](p.bundle, `select state from messages where message_id = $1`, id)
}

// TestMessageReachesTheSandbox sends one message of each template.
func TestMessageReachesTheSandbox(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	g, err := delivery.OpenGateway("sandbox:", p.Pool)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(map[string]identity.ObjectID)
	for _, template := range delivery.Templates() {
		var args delivery.Args
		if template == delivery.ActivationCode {
			args.Code = someCode
		}
		sent[string(template)] = p.queueMessage(template, args)
	}
	if err := p.drain(g); err != nil {
		t.Fatal(err)
	}
	got, err := delivery.SandboxMessages(t.Context(), p.Pool, 100)
	if err != nil || len(got) != len(sent) {
		t.Fatalf("%d messages, want %d: %v", len(got), len(sent), err)
	}
	for _, m := range got {
		if m.ID != sent[m.Template] || m.Address != string(someAddress) || m.Channel != "sms" || m.BodyVI == "" || m.BodyEN == "" {
			t.Errorf("got %+v", m)
		}
		has := strings.Contains(m.BodyVI, string(someCode)) && strings.Contains(m.BodyEN, string(someCode))
		if has != (m.Template == string(delivery.ActivationCode)) {
			t.Errorf("%s: code in text: %v", m.Template, has)
		}
		if p.state(m.ID) != "sent" {
			t.Errorf("%s is %s, want sent", m.Template, p.state(m.ID))
		}
	}
}

// TestNoGatewayHolds keeps every message of a deployment without a gateway.
func TestNoGatewayHolds(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	g, err := delivery.OpenGateway("", nil)
	if err != nil {
		t.Fatal(err)
	}
	id := p.queueMessage(delivery.RequestWaiting, delivery.Args{})
	if err := p.drain(g); err != nil || p.state(id) != "held" {
		t.Errorf("message is %s, want held: %v", p.state(id), err)
	}
}

func TestOpenGateway(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"sandbox", "sms:https://user:secret@example.vn", "sandbox:x"} {
		if _, err := delivery.OpenGateway(uri, nil); !errors.Is(err, delivery.ErrGateway) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if _, err := delivery.OpenGateway("sandbox:", nil); !errors.Is(err, delivery.ErrGateway) {
		t.Errorf("sandbox without a pool: %v", err)
	}
}

// gateway is a real gateway with faults in front.
type gateway struct {
	delivery.Gateway
	fail func(delivery.Outgoing) error
}

func (g gateway) Deliver(ctx context.Context, m delivery.Outgoing) error {
	if err := g.Gateway.Deliver(ctx, m); err != nil {
		return err
	}
	return g.fail(m)
}

// TestMessageIsSentOnce lets the gateway take a message and then report a fault, as a broken line does, and tries
// again: one message.
func TestMessageIsSentOnce(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	real, err := delivery.OpenGateway("sandbox:", p.Pool)
	if err != nil {
		t.Fatal(err)
	}
	id := p.queueMessage(delivery.DeviceAdded, delivery.Args{})
	var calls atomic.Int32
	g := gateway{real, func(delivery.Outgoing) error {
		if calls.Add(1) == 1 {
			return errors.New("line is broken")
		}
		return nil
	}}
	if err := p.drain(g); err == nil || p.state(id) != "queued" {
		t.Fatalf("message is %s after a broken line: %v", p.state(id), err)
	}
	p.advance(p.now().Sub(p.now()) + 5e9)
	if err := p.drain(g); err != nil || p.state(id) != "sent" {
		t.Fatalf("message is %s: %v", p.state(id), err)
	}
	if n := value[int](p.bundle, `select count(*) from sandbox_messages`); n != 1 {
		t.Errorf("%d messages went out", n)
	}
}

// TestUndeliverableFails gives up on an address that never takes it.
func TestUndeliverableFails(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	real, err := delivery.OpenGateway("sandbox:", p.Pool)
	if err != nil {
		t.Fatal(err)
	}
	id := p.queueMessage(delivery.Withdrawal, delivery.Args{})
	if err := p.drain(gateway{real, func(delivery.Outgoing) error { return delivery.ErrUndeliverable }}); err != nil || p.state(id) != "failed" {
		t.Errorf("message is %s, want failed: %v", p.state(id), err)
	}
}

// TestHundredSendersSendOnce runs one message's task 100 times at once.
func TestHundredSendersSendOnce(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	g, err := delivery.OpenGateway("sandbox:", p.Pool)
	if err != nil {
		t.Fatal(err)
	}
	m, err := delivery.NewMessenger(p.Pool, p.vaults, g, p.now)
	if err != nil {
		t.Fatal(err)
	}
	id := p.queueMessage(delivery.RelationActive, delivery.Args{})
	one := delivery.Task{Vault: p.keys.Vault(), Args: json.RawMessage(fmt.Sprintf(`{"message_id":%q}`, id))}
	var senders errgroup.Group
	for range 100 {
		senders.Go(func() error { return m.Send(t.Context(), one) })
	}
	if err := senders.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := value[int](p.bundle, `select count(*) from sandbox_messages`); n != 1 || p.state(id) != "sent" {
		t.Errorf("%d messages, state %s", n, p.state(id))
	}
	// A message of another vault is not there.
	one.Vault = identity.NewVaultID()
	if err := m.Send(t.Context(), one); !errors.Is(err, delivery.ErrNoMessage) {
		t.Errorf("foreign vault: %v, want ErrNoMessage", err)
	}
}

// TestTemplatesTakeOnlyTheirArguments mixes up templates and arguments.
func TestTemplatesTakeOnlyTheirArguments(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	to := delivery.Contact{Channel: delivery.Email, Address: "a@example.vn"}
	for name, queue := range map[string]func(*pgx.Batch) error{
		"notice with a code": func(b *pgx.Batch) error {
			_, err := delivery.QueueMessage(b, p.keys, p.keys.Vault(), to, delivery.DeviceAdded, delivery.Args{Code: someCode}, p.now())
			return err
		},
		"code without one": func(b *pgx.Batch) error {
			_, err := delivery.QueueMessage(b, p.keys, p.keys.Vault(), to, delivery.ActivationCode, delivery.Args{}, p.now())
			return err
		},
		"unknown": func(b *pgx.Batch) error {
			_, err := delivery.QueueMessage(b, p.keys, p.keys.Vault(), to, "lottery_won", delivery.Args{}, p.now())
			return err
		},
		"nowhere": func(b *pgx.Batch) error {
			_, err := delivery.QueueMessage(b, p.keys, p.keys.Vault(), delivery.Contact{}, delivery.DeviceAdded, delivery.Args{}, p.now())
			return err
		},
	} {
		batch := new(pgx.Batch)
		if err := queue(batch); !errors.Is(err, delivery.ErrTemplate) || batch.Len() != 0 {
			t.Errorf("%s: %v, %d statements queued", name, err, batch.Len())
		}
	}
	batch := new(pgx.Batch)
	if _, err := delivery.QueueMessage(batch, p.keys, identity.NewVaultID(), to, delivery.DeviceAdded, delivery.Args{}, p.now()); err == nil {
		t.Error("sealed for another vault")
	}
}

// TestS5_AddressAndCodeStaySealed looks for address and code in every column of messages, outbox and River, and in
// every way of printing.
func TestS5_AddressAndCodeStaySealed(t *testing.T) {
	t.Parallel()
	p := setupPost(t)
	p.queueMessage(delivery.ActivationCode, delivery.Args{Code: someCode})
	if err := delivery.HandOver(t.Context(), p.relay(nil)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"messages", "outbox", "river.river_job"} {
		all := value[string](p.bundle, `select coalesce(string_agg(encode(convert_to(x::text, 'UTF8'), 'escape'), ' '), '') from `+table+` x`)
		for _, secret := range []string{string(someAddress), string(someCode), fmt.Sprintf("%x", string(someAddress)), fmt.Sprintf("%x", string(someCode))} {
			if strings.Contains(all, secret) {
				t.Errorf("%s holds %s in clear", table, secret)
			}
		}
	}
	out := delivery.Outgoing{Address: someAddress, Vietnamese: delivery.Text(someCode), English: delivery.Text(someCode)}
	to := delivery.Contact{Address: someAddress}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("out", out), slog.Any("code", someCode), slog.Any("to", to), slog.Any("address", someAddress))
	asJSON, err := json.Marshal([]any{out, to, delivery.Args{Code: someCode}})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		printed = append(printed, fmt.Sprintf(verb, out), fmt.Sprintf(verb, to), fmt.Sprintf(verb, delivery.Args{Code: someCode}), fmt.Sprintf(verb, someCode))
	}
	for _, s := range printed {
		if strings.Contains(s, "417") || strings.Contains(s, "9PZT") || strings.Contains(s, fmt.Sprintf("%x", "9PZT")) {
			t.Errorf("shown: %s", s)
		}
	}
}

// TestNoticesAreFreeOfContent holds the texts to what may stand on a lock screen: no link, no name, no number, both
// languages, one or two sentences.
func TestNoticesAreFreeOfContent(t *testing.T) {
	t.Parallel()
	for _, template := range delivery.Templates() {
		vi, en := delivery.TextOf(template)
		for _, s := range []string{vi, en} {
			s = strings.ReplaceAll(s, "{code}", "")
			if !strings.HasPrefix(s, "Vidan: ") || len(strings.Fields(s)) > 25 || strings.ContainsAny(s, "{}/@<>") || strings.Contains(s, "http") {
				t.Errorf("%s: %q", template, s)
			}
		}
		if vi == en {
			t.Errorf("%s is not translated", template)
		}
	}
}
