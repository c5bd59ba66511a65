package procedure

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// P14: no value of one person ever reaches another's field. Families are generated whose members stand in and hold each
// other's papers and share names, phones and addresses. Every value written into a paper is remembered with the people
// whose fact it is, as the raw schema says and as the family was made up, not as any number in the paper says. The oracle
// reads the raw files and knows nothing of the code under test.

// family is a made-up family and its papers.
type family struct {
	people []member[string] // name, and number: empty while it is awaited
	papers []Paper
	roles  map[string]PersonRef
	owners map[string]map[string]bool // value to the people whose fact it is
	docs   []map[string]any           // per paper: what was written
	stands []map[string][]string      // per paper: role to the people who have it
}

func (f *family) owned(value, who string) {
	if f.owners[value] == nil {
		f.owners[value] = map[string]bool{}
	}
	f.owners[value][who] = true
}

// world holds the raw files, decoded once.
type world struct {
	catalogue *Catalogue
	schemas   map[string]map[string]any
	places    map[string][]rawPlace
	fields    map[string]map[string]any // procedure to the raw fields of its form
}

func newWorld(t testing.TB) *world {
	w := &world{
		catalogue: catalogue(t), schemas: map[string]map[string]any{},
		places: map[string][]rawPlace{}, fields: map[string]map[string]any{},
	}
	for _, d := range w.catalogue.Types() {
		w.schemas[d.ID] = rawSchema(t, d.ID)
		w.places[d.ID] = rawPlaces(w.schemas[d.ID])
	}
	for _, p := range w.catalogue.Procedures() {
		w.fields[p.ID] = in(rawFile(t, "procedures/"+p.ID+".json"), "inputs", "properties")
	}
	return w
}

// draw makes up a family around a procedure: its roles are filled at random, right or wrong, some not at all.
func (w *world) draw(t *rapid.T, p *Procedure) *family {
	f := &family{roles: map[string]PersonRef{}, owners: map[string]map[string]bool{}}
	for i := range rapid.IntRange(3, 5).Draw(t, "people") {
		number := fmt.Sprintf("0990%08d", i)
		if rapid.IntRange(0, 9).Draw(t, "awaited") == 0 {
			number = ""
		}
		f.people = append(f.people, member[string]{fmt.Sprintf("p%d", i), number})
	}
	someone := func(label string) member[string] { return rapid.SampledFrom(f.people).Draw(t, label) }
	for _, r := range p.Roles {
		if rapid.IntRange(0, 5).Draw(t, "filled") > 0 {
			who := someone(r.ID)
			f.roles[r.ID] = PersonRef{ID: personID(who.name), Number: who.value}
		}
	}
	for _, typ := range sourceTypes(p) {
		for range rapid.IntRange(1, 2).Draw(t, typ) {
			w.addPaper(t, f, typ, seated(t, f, p, typ), someone)
		}
	}
	return f
}

// sourceTypes lists the document types a procedure reads.
func sourceTypes(p *Procedure) []string {
	types := map[string]bool{}
	for _, s := range p.sources() {
		types[s.Type] = true
	}
	return sortedKeys(types)
}

// seated draws a mapping that reads a type and seats the people of the dossier as it wants them, so that every mapping is
// tried often; half of the papers are about anybody.
func seated(t *rapid.T, f *family, p *Procedure, typ string) map[string]string {
	seats := map[string]string{}
	if rapid.Bool().Draw(t, "anybody") {
		return seats
	}
	var sources []*Source
	for _, s := range p.sources() {
		if s.Type == typ {
			sources = append(sources, s)
		}
	}
	s := rapid.SampledFrom(sources).Draw(t, "mapping")
	for role, who := range map[string]string{s.stands: s.Subject, s.As: s.Of} {
		seats[role] = f.roles[who].ID.name()
	}
	for role, who := range s.With {
		seats[role] = f.roles[who].ID.name()
	}
	return seats
}

