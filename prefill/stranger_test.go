package prefill_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/prefill"
)

// askAbout makes a request for a passport of khang that names somebody as his father, by their number.
func (w *world) askAbout(father string, fields ...string) identity.RequestID {
	w.t.Helper()
	w.asked++
	r := consent.NewRequest{
		Organisation: school, Client: client, Officer: officer(), Procedure: "passport_child", Dossier: "HS-father", Fields: fields, Mode: consent.Until,
		Until: w.now().AddDate(0, 6, 0), Purpose: "enrolment", IdempotencyKey: fmt.Sprint("ask-", w.asked),
		Parties: []consent.Party{
			{Roles: []string{"child"}, Ref: consent.ByNumber(w.number("khang"))},
			{Roles: []string{"father"}, Ref: consent.ByNumber(w.number(father))},
		},
	}
	request, _, err := w.ledger.Create(w.t.Context(), pg.All(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return request
}

// shape is an answer without what differs between any two releases: values, reasons, which paper each value stands in, what contradicts.
func shape(a prefill.Answer) map[string]string {
	lines := said(a)
	for _, f := range a.Fields {
		lines[f.Name] += fmt.Sprint(" source ", f.Source != nil, " editable ", f.Editable)
	}
	lines["conflicts"] = fmt.Sprint(len(a.Conflicts))
	return lines
}

// TestL2_TheFatherNobodyKnows: with the child's grant alone an agency gets the father's name from the child's certificate, which is the child's fact too,
// and never his birth date; and it cannot tell from the answer, before or after, whether he is enrolled, holds a card, or was asked. Of somebody who does
// not stand in the certificate it gets nothing, enrolled or not.
func TestL2_TheFatherNobodyKnows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang") // mother and child
	fields := []string{"child_full_name", "father_full_name", "father_birth_date"}
	ask := func(father string) identity.RequestID {
		request := w.askAbout(father, fields...)
		w.allow("khang", request, nil)
		return request
	}
	answer := func(request identity.RequestID, key string) map[string]string {
		return shape(must(w.fill(request, key))(t))
	}

	his := ask("giai")
	unknown, again := answer(his, "unknown"), answer(his, "unknown again")
	has(t, must(w.fill(his, "values"))(t), map[string]string{
		"child_full_name": `"NGÔ GIA KHANG"`, "father_full_name": fmt.Sprintf("%q", w.of("giai").FullName), "father_birth_date": "not_provided",
	})
	others := ask("hoa")
	nobody := answer(others, "unknown, and not in the certificate")

	w.vault("giai") // enrolled now, with a card that says his name and birth date
	w.vault("hoa")
	later := answer(his, "enrolled since")
	enrolled := ask("giai")
	for name, got := range map[string]map[string]string{
		"again": again, "enrolled since": later, "enrolled before": answer(enrolled, "enrolled"), "repeated": answer(his, "unknown"),
	} {
		if diff := cmp.Diff(unknown, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, got := range map[string]map[string]string{
		"enrolled since": answer(others, "other, enrolled since"), "enrolled before": answer(ask("hoa"), "other, enrolled"),
	} {
		if diff := cmp.Diff(nobody, got); diff != "" {
			t.Errorf("somebody else, %s: %s", name, diff)
		}
	}
	if nobody["father_full_name"] == unknown["father_full_name"] || nobody["father_full_name"] != "no_document" {
		t.Errorf("of somebody who does not stand in the certificate: %s", nobody["father_full_name"])
	}
	w.deny("giai", enrolled)
	if diff := cmp.Diff(unknown, answer(enrolled, "refused")); diff != "" {
		t.Errorf("he refused: %s", diff)
	}
}

// TestL2_NumbersStaySealed: the number by which somebody was named stands in the request, and in clear nowhere.
func TestL2_NumbersStaySealed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang")
	request := w.askAbout("giai", "child_full_name", "father_full_name")
	plan := must(w.ledger.PlanOf(t.Context(), w.pool, request))(t)
	for _, who := range plan.People() {
		if n := plan.Number(who); n.IsZero() || fmt.Sprint(n) == n.Reveal() || fmt.Sprintf("%+v", plan) == "" {
			t.Error("the number is missing, or prints")
		}
	}
	if !plan.Number(identity.NewVaultID()).IsZero() {
		t.Error("a number of nobody")
	}
	number := w.number("giai").Reveal()
	for _, table := range []string{"consent_requests", "request_parties", "outbox", "idempotency", "access_log"} {
		w.counts(0, `select count(*) from `+table+` r where r::text like '%' || $1 || '%' or r::text like '%' || encode($1::bytea, 'hex') || '%'`, number)
	}
}
