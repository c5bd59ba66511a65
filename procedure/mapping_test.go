package procedure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/procedure/examples"
)

var loadedCast = sync.OnceValues(examples.Load)

func cast(t testing.TB) examples.Cast {
	t.Helper()
	c, err := loadedCast()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// personID makes an id of a short name, so that tests can say whose it is.
func personID(name string) PersonID {
	var id PersonID
	copy(id[:], name)
	return id
}

func (id PersonID) name() string { return strings.TrimRight(string(id[:]), "\x00") }

func person(t testing.TB, name string) PersonRef {
	t.Helper()
	p, ok := cast(t).Person(name)
	if !ok {
		t.Fatalf("no person %s", name)
	}
	return PersonRef{ID: personID(name), Number: p.PersonalNumber}
}

// castPapers opens every paper of the cast. Who stands in one by number holds it, as the procedures provide.
func castPapers(t testing.TB) []Paper {
	t.Helper()
	var papers []Paper
	for _, p := range cast(t).People {
		for _, raw := range p.Papers {
			typ := documentType(t, raw.Type)
			d, faults := typ.Parse(raw.JSON, ParseOptions{})
			if len(faults) > 0 {
				t.Fatalf("%s/%s: %+v", p.ID, raw.Type, faults)
			}
			paper := Paper{Home: personID(p.ID), Revision: 1, Document: d}
			copy(paper.ID[:], fmt.Sprintf("%d", len(papers)))
			for _, role := range typ.Roles() {
				for _, number := range d.SubjectNumber(role) {
					for _, holder := range cast(t).People {
						if holder.PersonalNumber == number && holder.ID != p.ID {
							paper.Holders = append(paper.Holders, personID(holder.ID))
						}
					}
				}
			}
			papers = append(papers, paper)
		}
	}
	return papers
}

func rolesOf(t testing.TB, d examples.Dossier) map[string]PersonRef {
	t.Helper()
	roles := map[string]PersonRef{}
	for role, who := range d.Roles {
		roles[role] = person(t, who)
	}
	return roles
}

// shown writes a value as the expectations do.
func shown(v Value) string {
	if s, ok := v.Text(); ok {
		return s
	}
	if a, ok := v.Address(); ok {
		return a.Text
	}
	var b bytes.Buffer
	_ = json.Compact(&b, v.JSON())
	return b.String()
}

// Every field of every dossier finds exactly what expected_reuse.json says: the value, the paper, whose fact it is.
func TestExpectedReuse(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	fields := 0
	tried := map[string]bool{}
	for _, dossier := range cast(t).Dossiers {
		p := procedureOf(t, dossier.Procedure)
		tried[p.ID] = true
		want := cast(t).Expected[dossier.ID]
		values := p.Match(rolesOf(t, dossier), papers)
		if len(values) != len(want) {
			t.Errorf("%s: %d fields, want %d", dossier.ID, len(values), len(want))
		}
		for _, v := range values {
			fields++
			picked := v.Pick(func(Candidate) bool { return true })
			var got *examples.Finding
			for _, c := range picked {
				if got == nil {
					got = &examples.Finding{}
				}
				factOf := c.FactOf.name()
				if _, party := dossier.Roles[c.Source.Of]; !party {
					factOf += fmt.Sprintf(" (%s is no party)", c.Source.Of)
				}
				got.Values = append(got.Values, examples.Found{
					Value: shown(c.Value), FactOf: factOf, Proposal: c.Source.Proposal,
					Source: c.Paper.Home.name() + "/" + c.Source.Type + c.Source.Pointer,
				})
			}
			expected, ok := want[v.Field.Name]
			if diff := cmp.Diff(expected, got); diff != "" || !ok {
				t.Errorf("%s/%s: %s", dossier.ID, v.Field.Name, diff)
			}
			if len(picked) == 1 && v.Editable(picked) == (v.Field.Locked && !picked[0].Source.Proposal) {
				t.Errorf("%s/%s: editable", dossier.ID, v.Field.Name)
			}
		}
	}
	if len(tried) != len(catalogue(t).Procedures()) {
		t.Errorf("only %d procedures have a dossier", len(tried))
	}
	distinct := 0
	for _, p := range catalogue(t).Procedures() {
		distinct += len(p.Fields)
	}
	if distinct != 243 || fields < 243 {
		t.Errorf("%d fields of %d were tried", fields, distinct)
	}
}

func match(t testing.TB, procedureID, field string, roles map[string]PersonRef, papers []Paper) []Candidate {
	t.Helper()
	for _, v := range procedureOf(t, procedureID).Match(roles, papers) {
		if v.Field.Name == field {
			return v.Candidates
		}
	}
	t.Fatalf("no field %s", field)
	return nil
}

// Rule 1: a paper counts only for who reaches it, in their own vault or through a holding.
func TestMatchNeedsReach(t *testing.T) {
	t.Parallel()
	roles := map[string]PersonRef{"child": person(t, "an"), "mother": person(t, "du"), "father": person(t, "thi"), "applicant": person(t, "du")}
	papers := castPapers(t)
	if got := match(t, "passport_child", "mother_birth_date", roles, papers); len(got) != 1 || got[0].FactOf.name() != "du" {
		t.Fatalf("%d candidates", len(got))
	}
	for i := range papers {
		papers[i].Home, papers[i].Holders = personID("nobody"), nil
	}
	for _, v := range procedureOf(t, "passport_child").Match(roles, papers) {
		if len(v.Candidates) > 0 {
			t.Errorf("%s was found in a paper nobody reaches", v.Field.Name)
		}
	}
}

// C3: without a number nobody is recognised, and an empty number is not the number of a paper that has none.
func TestMatchNeedsNumbers(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	roles := map[string]PersonRef{"child": {ID: personID("an")}, "mother": person(t, "du"), "father": person(t, "thi"), "applicant": person(t, "du")}
	for _, v := range procedureOf(t, "passport_child").Match(roles, papers) {
		for _, c := range v.Candidates {
			if c.Source.Subject == "child" {
				t.Errorf("%s was found for a child without number", v.Field.Name)
			}
		}
	}
	// A certificate whose number is pending names its child by no number at all.
	raw, _ := cast(t).Paper("an", "birth_certificate")
	pending := withoutMember(t, raw.JSON, "personal_number")
	d, faults := documentType(t, "birth_certificate").Parse(pending, ParseOptions{NumberPending: true})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	paper := Paper{Home: personID("an"), Document: d}
	for _, number := range []string{"", "099326000004"} {
		roles["child"] = PersonRef{ID: personID("an"), Number: number}
		if got := match(t, "passport_child", "child_full_name", roles, []Paper{paper}); len(got) != 0 {
			t.Errorf("number %q: a paper without number counts", number)
		}
	}
}

func withoutMember(t testing.TB, raw []byte, name string) []byte {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, name)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Rule 4: one grant of either person is enough for a shared value, and of nobody else.
func TestSharedValueNeedsOneGrant(t *testing.T) {
	t.Parallel()
	roles := map[string]PersonRef{"child": person(t, "an"), "mother": person(t, "du"), "father": person(t, "thi"), "applicant": person(t, "du")}
	got := match(t, "kindergarten_enrolment", "father_full_name", roles, castPapers(t))
	first := got[0]
	if first.FactOf.name() != "thi" || len(first.SharedWith) != 1 || first.SharedWith[0].name() != "an" {
		t.Fatalf("fact of %s, shared with %v", first.FactOf.name(), first.SharedWith)
	}
	for who, want := range map[string]bool{"thi": true, "an": true, "du": false} {
		if got := first.Granted(func(id PersonID) bool { return id == personID(who) }); got != want {
			t.Errorf("granted by %s: %v", who, got)
		}
	}
	// The marriage entry is a fact of both spouses.
	roles = map[string]PersonRef{"child": person(t, "em"), "mother": person(t, "hoa"), "father": person(t, "le"), "applicant": person(t, "le")}
	got = match(t, "birth_registration", "marriage_certificate_number", roles, castPapers(t))
	if len(got) != 2 || got[0].FactOf.name() != "hoa" || !slices.Equal(got[0].SharedWith, []PersonID{personID("le")}) || got[1].FactOf.name() != "le" {
		t.Errorf("%d candidates", len(got))
	}
}

// Rule 5, and the first source of which anything may be used.
func TestPick(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	roles := map[string]PersonRef{"applicant": person(t, "giai")}
	p := procedureOf(t, "criminal_record_certificate")
	values := p.Match(roles, papers)
	i := slices.IndexFunc(values, func(v FieldValue) bool { return v.Field.Name == "spouse_full_name" })
	v := values[i]
	all := func(Candidate) bool { return true }
	if picked := v.Pick(all); len(picked) != 2 || !v.Editable(picked) {
		t.Errorf("%d to choose from", len(picked))
	}
	one := func(c Candidate) bool { return c.Paper.Home == personID("sau") }
	if picked := v.Pick(one); len(picked) != 1 || picked[0].Paper.Home != personID("sau") {
		t.Error("the usable one was not picked")
	}
	if picked := v.Pick(func(Candidate) bool { return false }); picked != nil {
		t.Error("something unusable was picked")
	}
	// The same paper sealed into both vaults is one value.
	twice := append(slices.Clone(papers), papers...)
	if picked := p.Match(roles, twice)[i].Pick(all); len(picked) != 2 {
		t.Errorf("%d to choose from among copies", len(picked))
	}
	// Without the first source the next one counts.
	name := p.Match(roles, papers)[slices.IndexFunc(values, func(v FieldValue) bool { return v.Field.Name == "applicant_full_name" })]
	for _, c := range name.Pick(func(c Candidate) bool { return c.Source.Priority > 1 }) {
		if c.Source.Priority != 2 {
			t.Errorf("picked priority %d", c.Source.Priority)
		}
	}
}

func TestSatisfied(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	p := procedureOf(t, "funeral_allowance")
	for _, c := range []struct {
		attachment, beneficiary string
		want                    string // home/type of the paper
	}{
		{"death_extract", "chung", "mau/death_extract"},
		{"relation_proof", "chung", "chung/marriage_certificate"},
		{"relation_proof", "thi", "thi/birth_certificate"},
		{"relation_proof", "giai", ""},
	} {
		roles := map[string]PersonRef{"deceased": person(t, "mau"), "applicant": person(t, c.beneficiary), "beneficiary": person(t, c.beneficiary)}
		i := slices.IndexFunc(p.Attachments, func(a Attachment) bool { return a.ID == c.attachment })
		paper, ok := p.Attachments[i].Satisfied(roles, papers)
		got := ""
		if ok {
			got = paper.Home.name() + "/" + paper.Document.Type().ID
		}
		if got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.attachment, c.beneficiary, got, c.want)
		}
	}
}

