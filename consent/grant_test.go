package consent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// standing makes a request for a standing grant, and the mother's signed yes for her child.
func (h *house) standing(f family, key string, mode consent.Mode, uses int) (identity.RequestID, consent.Grant) {
	h.t.Helper()
	r := h.enrolmentRequest(f, key)
	r.Fields, r.Mode, r.Uses, r.Until = []string{childName, childBirth}, mode, uses, h.now().AddDate(0, 6, 0)
	r.Parties = r.Parties[:1]
	id, _, err := h.Create(h.t.Context(), pg.All(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	who, phone := h.acting(f.mother), newDevice(h.t)
	v := must(h.View(h.t.Context(), pg.All(), who, id))(h.t)
	d := consent.Decision{Request: id, Allow: true, Fields: []string{childName, childBirth}, Language: "vi", Mode: mode, Uses: uses}
	d.Signature = phone.sign(decided(v, d))
	return id, must(h.Decide(h.t.Context(), pg.All(), who, d, phone.verify))(h.t).Grant
}

// TestGrantGraph holds the life of a grant to its graph: each act in each state, with its receipt.
func TestGrantGraph(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	request, g := h.standing(f, "", consent.Until, 0)
	her := h.acting(f.mother)
	type act func(context.Context, pg.Guard, consent.Acting, identity.GrantID) (string, error)
	steps := []struct {
		name     string
		do       act
		err      error
		redeem   error
		receipts int
	}{
		{"resume what was never paused", h.Resume, consent.ErrState, nil, 1},
		{"pause", h.Pause, nil, consent.ErrNotGranted, 2},
		{"pause again", h.Pause, nil, consent.ErrNotGranted, 2},
		{"resume", h.Resume, nil, nil, 3},
		{"resume again", h.Resume, nil, nil, 3},
		{"pause anew", h.Pause, nil, consent.ErrNotGranted, 4},
		{"withdraw", h.Withdraw, nil, consent.ErrWithdrawn, 5},
		{"withdraw again", h.Withdraw, nil, consent.ErrWithdrawn, 5},
		{"resume what was withdrawn", h.Resume, consent.ErrState, consent.ErrWithdrawn, 5},
		{"pause what was withdrawn", h.Pause, consent.ErrState, consent.ErrWithdrawn, 5},
	}
	var last string
	for _, s := range steps {
		receipt, err := s.do(t.Context(), pg.All(), her, g.ID)
		if !errors.Is(err, s.err) {
			t.Errorf("%s: %v", s.name, err)
		}
		if strings.HasSuffix(s.name, " again") && receipt != last {
			t.Errorf("%s: another receipt", s.name)
		}
		last = receipt
		if _, err := h.redeem(request, reading{}); !errors.Is(err, s.redeem) {
			t.Errorf("%s: redeemed: %v", s.name, err)
		}
		if got := must(h.Receipts(t.Context(), pg.All(), her, g.ID))(t); len(got) != s.receipts {
			t.Errorf("%s: %d receipts, want %d", s.name, len(got), s.receipts)
		}
	}
	r := h.receipt(last0(must(h.Receipts(t.Context(), pg.All(), her, g.ID))(t)))
	if r.Event.Type != "withdrawn" || r.Event.State != "withdrawn" || r.Purpose.TitleVI == "" || len(r.Information) != 2 || r.PrivacyNotice.RequestDigest == "" {
		t.Errorf("%+v", r)
	}
	h.drain()
	events, _, err := delivery.Events(t.Context(), h.pool, pg.All(), school, 0, 10)
	if err != nil || len(events) != 2 || events[1].Kind != "grant.withdrawn" && events[0].Kind != "grant.withdrawn" {
		t.Errorf("events %v: %v", events, err)
	}
	want := []string{"decision done", "grant_paused done", "grant_paused done", "grant_resumed done", "withdrawal done"}
	record := slices.DeleteFunc(h.record(f.child), func(s string) bool { return !slices.Contains(want, s) })
	if diff := cmp.Diff(want, sorted(record)); diff != "" {
		t.Error(diff)
	}
}

func last0(list []string) string { return list[len(list)-1] }

// TestWhoMayChange: what one agreed to the other may end; only whoever paused may resume, or the person once of age.
func TestWhoMayChange(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.account(f.child)
	_, g := h.standing(f, "", consent.Until, 0)
	child, mother, father := h.me(f.child), h.acting(f.mother), h.acting(f.father)
	if _, err := h.Pause(t.Context(), pg.All(), child, g.ID); err != nil {
		t.Fatalf("the child pauses: %v", err)
	}
	for _, who := range []consent.Acting{mother, father} {
		if _, err := h.Resume(t.Context(), pg.All(), who, g.ID); !errors.Is(err, consent.ErrState) {
			t.Errorf("a parent resumes what the child paused: %v", err)
		}
	}
	if _, err := h.Resume(t.Context(), pg.All(), child, g.ID); err != nil {
		t.Errorf("the child resumes: %v", err)
	}
	if _, err := h.Withdraw(t.Context(), pg.All(), father, g.ID); err != nil {
		t.Errorf("the father withdraws: %v", err)
	}
	if err := h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Withdraw(t.Context(), pg.All(), father, g.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a restricted father: %v", err)
	}
}

// TestReplace: a new grant ends the old one only when the person says so, and names it.
func TestReplace(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	request, old := h.standing(f, "1", consent.Until, 0)
	id := h.ask(f, "2")
	h.decide(h.acting(f.father), yes(id, childName))
	if _, err := h.redeem(request, reading{}); err != nil {
		t.Errorf("another grant ended the old one silently: %v", err)
	}
	id = h.ask(f, "3")
	d := yes(id, childName)
	d.Replaces = old.ID
	for i := range 2 {
		a := h.decide(h.acting(f.mother), d)
		if a.Grant.Replaces != old.ID || a.Repeated != (i == 1) || h.receipt(a.Receipt).Terms.Replaces == "" {
			t.Errorf("%+v", a)
		}
	}
	if _, err := h.redeem(request, reading{}); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("the old grant: %v", err)
	}
	receipts := must(h.Receipts(t.Context(), pg.All(), h.acting(f.mother), old.ID))(t)
	if r := h.receipt(last0(receipts)); r.Event.Reason != "replaced" {
		t.Errorf("%+v", r.Event)
	}
	// What is over cannot be replaced, and neither can a grant to somebody else.
	r := h.enrolmentRequest(f, "4")
	r.Organisation = police
	foreign, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, standing := h.standing(f, "5", consent.Until, 0)
	d = yes(foreign, childName)
	d.Replaces = standing.ID
	if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), d, nil); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a grant to another organisation: %v", err)
	}
	d.Request, d.Replaces = h.ask(f, "6"), old.ID
	if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), d, nil); !errors.Is(err, consent.ErrState) {
		t.Errorf("a grant that is over: %v", err)
	}
}

