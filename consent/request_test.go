package consent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

// TestCreate: what a request leaves behind, and that a dump does not say what was asked about whom.
func TestCreate(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	h.counts(2, `select count(*) from request_parties where request_id = $1 and state = 'asked'`, id)
	h.counts(1, `select count(*) from consent_requests where request_id = $1 and organisation_id = $2 and expires_at = created_at + interval '72 hours'`, id, school)
	for _, vault := range []identity.VaultID{f.child, f.mother} {
		if record := h.record(vault); !slices.Contains(record, "request_received done") {
			t.Errorf("the record says %v", record)
		}
	}
	var dump string
	for _, table := range []string{"consent_requests", "request_parties", "idempotency", "outbox", "access_log"} {
		var text *string
		if err := h.db.Owner(t).QueryRow(t.Context(), `select string_agg(x::text, ' ') from `+table+` x`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		dump += *text
	}
	for _, word := range []string{"kindergarten", "HS-2026-001", "child_", "applicant", h.of("khang").PersonalNumber, h.of("dan").PersonalNumber, "PHẠM"} {
		if strings.Contains(dump, word) {
			t.Errorf("a dump says %q", word)
		}
	}
	plan := must(h.PlanOf(t.Context(), h.pool, id))(t)
	if diff := cmp.Diff([]string{childName, childBirth, childEthnicity}, plan.FieldsOf(f.child)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{hersName}, plan.FieldsOf(f.mother)); diff != "" {
		t.Error(diff)
	}
	if roles := plan.Roles(); roles["child"] != f.child || roles["mother"] != f.mother || roles["applicant"] != f.mother {
		t.Error("roles")
	}
	if status := must(h.Status(t.Context(), pg.All(), school, id))(t); status.State != consent.RequestOpen {
		t.Errorf("status %s", status.State)
	}
	h.drain()
	if diff := cmp.Diff([]string{"relation_active", "request_waiting", "request_waiting"}, h.notices.list[f.mother]); diff != "" {
		t.Error("the mother is told for her child and for herself:", diff)
	}
	if diff := cmp.Diff([]string{"relation_active", "request_waiting"}, h.notices.list[f.father]); diff != "" {
		t.Error(diff)
	}
	if len(h.notices.list[f.child]) != 0 {
		t.Error("a child of five was told")
	}
}

// TestWhoIsAsked: only people whose facts are opened, and for a shared fact one of them.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	father := consent.Party{Roles: []string{"father"}, Ref: consent.ByNumber(number(t, h.of("giai").PersonalNumber))}
	for name, c := range map[string]struct {
		fields []string
		child  []string
		mother []string
		father []string
	}{
		"the child alone":       {[]string{childName}, []string{childName}, nil, nil},
		"a name that is shared": {[]string{childName, "father_full_name"}, []string{childName, "father_full_name"}, nil, nil},
		"the applicant's":       {[]string{hersName, hersResidence}, nil, []string{hersName, hersResidence}, nil},
	} {
		r := h.enrolmentRequest(f, name)
		r.Fields, r.Parties = c.fields, append(r.Parties, father)
		r.Parties[0], r.Parties[2] = r.Parties[2], r.Parties[0] // the order of parties means nothing
		id, _, err := h.Create(t.Context(), pg.All(), r)
		if err != nil {
			t.Fatal(err)
		}
		plan := must(h.PlanOf(t.Context(), h.pool, id))(t)
		got := [][]string{plan.FieldsOf(f.child), plan.FieldsOf(f.mother), plan.FieldsOf(f.father)}
		for i, want := range [][]string{c.child, c.mother, c.father} {
			if len(got[i])+len(want) > 0 && !slices.Equal(got[i], want) {
				t.Errorf("%s: person %d is asked for %v, want %v", name, i, got[i], want)
			}
		}
		h.exec(`update request_parties set state = 'denied'`)
	}
	r := h.enrolmentRequest(f, "everything")
	r.Fields = nil
	id, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	plan := must(h.PlanOf(t.Context(), h.pool, id))(t)
	if n := len(plan.Fields()); n < 12 || slices.Contains(plan.Fields(), "school_choice") {
		t.Errorf("everything that can be reused: %v", plan.Fields())
	}
}

// TestOutsideFields: a field the procedure does not use is refused by name, and in the record of everybody it concerned.
func TestOutsideFields(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	r := h.enrolmentRequest(f, "")
	r.Fields = append(r.Fields, "bank_account", "Số điện thoại 0912345678")
	_, created, err := h.Create(t.Context(), pg.All(), r)
	var outside *consent.OutsideFields
	if created || !errors.As(err, &outside) || !slices.Equal(outside.Fields, r.Fields[4:]) {
		t.Fatalf("created %v: %v", created, err)
	}
	if strings.Contains(err.Error(), "0912") || strings.Contains(err.Error(), "bank") {
		t.Errorf("the error repeats what was sent: %v", err)
	}
	for _, vault := range []identity.VaultID{f.child, f.mother} {
		if record := h.record(vault); !slices.Contains(record, "access_refused refused fields_outside_procedure") {
			t.Errorf("the record says %v", record)
		}
	}
	h.counts(0, `select count(*) from consent_requests`)
}

