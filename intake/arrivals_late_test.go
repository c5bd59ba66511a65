package intake_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vidan/audit"
	"vidan/auth"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/wallet"
)

// TestArrival_17_CardBeforeBinding: the card with the new number waits until the registrar binds it to the newborn.
func TestArrival_17_CardBeforeBinding(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.commune().accepted(w.newborn("an"))
	vault := w.byNotice(w.of("an").BirthNoticeNumber)
	card := w.card("an")
	compact := w.insurance().sign(card)
	first := must(w.insurance().send(compact))(t)
	w.drain()
	w.shows(vault, card, "")
	w.bind(vault, w.of("an").PersonalNumber)
	w.drain()
	w.shows(vault, card, "1 issued")
	w.repeats(first, must(w.insurance().send(compact))(t))
}

// TestArrival_18_NumberProposed: revision 2 with the number, before it is bound, goes where the paper is; the number is a proposal, held against
// what is known. So it is whether or not the notice stands beside it, and when revision 2 comes first (P4).
func TestArrival_18_NumberProposed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	an := w.of("an")
	both := map[string]any{"personal_number": an.PersonalNumber, "birth_notice_number": an.BirthNoticeNumber}
	w.commune().accepted(w.newborn("an"))
	second := w.birth("an").revision(2, intake.Corrected)
	w.commune().accepted(second) // by the number alone
	w.commune().accepted(second.revision(3, intake.Corrected).about(both))
	vault := w.byNotice(an.BirthNoticeNumber)
	w.shows(vault, second, "1 issued, 2 corrected, 3 corrected")
	if !w.byNumber(an.PersonalNumber).IsZero() {
		t.Error("a delivery bound a number")
	}
	_, proposals, err := w.people.Proposals(t.Context(), pg.All(), officer(), vault)
	ok(t, err)
	if len(proposals) != 1 || proposals[0].Number.Reveal() != an.PersonalNumber || proposals[0].Organisation != commune || proposals[0].State != "open" ||
		proposals[0].Checks.Notice != person.Agrees || proposals[0].Checks.Mother != person.Agrees || proposals[0].Checks.BirthDate != person.Agrees {
		t.Errorf("proposals %+v", proposals)
	}
	if got := w.recorded(vault); !slices.Contains(got, "number_proposed") {
		t.Errorf("the record says %q", got)
	}
	// The other way round: revision 2 waits under its number until revision 1 opens the vault, and then finds it by the paper.
	song := w.of("song")
	late := w.birth("song").revision(2, intake.Corrected)
	w.commune().accepted(late)
	w.commune().accepted(w.newborn("song"))
	w.drain()
	w.shows(w.byNotice(song.BirthNoticeNumber), late, "1 issued, 2 corrected")
	w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
}

// TestArrival_19_TwoPeople: identifiers that lead to two people are for the registrar to look at, however many deliveries say so at once.
func TestArrival_19_TwoPeople(t *testing.T) {
	t.Parallel()
	w := setup(t)
	khang := w.enrol("khang")
	w.commune().accepted(w.newborn("an"))
	an := w.byNotice(w.of("an").BirthNoticeNumber)
	p := w.birth("khang").about(map[string]any{"personal_number": w.of("khang").PersonalNumber, "birth_notice_number": w.of("an").BirthNoticeNumber}).
		says(map[string]any{"/birth_notice_number": nil})
	w.onceOfMany(w.commune(), p)
	answer := must(w.commune().deliver(p))(t)
	if answer.Status != intake.Quarantined || answer.Reason != intake.SubjectAmbiguous || answer.Holder != intake.Registrar || !answer.Deadline.After(w.now().Add(14*24*time.Hour)) {
		t.Errorf("answer %+v", answer.Claims)
	}
	w.counts(1, `select count(*) from quarantine where state = 'open' and holder = 'registrar'`)
	w.shows(khang, p, "")
	w.shows(an, p, "")
	for _, v := range []identity.VaultID{khang, an} {
		if got := w.recorded(v); slices.Contains(got, "result_quarantined subject_ambiguous") {
			t.Errorf("one of two is told of the other: %q", got)
		}
	}
	if got := w.events(commune); !slices.Equal(got, []string{"result.quarantined subject_ambiguous"}) {
		t.Errorf("events %q", got)
	}
	// A number nobody has, beside the notice of somebody who has another, is not theirs.
	w.bind(an, w.of("an").PersonalNumber)
	w.insurance().quarantined(w.card("an").about(map[string]any{
		"personal_number": w.of("song").PersonalNumber, "birth_notice_number": w.of("an").BirthNoticeNumber,
	}).says(map[string]any{"/personal_number": nil}), intake.SubjectAmbiguous)
	// And so it is when the document gives the number and the subject does not.
	w.insurance().quarantined(w.card("khang").about(byNotice(w.of("an").BirthNoticeNumber)), intake.SubjectAmbiguous)
}