// addPaper writes a paper about members of the family, with a value at every place of its type.
func (w *world) addPaper(t *rapid.T, f *family, typ string, seats map[string]string, someone func(string) member[string]) {
	schema := w.schemas[typ]
	numbers := schema["x-subjects"].(map[string]any)
	home := schema["x-home"].(string)
	n := len(f.papers)
	stands := map[string][]string{}
	cast := map[string][]member[string]{}
	for _, role := range sortedKeys(numbers) {
		many := 1
		if strings.Contains(numbers[role].(string), "*") {
			many = 2
		}
		for range many {
			// One person may have several roles in a paper: parents declare births.
			who := someone(typ + " " + role)
			if i := slices.IndexFunc(f.people, func(m member[string]) bool { return m.name == seats[role] }); i >= 0 {
				who = f.people[i]
			}
			cast[role] = append(cast[role], who)
			stands[role] = append(stands[role], who.name)
		}
	}
	// One draw for what varies at every leaf: a draw each would be most of the time this test takes.
	vary := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "leaves"), 0))
	doc := map[string]any{}
	for _, place := range w.places[typ] {
		_, isObject := place.node["properties"]
		_, isArray := place.node["items"]
		if isObject || isArray {
			continue
		}
		copies := 1
		if strings.Contains(place.pointer, "*") {
			copies = 2
		}
		for i := range copies {
			w.write(vary, f, doc, place, cast, numbers, n, i)
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.catalogue.types[typ].Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	paper := Paper{Home: personID(cast[home][0].name), Document: d, Revision: 1}
	for _, who := range f.people {
		if rapid.Bool().Draw(t, "holds") {
			paper.Holders = append(paper.Holders, personID(who.name))
		}
	}
	f.papers = append(f.papers, paper)
	f.stands = append(f.stands, stands)
	f.docs = append(f.docs, doc)
}

// write puts one value at one place and remembers whose fact it is.
func (w *world) write(vary *rand.Rand, f *family, doc map[string]any, place rawPlace, cast map[string][]member[string], numbers map[string]any, paper, i int) {
	of := func(role string) []member[string] {
		list := cast[role]
		if len(list) > 1 { // one of many: the element's own person
			return list[i : i+1]
		}
		return list
	}
	value := fmt.Sprintf("paper %d %s %d", paper, place.pointer, i)
	switch last := place.pointer[strings.LastIndexByte(place.pointer, '/')+1:]; {
	case numbers[place.subject] == place.pointer:
		value = of(place.subject)[0].value
		if value == "" || vary.IntN(10) == 0 {
			return
		}
	case strings.HasSuffix(last, "full_name") && vary.IntN(4) == 0:
		value = "TRẦN VĂN AN"
	case strings.HasSuffix(last, "phone") && vary.IntN(2) == 0:
		value = "0900000000"
	case last == "text" && vary.IntN(4) == 0:
		value = "Thôn Mẫu, xã Đại Sơn"
	}
	for _, role := range append([]string{place.subject}, place.shared...) {
		for _, who := range of(role) {
			f.owned(value, who.name)
		}
	}
	var at any = doc
	parts := strings.Split(place.pointer[1:], "/")
	for k, part := range parts {
		object := at.(map[string]any)
		switch {
		case k == len(parts)-1:
			object[part] = value
		case parts[k+1] == "*":
			list, _ := object[part].([]any)
			if k+1 == len(parts)-1 { // a list of strings
				object[part] = append(list, value)
				return
			}
			for len(list) <= i {
				list = append(list, map[string]any{})
			}
			object[part] = list
			at = map[string]any{"*": list[i]}
		default:
			if object[part] == nil {
				object[part] = map[string]any{}
			}
			at = object[part]
		}
	}
}

// leaves returns every string in a value.
func leaves(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, leaves(e)...)
		}
		return list
	case map[string]any:
		var list []string
		for _, k := range sortedKeys(v) {
			list = append(list, leaves(v[k])...)
		}
		return list
	}
	return nil
}

