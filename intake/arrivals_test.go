package intake_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vidan/auth"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/person"
)

// Every test here is a row of docs/RESULTS.md §6 and carries its number; rows 17 to 32 stand in the files behind this one.

const (
	revisionsOf = `select count(*) from document_revisions where document_id = $1`
	storings    = `select count(*) from access_log where kind = 'result_stored'`
)

// TestArrival_01_FirstDelivery: revision 1 is current; one receipt, one record (P7).
func TestArrival_01_FirstDelivery(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("du", "thi", "an")
	p := w.birth("an")
	answer := w.commune().accepted(p)
	w.shows(vault, p, "1 issued")
	w.counts(1, `select count(*) from receipts`)
	w.counts(0, `select count(*) from waiting_results`)
	if got := w.recorded(vault); !slices.Equal(got, []string{"relation_active father", "relation_active mother", "result_stored"}) {
		t.Errorf("the record says %q", got)
	}
	c := w.claims(answer.Receipt)
	if diff := cmp.Diff(answer.Claims, c); diff != "" {
		t.Errorf("the answer is not its receipt:\n%s", diff)
	}
	if c.Issuer != issuer || c.ResultID != p["result_id"] || c.Organisation != commune || c.DocumentRef != p["document_ref"] || c.Revision != 1 || c.Status != intake.Accepted {
		t.Errorf("the receipt is of another delivery: %+v", c)
	}
	id := w.id(p).Bytes()
	if raw := must(w.d.OpenRef(commune, "document", c.DocumentID))(t); !slices.Equal(raw, id[:]) {
		t.Error("the receipt names another paper")
	}
	w.drain()
	du := w.byNumber(w.of("du").PersonalNumber)
	if got := w.recorded(du); !slices.Equal(got, []string{"relation_active mother"}) {
		t.Errorf("the mother's record says %q", got)
	}
}

// TestArrival_02_Twice: the second answer is the first receipt, byte for byte; nothing is stored or recorded again (P3, P4).
func TestArrival_02_Twice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	compact := w.insurance().sign(p)
	first := must(w.insurance().send(compact))(t)
	w.advance(40 * 24 * time.Hour)
	second := must(w.insurance().send(compact))(t)
	w.repeats(first, second)
	w.shows(vault, p, "1 issued")
	w.counts(1, revisionsOf, w.id(p))
	w.counts(1, storings)
	w.counts(1, `select count(*) from receipts`)
	w.counts(0, `select count(*) from refusals`)
}

// repeats asserts that an answer is that of an earlier delivery.
func (w *world) repeats(first, second intake.Answer) {
	w.t.Helper()
	if !second.Repeated || second.Receipt != first.Receipt {
		w.t.Errorf("repeated %t, another receipt %t", second.Repeated, second.Receipt != first.Receipt)
	}
	if diff := cmp.Diff(first.Claims, second.Claims); diff != "" {
		w.t.Errorf("the second answer differs:\n%s", diff)
	}
}

// TestArrival_03_HundredAtOnce: one delivery sent a hundred times at once is stored once; everybody has the one receipt, or is told to
// repeat (P3, P4).
func TestArrival_03_HundredAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	w.onceOfMany(w.insurance(), p)
	w.shows(vault, p, "1 issued")
	w.counts(1, revisionsOf, w.id(p))
	w.counts(1, storings)
}

// onceOfMany sends one delivery a hundred times at once and asserts that it was taken once.
func (w *world) onceOfMany(g *agency, p payload) {
	w.t.Helper()
	must(g.call())(w.t) // the token is there
	compact := g.sign(p)
	type outcome struct {
		intake.Answer
		err error
	}
	taken, receipts := 0, map[string]bool{}
	for _, o := range together(100, func(int) outcome {
		answer, err := g.send(compact)
		return outcome{answer, err}
	}) {
		switch {
		case errors.Is(o.err, intake.ErrBusy), pg.Transient(o.err):
			continue
		case o.err != nil:
			w.t.Fatal(o.err)
		case !o.Repeated:
			taken++
		}
		receipts[o.Receipt] = true
	}
	if taken != 1 || len(receipts) != 1 {
		w.t.Errorf("taken %d times, with %d receipts", taken, len(receipts))
	}
	w.counts(1, `select count(*) from receipts where result_id = $1`, p["result_id"])
}

