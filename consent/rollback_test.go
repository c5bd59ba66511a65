package consent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

// TestR2_NoGrantIsRevived: whoever writes to the database gives no grant back what it has lost: not by its state, its uses or its end, not under
// another grant's MAC, and not by putting an older row back whole, which its facts contradict.
func TestR2_NoGrantIsRevived(t *testing.T) {
	t.Parallel()
	const save = `create table saved as select * from grants`
	const putBack = `update grants g set state = s.state, uses_left = s.uses_left, valid_until = s.valid_until, version = s.version, mac = s.mac
  from saved s where s.vault_id = g.vault_id and s.grant_id = g.grant_id and g.grant_id = $1`
	withdraw := func(h *house, f family, _ identity.RequestID, g identity.GrantID) error {
		_, err := h.Withdraw(h.t.Context(), pg.All(), h.acting(f.mother), g)
		return err
	}
	pause := func(h *house, f family, _ identity.RequestID, g identity.GrantID) error {
		_, err := h.Pause(h.t.Context(), pg.All(), h.acting(f.mother), g)
		return err
	}
	use := func(h *house, _ family, r identity.RequestID, _ identity.GrantID) error {
		_, err := h.redeem(r, reading{})
		return err
	}
	for name, c := range map[string]struct {
		mode   consent.Mode
		uses   int
		lose   func(*house, family, identity.RequestID, identity.GrantID) error
		attack string
		want   error
	}{
		"a withdrawn one made active":        {consent.Until, 0, withdraw, `update grants set state = 'active' where grant_id = $1`, seal.ErrTampered},
		"a paused one made active":           {consent.Until, 0, pause, `update grants set state = 'active' where grant_id = $1`, seal.ErrTampered},
		"and the version with it":            {consent.Until, 0, withdraw, `update grants set state = 'active', version = 1 where grant_id = $1`, seal.ErrTampered},
		"one more use":                       {consent.Uses, 2, use, `update grants set uses_left = uses_left + 1 where grant_id = $1`, seal.ErrTampered},
		"a use after the last":               {consent.Uses, 1, use, `update grants set state = 'active', uses_left = 1 where grant_id = $1`, seal.ErrTampered},
		"uses without a number":              {consent.Uses, 1, use, `update grants set state = 'active', uses_left = null where grant_id = $1`, seal.ErrTampered},
		"a longer time":                      {consent.Until, 0, use, `update grants set valid_until = valid_until + interval '1 year' where grant_id = $1`, seal.ErrTampered},
		"under the MAC of another":           {consent.Until, 0, withdraw, `update grants g set state = 'active', version = 1, mac = o.mac from grants o where g.grant_id = $1 and o.grant_id <> $1`, seal.ErrTampered},
		"the row before the withdrawal":      {consent.Until, 0, withdraw, putBack, seal.ErrTampered},
		"the row before the pause":           {consent.Until, 0, pause, putBack, seal.ErrTampered},
		"the row before the last use":        {consent.Uses, 1, use, putBack, seal.ErrTampered},
		"the row before one of several uses": {consent.Uses, 3, use, putBack, seal.ErrTampered},
		"a row whose facts are gone":         {consent.Until, 0, use, `delete from grant_events where grant_id = $1`, seal.ErrTampered},
		"nothing":                            {consent.Until, 0, use, `update grants set changed_at = changed_at where grant_id = $1`, nil},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			f := h.family()
			r, g := h.standing(f, "1", c.mode, c.uses)
			h.standing(f, "2", consent.Until, 0)
			h.exec(save)
			if err := c.lose(h, f, r, g.ID); err != nil {
				t.Fatal(err)
			}
			if h.exec(c.attack, g.ID) == 0 {
				t.Fatal("nothing to spoil")
			}
			before := h.count(`select count(*) from disclosures`)
			if _, err := h.redeem(r, reading{}); !errors.Is(err, c.want) {
				t.Errorf("redeemed: %v", err)
			}
			_, _, err := h.Grants(t.Context(), pg.All(), h.acting(f.mother), "", 10)
			if !errors.Is(err, c.want) {
				t.Errorf("shown to the person: %v", err)
			}
			_, err = h.Resume(t.Context(), pg.All(), h.acting(f.mother), g.ID)
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("resumed: %v", err)
			}
			if c.want == nil {
				return
			}
			h.counts(before, `select count(*) from disclosures`)
			if wrong := must(h.Examine(t.Context(), f.child))(t); len(wrong) == 0 {
				t.Error("not found by an examination")
			}
		})
	}
}

