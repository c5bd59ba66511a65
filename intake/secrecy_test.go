package intake_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
)

// secrets are values of the people in these tests, in every paper that is delivered.
func (w *world) secrets() []string {
	w.t.Helper()
	list := []string{"99999.GCS", "Thôn Mẫu", "HS4010", "khai nhầm", "012026", "H24.99-260930", "PHẠM VĂN GIẢ"}
	for _, p := range w.cast.People {
		list = append(list, p.FullName, p.PersonalNumber, p.BirthNoticeNumber)
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// TestS5_NothingPersonalLeaves plays every outcome of the package, canaries where only codes may stand among them, and looks for every value of every
// person in the errors, the log, the receipts, the events, and in every row of every table of the database.
func TestS5_NothingPersonalLeaves(t *testing.T) {
	t.Parallel()
	w := setup(t)
	an, thi := w.of("an"), w.of("thi")
	var said strings.Builder
	send := func(g *agency, p payload) {
		answer, err := g.deliver(p)
		fmt.Fprintf(&said, "%v %+v\n", err, answer.Claims)
		if parts := strings.Split(answer.Receipt, "."); len(parts) == 3 {
			fmt.Fprintf(&said, "%+v\n", w.claims(answer.Receipt))
		}
	}
	by := func(organisation, unit, officer string) map[string]any {
		return map[string]any{"issued_by": map[string]any{"organisation": organisation, "unit": unit, "officer": officer}}
	}
	w.enrol("du", "mau")
	entry := map[string]any{"birth_notice_number": an.BirthNoticeNumber, "registration": map[string]any{"organisation": commune, "book": "01/2026", "number": "12/2026"}}
	send(w.commune(), w.newborn("an").about(entry))                                         // stored, relations
	send(w.commune(), w.birth("an").revision(2, intake.Corrected))                          // proposed
	send(w.insurance(), w.card("an"))                                                       // waiting
	send(w.insurance(), w.card("an").again(map[string]any{"dossier_code": "other"}))        // conflict
	send(w.commune(), w.death())                                                            // share waits
	send(w.commune(), w.marriage())                                                         // copied, waits
	send(w.commune(), w.birth("an").again(nil).about(byNumber(thi.PersonalNumber)))         // mismatch
	send(w.insurance(), w.card("an").with(by(thi.PersonalNumber, "u", "o")))                // a number for an organisation
	send(w.insurance(), w.card("an").with(by(insurance, thi.PersonalNumber, thi.FullName))) // for a unit, a name for an officer
	send(w.insurance(), w.card("an").with(by(insurance+"-"+thi.PersonalNumber, "u", "o")))
	send(w.insurance(), w.card("an").again(map[string]any{"document_type": thi.PersonalNumber, "procedure": thi.FullName}))
	send(w.insurance(), w.card("an").again(map[string]any{thi.FullName: 1, "revision": thi.PersonalNumber, "state": thi.FullName, "issued_at": an.BirthDate}))
	send(w.insurance(), w.card("an").again(nil).about(map[string]any{"subject_ref": thi.PersonalNumber}))
	send(w.insurance(), w.card("an").again(nil).says(map[string]any{"/sex": thi.FullName, "/" + thi.FullName: thi.FullName, "/personal_number": thi.FullName}))
	send(w.police(), w.card("an"))
	khang := w.enrol("khang")
	answer := w.commune().quarantined(w.birth("khang").says(map[string]any{"/birth_notice_number": nil}).about(map[string]any{
		"personal_number": w.of("khang").PersonalNumber, "birth_notice_number": an.BirthNoticeNumber,
	}), intake.SubjectAmbiguous)
	id := must(identity.Parse[identity.ObjectID](answer.Quarantine))(t)
	for _, r := range []intake.Resolution{
		{Action: intake.Store, Vault: w.byNumber(w.of("du").PersonalNumber), Reason: thi.FullName + " khai nhầm"},
		{Action: intake.Discard, Vault: khang, Reason: thi.FullName},
	} {
		fmt.Fprintln(&said, w.Resolve(t.Context(), pg.All(), intake.Registrar, id, officer(), r))
	}
	w.enrol("thi")
	w.bind(w.byNotice(an.BirthNoticeNumber), an.PersonalNumber)
	w.drain()
	w.exec(`update papers set mac = ''`)
	send(w.commune(), w.birth("an").revision(9, intake.Corrected))
	fmt.Fprintln(&said, strings.Join(w.events(commune), " "), strings.Join(w.events(insurance), " "), w.logs)
	w.exec(`alter table receipts rename to gone`)
	send(w.commune(), w.birth("an").revision(10, intake.Corrected))
	w.exec(`alter table gone rename to receipts`)
	if said.Len() < 5000 || w.count(`select count(*) from refusals`) < 8 {
		t.Fatalf("%d bytes were said, %d refusals recorded", said.Len(), w.count(`select count(*) from refusals`))
	}
	// The issuer's own reference of a paper and its dossier stand in the receipt by contract, where the issuer reads them.
	w.findNothing("what was said", said.String())
	w.findNothing("the database", w.dump())
}

func (w *world) findNothing(where, text string) {
	w.t.Helper()
	lower := strings.ToLower(text)
	for _, secret := range w.secrets() {
		for _, shown := range []string{secret, hex.EncodeToString([]byte(secret))} {
			if i := strings.Index(lower, strings.ToLower(shown)); i >= 0 {
				line, _, _ := strings.Cut(lower[strings.LastIndexByte(lower[:i], '\n')+1:], "\n")
				w.t.Errorf("%q stands in %s: %.300s", secret, where, line)
			}
		}
	}
}

// dump is every row of every table, receipts with their payloads decoded.
func (w *world) dump() string {
	w.t.Helper()
	owner, ctx := w.db.Owner(w.t), context.Background()
	rows, _ := owner.Query(ctx, `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`)
	tables := must(pgx.CollectRows(rows, pgx.RowTo[string]))(w.t)
	var dump strings.Builder
	for _, table := range tables {
		rows, _ := owner.Query(ctx, `select x::text from `+table+` x`)
		for _, line := range must(pgx.CollectRows(rows, pgx.RowTo[string]))(w.t) {
			dump.WriteString(table + " " + line + "\n")
		}
	}
	if len(tables) < 30 || dump.Len() < 20_000 {
		w.t.Fatalf("%d tables, %d bytes: nothing was looked at", len(tables), dump.Len())
	}
	return dump.String()
}

// TestS5_LeadsPrintMasked: what finds a person prints masked wherever it is printed; only a seal sees it.
func TestS5_LeadsPrintMasked(t *testing.T) {
	t.Parallel()
	e, faults := intake.ReadEnvelope([]byte(`{"result_id":"`+identity.NewVaultID().String()+`","document_ref":"r","revision":1,"state":"revoked",
		"issued_at":"2026-10-01T09:30:00Z","document_type":"t","procedure":"p","dossier_code":"d","issued_by":{"organisation":"o","unit":"u","officer":"f"},
		"subject":{"personal_number":"099326000004","birth_notice_number":"99999.GCS.00001.26"}}`), beginning)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, e.Subject); strings.Contains(s, "0993") || strings.Contains(s, "GCS") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}
