package wallet_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/wallet"
)

const kindergarten = "truong-hoa-sen"

// office is a cabinet with people, their relations and what they allowed.
type office struct {
	*cabinet
	ledger *consent.Ledger
	people *person.Registry
	cat    *procedure.Catalogue
	family
	birth, hers, card, his identity.DocumentID // of the child, the mother, the child's health card, the father
}

type family struct{ child, mother, father identity.VaultID }

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{cabinet: setup(t), cat: must(procedure.Load())(t)}
	o.people = must(person.New(person.Deps{Pool: o.pool, Deployment: o.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}))(t)
	o.ledger = must(consent.New(consent.Deps{
		Pool: o.pool, Deployment: o.d, Vaults: o.vaults, Audit: o.audit, People: o.people, Catalogue: o.cat, Issuer: "https://vidan.example", Now: o.now,
		Sign: func(claims []byte) (string, error) { return "signed." + string(claims), nil },
	}))(t)
	o.write(`insert into organisations (organisation_id, name_vi, name_en, kind, sector, created_at) values ($1, 'Trường Mầm non Hoa Sen', 'Hoa Sen', 'preschool', 's', $2)`,
		kindergarten, o.now())
	o.family = family{child: o.enrol("khang", 0), mother: o.enrol("dan", 2), father: o.enrol("giai", 2)}
	o.birth = o.put(paper{vault: o.child, ref: "KS-1", number: 1, who: "khang", what: "birth_certificate"}).Document
	o.card = o.put(paper{vault: o.child, ref: "BH-1", number: 1, who: "khang", what: "health_insurance_card"}).Document
	o.hers = o.put(paper{vault: o.mother, ref: "CC-1", number: 1, who: "dan", what: "citizen_identity_card"}).Document
	o.his = o.put(paper{vault: o.father, ref: "CC-2", number: 1, who: "giai", what: "citizen_identity_card"}).Document
	o.relate(consent.Mother, "dan", o.mother)
	return o
}

func (o *office) number(id string) identity.PersonalNumber {
	o.t.Helper()
	p, _ := o.cast.Person(id)
	return must(identity.ParsePersonalNumber(p.PersonalNumber))(o.t)
}

// enrol enrols somebody of the cast; with level 0 they keep papers and have no account.
func (o *office) enrol(id string, level int) identity.VaultID {
	o.t.Helper()
	p, _ := o.cast.Person(id)
	registrar := audit.Actor{Client: "registrar-client", Officer: audit.Officer{ID: "officer-7", Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted}}
	vault := must(o.people.Enrol(o.t.Context(), pg.All(), registrar, person.Enrolment{
		Number: o.number(id), Kind: person.Citizen, Name: must(identity.ParseName(p.FullName))(o.t), BirthDate: must(identity.ParsePartialDate(p.BirthDate))(o.t),
		Sex: identity.Sex(p.Sex), Level: level, PreferredChannel: person.NoChannel, Evidence: person.Evidence{Basis: person.IdentityCard, Reference: "HS-1"},
	}))(o.t).Vault
	if level > 0 {
		o.write(`insert into credentials (vault_id, credential_id, kind, name, secret, created_at, mac)
values ($1, gen_random_uuid(), 'passphrase', '', 'x', $2, '')`, vault, o.now())
	}
	return vault
}

