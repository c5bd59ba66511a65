package identity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vidan/identity"
)

func number(t testing.TB, s string) identity.PersonalNumber {
	t.Helper()
	n, err := identity.ParsePersonalNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func date(t testing.TB, s string) identity.PartialDate {
	t.Helper()
	d, err := identity.ParsePartialDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func name(t testing.TB, s string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func notice(t testing.TB, s string) identity.BirthNotice {
	t.Helper()
	b, err := identity.ParseBirthNotice(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// person has a personal value in every position that a printer walks into: exported, unexported, behind a pointer, in
// a slice, as a key of a map.
type person struct {
	Number  identity.PersonalNumber
	Notice  identity.BirthNotice
	Name    identity.Name
	Born    identity.PartialDate
	Phone   identity.Private
	Behind  *identity.PersonalNumber
	List    []identity.Name
	ByName  map[identity.Name]identity.PersonalNumber
	number  identity.PersonalNumber
	notice  identity.BirthNotice
	name    identity.Name
	born    identity.PartialDate
	phone   identity.Private
	numbers []identity.PersonalNumber
}

func newborn(t testing.TB) person {
	t.Helper()
	p := person{
		Number: number(t, "099326000004"), Notice: notice(t, "99999.GCS.00001.26"), Name: name(t, "TRẦN MINH AN"),
		Born: date(t, "2026-09-28"), Phone: identity.NewPrivate("0900000004"),
	}
	p.number, p.notice, p.name, p.born, p.phone = p.Number, p.Notice, p.Name, p.Born, p.Phone
	p.Behind, p.List, p.numbers = &p.Number, []identity.Name{p.Name}, []identity.PersonalNumber{p.Number}
	p.ByName = map[identity.Name]identity.PersonalNumber{p.Name: p.Number}
	return p
}

// TestS5_PersonalValuesPrintMasked holds every printer of the standard library to I1, whatever the verb.
func TestS5_PersonalValuesPrintMasked(t *testing.T) {
	t.Parallel()
	p := newborn(t)
	secrets := []string{"099326000004", "GCS", "TRẦN", "MINH", "0900000004", "2026-09-28", "{2026 9 28}", "2026, month"}
	check := func(how, printed string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(printed, secret) {
				t.Errorf("%s shows %q", how, secret)
			}
		}
	}
	entry, err := identity.ParseRegistration("ubnd-gia-loc", "01/GCS", "0900000004")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"register entry": entry, "number": p.Number, "notice": p.Notice, "name": p.Name, "date": p.Born, "phone": p.Phone, "struct": p, "pointer": &p,
	}
	for what, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%o", "%b", "%c", "%e", "%T", "%p"} {
			check(what+" "+verb, fmt.Sprintf(verb, v))
		}
		check(what+" in an error", fmt.Errorf("read %v", v).Error())
		for handler, h := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			slog.New(h(&out)).With("with", v).Info("event", "value", v, slog.Group("g", "inner", v))
			check(what+" in slog "+handler, out.String())
		}
		out, err := json.Marshal(map[string]any{"v": v})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		check(what+" in JSON", string(out))
	}
	if got := fmt.Sprintf("%s %v %d", p.Number, p.Name, p.Born); got != "[masked] [masked] [masked]" {
		t.Errorf("printed %q", got)
	}
}

// TestMaskedValuesAreValues: equal texts are ==, so that they can be map keys, and the zero value stays "not known".
func TestMaskedValuesAreValues(t *testing.T) {
	t.Parallel()
	if number(t, "099326000004") != number(t, "099326000004") || number(t, "099326000004") == number(t, "099226000008") {
		t.Error("equal numbers must be ==, others not")
	}
	if date(t, "1944") == date(t, "1944-01") {
		t.Error("a year is not its January")
	}
	var n identity.PersonalNumber
	var b identity.BirthNotice
	var d identity.PartialDate
	var who identity.Name
	var p identity.Private
	for what, zero := range map[string]bool{
		"number": n.IsZero() && n.Reveal() == "", "notice": b.IsZero() && b.Reveal() == "", "date": d.IsZero() && d.Reveal() == "",
		"name": who.IsZero() && who.Reveal() == "", "private": p.IsZero() && p.Reveal() == "", "empty private": identity.NewPrivate("") == p,
	} {
		if !zero {
			t.Errorf("the zero %s is not zero", what)
		}
	}
}

func BenchmarkParsePersonalNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := identity.ParsePersonalNumber("099326000004"); err != nil {
			b.Fatal(err)
		}
	}
}
