package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/seal"
)

// TestDeclarantLater: who declared a death and has no vault yet holds the extract from the day they have one, be it when the paper waits, or
// after a revision; the paper itself stays where it is (P4).
func TestDeclarantLater(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mau := w.enrol("mau")
	d := w.death()
	w.commune().accepted(d)
	w.commune().accepted(d.revision(2, intake.Corrected))
	w.counts(2, `select count(*) from waiting_results where state = 'waiting'`)
	w.advance(400 * waitingFor)
	ok(t, w.Overdue(t.Context()))
	w.counts(0, `select count(*) from quarantine`) // nothing about it is ambiguous
	thi := w.enrol("thi")
	w.drain()
	w.shows(thi, d, "1 issued, 2 corrected")
	w.shows(mau, d, "1 issued, 2 corrected")
	w.counts(1, `select count(*) from holdings where side = 'holder' and vault_id = $1`, thi)
	w.counts(0, `select count(*) from document_revisions where vault_id = $1`, thi)
	w.counts(2, `select count(*) from waiting_results where state = 'applied' and sealed = ''`)
}

// TestDeclarantOfAnErasedHome: a home that was erased has nothing to give, and nothing keeps waiting for it.
func TestDeclarantOfAnErasedHome(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mau := w.enrol("mau")
	w.commune().accepted(w.death())
	w.exec(`delete from vault_keys where vault_id = $1`, mau)
	w.vaults.Forget(mau)
	w.enrol("thi")
	w.drain()
	w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
	w.counts(0, `select count(*) from holdings`)
	// Nothing of the erased person's paper goes to somebody else either.
	w.enrol("khang")
	n := w.of("khang").PersonalNumber
	w.commune().quarantined(w.death().revision(2, intake.Corrected).about(byNumber(n)).says(map[string]any{"/personal_number": n}), intake.SubjectChanged)
}

// TestApplyIsIdempotent: a task that comes again, for a row that has left or never was, does nothing; one without an id is an error.
func TestApplyIsIdempotent(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.card("an")
	w.insurance().accepted(p)
	var id identity.ObjectID
	ok(t, w.pool.QueryRow(t.Context(), `select waiting_id from waiting_results`).Scan(&id))
	apply := func(args string) error {
		return w.Apply(context.Background(), delivery.Task{Kind: intake.KindApply, Args: json.RawMessage(args)})
	}
	mine := `{"waiting_id":"` + id.String() + `"}`
	ok(t, apply(mine)) // still unknown
	w.counts(1, `select count(*) from waiting_results where state = 'waiting'`)
	vault := w.enrol("an")
	for _, err := range together(100, func(int) error { return apply(mine) }) {
		if err != nil && !errors.Is(err, intake.ErrBusy) {
			t.Error(err)
		}
	}
	w.shows(vault, p, "1 issued")
	w.counts(1, storings)
	ok(t, apply(`{"waiting_id":"`+identity.NewVaultID().String()+`"}`))
	for _, args := range []string{`{}`, `[]`, `{"waiting_id":""}`} {
		if apply(args) == nil {
			t.Errorf("%s is taken for a task", args)
		}
	}
}

// TestBindingAndDeliveryRace: a number is bound while results about it arrive: none of them is left waiting (R8).
func TestBindingAndDeliveryRace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.insurance().call())(t)
	var papers []payload
	for _, ref := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		papers = append(papers, w.card("an").again(map[string]any{"document_ref": ref}))
	}
	var vault identity.VaultID
	for _, err := range together(len(papers)+1, func(i int) error {
		if i == len(papers) {
			vault = w.enrol("an")
			return nil
		}
		_, err := w.insurance().deliver(papers[i])
		return err
	}) {
		ok(t, err)
	}
	w.drain()
	for _, p := range papers {
		w.shows(vault, p, "1 issued")
	}
	w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
}

