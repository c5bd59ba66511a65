package consent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// guarded runs an empty operation behind the guard of an acting.
func (h *house) guarded(who consent.Acting) error {
	h.t.Helper()
	g := who.Guard()
	b := new(pgx.Batch)
	g.Queue(b)
	if err := pg.Pipeline(h.t.Context(), h.pool, b); err != nil {
		if pg.Refused(err) == consent.CodeNotFound {
			return consent.ErrNotFound
		}
		return err
	}
	return g.Check()
}

// states are the relations of a person, in the order in which they were proposed.
func (h *house) states(person identity.VaultID) []string {
	h.t.Helper()
	var lines []string
	for _, r := range must(h.Relations(h.t.Context(), pg.All(), person))(h.t) {
		lines = append(lines, string(r.Kind)+" "+string(r.State)+" "+string(r.Reason))
	}
	return lines
}

func (h *house) wants(person identity.VaultID, want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.states(person)); diff != "" {
		h.t.Error("relations:", diff)
	}
}

// may counts for how many others somebody may act.
func (h *house) may(actor identity.VaultID) int {
	h.t.Helper()
	return len(must(h.People(h.t.Context(), pg.All(), actor, app))(h.t))
}

// TestRelationAtOnce: a certificate whose issuer may say so, with numbers that lead to both people, gives authority in the transaction that
// stores it; the parents see their child seconds later.
func TestRelationAtOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.wants(f.child, "mother active paper", "father active paper")
	if h.may(f.mother) != 1 || h.may(f.father) != 1 || h.may(f.child) != 0 {
		t.Error("not exactly the parents may act")
	}
	people := must(h.People(t.Context(), pg.All(), f.mother, app))(t)
	if p := people[0]; p.Vault != f.child || p.Kind != consent.Mother || p.Name.Reveal() != h.of("khang").FullName || p.Relation != f.relations[0] {
		t.Errorf("the mother sees %v %s", p.Vault, p.Kind)
	}
	if err := h.guarded(h.acting(f.mother)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"relation_active done father", "relation_active done mother"}, sorted(h.record(f.child))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"relation_active done mother"}, h.record(f.mother)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"relation_active"}, h.notices.list[f.mother]); diff != "" {
		t.Error(diff)
	}
}

// TestRelationWaitsForTheNumber is the story of the house: the certificate comes before the number, and the relation takes effect when the
// registrar binds it, with nothing left to do for anybody.
func TestRelationWaitsForTheNumber(t *testing.T) {
	t.Parallel()
	h := setup(t)
	an, du := h.newborn("an"), h.enrol("du", 2)
	p := h.proposal(an, consent.Mother, "du", du)
	p.BothByNumber = false
	h.propose(an, p)
	h.drain()
	h.wants(an, "mother proposed child_number")
	h.advance(8 * 24 * time.Hour)
	h.drain()
	h.wants(an, "mother proposed child_number")
	if h.may(du) != 0 {
		t.Error("acts before the number is known")
	}
	h.bind(an, "an")
	h.drain()
	h.wants(an, "mother active paper")
	if err := h.guarded(h.acting(du)); err != nil {
		t.Error(err)
	}
	h.drain()
	if diff := cmp.Diff([]string{"identifier_bound done civil_register", "relation_active done paper", "relation_proposed done mother"}, sorted(h.record(an))); diff != "" {
		t.Error(diff)
	}
}

// TestRelationWaitsForTheActor: nobody is enrolled under the mother's number yet.
func TestRelationWaitsForTheActor(t *testing.T) {
	t.Parallel()
	h := setup(t)
	khang := h.enrol("khang", 0)
	h.propose(khang, h.proposal(khang, consent.Mother, "dan", identity.VaultID{}))
	h.drain()
	h.wants(khang, "mother proposed actor_number")
	dan := h.enrol("dan", 2)
	if err := h.DecideRelations(t.Context(), delivery.Task{Kind: consent.TaskDecide, Vault: dan}); err != nil {
		t.Fatal(err)
	}
	h.drain()
	h.wants(khang, "mother active paper")
	if h.may(dan) != 1 {
		t.Error("the mother may not act")
	}
}