// crossed says what is wrong with a candidate, reading the raw entry of the mapping; empty when nothing is.
func (w *world) crossed(f *family, procedureID string, c Candidate, field string) string {
	raw := w.fields[procedureID][field].(map[string]any)
	u := raw["x-reuse"].([]any)[c.Source.Priority-1].(map[string]any)
	subject, of := raw["x-subject"].(string), raw["x-subject"].(string)
	if x, ok := u["of"].(string); ok {
		of = x
	}
	finder := u["subject"].(string)
	found, ok := f.roles[finder]
	if !ok {
		return "found by nobody"
	}
	if c.Paper.Home != found.ID && !slices.Contains(c.Paper.Holders, found.ID) {
		return "found in a paper the finder does not reach"
	}
	wanted, party := f.roles[of]
	if !party {
		wanted = found // what may be read of an absent person is a fact of the finder too
	}
	var value any
	if err := json.Unmarshal(c.Value.JSON(), &value); err != nil {
		return err.Error()
	}
	at := slices.IndexFunc(f.papers, func(p Paper) bool { return p.Document == c.Paper.Document })
	if x, ok := rawAt(f.docs[at], u["pointer"].(string)); !ok || fmt.Sprint(x) != fmt.Sprint(value) {
		return "not the value at the pointer of the catalogue"
	}
	for _, leaf := range leaves(value) {
		owners := f.owners[leaf]
		if !owners[wanted.ID.name()] {
			return fmt.Sprintf("a fact of %v, not of %s", slices.Sorted(maps.Keys(owners)), wanted.ID.name())
		}
		for _, id := range append([]PersonID{c.FactOf}, c.SharedWith...) {
			if !owners[id.name()] {
				return fmt.Sprintf("said to be a fact of %s, who has no part in it", id.name())
			}
		}
	}
	if of == subject {
		return ""
	}
	if u["proposal"] == true {
		if c.FactOf != f.roles[of].ID || len(c.SharedWith) > 0 {
			return "a proposal that others could grant"
		}
		return ""
	}
	// Neither their own nor a proposal: the paper must be about the field's person as well.
	for role, who := range u["with"].(map[string]any) {
		if who == subject && slices.Contains(f.stands[at][role], f.roles[subject].ID.name()) {
			return ""
		}
	}
	return "a fact of another person that is no proposal"
}

// ungranted says whose grant is missing for a value that was used; empty when somebody whose fact it is granted.
func ungranted(f *family, c Candidate, granted map[PersonID]bool) string {
	var value any
	if err := json.Unmarshal(c.Value.JSON(), &value); err != nil {
		return err.Error()
	}
	for _, leaf := range leaves(value) {
		ok := false
		for who := range f.owners[leaf] {
			ok = ok || granted[personID(who)]
		}
		if !ok {
			return fmt.Sprintf("used without a grant of %v", slices.Sorted(maps.Keys(f.owners[leaf])))
		}
	}
	if c.Source.Proposal && !granted[f.roles[c.Source.Of].ID] {
		return "a proposal used without the grant of " + c.Source.Of
	}
	return ""
}

