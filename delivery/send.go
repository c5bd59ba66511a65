package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Messenger sends queued messages through a gateway.
type Messenger struct {
	pool    *pgxpool.Pool
	vaults  *seal.Vaults
	gateway Gateway
	now     func() time.Time
}

// NewMessenger returns a messenger; its Send is the handler of [TaskMessage].
func NewMessenger(pool *pgxpool.Pool, vaults *seal.Vaults, g Gateway, now func() time.Time) (*Messenger, error) {
	if pool == nil || vaults == nil || g == nil || now == nil {
		return nil, fmt.Errorf("%w: a messenger needs a pool, keys, a gateway and a clock", ErrConfig)
	}
	return &Messenger{pool: pool, vaults: vaults, gateway: g, now: now}, nil
}

const sqlMessage = `select template, state, sealed, created_at from messages where vault_id = $1 and message_id = $2`

// sqlMessageState moves a message out of the queue once; a second try finds nothing to move.
const sqlMessageState = `update messages set state = $3, sent_at = $4
  where vault_id = $1 and message_id = $2 and state = 'queued'`

// Send is the [Handler] of [TaskMessage]: it opens the message, gives it to the gateway and writes down what became of
// it. A message that was sent, held or failed before is left alone; one that died between gateway and database is given
// to the gateway again under the same id.
func (m *Messenger) Send(ctx context.Context, t Task) error {
	var args struct {
		Message identity.ObjectID `json:"message_id"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil || t.Vault.IsZero() {
		return ErrNoMessage
	}
	var template, state string
	var sealed []byte
	var created time.Time
	err := m.pool.QueryRow(ctx, sqlMessage, t.Vault, args.Message).Scan(&template, &state, &sealed, &created)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoMessage
	case err != nil:
		return fmt.Errorf("read message %s: %w", args.Message, pg.Classify(err))
	case state != "queued":
		return nil
	}
	out, err := m.open(ctx, t.Vault, args.Message, Template(template), sealed)
	if err != nil {
		return err
	}
	out.At = m.now()
	switch err := m.gateway.Deliver(ctx, out); {
	case errors.Is(err, ErrNoGateway):
		return m.became(ctx, t.Vault, args.Message, "held")
	case errors.Is(err, ErrUndeliverable):
		return m.became(ctx, t.Vault, args.Message, "failed")
	case err != nil:
		return fmt.Errorf("deliver message %s: %w", args.Message, err)
	}
	return m.became(ctx, t.Vault, args.Message, "sent")
}

func (m *Messenger) open(
	ctx context.Context, v identity.VaultID, id identity.ObjectID, t Template, sealed []byte,
) (Outgoing, error) {
	keys, err := m.vaults.OpenOne(ctx, m.pool, v)
	if err != nil {
		return Outgoing{}, err
	}
	inside, err := keys.Open(seal.Content, messagePlace(v, id), sealed)
	if err != nil {
		return Outgoing{}, fmt.Errorf("message %s: %w", id, err)
	}
	var l letter
	if err := json.Unmarshal(inside, &l); err != nil {
		return Outgoing{}, fmt.Errorf("message %s: malformed", id)
	}
	vi, en, err := t.render(Args{Code: Code(l.Code)})
	if err != nil {
		return Outgoing{}, fmt.Errorf("message %s: %w", id, err)
	}
	return Outgoing{
		ID: id, Channel: Channel(l.Channel), Address: Address(l.Address),
		Template: t, Vietnamese: Text(vi), English: Text(en),
	}, nil
}

func (m *Messenger) became(ctx context.Context, v identity.VaultID, id identity.ObjectID, state string) error {
	var at *time.Time
	if state == "sent" {
		now := m.now()
		at = &now
	}
	if _, err := m.pool.Exec(ctx, sqlMessageState, v, id, state, at); err != nil {
		return fmt.Errorf("message %s: %w", id, pg.Classify(err))
	}
	return nil
}
