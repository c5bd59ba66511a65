package procedure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// loaded shares one catalogue among the tests: it is immutable.
var loaded = sync.OnceValues(Load)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func documentType(t testing.TB, id string) *DocumentType {
	t.Helper()
	d, ok := catalogue(t).Type(id)
	if !ok {
		t.Fatalf("no type %s", id)
	}
	return d
}

func procedureOf(t testing.TB, id string) *Procedure {
	t.Helper()
	p, ok := catalogue(t).Procedure(id)
	if !ok {
		t.Fatalf("no procedure %s", id)
	}
	return p
}

func TestLoadCounts(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	var places, sensitive, fields, withoutSource, onlyProposals, mappings, proposals int
	for _, d := range c.Types() {
		for _, p := range d.Places() {
			places++
			if p.Sensitive {
				sensitive++
			}
		}
	}
	for _, p := range c.Procedures() {
		for _, f := range p.Fields {
			fields++
			offered := 0
			for _, s := range f.Reuse {
				mappings++
				if s.Proposal {
					offered++
				}
			}
			proposals += offered
			switch len(f.Reuse) {
			case 0:
				withoutSource++
			case offered:
				onlyProposals++
			}
		}
	}
	got := map[string]int{
		"types": len(c.Types()), "procedures": len(c.Procedures()), "groups": len(c.Groups()), "transfer rules": len(c.TransferRules()),
		"fields": fields, "without source": withoutSource, "only proposals": onlyProposals, "mappings": mappings, "proposals": proposals,
	}
	want := map[string]int{
		"types": 11, "procedures": 15, "groups": 2, "transfer rules": 7,
		"fields": 243, "without source": 32, "only proposals": 10, "mappings": 379, "proposals": 25,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if places < 400 || sensitive < 33 {
		t.Errorf("%d places, %d sensitive", places, sensitive)
	}
}

// C7: two loads list everything alike, and what is listed cannot be changed through the list.
func TestListsAreStable(t *testing.T) {
	t.Parallel()
	names := func(c *Catalogue) []string {
		var list []string
		for _, d := range c.Types() {
			list = append(list, d.ID)
			for _, p := range d.Places() {
				list = append(list, p.Pointer)
			}
		}
		for _, p := range c.Procedures() {
			list = append(list, p.ID)
			for _, r := range p.Roles {
				list = append(list, r.ID)
			}
			for _, f := range p.Fields {
				list = append(list, f.Name)
			}
		}
		return list
	}
	again, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(catalogue(t)), names(again)); diff != "" {
		t.Error(diff)
	}
	again.Types()[0] = nil
	again.Procedures()[0] = nil
	if again.Types()[0] == nil || again.Procedures()[0] == nil {
		t.Error("the lists are shared")
	}
}

// C2: read from the raw schema, not from the loaded one.
func TestEveryPointerHasASubject(t *testing.T) {
	t.Parallel()
	for _, d := range catalogue(t).Types() {
		raw := rawSchema(t, d.ID)
		subjects := raw["x-subjects"].(map[string]any)
		n := 0
		for _, p := range rawPlaces(raw) {
			n++
			if _, known := subjects[p.subject]; !known && p.subject != Officer {
				t.Errorf("%s%s: subject %q", d.ID, p.pointer, p.subject)
			}
			role, shared, sensitive, ok := d.FieldSubject(p.pointer)
			if !ok || role != p.subject || sensitive != p.sensitive || !cmp.Equal(shared, p.shared) && len(shared)+len(p.shared) > 0 {
				t.Errorf("%s%s: %s %v %v %v, want %s %v %v", d.ID, p.pointer, role, shared, sensitive, ok, p.subject, p.shared, p.sensitive)
			}
			if strings.Contains(p.pointer, "*") {
				if _, _, _, ok := d.FieldSubject(strings.ReplaceAll(p.pointer, "*", "12")); !ok {
					t.Errorf("%s%s: not found by an index", d.ID, p.pointer)
				}
			}
		}
		if n != len(d.Places()) {
			t.Errorf("%s: %d places, the schema has %d", d.ID, len(d.Places()), n)
		}
	}
}

func TestFieldSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ, pointer, role string
		shared             []string
		sensitive, ok      bool
	}{
		{typ: "birth_certificate", pointer: "/mother/full_name", role: "mother", shared: []string{"child"}, ok: true},
		{typ: "birth_certificate", pointer: "/mother/residence/commune_code", role: "mother", sensitive: true, ok: true},
		{typ: "birth_certificate", pointer: "/registration/signer/full_name", role: Officer, ok: true},
		{typ: "birth_certificate", pointer: "/full_name", role: "child", ok: true},
		{typ: "marriage_certificate", pointer: "/registration/number", role: "wife", shared: []string{"husband"}, ok: true},
		{typ: "marriage_certificate", pointer: "/registration/signer/full_name", role: Officer, ok: true},
		{typ: "residence_registration", pointer: "/household/members/3/full_name", role: "household_member", ok: true},
		{typ: "residence_registration", pointer: "/household/members/03/full_name"},
		{typ: "residence_registration", pointer: "/household/members/x/full_name"},
		{typ: "birth_certificate", pointer: "/full_name/0"},
		{typ: "birth_certificate", pointer: ""},
		{typ: "birth_certificate", pointer: "full_name"},
		{typ: "birth_certificate", pointer: "/"},
		{typ: "birth_certificate", pointer: "/religion"},
	} {
		role, shared, sensitive, ok := documentType(t, c.typ).FieldSubject(c.pointer)
		if role != c.role || !cmp.Equal(shared, c.shared) || sensitive != c.sensitive || ok != c.ok {
			t.Errorf("%s%s: %q %v %v %v", c.typ, c.pointer, role, shared, sensitive, ok)
		}
	}
}

func TestProcedureFields(t *testing.T) {
	t.Parallel()
	p := procedureOf(t, "kindergarten_enrolment")
	if got := p.FieldsOutside([]string{"child_full_name", "father_income", "child_residence", "x"}); !cmp.Equal(got, []string{"father_income", "x"}) {
		t.Errorf("outside: %v", got)
	}
	f, ok := p.Field("child_residence")
	if !ok || !f.Sensitive || f.Shape != "address" || f.Subject != "child" || !f.Required || f.Locked || len(f.Reuse) != 1 || f.TitleVI == "" {
		t.Errorf("child_residence: %+v", f)
	}
	if _, ok := p.Field("religion"); ok {
		t.Error("a field that is none")
	}
	death := procedureOf(t, "death_registration")
	if death.Basis.For("deceased") != Statutory || death.Basis.For("applicant") != Consent || p.Basis.For("child") != Consent {
		t.Error("basis")
	}
	birth := procedureOf(t, "birth_registration")
	r, ok := birth.ProductOf("birth_certificate")
	if !ok || r.Home != "child" || r.Roles["declarant"] != "applicant" || len(r.Holders) != 2 || r.Holders[0].Until != UntilChildTurns18 {
		t.Errorf("produces: %+v", r)
	}
	if _, ok := p.ProductOf(""); ok {
		t.Error("a product without type is found by no type")
	}
	if birth.Group.ID != "birth_group" || birth.Group.Order != 1 || p.Group != nil {
		t.Error("group")
	}
}

// spoiled loads a copy of the catalogue after one change to one file.
func spoiled(t *testing.T, file string, change func(map[string]any)) error {
	t.Helper()
	var doc map[string]any
	files := copyOf(t)
	if err := json.Unmarshal(files[file].Data, &doc); err != nil {
		t.Fatal(err)
	}
	change(doc)
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	files[file] = &fstest.MapFile{Data: raw}
	_, err = load(files)
	return err
}

