package person_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vidan/delivery"
	"vidan/identity"
	"vidan/person"
)

func phone(t testing.TB, s string) person.NewContact {
	t.Helper()
	return person.NewContact{Channel: delivery.SMS, Address: must(person.ParseAddress(delivery.SMS, s))(t)}
}

func (o *office) contact(vault identity.VaultID, address string) person.Contact {
	o.t.Helper()
	for _, c := range must(o.Contacts(o.t.Context(), o.db.Pool, o.keys(vault)))(o.t) {
		if strings.HasSuffix(c.Address.Reveal(), address) {
			return c
		}
	}
	return person.Contact{}
}

// TestContactsChange: a new one counts when its code came back; the old ones and the new one are told; ended ones take nothing.
func TestContactsChange(t *testing.T) {
	t.Parallel()
	o := setup(t)
	ctx, du := t.Context(), o.enrol(o.du())
	added := must(o.AddContact(ctx, open{}, self(du), du, phone(t, "0900000033")))(t)
	if again := must(o.AddContact(ctx, open{}, self(du), du, phone(t, "0900 000 033")))(t); again.ID != added.ID {
		t.Error("added again it is another contact")
	}
	o.work()
	if n := len(o.texts(delivery.ContactCode)); n != 1 || len(o.texts(delivery.ContactChanged)) != 0 {
		t.Errorf("%d codes", n)
	}
	code := o.codeIn(delivery.ContactCode)
	if err := o.ConfirmContact(ctx, open{}, self(du), du, added.ID, o.wrong(code), false); !errors.Is(err, person.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := o.CheckActivation(ctx, byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("the code of a contact opened an account: %v", err)
	}
	must(0, o.ConfirmContact(ctx, open{}, self(du), du, added.ID, code, true))(t)
	must(0, o.ConfirmContact(ctx, open{}, self(du), du, added.ID, code, true))(t)
	o.work()
	if texts := o.texts(delivery.ContactChanged); len(texts) != 3 {
		t.Errorf("%d contacts were told", len(texts))
	}
	if c := o.contact(du, "900000033"); c.State != person.ContactActive || c.Verified != person.VerifiedByCode {
		t.Errorf("%s %s", c.State, c.Verified)
	}
	old := o.contact(du, "900000003")
	must(0, o.EndContact(ctx, open{}, self(du), du, old.ID))(t)
	must(0, o.EndContact(ctx, open{}, self(du), du, old.ID))(t)
	o.work()
	if texts := o.texts(delivery.ContactChanged); len(texts) != 6 || !slices.ContainsFunc(texts, func(m delivery.SandboxMessage) bool { return m.Address == old.Address.Reveal() }) {
		t.Errorf("%d were told, the old one among them?", len(texts))
	}
	if err := o.EndContact(ctx, open{}, self(du), du, identity.NewID[identity.ObjectID]()); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("a contact that is not there: %v", err)
	}
	thi := o.enrol(o.thi())
	if err := o.EndContact(ctx, open{}, self(thi), thi, added.ID); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("another's contact: %v", err)
	}
	list, preferred, err := o.MyContacts(ctx, open{}, o.keys(du))
	if err != nil || len(list) != 2 || preferred != delivery.SMS {
		t.Errorf("%d contacts, %s, %v", len(list), preferred, err)
	}
	for _, bad := range []person.NewContact{
		{Channel: delivery.Post, Address: must(person.ParseAddress(delivery.Post, "thôn Giả Định, xã Gia Lộc"))(t)},
		{Channel: delivery.SMS, Address: identity.NewPrivate("0900000033")}, {Channel: delivery.SMS},
		{Channel: delivery.SMS, Address: phone(t, "0900000034").Address, Shared: true},
	} {
		if _, err := o.AddContact(ctx, open{}, self(du), du, bad); !errors.Is(err, person.ErrContact) {
			t.Errorf("%s: %v", bad.Channel, err)
		}
	}
}

