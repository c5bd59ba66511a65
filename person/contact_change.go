package person

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrTooManyContacts reports a person who adds contacts faster than anybody needs: each has a code sent to it, and some are strangers'.
var ErrTooManyContacts = errors.New("person: too many contacts")

// Bounds of contacts.
const (
	maxContacts     = 10               // that stand
	maxContactsDay  = 5                // added by the person within a day
	contactPatience = 10 * time.Minute // after which another code is sent to the same new contact
)

const sqlPreferChannel = `update people set preferred_channel = $2, changed_at = $3 where vault_id = $1`

// NewContact is a contact to be added.
type NewContact struct {
	Channel   delivery.Channel
	Address   identity.Private // of ParseAddress
	Shared    bool             // only at a counter: a code for one of them alone never goes there
	Preferred bool             // notices and codes go to its channel from now on
}

// ContactChange is what changes at a counter: one contact more, one less, or both.
type ContactChange struct {
	Add NewContact
	End identity.ObjectID
}

// AddContact keeps a new contact of a person and sends it a code; [Registry.ConfirmContact] brings the code back. g is the guard of the session, which has
// confirmed with a second factor just now. Added again it is the same contact. Errors: [ErrContact]; [ErrTooManyContacts]; [ErrNotFound]; a [*pg.Refusal] with
// [CodeRecovered].
func (r *Registry) AddContact(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, n NewContact) (Contact, error) {
	if n.Channel != delivery.SMS && n.Channel != delivery.Email || n.Shared || n.check() != nil {
		return Contact{}, ErrContact
	}
	var done Contact
	err := r.play(ctx, g, by, audit.ContactChanged, Evidence{}, vault, r.notRecovering(vault), func(b *pgx.Batch, c *scene) error {
		old, listed := c.listed(n)
		switch {
		case listed && (old.State == ContactActive || old.Since.Add(contactPatience).After(c.now)):
			done = old.Contact
			return errDone
		case c.standing() >= maxContacts, c.addedSince(c.now.Add(-24*time.Hour)) >= maxContactsDay:
			return ErrTooManyContacts
		}
		b.Queue(sqlChanged, vault)
		if listed { // nobody answered there: another code, for another row
			ended := old
			ended.State = ContactEnded
			r.queueMoveContact(b, vault, old, ended)
		}
		done = Contact{ID: identity.NewID[identity.ObjectID](), Channel: n.Channel, Address: n.Address, State: ContactPending, Verified: NotVerified, Since: c.now}
		if err := r.queueContact(b, c.keys, done, c.now); err != nil {
			return err
		}
		code, err := newCode()
		if err != nil {
			return err
		}
		r.queueCode(b, vault, code, forContact, done.ID, c.now)
		if _, err := delivery.QueueMessage(b, c.keys, vault, done.sendable(), delivery.ContactCode, delivery.Args{Code: delivery.Code(code.digits.Reveal())}, c.now); err != nil {
			return err
		}
		return c.record(b, by, audit.ContactChanged, "added", "")
	})
	return done, err
}

// notRecovering puts [QueueNotRecovering] before an act.
func (r *Registry) notRecovering(vault identity.VaultID) func(*pgx.Batch, *scene) {
	return func(b *pgx.Batch, _ *scene) { QueueNotRecovering(b, vault, r.now()) }
}

// ConfirmContact makes a new contact count: the code that was sent there came back. The contacts there were and the new one are told. Confirmed again it
// is done. Errors: [ErrCode], every try of which counts; [ErrNotFound]; a [*pg.Refusal] with [CodeRecovered].
func (r *Registry) ConfirmContact(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, id identity.ObjectID, code Code, preferred bool) error {
	waits := false
	// The guard decides before a try is counted: nobody else uses up the person's tries.
	err := r.play(ctx, g, by, audit.ContactChanged, Evidence{}, vault, r.notRecovering(vault), func(_ *pgx.Batch, c *scene) error {
		switch k, ok := c.contact(id); {
		case !ok || k.State == ContactEnded:
			return ErrNotFound
		default:
			waits = k.State == ContactPending
			return errDone
		}
	})
	if err != nil || !waits {
		return err
	}
	right, err := r.try(ctx, vault, code, id, forContact)
	if err != nil {
		return err
	}
	err = r.play(ctx, pg.All(), by, audit.ContactChanged, Evidence{}, vault, r.notRecovering(vault), func(b *pgx.Batch, c *scene) error {
		old, ok := c.contact(id)
		switch {
		case !ok || old.State == ContactEnded:
			return ErrNotFound
		case old.State != ContactPending:
			return errDone
		}
		QueueGoodStanding(b, vault)
		queueUse(b, right, c.now)
		b.Queue(sqlChanged, vault)
		now := old
		now.State, now.Verified, now.VerifiedAt = ContactActive, VerifiedByCode, c.now
		r.queueMoveContact(b, vault, old, now)
		if preferred {
			one(b, sqlPreferChannel, vault, string(old.Channel), c.now)
		}
		if err := c.tell(b, delivery.ContactChanged, id); err != nil {
			return err
		}
		return c.record(b, by, audit.ContactChanged, "confirmed", "")
	})
	if pg.Refused(err) == CodeUsed {
		return ErrCode
	}
	return err
}

