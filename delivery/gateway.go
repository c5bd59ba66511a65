package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrGateway reports a URI that names no gateway.
	ErrGateway = errors.New("delivery: unknown gateway")
	// ErrNoGateway reports that this deployment has no gateway: the message is held, and the person is told at the
	// counter.
	ErrNoGateway = errors.New("delivery: no gateway")
	// ErrUndeliverable reports an address that will never take this message.
	ErrUndeliverable = errors.New("delivery: undeliverable")
)

// Text is the wording of one message; it may hold a one-time code and prints masked. string(t) gives it out.
type Text string

// String masks the text.
func (Text) String() string { return mask }

// Format masks the text for every verb.
func (Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, mask) }

// LogValue masks the text in slog.
func (Text) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText masks the text in JSON.
func (Text) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Outgoing is one message on its way out.
type Outgoing struct {
	ID                  identity.ObjectID // the same on every try: gateways drop what they have seen
	Channel             Channel
	Address             Address
	Template            Template
	Vietnamese, English Text
	At                  time.Time
}

// Gateway brings messages to people. Deliver may be called again with a message it already took, and must then send
// nothing. It returns [ErrNoGateway], [ErrUndeliverable], or an error after which the same message is tried again.
type Gateway interface {
	Deliver(ctx context.Context, m Outgoing) error
}

// OpenGateway returns the gateway of a URI: "sandbox:" writes to the table that the sandbox shows, the empty one holds
// every message. One that is reached over the network is opened by [OpenWebhook].
func OpenGateway(uri string, pool *pgxpool.Pool) (Gateway, error) {
	switch uri {
	case "":
		return none{}, nil
	case "sandbox:":
		if pool == nil {
			return nil, fmt.Errorf("%w: the sandbox needs a pool", ErrGateway)
		}
		return sandbox{pool}, nil
	}
	return nil, ErrGateway // the URI may hold a secret: it is not repeated
}

type none struct{}

// Deliver implements [Gateway].
func (none) Deliver(context.Context, Outgoing) error { return ErrNoGateway }

type sandbox struct{ pool *pgxpool.Pool }

const sqlSandboxDeliver = `insert into sandbox_messages
  (message_id, at, channel, address, template, body_vi, body_en)
  values ($1, $2, $3, $4, $5, $6, $7)
  on conflict (message_id) do nothing`

// Deliver implements [Gateway].
func (s sandbox) Deliver(ctx context.Context, m Outgoing) error {
	_, err := s.pool.Exec(ctx, sqlSandboxDeliver,
		m.ID, m.At, string(m.Channel), string(m.Address), string(m.Template), string(m.Vietnamese), string(m.English))
	return pg.Classify(err)
}

// SandboxMessage is what the sandbox would have sent, with the fictional address in clear.
type SandboxMessage struct {
	ID       identity.ObjectID `json:"message_id"`
	At       time.Time         `json:"at"`
	Channel  string            `json:"channel"`
	Address  string            `json:"address"`
	Template string            `json:"template"`
	BodyVI   string            `json:"body_vi"`
	BodyEN   string            `json:"body_en"`
}

const sqlSandbox = `select message_id, at, channel, address, template, body_vi, body_en from sandbox_messages
  order by at desc, message_id desc limit $1`

// SandboxMessages returns the newest messages of a sandbox, newest first.
func SandboxMessages(ctx context.Context, db seal.Querier, limit int) ([]SandboxMessage, error) {
	rows, err := db.Query(ctx, sqlSandbox, limit)
	if err != nil {
		return nil, fmt.Errorf("sandbox messages: %w", pg.Classify(err))
	}
	messages, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SandboxMessage])
	if err != nil {
		return nil, fmt.Errorf("sandbox messages: %w", pg.Classify(err))
	}
	return messages, nil
}