// TestRevisionsRaceForAHome: revisions of one paper nobody knows arrive at once, some with the notice that opens the vault and some with a number
// nobody has: all end in the one vault (R8).
func TestRevisionsRaceForAHome(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.commune().call())(t)
	first, second := w.newborn("an"), w.birth("an")
	for _, err := range together(12, func(i int) error {
		p := first.revision(2*i+1, intake.Corrected)
		if i%2 == 1 {
			p = second.revision(2*i+1, intake.Corrected)
		}
		_, err := w.commune().deliver(p)
		return err
	}) {
		if err != nil && !errors.Is(err, intake.ErrBusy) {
			t.Error(err)
		}
	}
	w.drain()
	w.counts(1, `select count(*) from vaults`)
	w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
	w.counts(w.count(`select count(*) from receipts`), revisionsOf, w.id(first))
}

// TestConflictWhileWaiting: two deliveries of one revision of a paper nobody knows, with other bytes, arrive at once; whichever is taken second is for
// the issuer to decide, now or when its number is bound, and the other is stored (P5).
func TestConflictWhileWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.card("an")
	must(w.insurance().call())(t)
	for _, err := range together(6, func(i int) error {
		_, err := w.insurance().deliver(p.again(map[string]any{"dossier_code": "H24." + string(rune('a'+i))}))
		return err
	}) {
		ok(t, err)
	}
	vault := w.enrol("an")
	w.drain()
	w.shows(vault, p, "1 issued")
	w.counts(5, `select count(*) from quarantine where reason = 'revision_conflict' and holder = $1`, insurance)
	w.counts(0, `select count(*) from waiting_results where state = 'waiting'`)
	if got := w.recorded(vault); !slices.Contains(got, "result_stored") {
		t.Errorf("the record says %q", got)
	}
}

// TestAlteredRowsLeadNowhere: whoever writes to the database moves no paper to a vault of their choice.
func TestAlteredRowsLeadNowhere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.newborn("an")
	w.commune().accepted(p)
	own := w.byNotice(w.of("an").BirthNoticeNumber)
	w.commune().accepted(w.newborn("song"))
	other := w.byNotice(w.of("song").BirthNoticeNumber)
	ref := w.d.Ref(commune, "subject", bytesOf(w.id(p)))
	second, named := w.birth("an").revision(2, intake.Corrected), w.birth("an").again(map[string]any{"document_ref": "next"}).about(map[string]any{"subject_ref": ref})
	for _, damage := range []string{
		`update papers set vault_id = '` + other.String() + `' where document_id = $1`,
		`update papers set second = gen_random_uuid() where document_id = $1`,
		`update papers set mac = '' where document_id = $1`,
	} {
		w.exec(damage, w.id(p))
		for _, try := range []payload{second, named} {
			if _, err := w.commune().deliver(try); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%s: %v", damage, err)
			}
		}
	}
	w.shows(own, p, "1 issued")
	// An alias that nobody made is not followed.
	q := w.newborn("song")
	w.exec(`update vaults set state = 'joined' where vault_id = $1`, other)
	w.exec(`insert into vault_aliases (vault_id, alias_vault_id, joined_at, evidence, mac) values ($1, $2, now(), 'identity_card', '\x00')`, own, other)
	w.exec(`update identifiers set state = 'ended' where vault_id = $1`, other)
	if _, err := w.commune().deliver(q.revision(2, intake.Corrected)); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("a made-up alias: %v", err)
	}
}

func bytesOf(id identity.DocumentID) []byte {
	b := id.Bytes()
	return b[:]
}

// TestSyntheticOnlyInTheSandbox: production takes no synthetic paper, a sandbox no other.
func TestSyntheticOnlyInTheSandbox(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	genuine := w.card("an").says(map[string]any{"/synthetic": nil})
	refused := func(w *world, p payload) {
		wrong := w.insurance().refused(p, "schema_invalid")
		if len(wrong.Faults) != 1 || wrong.Faults[0].Pointer != "/document/synthetic" {
			t.Errorf("faults %+v", wrong.Faults)
		}
	}
	refused(w, genuine)
	w.insurance().accepted(w.card("an"))
	w.synthetic = false
	production := w.on(w.db.Pool)
	refused(production, w.card("an").again(map[string]any{"document_ref": "x"}))
	production.insurance().accepted(genuine.again(map[string]any{"document_ref": "y"}))
}

// TestNewNeedsItsParts: an intake is made of everything it stands on.
func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := intake.New(intake.Deps{}); err == nil {
		t.Error("an intake of nothing")
	}
}
