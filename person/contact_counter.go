package person

import (
	"context"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

// ContactsAt lists the contacts of somebody who is at a counter, for the officer who is to change them, and records the reading.
func (r *Registry) ContactsAt(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID) (contacts []Contact, preferred delivery.Channel, err error) {
	err = r.play(ctx, g, by, audit.ListRead, Evidence{}, vault, nil, func(b *pgx.Batch, c *scene) error {
		contacts, preferred = nil, c.person.preferred
		for _, k := range c.contacts {
			if k.State != ContactEnded {
				contacts = append(contacts, k.Contact)
			}
		}
		return c.record(b, by, audit.ListRead, "contacts", "")
	})
	return contacts, preferred, err
}

// contacting changes the contacts of somebody who is at the counter.
type contacting struct {
	Channel   delivery.Channel  `json:"channel,omitempty"`
	Address   string            `json:"address,omitempty"`
	Shared    bool              `json:"shared,omitempty"`
	Preferred bool              `json:"preferred,omitempty"`
	End       identity.ObjectID `json:"end,omitzero"`
	Evidence  Evidence          `json:"evidence"`
}

func (*contacting) kind() ApprovalKind  { return ApproveContact }
func (*contacting) records() audit.Kind { return audit.ContactChanged }
func (a *contacting) ground() Evidence  { return a.Evidence }

func (a *contacting) added() NewContact {
	return NewContact{Channel: a.Channel, Address: identity.NewPrivate(a.Address), Shared: a.Shared, Preferred: a.Preferred}
}

// change is what was proposed, as the second officer sees it.
func (a *contacting) change() ContactChange { return ContactChange{Add: a.added(), End: a.End} }

func (a *contacting) check() error {
	if a.Address == "" && a.End.IsZero() {
		return ErrContact
	}
	if a.Address != "" {
		if err := a.added().check(); err != nil {
			return err
		}
	}
	return a.Evidence.check()
}

func (a *contacting) may(c *scene, _ audit.Officer) error {
	switch k, ok := c.contact(a.End); {
	case c.person.life != Alive:
		return ErrNotAlive
	case !a.End.IsZero() && (!ok || k.State == ContactEnded):
		return ErrNotFound
	}
	if a.Address == "" {
		return nil
	}
	if old, listed := c.listed(a.added()); listed && old.State == ContactActive && a.End.IsZero() {
		return errDone
	}
	if c.standing() >= maxContacts && a.End.IsZero() {
		return ErrTooManyContacts
	}
	return nil
}

func (a *contacting) queue(b *pgx.Batch, c *scene, _ audit.Actor) error {
	QueueNotRecovering(b, c.vault, c.now)
	if a.Address != "" {
		n := a.added()
		if old, listed := c.listed(n); listed && old.ID != a.End {
			ended := old // what was added by the person and not confirmed yet
			ended.State = ContactEnded
			c.r.queueMoveContact(b, c.vault, old, ended)
		}
		added := Contact{
			ID: identity.NewID[identity.ObjectID](), Channel: n.Channel, Address: n.Address, Shared: n.Shared, State: ContactActive,
			Verified: VerifiedAtCounter, VerifiedAt: c.now, Since: c.now,
		}
		if err := c.r.queueContact(b, c.keys, added, c.now); err != nil {
			return err
		}
		if n.Preferred {
			one(b, sqlPreferChannel, c.vault, string(n.Channel), c.now)
		}
		if _, err := delivery.QueueMessage(b, c.keys, c.vault, added.sendable(), delivery.ContactChanged, delivery.Args{}, c.now); err != nil {
			return err
		}
	}
	if k, ok := c.contact(a.End); ok {
		return c.queueEndContact(b, k)
	}
	return c.tell(b, delivery.ContactChanged)
}

// ChangeContact proposes a change of contacts for somebody who is at the counter; a second officer carries it out. Errors: [ErrContact]; [ErrTooManyContacts];
// [ErrNotAlive]; [ErrEvidence]; [ErrNotFound], also for a contact that is not there.
func (r *Registry) ChangeContact(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, change ContactChange, ev Evidence) (Approval, error) {
	return r.propose(ctx, g, by, vault, &contacting{
		Channel: change.Add.Channel, Address: change.Add.Address.Reveal(), Shared: change.Add.Shared, Preferred: change.Add.Preferred, End: change.End, Evidence: ev,
	})
}
