package intake_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vidan/audit"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/seal"
)

const waitingFor = 30*24*time.Hour + time.Minute

// TestP5_OverdueGoesToTheRegistrar: what has waited thirty days is listed for the registrar; the deliverer is not told that the number is unknown
// (R5), only of a result that is given up. A row that cannot be read stops nothing behind it.
func TestP5_OverdueGoesToTheRegistrar(t *testing.T) {
	t.Parallel()
	w := setup(t)
	poison, second := w.card("khang").with(map[string]any{"document_ref": "poison"}), w.card("an")
	w.insurance().accepted(poison)
	w.exec(`update waiting_results set sealed = '\x00'`)
	w.insurance().accepted(second)
	third := w.card("khang")
	w.insurance().accepted(third)
	ok(t, w.Overdue(t.Context()))
	w.counts(0, `select count(*) from quarantine`)
	w.advance(waitingFor)
	if err := w.Overdue(t.Context()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("of a row that does not open: %v", err)
	}
	page, _, err := w.Quarantine(t.Context(), pg.All(), intake.Registrar, nil, 10)
	ok(t, err)
	if len(page) != 2 || page[0].Reason != intake.NumberUnknown || page[0].Organisation != insurance {
		t.Fatalf("the registrar's list: %+v", page)
	}
	if got := w.events(insurance); len(got) > 0 {
		t.Errorf("events %q", got)
	}
	// Late with that too: told to nobody who may not know.
	w.advance(16 * 24 * time.Hour)
	_ = w.Overdue(t.Context())
	w.counts(2, `select count(*) from quarantine where overdue_at is not null`)
	if got := w.events(insurance); len(got) > 0 {
		t.Errorf("events %q", got)
	}
	// Bound after all: the registrar gives the result to its person. The other one is given up, and the deliverer has to know.
	an := w.enrol("an")
	entry := func(p payload) identity.ObjectID {
		i := slices.IndexFunc(page, func(e intake.Entry) bool { return e.ResultID.String() == p["result_id"] })
		return page[i].ID
	}
	ok(t, w.Resolve(t.Context(), pg.All(), intake.Registrar, entry(second), officer(), intake.Resolution{Action: intake.Store, Vault: an, Reason: "nay đã có số"}))
	w.shows(an, second, "1 issued")
	ok(t, w.Resolve(t.Context(), pg.All(), intake.Registrar, entry(third), officer(), intake.Resolution{Action: intake.Discard, Reason: "không có người này"}))
	if got := w.events(insurance); !slices.Equal(got, []string{"quarantine.resolved discarded"}) {
		t.Errorf("events %q", got)
	}
	// What was given up is held no longer: the issuer may deliver the revision again, with the right number.
	w.insurance().accepted(third.again(nil).about(byNumber(w.of("an").PersonalNumber)).says(map[string]any{"/personal_number": w.of("an").PersonalNumber}))
}

// TestOverdueLooksOnceMore: a number that was bound while nobody carried anything out is found before a result is given up.
func TestOverdueLooksOnceMore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.card("an")
	w.insurance().accepted(p)
	vault := w.enrol("an")
	w.exec(`delete from outbox`)
	w.advance(waitingFor)
	ok(t, w.Overdue(t.Context()))
	w.shows(vault, p, "1 issued")
	w.counts(0, `select count(*) from quarantine`)
}

// TestP5_LateHolder: a conflict that its issuer does not decide is listed as overdue, and the issuer is told once.
func TestP5_LateHolder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("an")
	p := w.card("an")
	w.insurance().accepted(p)
	answer := w.insurance().quarantined(p.again(map[string]any{"dossier_code": "other"}), intake.RevisionConflict)
	ok(t, w.Overdue(t.Context()))
	w.advance(16 * 24 * time.Hour)
	for _, err := range together(8, func(int) error { return w.Overdue(t.Context()) }) {
		ok(t, err)
	}
	if got := w.events(insurance); !slices.Equal(got, []string{"result.quarantined revision_conflict", "quarantine.overdue revision_conflict"}) {
		t.Errorf("events %q", got)
	}
	page, _, err := w.Quarantine(t.Context(), pg.All(), insurance, nil, 10)
	ok(t, err)
	if len(page) != 1 || !page[0].Overdue(w.now()) {
		t.Fatalf("the issuer's list: %+v", page)
	}
	id := must(identity.Parse[identity.ObjectID](answer.Quarantine))(t)
	by := audit.Actor{Client: insurance + "-client", Officer: audit.Officer{ID: "cb-9", Organisation: insurance, Assurance: audit.Asserted}}
	resolve := func(holder string, r intake.Resolution) error {
		return w.Resolve(t.Context(), pg.All(), holder, id, by, r)
	}
	if err := resolve(insurance, intake.Resolution{Action: intake.Store, Vault: vault, Reason: "why"}); !errors.Is(err, intake.ErrResolution) {
		t.Errorf("other bytes won: %v", err)
	}
	ok(t, resolve(insurance, intake.Resolution{Action: intake.Discard, Reason: "gửi nhầm"}))
	if got := w.recorded(vault); !slices.Contains(got, "result_resolved discard") {
		t.Errorf("the record says %q", got)
	}
	w.shows(vault, p, "1 issued")
}

