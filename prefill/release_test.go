package prefill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/prefill"
	"vidan/wallet"
)

// TestS2_Withdrawal: after one person withdraws, nothing is served on any process: no new reading, no repetition of an old one; and everybody who was
// asked finds the refusal in their record.
func TestS2_Withdrawal(t *testing.T) {
	t.Parallel()
	here := setup(t)
	here.household("kindergarten_an")
	there := here.on(here.db.Open(t, pg.Config{Role: pgtest.Serve}))
	request := here.ask("kindergarten_an", terms{mode: consent.Until})
	here.allow("an", request, nil)
	hers := here.allow("du", request, nil)
	for i, w := range []*world{here, there, here, there} {
		if answer := must(w.fill(request, fmt.Sprint("key-", i)))(t); len(answer.Fields) == 0 {
			t.Error("nothing was filled")
		}
	}
	must(here.ledger.Withdraw(t.Context(), pg.All(), here.acting("du"), hers.ID))(t)
	for i, w := range []*world{there, here, there, here} {
		answer, err := w.fill(request, fmt.Sprint("key-", i)) // the other process's key among them
		if !errors.Is(err, consent.ErrWithdrawn) || len(answer.Fields)+len(answer.Missing) > 0 {
			t.Errorf("a repetition after the withdrawal: %v", err)
		}
	}
	if _, err := there.fill(request, "new"); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("a reading after the withdrawal: %v", err)
	}
	for _, id := range []string{"an", "du"} {
		refused := 0
		for _, e := range here.record(id) {
			if e.Kind == audit.AccessRefused && e.Outcome == audit.Refused && e.Reason == "grant_withdrawn" && e.Organisation == school && e.Request == request {
				refused++
			}
		}
		if refused != 5 {
			t.Errorf("%s: %d refusals in the record, want 5", id, refused)
		}
	}
}

// TestP3_Repetition: the same key is the same release, as often as it is repeated: same values though newer papers came, nothing used up.
func TestP3_Repetition(t *testing.T) {
	t.Parallel()
	for _, mode := range []terms{{mode: consent.Once}, {mode: consent.Uses, uses: 1}, {mode: consent.Until}} {
		t.Run(string(mode.mode), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.household("kindergarten_an")
			request := w.granted("kindergarten_an", mode)
			first := must(w.fill(request, "1"))(t)
			w.put(paper{who: "an", what: "birth_certificate", number: 2, state: wallet.Corrected, json: w.altered("an", "birth_certificate", "full_name", `"TRẦN MINH ANH"`)})
			w.put(paper{who: "du", what: "citizen_identity_card", ref: "new", json: w.altered("du", "citizen_identity_card", "mobile_phone", `"0911111111"`)})
			for range 3 {
				again := must(w.on(w.pool).fill(request, "1"))(t)
				if first.Repeated || !again.Repeated || again.Disclosure != first.Disclosure {
					t.Error("a repetition is another release")
				}
				if diff := cmp.Diff(said(first), said(again)); diff != "" {
					t.Error(diff)
				}
				w.verify(again)
			}
			if len(first.Missing) != 1 { // school_choice
				t.Errorf("%d fields are missing", len(first.Missing))
			}
			w.counts(2, `select count(*) from disclosures`)
			w.counts(2, `select count(*) from grant_events where kind = 'used'`)
			_, err := w.fill(request, "2")
			if want := map[bool]error{true: nil, false: consent.ErrConsumed}[mode.mode == consent.Until]; !errors.Is(err, want) {
				t.Errorf("another key: %v", err)
			}
			released := 0
			for _, e := range w.record("an") {
				if e.Kind == audit.Disclosure {
					released++
				}
			}
			if want := map[bool]int{true: 5, false: 4}[mode.mode == consent.Until]; released != want {
				t.Errorf("%d readings in the record, want %d: a repetition is one too", released, want)
			}
		})
	}
}