// TestArrival_04_SignedAgain: the same payload under another signature is the same delivery (P3).
func TestArrival_04_SignedAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	compact := w.insurance().sign(p)
	first := must(w.insurance().send(compact))(t)
	again := w.insurance().resign(compact)
	if again == compact {
		t.Fatal("the same signature")
	}
	w.repeats(first, must(w.insurance().send(again))(t))
	w.shows(vault, p, "1 issued")
}

// TestArrival_05_SecondBeforeFirst: the issuer's number orders revisions, not arrival; the history has both (P4).
func TestArrival_05_SecondBeforeFirst(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	w.insurance().accepted(p.revision(2, intake.Corrected))
	w.shows(vault, p, "2 corrected")
	w.insurance().accepted(p)
	w.shows(vault, p, "1 issued, 2 corrected")
}

// TestArrival_06_YearsLate: an old paper is brought in with its true date and without the run it came from; a revision that comes a year late
// stands in its place (P4).
func TestArrival_06_YearsLate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("thi")
	old := w.birth("thi").with(map[string]any{"origin": "backfill", "issued_at": "1990-05-20T08:00:00+07:00", "procedure": nil, "dossier_code": nil})
	w.commune().accepted(old.revision(2, intake.Corrected).with(map[string]any{"issued_at": "1991-02-01T08:00:00+07:00"}))
	w.advance(366 * 24 * time.Hour)
	w.commune().accepted(old)
	w.shows(vault, old, "1 issued, 2 corrected")
	first := must(w.wallet.Get(t.Context(), pg.All(), []identity.VaultID{vault}, w.id(old), 1, me(vault)))(t)
	if first.IssuedAt.Year() != 1990 || first.Origin != "backfill" || first.ReceivedAt.Year() != 2027 {
		t.Errorf("issued %s, origin %s, received %s", first.IssuedAt, first.Origin, first.ReceivedAt)
	}
	w.counts(0, `select count(*) from relations`) // nobody acts for a man of thirty-six
}

// TestArrival_07_OtherBytes: another delivery of the same revision with other bytes waits for its issuer's decision; the held one stays (P4, P5).
func TestArrival_07_OtherBytes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	w.insurance().accepted(p)
	other := p.again(nil).says(map[string]any{"/card_number": "099326000005"})
	answer := w.insurance().quarantined(other, intake.RevisionConflict)
	if answer.Holder != insurance {
		t.Errorf("the holder is %s", answer.Holder)
	}
	w.repeats(answer, must(w.insurance().deliver(other))(t))
	w.shows(vault, p, "1 issued")
	if got := w.recorded(vault); !slices.Equal(got, []string{"result_quarantined revision_conflict", "result_stored"}) {
		t.Errorf("the record says %q", got)
	}
	// So it is while the first still waits for its number.
	waits := w.card("khang")
	w.insurance().accepted(waits)
	w.insurance().quarantined(waits.again(map[string]any{"dossier_code": "H24.99-260930-0002"}), intake.RevisionConflict)
}

