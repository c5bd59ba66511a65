package person_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// clerk is an officer of an office.
func clerk(t testing.TB, id, office string) audit.Actor {
	by := registrar(t)
	by.Client, by.Officer.ID, by.Officer.Organisation = office+"-client", id, office
	return by
}

// first and second are two officers of one office, other and another two of the next one.
func first(t testing.TB) audit.Actor   { return clerk(t, "officer-7", "registrar") }
func second(t testing.TB) audit.Actor  { return clerk(t, "officer-8", "registrar") }
func other(t testing.TB) audit.Actor   { return clerk(t, "officer-1", "registrar-2") }
func another(t testing.TB) audit.Actor { return clerk(t, "officer-2", "registrar-2") }

// self is the person, in their app.
func self(vault identity.VaultID) audit.Actor { return audit.Actor{Vault: vault, Client: "app"} }

// work carries out every task that is due, and hands out the messages.
func (o *office) work() {
	o.t.Helper()
	gateway := must(delivery.OpenGateway("sandbox:", o.db.Pool))(o.t)
	messenger := must(delivery.NewMessenger(o.db.Pool, o.vaults, gateway, o.now))(o.t)
	handlers := o.Handlers()
	handlers[delivery.TaskMessage] = messenger.Send
	handlers["relation.decide"] = func(context.Context, delivery.Task) error { return nil } // of a package above
	relay := must(delivery.New(o.db.Pool, delivery.Config{Handlers: handlers, Now: o.now, Logger: slog.New(slog.DiscardHandler)}))(o.t)
	if err := relay.Drain(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// texts returns the newest messages of a template, "address" of each.
func (o *office) texts(t delivery.Template) []delivery.SandboxMessage {
	o.t.Helper()
	all := must(delivery.SandboxMessages(o.t.Context(), o.db.Pool, 1000))(o.t)
	return slices.DeleteFunc(all, func(m delivery.SandboxMessage) bool { return m.Template != string(t) })
}

// codeIn returns the code of the newest message of a template.
func (o *office) codeIn(t delivery.Template) person.Code {
	o.t.Helper()
	texts := o.texts(t)
	if len(texts) == 0 {
		o.t.Fatalf("no %s was sent", t)
	}
	for _, word := range strings.Fields(texts[0].BodyEN) {
		if code, err := person.ParseCode(strings.Trim(word, ".")); err == nil {
			return code
		}
	}
	o.t.Fatalf("no code in %s", t)
	return person.Code{}
}

// credential gives a person a way into their account.
func (o *office) credential(vault identity.VaultID) {
	o.t.Helper()
	o.exec(`insert into credentials (vault_id, credential_id, kind, name, secret, created_at, mac) values ($1, $2, 'passphrase', 'x', 'x', $3, '\x00')`,
		vault, identity.NewID[identity.CredentialID](), o.now())
}

// agreed takes a proposal of a first officer to the second.
func (o *office) agreed(vault identity.VaultID, by func(testing.TB) audit.Actor, propose func() (person.Approval, error)) {
	o.t.Helper()
	p := must(propose())(o.t)
	must(0, o.Approve(o.t.Context(), open{}, by(o.t), vault, p.Kind, p.ID))(o.t)
}

// recovering is a person whose recovery two officers have begun.
func (o *office) recovering(level int) identity.VaultID {
	o.t.Helper()
	e := o.du()
	e.Level = level
	du := o.enrol(e)
	o.credential(du)
	o.advance(8 * 24 * time.Hour) // the contact is old enough for a code
	o.agreed(du, second, func() (person.Approval, error) {
		return o.Recover(o.t.Context(), open{}, first(o.t), du, evidence(person.IdentityCard))
	})
	return du
}

func (o *office) recovery(vault identity.VaultID) person.RecoveryState {
	o.t.Helper()
	r, under, err := o.RecoveryOf(o.t.Context(), open{}, vault)
	if err != nil {
		o.t.Fatal(err)
	}
	if !under {
		return ""
	}
	return r.State
}

// proposals are the acts that need two officers, each with a world in which it may be proposed.
func proposals() map[person.ApprovalKind]func(o *office) (identity.VaultID, func(by audit.Actor) (person.Approval, error)) {
	card := evidence(person.IdentityCard)
	return map[person.ApprovalKind]func(o *office) (identity.VaultID, func(by audit.Actor) (person.Approval, error)){
		person.ApproveLevel: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			e := o.du()
			e.Level = 1
			du := o.enrol(e)
			return du, func(by audit.Actor) (person.Approval, error) {
				return o.Raise(o.t.Context(), open{}, by, du, 2, person.Representative{}, card)
			}
		},
		person.ApproveRecovery: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			du := o.enrol(o.du())
			o.credential(du)
			return du, func(by audit.Actor) (person.Approval, error) { return o.Recover(o.t.Context(), open{}, by, du, card) }
		},
		person.ApproveSettlement: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			du := o.recovering(2)
			must(0, o.Object(o.t.Context(), open{}, self(du), du))(o.t)
			return du, func(by audit.Actor) (person.Approval, error) {
				by.Officer.Organisation += "-2"
				return o.Settle(o.t.Context(), open{}, by, du, card)
			}
		},
		person.ApproveContact: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			du := o.enrol(o.du())
			change := person.ContactChange{Add: person.NewContact{Channel: delivery.SMS, Address: must(person.ParseAddress(delivery.SMS, "0900000033"))(o.t)}}
			return du, func(by audit.Actor) (person.Approval, error) {
				return o.ChangeContact(o.t.Context(), open{}, by, du, change, card)
			}
		},
		person.ApproveUnblock: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			du := o.enrol(o.du())
			must(0, o.Block(o.t.Context(), open{}, self(du), du, person.Evidence{}))(o.t)
			return du, func(by audit.Actor) (person.Approval, error) { return o.Unblock(o.t.Context(), open{}, by, du, card) }
		},
		person.ApproveRevival: func(o *office) (identity.VaultID, func(audit.Actor) (person.Approval, error)) {
			du := o.enrol(o.du())
			must(0, o.ReportDeath(o.t.Context(), open{}, first(o.t), du, "registry", evidence(person.CivilRegister)))(o.t)
			return du, func(by audit.Actor) (person.Approval, error) { return o.Revive(o.t.Context(), open{}, by, du, card) }
		},
	}
}