func copyOf(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(data, "data", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(data, name)
		files[strings.TrimPrefix(name, "data/")] = &fstest.MapFile{Data: raw}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// in follows keys and indexes into a decoded file.
func in(v any, path ...any) map[string]any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = v.(map[string]any)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	return v.(map[string]any)
}

func entry(doc map[string]any, field string, i int) map[string]any {
	return in(doc, "inputs", "properties", field, "x-reuse", i)
}

const (
	kindergarten = "procedures/kindergarten_enrolment.json"
	passport     = "procedures/passport_child.json"
	birth        = "procedures/birth_registration.json"
	allowance    = "procedures/funeral_allowance.json"
	certificate  = "documents/birth_certificate.schema.json"
	card         = "documents/citizen_identity_card.schema.json"
)

// C1, C2, C5: every fault put into a copy is named, with the file and the place.
func TestSpoiledCatalogueIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file   string
		change func(map[string]any)
		want   string
	}{
		"a name of the mother for the father":             {kindergarten, func(d map[string]any) { entry(d, "father_full_name", 0)["pointer"] = "/mother/full_name" }, "father_full_name: x-reuse 1"},
		"the applicant named like the own mother":         {kindergarten, func(d map[string]any) { entry(d, "applicant_full_name", 1)["pointer"] = "/mother/personal_number" }, "fact of mother"},
		"the applicant from the certificate of the child": {kindergarten, func(d map[string]any) { entry(d, "applicant_full_name", 1)["subject"] = "child" }, "cannot both be child"},
		"the number of the mother as a fact of the child": {passport, func(d map[string]any) { entry(d, "child_personal_number", 0)["pointer"] = "/mother/personal_number" }, "fact of mother, not of child"},
		"the role left out":                               {passport, func(d map[string]any) { delete(entry(d, "child_full_name", 0), "as") }, `role "" does not exist`},
		"the relation of whoever declared":                {allowance, func(d map[string]any) { entry(d, "relation_to_deceased", 0)["as"] = "deceased" }, "relation_to_deceased: x-reuse 1"},
		"a role that is none":                             {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["subject"] = "uncle" }, `role "uncle" does not exist`},
		"a type that is none":                             {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["document_type"] = "diploma" }, `document type "diploma" does not exist`},
		"a pointer that is none":                          {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["pointer"] = "/religion" }, "/religion does not exist"},
		"a pointer to the whole paper":                    {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["pointer"] = "" }, "does not exist"},
		"a pointer to one of many": {passport, func(d map[string]any) {
			e := entry(d, "child_full_name", 0)
			e["document_type"], e["pointer"], e["as"] = "residence_registration", "/household/members/0/full_name", "household_member"
		}, "one of many"},
		"an object with facts of others": {kindergarten, func(d map[string]any) {
			in(d, "inputs", "properties", "child_residence")["x-reuse"] = []any{map[string]any{
				"priority": 1, "subject": "child", "document_type": "birth_certificate", "pointer": "/registration", "as": "child"}}
		}, "fact of officer"},
		"any marriage of the father": {birth, func(d map[string]any) { delete(entry(d, "marriage_agency", 1), "with") }, "not marked as a proposal"},
		"with whom nobody is":        {birth, func(d map[string]any) { in(entry(d, "marriage_agency", 1), "with")["wife"] = "aunt" }, "with wife"},
		"a proposal not marked":      {birth, func(d map[string]any) { delete(entry(d, "child_hometown", 0), "proposal") }, "not marked as a proposal"},
		"a proposal in a locked field": {birth, func(d map[string]any) {
			in(d, "inputs", "properties", "child_hometown")["x-locked-when-prefilled"] = true
		}, "locked"},
		"the own fact as a proposal":              {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["proposal"] = true }, "own fact"},
		"a priority out of order":                 {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["priority"] = 2 }, "priority 2"},
		"an address for a name":                   {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["pointer"] = "/place_of_birth" }, "cannot be filled"},
		"a sensitive field forgotten":             {kindergarten, func(d map[string]any) { d["sensitive_fields"] = []any{} }, "not in sensitive_fields"},
		"a sensitive field that is none":          {kindergarten, func(d map[string]any) { d["sensitive_fields"] = append(d["sensitive_fields"].([]any), "religion") }, `"religion" is no field`},
		"a field about nobody":                    {passport, func(d map[string]any) { in(d, "inputs", "properties", "child_sex")["x-subject"] = "aunt" }, `child_sex: role "aunt"`},
		"required in two ways":                    {passport, func(d map[string]any) { in(d, "inputs", "properties", "child_sex")["x-required"] = false }, "required and x-required"},
		"an unknown key":                          {passport, func(d map[string]any) { d["remarks"] = "x" }, `unknown field "remarks"`},
		"an unknown key in a field":               {passport, func(d map[string]any) { in(d, "inputs", "properties", "child_sex")["x-hidden"] = true }, `unknown field "x-hidden"`},
		"an unknown key in a mapping":             {passport, func(d map[string]any) { entry(d, "child_full_name", 0)["match_by"] = "name" }, `unknown field "match_by"`},
		"a key in capitals":                       {passport, func(d map[string]any) { d["ID"] = "passport_child" }, `key "ID" is unknown`},
		"a key left out":                          {passport, func(d map[string]any) { delete(d, "basis") }, `key "basis" is missing`},
		"another id":                              {passport, func(d map[string]any) { d["id"] = "passport" }, `id is "passport"`},
		"no article of law":                       {passport, func(d map[string]any) { in(d, "basis")["article"] = "" }, "no article"},
		"a basis for nobody":                      {passport, func(d map[string]any) { in(d, "basis")["subjects"] = []any{"aunt"} }, `role "aunt"`},
		"a second home":                           {birth, func(d map[string]any) { in(d, "produces", 0)["home"] = "mother" }, "at home with its child"},
		"a holding without end":                   {birth, func(d map[string]any) { delete(in(d, "produces", 0, "holders", 0), "until") }, `until ""`},
		"a holding without reason":                {birth, func(d map[string]any) { in(d, "produces", 0, "holders", 0)["reason"] = "friend" }, `reason "friend"`},
		"a spouse without holding":                {"procedures/marriage_registration.json", func(d map[string]any) { in(d, "produces", 0)["holders"] = []any{} }, "husband of a marriage_certificate has no holding"},
		"an extract expected at the wrong person": {allowance, func(d map[string]any) { in(d, "depends_on", 0)["subject"] = "beneficiary" }, "does not result in"},
		"an attachment of nobody":                 {allowance, func(d map[string]any) { in(d, "attachments", 0, "satisfied_by", 0)["subject"] = "aunt" }, "attachments: death_extract/1"},
		"an attachment that is a value":           {allowance, func(d map[string]any) { in(d, "attachments", 0, "satisfied_by", 0)["pointer"] = "/full_name" }, "not a value"},
		"a check of no field":                     {allowance, func(d map[string]any) { in(d, "consistency_checks", 0, "left")["input"] = "religion" }, `input "religion"`},
		"a check of a stranger's fact": {allowance, func(d map[string]any) {
			in(d, "consistency_checks", 0, "right")["pointer"] = "/declarant/personal_number"
		}, "fact of declarant"},
		"a check of two things":          {allowance, func(d map[string]any) { in(d, "consistency_checks", 0, "right")["input"] = "deceased_sex" }, "names 2 things"},
		"a check without rule":           {allowance, func(d map[string]any) { in(d, "consistency_checks", 0)["rule"] = "similar" }, `rule "similar"`},
		"a check of no age":              {"procedures/marriage_registration.json", func(d map[string]any) { in(d, "consistency_checks", 0, "right")["const"] = "grown up" }, "is no age"},
		"an age of nobody":               {"procedures/marriage_registration.json", func(d map[string]any) { in(d, "consistency_checks", 0, "right")["const"] = "18 years; aunt 20" }, "aunt has no such field"},
		"a severity that is none":        {allowance, func(d map[string]any) { in(d, "consistency_checks", 0)["severity"] = "fatal" }, `severity "fatal"`},
		"an identity level that is none": {passport, func(d map[string]any) { d["minimum_identity_level"] = 3 }, "minimum_identity_level 3"},

		"the father without subject": {certificate, func(d map[string]any) { in(d, "properties", "father")["x-subject"] = "" }, "x-subjects: number of father"},
		"a paper without subject":    {certificate, func(d map[string]any) { delete(d, "x-subject") }, "subject"},
		"a subject that is none":     {certificate, func(d map[string]any) { in(d, "properties", "sex")["x-subject"] = "twin" }, `"/sex": subject "twin" is no role`},
		"shared with nobody": {certificate, func(d map[string]any) {
			in(d, "properties", "mother", "properties", "full_name")["x-shared-with"] = []any{"uncle"}
		}, `shared with "uncle"`},
		"the number of a parent shared": {certificate, func(d map[string]any) {
			in(d, "properties", "mother", "properties", "personal_number")["x-shared-with"] = []any{"child"}
		}, "only names"},
		"a residence not sensitive":     {card, func(d map[string]any) { delete(in(d, "properties", "residence"), "x-sensitive") }, `"/residence": not marked sensitive`},
		"a signer who is a subject":     {certificate, func(d map[string]any) { in(d, "$defs", "signer")["x-subject"] = "child" }, "who signed"},
		"no home":                       {certificate, func(d map[string]any) { d["x-home"] = "family" }, `x-home "family"`},
		"a number that is none":         {certificate, func(d map[string]any) { in(d, "x-subjects")["child"] = "/mother" }, "leads to no number"},
		"another document type":         {certificate, func(d map[string]any) { in(d, "properties", "document_type")["const"] = "marriage_certificate" }, "document_type"},
		"an unknown keyword":            {certificate, func(d map[string]any) { in(d, "properties", "full_name")["x-index"] = true }, "x-index"},
		"an unknown constraint":         {certificate, func(d map[string]any) { in(d, "$defs", "full_name")["contentEncoding"] = "base64" }, `unknown keyword "contentEncoding"`},
		"a pattern without sentence":    {certificate, func(d map[string]any) { in(d, "$defs", "personal_number")["pattern"] = "^[0-9]{13}$" }, "has no sentence"},
		"a format that is none":         {certificate, func(d map[string]any) { in(d, "$defs", "date")["format"] = "email" }, `unknown format "email"`},
		"a reference into nothing":      {certificate, func(d map[string]any) { in(d, "properties", "sex")["$ref"] = "#/$defs/gender" }, `"/sex": $ref leads nowhere`},
		"a reference to itself":         {certificate, func(d map[string]any) { in(d, "$defs", "agency", "properties", "address")["$ref"] = "#/$defs/agency" }, "refers to itself"},
		"an open object":                {certificate, func(d map[string]any) { in(d, "properties", "mother")["additionalProperties"] = true }, "forbid others"},
		"a required field that is none": {certificate, func(d map[string]any) { in(d, "properties", "mother")["required"] = []any{"income"} }, `"income" does not exist`},
		"a place without title":         {certificate, func(d map[string]any) { delete(in(d, "properties", "birth_notice_number"), "title") }, "no title"},

		"a group without a member": {"procedure_groups.json", func(d map[string]any) { in(d, "groups", 0)["members"] = []any{"birth_registration"} }, "birth_group"},
		"a group in another order": {"procedure_groups.json", func(d map[string]any) {
			m := in(d, "groups", 1)["members"].([]any)
			m[0], m[1] = m[1], m[0]
		}, "is not member 1"},
		"a weekday that is wrong":        {"holidays.json", func(d map[string]any) { in(d, "days", 0)["weekday"] = "mon" }, "2025-01-01: not a mon"},
		"a day twice":                    {"holidays.json", func(d map[string]any) { in(d, "days", 1)["date"] = "2025-01-01" }, "2025-01-01"},
		"a day in lieu on a working day": {"holidays.json", func(d map[string]any) { in(d, "days", 0)["off"] = false }, "falls on a working day"},
		"a decided day undecided":        {"holidays.json", func(d map[string]any) { in(d, "undecided", 0)["dates"] = []any{"2025-01-01"} }, "2025-01-01"},
		"a verified day without source":  {"holidays.json", func(d map[string]any) { in(d, "days", 0)["source"] = nil }, "without source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := spoiled(t, c.file, c.change)
			if err == nil {
				t.Fatal("not noticed")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), ".json: ") {
				t.Errorf("got %q, want a file and %q", err, c.want)
			}
		})
	}
	if err := spoiled(t, passport, func(map[string]any) {}); err != nil {
		t.Errorf("an unspoiled copy is refused: %v", err)
	}
}

func TestSpoiledFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(fstest.MapFS){
		"a repeated key": func(f fstest.MapFS) {
			f[passport].Data = bytes.Replace(f[passport].Data, []byte(`"id":`), []byte(`"id": "x", "id":`), 1)
		},
		"broken JSON":      func(f fstest.MapFS) { f[certificate].Data = f[certificate].Data[:500] },
		"a file too many":  func(f fstest.MapFS) { f["procedures/notes.txt"] = &fstest.MapFile{} },
		"no holidays":      func(f fstest.MapFS) { delete(f, "holidays.json") },
		"no groups":        func(f fstest.MapFS) { delete(f, "procedure_groups.json") },
		"a type gone":      func(f fstest.MapFS) { delete(f, certificate) },
		"a procedure gone": func(f fstest.MapFS) { delete(f, birth) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := copyOf(t)
			change(files)
			if _, err := load(files); err == nil {
				t.Error("not noticed")
			}
		})
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	var got []string
	for _, g := range catalogue(t).Groups() {
		got = append(got, fmt.Sprintf("%s %d %d %v", g.ID, len(g.Members), g.Limit.Value, g.Optional))
	}
	want := []string{"birth_group 4 3 [child_identity_card]", "death_group 4 0 [funeral_cost_support funeral_allowance]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	death := catalogue(t).Groups()[1]
	if len(death.Limit.Variants) != 4 || death.Steps == nil || len(death.Steps.Steps) != 5 || death.Code.Replaces[0] != "2.002622" {
		t.Errorf("%+v", death)
	}
}