// EndContact removes a contact of a person; it and the others are told. Removed again it is done. Errors: [ErrNotFound]; a [*pg.Refusal] with [CodeRecovered].
func (r *Registry) EndContact(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, id identity.ObjectID) error {
	return r.play(ctx, g, by, audit.ContactChanged, Evidence{}, vault, r.notRecovering(vault), func(b *pgx.Batch, c *scene) error {
		k, ok := c.contact(id)
		switch {
		case !ok:
			return ErrNotFound
		case k.State == ContactEnded:
			return errDone
		}
		b.Queue(sqlChanged, vault)
		if err := c.queueEndContact(b, k); err != nil {
			return err
		}
		return c.record(b, by, audit.ContactChanged, "ended", "")
	})
}

func (c *scene) queueEndContact(b *pgx.Batch, k contactRow) error {
	ended := k
	ended.State = ContactEnded
	c.r.queueMoveContact(b, c.vault, k, ended)
	if k.State != ContactActive {
		return c.tell(b, delivery.ContactChanged) // nothing more goes where nobody answered, or whose owner died
	}
	return c.tell(b, delivery.ContactChanged, k.ID)
}

// MyContacts lists the contacts of a person that stand, oldest first. g is the guard of their session.
func (r *Registry) MyContacts(ctx context.Context, g pg.Guard, keys *seal.Keys) (contacts []Contact, preferred delivery.Channel, err error) {
	var rows []contactRow
	b := new(pgx.Batch)
	g.Queue(b)
	r.queueContacts(b, keys, &rows)
	b.Queue(sqlPreferred, keys.Vault()).QueryRow(func(row pgx.Row) error { return row.Scan(&preferred) })
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return nil, "", err
	}
	if err := g.Check(); err != nil {
		return nil, "", err
	}
	rows = slices.DeleteFunc(rows, func(c contactRow) bool { return c.State == ContactEnded })
	return plainContacts(rows), preferred, nil
}

func (n NewContact) check() error {
	canonical, err := ParseAddress(n.Channel, n.Address.Reveal())
	if err != nil || canonical != n.Address {
		return ErrContact
	}
	return nil
}

// contact finds a contact by its id.
func (c *scene) contact(id identity.ObjectID) (contactRow, bool) {
	i := slices.IndexFunc(c.contacts, func(k contactRow) bool { return k.ID == id && !id.IsZero() })
	if i < 0 {
		return contactRow{}, false
	}
	return c.contacts[i], true
}

// listed finds the contact of an address that is active or waits for its code.
func (c *scene) listed(n NewContact) (contactRow, bool) {
	i := slices.IndexFunc(c.contacts, func(k contactRow) bool {
		return k.Channel == n.Channel && k.Address == n.Address && (k.State == ContactActive || k.State == ContactPending)
	})
	if i < 0 {
		return contactRow{}, false
	}
	return c.contacts[i], true
}

func (c *scene) standing() int {
	n := 0
	for _, k := range c.contacts {
		if k.State != ContactEnded {
			n++
		}
	}
	return n
}

func (c *scene) addedSince(since time.Time) int {
	n := 0
	for _, k := range c.contacts {
		if k.Since.After(since) && k.Verified != VerifiedAtCounter && k.Verified != VerifiedByRegister {
			n++
		}
	}
	return n
}

// record queues the record of an act whose reason is not its evidence.
func (c *scene) record(b *pgx.Batch, by audit.Actor, kind audit.Kind, reason, reference string) error {
	_, err := c.r.audit.Queue(b, c.keys, audit.Entry{
		Vault: c.vault, Kind: kind, Organisation: by.Officer.Organisation, Actor: by, Reason: reason, Dossier: reference,
	}, c.now)
	return err
}