// TestR2_TheServiceCannotForget: with the rights of the service the facts that contradict an older row cannot be taken away.
func TestR2_TheServiceCannotForget(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	_, g := h.standing(f, "", consent.Until, 0)
	must(h.Withdraw(t.Context(), pg.All(), h.acting(f.mother), g.ID))(t)
	conn := must(h.db.Open(t, pg.Config{Role: pgtest.Serve}).Acquire(t.Context()))(t)
	defer conn.Release()
	for _, sql := range []string{`update grant_events set version = null`, `delete from grant_events`, `truncate grant_events`, `delete from grants`} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestS2_WithdrawnAmongReaders: a withdrawal of a counted grant is not turned away by readings that change the row under it.
func TestS2_WithdrawnAmongReaders(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	r, g := h.standing(f, "", consent.Uses, consent.MaxUses)
	reads := 0
	// Every round of the withdrawal reads the grant behind this guard the first time alone, so that a reading slips in before it writes.
	slip := between{func() {
		for range 3 {
			must(h.redeem(r, reading{}))(t)
			reads++
		}
	}}
	must(h.Withdraw(t.Context(), slip, h.acting(f.mother), g.ID))(t)
	if _, err := h.redeem(r, reading{}); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("afterwards: %v", err)
	}
	h.counts(1, `select count(*) from grants where state = 'withdrawn' and uses_left = $1 and version = $2`, consent.MaxUses-reads, reads+2)
	h.advance(time.Minute)
	if wrong := must(h.Examine(t.Context(), f.child))(t); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// TestR2_ReleasesAreBelievedUnderTheirSeal: what a repeated release shows is what the seal of the first says, whatever the row says in clear; and the
// seal of another release is none.
func TestR2_ReleasesAreBelievedUnderTheirSeal(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, _ := h.standing(f, "1", consent.Until, 0)
	shown := []consent.DocRevision{{Document: paper(3), Revision: 4}}
	opening := func(d []consent.DocRevision) reading {
		return reading{use: consent.Use{Opened: map[identity.VaultID][]consent.DocRevision{f.child: d}}}
	}
	first := must(h.redeem(id, opening(shown)))(t)
	second := must(h.redeem(id, opening([]consent.DocRevision{{Document: paper(8), Revision: 1}})))(t)
	h.exec(`update disclosures set pinned_documents = array[$2]::uuid[], pinned_revisions = '{9}' where disclosure_id = $1`, first.Disclosure(), paper(9))
	p := must(h.redeem(id, reading{again: first.Disclosure()}))(t)
	if pins, pinned := p.Pinned(f.child); !pinned || len(pins) != 1 || pins[0] != shown[0] {
		t.Errorf("shows %v", pins)
	}
	h.exec(`update disclosures d set sealed = o.sealed from disclosures o where d.disclosure_id = $1 and o.disclosure_id = $2`, first.Disclosure(), second.Disclosure())
	if _, err := h.redeem(id, reading{again: first.Disclosure()}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("under the seal of another release: %v", err)
	}
	other, _ := h.standing(f, "2", consent.Until, 0)
	h.exec(`update disclosures d set request_id = $2, grant_id = g.grant_id from grants g where g.request_id = $2 and d.disclosure_id = $1`, second.Disclosure(), other)
	if _, err := h.redeem(other, reading{again: second.Disclosure()}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("under another grant: %v", err)
	}
}