// TestArrival_08_ResultIDReused: a result_id names one delivery for ever; the same id with any other bytes is refused and recorded (P3).
func TestArrival_08_ResultIDReused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	w.insurance().accepted(p)
	waits := w.card("khang")
	w.insurance().accepted(waits)
	for name, reused := range map[string]payload{
		"another paper":    p.with(map[string]any{"document_ref": "another"}),
		"another revision": p.with(map[string]any{"revision": 2, "state": "corrected"}),
		"other bytes":      p.with(map[string]any{"dossier_code": "H24.99-260930-0002"}),
		"of one waiting":   waits.with(map[string]any{"revision": 2, "state": "corrected"}),
	} {
		if _, err := w.insurance().deliver(reused); !errors.Is(err, intake.ErrResultIDReused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.shows(vault, p, "1 issued")
	w.counts(2, `select count(*) from receipts`)
	w.counts(4, `select count(*) from refusals where status = 409 and code = 'result_id_reused' and organisation_id = $1`, insurance)
	// The id is the organisation's own: another one may use it too.
	w.police().accepted(w.paper("an", "residence_registration", "permanent_residence_registration", police).with(map[string]any{"result_id": p["result_id"]}))
}

// TestArrival_09_OtherNumberInDocument: the document names somebody else than the subject.
func TestArrival_09_OtherNumberInDocument(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an", "khang")
	khang := w.of("khang").PersonalNumber
	for pointer, p := range map[string]payload{
		"/document/personal_number":     w.birth("an").about(byNumber(khang)),
		"/document/birth_notice_number": w.newborn("an").about(byNotice("99999.GCS.00009.26")),
	} {
		wrong := w.commune().refused(p, "subject_mismatch")
		if len(wrong.Faults) != 1 || wrong.Faults[0].Pointer != pointer || wrong.Faults[0].TitleVI == "" || wrong.Faults[0].RuleVI == "" {
			t.Errorf("faults %+v", wrong.Faults)
		}
		w.counts(1, `select count(*) from refusals where status = 422 and code = 'subject_mismatch' and faults = $1`,
			`[{"code":"subject_mismatch","pointer":"`+pointer+`"}]`)
	}
	w.counts(0, `select count(*) from receipts`)
	w.counts(0, `select count(*) from papers`)
}

// TestArrival_10_UnknownNumber: accepted as any other, and nothing the deliverer ever gets says that it waits (R5).
func TestArrival_10_UnknownNumber(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	known, waits := w.insurance().accepted(w.card("an")), w.insurance().accepted(w.card("khang"))
	w.counts(1, `select count(*) from waiting_results where state = 'waiting'`)
	w.counts(1, `select count(*) from papers`)
	shape := func(a intake.Answer) map[string]int {
		var members map[string]any
		ok(t, json.Unmarshal(must(json.Marshal(w.claims(a.Receipt)))(t), &members))
		lengths := map[string]int{}
		for name, v := range members {
			if s, is := v.(string); is && name != "document_ref" {
				lengths[name] = len(s)
			} else {
				lengths[name] = 1
			}
		}
		return lengths
	}
	if a, b := shape(known), shape(waits); !maps.Equal(a, b) {
		t.Errorf("the receipts differ in form: %v and %v", a, b)
	}
	if got := w.events(insurance); len(got) > 0 {
		t.Errorf("events %q", got)
	}
	// A revocation of a paper nobody has seen, for a number nobody knows, waits too.
	w.insurance().accepted(w.card("khang").again(map[string]any{"document_ref": "never seen", "document": nil}).revision(3, intake.Revoked))
	w.counts(2, `select count(*) from waiting_results where state = 'waiting'`)
}

// TestArrival_11_BoundLater: what waits is applied by itself, as in row 1; the receipt stays what it was (P3, P4).
func TestArrival_11_BoundLater(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.birth("an")
	compact := w.commune().sign(p)
	first := must(w.commune().send(compact))(t)
	w.enrol("du", "thi")
	vault := w.enrol("an")
	w.shows(vault, p, "")
	w.drain()
	w.shows(vault, p, "1 issued")
	if got := w.recorded(vault); !slices.Equal(got, []string{"relation_active father", "relation_active mother", "result_stored"}) {
		t.Errorf("the record says %q", got)
	}
	w.counts(1, `select count(*) from waiting_results where state = 'applied' and sealed = ''`)
	w.repeats(first, must(w.commune().send(compact))(t))
	w.counts(1, storings)
}

// TestArrival_12_Newborn: a birth certificate by notice number opens a vault; sent a hundred times at once it opens one (P3).
func TestArrival_12_Newborn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("du", "thi")
	p := w.newborn("an")
	w.onceOfMany(w.commune(), p)
	vault := w.byNotice(w.of("an").BirthNoticeNumber)
	w.shows(vault, p, "1 issued")
	w.counts(1, `select count(*) from people where kind = 'pending'`)
	w.counts(3, `select count(*) from vaults`)
	w.drain()
	if got := w.recorded(vault); !slices.Equal(got, []string{"relation_proposed father", "relation_proposed mother", "result_stored"}) {
		t.Errorf("the record says %q", got)
	}
	profile, proposals, err := w.people.Proposals(t.Context(), pg.All(), officer(), vault)
	ok(t, err)
	if profile.Name.Reveal() != w.of("an").FullName || profile.Mother.Reveal() != w.of("du").PersonalNumber || len(proposals) != 0 {
		t.Error("the profile is not what the certificate says")
	}
	// The number is missing only where it is pending.
	wrong := w.commune().refused(w.birth("khang").says(map[string]any{"/personal_number": nil}), "schema_invalid")
	if len(wrong.Faults) != 1 || wrong.Faults[0].Pointer != "/document/personal_number" {
		t.Errorf("faults %+v", wrong.Faults)
	}
	// Without the right to open a vault the certificate waits.
	w.organisation("xa-khac")
	other := w.agency("xa-khac", auth.Mandate{
		Units: []string{auth.AllUnits}, DocumentTypes: []string{"birth_certificate"}, Procedures: []string{"birth_registration"}, Rights: []auth.Right{auth.RightDeliver},
	})
	other.accepted(w.newborn("song").with(map[string]any{"issued_by": map[string]any{"organisation": "xa-khac", "unit": "u", "officer": "o-1"}}))
	w.counts(1, `select count(*) from waiting_results where state = 'waiting'`)
	w.counts(3, `select count(*) from vaults`)
}

