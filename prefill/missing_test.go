package prefill_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/prefill"
	"vidan/wallet"
)

// has fails the test unless the fields are what is wanted: a reason, or JSON.
func has(t *testing.T, a prefill.Answer, want map[string]string) {
	t.Helper()
	got := said(a)
	for name, line := range want {
		if got[name] != line {
			t.Errorf("%s: %s, want %s", name, got[name], line)
		}
	}
}

// TestExpired: a paper past its last day in Viet Nam fills nothing and is named as why; its last day still counts.
func TestExpired(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("passport_khang")
	request := w.granted("passport_khang", terms{mode: consent.Until}) // his card: 2026-12-24
	last := time.Date(2026, 12, 24, 16, 59, 0, 0, time.UTC)
	w.advance(last.Sub(w.now()))
	has(t, must(w.fill(request, "1"))(t), map[string]string{"father_birth_date": `"1986-12-24"`})
	w.advance(time.Minute) // 2026-12-25 in Viet Nam
	answer := must(w.fill(request, "2"))(t)
	has(t, answer, map[string]string{"father_birth_date": "expired", "applicant_phone": "expired", "mother_birth_date": `"1988-04-02"`})
	has(t, must(w.fill(request, "2"))(t), said(answer))
}

// TestChanged: a paper that was revoked since fills nothing, with or without a document, pinned or not.
func TestChanged(t *testing.T) {
	t.Parallel()
	for _, mode := range []consent.Mode{consent.Once, consent.Until} {
		for name, document := range map[string]bool{"bare": false, "with its document": true} {
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				w.household("kindergarten_khang")
				request := w.granted("kindergarten_khang", terms{mode: mode})
				p := paper{who: "khang", what: "birth_certificate", number: 2, state: wallet.Revoked}
				if document {
					p.json = w.original("khang", "birth_certificate")
				}
				w.put(p)
				answer := must(w.fill(request, "1"))(t)
				has(t, answer, map[string]string{"child_full_name": "changed", "child_insurance_card": `"099221000012"`, "applicant_full_name": `"BÙI THỊ DẪN"`})
				has(t, must(w.fill(request, "1"))(t), said(answer))
			})
		}
	}
}

// TestNumberPending: papers name people by their number; while one is awaited that is what is said, and only of who granted.
func TestNumberPending(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang")
	request := w.granted("kindergarten_khang", terms{mode: consent.Until})
	w.exec(`delete from identifiers where vault_id = $1`, w.vault("khang"))
	has(t, must(w.on(w.pool).fill(request, "1"))(t), map[string]string{"child_full_name": "number_pending", "applicant_full_name": `"BÙI THỊ DẪN"`, "school_choice": "must_be_typed"})
}

// TestL2_NotProvided: of who did not agree, for whatever reason and whatever they hold, an agency learns one word; and one who is not asked is not named.
func TestL2_NotProvided(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("passport_khang")
	hers := []string{"mother_birth_date"}
	fields := append(slices.Clone(hers), "child_full_name", "child_birth_date")
	var answers []map[string]string
	fill := func(change func(request identity.RequestID)) {
		request := w.ask("passport_khang", terms{mode: consent.Until, fields: fields})
		w.allow("khang", request, nil)
		change(request)
		answer := must(w.fill(request, request.String()))(t)
		has(t, answer, map[string]string{"mother_birth_date": "not_provided", "child_full_name": `"NGÔ GIA KHANG"`, "applicant_full_name": "must_be_typed"})
		answers = append(answers, said(answer))
		w.advance(80 * time.Hour) // what nobody decided is over
	}
	fill(func(identity.RequestID) {})
	fill(func(request identity.RequestID) { w.deny("dan", request) })
	fill(func(request identity.RequestID) {
		w.exec(`delete from document_revisions where vault_id = $1`, w.vault("dan"))
		w.exec(`delete from documents where vault_id = $1`, w.vault("dan"))
	})
	fill(func(request identity.RequestID) {
		w.exec(`update people set blocked = true where vault_id = $1`, w.vault("dan"))
	})
	for _, a := range answers[1:] {
		if diff := cmp.Diff(answers[0], a); diff != "" {
			t.Error(diff)
		}
	}
}

