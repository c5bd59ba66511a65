package consent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// TestRedeem: the permit says what each person allowed, and nothing of those who did not.
func TestRedeem(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	child := h.decide(h.acting(f.mother), yes(id, childName, childBirth))
	use := consent.Use{
		Opened: map[identity.VaultID][]consent.DocRevision{f.child: {{Document: paper(1), Revision: 1}}},
		Fields: map[identity.VaultID][]string{f.child: {childName}},
	}
	p := must(h.redeem(id, reading{use: use}))(t)
	pins, pinned := p.Pinned(f.child)
	if p.IsZero() || !p.Has(f.child) || p.Has(f.mother) || p.Has(f.father) || !pinned || !cmp.Equal(pins, child.Grant.Pinned, cmp.AllowUnexported(identity.DocumentID{})) ||
		p.Grant(f.child) != child.Grant.ID || !p.Grant(f.mother).IsZero() || p.Fields(f.mother) != nil || !p.Allows(f.child, childBirth) || p.Allows(f.child, childEthnicity) ||
		!cmp.Equal(p.Roles(f.child), []string{"child"}) || p.Organisation() != school || p.Officer().ID != "hieu-truong-1" || p.Repeated() || p.Disclosure().IsZero() {
		t.Errorf("the permit is not what was allowed: vaults %v", p.Vaults())
	}
	h.counts(1, `select count(*) from disclosures where vault_id = $1 and disclosure_id = $2 and pinned_documents = array[$3]::uuid[] and pinned_revisions = '{1}'`,
		f.child, p.Disclosure(), paper(1))
	h.counts(1, `select count(*) from grants where state = 'consumed' and uses_left = 0`)
	plan := p.Plan()
	if plan.Request() != id || plan.Procedure() != "kindergarten_enrolment" || plan.Dossier() != "HS-2026-001" || plan.Purpose() != "enrolment" ||
		!strings.HasPrefix(plan.Basis(), "consent: 91/2025/QH15") || plan.Client() != "hoa-sen-client" || p.Client() != "hoa-sen-client" || plan.Digest() == [32]byte{} {
		t.Errorf("the plan says %s %s %s %s", plan.Procedure(), plan.Dossier(), plan.Purpose(), plan.Basis())
	}
	if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrConsumed) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := h.redeemAs(t.Context(), police, id, reading{}); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("another organisation: %v", err)
	}
	if _, err := h.redeem(identity.NewID[identity.RequestID](), reading{}); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("no request: %v", err)
	}
}

