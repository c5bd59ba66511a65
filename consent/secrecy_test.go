package consent_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vidan/consent"
	"vidan/internal/pg"
)

// TestS5_NothingPersonalIsPrinted: no error, reference or view of this package shows a name or a number by being printed, and neither does
// anything that lies in the database in clear.
func TestS5_NothingPersonalIsPrinted(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	request, child, hers := h.granted(f, "")
	must(h.redeem(request, reading{}))(t)
	if _, err := h.Withdraw(t.Context(), pg.All(), h.me(f.mother), hers.Grant.ID); !errors.Is(err, consent.ErrState) {
		t.Errorf("withdrawn after its only use: %v", err)
	}
	var printed []string
	say := func(v ...any) {
		for _, v := range v {
			printed = append(printed, fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v))
		}
	}
	people := must(h.People(t.Context(), pg.All(), f.mother, app))(t)
	view := must(h.View(t.Context(), pg.All(), h.acting(f.mother), request))(t)
	relations := must(h.Relations(t.Context(), pg.All(), f.child))(t)
	say(people, view, relations, child, h.enrolmentRequest(f, ""), h.proposal(f.child, consent.Mother, "dan", f.mother), must(h.PlanOf(t.Context(), h.pool, request))(t))
	for _, try := range []func() error{
		func() error {
			_, _, err := h.Create(t.Context(), shut{code: "mandate_missing"}, h.enrolmentRequest(f, "x"))
			return err
		},
		func() error {
			r := h.enrolmentRequest(f, "y")
			r.Fields = []string{h.of("khang").FullName, h.of("khang").PersonalNumber}
			_, _, err := h.Create(t.Context(), pg.All(), r)
			return err
		},
		func() error {
			_, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), consent.Decision{Request: request, Allow: true, Fields: []string{h.of("khang").FullName}, Language: "vi"}, nil)
			return err
		},
		func() error { _, err := h.redeem(request, reading{}); return err },
	} {
		err := try()
		if err == nil {
			t.Error("nothing was refused")
		}
		say(err)
	}
	for _, table := range []string{
		"relations", "relation_facts", "relation_waits", "consent_requests", "request_parties", "grants", "grant_events", "disclosures", "idempotency",
		"access_log", "outbox", "messages",
	} {
		var dump *string
		if err := h.db.Owner(t).QueryRow(t.Context(), `select string_agg(x::text, ' ') from `+table+` x`).Scan(&dump); err != nil {
			t.Fatal(err)
		}
		if dump != nil {
			printed = append(printed, *dump)
		}
	}
	for _, id := range []string{"khang", "dan", "giai"} {
		p := h.of(id)
		for _, text := range printed {
			for _, word := range []string{p.FullName, p.PersonalNumber, p.BirthDate, "PHẠM VĂN GIẢ"} {
				if strings.Contains(text, word) {
					t.Errorf("%q is printed: %.200s", word, text)
				}
			}
		}
	}
}
