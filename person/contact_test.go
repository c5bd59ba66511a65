package person_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vidan/delivery"
	"vidan/person"
	"vidan/seal"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		channel  delivery.Channel
		in, want string // an empty want: refused
	}{
		{delivery.SMS, "0900000003", "+84900000003"},
		{delivery.SMS, "0900 000 003", "+84900000003"},
		{delivery.SMS, "0900.000.003", "+84900000003"},
		{delivery.SMS, "(090) 0000-003", "+84900000003"},
		{delivery.SMS, "+84 900 000 003", "+84900000003"},
		{delivery.SMS, "02033812345", "+842033812345"},
		{delivery.SMS, "+4915112345678", "+4915112345678"},
		{delivery.SMS, "84900000003", ""},
		{delivery.SMS, "+840900000003", ""},
		{delivery.SMS, "0000000003", ""},
		{delivery.SMS, "090000000", ""},
		{delivery.SMS, "090000000333", ""},
		{delivery.SMS, "+0491511234567", ""},
		{delivery.SMS, "+1234567", ""},
		{delivery.SMS, "++84900000003", ""},
		{delivery.SMS, "０900000003", ""},
		{delivery.SMS, "+", ""},
		{delivery.SMS, "", ""},
		{delivery.Email, " Du@Example.VN ", "du@example.vn"},
		{delivery.Email, "nguyen.thi.du+vidan@mail.example.vn", "nguyen.thi.du+vidan@mail.example.vn"},
		{delivery.Email, "du@example", ""},
		{delivery.Email, "du@@example.vn", ""},
		{delivery.Email, "du@example.vn@x.vn", ""},
		{delivery.Email, ".du@example.vn", ""},
		{delivery.Email, "du.@example.vn", ""},
		{delivery.Email, "du@-example.vn", ""},
		{delivery.Email, "du@example-.vn", ""},
		{delivery.Email, "du@example..vn", ""},
		{delivery.Email, "dụ@example.vn", ""},
		{delivery.Email, "du@ví.vn", ""},
		{delivery.Email, "du du@example.vn", ""},
		{delivery.Email, "du\r\n@example.vn", ""},
		{delivery.Email, "@example.vn", ""},
		{delivery.Email, strings.Repeat("d", 65) + "@example.vn", ""},
		{delivery.Email, "du@" + strings.Repeat("d", 64) + ".vn", ""},
		{delivery.Email, "du@" + strings.Repeat("d.", 130) + "vn", ""},
		{delivery.Post, " thôn Giả Định, xã Gia Lộc ", "thôn Giả Định, xã Gia Lộc"},
		{delivery.Post, "thôn", "thôn"},
		{delivery.Post, "xã", ""},
		{delivery.Post, "hai\ndòng", ""},
		{delivery.Post, strings.Repeat("đ", 301), ""},
		{person.Counter, "0900000003", ""},
		{"", "0900000003", ""},
	} {
		got, err := person.ParseAddress(c.channel, c.in)
		if got.Reveal() != c.want || errors.Is(err, person.ErrContact) != (c.want == "") {
			t.Errorf("%s %q became %q, %v", c.channel, c.in, got.Reveal(), err)
		}
	}
}

// TestContactIsNobodyElses: a contact copied into another vault does not open there.
func TestContactIsNobodyElses(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.enrol(o.du())
	thi := o.enrol(o.thi())
	o.exec(`update contacts set sealed = (select sealed from contacts where vault_id <> $1 limit 1) where vault_id = $1`, thi)
	if contacts, err := o.Contacts(t.Context(), o.db.Pool, o.keys(thi)); !errors.Is(err, seal.ErrSealed) || contacts != nil {
		t.Errorf("%v", err)
	}
}

// TestHouseholdSharesAnAddress: two people may be reached at one telephone, and its digest is the same for both.
func TestHouseholdSharesAnAddress(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.enrol(o.du())
	o.enrol(o.thi())
	o.counts(1, `select count(distinct digest) from contacts where kind = 'sms'`)
	o.counts(2, `select count(distinct sealed) from contacts where kind = 'sms'`)
	o.counts(2, `select count(*) from contacts where kind = 'post' and shared`)
}

func FuzzParseAddress(f *testing.F) {
	for _, channel := range []string{"sms", "email", "post", "counter"} {
		for _, s := range []string{"0900 000 003", "+84900000003", "+4915112345678", "du@example.vn", "thôn Giả Định", "", "+", "@", "a@b.c"} {
			f.Add(channel, s)
		}
	}
	f.Fuzz(func(t *testing.T, channel, s string) {
		address, err := person.ParseAddress(delivery.Channel(channel), s)
		if err != nil {
			if !errors.Is(err, person.ErrContact) || err.Error() != person.ErrContact.Error() || !address.IsZero() {
				t.Fatal("a refusal says nothing but that it is one")
			}
			return
		}
		again, err := person.ParseAddress(delivery.Channel(channel), address.Reveal())
		if err != nil || again != address {
			t.Fatalf("%s %q became %q, which is no address", channel, s, address.Reveal())
		}
		if strings.ContainsAny(address.Reveal(), "\r\n\x00") {
			t.Fatalf("%q breaks a line", address.Reveal())
		}
		if shown := fmt.Sprintf("%v %+v", address, person.Contact{Address: address}); strings.Contains(shown, address.Reveal()) && len(address.Reveal()) > 8 {
			t.Fatal("an address was printed")
		}
	})
}