// TestNotARequest holds what is refused before anything is read.
func TestNotARequest(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for name, spoil := range map[string]func(*consent.NewRequest){
		"unknown procedure":        func(r *consent.NewRequest) { r.Procedure = "tax_return" },
		"no officer":               func(r *consent.NewRequest) { r.Officer.ID = "" },
		"no parties":               func(r *consent.NewRequest) { r.Parties = nil },
		"a role nobody knows":      func(r *consent.NewRequest) { r.Parties[0].Roles = []string{"uncle"} },
		"a role twice":             func(r *consent.NewRequest) { r.Parties[1].Roles = []string{"child"} },
		"a party without role":     func(r *consent.NewRequest) { r.Parties[1].Roles = nil },
		"a party without ref":      func(r *consent.NewRequest) { r.Parties[1].Ref = consent.PartyRef{} },
		"uses without a number":    func(r *consent.NewRequest) { r.Mode = consent.Uses },
		"once with a number":       func(r *consent.NewRequest) { r.Uses = 3 },
		"too many uses":            func(r *consent.NewRequest) { r.Mode, r.Uses = consent.Uses, consent.MaxUses+1 },
		"a standing one for ever":  func(r *consent.NewRequest) { r.Mode = consent.Until },
		"longer than a year":       func(r *consent.NewRequest) { r.Mode, r.Until = consent.Until, h.now().AddDate(1, 0, 1) },
		"over before it begins":    func(r *consent.NewRequest) { r.Until = h.now() },
		"open longer than a month": func(r *consent.NewRequest) { r.Expiry = consent.MaxExpiry + time.Second },
		"no key":                   func(r *consent.NewRequest) { r.IdempotencyKey = "" },
		"a dossier of two lines":   func(r *consent.NewRequest) { r.Dossier = "a\nb" },
		"a purpose in words":       func(r *consent.NewRequest) { r.Purpose = "vì thích" },
		"nobody to ask":            func(r *consent.NewRequest) { r.Fields = []string{"school_choice"} },
		"a post of two lines":      func(r *consent.NewRequest) { r.Officer.Post = "Hiệu trưởng\nđã ký" },
	} {
		r := h.enrolmentRequest(f, name)
		spoil(&r)
		if _, created, err := h.Create(t.Context(), pg.All(), r); created || !errors.Is(err, consent.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.counts(0, `select count(*) from consent_requests`)
	if _, _, err := h.Create(t.Context(), shut{code: "mandate_missing"}, h.enrolmentRequest(f, "")); pg.Refused(err) != "mandate_missing" {
		t.Errorf("a guard of the database: %v", err)
	}
	broken := errors.New("no")
	if _, _, err := h.Create(t.Context(), shut{err: broken}, h.enrolmentRequest(f, "")); !errors.Is(err, broken) {
		t.Errorf("a guard of the process: %v", err)
	}
	h.counts(0, `select count(*) from consent_requests`)
}

// TestP3_CreateOnce: one key is one request, whoever sends it how often at the same time.
func TestP3_CreateOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	type result struct {
		id      identity.RequestID
		created bool
		err     error
	}
	results := together(30, func(int) result {
		id, created, err := h.Create(context.Background(), pg.All(), h.enrolmentRequest(f, "same"))
		return result{id, created, err}
	})
	ids, made := map[identity.RequestID]bool{}, 0
	for _, r := range results {
		switch {
		case pg.Refused(r.err) == pg.CodeBusy:
		case r.err != nil:
			t.Error(r.err)
		default:
			ids[r.id] = true
			if r.created {
				made++
			}
		}
	}
	if made != 1 || len(ids) != 1 {
		t.Errorf("%d were made, of %d ids", made, len(ids))
	}
	id, created, err := h.Create(t.Context(), pg.All(), h.enrolmentRequest(f, "same"))
	if err != nil || created || !ids[id] {
		t.Errorf("again: %v, created %v", err, created)
	}
	other := h.enrolmentRequest(f, "same")
	other.Dossier = "HS-2026-002"
	if _, _, err := h.Create(t.Context(), pg.All(), other); !errors.Is(err, consent.ErrIdempotency) {
		t.Errorf("another request under the key: %v", err)
	}
	h.counts(1, `select count(*) from consent_requests`)
}

// TestFewOpenRequests: at most three with one person, also when a hundred are sent at once, and the same for somebody nobody knows.
func TestFewOpenRequests(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for name, someone := range map[string]consent.PartyRef{
		"known": consent.ByNumber(number(t, h.of("dan").PersonalNumber)), "unknown": consent.ByNumber(number(t, "099188999999")),
	} {
		one := func(i int) consent.NewRequest {
			r := h.enrolmentRequest(f, fmt.Sprint(name, i))
			r.Fields, r.Parties = []string{hersName}, []consent.Party{{Roles: []string{"applicant"}, Ref: someone}}
			return r
		}
		made := 0
		for _, err := range together(100, func(i int) error {
			_, _, err := h.Create(context.Background(), pg.All(), one(i))
			return err
		}) {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, consent.ErrTooMany):
				t.Error(err)
			}
		}
		if made != consent.MaxOpen {
			t.Errorf("%s: %d open requests", name, made)
		}
		other := one(200)
		other.Organisation = police
		if _, _, err := h.Create(t.Context(), pg.All(), other); err != nil {
			t.Errorf("%s: another organisation: %v", name, err)
		}
	}
	h.advance(consent.DefaultExpiry)
	r := h.enrolmentRequest(f, "later")
	if _, _, err := h.Create(t.Context(), pg.All(), r); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