// TestN9_TwoOfficers holds each act that needs two to the same rules: proposing changes nothing, the same officer cannot confirm, nor can anybody what is
// another person's, of another kind or over; the second officer carries it out; and both are in the record.
func TestN9_TwoOfficers(t *testing.T) {
	t.Parallel()
	for kind, prepare := range proposals() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			du, propose := prepare(o)
			thi := o.enrol(o.thi())
			ctx, before := t.Context(), o.fingerprint()
			one, two := first(t), second(t)
			if kind == person.ApproveSettlement {
				two = another(t)
			}
			p := must(propose(one))(t)
			if again := must(propose(one))(t); again.ID != p.ID {
				t.Error("proposed again it is another proposal")
			}
			o.counts(1, `select count(*) from approvals where kind = $1`, string(kind))
			proposer := one
			if kind == person.ApproveSettlement {
				proposer.Officer.Organisation += "-2"
			}
			louder := proposer
			louder.Officer.ID = strings.ToUpper(louder.Officer.ID)
			wrongKind := person.ApproveLevel
			if kind == wrongKind {
				wrongKind = person.ApproveUnblock
			}
			for what, c := range map[string]struct {
				by    audit.Actor
				vault identity.VaultID
				kind  person.ApprovalKind
				id    identity.ObjectID
				want  error
			}{
				"the same officer":        {proposer, du, kind, p.ID, person.ErrSameOfficer},
				"in another spelling":     {louder, du, kind, p.ID, person.ErrSameOfficer},
				"another person's":        {two, thi, kind, p.ID, person.ErrNotFound},
				"one that is not there":   {two, du, kind, identity.NewID[identity.ObjectID](), person.ErrNotFound},
				"as another kind":         {two, du, wrongKind, p.ID, person.ErrNotFound},
				"by nobody in particular": {audit.Actor{Client: "registrar-client"}, du, kind, p.ID, person.ErrNotFound},
			} {
				if err := o.Approve(ctx, open{}, c.by, c.vault, c.kind, c.id); !errors.Is(err, c.want) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
				t.Errorf("something changed before the second officer: %s", diff)
			}
			must(0, o.Approve(ctx, open{}, two, du, kind, p.ID))(t)
			after := o.fingerprint()
			if after == before {
				t.Error("nothing changed")
			}
			must(0, o.Approve(ctx, open{}, two, du, kind, p.ID))(t)
			if err := o.Approve(ctx, open{}, clerk(t, "officer-9", "registrar"), du, kind, p.ID); !errors.Is(err, person.ErrNotFound) {
				t.Errorf("a third officer: %v", err)
			}
			if diff := cmp.Diff(after, o.fingerprint()); diff != "" {
				t.Errorf("confirmed twice it is two acts: %s", diff)
			}
			officers := o.officers(du)
			if !slices.Contains(officers, "act_proposed "+proposer.Officer.ID) || !slices.ContainsFunc(officers, func(l string) bool {
				return !strings.HasPrefix(l, "act_proposed") && strings.HasSuffix(l, two.Officer.ID)
			}) {
				t.Errorf("not both officers are in the record: %v", officers)
			}
		})
	}
}

