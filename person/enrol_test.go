package person_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	done := must(o.Enrol(t.Context(), open{}, registrar(t), e))(t)
	if !done.CodeSent || done.Again {
		t.Errorf("%+v", done)
	}
	p := must(o.Profile(t.Context(), o.db.Pool, o.keys(done.Vault)))(t)
	if p.Name != e.Name || p.BirthDate != e.BirthDate || p.Sex != e.Sex || p.Number != e.Number || p.Level != 2 || p.Kind != person.Citizen || p.Life != person.Alive {
		t.Error("the profile is not the enrolment's")
	}
	contacts := must(o.Contacts(t.Context(), o.db.Pool, o.keys(done.Vault)))(t)
	if len(contacts) != 2 {
		t.Fatalf("%d contacts", len(contacts))
	}
	for _, c := range contacts {
		want := e.Contacts[0]
		if c.Channel == delivery.Post {
			want = e.Contacts[1]
		}
		if c.Address != want.Address || c.Shared != want.Shared || c.Verified != want.Verified || !c.VerifiedAt.Equal(want.VerifiedAt) || c.State != "active" || c.ID.IsZero() {
			t.Errorf("a contact on %s is not as it was given", c.Channel)
		}
	}
	o.counts(1, `select count(*) from messages where template = 'activation_code' and state = 'queued' and contact_id = (select contact_id from contacts where kind = 'sms')`)
	o.counts(1, `select count(*) from outbox where kind = 'message.send'`)
	// The one code opens the account with a passphrase, and registers its first device.
	o.counts(2, `select count(*) from activation_codes where expires_at = created_at + interval '7 days' and purpose in ('activate', 'device')`)
	o.counts(1, `select count(*) from people where preferred_channel = 'sms' and level = 2`)
	if diff := cmp.Diff([]string{"enrolled done identity_card"}, o.record(done.Vault)); diff != "" {
		t.Error(diff)
	}
}

// TestLevels is Decree 69/2024 Art. 7 as amended by 320/2026: level 2 from six years, foreigners without levels.
func TestLevels(t *testing.T) {
	t.Parallel()
	o := setup(t) // on 2026-11-22
	mother := person.Representative{Vault: o.enrol(o.du()), Right: person.ByMother, Proof: evidence(person.CivilRegister)}
	for i, c := range []struct {
		kind  person.Kind
		born  string
		level int
		want  error
		sent  bool
	}{
		{person.Citizen, "2020-11-22", 2, nil, true},
		{person.Citizen, "2020-11-23", 2, person.ErrLevel, false},
		{person.Citizen, "2020-11-23", 1, nil, true},
		{person.Citizen, "2020", 2, person.ErrLevel, false}, // may be the last day of that year
		{person.Citizen, "2019", 2, nil, true},
		{person.Citizen, "1993-11-08", 0, nil, false}, // papers are kept, nobody signs in
		{person.Citizen, "1993-11-08", 3, person.ErrLevel, false},
		{person.Citizen, "1993-11-08", -1, person.ErrLevel, false},
		{person.Foreigner, "1993-11-08", 0, nil, true},
		{person.Foreigner, "1993-11-08", 1, person.ErrLevel, false},
		{person.Pending, "2026-11-01", 0, person.ErrProfile, false},
		{"", "1993-11-08", 1, person.ErrProfile, false},
	} {
		e := o.du()
		e.Number = number(t, fmt.Sprintf("0991930009%02d", i))
		e.Kind, e.BirthDate, e.Level = c.kind, must(identity.ParsePartialDate(c.born))(t), c.level
		if e.BirthDate.Year() > 2012 {
			e.Representative = mother
		}
		done, err := o.Enrol(t.Context(), open{}, registrar(t), e)
		if !errors.Is(err, c.want) || done.CodeSent != c.sent {
			t.Errorf("%s born %s at level %d: %v, code sent: %v", c.kind, c.born, c.level, err, done.CodeSent)
		}
	}
}

