package person

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrContact reports an address that is none on its channel, or a contact that cannot be what it says.
var ErrContact = errors.New("person: not a contact")

// Two more channels than a contact can have: how somebody without one is reached.
const (
	// Counter: the person comes to a counter, and is told there.
	Counter delivery.Channel = "counter"
	// NoChannel: nobody said.
	NoChannel delivery.Channel = "none"
)

// Verification says how it is known that a contact is the person's.
type Verification string

const (
	// VerifiedAtCounter: the person showed it to an officer.
	VerifiedAtCounter Verification = "counter"
	// VerifiedByCode: a code that was sent there came back.
	VerifiedByCode Verification = "code"
	// VerifiedByRegister: a register has it.
	VerifiedByRegister Verification = "register"
	// NotVerified: it is as it was told.
	NotVerified Verification = "none"
)

// Contact is where a person is reached. A household may share one; then nothing that is meant for one of them alone goes there.
type Contact struct {
	ID         identity.ObjectID // given by Enrol
	Channel    delivery.Channel  // SMS, Email or Post
	Address    identity.Private  // of ParseAddress
	Shared     bool
	State      ContactState // given by Enrol
	Verified   Verification
	VerifiedAt time.Time // zero when not verified
	Since      time.Time // when it was added; given by Enrol
}

// ContactState is where a contact is in its life.
type ContactState string

// The states. Messages go to active contacts alone.
const (
	ContactPending   ContactState = "pending" // a code was sent there and did not come back yet
	ContactActive    ContactState = "active"
	ContactSuspended ContactState = "suspended" // registered to somebody who died
	ContactEnded     ContactState = "ended"
)

// ContactRest is how old a contact is before a one-time code goes there: whoever adds one in another's name is noticed before it is worth anything.
const ContactRest = 7 * 24 * time.Hour

// takesCodes reports whether a one-time code may go to a contact: it is the person's alone, known to be theirs, and was added long enough ago.
func (c Contact) takesCodes(now time.Time) bool {
	return c.State == ContactActive && !c.Shared && c.Verified != NotVerified && c.Channel != delivery.Post && !c.Since.Add(ContactRest).After(now)
}

// ParseAddress reads an address and brings it into its one form: a telephone number as E.164 with +84 for a national one,
// an email in lower case, a postal address as one line. Errors: [ErrContact].
func ParseAddress(channel delivery.Channel, s string) (identity.Private, error) {
	switch channel {
	case delivery.SMS:
		return parsePhone(s)
	case delivery.Email:
		return parseEmail(s)
	case delivery.Post:
		if line, err := identity.ParsePrivate(s, 300); err == nil && len(line.Reveal()) >= 5 {
			return line, nil
		}
	}
	return identity.Private{}, ErrContact
}

// parsePhone reads digits with the separators people write. Numbers of this country have 9 digits (mobile) or 10 behind the 0 or +84.
func parsePhone(s string) (identity.Private, error) {
	s = strings.NewReplacer(" ", "", ".", "", "-", "", "(", "", ")", "").Replace(s)
	abroad := strings.HasPrefix(s, "+")
	digits := strings.TrimPrefix(s, "+")
	if strings.Trim(digits, "0123456789") != "" {
		return identity.Private{}, ErrContact
	}
	national, ours := strings.CutPrefix(digits, "0")
	if abroad {
		national, ours = strings.CutPrefix(digits, "84")
	}
	switch {
	case ours && len(national) >= 9 && len(national) <= 10 && national[0] != '0':
		return identity.NewPrivate("+84" + national), nil
	case abroad && !ours && len(digits) >= 8 && len(digits) <= 15 && digits[0] != '0':
		return identity.NewPrivate("+" + digits), nil
	}
	return identity.Private{}, ErrContact
}

// parseEmail reads the plain form of RFC 5321 §4.1.2 (dot-string @ domain), without quoting, comments or address literals.
func parseEmail(s string) (identity.Private, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > 64 || len(domain) > 253 || !strings.Contains(domain, ".") {
		return identity.Private{}, ErrContact
	}
	for _, atom := range strings.Split(local, ".") {
		if atom == "" || strings.Trim(atom, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-") != "" {
			return identity.Private{}, ErrContact
		}
	}
	for _, label := range strings.Split(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return identity.Private{}, ErrContact
		}
	}
	return identity.NewPrivate(s), nil
}

// check refuses a contact whose members contradict each other.
func (c Contact) check(now time.Time) error {
	canonical, err := ParseAddress(c.Channel, c.Address.Reveal())
	if err != nil || canonical != c.Address {
		return ErrContact
	}
	switch c.Verified {
	case VerifiedAtCounter, VerifiedByCode, VerifiedByRegister:
		if c.VerifiedAt.IsZero() || c.VerifiedAt.After(now) {
			return ErrContact
		}
	case NotVerified:
		if !c.VerifiedAt.IsZero() {
			return ErrContact
		}
	default:
		return ErrContact
	}
	return nil
}

