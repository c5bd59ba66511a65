package consent_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// TestView: the person reads who asks, why, for what and how long, in words made from data, and the same words every time.
func TestView(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	for name, who := range map[string]consent.Acting{"child": h.acting(f.mother), "self": h.me(f.mother)} {
		v := must(h.View(t.Context(), pg.All(), who, id))(t)
		if !v.May || v.State != consent.Asked || v.OrganisationVI != "Trường Mầm non Hoa Sen" || v.Officer.Name.Reveal() != "PHẠM VĂN GIẢ" || v.Self != (name == "self") {
			t.Errorf("%s: %+v", name, v)
		}
		again := must(h.View(t.Context(), pg.All(), who, id))(t)
		if again.Nonce != v.Nonce || again.Digest != v.Digest || again.Texts["vi"].SHA256 != v.Texts["vi"].SHA256 {
			t.Errorf("%s: another view of the same", name)
		}
		for _, language := range []string{consent.Vietnamese, consent.English} {
			golden := fmt.Sprintf("testdata/text_%s_%s.txt", name, language)
			body := v.Texts[language].Body.Reveal() + "\n"
			want, err := os.ReadFile(golden)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				want, err = []byte(body), os.WriteFile(golden, []byte(body), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), body); diff != "" {
				t.Error(golden, diff)
			}
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", v, v, v), "PHẠM") {
			t.Error("the officer's name is printed")
		}
	}
	father, mother := must(h.View(t.Context(), pg.All(), h.acting(f.father), id))(t), must(h.View(t.Context(), pg.All(), h.acting(f.mother), id))(t)
	if father.Nonce == mother.Nonce || father.Person == mother.Person {
		t.Error("two representatives share a nonce or a handle")
	}
	list, next, err := h.Pending(t.Context(), pg.All(), h.acting(f.mother), "", 10)
	if err != nil || next != "" || len(list) != 1 || list[0].Request != id || !list[0].May || list[0].Fields != 3 || !list[0].Sensitive {
		t.Errorf("pending %+v, %q: %v", list, next, err)
	}
}

// TestS1_ForeignRequests: another's request is answered like one that does not exist, in every operation.
func TestS1_ForeignRequests(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, child, _ := h.granted(f, "")
	missing := identity.NewID[identity.RequestID]()
	stranger := h.me(h.enrol("hoa", 2))
	for name, try := range map[string]func(identity.RequestID, identity.GrantID) error{
		"view": func(r identity.RequestID, _ identity.GrantID) error {
			_, err := h.View(t.Context(), pg.All(), stranger, r)
			return err
		},
		"decide": func(r identity.RequestID, _ identity.GrantID) error {
			_, err := h.Decide(t.Context(), pg.All(), stranger, yes(r, childName), nil)
			return err
		},
		"withdraw": func(_ identity.RequestID, g identity.GrantID) error {
			_, err := h.Withdraw(t.Context(), pg.All(), stranger, g)
			return err
		},
		"receipts": func(_ identity.RequestID, g identity.GrantID) error {
			_, err := h.Receipts(t.Context(), pg.All(), stranger, g)
			return err
		},
		"replace": func(r identity.RequestID, g identity.GrantID) error {
			d := yes(r, childName)
			d.Replaces = g
			_, err := h.Decide(t.Context(), pg.All(), stranger, d, nil)
			return err
		},
	} {
		nothing := identity.NewID[identity.GrantID]()
		foreign, absent := try(id, child.Grant.ID), try(missing, nothing)
		if !errors.Is(foreign, consent.ErrNotFound) || !errors.Is(absent, consent.ErrNotFound) {
			t.Errorf("%s: foreign %v, missing %v", name, foreign, absent)
			continue
		}
		if without(foreign, id.String(), child.Grant.ID.String()) != without(absent, missing.String(), nothing.String()) {
			t.Errorf("%s: foreign %v, missing %v", name, foreign, absent)
		}
	}
	if grants, _, err := h.Grants(t.Context(), pg.All(), stranger, "", 0); err != nil || len(grants) != 0 {
		t.Errorf("grants of a stranger: %d, %v", len(grants), err)
	}
}

