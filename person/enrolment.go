package person

import (
	"errors"
	"slices"
	"time"

	"vidan/delivery"
	"vidan/identity"
	"vidan/seal"
)

var (
	// ErrProfile reports an enrolment without a number, name, birth date or sex.
	ErrProfile = errors.New("person: not a profile")
	// ErrChannel reports a preferred channel for which there is no contact.
	ErrChannel = errors.New("person: no contact on this channel")
	// ErrIdempotency reports an idempotency key that was used for another enrolment.
	ErrIdempotency = errors.New("person: the idempotency key stands for another enrolment")
)

// Enrolment is what a registrar knows of a person whose account is opened.
type Enrolment struct {
	Number    identity.PersonalNumber
	Kind      Kind // Citizen or Foreigner
	Name      identity.Name
	BirthDate identity.PartialDate
	Sex       identity.Sex
	// Level is 1 or 2 for an account, 0 for a citizen whose papers are kept and who signs in nowhere. Foreigners have one account, without levels: 0.
	Level            int
	Contacts         []Contact
	PreferredChannel delivery.Channel // of a contact, or Counter or NoChannel
	Evidence         Evidence
	// Ward says that somebody else represents the person, whatever their age; their account is opened by that representative.
	Ward bool
	// Representative opens the account of a child under 14 or a ward; zero for everybody else.
	Representative Representative
	// Pending names a person whose number is pending by their birth notice or register entry: the number is bound into their vault.
	Pending Identifier
	// IdempotencyKey makes the enrolment one, however often it is sent: 1–200 characters, or empty.
	IdempotencyKey string
}

// accountKind is by which rows of the table the account is judged.
func (e Enrolment) accountKind() AccountKind { return accountKind(e.Kind, e.Ward) }

func accountKind(kind Kind, ward bool) AccountKind {
	switch {
	case kind == Foreigner:
		return ForeignerAccount
	case ward:
		return WardAccount
	}
	return CitizenAccount
}

// account says whether there will be something to sign in to.
func (e Enrolment) account() bool { return e.Level > 0 || e.Kind == Foreigner }

// channel returns the contact that the preferred channel means; none for Counter and NoChannel.
func (e Enrolment) channel() (int, bool) {
	i := slices.IndexFunc(e.Contacts, func(c Contact) bool { return c.Channel == e.PreferredChannel })
	return i, i >= 0
}

// own returns the contact of the preferred channel that is the person's alone: a code goes nowhere else.
func (e Enrolment) own() (int, bool) {
	i := slices.IndexFunc(e.Contacts, func(c Contact) bool { return c.Channel == e.PreferredChannel && !c.Shared })
	return i, i >= 0
}

func (e Enrolment) check(a Accounts, now time.Time) error {
	if e.Number.IsZero() || e.Name.IsZero() || e.BirthDate.IsZero() || e.Sex != identity.Male && e.Sex != identity.Female {
		return ErrProfile
	}
	if err := e.checkLevel(a, now); err != nil {
		return err
	}
	if e.Pending.kind == seal.PersonalNumber {
		return ErrIdentifier
	}
	if len(e.Contacts) > 10 {
		return ErrContact
	}
	for _, c := range e.Contacts {
		if err := c.check(now); err != nil {
			return err
		}
	}
	if _, ok := e.channel(); !ok && e.PreferredChannel != Counter && e.PreferredChannel != NoChannel {
		return ErrChannel
	}
	if len(e.IdempotencyKey) > 200 {
		return ErrIdempotency
	}
	return e.Evidence.check()
}

func (e Enrolment) checkLevel(a Accounts, now time.Time) error {
	if e.Kind != Citizen && e.Kind != Foreigner {
		return ErrProfile
	}
	if !e.account() {
		if e.Level != 0 || !e.Representative.IsZero() {
			return ErrLevel
		}
		return nil
	}
	allowed, err := a.Allowed(e.accountKind(), e.BirthDate, now, e.Level)
	switch {
	case err != nil:
		return err
	case allowed.Representative != !e.Representative.IsZero():
		return ErrRepresentative
	case !allowed.Representative:
		return nil
	}
	return e.Representative.check()
}

// columns are what makes two enrolments under one key the same. They are kept as a MAC: a plain digest of a form would give away
// what it was made of to whoever tries all numbers.
func (e Enrolment) columns() *seal.Columns {
	c := new(seal.Columns).Text(e.Number.Reveal()).Text(string(e.Kind)).Text(e.Name.Reveal()).Text(e.BirthDate.Reveal()).Text(string(e.Sex)).
		Int(int64(e.Level)).Text(string(e.PreferredChannel)).Text(string(e.Evidence.Basis)).Text(e.Evidence.Reference).
		Text(string(e.Pending.kind)).Texts(e.Pending.reveal()).Bool(e.Ward).UUID(e.Representative.Vault.Bytes()).Text(string(e.Representative.Right)).
		Int(int64(len(e.Contacts)))
	for _, k := range e.Contacts {
		c.Text(string(k.Channel)).Text(k.Address.Reveal()).Bool(k.Shared).Text(string(k.Verified)).Time(k.VerifiedAt)
	}
	return c
}

// Enrolled is the outcome of an enrolment.
type Enrolled struct {
	Vault identity.VaultID
	// CodeSent says that an activation code is on its way by the preferred channel; without a contact there is nothing to send it to.
	CodeSent bool
	// Again says that this enrolment had been carried out before, under the same key.
	Again bool
}