func TestEnrolmentIsChecked(t *testing.T) {
	t.Parallel()
	o := setup(t)
	before := o.fingerprint()
	for name, c := range map[string]struct {
		want  error
		spoil func(*person.Enrolment)
	}{
		"no number":                 {person.ErrProfile, func(e *person.Enrolment) { e.Number = identity.PersonalNumber{} }},
		"no name":                   {person.ErrProfile, func(e *person.Enrolment) { e.Name = identity.Name{} }},
		"no date":                   {person.ErrProfile, func(e *person.Enrolment) { e.BirthDate = identity.PartialDate{} }},
		"no sex":                    {person.ErrProfile, func(e *person.Enrolment) { e.Sex = "" }},
		"a channel without":         {person.ErrChannel, func(e *person.Enrolment) { e.PreferredChannel = delivery.Email }},
		"no channel said":           {person.ErrChannel, func(e *person.Enrolment) { e.PreferredChannel = "" }},
		"a number as pending":       {person.ErrIdentifier, func(e *person.Enrolment) { e.Pending = byNumber(t, anNumber) }},
		"no evidence":               {person.ErrEvidence, func(e *person.Enrolment) { e.Evidence = person.Evidence{} }},
		"a long key":                {person.ErrIdempotency, func(e *person.Enrolment) { e.IdempotencyKey = string(make([]byte, 201)) }},
		"eleven contacts":           {person.ErrContact, func(e *person.Enrolment) { e.Contacts = make([]person.Contact, 11) }},
		"a raw address":             {person.ErrContact, func(e *person.Enrolment) { e.Contacts[0].Address = identity.NewPrivate("0900000003") }},
		"an unknown channel":        {person.ErrContact, func(e *person.Enrolment) { e.Contacts[0].Channel = "fax" }},
		"verified in the future":    {person.ErrContact, func(e *person.Enrolment) { e.Contacts[0].VerifiedAt = o.now().Add(time.Hour) }},
		"verified at no time":       {person.ErrContact, func(e *person.Enrolment) { e.Contacts[0].VerifiedAt = time.Time{} }},
		"not verified at a time":    {person.ErrContact, func(e *person.Enrolment) { e.Contacts[1].VerifiedAt = o.now() }},
		"verified nobody knows how": {person.ErrContact, func(e *person.Enrolment) { e.Contacts[0].Verified = "" }},
	} {
		e := o.du()
		c.spoil(&e)
		if _, err := o.Enrol(t.Context(), open{}, registrar(t), e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
}

// TestN1_EnrolledOnce: a hundred enrolments of one number at once open one account; the others are told, and it is recorded with whoever has it.
func TestN1_EnrolledOnce(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e, by := o.du(), registrar(t)
	errs := together(100, func(int) error {
		_, err := o.Enrol(context.Background(), open{}, by, e)
		return err
	})
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, person.ErrNumberTaken):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d enrolments won", won)
	}
	for _, table := range []string{"vaults", "people", "identifiers", "messages"} {
		o.counts(1, `select count(*) from `+table)
	}
	o.counts(1, `select count(*) from activation_codes where purpose = 'activate'`)
	du := must(o.find(byNumber(t, duNumber)))(t)[0].Vault
	if lines := o.record(du); len(lines) != 100 {
		t.Errorf("%d entries in the record", len(lines))
	}
}

