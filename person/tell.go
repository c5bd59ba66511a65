package person

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// KindTell is the task that sends a content-free message to every contact of a person; its handler is [Registry.Tell].
const KindTell = "person.tell"

// queueTell has all contacts told, in a batch that has not read them.
func queueTell(b *pgx.Batch, vault identity.VaultID, t delivery.Template, now time.Time) {
	delivery.Queue(b, delivery.Task{Kind: KindTell, Vault: vault, Args: json.RawMessage(`{"template":"` + string(t) + `"}`)}, now)
}

// tell sends a message to every contact of the person, old or new: whoever does something in their name is seen by all who are reached. also names
// contacts that are told once more though they have ended.
func (c *scene) tell(b *pgx.Batch, t delivery.Template, also ...identity.ObjectID) error {
	for _, k := range c.contacts {
		if k.State != ContactActive && !slices.Contains(also, k.ID) {
			continue
		}
		if _, err := delivery.QueueMessage(b, c.keys, c.vault, k.sendable(), t, delivery.Args{}, c.now); err != nil {
			return err
		}
	}
	return nil
}

// Tell is the handler of [KindTell]. A task that runs twice tells once.
func (r *Registry) Tell(ctx context.Context, t delivery.Task) error {
	var args struct {
		Template delivery.Template `json:"template"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	id := t.ID.Bytes()
	scope, key := sha256.Sum256([]byte(KindTell)), sha256.Sum256(id[:])
	err := r.play(ctx, pg.All(), audit.Actor{}, audit.ContactChanged, Evidence{}, t.Vault, nil, func(b *pgx.Batch, c *scene) error {
		b.Queue(sqlNoticed, scope[:], key[:], c.now)
		return c.tell(b, args.Template)
	})
	var twice *pg.Duplicate
	if errors.As(err, &twice) || gone(err) {
		return nil
	}
	return err
}

// gone reports a vault that was left behind or erased since a task about it was queued.
func gone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrJoined) }

// Handlers returns what carries out the tasks of this package, by kind.
func (r *Registry) Handlers() map[string]delivery.Handler {
	return map[string]delivery.Handler{
		KindNotice: r.Notice, KindTell: r.Tell, KindRecovery: r.StepRecovery, KindBereaved: r.Bereaved, KindSuspend: r.SuspendContact,
	}
}