// TestRelationContradicted: another mother by number changes nothing for the first, and waits for the registrar; the first is told.
func TestRelationContradicted(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	hoa := h.enrol("hoa", 2)
	other := h.proposal(f.child, consent.Mother, "hoa", hoa)
	other.Document, other.Revision = paper(2), 1
	h.propose(f.child, other)
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", "mother suspended contradiction")
	if h.may(hoa) != 0 || h.may(f.mother) != 1 {
		t.Error("the contradiction took effect")
	}
	for _, who := range []identity.VaultID{f.mother, f.father} {
		if diff := cmp.Diff([]string{"relation_active", "relation_proposed"}, h.notices.list[who]); diff != "" {
			t.Error(diff)
		}
	}
	// The registrar finds that the first was wrong: the second is free to stand.
	if err := h.End(t.Context(), pg.All(), h.registrar(), f.child, f.relations[0], "court_decision"); err != nil {
		t.Fatal(err)
	}
	h.drain()
	h.wants(f.child, "mother ended court_decision", "father active paper", "mother active paper")
	if h.may(hoa) != 1 || h.may(f.mother) != 0 {
		t.Error("the registrar's word did not take effect")
	}
}

// TestRelationBySecondOfficer: an issuer without the right waits seven days and for an officer who is not its own.
func TestRelationBySecondOfficer(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	guardian := h.enrol("hoa", 2)
	p := h.proposal(f.child, consent.LegalRepresentative, "hoa", guardian)
	p.Document, p.MandateCovers = paper(3), false
	id := h.propose(f.child, p)[0]
	h.drain()
	const waits = "legal_representative proposed mandate"
	h.wants(f.child, "mother active paper", "father active paper", waits)
	own := h.registrar()
	own.Officer.Organisation, own.Officer.ID = p.Organisation, p.Officer
	if err := h.Confirm(t.Context(), pg.All(), own, f.child, id); !errors.Is(err, consent.ErrSameOfficer) {
		t.Errorf("confirmed by the officer who proposed: %v", err)
	}
	for range 2 { // a repeated word is one word
		if err := h.Confirm(t.Context(), pg.All(), h.registrar(), f.child, id); err != nil {
			t.Fatal(err)
		}
	}
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", waits)
	h.advance(consent.Waiting - time.Microsecond)
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", waits)
	h.advance(time.Microsecond)
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", "legal_representative active confirmed")
	if h.may(guardian) != 1 {
		t.Error("the guardian may not act")
	}
	if err := h.Confirm(t.Context(), pg.All(), h.registrar(), f.child, id); !errors.Is(err, consent.ErrState) {
		t.Errorf("confirmed again: %v", err)
	}
}

// TestRelationEndsAtEighteen: by the date alone, whatever anybody does or forgets to do.
func TestRelationEndsAtEighteen(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	who := h.acting(f.mother)
	midnight := time.Date(2039, 3, 14, 17, 0, 0, 0, time.UTC) // in Viet Nam, 15 March 2039 begins
	h.goTo(midnight.Add(-time.Microsecond))
	who = must(h.Who(f.mother, app, who.Handle))(t)
	if err := h.guarded(who); err != nil || h.may(f.mother) != 1 {
		t.Errorf("the last moment of childhood: %v", err)
	}
	h.goTo(midnight)
	who = must(h.Who(f.mother, app, who.Handle))(t)
	if err := h.guarded(who); !errors.Is(err, consent.ErrNotFound) || h.may(f.mother) != 0 {
		t.Errorf("of age: %v", err)
	}
}

// TestRelationRevoked: the paper goes, and what stood on it with it; a new one is a new proposal.
func TestRelationRevoked(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.exec(`insert into documents (vault_id, document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at)
		values ($1, $2, '\x00', 'revoked', 2, '\x00', $3, $3)`, f.child, paper(1), h.now())
	b := new(pgx.Batch)
	h.QueueReconsider(b, f.child, h.now())
	if err := pg.Pipeline(t.Context(), h.pool, b); err != nil {
		t.Fatal(err)
	}
	h.drain()
	h.wants(f.child, "mother ended paper_revoked", "father ended paper_revoked")
	if h.may(f.mother) != 0 {
		t.Error("acts on a revoked paper")
	}
	again := h.proposal(f.child, consent.Mother, "dan", f.mother)
	again.Document = paper(2)
	h.propose(f.child, again)
	h.drain()
	h.wants(f.child, "mother ended paper_revoked", "father ended paper_revoked", "mother active paper")
	if h.may(f.mother) != 1 {
		t.Error("does not act on the new paper")
	}
}

