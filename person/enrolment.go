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
	// ErrLevel reports a level that the law does not give this person.
	ErrLevel = errors.New("person: not a level for this person")
	// ErrChannel reports a preferred channel for which there is no contact.
	ErrChannel = errors.New("person: no contact on this channel")
	// ErrIdempotency reports an idempotency key that was used for another enrolment.
	ErrIdempotency = errors.New("person: the idempotency key stands for another enrolment")
)

// ageOfLevelTwo: from six years level 1, and level 2 on request; below, level 1 on request (Decree 69/2024 Art. 7 as amended by 320/2026).
const ageOfLevelTwo = 6

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
	// Pending names a person whose number is pending by their birth notice or register entry: the number is bound into their vault.
	Pending Identifier
	// IdempotencyKey makes the enrolment one, however often it is sent: 1–200 characters, or empty.
	IdempotencyKey string
}

// account says whether there will be something to sign in to.
func (e Enrolment) account() bool { return e.Level > 0 || e.Kind == Foreigner }

// channel returns the contact that the preferred channel means; none for Counter and NoChannel.
func (e Enrolment) channel() (int, bool) {
	i := slices.IndexFunc(e.Contacts, func(c Contact) bool { return c.Channel == e.PreferredChannel })
	return i, i >= 0
}

func (e Enrolment) check(now time.Time) error {
	if e.Number.IsZero() || e.Name.IsZero() || e.BirthDate.IsZero() || e.Sex != identity.Male && e.Sex != identity.Female {
		return ErrProfile
	}
	if err := e.checkLevel(now); err != nil {
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

func (e Enrolment) checkLevel(now time.Time) error {
	switch e.Kind {
	case Citizen:
		if e.Level < 0 || e.Level > 2 || e.Level == 2 && e.BirthDate.ReachesAge(ageOfLevelTwo).After(now) {
			return ErrLevel
		}
	case Foreigner:
		if e.Level != 0 {
			return ErrLevel
		}
	default:
		return ErrProfile
	}
	return nil
}

// columns are what makes two enrolments under one key the same. They are kept as a MAC: a plain digest of a form would give away
// what it was made of to whoever tries all numbers.
func (e Enrolment) columns() *seal.Columns {
	c := new(seal.Columns).Text(e.Number.Reveal()).Text(string(e.Kind)).Text(e.Name.Reveal()).Text(e.BirthDate.Reveal()).Text(string(e.Sex)).
		Int(int64(e.Level)).Text(string(e.PreferredChannel)).Text(string(e.Evidence.Basis)).Text(e.Evidence.Reference).
		Text(string(e.Pending.kind)).Texts(e.Pending.reveal()).Int(int64(len(e.Contacts)))
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