// without is the text of an error with the ids that the caller gave taken out.
func without(err error, ids ...string) string {
	text := err.Error()
	for _, id := range ids {
		text = strings.ReplaceAll(text, id, "")
	}
	return text
}

// TestDecide: yes to some fields, no, and what each leaves behind.
func TestDecide(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	answer := h.decide(h.acting(f.mother), yes(id, childBirth))
	g := answer.Grant
	if !answer.Complete || !answer.Allowed || g.State != consent.GrantActive || g.Mode != consent.Once || g.UsesLeft != 1 || g.BySelf || g.NoAccount ||
		!cmp.Equal(g.Fields, []string{childBirth}) || !cmp.Equal(g.Roles, []string{"child"}) || len(g.Pinned) != 1 {
		t.Errorf("%+v", g)
	}
	r := h.receipt(answer.Receipt)
	v := must(h.View(t.Context(), pg.All(), h.acting(f.mother), id))(t)
	digest := v.Texts["vi"].SHA256
	if r.Event.Type != "granted" || r.Event.State != "active" || r.Event.Entity != "representative" || r.Controller.ID != school ||
		r.PrivacyNotice.TextSHA256 != base64.RawURLEncoding.EncodeToString(digest[:]) || r.Authentication.Authority.Kind != "relation" ||
		r.Authentication.Signed || len(r.Information) != 1 || r.Information[0].TitleVI == "" || r.LawfulBasis.Article == "" || r.Terms.Pinned != 1 {
		t.Errorf("%+v", r)
	}
	for _, word := range []string{f.child.String(), f.mother.String(), h.of("khang").FullName, h.of("khang").PersonalNumber, g.ID.String()} {
		if payload := must(opened(h.signer.Public().(ed25519.PublicKey), consent.ReceiptType, answer.Receipt))(t); strings.Contains(string(payload), word) {
			t.Errorf("the receipt says %s", word)
		}
	}
	no := h.decide(h.me(f.mother), consent.Decision{Request: id, Language: consent.English})
	if no.Allowed || !no.Complete || !no.Grant.ID.IsZero() || h.receipt(no.Receipt).Event.State != "denied" || h.receipt(no.Receipt).Event.Entity != "person" {
		t.Errorf("%+v", no)
	}
	record := append(h.record(f.child), h.record(f.mother)...)
	for _, want := range []string{"decision done", "decision refused"} {
		if n := strings.Count(strings.Join(record, "\n")+"\n", want+"\n"); n != 1 {
			t.Errorf("%d × %q in %q", n, want, record)
		}
	}
	for name, d := range map[string]consent.Decision{"the other way": {Request: id, Language: "vi"}, "wider": yes(id, childBirth, childName)} {
		if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), d, nil); !errors.Is(err, consent.ErrAlreadyDecided) {
			t.Errorf("%s, later: %v", name, err)
		}
	}
	if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.father), yes(id, childBirth), nil); !errors.Is(err, consent.ErrAlreadyDecided) {
		t.Errorf("the father, later: %v", err)
	}
}

// TestDecisionsThatDoNotFit: nothing more than was asked, and a no has no terms.
func TestDecisionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	r := h.enrolmentRequest(f, "")
	r.Mode, r.Uses = consent.Uses, 3
	id, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*consent.Decision){
		"no field":             func(d *consent.Decision) { d.Fields = nil },
		"a field of another":   func(d *consent.Decision) { d.Fields = []string{hersName} },
		"a field not asked":    func(d *consent.Decision) { d.Fields = []string{"child_sex"} },
		"a standing grant":     func(d *consent.Decision) { d.Mode, d.Pinned = consent.Until, nil },
		"more uses":            func(d *consent.Decision) { d.Mode, d.Uses, d.Pinned = consent.Uses, 4, nil },
		"a longer time":        func(d *consent.Decision) { d.Until = beginning.Add(consent.DefaultTerm + time.Second) },
		"a time in the past":   func(d *consent.Decision) { d.Until = beginning },
		"half a second":        func(d *consent.Decision) { d.Until = beginning.Add(time.Hour + time.Millisecond) },
		"pinned and not once":  func(d *consent.Decision) { d.Mode, d.Uses = consent.Uses, 1 },
		"a paper of no number": func(d *consent.Decision) { d.Pinned[0].Revision = 0 },
		"a language":           func(d *consent.Decision) { d.Language = "fr" },
		"a no with fields":     func(d *consent.Decision) { d.Allow = false },
	} {
		d := yes(id, childName)
		d.Mode = consent.Once
		spoil(&d)
		if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), d, nil); !errors.Is(err, consent.ErrDecision) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.counts(0, `select count(*) from grant_events`)
}