// try matches a family's papers and returns the first thing that is wrong; used collects the mappings that found a value.
func (w *world) try(t *rapid.T, p *Procedure, f *family, used map[*Source]bool) string {
	granted := map[PersonID]bool{}
	for _, who := range f.people {
		granted[personID(who.name)] = rapid.Bool().Draw(t, "grants")
	}
	usable := func(_ string, c Candidate) bool { return c.Granted(func(id PersonID) bool { return granted[id] }) }
	values := p.Match(f.roles, f.papers)
	for _, v := range values {
		field := v.Field.Name
		for _, c := range v.Candidates {
			used[c.Source] = true
			if wrong := w.crossed(f, p.ID, c, field); wrong != "" {
				return fmt.Sprintf("%s from %s%s: %s", field, c.Source.Type, c.Source.Pointer, wrong)
			}
		}
		for _, c := range v.Pick(func(c Candidate) bool { return usable(field, c) }) {
			if wrong := ungranted(f, c, granted); wrong != "" {
				return fmt.Sprintf("%s from %s%s: %s", field, c.Source.Type, c.Source.Pointer, wrong)
			}
		}
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, k := range p.Conflicts(Evidence{Roles: f.roles, Papers: f.papers, Values: values, Usable: usable, Now: now}) {
		for _, side := range []Finding{k.Left, k.Right} {
			if side.Candidate.Source == nil {
				continue
			}
			if wrong := ungranted(f, side.Candidate, granted); wrong != "" {
				return fmt.Sprintf("check %s: %s", k.Check.ID, wrong)
			}
		}
	}
	return ""
}

func TestP14_NoValueReachesAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, p := range w.catalogue.Procedures() {
		t.Run(p.ID, func(t *testing.T) {
			t.Parallel()
			used := map[*Source]bool{}
			missing := func() (list []string) {
				for _, f := range p.Fields {
					for _, s := range f.Reuse {
						if !used[s] {
							list = append(list, fmt.Sprintf("%s %d", f.Name, s.Priority))
						}
					}
				}
				return list
			}
			// A mapping that never found anything was not tried, so there are more families until each has.
			for range 5 {
				rapid.Check(t, func(t *rapid.T) {
					if wrong := w.try(t, p, w.draw(t, p), used); wrong != "" {
						t.Fatal(wrong)
					}
				})
				if len(missing()) == 0 {
					break
				}
			}
			if list := missing(); len(list) > 0 {
				t.Errorf("mappings that were never tried: %v", list)
			}
		})
	}
}

// The oracle is worth something only if it sees what it is there for.
func TestP14_OracleNoticesCrossing(t *testing.T) {
	t.Parallel()
	source := func(p *Procedure, field string, i int) *Source {
		f, _ := p.Field(field)
		return f.Reuse[i]
	}
	for name, c := range map[string]struct {
		procedure string
		spoil     func(*Procedure)
		family    func(*family)
	}{
		"the mother's name for the father": {"kindergarten_enrolment", func(p *Procedure) {
			source(p, "father_full_name", 0).path = []string{"mother", "full_name"}
		}, nil},
		"the mother's number for the child": {"passport_child", func(p *Procedure) {
			source(p, "child_personal_number", 0).path = []string{"mother", "personal_number"}
		}, nil},
		"any marriage of the father": {"birth_registration", func(p *Procedure) {
			source(p, "marriage_agency", 1).With = nil
		}, nil},
		"whoever declared": {"funeral_allowance", func(p *Procedure) {
			s := source(p, "relation_to_deceased", 0)
			s.Of = s.Subject // the person by whom it is found instead of the one whose fact it is
		}, nil},
		"a proposal of the grandmother's": {"birth_registration", func(p *Procedure) {
			source(p, "child_hometown", 0).path = []string{"mother", "residence"}
		}, nil},
		"one number for everybody": {"kindergarten_enrolment", func(*Procedure) {}, func(f *family) {
			for role, who := range f.roles {
				who.Number = "099000000000"
				f.roles[role] = who
			}
		}},
		"papers of everybody": {"kindergarten_enrolment", func(*Procedure) {}, func(f *family) {
			for role, who := range f.roles {
				who.ID = personID("p9")
				f.roles[role] = who
			}
			for i := range f.papers {
				f.papers[i].Holders = []PersonID{personID("p9")}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			p, _ := own.Procedure(c.procedure)
			c.spoil(p)
			noticed := false
			rapid.Check(t, func(t *rapid.T) {
				f := w.draw(t, p)
				if c.family != nil {
					c.family(f)
				}
				noticed = noticed || w.try(t, p, f, map[*Source]bool{}) != ""
			})
			if !noticed {
				t.Error("not noticed")
			}
		})
	}
}
