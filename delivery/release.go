package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// HeldLife is how long a message that was held for want of a gateway is still worth sending; the codes in older ones are over, and what they
// tell of the person has been told at a counter.
const HeldLife = 24 * time.Hour

// heldAtOnce bounds what is read at once.
const heldAtOnce = 500

const (
	// $1 not before, $2 behind or null, $3 limit.
	sqlHeld = `select vault_id, message_id from messages where state = 'held' and created_at > $1 and ($2::uuid is null or message_id > $2)
  order by message_id limit $3`

	sqlRelease = `update messages set state = 'queued' where vault_id = $1 and message_id = $2 and state = 'held' returning message_id`
)

// Release queues again what was held while there was no gateway, oldest first, and returns how many messages. It is for a start with a gateway.
// Each message is released in a transaction of its own, by one of all processes.
func (m *Messenger) Release(ctx context.Context) (int, error) {
	type held struct {
		Vault identity.VaultID
		ID    identity.ObjectID
	}
	released, behind := 0, identity.ObjectID{}
	for {
		rows, err := m.pool.Query(ctx, sqlHeld, m.now().Add(-HeldLife), behind, heldAtOnce)
		if err != nil {
			return released, fmt.Errorf("held messages: %w", pg.Classify(err))
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[held])
		if err != nil {
			return released, fmt.Errorf("held messages: %w", pg.Classify(err))
		}
		for _, one := range page {
			behind = one.ID
			done, err := m.release(ctx, one.Vault, one.ID)
			if err != nil {
				return released, fmt.Errorf("release message %s: %w", one.ID, err)
			}
			if done {
				released++
			}
		}
		if len(page) < heldAtOnce {
			return released, nil
		}
	}
}

func (m *Messenger) release(ctx context.Context, vault identity.VaultID, id identity.ObjectID) (done bool, err error) {
	err = pg.Exchange(ctx, m.pool,
		func(b *pgx.Batch) error {
			done = false
			b.Queue(sqlRelease, vault, id).Query(func(rows pgx.Rows) error {
				done = rows.Next()
				rows.Close()
				return rows.Err()
			})
			return nil
		},
		func(b *pgx.Batch) error {
			if done {
				Queue(b, Task{Kind: TaskMessage, Vault: vault, Args: messageArgs(id)}, m.now())
			}
			return nil
		})
	return done, err
}