// trace collects the statements that a pool runs.
type trace struct {
	mu   sync.Mutex
	list []string
}

func (tr *trace) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	tr.add(d.SQL)
	return ctx
}
func (*trace) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*trace) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}
func (tr *trace) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	tr.add(d.SQL)
}
func (*trace) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (tr *trace) add(sql string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.list = append(tr.list, sql)
}

// traced is a pool whose statements are collected.
func traced(t *testing.T, db *pgtest.DB) (*pgxpool.Pool, *trace) {
	t.Helper()
	cfg := must(pgxpool.ParseConfig(db.DSN(pgtest.Serve)))(t)
	tr := new(trace)
	cfg.ConnConfig.Tracer = tr
	pool := must(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	t.Cleanup(pool.Close)
	return pool, tr
}

// TestR5_NobodyCanTell: whether the person named is silent, blocked, dead, without an account or unknown, the same statements run, the answer is
// the same, and so is everything the agency sees until the request expires.
func TestR5_NobodyCanTell(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool, tr := traced(t, db)
	h := setupOn(t, db)
	people := map[string]string{"silent": "dan", "blocked": "thi", "dead": "chung", "without an account": "hoa", "unknown": "le"}
	for name, id := range people {
		switch name {
		case "unknown":
			continue
		case "without an account":
			h.enrol(id, 0)
			continue
		}
		vault := h.enrol(id, 2)
		h.exec(`update people set blocked = $2, life = case when $3 then 'dead' else 'alive' end where vault_id = $1`, vault, name == "blocked", name == "dead")
	}
	agency := h.on(pool)
	var statements, events []string
	for name, who := range people {
		for _, warm := range []bool{false, true} { // their keys in memory, if they have any
			r := h.enrolmentRequest(family{}, name+fmt.Sprint(warm))
			r.Fields = []string{hersName}
			r.Parties = []consent.Party{{Roles: []string{"applicant"}, Ref: consent.ByNumber(number(t, h.of(who).PersonalNumber))}}
			tr.list = nil
			id, created, err := agency.Create(t.Context(), pg.All(), r)
			if err != nil || !created {
				t.Fatalf("%s: %v", name, err)
			}
			if statements == nil {
				statements = slices.Clone(tr.list)
			}
			if diff := cmp.Diff(statements, tr.list); diff != "" {
				t.Errorf("%s: other statements run: %s", name, diff)
			}
			if s := must(h.Status(t.Context(), pg.All(), school, id))(t); s.State != consent.RequestOpen || !s.Expires.Equal(beginning.Add(consent.DefaultExpiry)) {
				t.Errorf("%s: %v", name, s)
			}
			if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrNotGranted) {
				t.Errorf("%s: redeemed: %v", name, err)
			}
		}
	}
	h.drain()
	h.advance(consent.DefaultExpiry)
	h.drain()
	list, _, err := delivery.Events(t.Context(), h.pool, pg.All(), school, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		var body struct{ Complete bool }
		if err := json.Unmarshal(e.Body, &body); err != nil || e.Kind != "request.expired" || body.Complete {
			t.Errorf("event %s %s", e.Kind, e.Body)
		}
		events = append(events, e.Kind)
	}
	if len(events) != 2*len(people) {
		t.Errorf("%d events for %d requests", len(events), 2*len(people))
	}
	h.counts(0, `select count(*) from access_log where vault_id not in (select vault_id from vaults)`)
}