// device is a citizen's phone: it signs decisions, and its server side verifies them.
type device struct {
	key        ed25519.PrivateKey
	credential identity.CredentialID
	calls      int
}

func newDevice(t testing.TB) *device {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &device{key: key, credential: identity.NewID[identity.CredentialID]()}
}

func (d *device) verify(_ context.Context, compact string) ([]byte, identity.CredentialID, error) {
	d.calls++
	payload, err := opened(d.key.Public().(ed25519.PublicKey), consent.DecisionType, compact)
	return payload, d.credential, err
}

// decided is the object a device signs for a decision on a view.
func decided(v consent.View, d consent.Decision, pinned ...consent.Pin) consent.Decided {
	text := v.Texts[d.Language].SHA256
	o := consent.Decided{
		Version: 1, Person: v.Person, Authority: v.Authority, RequestDigest: v.Digest, TextSHA256: base64.RawURLEncoding.EncodeToString(text[:]),
		Language: d.Language, Decision: "deny", Fields: []string{}, Pinned: []consent.Pin{}, Nonce: v.Nonce, Expires: v.Expires.Format(time.RFC3339),
	}
	if d.Allow {
		o.Decision, o.Fields, o.Mode, o.Uses, o.Until = "allow", sorted(d.Fields), d.Mode, d.Uses, v.Until.Format(time.RFC3339)
		o.Pinned = append(o.Pinned, pinned...)
	}
	return o
}

func (d *device) sign(o consent.Decided) string {
	payload, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return jws(d.key, consent.DecisionType, payload)
}

// TestSignatureRequired: a standing grant or a sensitive field needs the device; a plain once-grant and every no do not.
func TestSignatureRequired(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	for name, c := range map[string]struct {
		mode   consent.Mode
		fields []string
		need   bool
	}{
		"once, plain":     {consent.Once, []string{childName}, false},
		"once, sensitive": {consent.Once, []string{childName, childEthnicity}, true},
		"uses":            {consent.Uses, []string{childName}, true},
		"until":           {consent.Until, []string{childName}, true},
	} {
		r := h.enrolmentRequest(f, name)
		r.Mode, r.Until = consent.Until, h.now().AddDate(0, 6, 0)
		id, _, err := h.Create(t.Context(), pg.All(), r)
		if err != nil {
			t.Fatal(err)
		}
		who := h.acting(f.mother)
		d := consent.Decision{Request: id, Allow: true, Fields: c.fields, Language: "vi", Mode: c.mode}
		if c.mode == consent.Uses {
			d.Uses = 2
		}
		_, err = h.Decide(t.Context(), pg.All(), who, d, nil)
		if errors.Is(err, consent.ErrSignatureRequired) != c.need || !c.need && err != nil {
			t.Errorf("%s, unsigned: %v", name, err)
		}
		if c.need {
			phone := newDevice(t)
			v := must(h.View(t.Context(), pg.All(), who, id))(t)
			d.Signature = phone.sign(decided(v, d))
			a, err := h.Decide(t.Context(), pg.All(), who, d, phone.verify)
			if err != nil || a.Grant.Mode != c.mode || !h.receipt(a.Receipt).Authentication.Signed {
				t.Errorf("%s, signed: %v", name, err)
			}
		}
		h.exec(`update request_parties set state = 'denied' where state = 'asked'`)
	}
}