// officers reads who acted in a vault, as "kind officer".
func (o *office) officers(vault identity.VaultID) []string {
	o.t.Helper()
	page, err := o.audit.List(o.t.Context(), o.db.Owner(o.t), []*seal.Keys{o.keys(vault)}, open{}, audit.Entry{}, audit.Query{Limit: 100}, o.now())
	if err != nil {
		o.t.Fatal(err)
	}
	var lines []string
	for _, e := range page.Entries {
		if e.Outcome == "" || e.Outcome == audit.Done {
			lines = append(lines, fmt.Sprintf("%s %s", e.Kind, e.Actor.Officer.ID))
		}
	}
	return lines
}

// TestApprovalsEnd: a proposal that is a day old is not there, nor is one whose ground is gone.
func TestApprovalsEnd(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, propose := proposals()[person.ApproveUnblock](o)
	old := must(propose(first(t)))(t)
	if list := must(o.Approvals(t.Context(), open{}, second(t), du, person.ApproveUnblock))(t); len(list) != 1 || list[0].ID != old.ID || list[0].Officer.ID != "officer-7" {
		t.Errorf("the second officer sees %d proposals", len(list))
	}
	if list := must(o.Approvals(t.Context(), open{}, second(t), du, person.ApproveLevel))(t); len(list) != 0 {
		t.Errorf("of another kind: %d", len(list))
	}
	o.advance(person.ApprovalLife)
	if err := o.Approve(t.Context(), open{}, second(t), du, old.Kind, old.ID); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("a day later: %v", err)
	}
	fresh := must(propose(first(t)))(t)
	if fresh.ID == old.ID {
		t.Error("the old proposal was taken up again")
	}
	must(0, o.Approve(t.Context(), open{}, second(t), du, fresh.Kind, fresh.ID))(t)
	last := must(0, o.Block(t.Context(), open{}, first(t), du, evidence(person.IdentityCard)))
	last(t)
	p := must(propose(first(t)))(t)
	o.exec(`update people set blocked = false where vault_id = $1`, du)
	if err := o.Approve(t.Context(), open{}, second(t), du, p.Kind, p.ID); !errors.Is(err, person.ErrState) {
		t.Errorf("what is not blocked was unblocked: %v", err)
	}
}

// TestN9_OneActOfAHundred: a hundred confirmations at once, by one officer and by a hundred, are one act.
func TestN9_OneActOfAHundred(t *testing.T) {
	t.Parallel()
	for what, by := range map[string]func(t testing.TB, i int) audit.Actor{
		"one officer":   func(t testing.TB, _ int) audit.Actor { return second(t) },
		"many officers": func(t testing.TB, i int) audit.Actor { return clerk(t, fmt.Sprintf("officer-1%02d", i), "registrar") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			du, propose := proposals()[person.ApproveContact](o)
			p := must(propose(first(t)))(t)
			done := 0
			for _, err := range together(100, func(i int) error { return o.Approve(t.Context(), open{}, by(t, i), du, p.Kind, p.ID) }) {
				switch {
				case err == nil:
					done++
				case !errors.Is(err, person.ErrNotFound):
					t.Error(err)
				}
			}
			if what == "many officers" && done != 1 || what == "one officer" && done != 100 {
				t.Errorf("%d were told that it was done", done)
			}
			o.counts(1, `select count(*) from contacts where verified_how = 'counter' and kind = 'sms' and created_at > (select created_at from vaults where vault_id = $1)`, du)
			if lines := o.officers(du); slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "contact_changed") }) < 0 ||
				len(slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "contact_changed") })) != 1 {
				t.Errorf("the record has %v", lines)
			}
		})
	}
}