const (
	sqlInsertContact = `insert into contacts
  (vault_id, contact_id, kind, prf_key_id, digest, shared, state, verified_how, verified_at, sealed, created_at, mac)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

	sqlContacts = `select contact_id, kind, shared, state, verified_how, verified_at, created_at, prf_key_id, digest, mac, sealed from contacts
  where vault_id = $1 order by created_at, contact_id`

	sqlMoveContact = `update contacts set state = $4, verified_how = $5, verified_at = $6, mac = $7
  where vault_id = $1 and contact_id = $2 and mac = $3`
)

// contactRow is a contact as it is stored. The MAC covers what decides whether it is written to: whose it is, its address, state and age.
type contactRow struct {
	Contact
	digest seal.Digest
	mac    []byte
}

func (c contactRow) columns(vault identity.VaultID) *seal.Columns {
	return new(seal.Columns).UUID(vault.Bytes()).UUID(c.ID.Bytes()).Text(string(c.Channel)).Int(int64(c.digest.KeyID)).Bytes(c.digest.Sum[:]).
		Bool(c.Shared).Text(string(c.State)).Text(string(c.Verified)).Time(c.VerifiedAt).Time(c.Since)
}

func contactPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "contacts", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// queueContact adds a contact whose ID is set, in the state it has.
func (r *Registry) queueContact(b *pgx.Batch, keys *seal.Keys, c Contact, now time.Time) error {
	// As a message: its padding blurs the length.
	sealed, err := keys.SealMessage(seal.Content, contactPlace(keys.Vault(), c.ID), []byte(c.Address.Reveal()))
	if err != nil {
		return err
	}
	c.Since = now
	row := contactRow{Contact: c, digest: r.deployment.Digest(seal.Contact, string(c.Channel), c.Address.Reveal())}
	b.Queue(sqlInsertContact, keys.Vault(), c.ID, string(c.Channel), row.digest.KeyID, row.digest.Sum[:], c.Shared, string(c.State),
		string(c.Verified), nullTime(c.VerifiedAt), sealed, now, r.deployment.MAC("contacts", row.columns(keys.Vault())))
	return nil
}

// queueMoveContact changes a contact that is still as it was read.
func (r *Registry) queueMoveContact(b *pgx.Batch, vault identity.VaultID, from, to contactRow) {
	one(b, sqlMoveContact, vault, from.ID, from.mac, string(to.State), string(to.Verified), nullTime(to.VerifiedAt),
		r.deployment.MAC("contacts", to.columns(vault)))
}

// queueContacts reads all contacts of a person, oldest first.
func (r *Registry) queueContacts(b *pgx.Batch, keys *seal.Keys, into *[]contactRow) {
	b.Queue(sqlContacts, keys.Vault()).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (contactRow, error) { return r.scanContact(row, keys) })
		return err
	})
}

// Contacts returns all contacts of a person, oldest first, in one round trip. The caller records the reading if it leaves the server.
func (r *Registry) Contacts(ctx context.Context, db pg.Sender, keys *seal.Keys) ([]Contact, error) {
	var rows []contactRow
	b := new(pgx.Batch)
	r.queueContacts(b, keys, &rows)
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return nil, fmt.Errorf("contacts of vault %s: %w", keys.Vault(), err)
	}
	return plainContacts(rows), nil
}

func plainContacts(rows []contactRow) []Contact {
	contacts := make([]Contact, len(rows))
	for i, row := range rows {
		contacts[i] = row.Contact
	}
	return contacts
}

func (r *Registry) scanContact(row pgx.CollectableRow, keys *seal.Keys) (contactRow, error) {
	var c contactRow
	var at *time.Time
	var sum, sealed []byte
	if err := row.Scan(&c.ID, &c.Channel, &c.Shared, &c.State, &c.Verified, &at, &c.Since, &c.digest.KeyID, &sum, &c.mac, &sealed); err != nil {
		return c, err
	}
	if at != nil {
		c.VerifiedAt = *at
	}
	if len(sum) != len(c.digest.Sum) {
		return c, fmt.Errorf("contact %s: %w", c.ID, seal.ErrTampered)
	}
	c.digest.Sum = [32]byte(sum)
	if err := r.deployment.VerifyMAC("contacts", c.columns(keys.Vault()), c.mac); err != nil {
		return c, fmt.Errorf("contact %s: %w", c.ID, err)
	}
	address, err := keys.OpenMessage(seal.Content, contactPlace(keys.Vault(), c.ID), sealed)
	c.Address = identity.NewPrivate(string(address))
	return c, err
}

// sendable is a contact as delivery takes it.
func (c Contact) sendable() delivery.Contact {
	return delivery.Contact{ID: c.ID, Channel: c.Channel, Address: delivery.Address(c.Address.Reveal())}
}