// TestArrival_13_Twins: another notice number is another person, whatever else agrees.
func TestArrival_13_Twins(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("hoa", "le")
	song := w.newborn("song")
	em := song.again(map[string]any{"document_ref": "em/birth_certificate"}).about(byNotice(w.of("em").BirthNoticeNumber)).
		says(map[string]any{"/birth_notice_number": w.of("em").BirthNoticeNumber})
	w.commune().accepted(song)
	w.commune().accepted(em)
	first, second := w.byNotice(w.of("song").BirthNoticeNumber), w.byNotice(w.of("em").BirthNoticeNumber)
	if first.IsZero() || second.IsZero() || first == second {
		t.Fatalf("vaults %s and %s", first, second)
	}
	w.shows(first, song, "1 issued")
	w.shows(first, em, "")
	w.shows(second, em, "1 issued")
	w.shows(second, song, "")
}

// TestArrival_14_RegisterEntryThenNotice: two names of one newborn, by the paper that both name: one vault (P4).
func TestArrival_14_RegisterEntryThenNotice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	entry := map[string]any{"registration": map[string]any{"organisation": commune, "book": "01/2026", "number": "12/2026"}}
	p := w.newborn("an").about(entry)
	w.commune().accepted(p)
	w.commune().accepted(p.revision(2, intake.Corrected).about(byNotice(w.of("an").BirthNoticeNumber)))
	w.counts(1, `select count(*) from vaults`)
	vault := w.byNotice(w.of("an").BirthNoticeNumber)
	w.shows(vault, p, "1 issued, 2 corrected")
	if id := must(person.RegistrationIdentifier(commune, "01/2026", "12/2026"))(t); w.vaultOf(id) != vault {
		t.Error("the two names lead to two people")
	}
}

// TestArrival_15_BySubjectRef: the next paper of the newborn names the person by the receipt of the first.
func TestArrival_15_BySubjectRef(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.commune().accepted(w.newborn("an"))
	vault := w.byNotice(w.of("an").BirthNoticeNumber)
	next := w.newborn("an").with(map[string]any{"document_ref": "copy"}).about(map[string]any{"subject_ref": first.SubjectRef})
	w.commune().accepted(next)
	w.shows(vault, next, "1 issued")
	w.counts(1, `select count(*) from vaults`)
	// The same by the receipt of a paper that still waits, and by the receipt of one that waits by such a reference itself.
	waits := w.commune().accepted(w.birth("khang"))
	second := w.birth("khang").again(map[string]any{"document_ref": "second"}).about(map[string]any{"subject_ref": waits.SubjectRef}).says(map[string]any{"/personal_number": nil})
	third := second.again(map[string]any{"document_ref": "third"}).about(map[string]any{"subject_ref": w.commune().accepted(second).SubjectRef})
	w.commune().accepted(third)
	w.counts(3, `select count(*) from waiting_results where state = 'waiting'`)
	khang := w.enrol("khang")
	w.drain()
	w.shows(khang, second, "1 issued")
	w.shows(khang, third, "1 issued")
}

// TestArrival_16_ForeignSubjectRef: another organisation's reference, one of another kind and a made-up one get one answer (S1).
func TestArrival_16_ForeignSubjectRef(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	foreign := w.commune().accepted(w.birth("an"))
	own := w.insurance().accepted(w.card("an"))
	id := identity.NewVaultID().Bytes()
	var answers []*intake.Invalid
	for _, ref := range []string{foreign.SubjectRef, foreign.DocumentID, own.DocumentID, w.d.Ref(insurance, "subject", id[:]), "made-up", uuid.NewString()} {
		p := w.card("an").again(map[string]any{"document_ref": "another"}).about(map[string]any{"subject_ref": ref})
		answers = append(answers, w.insurance().refused(p, "subject_ref_unknown"))
	}
	for _, a := range answers {
		if diff := cmp.Diff(answers[0], a); diff != "" {
			t.Errorf("the answers differ:\n%s", diff)
		}
	}
	w.counts(len(answers), `select count(*) from refusals where status = 422 and code = 'subject_ref_unknown'`)
	w.counts(2, `select count(*) from receipts`)
}