// TestL2_Strangers: a dossier with somebody nobody knows is filled for the others, and refused as any other when nobody agreed: in as many round trips.
func TestL2_Strangers(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.household("kindergarten_khang") // without the father
	line := newWire()
	w := base.on(line.open(t, base.db))
	request := base.ask("passport_khang", terms{mode: consent.Until, fields: []string{"child_full_name", "father_birth_date"}})
	known := base.ask("kindergarten_khang", terms{mode: consent.Until, fields: []string{"child_full_name"}})
	measure := func(request identity.RequestID, want error) []string {
		t.Helper()
		for range 2 { // plan, keys and statements
			line.reset()
			if _, err := w.fill(request, request.String()); !errors.Is(err, want) {
				t.Error(err)
			}
		}
		return line.trips()
	}
	if a, b := len(measure(request, consent.ErrNotGranted)), len(measure(known, consent.ErrNotGranted)); a != b {
		t.Errorf("%d round trips with a stranger, %d without", a, b)
	}
	base.allow("khang", request, nil)
	base.allow("khang", known, nil)
	if a, b := len(measure(request, nil)), len(measure(known, nil)); a != b || a != 2 {
		t.Errorf("%d round trips with a stranger, %d without", a, b)
	}
	has(t, must(w.fill(request, "1"))(t), map[string]string{"child_full_name": `"NGÔ GIA KHANG"`, "father_birth_date": "not_provided"})
	base.counts(0, `select count(*) from access_log a where not exists (select 1 from vaults v where v.vault_id = a.vault_id)`)
}

// TestChoices: of papers that say different things the citizen chooses; the values are signed together.
func TestChoices(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang")
	w.put(paper{who: "dan", what: "citizen_identity_card", ref: "second", json: w.altered("dan", "citizen_identity_card", "mobile_phone", `"0900000099"`)})
	w.put(paper{who: "dan", what: "residence_registration", ref: "second", json: w.altered("dan", "residence_registration", "permanent_residence", `{ "text": "Ở nơi khác" }`)})
	answer := must(w.fill(w.granted("kindergarten_khang", terms{mode: consent.Once}), "1"))(t)
	w.verify(answer)
	for _, f := range answer.Fields {
		several := f.Name == "applicant_phone" || f.Name == "applicant_residence"
		if several != (len(f.Choices) == 2) || several == (f.Value != nil) || several == (f.Source != nil) {
			t.Errorf("%s: %d choices", f.Name, len(f.Choices))
		}
		for _, c := range f.Choices {
			if (c.Address != nil) != (f.Name == "applicant_residence") || w.source(&c.Source) == "" {
				t.Errorf("%s: a choice without its address or source", f.Name)
			}
		}
	}
}

// TestConflicts: papers that disagree are shown where both sides were allowed, and both are in the record.
func TestConflicts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("driving_licence_thi")
	licence := w.put(paper{who: "thi", what: "driving_licence", number: 2, state: wallet.Corrected, json: w.altered("thi", "driving_licence", "full_name", `"TRẦN VĂN THỊ"`)})
	fields := []string{"applicant_full_name", "applicant_phone"}
	for _, mode := range []consent.Mode{consent.Until} {
		request := w.ask("driving_licence_thi", terms{mode: mode, fields: fields})
		w.allow("thi", request, nil)
		for range 2 { // and repeated
			answer := must(w.fill(request, "1"))(t)
			if len(answer.Conflicts) != 1 || string(answer.Conflicts[0].Left.Value) != `"TRẦN VĂN THÍ"` || string(answer.Conflicts[0].Right.Value) != `"TRẦN VĂN THỊ"` {
				t.Fatalf("%d conflicts", len(answer.Conflicts))
			}
			if got := w.source(answer.Conflicts[0].Right.Source); got != "thi/driving_licence/full_name" {
				t.Error(got)
			}
		}
		record := w.record("thi")
		if last := record[len(record)-1]; !slices.Contains(last.Documents, licence) {
			t.Error("the paper that was compared is not in the record")
		}
	}
	w.advance(time.Hour)
	request := w.ask("driving_licence_thi", terms{mode: consent.Until, fields: fields})
	w.allow("thi", request, nil, "applicant_phone")
	if answer := must(w.fill(request, "2"))(t); len(answer.Conflicts) > 0 {
		t.Error("a conflict over what was not allowed")
	}
}

// TestRecord: every field that was filled is credited to everybody whose grant covers it, with the papers; and who granted nothing finds in their record that
// a paper of theirs was opened for a fact of somebody else.
func TestRecord(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("passport_khang")
	request := w.granted("passport_khang", terms{mode: consent.Until})
	answer := must(w.fill(request, "1"))(t)
	var credited []string
	for _, id := range w.dossier("passport_khang").people() {
		e := only(t, w.record(id))
		plan := must(w.ledger.PlanOf(t.Context(), w.pool, request))(t)
		for _, f := range e.Fields {
			if !slices.Contains(plan.FieldsOf(w.vault(id)), f) {
				t.Errorf("%s: %s is not theirs to allow", id, f)
			}
		}
		credited = append(credited, e.Fields...)
		if e.Grant.IsZero() || e.Disclosure.IsZero() || e.Actor.Officer.ID != "hieu-truong-1" || e.Actor.Client != client || len(e.Documents) == 0 || e.Basis == "" {
			t.Errorf("%s: the record leaves something out", id)
		}
		var documents []string
		for _, d := range e.Documents {
			documents = append(documents, w.papers[d])
		}
		slices.Sort(documents)
		want := map[string][]string{
			"khang": {"khang/birth_certificate", "khang/residence_registration"},
			"dan":   {"dan/citizen_identity_card"},
			"giai":  {"giai/citizen_identity_card"},
		}[id]
		if !cmp.Equal(want, slices.DeleteFunc(documents, func(s string) bool { return id != "khang" && s == "khang/birth_certificate" })) {
			t.Errorf("%s: %v", id, documents)
		}
	}
	slices.Sort(credited)
	for _, f := range answer.Fields {
		if _, ok := slices.BinarySearch(credited, f.Name); !ok {
			t.Errorf("%s was filled under nobody's grant", f.Name)
		}
	}
	if rows := len(slices.Compact(credited)); rows != len(answer.Fields) {
		t.Errorf("%d fields credited, %d filled", rows, len(answer.Fields))
	}
}