// TestZeroPermit: a permit that was never minted is recognised and used for nothing, and none covers more than it says.
func TestZeroPermit(t *testing.T) {
	t.Parallel()
	h := setup(t)
	var zero consent.Permit
	b := new(pgx.Batch)
	if err := h.QueueUse(b, zero, nil, consent.Use{}, h.now()); !zero.IsZero() || !errors.Is(err, consent.ErrPermit) || b.Len() > 0 {
		t.Errorf("the zero permit: %v", err)
	}
	if len(zero.Vaults()) > 0 || zero.Has(identity.NewVaultID()) {
		t.Error("the zero permit opens something")
	}
	var nothing consent.Plan
	if _, err := h.QueueRedeem(b, nothing, school, "", h.now()).Permit(nil); !errors.Is(err, consent.ErrNotFound) || b.Len() > 0 {
		t.Errorf("the zero plan: %v", err)
	}
	f := h.family()
	id, _, _ := h.granted(f, "")
	for name, use := range map[string]consent.Use{
		"a paper that was not pinned":    {Opened: map[identity.VaultID][]consent.DocRevision{f.child: {{Document: paper(7), Revision: 1}}}},
		"a revision that was not pinned": {Opened: map[identity.VaultID][]consent.DocRevision{f.child: {{Document: paper(1), Revision: 2}}}},
		"a person who was not asked":     {Opened: map[identity.VaultID][]consent.DocRevision{f.father: {{Document: paper(1), Revision: 1}}}},
		"a field that was not allowed":   {Fields: map[identity.VaultID][]string{f.child: {childEthnicity}}},
		"a field of another":             {Fields: map[identity.VaultID][]string{f.mother: {childName}}},
	} {
		if _, err := h.redeem(id, reading{use: use}); !errors.Is(err, consent.ErrPermit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.counts(0, `select count(*) from disclosures`)
}

// TestR9_OneUse: a hundred readings at once of a grant for one use are one reading, of one for seven are seven; and a standing one is read by all.
func TestR9_OneUse(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for _, c := range []struct {
		name string
		mode consent.Mode
		uses int
		want int
	}{{"one", consent.Uses, 1, 1}, {"seven", consent.Uses, 7, 7}, {"any", consent.Until, 0, 100}} {
		id, _ := h.standing(f, c.name, c.mode, c.uses)
		served := 0
		for _, err := range together(100, func(int) error {
			_, err := h.redeemAs(context.Background(), school, id, reading{})
			return err
		}) {
			switch {
			case err == nil:
				served++
			case !errors.Is(err, consent.ErrConsumed):
				t.Error(err)
			}
		}
		if served != c.want {
			t.Errorf("%s: %d readings", c.name, served)
		}
		h.counts(c.want, `select count(*) from disclosures where request_id = $1`, id)
		h.counts(c.want, `select count(*) from grant_events e join grants g using (vault_id, grant_id) where g.request_id = $1 and e.kind = 'used'`, id)
	}
	if wrong := must(h.Examine(t.Context(), f.child))(t); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// TestP3_RepeatedReading: the same release again shows the same revisions and uses nothing up; after a withdrawal it is refused (S2 wins).
func TestP3_RepeatedReading(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, g := h.standing(f, "", consent.Uses, 1)
	shown := []consent.DocRevision{{Document: paper(3), Revision: 4}}
	first := must(h.redeem(id, reading{use: consent.Use{Opened: map[identity.VaultID][]consent.DocRevision{f.child: shown}}}))(t)
	for range 3 {
		p := must(h.redeem(id, reading{again: first.Disclosure()}))(t)
		pins, pinned := p.Pinned(f.child)
		if !p.Repeated() || p.Disclosure() != first.Disclosure() || !pinned || !cmp.Equal(pins, shown, cmp.AllowUnexported(identity.DocumentID{})) {
			t.Errorf("repeated: %v", pins)
		}
	}
	h.counts(1, `select count(*) from disclosures`)
	h.counts(1, `select count(*) from grant_events where kind = 'used'`)
	if _, err := h.redeem(id, reading{again: identity.NewID[identity.DisclosureID]()}); !errors.Is(err, consent.ErrNotGranted) {
		t.Errorf("a release that never was: %v", err)
	}
	h.exec(`update grants set state = 'withdrawn' where grant_id = $1`, g.ID)
	if _, err := h.redeem(id, reading{again: first.Disclosure()}); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("after the withdrawal: %v", err)
	}
	id, _ = h.standing(f, "2", consent.Until, 0)
	first = must(h.redeem(id, reading{use: consent.Use{Opened: map[identity.VaultID][]consent.DocRevision{f.child: shown}}}))(t)
	h.goTo(h.now().AddDate(0, 6, 1))
	if _, err := h.redeem(id, reading{again: first.Disclosure()}); !errors.Is(err, consent.ErrExpired) {
		t.Errorf("after the end: %v", err)
	}
}

// TestP3_RedeemOnce: a release under an id that its caller drew is made once, however often it is asked for at the same time.
func TestP3_RedeemOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for _, mode := range []consent.Mode{consent.Uses, consent.Until} {
		uses := 0
		if mode == consent.Uses {
			uses = 1
		}
		id, _ := h.standing(f, string(mode), mode, uses)
		release := identity.NewID[identity.DisclosureID]()
		made := 0
		for _, r := range together(30, func(int) reading1 {
			p, err := h.redeemAs(context.Background(), school, id, reading{once: release})
			return reading1{p, err}
		}) {
			var twice *pg.Duplicate
			switch {
			case errors.As(r.err, &twice): // it lost a race, and finds the release when it asks again
			case r.err != nil:
				t.Error(r.err)
			case r.permit.Disclosure() != release:
				t.Error("another release")
			case !r.permit.Repeated():
				made++
			}
		}
		if made != 1 {
			t.Errorf("%s: made %d times", mode, made)
		}
		h.counts(1, `select count(*) from disclosures where request_id = $1`, id)
		if p := must(h.redeem(id, reading{once: release}))(t); !p.Repeated() {
			t.Errorf("%s: made again", mode)
		}
	}
}

type reading1 struct {
	permit consent.Permit
	err    error
}

// TestOnePersonStopsIt: what was agreed is read as it was agreed, or not at all.
func TestOnePersonStopsIt(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, child, hers := h.granted(f, "")
	if _, err := h.Pause(t.Context(), pg.All(), h.me(f.mother), hers.Grant.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrNotGranted) {
		t.Errorf("one of two paused: %v", err)
	}
	if _, err := h.Resume(t.Context(), pg.All(), h.me(f.mother), hers.Grant.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Withdraw(t.Context(), pg.All(), h.acting(f.father), child.Grant.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("one of two withdrawn: %v", err)
	}
	h.counts(0, `select count(*) from disclosures`)
}

// TestGrantorsLife: a grant rests while its person is blocked, dead or reported dead, or gone.
func TestGrantorsLife(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, _ := h.standing(f, "", consent.Until, 0)
	for name, sql := range map[string][2]string{
		"blocked":        {`update people set blocked = true where vault_id = $1`, `update people set blocked = false where vault_id = $1`},
		"dead":           {`update people set life = 'dead' where vault_id = $1`, `update people set life = 'alive' where vault_id = $1`},
		"death reported": {`update people set life = 'death_reported' where vault_id = $1`, `update people set life = 'alive' where vault_id = $1`},
		"erased":         {`update vaults set state = 'erased' where vault_id = $1`, `update vaults set state = 'open' where vault_id = $1`},
	} {
		h.exec(sql[0], f.child)
		if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrNotGranted) {
			t.Errorf("%s: %v", name, err)
		}
		h.exec(sql[1], f.child)
		if _, err := h.redeem(id, reading{}); err != nil {
			t.Errorf("no longer %s: %v", name, err)
		}
	}
}

// TestTamperedGrants: whoever writes to the database makes no grant wider, longer, or another's (R2).
func TestTamperedGrants(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, g := h.standing(f, "1", consent.Until, 0)
	other, _ := h.standing(f, "2", consent.Uses, 5)
	h.exec(`create table saved as select * from grants`)
	restore := func() {
		h.exec(`delete from grants`)
		h.exec(`insert into grants select * from saved`)
	}
	for name, c := range map[string]struct {
		sql  string
		want error
	}{
		"longer":              {`update grants set valid_until = valid_until + interval '1 day' where grant_id = $1`, seal.ErrTampered},
		"earlier":             {`update grants set valid_from = valid_from - interval '1 day' where grant_id = $1`, seal.ErrTampered},
		"to another client":   {`update grants set client_id = 'other' where grant_id = $1`, seal.ErrTampered},
		"to another":          {`update grants set organisation_id = 'other' where grant_id = $1`, seal.ErrTampered},
		"counted":             {`update grants set mode = 'uses', uses_left = 9 where grant_id = $1`, seal.ErrTampered},
		"pinned papers":       {`update grants set pinned_documents = array[gen_random_uuid()], pinned_revisions = '{1}' where grant_id = $1`, seal.ErrTampered},
		"the other's seal":    {`update grants g set sealed = s.sealed from saved s where g.grant_id = $1 and s.grant_id <> $1`, seal.ErrTampered},
		"the other's row":     {`update grants g set sealed = s.sealed, mac = s.mac from saved s where g.grant_id = $1 and s.grant_id <> $1`, seal.ErrTampered},
		"no MAC":              {`update grants set mac = '' where grant_id = $1`, seal.ErrTampered},
		"in another's vault":  {`update grants set vault_id = '` + f.mother.String() + `' where grant_id = $1`, consent.ErrNotGranted},
		"for another request": {`update grants set request_id = gen_random_uuid() where grant_id = $1`, consent.ErrNotGranted},
	} {
		if h.exec(c.sql, g.ID) != 1 {
			t.Fatalf("%s: nothing to spoil", name)
		}
		if _, err := h.redeem(id, reading{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		restore()
	}
	h.exec(`update grants set uses_left = null where request_id = $1`, other)
	if _, err := h.redeem(other, reading{}); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("uses without a number: %v", err)
	}
	restore()
	if _, err := h.redeem(id, reading{}); err != nil {
		t.Errorf("as it was: %v", err)
	}
	h.exec(`update consent_requests set sealed = (select sealed from consent_requests where request_id = $2) where request_id = $1`, id, other)
	if _, err := h.on(h.pool).redeem(id, reading{}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another request's plan: %v", err)
	}
}

// TestTimes: a grant holds from its first moment to the one before its last.
func TestTimes(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, g := h.standing(f, "", consent.Until, 0)
	for _, c := range []struct {
		at   time.Time
		want error
	}{
		{g.ValidFrom.Add(-time.Microsecond), consent.ErrNotGranted}, {g.ValidFrom, nil},
		{g.ValidUntil.Add(-time.Microsecond), nil}, {g.ValidUntil, consent.ErrExpired},
	} {
		h.goTo(c.at)
		if _, err := h.redeem(id, reading{}); !errors.Is(err, c.want) {
			t.Errorf("at %v: %v", c.at, err)
		}
	}
}