// relate lets somebody act for the child, as the birth certificate does, and runs what follows.
func (o *office) relate(kind consent.Kind, id string, actor identity.VaultID) {
	o.t.Helper()
	p, _ := o.cast.Person("khang")
	b := new(pgx.Batch)
	o.QueueLock(b, o.child)
	must(o.ledger.QueuePropose(b, o.keys(o.child), []consent.Proposal{{
		Child: o.child, Kind: kind, ActorNumber: o.number(id), Actor: actor, Document: o.birth, Revision: 1, MandateCovers: true, BothByNumber: true,
		Until: o.ledger.Majority(must(identity.ParsePartialDate(p.BirthDate))(o.t)), Organisation: registry, Officer: "cb-17", Client: "ubnd-client",
	}}, o.now()))(o.t)
	if err := pg.Pipeline(o.t.Context(), o.pool, b); err != nil {
		o.t.Fatal(err)
	}
	handlers := o.ledger.Handlers()
	for _, kind := range []string{consent.TaskNotice, "message.send", "waiting.apply"} {
		handlers[kind] = func(context.Context, delivery.Task) error { return nil }
	}
	relay := must(delivery.New(o.pool, delivery.Config{Handlers: handlers, Now: o.now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))(o.t)
	if err := relay.Drain(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// The fields these tests ask for.
const childName, hersName = "child_full_name", "applicant_full_name"

// ask asks mother and child, and the father where he is a party.
func (o *office) ask(mode consent.Mode) identity.RequestID {
	o.t.Helper()
	id, _, err := o.ledger.Create(o.t.Context(), pg.All(), consent.NewRequest{
		Organisation: kindergarten, Client: "hoa-sen-client", Procedure: "kindergarten_enrolment", Dossier: "HS-2026-001", Mode: mode, Uses: uses(mode),
		Officer: audit.Officer{ID: "hieu-truong-1", Post: "Hiệu trưởng", Organisation: kindergarten, Assurance: audit.Asserted},
		Parties: []consent.Party{
			{Roles: []string{"child"}, Ref: consent.ByNumber(o.number("khang"))},
			{Roles: []string{"mother", "applicant"}, Ref: consent.ByNumber(o.number("dan"))},
		},
		Fields: []string{childName, hersName}, Purpose: "enrolment", IdempotencyKey: identity.NewVaultID().String(),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

func uses(mode consent.Mode) int {
	if mode == consent.Uses {
		return 5
	}
	return 0
}

// child and mother are the two decisions of one request; both are the mother's to make.
func (o *office) forChild() consent.Acting {
	o.t.Helper()
	people := must(o.ledger.People(o.t.Context(), pg.All(), o.mother, "app"))(o.t)
	if len(people) != 1 {
		o.t.Fatalf("the mother acts for %d people", len(people))
	}
	return must(o.ledger.Who(o.mother, "app", people[0].Handle))(o.t)
}

func (o *office) forHerself() consent.Acting {
	o.t.Helper()
	return must(o.ledger.Who(o.mother, "app", consent.Me))(o.t)
}

// allow agrees; a standing grant is signed.
func (o *office) allow(who consent.Acting, request identity.RequestID, mode consent.Mode, field string, pins ...consent.DocRevision) {
	o.t.Helper()
	in := consent.Decision{Request: request, Allow: true, Fields: []string{field}, Language: consent.Vietnamese, Mode: mode, Pinned: pins}
	var verify consent.VerifyDecision
	if mode != consent.Once {
		view := must(o.ledger.View(o.t.Context(), pg.All(), who, request))(o.t)
		payload := must(json.Marshal(signed(view, in)))(o.t)
		in.Signature = "by the device"
		verify = func(context.Context, string) ([]byte, identity.CredentialID, error) {
			return payload, identity.NewID[identity.CredentialID](), nil
		}
	}
	must(o.ledger.Decide(o.t.Context(), pg.All(), who, in, verify))(o.t)
}

// release redeems and opens, in one transaction of two round trips, as prefill does.
func (o *office) release(request identity.RequestID) ([]wallet.Paper, error) {
	o.t.Helper()
	plan := must(o.ledger.PlanOf(o.t.Context(), o.pool, request))(o.t)
	keys := must(o.vaults.Open(o.t.Context(), o.pool, plan.People()...))(o.t)
	var redemption *consent.Redemption
	var disclosed *wallet.Disclosed
	var papers []wallet.Paper
	err := pg.Exchange(o.t.Context(), o.pool, func(b *pgx.Batch) error {
		redemption = o.ledger.QueueRedeem(b, plan, kindergarten, "hoa-sen-client", o.now())
		disclosed = o.QueueDisclose(b, wallet.Scope{Plan: plan, Catalogue: o.cat, Keys: keys}, o.now())
		return nil
	}, func(b *pgx.Batch) error {
		permit, err := redemption.Permit(keys)
		if err != nil {
			return err
		}
		if papers, err = disclosed.Papers(permit); err != nil {
			return err
		}
		return o.ledger.QueueUse(b, permit, keys, consent.Use{}, o.now())
	})
	return papers, err
}

// names says which revisions of which papers were opened.
func (o *office) names(papers []wallet.Paper) []string {
	known := map[identity.DocumentID]string{o.birth: "birth", o.hers: "hers", o.card: "card", o.his: "his"}
	var list []string
	for _, p := range papers {
		list = append(list, fmt.Sprintf("%s %d", known[p.ID], p.Revision))
	}
	slices.Sort(list)
	return list
}

// TestW8_Pinned: a once-grant opens exactly the revisions that were pinned, although newer ones came, and nothing else of anybody.
func TestW8_Pinned(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	request := o.ask(consent.Once)
	o.allow(o.forChild(), request, consent.Once, childName, consent.DocRevision{Document: o.birth, Revision: 1}, consent.DocRevision{Document: o.card, Revision: 1})
	o.allow(o.forHerself(), request, consent.Once, hersName, consent.DocRevision{Document: o.hers, Revision: 1}, consent.DocRevision{Document: o.his, Revision: 1})
	o.put(paper{vault: o.child, ref: "KS-1", number: 2, who: "khang", what: "birth_certificate", state: wallet.Revoked})
	o.put(paper{vault: o.mother, ref: "CC-9", number: 1, who: "dan", what: "citizen_identity_card"})
	papers := must(o.release(request))(t)
	if got, want := o.names(papers), []string{"birth 1", "hers 1"}; !cmp.Equal(got, want) {
		t.Errorf("opened %v, want %v", got, want)
	}
	for _, p := range papers {
		if want := p.ID == o.birth; p.Revoked != want || p.State != wallet.Issued {
			t.Errorf("%s, revoked since: %t", p.State, p.Revoked)
		}
		if p.Person != map[bool]identity.VaultID{true: o.child, false: o.mother}[p.ID == o.birth] {
			t.Error("a paper is shown as another person's")
		}
	}
}

// TestW8_Current: a standing grant opens what is current of the papers of those who agreed; who did not agree stays sealed.
func TestW8_Current(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	request := o.ask(consent.Uses)
	o.allow(o.forChild(), request, consent.Uses, childName)
	o.put(paper{vault: o.child, ref: "KS-1", number: 2, who: "khang", what: "birth_certificate", state: wallet.Corrected})
	if got, want := o.names(must(o.release(request))(t)), []string{"birth 2"}; !cmp.Equal(got, want) {
		t.Errorf("the child's grant opened %v, want %v", got, want)
	}
	o.allow(o.forHerself(), request, consent.Uses, hersName)
	o.hold(wallet.Holding{Home: o.child, Holder: o.mother, Document: o.birth, Reason: "declarant"})
	o.hold(wallet.Holding{Home: o.child, Holder: o.father, Document: o.birth, Reason: "declarant"})
	papers := must(o.release(request))(t)
	if got, want := o.names(papers), []string{"birth 2", "hers 1"}; !cmp.Equal(got, want) {
		t.Errorf("both grants opened %v, want %v", got, want)
	}
	for _, p := range papers {
		if p.ID == o.birth && (len(p.Holders) != 1 || p.Holders[0] != o.mother) {
			t.Errorf("%d people of the dossier hold the certificate", len(p.Holders))
		}
		decoded, err := p.Decode(o.cat)
		if err != nil || decoded.Home != procedure.PersonID(p.Person.Bytes()) || decoded.Revision != p.Revision {
			t.Errorf("decoded: %v", err)
		}
	}
	grants, _, err := o.ledger.Grants(t.Context(), pg.All(), o.forHerself(), "", 10)
	if err != nil || len(grants) != 1 {
		t.Fatalf("%d grants, %v", len(grants), err)
	}
	must(o.ledger.Withdraw(t.Context(), pg.All(), o.forHerself(), grants[0].ID))(t)
	if papers, err := o.release(request); !errors.Is(err, consent.ErrWithdrawn) || papers != nil {
		t.Errorf("after withdrawal: %d papers, %v", len(papers), err)
	}
}

// TestW8_NoPermit: the zero permit opens nothing, nor does one of another request.
func TestW8_NoPermit(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := o.ask(consent.Uses), o.ask(consent.Uses)
	o.allow(o.forChild(), first, consent.Uses, childName)
	plans := map[identity.RequestID]consent.Plan{}
	for _, id := range []identity.RequestID{first, second} {
		plans[id] = must(o.ledger.PlanOf(t.Context(), o.pool, id))(t)
	}
	keys := must(o.vaults.Open(t.Context(), o.pool, plans[first].People()...))(t)
	var redemption *consent.Redemption
	var mine, other *wallet.Disclosed
	err := pg.Exchange(t.Context(), o.pool, func(b *pgx.Batch) error {
		redemption = o.ledger.QueueRedeem(b, plans[first], kindergarten, "hoa-sen-client", o.now())
		mine = o.QueueDisclose(b, wallet.Scope{Plan: plans[first], Catalogue: o.cat, Keys: keys}, o.now())
		other = o.QueueDisclose(b, wallet.Scope{Plan: plans[second], Catalogue: o.cat, Keys: keys}, o.now())
		return nil
	}, func(*pgx.Batch) error {
		permit := must(redemption.Permit(keys))(t)
		for name, try := range map[string]func() ([]wallet.Paper, error){
			"zero":    func() ([]wallet.Paper, error) { return mine.Papers(consent.Permit{}) },
			"another": func() ([]wallet.Paper, error) { return other.Papers(permit) },
		} {
			if papers, err := try(); papers != nil || !errors.Is(err, consent.ErrPermit) {
				t.Errorf("%s: %d papers, %v", name, len(papers), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%v %+v", mine, *mine) != "wallet(masked) wallet(masked)" {
		t.Error("what was selected prints")
	}
}

// TestW8_Damaged: a release in which a row is not what was written opens nothing at all.
func TestW8_Damaged(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"seal":  `update document_revisions set sealed = set_byte(sealed, 50, get_byte(sealed, 50) # 1)`,
		"state": `update document_revisions set state = 'corrected'`,
		"swap":  `update document_revisions set vault_id = vault_id, sealed = (select sealed from document_revisions order by document_id limit 1)`,
	} {
		o := newOffice(t)
		request := o.ask(consent.Uses)
		o.allow(o.forChild(), request, consent.Uses, childName)
		o.allow(o.forHerself(), request, consent.Uses, hersName)
		o.write(sql)
		if papers, err := o.release(request); papers != nil || !errors.Is(err, wallet.ErrDamaged) {
			t.Errorf("%s: %d papers, %v", name, len(papers), err)
		}
	}
	o := newOffice(t)
	request := o.ask(consent.Uses)
	o.allow(o.forChild(), request, consent.Uses, childName)
	tag := o.keys(o.child).TypeTag("birth_certificate")
	o.write(`update documents set type_tag = $2 where document_id = $1`, o.card, tag[:])
	if papers, err := o.release(request); papers != nil || !errors.Is(err, wallet.ErrDamaged) {
		t.Errorf("a paper under another type: %d papers, %v", len(papers), err)
	}
}

// TestPreview: who is asked sees, before deciding, what is current of the papers they may see, and that is recorded.
func TestPreview(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	request := o.ask(consent.Once)
	plan := must(o.ledger.PlanOf(t.Context(), o.pool, request))(t)
	keys := must(o.vaults.Open(t.Context(), o.pool, plan.People()...))(t)
	scope := wallet.Scope{Plan: plan, Catalogue: o.cat, Keys: keys}
	for _, see := range []struct {
		who  consent.Acting
		may  []identity.VaultID
		want []string
	}{
		{o.forHerself(), []identity.VaultID{o.mother}, []string{"hers 1"}},
		{o.forChild(), []identity.VaultID{o.child, o.mother}, []string{"birth 1", "hers 1"}},
	} {
		rec := audit.Entry{Vault: see.who.Vault, Actor: audit.Actor{Vault: see.who.Actor, Client: "app"}, Request: request}
		papers := must(o.Preview(t.Context(), see.who.Guard(), scope, see.may, rec))(t)
		if got := o.names(papers); !cmp.Equal(got, see.want) {
			t.Errorf("saw %v, want %v", got, see.want)
		}
		last := o.recorded(see.who.Vault)
		if e := last[len(last)-1]; e.Kind != audit.RequestViewed || e.Request != request || e.Actor.Vault != o.mother {
			t.Errorf("recorded as %s", e.Kind)
		}
	}
	rec := audit.Entry{Vault: o.mother, Request: request}
	if papers, err := o.Preview(t.Context(), refusing("person_blocked"), scope, []identity.VaultID{o.mother}, rec); papers != nil || pg.Refused(err) != "person_blocked" {
		t.Errorf("refused by its guard: %d papers, %v", len(papers), err)
	}
}

// TestJoinedVaultsDisclose: the papers of a person with two vaults are one person's, each current where its highest revision is.
func TestJoinedVaultsDisclose(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	request := o.ask(consent.Uses)
	o.allow(o.forHerself(), request, consent.Uses, hersName)
	alias := o.vault()
	o.put(paper{vault: alias, ref: "CC-1", number: 2, who: "dan", what: "citizen_identity_card", state: wallet.Corrected})
	plan := must(o.ledger.PlanOf(t.Context(), o.pool, request))(t)
	keys := must(o.vaults.Open(t.Context(), o.pool, append(plan.People(), alias)...))(t)
	var redemption *consent.Redemption
	var disclosed *wallet.Disclosed
	err := pg.Exchange(t.Context(), o.pool, func(b *pgx.Batch) error {
		redemption = o.ledger.QueueRedeem(b, plan, kindergarten, "hoa-sen-client", o.now())
		disclosed = o.QueueDisclose(b, wallet.Scope{Plan: plan, Catalogue: o.cat, Keys: keys, Joined: map[identity.VaultID]identity.VaultID{alias: o.mother}}, o.now())
		return nil
	}, func(*pgx.Batch) error {
		papers := must(disclosed.Papers(must(redemption.Permit(keys))(t)))(t)
		if got := o.names(papers); !cmp.Equal(got, []string{"hers 2"}) || papers[0].Person != o.mother {
			t.Errorf("opened %v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// signed is what a device signs for a decision on a view.
func signed(v consent.View, d consent.Decision) consent.Decided {
	text := v.Texts[d.Language].SHA256
	return consent.Decided{
		Version: 1, Person: v.Person, Authority: v.Authority, RequestDigest: v.Digest, TextSHA256: base64.RawURLEncoding.EncodeToString(text[:]), Language: d.Language,
		Decision: "allow", Fields: d.Fields, Mode: d.Mode, Uses: v.Uses, Until: v.Until.Format(time.RFC3339), Pinned: []consent.Pin{}, Nonce: v.Nonce,
		Expires: v.Expires.Format(time.RFC3339),
	}
}
