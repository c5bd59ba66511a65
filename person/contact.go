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
	State      string // active, suspended, ended; given by Enrol
	Verified   Verification
	VerifiedAt time.Time // zero when not verified
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
  (vault_id, contact_id, kind, prf_key_id, digest, shared, verified_how, verified_at, sealed, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	sqlContacts = `select contact_id, kind, shared, state, verified_how, verified_at, sealed from contacts
  where vault_id = $1 order by created_at, contact_id`
)

func contactPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "contacts", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// queueContact adds a contact whose ID is set.
func (r *Registry) queueContact(b *pgx.Batch, keys *seal.Keys, c Contact, now time.Time) error {
	// As a message: its padding blurs the length.
	sealed, err := keys.SealMessage(seal.Content, contactPlace(keys.Vault(), c.ID), []byte(c.Address.Reveal()))
	if err != nil {
		return err
	}
	digest := r.deployment.Digest(seal.Contact, string(c.Channel), c.Address.Reveal())
	b.Queue(sqlInsertContact, keys.Vault(), c.ID, string(c.Channel), digest.KeyID, digest.Sum[:], c.Shared,
		string(c.Verified), nullTime(c.VerifiedAt), sealed, now)
	return nil
}

// Contacts returns all contacts of a person, oldest first, in one round trip. The caller records the reading if it leaves the server.
func (r *Registry) Contacts(ctx context.Context, db pg.Sender, keys *seal.Keys) ([]Contact, error) {
	var contacts []Contact
	b := new(pgx.Batch)
	b.Queue(sqlContacts, keys.Vault()).Query(func(rows pgx.Rows) (err error) {
		contacts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Contact, error) { return scanContact(row, keys) })
		return err
	})
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return nil, fmt.Errorf("contacts of vault %s: %w", keys.Vault(), err)
	}
	return contacts, nil
}

func scanContact(row pgx.CollectableRow, keys *seal.Keys) (Contact, error) {
	var c Contact
	var at *time.Time
	var sealed []byte
	if err := row.Scan(&c.ID, &c.Channel, &c.Shared, &c.State, &c.Verified, &at, &sealed); err != nil {
		return c, err
	}
	if at != nil {
		c.VerifiedAt = *at
	}
	address, err := keys.OpenMessage(seal.Content, contactPlace(keys.Vault(), c.ID), sealed)
	c.Address = identity.NewPrivate(string(address))
	return c, err
}