// TestRelationTwice: a correction that names the same mother adds nothing.
func TestRelationTwice(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	again := h.proposal(f.child, consent.Mother, "dan", f.mother)
	again.Revision = 2
	h.propose(f.child, again)
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", "mother ended same")
	if h.may(f.mother) != 1 {
		t.Error("the mother may not act")
	}
}

// TestS1_RestrictionLooksLikeAbsence: for a restricted father everything is as if he had never been his child's representative.
func TestS1_RestrictionLooksLikeAbsence(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	stranger := h.enrol("hoa", 2)
	his := h.acting(f.father)
	request := h.ask(f, "")
	for range 2 {
		if err := h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
			t.Fatal(err)
		}
	}
	// At once, before anything has followed.
	his = must(h.Who(f.father, app, his.Handle))(t)
	if err := h.guarded(his); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("the guard: %v", err)
	}
	if h.may(f.father) != 0 {
		t.Error("the list still shows the child")
	}
	h.drain()
	if h.may(f.father) != 0 || h.may(f.mother) != 1 {
		t.Error("not exactly the father is gone")
	}
	_, missing := h.View(t.Context(), pg.All(), h.me(stranger), request)
	_, restricted := h.View(t.Context(), pg.All(), his, request)
	if missing == nil || restricted == nil || missing.Error() != restricted.Error() {
		t.Errorf("a request: %v, a stranger: %v", restricted, missing)
	}
	if _, err := h.Decide(t.Context(), pg.All(), his, consent.Decision{Request: request, Language: "vi"}, nil); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("decides: %v", err)
	}
	// His own vault says nothing of it, and a new paper brings nothing back.
	for _, line := range h.record(f.father) {
		if line != "relation_active done father" && line != "request_received done" {
			t.Errorf("his record says %q", line)
		}
	}
	again := h.proposal(f.child, consent.Father, "giai", f.father)
	again.Document = paper(9)
	h.propose(f.child, again)
	h.drain()
	h.wants(f.child, "mother active paper", "father restricted court_order", "father restricted restricted_yet")
	if err := h.Lift(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
		t.Fatal(err)
	}
	h.drain()
	if h.may(f.father) != 1 {
		t.Error("the right was not given back")
	}
}

// TestS1_HandlesAreForOneActor: a handle works for whom it was made, in the sector it was made for, and every other string is one answer.
func TestS1_HandlesAreForOneActor(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	hers := h.acting(f.mother).Handle
	for name, try := range map[string]struct {
		who    identity.VaultID
		sector string
		handle string
	}{
		"another's":   {f.father, app, hers},
		"of a sector": {f.mother, "sector-x", hers},
		"made up":     {f.mother, app, "AAAA"},
		"empty":       {f.mother, app, ""},
		"an id":       {f.mother, app, f.child.String()},
		"cut":         {f.mother, app, hers[:len(hers)-2]},
	} {
		if _, err := h.Who(try.who, try.sector, try.handle); err == nil || err.Error() != consent.ErrNotFound.Error() {
			t.Errorf("a handle that is %s: %v", name, err)
		}
	}
}