// TestEnrolPending: enrolling a newborn by their notice keeps the vault that their papers are in.
func TestEnrolPending(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an, du := o.pending(anNotice), o.enrol(o.du())
	o.propose(an, number(t, anNumber), "bhxh")
	o.relate(an, "proposed")
	e := o.du()
	e.Number, e.Name, e.BirthDate, e.Level = number(t, anNumber), newborn(t, anNotice).Name, newborn(t, anNotice).BirthDate, 1
	e.Pending = byNotice(t, anNotice)
	e.Representative = person.Representative{Vault: du, Right: person.ByMother, Proof: evidence(person.CivilRegister)}
	try := func(change func(*person.Enrolment)) error {
		spoilt := e
		change(&spoilt)
		_, err := o.Enrol(t.Context(), open{}, registrar(t), spoilt)
		return err
	}
	before := o.fingerprint()
	if err := try(func(e *person.Enrolment) { e.Pending = byNotice(t, emNotice) }); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("an unknown notice: %v", err)
	}
	if err := try(func(e *person.Enrolment) { e.Number = number(t, duNumber) }); !errors.Is(err, person.ErrNumberTaken) {
		t.Errorf("the mother's number: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	done := must(o.Enrol(t.Context(), open{}, registrar(t), e))(t)
	if done.Vault != an || !done.CodeSent {
		t.Errorf("enrolled into %s, want %s", done.Vault, an)
	}
	o.leads(byNumber(t, anNumber), an)
	o.leads(byNotice(t, anNotice), an)
	o.leads(byNumber(t, duNumber), du)
	p := must(o.Profile(t.Context(), o.db.Pool, o.keys(an)))(t)
	if p.Kind != person.Citizen || p.Level != 1 || p.Number.Reveal() != anNumber || p.Notice.Reveal() != anNotice || p.Mother.Reveal() != duNumber {
		t.Error("the profile is not that of an enrolled newborn")
	}
	o.counts(1, `select count(*) from number_proposals where state = 'bound'`)
	o.counts(1, `select count(*) from outbox where kind = 'relation.decide' and vault_id = $1`, an)
	if err := try(func(*person.Enrolment) {}); !errors.Is(err, person.ErrEnrolled) {
		t.Errorf("enrolled twice: %v", err)
	}
	if diff := cmp.Diff([]string{
		"number_proposed done ", "enrolled refused number_taken", "enrolled done identity_card", "enrolled refused enrolled_already",
	}, o.record(an)); diff != "" {
		t.Error(diff)
	}
}

// TestEnrolBoundNewborn: a number bound first, and the account opened years later, are one vault; another number is not taken silently.
func TestEnrolBoundNewborn(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an := o.pending(anNotice)
	must(0, o.bind(an, number(t, anNumber)))(t)
	e := o.du()
	e.BirthDate, e.Level, e.Pending = newborn(t, anNotice).BirthDate, 1, byNotice(t, anNotice)
	e.Representative = person.Representative{Vault: o.enrol(o.thi()), Right: person.ByFather, Proof: evidence(person.CivilRegister)}
	if _, err := o.Enrol(t.Context(), open{}, registrar(t), e); !errors.Is(err, person.ErrOtherNumber) {
		t.Errorf("another number: %v", err)
	}
	e.Number = number(t, anNumber)
	if got := o.enrol(e); got != an {
		t.Errorf("enrolled into %s", got)
	}
	o.counts(1, `select count(*) from identifiers where kind = 'personal_number' and vault_id = $1`, an)
}

// meanwhile is a guard that lets something happen between what was looked up beforehand and the locks of the transaction.
type meanwhile struct {
	open
	once func()
}

func (g *meanwhile) Queue(*pgx.Batch) {
	if g.once != nil {
		g.once()
		g.once = nil
	}
}

// TestEnrolFollowsAJoin: the pending vault was joined into another after it was looked up and before it was locked.
func TestEnrolFollowsAJoin(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an, em := o.pending(anNotice), o.pending(emNotice)
	e := o.du()
	e.Pending = byNotice(t, anNotice)
	g := &meanwhile{once: func() { must(0, o.join(em, an))(t) }}
	if done := must(o.Enrol(t.Context(), g, registrar(t), e))(t); done.Vault != em {
		t.Errorf("enrolled into %s, want %s", done.Vault, em)
	}
	o.leads(byNumber(t, duNumber), em)
}

// TestBindMeetsAJoin: a vault that was joined after it was named takes no number.
func TestBindMeetsAJoin(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an, em := o.pending(anNotice), o.pending(emNotice)
	o.keys(an)
	g := &meanwhile{once: func() { must(0, o.join(em, an))(t) }}
	if err := o.Bind(t.Context(), g, registrar(t), an, number(t, anNumber), evidence(person.CivilRegister)); !errors.Is(err, person.ErrJoined) {
		t.Errorf("%v", err)
	}
	o.leads(byNumber(t, anNumber), identity.VaultID{})
}

// TestP3_EnrolmentUnderAKeyIsOne: the same enrolment under its key is answered from the first; another one under that key is refused.
func TestP3_EnrolmentUnderAKeyIsOne(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e, by := o.du(), registrar(t)
	e.IdempotencyKey = "8c7f2c1e"
	type answer struct {
		done person.Enrolled
		err  error
	}
	answers := together(50, func(int) answer {
		done, err := o.Enrol(context.Background(), open{}, by, e)
		return answer{done, err}
	})
	du := must(o.find(byNumber(t, duNumber)))(t)[0].Vault
	for _, a := range answers {
		if pg.Refused(a.err) != pg.CodeBusy && (a.err != nil || a.done.Vault != du || !a.done.CodeSent) {
			t.Errorf("%+v, %v", a.done, a.err)
		}
	}
	before := o.fingerprint()
	if again := must(o.Enrol(t.Context(), open{}, by, e))(t); !again.Again || again.Vault != du || !again.CodeSent {
		t.Errorf("%+v", again)
	}
	other := o.thi()
	other.IdempotencyKey = e.IdempotencyKey
	if _, err := o.Enrol(t.Context(), open{}, by, other); !errors.Is(err, person.ErrIdempotency) {
		t.Errorf("another enrolment under the key: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	by.Client = "another-client"
	if _, err := o.Enrol(t.Context(), open{}, by, other); err != nil {
		t.Errorf("the key of another client: %v", err)
	}
	if lines := o.record(du); len(lines) != 1 {
		t.Errorf("recorded %q", lines)
	}
}

// TestWithoutAContact: somebody who is served at a counter has an account that nothing was sent for.
func TestWithoutAContact(t *testing.T) {
	t.Parallel()
	o := setup(t)
	for i, channel := range []delivery.Channel{person.Counter, person.NoChannel} {
		e := []person.Enrolment{o.du(), o.thi()}[i]
		e.Contacts, e.PreferredChannel = nil, channel
		if done := must(o.Enrol(t.Context(), open{}, registrar(t), e))(t); done.CodeSent {
			t.Error("a code was sent to nobody")
		}
	}
	o.counts(0, `select count(*) from activation_codes`)
	o.counts(0, `select count(*) from messages`)
}