// TestResolveOnce: a hundred decide on one entry at once, half of them to store and half to discard: one of them does.
func TestResolveOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	khang, id := w.ambiguous()
	done := 0
	for _, err := range together(100, func(i int) error {
		r := intake.Resolution{Action: intake.Discard, Reason: "why"}
		if i%2 == 0 {
			r = intake.Resolution{Action: intake.Store, Vault: khang, Reason: "why"}
		}
		return w.Resolve(t.Context(), pg.All(), intake.Registrar, id, officer(), r)
	}) {
		switch {
		case err == nil:
			done++
		case errors.Is(err, intake.ErrResolved), errors.Is(err, intake.ErrBusy), pg.Transient(err):
		default:
			t.Error(err)
		}
	}
	if done != 1 {
		t.Errorf("%d decisions were carried out", done)
	}
	w.counts(1, `select count(*) from quarantine where state in ('stored', 'discarded')`)
	// Stored, it is in the record of whose it is now; discarded, in nobody's: of two who may be meant none is told of the other.
	w.counts(w.count(`select count(*) from quarantine where state = 'stored'`), `select count(*) from access_log where kind = 'result_resolved'`)
}

// TestResolveRefuses: what is no decision, or not this holder's entry, changes nothing.
func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	khang, id := w.ambiguous()
	other := w.enrol("song")
	discard := intake.Resolution{Action: intake.Discard, Reason: "why"}
	for name, try := range map[string]struct {
		holder string
		id     identity.ObjectID
		by     audit.Actor
		r      intake.Resolution
		want   error
	}{
		"another holder":         {commune, id, officer(), discard, intake.ErrNotFound},
		"no entry":               {intake.Registrar, identity.NewID[identity.ObjectID](), officer(), discard, intake.ErrNotFound},
		"no officer":             {intake.Registrar, id, audit.Actor{}, discard, intake.ErrResolution},
		"no reason":              {intake.Registrar, id, officer(), intake.Resolution{Action: intake.Discard}, intake.ErrResolution},
		"a long reason":          {intake.Registrar, id, officer(), intake.Resolution{Action: intake.Discard, Reason: strings.Repeat("ờ", 201)}, intake.ErrResolution},
		"no such action":         {intake.Registrar, id, officer(), intake.Resolution{Action: "replace", Reason: "why"}, intake.ErrResolution},
		"nobody to store with":   {intake.Registrar, id, officer(), intake.Resolution{Action: intake.Store, Reason: "why"}, intake.ErrResolution},
		"discarded for somebody": {intake.Registrar, id, officer(), intake.Resolution{Action: intake.Discard, Vault: khang, Reason: "why"}, intake.ErrResolution},
		"a stranger":             {intake.Registrar, id, officer(), intake.Resolution{Action: intake.Store, Vault: identity.NewVaultID(), Reason: "why"}, seal.ErrNoKeys},
	} {
		if err := w.Resolve(t.Context(), pg.All(), try.holder, try.id, try.by, try.r); !errors.Is(err, try.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.counts(1, `select count(*) from quarantine where state = 'open'`)
	// A paper has one home: a correction may be given to its person and to nobody else.
	p := w.card("khang")
	w.insurance().accepted(p)
	answer := w.insurance().quarantined(p.revision(2, intake.Corrected).about(byNumber(w.of("song").PersonalNumber)).
		says(map[string]any{"/personal_number": w.of("song").PersonalNumber}), intake.SubjectChanged)
	changed := must(identity.Parse[identity.ObjectID](answer.Quarantine))(t)
	store := func(v identity.VaultID) error {
		return w.Resolve(t.Context(), pg.All(), intake.Registrar, changed, officer(), intake.Resolution{Action: intake.Store, Vault: v, Reason: "why"})
	}
	if err := store(other); !errors.Is(err, intake.ErrResolution) {
		t.Errorf("the paper moved: %v", err)
	}
	ok(t, store(khang))
	w.shows(khang, p, "1 issued, 2 corrected")
	if err := store(khang); !errors.Is(err, intake.ErrResolved) {
		t.Errorf("resolved twice: %v", err)
	}
}

// TestQuarantinePages: a long list is read page by page, most urgent first, without a gap.
func TestQuarantinePages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enrol("an")
	p := w.card("an")
	w.insurance().accepted(p)
	var want []string
	for range 5 {
		want = append(want, w.insurance().quarantined(p.again(map[string]any{"dossier_code": "H24." + identity.NewVaultID().String()}), intake.RevisionConflict).Quarantine)
	}
	var got []string
	var after *intake.Entry
	for {
		page, next, err := w.Quarantine(t.Context(), pg.All(), insurance, after, 2)
		ok(t, err)
		for _, e := range page {
			got = append(got, e.ID.String())
		}
		if after = next; next == nil {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %d of %d", len(got), len(want))
	}
}