func TestNeededFrom(t *testing.T) {
	t.Parallel()
	all := func(p *Procedure) []string {
		var names []string
		for _, f := range p.Fields {
			names = append(names, f.Name)
		}
		return names
	}
	filled := func(roles ...string) func(string) bool {
		return func(r string) bool { return slices.Contains(roles, r) }
	}
	names := func(needs []Need) string {
		var list []string
		for _, n := range needs {
			list = append(list, n.Role)
		}
		return strings.Join(list, " ")
	}
	school := procedureOf(t, "kindergarten_enrolment")
	needs := school.NeededFrom(all(school), filled("child", "mother", "father", "applicant"))
	// The names of the parents stand in the child's certificate and are shared with the child: they are not asked.
	if names(needs) != "child applicant" {
		t.Errorf("kindergarten asks %s", names(needs))
	}
	child := needs[0]
	if !slices.Contains(child.Fields, "father_full_name") || !child.Sensitive ||
		!cmp.Equal(child.Types, []string{"birth_certificate", "citizen_identity_card", "health_insurance_card", "residence_registration"}) {
		t.Errorf("child: %+v", child)
	}
	if slices.Contains(child.Fields, "school_choice") {
		t.Error("a field that must be typed is asked for")
	}
	// Asked for the name alone, the father's fact is still open to the child.
	if needs := school.NeededFrom([]string{"father_full_name"}, filled("child", "mother", "father", "applicant")); names(needs) != "child" {
		t.Errorf("the father's name asks %s", names(needs))
	}
	if needs := school.NeededFrom([]string{"father_full_name"}, filled("father", "applicant")); names(needs) != "father" {
		t.Errorf("without the child, the father's name asks %s", names(needs))
	}
	if needs := school.NeededFrom([]string{"father_full_name"}, filled("child", "mother", "applicant")); names(needs) != "child" {
		t.Errorf("of an absent father: %s", names(needs))
	}
	travel := procedureOf(t, "passport_child")
	if needs := travel.NeededFrom(all(travel), filled("child", "mother", "father", "applicant")); names(needs) != "child mother father applicant" {
		t.Errorf("passport asks %s", names(needs))
	}
	// Hometown and ethnic group are proposals, each needs its own parent.
	newborn := procedureOf(t, "birth_registration")
	if needs := newborn.NeededFrom([]string{"child_hometown"}, filled("child", "mother", "father", "applicant")); names(needs) != "mother father" {
		t.Errorf("hometown asks %s", names(needs))
	}
	if needs := newborn.NeededFrom([]string{"child_sex", "religion"}, filled("child", "mother", "father", "applicant")); len(needs) != 0 {
		t.Errorf("nothing to read asks %s", names(needs))
	}
	if got := newborn.Origins([]string{"marriage_agency"}, filled("child", "mother", "father", "applicant")); !cmp.Equal(got, []Origin{{"mother", "marriage_certificate"}, {"father", "marriage_certificate"}}) {
		t.Errorf("origins: %v", got)
	}
	if got := newborn.Origins([]string{"marriage_agency"}, filled("mother")); len(got) != 0 {
		t.Errorf("origins of one spouse: %v", got)
	}
}

