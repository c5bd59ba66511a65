package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

var (
	// ErrTemplate reports a template that does not exist, or arguments that are not its.
	ErrTemplate = errors.New("delivery: no such message")
	// ErrNoMessage reports a task whose message is not there.
	ErrNoMessage = errors.New("delivery: message not found")
)

// Channel is a way to reach a person, as in contacts.kind.
type Channel string

// The channels.
const (
	SMS   Channel = "sms"
	Email Channel = "email"
	Post  Channel = "post"
)

// Address is a telephone number, an email or a postal address. It prints masked; string(a) gives it out.
type Address string

// Code is a one-time code. It prints masked; string(c) gives it out.
type Code string

const mask = "[masked]"

// String masks the address.
func (Address) String() string { return mask }

// Format masks the address for every verb.
func (Address) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, mask) }

// LogValue masks the address in slog.
func (Address) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText masks the address in JSON.
func (Address) MarshalText() ([]byte, error) { return []byte(mask), nil }

// String masks the code.
func (Code) String() string { return mask }

// Format masks the code for every verb.
func (Code) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, mask) }

// LogValue masks the code in slog.
func (Code) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText masks the code in JSON.
func (Code) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Contact is where one message goes.
type Contact struct {
	ID      identity.ObjectID // row of contacts
	Channel Channel
	Address Address
}

// Args are what a template is filled with: nothing, except the code of a template that carries one.
type Args struct{ Code Code }

// letter is what a message holds inside its seal.
type letter struct {
	Channel string `json:"channel"`
	Address string `json:"address"`
	Code    string `json:"code,omitempty"`
}

// TaskMessage is the kind of task that sends a queued message; its handler is [Messenger.Send].
const TaskMessage = "message.send"

const sqlInsertMessage = `insert into messages
  (vault_id, message_id, contact_id, template, state, sealed, created_at)
  values ($1, $2, $3, $4, 'queued', $5, $6)`

// QueueMessage adds a message to a person, and the task that sends it, to the transaction of what it tells about.
// Address and code are sealed under the vault's content keyset and leave it only for the gateway. Errors:
// [ErrTemplate]; those of sealing.
func QueueMessage(
	b *pgx.Batch, k *seal.Keys, v identity.VaultID, to Contact, t Template, a Args, now time.Time,
) (identity.ObjectID, error) {
	if _, _, err := t.render(a); err != nil {
		return identity.ObjectID{}, err
	}
	if to.Address == "" || (to.Channel != SMS && to.Channel != Email && to.Channel != Post) {
		return identity.ObjectID{}, fmt.Errorf("%w: no address", ErrTemplate)
	}
	id := identity.NewID[identity.ObjectID]()
	inside, err := json.Marshal(letter{Channel: string(to.Channel), Address: string(to.Address), Code: string(a.Code)})
	if err != nil {
		return identity.ObjectID{}, fmt.Errorf("message %s: %w", id, err)
	}
	sealed, err := k.Seal(seal.Content, messagePlace(v, id), inside)
	if err != nil {
		return identity.ObjectID{}, fmt.Errorf("message %s: %w", id, err)
	}
	b.Queue(sqlInsertMessage, v, id, to.ID, string(t), sealed, now)
	Queue(b, Task{Kind: TaskMessage, Vault: v, Args: messageArgs(id)}, now)
	return id, nil
}

func messagePlace(v identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "messages", Column: "sealed", Vault: v, Object: id.Bytes()}
}

func messageArgs(id identity.ObjectID) json.RawMessage {
	return json.RawMessage(`{"message_id":"` + id.String() + `"}`)
}
