package person

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Tasks that follow a confirmed death.
const (
	// KindBereaved finds everybody who lists a contact that was registered to the dead; its handler is [Registry.Bereaved].
	KindBereaved = "person.bereaved"
	// KindSuspend suspends one such contact, in its own vault; its handler is [Registry.SuspendContact].
	KindSuspend = "contact.suspend"
)

// sqlListing finds the contacts with an address, whosever they are, by its digest.
const sqlListing = `select c.vault_id, c.contact_id from contacts c join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
    on c.prf_key_id = w.key_id and c.digest = w.digest
  where c.state in ('active', 'pending')`

// Bereaved is the handler of [KindBereaved]. A number that was the dead person's is given to a stranger sooner or later: nothing goes there any more, to
// whomever of the family (Decree 69/2024 Art. 15(1)). It only queues; each contact is suspended in the transaction of its own vault.
func (r *Registry) Bereaved(ctx context.Context, t delivery.Task) error {
	keys, err := r.keysOf(ctx, t.Vault)
	if err != nil || keys == nil {
		return err // nil keys: the vault was erased since
	}
	var contacts []contactRow
	read := new(pgx.Batch)
	r.queueContacts(read, keys, &contacts)
	if err := pg.Pipeline(ctx, r.pool, read); err != nil {
		return fmt.Errorf("contacts of vault %s: %w", t.Vault, err)
	}
	var digests []seal.Digest
	for _, c := range contacts {
		if c.State == ContactActive {
			digests = append(digests, r.deployment.Digests(seal.Contact, string(c.Channel), c.Address.Reveal())...)
		}
	}
	type listing struct {
		Vault   identity.VaultID
		Contact identity.ObjectID
	}
	var found []listing
	keyIDs, sums := digestArgs(digests)
	b := new(pgx.Batch)
	b.Queue(sqlListing, keyIDs, sums).Query(func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[listing])
		return err
	})
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return fmt.Errorf("who lists the contacts of vault %s: %w", t.Vault, err)
	}
	now := r.now()
	b = new(pgx.Batch)
	for _, l := range found {
		delivery.Queue(b, delivery.Task{Kind: KindSuspend, Vault: l.Vault, Args: json.RawMessage(`{"contact_id":"` + l.Contact.String() + `"}`)}, now)
	}
	return pg.Pipeline(ctx, r.pool, b)
}

// SuspendContact is the handler of [KindSuspend]. The person's other contacts are told.
func (r *Registry) SuspendContact(ctx context.Context, t delivery.Task) error {
	var args struct {
		Contact identity.ObjectID `json:"contact_id"`
	}
	if err := json.Unmarshal(t.Args, &args); err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	err := r.play(ctx, pg.All(), audit.Actor{}, audit.ContactChanged, Evidence{}, t.Vault, nil, func(b *pgx.Batch, c *scene) error {
		i := -1
		for at, k := range c.contacts {
			if k.ID == args.Contact && (k.State == ContactActive || k.State == ContactPending) {
				i = at
			}
		}
		if i < 0 {
			return errDone
		}
		suspended := c.contacts[i]
		suspended.State = ContactSuspended
		b.Queue(sqlChanged, t.Vault)
		r.queueMoveContact(b, t.Vault, c.contacts[i], suspended)
		c.contacts[i] = suspended
		if c.person.life == Alive {
			if err := c.tell(b, delivery.ContactChanged); err != nil {
				return err
			}
		}
		return c.record(b, audit.Actor{}, audit.ContactChanged, "registered_to_deceased", "")
	})
	if gone(err) {
		return nil
	}
	return err
}
