package person

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/internal/pg"
	"vidan/seal"
)

// KindNotice is the task that tells a person that there is something to read: it names a template and nothing else.
const KindNotice = "notice"

const (
	sqlPreferred = `select preferred_channel from people where vault_id = $1`

	// sqlNoticed makes a task that runs twice one message: the second insert fails the whole batch.
	sqlNoticed = `insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, $2, $2, '{}', $3)`
)

// Notice is the handler of [KindNotice]: it picks the contact of the preferred channel and queues the message. Who has no contact, or prefers a
// counter, is told nothing and finds it when they look.
func (r *Registry) Notice(ctx context.Context, t delivery.Task) error {
	var args struct {
		Template delivery.Template `json:"template"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	keys, err := r.keysOf(ctx, t.Vault)
	if err != nil || keys == nil {
		return err // nil keys: the vault was erased since
	}
	to, found, err := r.preferred(ctx, keys)
	if err != nil || !found {
		return err
	}
	now := r.now()
	id := t.ID.Bytes()
	scope, key := sha256.Sum256([]byte(KindNotice)), sha256.Sum256(id[:])
	b := new(pgx.Batch)
	b.Queue(sqlNoticed, scope[:], key[:], now)
	if _, err := delivery.QueueMessage(b, keys, t.Vault, to, args.Template, delivery.Args{}, now); err != nil {
		return fmt.Errorf("notice of task %s: %w", t.ID, err)
	}
	err = pg.Pipeline(ctx, r.pool, b)
	var twice *pg.Duplicate
	if errors.As(err, &twice) {
		return nil
	}
	return err
}

// preferred is the active contact of the channel a person prefers.
func (r *Registry) preferred(ctx context.Context, keys *seal.Keys) (to delivery.Contact, found bool, err error) {
	var channel delivery.Channel
	var contacts []contactRow
	b := new(pgx.Batch)
	b.Queue(sqlPreferred, keys.Vault()).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&channel); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
	r.queueContacts(b, keys, &contacts)
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return to, false, fmt.Errorf("contacts of vault %s: %w", keys.Vault(), err)
	}
	for _, c := range contacts {
		if c.Channel == channel && c.State == ContactActive {
			return c.sendable(), true, nil
		}
	}
	return to, false, nil
}
