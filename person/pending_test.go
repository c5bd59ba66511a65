package person_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// TestTwinsNeverMerge: one mother, one date, one sex, two notices: two people.
func TestTwinsNeverMerge(t *testing.T) {
	t.Parallel()
	o := setup(t)
	song, em := o.pending(songNotice), o.pending(emNotice)
	if song == em {
		t.Fatal("twins have one vault")
	}
	o.leads(byNotice(t, songNotice), song)
	o.leads(byNotice(t, emNotice), em)
	p := must(o.Profile(t.Context(), o.db.Pool, o.keys(em)))(t)
	if p.Kind != person.Pending || p.Life != person.Alive || p.Level != 0 || !p.Number.IsZero() || p.Mother.Reveal() != duNumber || p.Notice.Reveal() != emNotice {
		t.Error("the profile is not that of the certificate")
	}
}

// TestN1_OneVaultForANotice: a hundred deliveries at once open one vault.
func TestN1_OneVaultForANotice(t *testing.T) {
	t.Parallel()
	o := setup(t)
	profile, notice := newborn(t, anNotice), byNotice(t, anNotice)
	errs := together(100, func(int) error {
		_, err := o.openPending(profile, notice)
		return err
	})
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case pg.Refused(err) != person.CodeKnown:
			t.Errorf("a loser was told %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d vaults were opened", won)
	}
	o.counts(1, `select count(*) from vaults`)
	o.counts(3, `select count(*) from vault_keys`)
	o.counts(1, `select count(*) from people`)
	o.counts(1, `select count(*) from identifiers`)
}

// TestN3_PapersBindNoNumber: neither a new vault nor an old one gets a number by a paper.
func TestN3_PapersBindNoNumber(t *testing.T) {
	t.Parallel()
	o := setup(t)
	if _, err := o.openPending(newborn(t, anNotice), byNotice(t, anNotice), byNumber(t, anNumber)); !errors.Is(err, person.ErrRegistrarOnly) {
		t.Errorf("a vault was opened with a number: %v", err)
	}
	if _, err := o.openPending(newborn(t, anNotice)); !errors.Is(err, person.ErrIdentifier) {
		t.Errorf("a vault was opened that nothing leads to: %v", err)
	}
	an := o.pending(anNotice)
	for id, want := range map[person.Identifier]error{byNumber(t, anNumber): person.ErrRegistrarOnly, {}: person.ErrIdentifier} {
		if err := o.QueueIdentifiers(new(pgx.Batch), an, []person.Identifier{id}, "receipt-2", o.now()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	o.counts(1, `select count(*) from identifiers`)
}

// TestFurtherIdentifiers: a certificate that came by its register entry is later found by its notice too.
func TestFurtherIdentifiers(t *testing.T) {
	t.Parallel()
	o := setup(t)
	entry := byEntry(t, "01/2026", "12/2026")
	an, err := o.openPending(newborn(t, anNotice), entry)
	if err != nil {
		t.Fatal(err)
	}
	add := func(id person.Identifier) error {
		b := new(pgx.Batch)
		if err := o.QueueIdentifiers(b, an, []person.Identifier{id}, "receipt-2", o.now()); err != nil {
			return err
		}
		return pg.Pipeline(t.Context(), o.db.Pool, b)
	}
	if err := add(byNotice(t, anNotice)); err != nil {
		t.Fatal(err)
	}
	o.leads(byNotice(t, anNotice), an)
	o.leads(entry, an)
	song := o.pending(songNotice)
	if err := add(byNotice(t, songNotice)); pg.Refused(err) != person.CodeKnown {
		t.Errorf("the notice of another child was taken: %v", err)
	}
	o.leads(byNotice(t, songNotice), song)
}

// wait puts a result into the waiting room as intake does.
func (o *office) wait(ids ...person.Identifier) (identity.ObjectID, error) {
	o.t.Helper()
	ctx, id := context.Background(), identity.NewID[identity.ObjectID]()
	b := new(pgx.Batch)
	o.QueueStillUnknown(b, ids)
	b.Queue(`insert into waiting_results (waiting_id, organisation_id, client_id, result_id, document_id, revision, sealed, received_at, deadline)
  values ($1, 'bhxh', 'bhxh-client', $2, $3, 1, '\x00', $4, $4)`, id, identity.NewID[identity.ObjectID](), identity.NewID[identity.DocumentID](), o.now())
	for _, i := range ids {
		for _, digest := range o.d.Digests(i.Kind(), person.Reveal(i)...) {
			b.Queue(`insert into waiting_identifiers (prf_key_id, digest, waiting_id) values ($1, $2, $3)`, digest.KeyID, digest.Sum[:], id)
		}
	}
	return id, pg.Pipeline(ctx, o.db.Pool, b)
}

// woken returns the results that were handed to intake.
func (o *office) woken() []string {
	o.t.Helper()
	rows, _ := o.db.Owner(o.t).Query(o.t.Context(), `select args ->> 'waiting_id' from outbox where kind = 'waiting.apply' order by 1`)
	return must(pgx.CollectRows(rows, pgx.RowTo[string]))(o.t)
}

// TestN5_WhatWaitsIsWoken: each way in which an identifier becomes known wakes what waits for it, and nothing else.
func TestN5_WhatWaitsIsWoken(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*testing.T, *office) person.Identifier{
		"a paper opens a vault": func(t *testing.T, o *office) person.Identifier {
			o.pending(anNotice)
			return byNotice(t, anNotice)
		},
		"the registrar binds": func(t *testing.T, o *office) person.Identifier {
			an := o.pending(songNotice)
			must(0, o.Bind(t.Context(), open{}, registrar(t), an, number(t, anNumber), evidence(person.PopulationDatabase)))(t)
			return byNumber(t, anNumber)
		},
		"the registrar enrols": func(t *testing.T, o *office) person.Identifier {
			o.enrol(o.du())
			return byNumber(t, duNumber)
		},
		"the registrar adds an entry": func(t *testing.T, o *office) person.Identifier {
			du := o.enrol(o.thi())
			must(0, o.AddIdentifier(t.Context(), open{}, registrar(t), du, byEntry(t, "01/2026", "12/2026"), evidence(person.CivilRegister)))(t)
			return byEntry(t, "01/2026", "12/2026")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			var want []string
			for _, id := range []person.Identifier{byNotice(t, anNotice), byNumber(t, anNumber), byNumber(t, duNumber), byEntry(t, "01/2026", "12/2026")} {
				want = append(want, must(o.wait(id, byNumber(t, khangNumber)))(t).String())
			}
			known := act(t, o)
			woken := o.woken()
			if len(woken) != 1 || !slices.Contains(want, woken[0]) {
				t.Fatalf("woken: %v", woken)
			}
			if _, err := o.wait(known); pg.Refused(err) != person.CodeKnown {
				t.Errorf("a result waits for somebody who is known: %v", err)
			}
		})
	}
}