// TestStatus: an agency learns how far its request has come and nothing else, once, and of another's request nothing.
func TestStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		child, mother bool
		want          consent.RequestState
		event         string
	}{
		"both agree":       {true, true, consent.RequestComplete, `{"request_id":"?","complete":true}`},
		"the mother not":   {true, false, consent.RequestClosed, `{"request_id":"?","complete":false}`},
		"for the child no": {false, true, consent.RequestClosed, `{"request_id":"?","complete":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			f := h.family()
			id := h.ask(f, "")
			say := func(who consent.Acting, allow bool, fields ...string) {
				if allow {
					h.decide(who, yes(id, fields...))
				} else {
					h.decide(who, consent.Decision{Request: id, Language: consent.English})
				}
			}
			say(h.acting(f.mother), c.child, childName)
			h.drain()
			if s := must(h.Status(t.Context(), pg.All(), school, id))(t); s.State != consent.RequestOpen {
				t.Errorf("after one of two: %s", s.State)
			}
			say(h.me(f.mother), c.mother, hersName)
			if s := must(h.Status(t.Context(), pg.All(), school, id))(t); s.State != c.want {
				t.Errorf("after both: %s", s.State)
			}
			h.drain()
			h.advance(consent.DefaultExpiry)
			h.drain()
			events, _, err := delivery.Events(t.Context(), h.pool, pg.All(), school, 0, 10)
			if err != nil || len(events) != 1 || events[0].Kind != "request.decided" {
				t.Fatalf("events %v: %v", events, err)
			}
			raw := id.Bytes()
			want := strings.Replace(c.event, "?", h.d.Ref("sector-"+school, "request", raw[:]), 1)
			var got, wanted any
			if json.Unmarshal(events[0].Body, &got) != nil || json.Unmarshal([]byte(want), &wanted) != nil || !cmp.Equal(got, wanted) {
				t.Errorf("event %s, want %s", events[0].Body, want)
			}
			_, missing := h.Status(t.Context(), pg.All(), school, identity.NewID[identity.RequestID]())
			_, foreign := h.Status(t.Context(), pg.All(), police, id)
			if !errors.Is(missing, consent.ErrNotFound) || !errors.Is(foreign, consent.ErrNotFound) {
				t.Errorf("missing %v, foreign %v", missing, foreign)
			}
		})
	}
}

// TestByNotice: a newborn is named by the birth notice or the register entry.
func TestByNotice(t *testing.T) {
	t.Parallel()
	h := setup(t)
	an := h.newborn("an")
	r := h.enrolmentRequest(family{}, "")
	r.Parties = []consent.Party{{Roles: []string{"child"}, Ref: consent.ByNotice(must(identity.ParseBirthNotice(h.of("an").BirthNoticeNumber))(t))}}
	id, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil || !must(h.PlanOf(t.Context(), h.pool, id))(t).Has(an) {
		t.Errorf("by the notice: %v", err)
	}
	r.Parties[0].Ref, r.IdempotencyKey = must(consent.ByRegistration("ubnd-gia-loc", "03/2026", "77/2026"))(t), "entry"
	id, _, err = h.Create(t.Context(), pg.All(), r)
	if err != nil || must(h.PlanOf(t.Context(), h.pool, id))(t).Has(an) {
		t.Errorf("by an entry nobody has: %v", err)
	}
}

// TestByPaperAndSubject: people are also named by the pairwise name of the sector, and by a paper of theirs that the organisation delivered.
func TestByPaperAndSubject(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.exec(`insert into subjects (sector, vault_id, sub, created_at) values ($1, $2, 'sub-of-dan', $3)`, "sector-"+school, f.mother, h.now())
	h.exec(`insert into papers (document_id, vault_id, organisation_id, created_at, mac) values ($1, $2, $3, $4, $5)`, paper(5), f.child, school, h.now(),
		h.d.MAC("papers", consent.PaperColumns(paper(5), f.child, school, identity.DocumentID{}, h.now())))
	r := h.enrolmentRequest(f, "")
	r.Parties[0].Ref, r.Parties[1].Ref = consent.ByPaper(paper(5)), consent.BySubject("sub-of-dan")
	id, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	plan := must(h.PlanOf(t.Context(), h.pool, id))(t)
	if !plan.Has(f.child) || !plan.Has(f.mother) {
		t.Error("others are asked")
	}
	r.Organisation, r.IdempotencyKey = police, "another sector"
	id, _, err = h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	if must(h.PlanOf(t.Context(), h.pool, id))(t).Has(f.mother) {
		t.Error("the name of one sector leads to the person in another")
	}
	// R2: a paper that was given another home behind the service's back leads nowhere.
	r.IdempotencyKey = "moved"
	for _, sql := range []string{`update papers set vault_id = $1`, `update papers set vault_id = $1, mac = ''`, `update papers set created_at = created_at + interval '1 day', vault_id = $1`} {
		h.exec(sql, f.mother)
		if _, _, err := h.Create(t.Context(), pg.All(), r); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
