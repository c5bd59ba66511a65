package person_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/person"
)

// secrets are the values of the people in these tests, each of which may stand nowhere in clear.
func secrets() []string {
	return []string{
		duNumber, thiNumber, anNumber, songNumber, khangNumber, anNotice, songNotice, "99999.GCS", "NGUYỄN THỊ DỤ", "TRẦN VĂN THÍ", "TRẦN MINH AN",
		"0900000003", "84900000003", "du@example.vn", "Giả Định", "1993-11-08", "2026-09-28", "12/2026", "HS-2026/0042", "receipt-1", "LÊ VĂN VÍ",
	}
}

// TestS5_NothingPersonalIsPrinted: whatever holds a person's values prints masked, in fmt, slog and JSON.
func TestS5_NothingPersonalIsPrinted(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	e.Pending = byNotice(t, anNotice)
	an := o.pending(anNotice)
	o.propose(an, number(t, anNumber), "bhxh")
	profile, proposals, err := o.Proposals(t.Context(), open{}, registrar(t), an)
	if err != nil {
		t.Fatal(err)
	}
	du := o.enrol(o.du())
	contacts := must(o.Contacts(t.Context(), o.db.Pool, o.keys(du)))(t)
	code := must(person.ParseCode("8400 0000"))(t)
	for what, v := range map[string]any{
		"enrolment": e, "identifier": byEntry(t, "01/2026", "12/2026"), "profile": profile, "proposals": proposals, "contacts": contacts, "code": code,
		"pending": person.NewPending{Profile: profile, Identifiers: []person.Identifier{byNotice(t, anNotice)}},
		"claim":   person.Claim{Number: number(t, anNumber), Mother: number(t, duNumber)},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("event", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("event", "v", v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
		for _, secret := range append(secrets(), "84000000") {
			if secret != "HS-2026/0042" && strings.Contains(out.String(), secret) { // the file's reference names a file
				t.Errorf("%s prints %q", what, secret)
			}
		}
	}
}

// TestS5_ErrorsNameNobody collects the errors of every act and greps them.
func TestS5_ErrorsNameNobody(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(o.Enrol(t.Context(), open{}, registrar(t), o.du()))
	add(nil, o.bind(an, number(t, duNumber)))
	add(nil, o.bind(du, number(t, khangNumber)))
	add(o.openPending(newborn(t, anNotice), byNotice(t, anNotice)))
	add(o.wait(byNumber(t, duNumber)))
	add(person.ParseAddress(delivery.SMS, "0900000003x"))
	add(person.RegistrationIdentifier("", "01/2026", "12/2026"))
	o.exec(`update identifiers set evidence = 'hearsay'`)
	add(o.find(byNumber(t, duNumber)))
	add(nil, o.bind(an, number(t, duNumber)))
	o.exec(`update people set sealed_profile = '\x00'`)
	add(o.Profile(t.Context(), o.db.Pool, o.keys(du)))
	o.exec(`drop table identifiers`)
	add(o.find(byNumber(t, duNumber)))
	add(o.Enrol(t.Context(), open{}, registrar(t), o.thi()))
	for _, err := range errs {
		if err == nil {
			t.Error("an act that should fail did not")
			continue
		}
		for _, secret := range secrets() {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q names %q", err, secret)
			}
		}
	}
}

// TestNothingInClearInTheDatabase plays every act of the package and looks for each value in every row of every table, as text and as the hexadecimal digits that
// bytes are shown in.
func TestNothingInClearInTheDatabase(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	e.IdempotencyKey = "key-1"
	e.Contacts = append(e.Contacts, person.Contact{
		Channel: delivery.Email, Address: must(person.ParseAddress(delivery.Email, "du@example.vn"))(t), Verified: person.NotVerified,
	})
	du := o.enrol(e)
	an, err := o.openPending(newborn(t, anNotice), byNotice(t, anNotice), byEntry(t, "01/2026", "12/2026"))
	if err != nil {
		t.Fatal(err)
	}
	must(o.wait(byNumber(t, anNumber)))(t)
	o.propose(an, number(t, anNumber), "bhxh")
	must(0, o.bind(an, number(t, anNumber)))(t)
	song := o.pending(songNotice)
	must(0, o.join(du, song))(t)
	if _, _, err := o.Proposals(t.Context(), open{}, registrar(t), an); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Enrol(t.Context(), open{}, registrar(t), o.du()); !errors.Is(err, person.ErrNumberTaken) {
		t.Fatal(err)
	}
	owner := o.db.Owner(t)
	rows, _ := owner.Query(t.Context(), `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`)
	tables := must(pgx.CollectRows(rows, pgx.RowTo[string]))(t)
	var dump strings.Builder
	for _, table := range tables {
		rows, _ := owner.Query(t.Context(), `select x::text from `+table+` x`)
		for _, line := range must(pgx.CollectRows(rows, pgx.RowTo[string]))(t) {
			dump.WriteString(table + " " + line + "\n")
		}
	}
	if o.count(`select count(*) from identifiers`) < 5 || len(tables) < 30 || dump.Len() < 10_000 {
		t.Fatalf("%d tables, %d bytes: nothing was looked at", len(tables), dump.Len())
	}
	lower := strings.ToLower(dump.String())
	for _, secret := range secrets() {
		for _, shown := range []string{secret, hex.EncodeToString([]byte(secret))} {
			if i := strings.Index(lower, strings.ToLower(shown)); i >= 0 {
				line := lower[strings.LastIndexByte(lower[:i], '\n')+1:]
				t.Errorf("%q stands in clear in %s", secret, strings.Fields(line)[0])
			}
		}
	}
}