// TestN5_NothingWaitsUnseen races results into the waiting room against the binding of their number: whichever comes first, each result that waits is woken.
func TestN5_NothingWaitsUnseen(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an := o.pending(anNotice)
	by, n := registrar(t), number(t, anNumber)
	errs := together(40, func(i int) error {
		if i == 20 {
			return o.Bind(context.Background(), open{}, by, an, n, evidence(person.PopulationDatabase))
		}
		_, err := o.wait(person.NumberIdentifier(n))
		if pg.Refused(err) == person.CodeKnown {
			return nil
		}
		return err
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if waiting, woken := o.count(`select count(*) from waiting_results`), len(o.woken()); waiting != woken {
		t.Errorf("%d results wait, %d were woken", waiting, woken)
	}
}

func TestPendingList(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.enrol(o.du())
	var want []identity.VaultID
	for _, notice := range []string{anNotice, songNotice, emNotice} {
		want = append(want, o.pending(notice))
	}
	o.propose(want[1], number(t, songNumber), "bhxh")
	var got []person.PendingPerson
	cursor, pages := "", 0
	for {
		page, next, err := o.Pending(t.Context(), open{}, "registry", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, pages, cursor = append(got, page...), pages+1, next
		if next == "" {
			break
		}
		if _, _, err := o.Pending(t.Context(), open{}, "another", next, 2); !errors.Is(err, person.ErrCursor) {
			t.Errorf("a cursor of another sector was taken: %v", err)
		}
	}
	if pages != 2 || len(got) != 3 {
		t.Fatalf("%d people on %d pages", len(got), pages)
	}
	for i, p := range got {
		if p.Vault != want[i] {
			t.Errorf("place %d: %s, want %s", i, p.Vault, want[i])
		}
	}
	if !slices.Equal(got[1].Proposers, []string{"bhxh"}) || got[0].Proposers != nil {
		t.Errorf("proposers %v %v", got[0].Proposers, got[1].Proposers)
	}
	if page, _, err := o.Pending(t.Context(), shut{code: "mandate_missing"}, "registry", "", 2); pg.Refused(err) != "mandate_missing" || page != nil {
		t.Errorf("behind a shut guard: %v, %v", page, err)
	}
	if _, _, err := o.Pending(t.Context(), open{}, "registry", "x", 2); !errors.Is(err, person.ErrCursor) {
		t.Errorf("%v", err)
	}
	must(0, o.Bind(t.Context(), open{}, registrar(t), want[1], number(t, songNumber), evidence(person.PopulationDatabase)))(t)
	if page, _, err := o.Pending(t.Context(), open{}, "registry", "", 10); err != nil || len(page) != 2 {
		t.Errorf("%d people are pending, %v", len(page), err)
	}
}

// propose keeps a proposal and fails the test if that fails.
func (o *office) propose(vault identity.VaultID, n identity.PersonalNumber, organisation string) {
	o.t.Helper()
	must(0, o.tryPropose(vault, n, organisation))(o.t)
}

// tryPropose keeps a proposal as intake does.
func (o *office) tryPropose(vault identity.VaultID, n identity.PersonalNumber, organisation string) error {
	o.t.Helper()
	keys, err := o.vaults.OpenOne(o.t.Context(), o.db.Pool, vault)
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	err = o.QueueProposal(b, keys, audit.Actor{Client: organisation + "-client"}, person.Proposal{
		Number: n, Organisation: organisation, Document: identity.NewID[identity.DocumentID](),
		Checks: person.Checks{Notice: person.Agrees, Mother: person.Agrees, BirthDate: person.Agrees, Sex: person.Differs},
	}, o.now())
	if err != nil {
		return err
	}
	return pg.Pipeline(o.t.Context(), o.db.Pool, b)
}