// TestSignedDecisions: a device signs exactly this decision on exactly this request, read in these words; anything else is refused, and so is
// a signature that does not verify.
func TestSignedDecisions(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, other := h.ask(f, "1"), h.ask(f, "2")
	who, phone := h.acting(f.mother), newDevice(t)
	d := consent.Decision{Request: id, Allow: true, Fields: []string{childName, childEthnicity}, Language: "vi", Mode: consent.Once,
		Pinned: []consent.DocRevision{{Document: paper(1), Revision: 2}, {Document: paper(2), Revision: 1}}}
	raw1, raw2 := paper(1).Bytes(), paper(2).Bytes()
	pins := []consent.Pin{{Document: h.d.Ref(app, "document", raw1[:]), Revision: 2}, {Document: h.d.Ref(app, "document", raw2[:]), Revision: 1}}
	if pins[0].Document > pins[1].Document {
		pins[0], pins[1] = pins[1], pins[0]
	}
	v := must(h.View(t.Context(), pg.All(), who, id))(t)
	elsewhere := must(h.View(t.Context(), pg.All(), who, other))(t)
	fathers := must(h.View(t.Context(), pg.All(), h.acting(f.father), id))(t)
	for name, spoil := range map[string]func(*consent.Decided){
		"another request":     func(o *consent.Decided) { o.RequestDigest = elsewhere.Digest },
		"another nonce":       func(o *consent.Decided) { o.Nonce = elsewhere.Nonce },
		"the father's nonce":  func(o *consent.Decided) { o.Nonce = fathers.Nonce },
		"the father's right":  func(o *consent.Decided) { o.Authority = fathers.Authority },
		"for another":         func(o *consent.Decided) { o.Person = consent.Me },
		"another text":        func(o *consent.Decided) { o.TextSHA256 = strings.Repeat("A", 43) },
		"another language":    func(o *consent.Decided) { o.Language = "en" },
		"a no":                func(o *consent.Decided) { o.Decision = "deny" },
		"fewer fields":        func(o *consent.Decided) { o.Fields = o.Fields[:1] },
		"another mode":        func(o *consent.Decided) { o.Mode = consent.Uses },
		"longer":              func(o *consent.Decided) { o.Until = v.Until.Add(time.Second).Format(time.RFC3339) },
		"other revisions":     func(o *consent.Decided) { o.Pinned[0].Revision++ },
		"one paper less":      func(o *consent.Decided) { o.Pinned = o.Pinned[:1] },
		"later":               func(o *consent.Decided) { o.Expires = v.Expires.Add(time.Hour).Format(time.RFC3339) },
		"a version":           func(o *consent.Decided) { o.Version = 2 },
		"a replacement":       func(o *consent.Decided) { o.Replaces = "x" },
		"fields out of order": func(o *consent.Decided) { o.Fields = []string{childName, childEthnicity} },
	} {
		o := decided(v, d, append([]consent.Pin{}, pins...)...)
		spoil(&o)
		d.Signature = phone.sign(o)
		if _, err := h.Decide(t.Context(), pg.All(), who, d, phone.verify); !errors.Is(err, consent.ErrDecision) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.Signature = newDevice(t).sign(decided(v, d, pins...))
	if _, err := h.Decide(t.Context(), pg.All(), who, d, phone.verify); err == nil || errors.Is(err, consent.ErrDecision) {
		t.Errorf("another device: %v", err)
	}
	h.counts(0, `select count(*) from grant_events`)
	d.Signature = phone.sign(decided(v, d, pins...))
	first := must(h.Decide(t.Context(), pg.All(), who, d, phone.verify))(t)
	if len(first.Grant.Pinned) != 2 || !strings.Contains(strings.Join(first.Grant.Fields, " "), childEthnicity) {
		t.Errorf("%+v", first.Grant)
	}
	// Signed again, the same decision has another signature and is the same decision; the first receipt stands.
	again := must(h.Decide(t.Context(), pg.All(), who, d, phone.verify))(t)
	if !again.Repeated || again.Receipt != first.Receipt {
		t.Error("a repeated decision has another receipt")
	}
}

// TestR6_OneDecision: a hundred decisions at once are one grant; the same ones get its receipt, others are told that it is too late.
func TestR6_OneDecision(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	who := h.acting(f.mother)
	type result struct {
		answer consent.Answer
		err    error
		kind   int
	}
	results := together(100, func(i int) result {
		d := yes(id, childName)
		if i%2 == 1 {
			d = yes(id, childName, childBirth)
		}
		a, err := h.Decide(context.Background(), pg.All(), who, d, nil)
		return result{a, err, i % 2}
	})
	receipts, winners := map[string]bool{}, 0
	kind := -1
	for _, r := range results {
		if r.err == nil {
			receipts[r.answer.Receipt] = true
			kind = r.kind
			if !r.answer.Repeated {
				winners++
			}
		}
	}
	for _, r := range results {
		if r.kind == kind && r.err != nil || r.kind != kind && !errors.Is(r.err, consent.ErrAlreadyDecided) {
			t.Errorf("kind %d, the winner's is %d: %v", r.kind, kind, r.err)
		}
	}
	if winners != 1 || len(receipts) != 1 {
		t.Errorf("%d winners, %d receipts", winners, len(receipts))
	}
	h.counts(1, `select count(*) from grants`)
	h.counts(1, `select count(*) from grant_events`)
	h.counts(1, `select count(*) from access_log where kind = 'decision'`)
}

// TestAges holds who decides for whom to its table, with a moving clock.
func TestAges(t *testing.T) {
	t.Parallel()
	file := must(os.Open("testdata/ages.csv"))(t)
	defer file.Close()
	for _, row := range must(csv.NewReader(file).ReadAll())(t)[1:] {
		t.Run("case "+row[0], func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			h.account(identity.NewVaultID()) // somebody else's account means nothing
			mother := h.enrol("dan", 2)
			born := must(identity.ParsePartialDate(row[1]))(t)
			child := must(h.people.Enrol(t.Context(), pg.All(), h.registrar(), person.Enrolment{
				Number: number(t, h.of("khang").PersonalNumber), Kind: person.Citizen, Name: must(identity.ParseName("NGÔ GIA KHANG"))(t),
				BirthDate: born, Sex: identity.Male, PreferredChannel: person.NoChannel, Evidence: enrolment,
			}))(t).Vault
			if row[3] == "yes" {
				h.account(child)
			}
			if p := h.proposal(child, consent.Mother, "dan", mother); row[0] != "13" {
				p.Until = h.Majority(born)
				h.propose(child, p)
				h.drain()
			}
			handle := consent.Me
			actor := child
			if row[4] == "mother" {
				actor, handle = mother, must(h.People(t.Context(), pg.All(), mother, app))(t)[0].Handle
			}
			h.goTo(must(time.Parse("2006-01-02T15:04", row[2]+"T16:59"))(t)) // a minute to midnight in Viet Nam
			id := h.ask(family{}, "")
			who := must(h.Who(actor, app, handle))(t)
			v, err := h.View(t.Context(), pg.All(), who, id)
			switch {
			case row[7] == "not found":
				if !errors.Is(err, consent.ErrNotFound) {
					t.Errorf("view: %v", err)
				}
			case err != nil:
				t.Fatal(err)
			case v.May != (row[5] == "yes") || v.Both != (row[6] == "yes"):
				t.Errorf("may %v, both %v", v.May, v.Both)
			}
			a, err := h.Decide(t.Context(), pg.All(), who, yes(id, childName), nil)
			got := "granted"
			switch {
			case errors.Is(err, consent.ErrNotFound):
				got = "not found"
			case errors.Is(err, consent.ErrRepresentative):
				got = "representative"
			case err != nil:
				t.Fatal(err)
			case !a.Complete:
				got = h.receipt(a.Receipt).Event.State
			case a.Grant.NoAccount && h.receipt(a.Receipt).Event.NoAccount:
				got = "granted without account"
			}
			if got != row[7] {
				t.Errorf("a yes is %s, want %s", got, row[7])
			}
		})
	}
}