// TestArrival_20_RevokedUnseen: a revocation may come first; then nothing older becomes current, and nobody gets authority by it (P4).
func TestArrival_20_RevokedUnseen(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("du", "thi", "an")
	p := w.birth("an")
	w.commune().accepted(p.revision(2, intake.Revoked).with(map[string]any{"document": nil}))
	w.shows(vault, p, "2 revoked")
	w.commune().accepted(p)
	w.drain()
	w.shows(vault, p, "1 issued, 2 revoked")
	w.counts(0, `select count(*) from relations`)
	w.counts(1, `select count(*) from documents where state = 'revoked' and current_revision = 2`)
	// Revoked after it had an effect, the paper takes its relations with it.
	q := p.again(map[string]any{"document_ref": "another"})
	w.commune().accepted(q)
	w.drain()
	w.counts(4, `select count(*) from relations where state = 'active'`) // both sides of both parents
	w.commune().accepted(q.revision(2, intake.Revoked))
	w.drain()
	w.counts(0, `select count(*) from relations where state = 'active'`)
}

// TestArrival_21_AnotherPerson: a correction that names somebody else changes nothing, whether that somebody is known or not, the first
// or the second person of the paper.
func TestArrival_21_AnotherPerson(t *testing.T) {
	t.Parallel()
	w := setup(t)
	an, khang := w.enrol("an"), w.enrol("khang")
	p := w.card("an")
	w.insurance().accepted(p)
	unknown := w.of("song").PersonalNumber
	for _, n := range []string{w.of("khang").PersonalNumber, unknown} {
		other := p.revision(2, intake.Corrected).about(byNumber(n)).says(map[string]any{"/personal_number": n})
		w.insurance().quarantined(other, intake.SubjectChanged)
	}
	w.shows(an, p, "1 issued")
	w.shows(khang, p, "")
	if got := w.recorded(an); !slices.Equal(got, []string{"result_quarantined subject_changed", "result_quarantined subject_changed", "result_stored"}) {
		t.Errorf("the record says %q", got)
	}
	// The correction came first and waited: the paper it is about says so when it comes (P4).
	early := w.card("khang").with(map[string]any{"document_ref": "early"})
	w.insurance().accepted(early.revision(2, intake.Corrected).about(byNumber(unknown)).says(map[string]any{"/personal_number": unknown}))
	w.insurance().accepted(early)
	w.drain()
	w.shows(khang, early, "1 issued")
	w.counts(1, `select count(*) from quarantine where reason = 'subject_changed' and revision = 2 and document_id = $1`, w.id(early))
	if got := w.events(insurance); !slices.Equal(got, []string{"result.quarantined subject_changed", "result.quarantined subject_changed"}) {
		t.Errorf("events %q tell that the third had waited", got)
	}

	chung, mau := w.enrol("chung"), w.enrol("mau")
	m := w.marriage()
	w.commune().accepted(m)
	w.commune().quarantined(m.revision(2, intake.Corrected).says(map[string]any{"/husband/personal_number": w.of("khang").PersonalNumber}), intake.SubjectChanged)
	w.drain()
	for _, v := range []identity.VaultID{chung, mau} {
		w.shows(v, m, "1 issued")
	}
	w.shows(khang, m, "")
}

// TestArrival_22_Marriage: a paper about two people lies sealed in the vault of each, in every revision, and the second copy is made once however
// often its task runs (P4).
func TestArrival_22_Marriage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	chung, mau := w.enrol("chung"), w.enrol("mau")
	m := w.marriage()
	w.commune().accepted(m)
	w.shows(chung, m, "1 issued")
	w.counts(1, `select count(*) from outbox where kind = 'copy.subject'`)
	w.drain()
	w.shows(mau, m, "1 issued")
	w.commune().accepted(m.revision(3, intake.Revoked))
	w.drain()
	w.commune().accepted(m.revision(2, intake.Corrected))
	w.drain()
	for _, v := range []identity.VaultID{chung, mau} {
		w.shows(v, m, "1 issued, 2 corrected, 3 revoked")
		if got := w.recorded(v); !slices.Equal(got, []string{"result_stored", "result_stored", "result_stored"}) {
			t.Errorf("the record says %q", got)
		}
	}
	wrong := w.commune().refused(m.revision(4, intake.Revoked).with(map[string]any{"document": nil}), "schema_invalid")
	if len(wrong.Faults) != 1 || wrong.Faults[0].Pointer != "/document" || wrong.Faults[0].Code != "names_two" {
		t.Errorf("faults %+v", wrong.Faults)
	}
}