// TestGrants lists what was allowed, newest first, page by page, with how often it was used.
func TestGrants(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	var made []identity.GrantID
	for i := range 5 {
		h.advance(time.Minute)
		request, g := h.standing(f, fmt.Sprint(i), consent.Until, 0)
		made = append([]identity.GrantID{g.ID}, made...)
		for range i {
			must(h.redeem(request, reading{}))(t)
		}
	}
	var got []identity.GrantID
	cursor := ""
	for range 10 {
		page, next, err := h.Grants(t.Context(), pg.All(), h.acting(f.father), cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page {
			if want := len(made) - 1 - len(got); g.Used != want || (want > 0) == g.LastUsed.IsZero() || g.OrganisationVI == "" {
				t.Errorf("used %d times, last %v, want %d", g.Used, g.LastUsed, want)
			}
			got = append(got, g.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, made) {
		t.Errorf("listed %v, want %v", got, made)
	}
	if _, _, err := h.Grants(t.Context(), pg.All(), h.acting(f.father), "x", 2); !errors.Is(err, consent.ErrCursor) {
		t.Errorf("a made-up cursor: %v", err)
	}
	h.goTo(h.now().AddDate(0, 7, 0))
	page, _, err := h.Grants(t.Context(), pg.All(), h.acting(f.father), "", 10)
	if err != nil || len(page) != 5 || page[0].State != consent.GrantExpired {
		t.Errorf("half a year later: %v", err)
	}
}

// TestR10_HeadsAreTheirFacts: whatever happens in whatever order, each head is what its facts add up to; and what was altered behind the
// service's back is found.
func TestR10_HeadsAreTheirFacts(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	var requests []identity.RequestID
	var grants []identity.GrantID
	for i, mode := range []consent.Mode{consent.Until, consent.Uses, consent.Uses} {
		uses := 0
		if mode == consent.Uses {
			uses = 2 + i
		}
		r, g := h.standing(f, fmt.Sprint(i), mode, uses)
		requests, grants = append(requests, r), append(grants, g.ID)
	}
	must(h.redeem(requests[0], reading{}))(t)
	examine := func() []string { return must(h.Examine(context.Background(), f.child))(t) }
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.IntRange(0, len(grants)-1).Draw(rt, "grant")
		who := rapid.SampledFrom([]consent.Acting{h.acting(f.mother), h.acting(f.father)}).Draw(rt, "who")
		h.advance(time.Duration(rapid.IntRange(0, 2).Draw(rt, "seconds")) * time.Second)
		var err error
		switch rapid.SampledFrom([]string{"use", "use", "use", "pause", "resume", "restrict", "lift", "withdraw"}).Draw(rt, "act") {
		case "use":
			_, err = h.redeem(requests[i], reading{})
		case "pause":
			_, err = h.Pause(context.Background(), pg.All(), who, grants[i])
		case "resume":
			_, err = h.Resume(context.Background(), pg.All(), who, grants[i])
		case "restrict":
			err = h.Restrict(context.Background(), pg.All(), h.registrar(), f.child, f.relations[0], "court_order")
			err = errors.Join(err, h.Lift(context.Background(), pg.All(), h.registrar(), f.child, f.relations[0], "lifted"))
		case "lift":
			err = h.DecideRelations(context.Background(), delivery.Task{Kind: consent.TaskDecide, Vault: f.child})
		case "withdraw":
			if i == 2 {
				_, err = h.Withdraw(context.Background(), pg.All(), who, grants[i])
			}
		}
		for _, fine := range []error{consent.ErrState, consent.ErrWithdrawn, consent.ErrConsumed, consent.ErrNotGranted} {
			if errors.Is(err, fine) {
				err = nil
			}
		}
		if err != nil {
			rt.Fatal(err)
		}
		if wrong := examine(); len(wrong) > 0 {
			rt.Fatal(wrong)
		}
	})
	tables := []string{"grants", "relations", "relation_facts", "grant_events", "disclosures"}
	for _, table := range tables {
		h.exec(`create table saved_` + table + ` as select * from ` + table)
	}
	for name, sql := range map[string]string{
		"a use given back":    `update grants set uses_left = uses_left + 1 where vault_id = $1 and mode = 'uses'`,
		"a withdrawal undone": `update grants set state = case state when 'withdrawn' then 'active' else 'withdrawn' end where vault_id = $1`,
		"a longer time":       `update grants set valid_until = valid_until + interval '1 day' where vault_id = $1`,
		"a relation":          `update relations set state = case state when 'active' then 'ended' else 'active' end where vault_id = $1`,
		"facts gone":          `delete from relation_facts where vault_id = $1`,
		"a relation gone":     `delete from relations where vault_id = $1`,
		"events gone":         `delete from grant_events where vault_id = $1 and kind = 'granted'`,
		"a pause gone":        `delete from grant_events where vault_id = $1 and version > 1`,
		"a version":           `update grant_events set version = version + 100 where vault_id = $1 and version > 1`,
		"a use gone":          `delete from grant_events where vault_id = $1 and kind = 'used'`,
		"a release gone":      `delete from disclosures where vault_id = $1`,
		"a grant gone":        `delete from grants where vault_id = $1`,
		"an event altered":    `update grant_events set sealed = sealed || '\x00' where vault_id = $1`,
	} {
		if h.exec(sql, f.child) == 0 {
			t.Errorf("%s: nothing to spoil", name)
		}
		if wrong := examine(); len(wrong) == 0 {
			t.Errorf("%s: not found", name)
		}
		for _, table := range tables {
			h.exec(`delete from ` + table)
			h.exec(`insert into ` + table + ` select * from saved_` + table)
		}
		if wrong := examine(); len(wrong) > 0 {
			t.Fatalf("%s: not restored: %v", name, wrong)
		}
	}
}

// TestFactsStay: the service may write facts and not change them, and of the heads only the listed columns.
func TestFactsStay(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.granted(f, "")
	conn := must(h.db.Open(t, pg.Config{Role: pgtest.Serve}).Acquire(t.Context()))(t)
	defer conn.Release()
	for _, sql := range []string{
		`update grant_events set kind = 'used'`, `delete from grant_events`, `update disclosures set at = now()`, `delete from disclosures`,
		`update relation_facts set kind = 'active'`, `delete from relation_facts`, `delete from relations`, `delete from grants`,
		`update grants set valid_until = now()`, `update grants set client_id = 'x'`, `update grants set sealed = '\x00'`, `update grants set pinned_revisions = '{}'`,
		`update relations set vault_id = vault_id`, `update consent_requests set sealed = '\x00'`, `update request_parties set expires_at = now()`,
		`delete from request_parties`, `delete from relation_waits`, `delete from idempotency`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