// only returns the one disclosure of a record.
func only(t *testing.T, record []audit.Read) audit.Read {
	t.Helper()
	record = slices.DeleteFunc(record, func(e audit.Read) bool { return e.Kind != audit.Disclosure })
	if len(record) != 1 {
		t.Fatalf("%d disclosures in the record", len(record))
	}
	return record[0]
}

// TestRecordOfTheHome: a mother's name is her own to allow, and stands in the certificate of her child, who then is not asked and granted nothing: that it was
// opened is in the child's record too.
func TestRecordOfTheHome(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("passport_khang")
	request := w.granted("passport_khang", terms{mode: consent.Until, fields: []string{"mother_full_name", "mother_birth_date"}})
	if w.asks(request, "khang") {
		t.Fatal("the child is asked")
	}
	for range 2 { // and repeated
		has(t, must(w.fill(request, "1"))(t), map[string]string{"mother_full_name": `"BÙI THỊ DẪN"`, "mother_birth_date": `"1988-04-02"`})
	}
	for _, e := range w.record("khang") {
		if e.Kind != audit.Disclosure || len(e.Documents) != 1 || w.papers[e.Documents[0]] != "khang/birth_certificate" || len(e.Fields) > 0 || !e.Grant.IsZero() || e.Disclosure.IsZero() {
			t.Errorf("%s: %d papers, %d fields", e.Kind, len(e.Documents), len(e.Fields))
		}
	}
	if rows := len(w.record("khang")); rows != 2 {
		t.Errorf("%d rows", rows)
	}
}

// TestPreview: the person sees what the agency would get for what they decide about, and nothing of anybody else's; in one recorded reading.
func TestPreview(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("passport_khang")
	request := w.ask("passport_khang", terms{mode: consent.Once})
	plan := must(w.ledger.PlanOf(t.Context(), w.pool, request))(t)
	seen := map[string]string{}
	for _, id := range []string{"khang", "dan", "giai"} {
		p := w.preview(id, request)
		var names []string
		for _, f := range p.Fields {
			names = append(names, f.Name)
			if f.Value != nil {
				seen[f.Name] = string(f.Value)
			}
			if (f.Value == nil) == (f.Missing == "") || f.Value != nil && f.Source == nil {
				t.Errorf("%s of %s: neither value nor reason, or both", f.Name, id)
			}
		}
		if diff := cmp.Diff(plan.FieldsOf(w.vault(id)), names); diff != "" {
			t.Error(id, diff)
		}
		for _, pin := range p.Pinned {
			if owner, _, _ := strings.Cut(w.papers[pin.Document], "/"); owner != id {
				t.Errorf("%s is shown a paper of %s", id, owner)
			}
		}
		w.allow(id, request, p.Pinned)
		record := w.record(id)
		if last := record[len(record)-1]; last.Kind != audit.RequestViewed || last.Organisation != school || !cmp.Equal(slices.Sorted(slices.Values(last.Fields)), slices.Sorted(slices.Values(names))) {
			t.Errorf("%s: the reading is not in the record", id)
		}
	}
	answer := said(must(w.fill(request, "1"))(t))
	for name, value := range seen {
		if answer[name] != value {
			t.Errorf("%s: the agency gets something else than was shown", name)
		}
	}
	who := w.acting("khang")
	view := must(w.ledger.View(t.Context(), pg.All(), who, w.ask("kindergarten_khang", terms{mode: consent.Once, fields: []string{"child_full_name"}})))(t)
	w.exec(`update relations set state = 'ended' where vault_id = $1`, w.vault("khang"))
	if _, err := w.Preview(t.Context(), pg.All(), who, view, audit.Actor{Vault: who.Actor}, ""); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a relation that is over: %v", err)
	}
	if _, err := w.Preview(t.Context(), pg.All(), must(w.ledger.Who(w.vault("giai"), app, consent.Me))(t), view, audit.Actor{Vault: w.vault("giai")}, ""); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a request that asks somebody else: %v", err)
	}
}