// TestP3_KeyOfAnotherRequest: a key that was used for another request opens nothing and uses nothing up; keys of another client are others.
func TestP3_KeyOfAnotherRequest(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_an")
	one, two := w.granted("kindergarten_an", terms{mode: consent.Uses, uses: 1}), w.granted("kindergarten_an", terms{mode: consent.Uses, uses: 1})
	must(w.fill(one, "1"))(t)
	if answer, err := w.fill(two, "1"); !errors.Is(err, prefill.ErrIdempotency) || len(answer.Fields) > 0 {
		t.Errorf("the key of another request: %v", err)
	}
	w.counts(0, `select count(*) from disclosures where request_id = $1`, two)
	w.counts(2, `select count(*) from grants where request_id = $1 and state = 'active' and uses_left = 1`, two)
	o := order(two, "1")
	o.Client = "another-client"
	if answer, err := w.Fill(t.Context(), pg.All(), o); err != nil || answer.Repeated {
		t.Errorf("the same key of another client: %v", err)
	}
	for _, key := range []string{"", strings.Repeat("k", 256)} {
		if _, err := w.fill(two, key); !errors.Is(err, consent.ErrRequest) {
			t.Errorf("a key of %d characters: %v", len(key), err)
		}
	}
}

// TestP3_OneKeyAtOnce: of readings at once under one key one is made, whatever the mode; the others are told to come again, and then get it.
func TestP3_OneKeyAtOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []terms{{mode: consent.Uses, uses: 5}, {mode: consent.Until}} {
		w := setup(t)
		w.household("kindergarten_an")
		request := w.granted("kindergarten_an", mode)
		answered := 0
		for _, err := range together(40, func(int) error { _, err := w.fill(request, "1"); return err }) {
			switch {
			case err == nil:
				answered++
			case pg.Refused(err) != pg.CodeBusy:
				t.Errorf("%s: %v", mode.mode, err)
			}
		}
		if again := must(w.fill(request, "1"))(t); answered == 0 || !again.Repeated {
			t.Errorf("%s: %d answers", mode.mode, answered)
		}
		w.counts(2, `select count(*) from disclosures`)
		w.counts(2, `select count(*) from grant_events where kind = 'used'`)
		w.counts(1, `select count(*) from idempotency where reference ? 'disclosure_id'`)
	}
}

// TestOneUse: a hundred readings at once, each under its own key, of grants for one use are one reading.
func TestOneUse(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_an")
	request := w.granted("kindergarten_an", terms{mode: consent.Uses, uses: 1})
	served := 0
	for _, err := range together(100, func(i int) error { _, err := w.fill(request, fmt.Sprint(i)); return err }) {
		switch {
		case err == nil:
			served++
		case !errors.Is(err, consent.ErrConsumed):
			t.Error(err)
		}
	}
	if served != 1 {
		t.Errorf("%d readings", served)
	}
	w.counts(2, `select count(*) from disclosures`)
	w.counts(2, `select count(*) from access_log where kind = 'disclosure'`)
	w.counts(198, `select count(*) from access_log where kind = 'access_refused'`)
}

// TestP3_EveryFault fails a release before and after every round trip of it and tries again under the same key: it was made once.
func TestP3_EveryFault(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		w := setupOn(t, db)
		w.household("kindergarten_khang")
		request := w.granted("kindergarten_khang", terms{mode: consent.Uses, uses: 2})
		first, failed := w.on(faulty).fill(request, "1")
		if failed != nil && len(first.Fields) > 0 {
			t.Error("values with an error")
		}
		again, err := w.fill(request, "1")
		if err != nil {
			t.Fatalf("again: %v, after %v", err, failed)
		}
		if again.Repeated && failed != nil && !errors.Is(failed, pg.ErrOutcomeUnknown) {
			t.Errorf("it was made, and the answer was %v", failed)
		}
		if failed == nil {
			if !again.Repeated {
				t.Error("it was made twice")
			}
			if diff := cmp.Diff(said(first), said(again)); diff != "" {
				t.Error(diff)
			}
		}
		w.counts(2, `select count(*) from disclosures`)
		w.counts(2, `select count(*) from grant_events where kind = 'used'`)
		w.counts(2, `select count(*) from grants where uses_left = 1`)
	})
}