// TestBothAgree: from seven both have to; the grant is what both allowed, neither alone is anything, and a no of either ends it.
func TestBothAgree(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.account(f.child)
	h.goTo(time.Date(2030, 5, 2, 1, 0, 0, 0, time.UTC))
	mine := h.me(f.child)
	ask := func(key string) identity.RequestID {
		r := h.enrolmentRequest(f, key)
		r.Fields = []string{childName, childBirth}
		id, _, err := h.Create(t.Context(), pg.All(), r)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := ask("1")
	first := h.decide(h.acting(f.mother), yes(id, childName, childBirth))
	if first.Complete || !first.Grant.ID.IsZero() || h.receipt(first.Receipt).Event.State != "awaiting" {
		t.Errorf("the mother alone: %+v", first)
	}
	if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrNotGranted) {
		t.Errorf("redeemed on half a decision: %v", err)
	}
	v := must(h.View(t.Context(), pg.All(), h.acting(f.mother), id))(t)
	if v.May {
		t.Error("the mother may decide twice")
	}
	again := h.decide(h.acting(f.mother), yes(id, childName, childBirth))
	if !again.Repeated || again.Receipt != first.Receipt || again.Complete {
		t.Errorf("the mother again: %+v", again)
	}
	second := h.decide(mine, yes(id, childName))
	if !second.Complete || !second.Grant.ByBoth || !cmp.Equal(second.Grant.Fields, []string{childName}) {
		t.Errorf("both: %+v", second.Grant)
	}
	if !second.Grant.ValidUntil.Equal(h.now().Add(consent.DefaultTerm)) {
		t.Errorf("until %v", second.Grant.ValidUntil)
	}
	id = ask("2")
	h.decide(h.acting(f.mother), yes(id, childName))
	if no := h.decide(mine, consent.Decision{Request: id, Language: "vi"}); !no.Complete || no.Allowed {
		t.Errorf("the child says no: %+v", no)
	}
	h.counts(1, `select count(*) from grants`)
	id = ask("3")
	h.decide(h.acting(f.father), yes(id, childName))
	if a := h.decide(mine, yes(id, childBirth)); !a.Complete || !a.Grant.ID.IsZero() {
		t.Errorf("nothing in common: %+v", a)
	}
	h.counts(2, `select count(*) from request_parties where vault_id = $1 and state = 'denied'`, f.child)
	// Together, at the same moment, they are two decisions and one grant.
	id = ask("4")
	mothers := h.acting(f.mother)
	answers := together(20, func(i int) error {
		who := mine
		if i%2 == 0 {
			who = mothers
		}
		_, err := h.Decide(context.Background(), pg.All(), who, yes(id, childName), nil)
		return err
	})
	for _, err := range answers {
		if err != nil {
			t.Error(err)
		}
	}
	h.counts(2, `select count(*) from grants`)
	h.counts(1, `select count(*) from request_parties where request_id = $1 and vault_id = $2 and state = 'allowed'`, id, f.child)
}