// TestN2_ProposalsAreBelieved only as they were written: another proposer, another act or another state fails.
func TestN2_ProposalsAreBelieved(t *testing.T) {
	t.Parallel()
	for what, sql := range map[string]string{
		"another officer":      `update approvals set officer_id = 'officer-1'`,
		"another office":       `update approvals set organisation_id = 'registrar-2'`,
		"a longer life":        `update approvals set expires_at = expires_at + interval '1 day'`,
		"another person's act": `update approvals set sealed = '\x00'`,
		"open again":           `update approvals set state = 'open', second_officer_id = null`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			du, propose := proposals()[person.ApproveUnblock](o)
			p := must(propose(first(t)))(t)
			if what == "open again" {
				must(0, o.Approve(t.Context(), open{}, second(t), du, p.Kind, p.ID))(t)
			}
			o.exec(sql)
			err := o.Approve(t.Context(), open{}, clerk(t, "officer-7", "registrar"), du, p.Kind, p.ID)
			if err == nil || errors.Is(err, person.ErrNotFound) {
				t.Errorf("it was believed: %v", err)
			}
		})
	}
}

// TestLevelsAreRaised by two officers, as the law allows and never down.
func TestLevelsAreRaised(t *testing.T) {
	t.Parallel()
	o := setup(t)
	ctx, card := t.Context(), evidence(person.IdentityCard)
	raise := func(vault identity.VaultID, level int, who person.Representative) error {
		_, err := o.Raise(ctx, open{}, first(t), vault, level, who, card)
		return err
	}
	du := o.enrol(o.du())
	if err := raise(du, 1, person.Representative{}); !errors.Is(err, person.ErrLevel) {
		t.Errorf("lowered: %v", err)
	}
	kept := o.thi()
	kept.Level = 0
	thi := o.enrol(kept)
	o.work()
	o.agreed(thi, second, func() (person.Approval, error) {
		return o.Raise(ctx, open{}, first(t), thi, 2, person.Representative{}, card)
	})
	if p := must(o.Profile(ctx, o.db.Pool, o.keys(thi)))(t); p.Level != 2 {
		t.Errorf("level %d", p.Level)
	}
	o.work()
	must(o.CheckActivation(ctx, byNumber(t, thiNumber), o.codeIn(delivery.ActivationCode)))(t)

	child := o.du()
	child.Number, child.BirthDate, child.Level, child.Contacts, child.PreferredChannel = number(t, khangNumber), must(identity.ParsePartialDate("2021-02-03"))(t), 0, nil, person.NoChannel
	khang := o.enrol(child)
	mother := person.Representative{Vault: du, Right: person.ByMother, Proof: evidence(person.CivilRegister)}
	for what, c := range map[string]struct {
		level int
		who   person.Representative
		want  error
	}{
		"nobody opens it":             {1, person.Representative{}, person.ErrRepresentative},
		"under six":                   {2, mother, person.ErrLevel},
		"a stranger":                  {1, person.Representative{Vault: identity.NewVaultID(), Right: person.ByMother, Proof: evidence(person.CivilRegister)}, person.ErrRepresentative},
		"the child itself":            {1, person.Representative{Vault: khang, Right: person.ByMother, Proof: evidence(person.CivilRegister)}, person.ErrRepresentative},
		"a card proves no right":      {1, person.Representative{Vault: du, Right: person.ByMother, Proof: evidence(person.IdentityCard)}, person.ErrRepresentative},
		"a register appoints nobody":  {1, person.Representative{Vault: du, Right: person.ByAppointment, Proof: evidence(person.PopulationDatabase)}, person.ErrRepresentative},
		"a right that does not exist": {1, person.Representative{Vault: du, Right: "aunt", Proof: evidence(person.CivilRegister)}, person.ErrRepresentative},
	} {
		if err := raise(khang, c.level, c.who); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	o.exec(`update people set blocked = true where vault_id = $1`, du)
	if err := raise(khang, 1, mother); !errors.Is(err, person.ErrRepresentative) {
		t.Errorf("a blocked mother: %v", err)
	}
	o.exec(`update people set blocked = false where vault_id = $1`, du)
	o.agreed(khang, second, func() (person.Approval, error) { return o.Raise(ctx, open{}, first(t), khang, 1, mother, card) })
	if p := must(o.Profile(ctx, o.db.Pool, o.keys(khang)))(t); p.Level != 1 || p.Representative != mother {
		t.Error("the profile does not say who opened the account")
	}
	o.advance(366 * 24 * time.Hour) // six by now; the mother is known
	o.agreed(khang, second, func() (person.Approval, error) {
		return o.Raise(ctx, open{}, first(t), khang, 2, person.Representative{}, card)
	})
}

// TestEnrolmentNeedsARepresentative of level 2 for a child and a ward, and refuses one for everybody else.
func TestEnrolmentNeedsARepresentative(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	low := o.thi()
	low.Level = 1
	thi := o.enrol(low)
	mother := person.Representative{Vault: du, Right: person.ByMother, Proof: evidence(person.CivilRegister)}
	father := person.Representative{Vault: thi, Right: person.ByFather, Proof: evidence(person.CivilRegister)}
	guardian := person.Representative{Vault: du, Right: person.ByAppointment, Proof: evidence(person.CourtDecision)}
	for i, c := range []struct {
		what string
		born string
		ward bool
		who  person.Representative
		want error
	}{
		{"a child alone", "2019-01-01", false, person.Representative{}, person.ErrRepresentative},
		{"with a father of level 1", "2019-01-01", false, father, person.ErrRepresentative},
		{"with the mother", "2019-01-01", false, mother, nil},
		{"somebody grown up with a mother", "1990-01-01", false, mother, person.ErrRepresentative},
		{"a grown ward alone", "1990-01-01", true, person.Representative{}, person.ErrRepresentative},
		{"a grown ward with the guardian", "1990-01-01", true, guardian, nil},
	} {
		e := o.du()
		e.Number = number(t, fmt.Sprintf("0991930008%02d", i))
		e.BirthDate, e.Ward, e.Representative = must(identity.ParsePartialDate(c.born))(t), c.ward, c.who
		done, err := o.Enrol(t.Context(), open{}, registrar(t), e)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
		if err == nil {
			if p := must(o.Profile(t.Context(), o.db.Pool, o.keys(done.Vault)))(t); p.Representative != c.who || p.Ward != c.ward {
				t.Errorf("%s: the profile does not say so", c.what)
			}
		}
	}
}

// TestEnrollingWhoCanSignInIsARecovery: the answer says so and nothing changes.
func TestEnrollingWhoCanSignInIsARecovery(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	if _, err := o.Enrol(t.Context(), open{}, registrar(t), o.du()); !errors.Is(err, person.ErrNumberTaken) {
		t.Errorf("without a way in: %v", err)
	}
	o.credential(du)
	before := o.fingerprint()
	if _, err := o.Enrol(t.Context(), open{}, registrar(t), o.du()); !errors.Is(err, person.ErrHasAccount) {
		t.Errorf("with a way in: %v", err)
	}
	if diff := cmp.Diff(before, o.fingerprint()); diff != "" {
		t.Error(diff)
	}
	if lines := o.record(du); lines[len(lines)-1] != "enrolled refused recovery_needed" {
		t.Errorf("the record says %v", lines)
	}
}

// TestBlock: by the person or an officer, once; activation, and everything else that asks for good standing, is refused at the next request; sign-ins end.
func TestBlock(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	o.exec(`insert into sessions (vault_id, session_id, client_id, level, amr, auth_time, expires_at, created_at, mac)
  values ($1, gen_random_uuid(), 'app', 1, '{}', $2, $2::timestamptz + interval '1 day', $2, '\x00')`, du, o.now())
	must(0, o.Block(t.Context(), open{}, self(du), du, person.Evidence{}))(t)
	must(0, o.Block(t.Context(), open{}, self(du), du, person.Evidence{}))(t)
	o.counts(0, `select count(*) from sessions where state = 'active'`)
	if err := o.Block(t.Context(), open{}, first(t), du, person.Evidence{}); !errors.Is(err, person.ErrEvidence) {
		t.Errorf("an officer without evidence: %v", err)
	}
	if err := o.Block(t.Context(), open{}, first(t), identity.NewVaultID(), evidence(person.IdentityCard)); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if diff := cmp.Diff([]string{"enrolled done identity_card", "blocked done "}, o.record(du)); diff != "" {
		t.Error(diff)
	}
	refused := errors.New("nobody")
	if err := o.Block(t.Context(), shut{err: refused}, self(du), du, person.Evidence{}); !errors.Is(err, refused) {
		t.Errorf("a shut guard: %v", err)
	}
	if err := o.Block(t.Context(), shut{code: "token_revoked"}, self(du), du, person.Evidence{}); pg.Refused(err) != "token_revoked" {
		t.Errorf("a shut guard: %v", err)
	}
}
