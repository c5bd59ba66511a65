package procedure

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(t testing.TB, date string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// paperOf opens a paper of the cast after changes, in its home vault and in the hands of everybody named.
func paperOf(t testing.TB, home, typ string, changes map[string]any, holders ...string) Paper {
	t.Helper()
	raw, ok := cast(t).Paper(home, typ)
	if !ok {
		t.Fatalf("%s has no %s", home, typ)
	}
	text := []byte(raw.JSON)
	for _, pointer := range sortedKeys(changes) {
		text = with(t, text, pointer, changes[pointer])
	}
	d, err := documentType(t, typ).Read(text)
	if err != nil {
		t.Fatal(err)
	}
	p := Paper{Home: personID(home), Document: d}
	for _, h := range holders {
		p.Holders = append(p.Holders, personID(h))
	}
	return p
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	everything := func(string, Candidate) bool { return true }
	dead := map[string]string{"deceased": "mau", "applicant": "thi", "beneficiary": "chung"}
	driver := map[string]string{"applicant": "thi"}
	couple := map[string]string{"wife": "sau", "husband": "giai"}
	kid := map[string]string{"child": "an", "mother": "du", "father": "thi", "applicant": "du"}
	move := map[string]string{"child": "khoi", "mother": "thu", "applicant": "thu", "household_head": "thu"}
	for name, c := range map[string]struct {
		procedure string
		roles     map[string]string
		papers    []Paper
		usable    func(string, Candidate) bool
		now       string
		want      []string // check, severity, left source, right source
	}{
		"all agree": {"funeral_allowance", dead, []Paper{paperOf(t, "mau", "death_extract", nil), paperOf(t, "chung", "citizen_identity_card", nil)}, everything, "2026-11-01", nil},
		"another name on the licence": {"driving_licence_exchange", driver,
			[]Paper{paperOf(t, "thi", "citizen_identity_card", nil), paperOf(t, "thi", "driving_licence", map[string]any{"/full_name": "TRẦN VĂN THÌ"})},
			everything, "2026-11-01", []string{"licence_same_person correctable applicant_full_name citizen_identity_card/full_name driving_licence/full_name"}},
		"the tone mark elsewhere on the licence": {"driving_licence_exchange", driver,
			[]Paper{paperOf(t, "thi", "citizen_identity_card", map[string]any{"/full_name": "TRẦN VĂN HÒA"}), paperOf(t, "thi", "driving_licence", map[string]any{"/full_name": "Trần Văn Hoà"})},
			everything, "2026-11-01", nil},
		"the licence is not granted": {"driving_licence_exchange", driver,
			[]Paper{paperOf(t, "thi", "citizen_identity_card", nil), paperOf(t, "thi", "driving_licence", map[string]any{"/full_name": "TRẦN VĂN THÌ"})},
			func(_ string, c Candidate) bool { return c.Source.Type != "driving_licence" }, "2026-11-01", nil},
		"the field is not granted": {"driving_licence_exchange", driver,
			[]Paper{paperOf(t, "thi", "citizen_identity_card", nil), paperOf(t, "thi", "driving_licence", map[string]any{"/full_name": "TRẦN VĂN THÌ"})},
			func(field string, _ Candidate) bool { return field != "applicant_full_name" }, "2026-11-01", nil},
		"the beneficiary is the deceased": {"funeral_allowance", map[string]string{"deceased": "mau", "applicant": "mau", "beneficiary": "mau"},
			[]Paper{paperOf(t, "mau", "death_extract", nil), paperOf(t, "mau", "citizen_identity_card", nil)}, everything, "2026-11-01",
			[]string{"beneficiary_is_alive_and_other block beneficiary_personal_number citizen_identity_card/personal_number death_extract/personal_number"}},
		"too young to marry": {"marriage_registration", couple,
			[]Paper{paperOf(t, "sau", "citizen_identity_card", map[string]any{"/birth_date": "2008-11-02"}), paperOf(t, "giai", "citizen_identity_card", map[string]any{"/birth_date": "2006-11-02"})},
			everything, "2026-11-01", []string{"minimum_age block wife_birth_date citizen_identity_card/birth_date", "minimum_age block husband_birth_date citizen_identity_card/birth_date"}},
		"of age to the day": {"marriage_registration", couple,
			[]Paper{paperOf(t, "sau", "citizen_identity_card", map[string]any{"/birth_date": "2008-11-01"}), paperOf(t, "giai", "citizen_identity_card", map[string]any{"/birth_date": "2006-11-01"})},
			everything, "2026-11-01", nil},
		"perhaps of age": {"marriage_registration", couple,
			[]Paper{paperOf(t, "sau", "citizen_identity_card", map[string]any{"/birth_date": "2008"}), paperOf(t, "giai", "citizen_identity_card", map[string]any{"/birth_date": "2006-11"})},
			everything, "2026-11-01", nil},
		"certainly too young": {"marriage_registration", couple,
			[]Paper{paperOf(t, "sau", "citizen_identity_card", map[string]any{"/birth_date": "2009"}), paperOf(t, "giai", "citizen_identity_card", map[string]any{"/birth_date": "2006-12"})},
			everything, "2026-11-01", []string{"minimum_age block wife_birth_date citizen_identity_card/birth_date", "minimum_age block husband_birth_date citizen_identity_card/birth_date"}},
		"under 72 months": {"child_health_insurance_card", kid,
			[]Paper{paperOf(t, "an", "birth_certificate", map[string]any{"/birth_date": "2020-11-02"})}, everything, "2026-11-01", nil},
		"72 months": {"child_health_insurance_card", kid,
			[]Paper{paperOf(t, "an", "birth_certificate", map[string]any{"/birth_date": "2020-11-01"})}, everything, "2026-11-01",
			[]string{"under_6 block child_birth_date birth_certificate/birth_date"}},
		"a split commune is a proposal": {"permanent_residence_registration", move,
			[]Paper{paperOf(t, "thu", "residence_registration", nil)}, everything, "2026-11-01", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := procedureOf(t, c.procedure)
			roles := map[string]PersonRef{}
			for role, who := range c.roles {
				roles[role] = person(t, who)
			}
			conflicts := p.Conflicts(Evidence{
				Roles: roles, Papers: c.papers, Values: p.Match(roles, c.papers), Usable: c.usable, Now: day(t, c.now).Add(12 * time.Hour),
			})
			var got []string
			for _, k := range conflicts {
				line := []string{k.Check.ID, string(k.Check.Severity), k.Left.Field}
				for _, f := range []Finding{k.Left, k.Right} {
					if f.Candidate.Source != nil {
						line = append(line, f.Candidate.Source.Type+f.Candidate.Source.Pointer)
					}
				}
				got = append(got, strings.Join(line, " "))
				if k.Check.MessageVI == "" {
					t.Error("no message")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The cast has no conflicts but those its stories are about.
func TestConflictsOfTheCast(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	for _, dossier := range cast(t).Dossiers {
		p := procedureOf(t, dossier.Procedure)
		roles := rolesOf(t, dossier)
		for _, k := range p.Conflicts(Evidence{
			Roles: roles, Papers: papers, Values: p.Match(roles, papers), Now: day(t, "2026-11-01"),
			Usable: func(string, Candidate) bool { return true },
		}) {
			t.Errorf("%s: %s", dossier.ID, k.Check.ID)
		}
	}
}

func TestCurrentUnit(t *testing.T) {
	t.Parallel()
	value := func(address map[string]any) Value {
		p := paperOf(t, "an", "birth_certificate", map[string]any{"/hometown": address})
		v, _ := p.Document.At("/hometown")
		return v
	}
	for name, c := range map[string]struct {
		address map[string]any
		want    bool
	}{
		"today":   {map[string]any{"text": "x", "unit_system": "from_2025_07_01", "commune_code": "11086"}, true},
		"old":     {map[string]any{"text": "x", "unit_system": "before_2025_07_01", "commune_code": "11083"}, true},
		"split":   {map[string]any{"text": "x", "unit_system": "before_2025_07_01", "commune_code": "11035"}, false},
		"unknown": {map[string]any{"text": "x", "unit_system": "from_2025_07_01", "commune_code": "00000"}, false},
		"text":    {map[string]any{"text": "x"}, false},
	} {
		if got := inCurrentUnit(value(c.address)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCheckProduced(t *testing.T) {
	t.Parallel()
	p := procedureOf(t, "birth_registration")
	for name, c := range map[string]struct {
		changes map[string]any
		want    int
	}{
		"agrees":          {nil, 0},
		"another year":    {map[string]any{"/birth_date": "2025-09-28"}, 1},
		"another century": {map[string]any{"/birth_date": "1926-09-28"}, 1},
		"the other sex":   {map[string]any{"/sex": "male"}, 1},
		"no number yet":   {map[string]any{"/personal_number": nil}, 0},
	} {
		got := p.CheckProduced(paperOf(t, "an", "birth_certificate", c.changes).Document)
		if len(got) != c.want {
			t.Errorf("%s: %d", name, len(got))
		}
		if len(got) > 0 && (got[0].Left.Pointer != "/personal_number" || got[0].Right.Pointer != "/birth_date" || got[0].Check.MessageVI == "") {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
	if got := p.CheckProduced(paperOf(t, "an", "health_insurance_card", nil).Document); len(got) != 0 {
		t.Error("another type was checked")
	}
	if got := p.CheckProduced(Document{}); len(got) != 0 {
		t.Error("nothing was checked")
	}
}

func TestParseAge(t *testing.T) {
	t.Parallel()
	age, err := parseAge("18 years; husband 20")
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string]int{"wife": 18, "husband": 20} {
		if years, months := age.of(role); years != want || months != 0 {
			t.Errorf("%s: %d years %d months", role, years, months)
		}
	}
	age, err = parseAge("72 months; twin 71")
	if err != nil {
		t.Fatal(err)
	}
	if years, months := age.of("twin"); years != 0 || months != 71 {
		t.Errorf("%d years %d months", years, months)
	}
	for _, bad := range []string{"", "18", "x years", "-1 years", "18 weeks", "18 years; husband", "18 years; husband x"} {
		if _, err := parseAge(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