// TestContactCodesHaveFiveTries, and one who is shut out tries nothing at the cost of the person.
func TestContactCodesHaveFiveTries(t *testing.T) {
	t.Parallel()
	o := setup(t)
	ctx, du := t.Context(), o.enrol(o.du())
	added := must(o.AddContact(ctx, open{}, self(du), du, phone(t, "0900000033")))(t)
	o.work()
	code := o.codeIn(delivery.ContactCode)
	for range 10 {
		if err := o.ConfirmContact(ctx, shut{code: "token_revoked"}, self(du), du, added.ID, o.wrong(code), false); err == nil {
			t.Error("a shut guard let it pass")
		}
	}
	together(100, func(int) error { return o.ConfirmContact(ctx, open{}, self(du), du, added.ID, o.wrong(code), false) })
	if err := o.ConfirmContact(ctx, open{}, self(du), du, added.ID, code, false); !errors.Is(err, person.ErrCode) {
		t.Errorf("a sixth try: %v", err)
	}
	o.advance(11 * time.Minute)
	fresh := must(o.AddContact(ctx, open{}, self(du), du, phone(t, "0900000033")))(t)
	o.work()
	must(0, o.ConfirmContact(ctx, open{}, self(du), du, fresh.ID, o.codeIn(delivery.ContactCode), false))(t)
}

// TestContactsAreBounded: nobody uses the account to write to strangers.
func TestContactsAreBounded(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	var refused error
	for _, n := range []string{"41", "42", "43", "44", "45", "46"} {
		_, refused = o.AddContact(t.Context(), open{}, self(du), du, phone(t, "09000000"+n))
	}
	if !errors.Is(refused, person.ErrTooManyContacts) {
		t.Errorf("a sixth in one day: %v", refused)
	}
}

// TestN11_YoungContactsGetNoCodes: a code of a recovery goes to one that is seven days old, whatever is preferred.
func TestN11_YoungContactsGetNoCodes(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	e.Level = 1
	du := o.enrol(e)
	o.credential(du)
	o.advance(8 * 24 * time.Hour)
	added := must(o.AddContact(t.Context(), open{}, self(du), du, person.NewContact{
		Channel: delivery.Email, Address: must(person.ParseAddress(delivery.Email, "du@example.vn"))(t),
	}))(t)
	o.work()
	must(0, o.ConfirmContact(t.Context(), open{}, self(du), du, added.ID, o.codeIn(delivery.ContactCode), true))(t)
	o.agreed(du, second, func() (person.Approval, error) {
		return o.Recover(t.Context(), open{}, first(t), du, evidence(person.IdentityCard))
	})
	o.work()
	if texts := o.texts(delivery.RecoveryCode); len(texts) != 1 || texts[0].Channel != "sms" {
		t.Errorf("the code went elsewhere: %d", len(texts))
	}
}

// TestN11_SharedContactsGetNoCodes, not even at the enrolment.
func TestN11_SharedContactsGetNoCodes(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	e.Contacts[0].Shared = true
	if done := must(o.Enrol(t.Context(), open{}, registrar(t), e))(t); done.CodeSent {
		t.Error("a code went to a telephone of the household")
	}
}

// TestN2_ContactsAreBelieved: writing to the table makes no contact younger, older, shared or active.
func TestN2_ContactsAreBelieved(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	for undo, sql := range map[string]string{
		`update contacts set created_at = created_at + interval '30 days'`: `update contacts set created_at = created_at - interval '30 days'`,
		`update contacts set shared = not shared`:                          `update contacts set shared = not shared `,
		`update contacts set state = 'active'`:                             `update contacts set state = 'suspended'`,
	} {
		o.exec(sql)
		if _, err := o.Contacts(t.Context(), o.db.Pool, o.keys(du)); err == nil {
			t.Errorf("it was believed: %s", sql)
		}
		o.exec(undo)
		must(o.Contacts(t.Context(), o.db.Pool, o.keys(du)))(t)
	}
}