// What NeededFrom asks for is what Match then needs: with the grants it names every value of the cast is open.
func TestNeededFromIsEnough(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	for _, dossier := range cast(t).Dossiers {
		p := procedureOf(t, dossier.Procedure)
		roles := rolesOf(t, dossier)
		filled := func(r string) bool { _, ok := roles[r]; return ok }
		for _, v := range p.Match(roles, papers) {
			granted := map[PersonID]bool{}
			for _, n := range p.NeededFrom([]string{v.Field.Name}, filled) {
				granted[roles[n.Role].ID] = true
			}
			all := v.Pick(func(Candidate) bool { return true })
			open := v.Pick(func(c Candidate) bool { return c.Granted(func(id PersonID) bool { return granted[id] }) })
			if len(all) != len(open) || len(all) > 0 && !all[0].Value.Equal(open[0].Value) {
				t.Errorf("%s/%s: %d values, open are %d", dossier.ID, v.Field.Name, len(all), len(open))
			}
			origins := p.Origins([]string{v.Field.Name}, filled)
			for _, c := range v.Candidates {
				if !slices.Contains(origins, Origin{c.Source.Subject, c.Source.Type}) {
					t.Errorf("%s/%s: %s of %s is no origin", dossier.ID, v.Field.Name, c.Source.Type, c.Source.Subject)
				}
			}
		}
	}
}