// TestP7_WithoutRecord: when the record cannot be written nothing is released, nothing is used up, and nothing is shown.
func TestP7_WithoutRecord(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_an")
	request := w.granted("kindergarten_an", terms{mode: consent.Once})
	w.household("kindergarten_khang")
	open := w.ask("kindergarten_khang", terms{mode: consent.Once, fields: []string{"applicant_full_name"}})
	w.exec(`revoke insert on access_log from vidan_serve`)
	if answer, err := w.fill(request, "1"); !errors.Is(err, audit.ErrRecord) || len(answer.Fields)+len(answer.Missing) > 0 || answer.Signed != "" {
		t.Errorf("released without a record: %v", err)
	}
	if shown, err := w.tryPreview("dan", open); !errors.Is(err, audit.ErrRecord) || len(shown.Fields) > 0 {
		t.Errorf("shown without a record: %v", err)
	}
	if _, err := w.fill(open, "1"); !errors.Is(err, audit.ErrRecord) { // nobody decided: a refusal, and it cannot be recorded either
		t.Errorf("refused without a record: %v", err)
	}
	w.counts(0, `select count(*) from disclosures`)
	w.counts(0, `select count(*) from idempotency where reference ? 'disclosure_id'`)
	w.counts(2, `select count(*) from grants where uses_left = 1 and state = 'active'`)
	w.exec(`grant insert on access_log to vidan_serve`)
	if answer := must(w.fill(request, "1"))(t); answer.Repeated || len(answer.Fields) == 0 {
		t.Error("the release that failed was counted")
	}
	if _, err := w.fill(open, "2"); !errors.Is(err, consent.ErrNotGranted) {
		t.Error(err)
	}
}

// refusing is a guard that aborts the transaction.
type refusing string

func (g refusing) Queue(b *pgx.Batch) { b.Queue(`select vidan_require(false, $1)`, string(g)) }
func (refusing) Check() error         { return nil }

// doubting is a guard that refuses in the process.
type doubting struct{ err error }

func (doubting) Queue(*pgx.Batch) {}
func (g doubting) Check() error   { return g.err }

// TestRefusals: what is refused releases nothing, and is recorded where it says something about the request.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_an")
	request := w.granted("kindergarten_an", terms{mode: consent.Once})
	foreign := order(request, "1")
	foreign.Organisation, foreign.Sector = police, sectorOf(police)
	foreign.Officer.Organisation = police
	doubt := errors.New("a row that was altered")
	for name, c := range map[string]struct {
		g        pg.Guard
		order    prefill.Order
		want     error
		recorded bool
	}{
		"guard":       {refusing("client_blocked"), order(request, "1"), nil, false},
		"guard after": {doubting{doubt}, order(request, "1"), doubt, false},
		"foreign":     {pg.All(), foreign, consent.ErrNotFound, true},
		"missing":     {pg.All(), order(identity.NewID[identity.RequestID](), "1"), consent.ErrNotFound, false},
		"no key":      {pg.All(), order(request, ""), consent.ErrRequest, false},
	} {
		before := len(w.record("an"))
		answer, err := w.Fill(context.Background(), c.g, c.order)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || len(answer.Fields) > 0 {
			t.Errorf("%s: %v", name, err)
		}
		if recorded := len(w.record("an")) > before; recorded != c.recorded {
			t.Errorf("%s: recorded %t", name, recorded)
		}
	}
	w.counts(0, `select count(*) from disclosures`)
	w.advance(time.Second)
	w.exec(`update people set blocked = true where vault_id = $1`, w.vault("du"))
	if _, err := w.fill(request, "1"); !errors.Is(err, consent.ErrNotGranted) {
		t.Errorf("one of two is blocked: %v", err)
	}
	w.exec(`update people set blocked = false`)
	w.advance(31 * 24 * time.Hour)
	if _, err := w.fill(request, "1"); !errors.Is(err, consent.ErrExpired) {
		t.Errorf("after the end: %v", err)
	}
	reasons := ""
	for _, e := range w.record("du") {
		if e.Kind == audit.AccessRefused {
			reasons += " " + e.Reason
		}
	}
	if reasons != " other_organisation not_granted grant_expired" {
		t.Errorf("refusals in the record:%s", reasons)
	}
}