// TestTamperedRelations: whoever writes to the database gives nobody authority (R2).
func TestTamperedRelations(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	who := h.acting(f.father)
	if err := h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
		t.Fatal(err)
	}
	old := h.acting(f.mother)
	for name, sql := range map[string]string{
		"state back to active":     `update relations set state = 'active' where vault_id = $1 and relation_id = $2`,
		"state and date":           `update relations set state = 'active', valid_until = valid_until + interval '1 year' where vault_id = $1 and relation_id = $2`,
		"the mother's row":         `update relations r set state = 'active', mac = m.mac, sealed = m.sealed from relations m where r.vault_id = $1 and r.relation_id = $2 and m.vault_id = $1 and m.relation_id = '` + f.relations[0].String() + `'`,
		"earlier":                  `update relations set state = 'active', valid_from = valid_from - interval '1 year' where vault_id = $1 and relation_id = $2`,
		"document":                 `update relations set state = 'active', document_id = gen_random_uuid() where vault_id = $1 and relation_id = $2`,
		"another's relation moved": `update relations set state = 'active', sealed = sealed || '\x00' where vault_id = $1 and relation_id = $2`,
	} {
		h.exec(sql, f.child, f.relations[1])
		fresh := must(h.Who(f.father, app, who.Handle))(t)
		if err := h.guarded(fresh); !errors.Is(err, consent.ErrNotFound) || !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.DecideRelations(t.Context(), delivery.Task{Kind: consent.TaskDecide, Vault: f.child}); err == nil {
			t.Errorf("%s: judged as if nothing were wrong", name)
		}
	}
	if err := h.guarded(old); err != nil {
		t.Errorf("the mother: %v", err)
	}
}

// TestNotARelation holds what no paper can propose, and that nothing of it is written.
func TestNotARelation(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for name, spoil := range map[string]func(*consent.Proposal){
		"for nobody":            func(p *consent.Proposal) { p.Child = identity.VaultID{} },
		"by nobody":             func(p *consent.Proposal) { p.ActorNumber = identity.PersonalNumber{} },
		"by an uncle":           func(p *consent.Proposal) { p.Kind = "uncle" },
		"by the child":          func(p *consent.Proposal) { p.Actor = f.child },
		"over before it begins": func(p *consent.Proposal) { p.Until = h.now() },
		"found, and not there":  func(p *consent.Proposal) { p.Actor = identity.VaultID{} },
	} {
		p := h.proposal(f.child, consent.Mother, "dan", f.mother)
		spoil(&p)
		if _, err := h.QueuePropose(new(pgx.Batch), h.keys(f.child), []consent.Proposal{p}, h.now()); !errors.Is(err, consent.ErrRelation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if consent.Mother.Reason() != "parent" || consent.LegalRepresentative.Reason() != "legal_representative" {
		t.Error("the catalogue's words")
	}
	// A paper that names the person as their own mother is kept as what it is: over.
	self := h.proposal(f.child, consent.LegalRepresentative, "khang", identity.VaultID{})
	h.propose(f.child, self)
	h.drain()
	h.wants(f.child, "mother active paper", "father active paper", "legal_representative ended self")
	for _, err := range []error{
		h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, identity.NewID[identity.RelationID](), "court_order"),
		h.Restrict(t.Context(), pg.All(), h.registrar(), identity.NewVaultID(), f.relations[0], "court_order"),
		h.End(t.Context(), pg.All(), h.registrar(), f.mother, f.relations[0], "court_order"),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("a relation that is not there: %v", err)
		}
	}
	if err := h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[0], "Vì lý do riêng"); !errors.Is(err, consent.ErrRelation) {
		t.Errorf("a reason in words: %v", err)
	}
	if err := h.Lift(t.Context(), pg.All(), h.registrar(), f.child, f.relations[0], "lifted"); err != nil {
		t.Errorf("lifting what stands: %v", err)
	}
}

// TestMirrorOrder: an older state of the home side, mirrored late, does not replace a newer one.
func TestMirrorOrder(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	task := delivery.Task{Kind: consent.TaskMirror, Vault: f.child, Args: []byte(`{"relation_id":"` + f.relations[1].String() + `"}`)}
	for range 3 { // mirrored again and again, nothing changes
		if err := h.MirrorRelation(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	h.counts(1, `select count(*) from relations where vault_id = $1 and side = 'actor' and state = 'active'`, f.father)
	if diff := cmp.Diff([]string{"relation_active done father"}, h.record(f.father)); diff != "" {
		t.Error(diff)
	}
	if err := h.Restrict(t.Context(), pg.All(), h.registrar(), f.child, f.relations[1], "court_order"); err != nil {
		t.Fatal(err)
	}
	h.drain()
	h.counts(1, `select count(*) from relations where vault_id = $1 and side = 'actor' and state = 'ended'`, f.father)
}