// TestGrantEndsWithChildhood: what was allowed for a child ends when the child comes of age (R7).
func TestGrantEndsWithChildhood(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	h.goTo(time.Date(2039, 3, 1, 1, 0, 0, 0, time.UTC))
	id := h.ask(f, "")
	a := h.decide(h.acting(f.mother), yes(id, childName))
	if want := time.Date(2039, 3, 14, 17, 0, 0, 0, time.UTC); !a.Grant.ValidUntil.Equal(want) {
		t.Errorf("until %v, want %v", a.Grant.ValidUntil, want)
	}
}

// TestExpiredRequest: silence is not consent (R7).
func TestExpiredRequest(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id := h.ask(f, "")
	h.advance(consent.DefaultExpiry - time.Microsecond)
	if !must(h.View(t.Context(), pg.All(), h.acting(f.mother), id))(t).May {
		t.Error("over too early")
	}
	h.advance(time.Microsecond)
	v := must(h.View(t.Context(), pg.All(), h.acting(f.mother), id))(t)
	if v.May || v.State != consent.Lapsed {
		t.Errorf("%s, may %v", v.State, v.May)
	}
	if _, err := h.Decide(t.Context(), pg.All(), h.acting(f.mother), yes(id, childName), nil); !errors.Is(err, consent.ErrExpired) {
		t.Errorf("decided: %v", err)
	}
	list, _, err := h.Pending(t.Context(), pg.All(), h.acting(f.mother), "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("pending %v: %v", list, err)
	}
}
