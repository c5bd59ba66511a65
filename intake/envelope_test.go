package intake_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/intake"
)

// whole is a payload with every member, as text, so that tests can spoil it in ways that no encoder would.
const whole = `{"result_id":"0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d","document_ref":"KS-12/2026","revision":2,"state":"corrected",
"issued_at":"2026-10-01T09:30:00+07:00","origin":"backfill","document_type":"birth_certificate","procedure":"birth_registration",
"dossier_code":"H24.99-260930-0001","subject":{"personal_number":"099326000004","birth_notice_number":"99999.GCS.00001.26",
"registration":{"organisation":"xa-dai-son","book":"01/2026","number":"12/2026"},"subject_ref":"made-up"},
"issued_by":{"organisation":"xa-dai-son","unit":"mot-cua","officer":"cb-002"},"attachments":[],"document":{"any":"thing"}}`

func TestReadEnvelope(t *testing.T) {
	t.Parallel()
	e, faults := intake.ReadEnvelope([]byte(whole), beginning)
	if len(faults) > 0 {
		t.Fatalf("faults %+v", faults)
	}
	number, notice := must(identity.ParsePersonalNumber("099326000004"))(t), must(identity.ParseBirthNotice("99999.GCS.00001.26"))(t)
	entry := must(identity.ParseRegistration("xa-dai-son", "01/2026", "12/2026"))(t)
	if e.Subject.Number != number || e.Subject.Notice != notice || e.Subject.Registration != entry || e.Subject.Ref != "made-up" {
		t.Error("the subject is another")
	}
	e.Subject = intake.Subject{}
	want := intake.Envelope{
		ResultID: must(identity.Parse[identity.ObjectID]("0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d"))(t), DocumentRef: "KS-12/2026", Revision: 2,
		State: intake.Corrected, IssuedAt: time.Date(2026, 10, 1, 2, 30, 0, 0, time.UTC), Origin: intake.Backfill, DocumentType: "birth_certificate",
		Procedure: "birth_registration", Dossier: "H24.99-260930-0001", Organisation: "xa-dai-son", Unit: "mot-cua", Officer: "cb-002",
		Document: json.RawMessage(`{"any":"thing"}`),
	}
	if diff := cmp.Diff(want, e, cmp.Comparer(func(a, b identity.ObjectID) bool { return a == b }), cmp.Comparer(func(a, b intake.Subject) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestReadEnvelopeFaults: every rule of docs/RESULTS.md §1.1, broken alone, is one fault at its place.
func TestReadEnvelopeFaults(t *testing.T) {
	t.Parallel()
	nfd := "a\u0300"
	for _, row := range []struct{ old, new, pointer, code string }{
		{whole, "", "", "invalid_json"},
		{whole, "[]", "", "invalid_json"},
		{whole, whole + "{}", "", "invalid_json"},
		{whole, strings.TrimSuffix(whole, "}"), "", "invalid_json"},
		{whole, strings.Replace(whole, "KS-12", "\xff", 1), "", "invalid_json"},
		{whole, whole + strings.Repeat(" ", 256<<10), "", "too_large"},
		{`"attachments":[]`, `"attachments":[],"attachments":[]`, "", "duplicate_key"},
		{`"attachments":[]`, `"attachments":[],"attach\u006dents":[]`, "", "duplicate_key"},
		{`"attachments":[]`, `"attachments":[],"099326000004":1`, "", "unknown_field"},
		{`"attachments":[]`, `"attachments":null`, "/attachments", "type"},
		{`"attachments":[]`, `"attachments":{}`, "/attachments", "type"},
		{`"attachments":[]`, `"attachments":[1` + `]`, "/attachments", "attachments_not_accepted"},
		{`"result_id":"0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d",`, ``, "/result_id", "required"},
		{`"0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d"`, `"{0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d}"`, "/result_id", "format"},
		{`"0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d"`, `"00000000-0000-0000-0000-000000000000"`, "/result_id", "format"},
		{`"0198b7a2-5a5e-7c3e-9d6c-0d5f3a1b2c3d"`, `null`, "/result_id", "type"},
		{`"KS-12/2026"`, `""`, "/document_ref", "format"},
		{`"KS-12/2026"`, `" KS"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `"K\u0000S"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `"` + strings.Repeat("đ", 121) + `"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `"` + nfd + `"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `"a\u0300"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `"\u202eKS"`, "/document_ref", "format"},
		{`"KS-12/2026"`, `7`, "/document_ref", "type"},
		{`"revision":2`, `"revision":0`, "/revision", "range"},
		{`"revision":2`, `"revision":-1`, "/revision", "range"},
		{`"revision":2`, `"revision":2147483648`, "/revision", "range"},
		{`"revision":2`, `"revision":99999999999999999999`, "/revision", "range"},
		{`"revision":2`, `"revision":2.0`, "/revision", "type"},
		{`"revision":2`, `"revision":2e0`, "/revision", "type"},
		{`"revision":2`, `"revision":02`, "/revision", "type"},
		{`"revision":2`, `"revision":"2"`, "/revision", "type"},
		{`"revision":2,`, ``, "/revision", "required"},
		{`"corrected"`, `"Corrected"`, "/state", "enum"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01T9:30:00+07:00"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01T09:30:00,5+07:00"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01t09:30:00+07:00"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01T09:30:60Z"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-10-01T09:30:00+25:00"`, "/issued_at", "format"},
		{`"2026-10-01T09:30:00+07:00"`, `"1899-10-01T09:30:00+07:00"`, "/issued_at", "range"},
		{`"2026-10-01T09:30:00+07:00"`, `"2026-11-22T08:01:01Z"`, "/issued_at", "in_the_future"},
		{`"backfill"`, `"drawer"`, "/origin", "enum"},
		{`"origin":"backfill","document_type":"birth_certificate","procedure":"birth_registration"`, `"document_type":"birth_certificate"`, "/procedure", "required"},
		{`"backfill"`, `"procedure"`, "", ""},
		{`,"document":{"any":"thing"}`, ``, "/document", "required"},
		{`"mot-cua"`, `"một cửa"`, "/issued_by/unit", "format"},
		{`"cb-002"`, `"099326000004"`, "/issued_by/officer", "format"},
		{`"cb-002"`, `"PHẠM VĂN GIẢ"`, "/issued_by/officer", "format"},
		{`"officer":"cb-002"`, `"officer":"cb-002","name":"PHẠM VĂN GIẢ"`, "/issued_by", "unknown_field"},
		{`,"officer":"cb-002"`, ``, "/issued_by/officer", "required"},
		{`"099326000004"`, `"99326000004"`, "/subject/personal_number", "format"},
		{`"99999.GCS.00001.26"`, `"99999-GCS-00001-26"`, "/subject/birth_notice_number", "format"},
		{`"12/2026"}`, `"` + strings.Repeat("1", 41) + `"}`, "/subject/registration", "format"},
		{`"book":"01/2026",`, ``, "/subject/registration/book", "required"},
		{`"subject_ref":"made-up"`, `"subject_ref":"made-up","name":"TRẦN MINH AN"`, "/subject", "unknown_field"},
	} {
		spoiled := strings.Replace(whole, row.old, row.new, 1)
		_, faults := intake.ReadEnvelope([]byte(spoiled), beginning)
		if row.code == "" {
			if len(faults) > 0 {
				t.Errorf("%s: faults %+v", row.new, faults)
			}
			continue
		}
		if len(faults) != 1 || faults[0].Pointer != row.pointer || string(faults[0].Code) != row.code || faults[0].RuleVI == "" || faults[0].RuleEN == "" || faults[0].TitleVI == "" {
			t.Errorf("%.80s: faults %+v, want %s at %q", row.new, faults, row.code, row.pointer)
		}
	}
	if _, faults := intake.ReadEnvelope([]byte(strings.Replace(whole, "2026-10-01T09:30:00+07:00", "2026-11-22T08:00:59Z", 1)), beginning); len(faults) > 0 {
		t.Errorf("within the skew: %+v", faults)
	}
}

// FuzzReadEnvelope: whatever comes, an envelope is read as encoding/json reads it and keeps its rules, or there is a fault, and no fault says
// what was delivered.
func FuzzReadEnvelope(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"subject":{"personal_number":"099326000004"},"subject":{}}`))
	f.Add([]byte(strings.Replace(whole, `"document":{`, `"document":{"a":[[[[{"b":"}]"}]]]],`, 1)))
	f.Add([]byte(strings.Replace(whole, `"revision":2`, `"revision" : 2 `, 1)))
	f.Add([]byte(strings.Replace(whole, "KS", `\u004b\ud83d\ude00`, 1)))
	f.Add([]byte(`{"document":` + strings.Repeat("[", 100_000)))
	f.Add([]byte("{\"a\\"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, faults := intake.ReadEnvelope(payload, beginning)
		for _, fault := range faults {
			if fault.RuleVI == "" || fault.TitleVI == "" {
				t.Errorf("%q at %q says nothing, or something that was delivered", fault.Code, fault.Pointer)
			}
		}
		if len(faults) > 0 {
			return
		}
		var members struct {
			ResultID    string `json:"result_id"`
			DocumentRef string `json:"document_ref"`
			Revision    int    `json:"revision"`
			Subject     struct {
				Number string `json:"personal_number"`
				Ref    string `json:"subject_ref"`
			} `json:"subject"`
			IssuedBy struct{ Organisation, Unit, Officer string } `json:"issued_by"`
			Document json.RawMessage                              `json:"document"`
		}
		if e.Document != nil && !json.Valid(e.Document) {
			return // the catalogue judges it
		}
		if err := json.Unmarshal(payload, &members); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		if !strings.EqualFold(members.ResultID, e.ResultID.String()) || members.DocumentRef != e.DocumentRef || members.Revision != e.Revision ||
			members.Subject.Number != e.Subject.Number.Reveal() || members.Subject.Ref != e.Subject.Ref || members.IssuedBy.Organisation != e.Organisation ||
			members.IssuedBy.Unit != e.Unit || members.IssuedBy.Officer != e.Officer || string(members.Document) != string(e.Document) {
			t.Fatal("read otherwise than encoding/json reads it")
		}
		if e.Revision < 1 || e.ResultID.IsZero() || e.DocumentRef == "" || e.Organisation == "" || e.IssuedAt.After(beginning.Add(time.Minute)) ||
			e.Document == nil && e.State != intake.Revoked || e.Subject == (intake.Subject{}) {
			t.Fatalf("accepted %+v", e)
		}
	})
}
