package intake_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"vidan/identity"
	"vidan/intake"
	"vidan/procedure/examples"
)

// family is a newborn with parents and a grandfather who has died; nobody of them is known to anybody yet.
type family struct {
	*world
	child, mother, father, grandfather examples.Person
	birth, card, marriage, death       payload
}

// family makes the serial-th family: the people of the cast under numbers of their own, so that many fit into one database.
func (w *world) family(serial int) *family {
	f := &family{world: w, child: w.of("an"), mother: w.of("du"), father: w.of("thi"), grandfather: w.of("mau")}
	tail := fmt.Sprintf("%05d", serial)
	for _, p := range []*examples.Person{&f.child, &f.mother, &f.father, &f.grandfather} {
		p.PersonalNumber = p.PersonalNumber[:6] + p.PersonalNumber[11:] + tail
	}
	f.child.BirthNoticeNumber = "99999.GCS." + tail + ".26"
	f.birth = w.birth("an").with(map[string]any{"document_ref": tail + "/birth"}).about(byNotice(f.child.BirthNoticeNumber)).says(map[string]any{
		"/personal_number": nil, "/birth_notice_number": f.child.BirthNoticeNumber, "/mother/personal_number": f.mother.PersonalNumber,
		"/father/personal_number": f.father.PersonalNumber, "/declarant/id_document/number": f.father.PersonalNumber,
	})
	f.card = w.card("an").with(map[string]any{"document_ref": tail + "/card"}).about(byNumber(f.child.PersonalNumber)).
		says(map[string]any{"/personal_number": f.child.PersonalNumber})
	f.marriage = w.marriage().with(map[string]any{"document_ref": tail + "/marriage"}).about(byNumber(f.mother.PersonalNumber)).
		says(map[string]any{"/wife/personal_number": f.mother.PersonalNumber, "/husband/personal_number": f.father.PersonalNumber})
	f.death = w.death().with(map[string]any{"document_ref": tail + "/death"}).about(byNumber(f.grandfather.PersonalNumber)).
		says(map[string]any{"/personal_number": f.grandfather.PersonalNumber, "/declarant/personal_number": f.father.PersonalNumber})
	return f
}

// step is something that happens to a family.
type step struct {
	name string
	do   func() error
}

// deliveries are what agencies send about the family, each one result.
func (f *family) deliveries() []step {
	number := map[string]any{"/personal_number": f.child.PersonalNumber}
	both := map[string]any{"personal_number": f.child.PersonalNumber, "birth_notice_number": f.child.BirthNoticeNumber}
	commune, insurance := f.commune(), f.insurance()
	list := []struct {
		name string
		from *agency
		p    payload
	}{
		{"birth 1", commune, f.birth},
		{"birth 2", commune, f.birth.revision(2, intake.Corrected).about(both).says(number)},
		{"birth 3", commune, f.birth.revision(3, intake.Corrected).about(byNumber(f.child.PersonalNumber)).says(number)},
		{"card 1", insurance, f.card},
		{"card 2", insurance, f.card.revision(2, intake.Revoked).with(map[string]any{"document": nil})},
		{"marriage 1", commune, f.marriage},
		{"marriage 2", commune, f.marriage.revision(2, intake.Corrected)},
		{"death 1", commune, f.death},
	}
	steps := make([]step, len(list))
	for i, l := range list {
		compact := l.from.sign(l.p)
		steps[i] = step{l.name, func() error {
			answer, err := l.from.send(compact)
			if err == nil && answer.Status != intake.Accepted {
				err = fmt.Errorf("%s: %s", answer.Status, answer.Reason)
			}
			return err
		}}
	}
	return steps
}

// acts are what the registrar does meanwhile. The child's number is bound once there is somebody to bind it to.
func (f *family) acts() []step {
	enrol := func(p examples.Person) func() error {
		return func() error { f.enrolAs(p); return nil }
	}
	return []step{
		{"enrol mother", enrol(f.mother)}, {"enrol father", enrol(f.father)}, {"enrol grandfather", enrol(f.grandfather)}, {"bind", f.bindChild},
	}
}

var errNobody = errors.New("nobody to bind the number to")

func (f *family) bindChild() error {
	vault := f.byNotice(f.child.BirthNoticeNumber)
	if vault.IsZero() {
		return errNobody
	}
	f.bind(vault, f.child.PersonalNumber)
	return nil
}

// settled asserts the state in which every order of things must end.
func (f *family) settled(t *rapid.T, serial int) {
	vault := func(p examples.Person) identity.VaultID { return f.byNumber(p.PersonalNumber) }
	for _, want := range []struct {
		who   examples.Person
		paper payload
		shows string
	}{
		{f.child, f.birth, "1 issued, 2 corrected, 3 corrected"},
		{f.child, f.card, "1 issued, 2 revoked"},
		{f.mother, f.marriage, "1 issued, 2 corrected"},
		{f.father, f.marriage, "1 issued, 2 corrected"},
		{f.grandfather, f.death, "1 issued"},
		{f.father, f.death, "1 issued"}, // he declared it
		{f.mother, f.death, ""},
	} {
		if got := f.history(vault(want.who), want.paper); got != want.shows {
			t.Fatalf("%s shows %q of %s, want %q", want.who.ID, got, want.paper["document_ref"], want.shows)
		}
	}
	child := vault(f.child)
	for sql, want := range map[string]int{
		`select count(*) from access_log where vault_id = any($1) and kind = 'result_stored'`:                            10,
		`select count(*) from relations where vault_id = any($1) and side = 'home' and state = 'active'`:                 2,
		`select count(*) from relations where vault_id = any($1) and side = 'home' and state not in ('active', 'ended')`: 0,
	} {
		vaults := []identity.VaultID{child, vault(f.mother), vault(f.father), vault(f.grandfather)}
		if got := f.count(sql, vaults); got != want {
			t.Fatalf("%d, want %d: %s", got, want, sql)
		}
	}
	for sql, want := range map[string]int{
		`select count(*) from receipts`:                                8 * serial,
		`select count(*) from waiting_results where state = 'waiting'`: 0,
		`select count(*) from quarantine`:                              0,
		`select count(*) from vaults`:                                  4 * serial,
	} {
		if got := f.count(sql); got != want {
			t.Fatalf("%d, want %d: %s", got, want, sql)
		}
	}
}

// TestP4_AnyOrderOneState: results about a family arrive in any order and any number of times, while the registrar enrols people and binds
// the child's number somewhere in between and what follows is carried out now or later: every order ends in one state, with one record and one
// receipt for each result.
func TestP4_AnyOrderOneState(t *testing.T) {
	t.Parallel()
	w := setup(t)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		f := w.family(serial)
		deliveries := f.deliveries()
		steps := append(append([]step{}, deliveries...), f.acts()...)
		for range rapid.IntRange(0, 4).Draw(rt, "again") {
			steps = append(steps, rapid.SampledFrom(deliveries).Draw(rt, "which"))
		}
		for range rapid.IntRange(0, 3).Draw(rt, "pauses") {
			steps = append(steps, step{"carry out", func() error { w.drain(); return nil }})
		}
		var names []string
		bound := true
		for _, s := range rapid.Permutation(steps).Draw(rt, "order") {
			names = append(names, s.name)
			switch err := s.do(); {
			case errors.Is(err, errNobody):
				bound = false
			case err != nil:
				rt.Fatalf("%q: %v", names, err)
			}
		}
		if !bound {
			ok(t, f.bindChild())
		}
		w.drain()
		rt.Logf("%q", names)
		f.settled(rt, serial)
	})
}