// TestArrival_23_OneOfTwoUnknown: who is known has the paper at once, the other when they become known; it does not matter whose is
// the home (P4).
func TestArrival_23_OneOfTwoUnknown(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][2]string{"second unknown": {"chung", "mau"}, "first unknown": {"mau", "chung"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			known := w.enrol(order[0])
			m := w.marriage()
			w.commune().accepted(m)
			w.drain()
			w.shows(known, m, "1 issued")
			unknown := w.enrol(order[1])
			w.drain()
			w.shows(unknown, m, "1 issued")
			w.shows(known, m, "1 issued")
			w.counts(2, storings)
			w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
		})
	}
	t.Run("both unknown, the second first", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		m := w.marriage()
		w.commune().accepted(m)
		second := w.enrol("mau")
		w.drain()
		w.shows(second, m, "1 issued")
		first := w.enrol("chung")
		w.drain()
		w.shows(first, m, "1 issued")
		w.counts(2, storings)
	})
}

// TestArrival_24_OutsideTheMandate: whatever lies outside gets one answer and a refusal record, under the name of the organisation only if
// there is one.
func TestArrival_24_OutsideTheMandate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	w.organisation("xa-khac")
	units := w.agency("xa-khac", auth.Mandate{
		Units: []string{"mot-cua"}, DocumentTypes: []string{"health_insurance_card"}, Procedures: []string{"child_health_insurance_card"}, Rights: []auth.Right{auth.RightDeliver},
	})
	by := func(organisation, unit string) map[string]any {
		return map[string]any{"issued_by": map[string]any{"organisation": organisation, "unit": unit, "officer": "cb-002"}}
	}
	p := w.card("an")
	for name, try := range map[string]struct {
		from *agency
		p    payload
	}{
		"type":                 {w.insurance(), w.birth("an").with(by(insurance, "u"))},
		"procedure":            {w.police(), w.paper("an", "citizen_identity_card", "child_identity_card", commune)},
		"unit":                 {units, p.with(by("xa-khac", "another"))},
		"organisation":         {w.police(), p},
		"unknown organisation": {w.insurance(), p.with(by("nobody", "u"))},
	} {
		if _, err := try.from.deliver(try.p); !errors.Is(err, auth.ErrMandate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(units.deliver(p.with(by("xa-khac", "mot-cua"))))(t)
	w.counts(5, `select count(*) from refusals where status = 403 and code = 'mandate_missing' and faults = '[]'`)
	w.counts(1, `select count(*) from refusals where organisation_id is null`)
	w.counts(1, `select count(*) from receipts`)
	// The proof of a refused request is used up.
	call := must(w.police().call())(t)
	_, _ = w.police().w.Accept(t.Context(), call, w.police().sign(p))
	if _, err := w.police().w.Accept(t.Context(), call, w.police().sign(p)); !errors.Is(err, auth.ErrReplay) {
		t.Errorf("the same proof again: %v", err)
	}
}

// TestArrival_25_Ended: an ended mandate, client or key delivers nothing, with a token from before too, in this process and in another (S2).
func TestArrival_25_Ended(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	for name, end := range map[string]struct {
		organisation string
		do           func(g *agency) error
		want         []error
	}{
		"mandate": {insurance, func(g *agency) error { return w.directory.EndMandate(t.Context(), g.mandate) }, []error{auth.ErrMandate}},
		"client":  {police, func(g *agency) error { return w.directory.BlockClient(t.Context(), g.client.ID) }, []error{auth.ErrClientBlocked}},
		"key": {commune, func(g *agency) error {
			return w.directory.EndKey(t.Context(), g.client.ID, g.client.Key.JWK.KeyID, w.now())
		}, []error{auth.ErrTokenRevoked}},
	} {
		g := w.agencies[end.organisation]
		must(g.call())(t)
		ok(t, end.do(g))
		p := map[string]payload{
			insurance: w.card("an"), commune: w.birth("an"),
			police: w.paper("an", "residence_registration", "permanent_residence_registration", police),
		}[end.organisation]
		for _, process := range []*world{w, w.on(w.db.Pool)} {
			_, err := g.in(process).deliver(p)
			if !slices.ContainsFunc(end.want, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	w.counts(0, `select count(*) from receipts`)
	w.counts(0, `select count(*) from papers`)
}

// TestArrival_26_TwentyFaults: all of them at once, in the document and around it, each with place, title and rule, none with a value (R1, S5).
func TestArrival_26_TwentyFaults(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	p := w.birth("an").with(map[string]any{"revision": 0, "procedure": "no_such", "unheard_of": 1, "state": "destroyed"}).says(map[string]any{
		"/full_name": "", "/personal_number": "99", "/birth_date": "2026-02-30", "/sex": "unknown", "/ethnicity": nil, "/nationality": 7,
		"/place_of_birth": "somewhere", "/hometown": nil, "/mother/full_name": "", "/mother/personal_number": "09919300000A", "/mother/birth_year": "93",
		"/father/full_name": nil, "/father/birth_year": "x", "/birth_notice_number": "99999-1", "/registration/number": nil, "/nickname": "Bé",
	})
	wrong := w.commune().refused(p, "schema_invalid")
	if len(wrong.Faults) < 20 {
		t.Errorf("%d faults", len(wrong.Faults))
	}
	seen := map[string]bool{}
	for _, f := range wrong.Faults {
		if seen[f.Pointer+string(f.Code)] {
			t.Errorf("%s at %s is told twice", f.Code, f.Pointer)
		}
		seen[f.Pointer+string(f.Code)] = true
		if f.RuleVI == "" || f.RuleEN == "" || f.TitleVI == "" {
			t.Errorf("%s at %q has title %q, rule %q / %q", f.Code, f.Pointer, f.TitleVI, f.RuleVI, f.RuleEN)
		}
	}
	w.counts(len(wrong.Faults), `select jsonb_array_length(faults) from refusals where status = 422 and code = 'schema_invalid'`)
	w.counts(0, `select count(*) from receipts`)
}

// TestArrival_27_OddNumber: digits that disagree with date or sex are a warning, the same when the delivery is repeated.
func TestArrival_27_OddNumber(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an").says(map[string]any{"/sex": "male", "/birth_date": "1999-09-28"})
	first := w.insurance().accepted(p)
	want := []intake.Warning{
		{Pointer: "/subject/personal_number", Code: "number_sex"}, {Pointer: "/subject/personal_number", Code: "number_century"},
		{Pointer: "/subject/personal_number", Code: "number_year"},
	}
	if !slices.Equal(first.Warnings, want) || !slices.Equal(w.claims(first.Receipt).Warnings, want) {
		t.Errorf("warnings %v", first.Warnings)
	}
	w.repeats(first, must(w.insurance().deliver(p))(t))
	w.shows(vault, p, "1 issued")
	if got := w.insurance().accepted(p.again(map[string]any{"document_ref": "right", "document": w.card("an")["document"]})); len(got.Warnings) > 0 {
		t.Errorf("warnings %v of what agrees", got.Warnings)
	}
}

// TestArrival_28_Alias: whose vault was joined into another has the result there, the next revision of an older paper too; both read as
// one history (P4).
func TestArrival_28_Alias(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.newborn("an")
	w.commune().accepted(first)
	born := w.byNotice(w.of("an").BirthNoticeNumber)
	middle := w.enrol("an")
	join := func(main, alias identity.VaultID) {
		ok(t, w.people.Join(t.Context(), pg.All(), officer(), main, alias, evidence))
	}
	join(middle, born)
	w.commune().accepted(first.revision(2, intake.Corrected)) // by the notice
	w.commune().accepted(w.birth("an").revision(4, intake.Corrected))
	w.shows(middle, first, "1 issued, 2 corrected, 4 corrected")
	w.counts(2, `select count(*) from document_revisions where vault_id = $1`, middle)
	w.counts(1, `select count(*) from document_revisions where vault_id = $1`, born)
	// A vault joined twice over leads to the one that lives.
	p := w.newborn("song")
	w.commune().accepted(p)
	main := w.byNotice(w.of("song").BirthNoticeNumber)
	join(main, middle)
	w.commune().accepted(first.revision(3, intake.Corrected))
	w.shows(main, first, "1 issued, 2 corrected, 3 corrected, 4 corrected")
	w.commune().quarantined(first.again(map[string]any{"dossier_code": "other"}), intake.RevisionConflict) // held in the vault left behind
	w.drain()
}

// TestArrival_30_Lines: in one request a poisoned line stops nothing before or behind it, and the proof is used up once (P5).
func TestArrival_30_Lines(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	g := w.insurance()
	call := must(g.call())(t)
	good, better := w.card("an"), w.card("an").again(map[string]any{"document_ref": "second"})
	for i, line := range []struct {
		compact string
		want    func(error) bool
	}{
		{g.sign(good), func(err error) bool { return err == nil }},
		{"poison", func(err error) bool { return errors.Is(err, intake.ErrSignature) }},
		{g.sign(good.again(map[string]any{"document": []any{}})), func(err error) bool {
			var wrong *intake.Invalid
			return errors.As(err, &wrong)
		}},
		{g.sign(better), func(err error) bool { return err == nil }},
	} {
		call.First = i == 0
		if _, err := w.Accept(t.Context(), call, line.compact); !line.want(err) {
			t.Errorf("line %d: %v", i+1, err)
		}
	}
	w.shows(vault, good, "1 issued")
	w.shows(vault, better, "1 issued")
	w.counts(1, `select count(*) from refusals`)
	call.First = true
	if _, err := w.Accept(t.Context(), call, g.sign(good)); !errors.Is(err, auth.ErrReplay) {
		t.Errorf("the proof of the request works again: %v", err)
	}
}

// TestArrival_31_NoRecord: what cannot be recorded does not happen; the same bytes are taken once it can (P7).
func TestArrival_31_NoRecord(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(w *world) (*agency, payload, string){
		"store": func(w *world) (*agency, payload, string) {
			w.enrol("an")
			return w.insurance(), w.card("an"), "1 issued"
		},
		"store with relations": func(w *world) (*agency, payload, string) {
			w.enrol("an", "du", "thi")
			return w.commune(), w.birth("an"), "1 issued"
		},
		"quarantine": func(w *world) (*agency, payload, string) {
			w.enrol("an")
			p := w.card("an")
			w.insurance().accepted(p)
			return w.insurance(), p.again(map[string]any{"dossier_code": "other"}), "1 issued"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			g, p, want := arrange(w)
			before := w.count(`select count(*) from receipts`)
			w.exec(`revoke insert on access_log from vidan_serve`)
			if _, err := g.deliver(p); !errors.Is(err, audit.ErrRecord) {
				t.Errorf("without the record: %v", err)
			}
			w.counts(before, `select count(*) from receipts`)
			w.counts(before, `select count(*) from document_revisions`)
			w.counts(0, `select count(*) from quarantine`)
			w.exec(`grant insert on access_log to vidan_serve`)
			must(g.deliver(p))(t)
			w.shows(w.byNumber(w.of("an").PersonalNumber), p, want)
			w.counts(before+1, `select count(*) from receipts`)
		})
	}
}

// TestArrival_32_Resolved: a quarantined result that the registrar gives to somebody is stored as in row 1, and both the entry and the record say who
// decided.
func TestArrival_32_Resolved(t *testing.T) {
	t.Parallel()
	w := setup(t)
	khang := w.enrol("khang")
	w.commune().accepted(w.newborn("an"))
	p := w.birth("khang").about(map[string]any{"personal_number": w.of("khang").PersonalNumber, "birth_notice_number": w.of("an").BirthNoticeNumber}).
		says(map[string]any{"/birth_notice_number": nil})
	answer := w.commune().quarantined(p, intake.SubjectAmbiguous)
	page, next, err := w.Quarantine(t.Context(), pg.All(), intake.Registrar, nil, 10)
	ok(t, err)
	if len(page) != 1 || next != nil || page[0].ID.String() != answer.Quarantine || page[0].Reason != intake.SubjectAmbiguous || page[0].Overdue(w.now()) {
		t.Fatalf("the list %+v", page)
	}
	ok(t, w.Resolve(t.Context(), pg.All(), intake.Registrar, page[0].ID, officer(), intake.Resolution{Action: intake.Store, Vault: khang, Reason: "số chứng sinh nhập nhầm"}))
	w.shows(khang, p, "1 issued")
	if got := w.recorded(khang); !slices.Contains(got, "result_stored") || !slices.Contains(got, "result_resolved store") {
		t.Errorf("the record says %q", got)
	}
	w.counts(1, `select count(*) from quarantine where state = 'stored' and resolved_by = 'dinh-danh/officer-7' and sealed = ''`)
	w.counts(0, `select count(*) from quarantine where encode(resolution, 'escape') like '%chứng sinh%'`)
	if got := w.events(commune); !slices.Equal(got, []string{"result.quarantined subject_ambiguous", "quarantine.resolved stored"}) {
		t.Errorf("events %q", got)
	}
	w.repeats(answer, must(w.commune().deliver(p))(t))
	// From then on its revision is held as any other.
	w.commune().quarantined(p.again(map[string]any{"dossier_code": "other"}), intake.RevisionConflict)
	if _, err := w.wallet.Get(t.Context(), pg.All(), []identity.VaultID{khang}, w.id(p), 2, me(khang)); !errors.Is(err, wallet.ErrNotFound) {
		t.Error("a revision that nobody delivered")
	}
}
