package procedure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"vidan/place"
)

func certificateOf(t testing.TB, name string) []byte {
	t.Helper()
	p, ok := cast(t).Paper(name, "birth_certificate")
	if !ok {
		t.Fatalf("%s has no certificate", name)
	}
	return p.JSON
}

// with returns a paper with a member set, by pointer; nil removes it.
func with(t testing.TB, raw []byte, pointer string, value any) []byte {
	t.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	i := strings.LastIndexByte(pointer, '/')
	at, ok := rawAt(doc, pointer[:i])
	if !ok {
		t.Fatalf("%s leads nowhere", pointer)
	}
	object := at.(map[string]any)
	object[pointer[i+1:]] = value
	if value == nil {
		delete(object, pointer[i+1:])
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func codes(faults []Fault) []string {
	var list []string
	for _, f := range faults {
		list = append(list, f.Pointer+" "+string(f.Code))
	}
	return list
}

func TestEveryPaperOfTheCastIsGood(t *testing.T) {
	t.Parallel()
	papers := castPapers(t) // fails on any fault
	if len(papers) != 50 {
		t.Errorf("%d papers", len(papers))
	}
	for _, p := range papers {
		if !p.Document.Synthetic() {
			t.Error("a paper of the cast is not marked synthetic")
		}
		if numbers := p.Document.SubjectNumber(p.Document.Type().Home); len(numbers) != 1 {
			t.Errorf("%d numbers of the home person", len(numbers))
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	good := certificateOf(t, "an")
	licence, _ := cast(t).Paper("thi", "driving_licence")
	car, _ := cast(t).Paper("thi", "vehicle_registration")
	family, _ := cast(t).Paper("an", "residence_registration")
	class := map[string]any{"class": "B2", "passed_on": "2017-03-10", "valid_to": "2027-03-20", "vehicle_kinds": "x"}
	members := make([]any, 51)
	for i := range members {
		members[i] = map[string]any{"full_name": "TRẦN MINH AN"}
	}
	for name, c := range map[string]struct {
		typ  string
		doc  []byte
		want []string
	}{
		"required":        {"birth_certificate", with(t, with(t, good, "/sex", nil), "/registration/agency/name", nil), []string{"/sex required", "/registration/agency/name required"}},
		"unknown field":   {"birth_certificate", with(t, good, "/religion", "x"), []string{"/religion unknown_field"}},
		"unknown below":   {"birth_certificate", with(t, good, "/mother/phone", "x"), []string{"/mother/phone unknown_field"}},
		"a value as name": {"birth_certificate", with(t, good, "/mother/099193000003", "x"), []string{"/mother unknown_field"}},
		"type":            {"birth_certificate", with(t, good, "/mother", "x"), []string{"/mother type"}},
		"null":            {"birth_certificate", bytes.Replace(good, []byte(`"female"`), []byte(`null`), 1), []string{"/sex type"}},
		"const":           {"birth_certificate", with(t, good, "/document_type", "diploma"), []string{"/document_type const"}},
		"enum":            {"birth_certificate", with(t, good, "/sex", "nữ"), []string{"/sex enum"}},
		"pattern":         {"birth_certificate", with(t, good, "/personal_number", "0993"), []string{"/personal_number pattern"}},
		"format":          {"birth_certificate", with(t, good, "/birth_date", "2026-02-30"), []string{"/birth_date format"}},
		"min_length":      {"birth_certificate", with(t, good, "/full_name", "A"), []string{"/full_name min_length"}},
		"max_length":      {"birth_certificate", with(t, good, "/full_name", strings.Repeat("Ấ", 101)), []string{"/full_name max_length"}},
		"long enough":     {"birth_certificate", with(t, good, "/full_name", strings.Repeat("Ấ", 100)), nil},
		"minimum":         {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", 0), []string{"/vehicle/seats minimum"}},
		"maximum":         {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", 101), []string{"/vehicle/seats maximum"}},
		"no integer":      {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", 5.5), []string{"/vehicle/seats type"}},
		"an integer":      {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", json.RawMessage("5.0")), nil},
		"min_items":       {"driving_licence", with(t, licence.JSON, "/classes", []any{}), []string{"/classes min_items"}},
		"max_items":       {"residence_registration", with(t, family.JSON, "/household/members", members), []string{"/household/members max_items"}},
		"unique_items":    {"driving_licence", with(t, licence.JSON, "/classes", []any{class, class}), []string{"/classes unique_items"}},
		"one_of":          {"driving_licence", with(t, licence.JSON, "/classes", []any{map[string]any{"class": "B2", "valid_to": "soon"}}), []string{"/classes/0/valid_to one_of"}},
		"the other one":   {"driving_licence", with(t, licence.JSON, "/classes/0"[:8], []any{map[string]any{"class": "A1", "valid_to": "unlimited"}}), nil},
		"not_nfc":         {"birth_certificate", with(t, good, "/full_name", norm.NFD.String("TRẦN MINH AN")), []string{"/full_name not_nfc"}},
		"control":         {"birth_certificate", with(t, good, "/full_name", "TRẦN\u0000AN"), []string{"/full_name control_character"}},
		"bidi override":   {"birth_certificate", with(t, good, "/full_name", "TRẦN\u202eAN"), []string{"/full_name control_character"}},
		"raw tab":         {"birth_certificate", bytes.Replace(good, []byte(`TRẦN MINH AN`), []byte("TRẦN\tAN"), 1), []string{"/full_name control_character"}},
		"bad bytes":       {"birth_certificate", bytes.Replace(good, []byte(`TRẦN MINH AN`), []byte("TR\xffN"), 1), []string{"/full_name invalid_unicode"}},
		"half surrogate":  {"birth_certificate", bytes.Replace(good, []byte(`TRẦN MINH AN`), []byte(`TR\ud800N`), 1), []string{"/full_name invalid_unicode"}},
		"duplicate":       {"birth_certificate", bytes.Replace(good, []byte(`"mother": {`), []byte(`"mother": {"full_name": "HAI", `), 1), []string{"/mother/full_name duplicate_key"}},
		"escaped twin":    {"birth_certificate", bytes.Replace(good, []byte(`"mother": {`), []byte(`"mother": {"\u0066ull_name": "HAI", `), 1), []string{"/mother/full_name duplicate_key"}},
		"exponent":        {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", json.RawMessage("5e0")), []string{"/vehicle/seats number_form", "/vehicle/seats type"}},
		"endless number":  {"vehicle_registration", with(t, car.JSON, "/vehicle/seats", json.RawMessage(strings.Repeat("9", 21))), []string{"/vehicle/seats number_form", "/vehicle/seats maximum"}},
		"cut off":         {"birth_certificate", good[:len(good)/2], nil},
		"trailing":        {"birth_certificate", append(slices.Clone(good), "{}"...), []string{" trailing_data"}},
		"empty":           {"birth_certificate", nil, []string{" invalid_json"}},
		"no object":       {"birth_certificate", []byte(`[]`), []string{" type"}},
		"too deep":        {"birth_certificate", []byte(`{"notes":` + strings.Repeat("[", 32)), []string{"/notes too_deep"}},
		"too large":       {"birth_certificate", append(slices.Clone(good), bytes.Repeat([]byte(" "), MaxBytes)...), []string{" too_large"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, faults := documentType(t, c.typ).Parse(c.doc, ParseOptions{})
			if name == "cut off" {
				if len(faults) != 1 || faults[0].Code != CodeInvalidJSON {
					t.Errorf("%v", codes(faults))
				}
				return
			}
			if diff := cmp.Diff(c.want, codes(faults)); diff != "" {
				t.Error(diff)
			}
			if (d.Type() == nil) != (len(c.want) > 0) {
				t.Error("a document with faults was returned")
			}
			for _, f := range faults {
				if f.TitleVI == "" || f.RuleVI == "" || f.RuleEN == "" || f.RuleVI == f.RuleEN {
					t.Errorf("not said in words: %+v", f)
				}
			}
		})
	}
}

// Every fault is listed at once, in the order of the document, with the title of the field and its surroundings.
func TestEveryFaultIsListed(t *testing.T) {
	t.Parallel()
	doc := with(t, certificateOf(t, "an"), "/mother/residence/commune_code", "1")
	doc = with(t, doc, "/mother/full_name", nil)
	doc = with(t, doc, "/sex", "?")
	doc = with(t, doc, "/income", 1)
	_, faults := documentType(t, "birth_certificate").Parse(doc, ParseOptions{})
	got := codes(faults)
	slices.Sort(got)
	want := []string{"/income unknown_field", "/mother/full_name required", "/mother/residence/commune_code pattern", "/sex enum"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, f := range faults {
		if f.Pointer == "/mother/residence/commune_code" {
			want := Fault{
				Pointer: f.Pointer, Code: CodePattern, TitleVI: "Người mẹ – Nơi cư trú – Mã xã",
				RuleVI: "Phải gồm đúng 5 chữ số.", RuleEN: "Must be exactly 5 digits.",
			}
			if diff := cmp.Diff(want, f); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"document_type":"residence_registration","household":{"members":[`)
	for i := range 2 * MaxFaults {
		fmt.Fprintf(&b, `{"a%c":1},`, 'a'+rune(i%26))
	}
	b.WriteString(`{}]}}`)
	_, faults := documentType(t, "residence_registration").Parse([]byte(b.String()), ParseOptions{})
	if len(faults) != MaxFaults || faults[MaxFaults-1].Code != CodeMoreFaults {
		t.Errorf("%d faults", len(faults))
	}
}

// NumberPending drops the requirement of the home person's number, and nothing else.
func TestNumberPending(t *testing.T) {
	t.Parallel()
	typ := documentType(t, "birth_certificate")
	good := certificateOf(t, "an")
	pending := with(t, good, "/personal_number", nil)
	if _, faults := typ.Parse(pending, ParseOptions{}); !cmp.Equal(codes(faults), []string{"/personal_number required"}) {
		t.Errorf("%v", codes(faults))
	}
	if d, faults := typ.Parse(pending, ParseOptions{NumberPending: true}); len(faults) > 0 || len(d.SubjectNumber("child")) != 0 {
		t.Errorf("%v", codes(faults))
	}
	for _, c := range []struct {
		doc  []byte
		want string
	}{
		{with(t, good, "/personal_number", ""), "/personal_number pattern"},
		{with(t, pending, "/full_name", nil), "/full_name required"},
		{with(t, pending, "/mother/full_name", nil), "/mother/full_name required"},
	} {
		if _, faults := typ.Parse(c.doc, ParseOptions{NumberPending: true}); !cmp.Equal(codes(faults), []string{c.want}) {
			t.Errorf("%v, want %s", codes(faults), c.want)
		}
	}
	// A number that lies deeper: the beneficiary's is dropped, the number of the deceased beside it is not judged otherwise.
	decision, _ := cast(t).Paper("chung", "funeral_allowance_decision")
	doc := with(t, decision.JSON, "/beneficiary/personal_number", nil)
	typ = documentType(t, "funeral_allowance_decision")
	_, strict := typ.Parse(doc, ParseOptions{})
	_, dropped := typ.Parse(doc, ParseOptions{NumberPending: true})
	if len(strict) != 1 || len(dropped) != 0 {
		t.Errorf("%v, pending %v", codes(strict), codes(dropped))
	}
}

func TestDocumentAt(t *testing.T) {
	t.Parallel()
	licence, _ := cast(t).Paper("thi", "driving_licence")
	d, faults := documentType(t, "driving_licence").Parse(licence.JSON, ParseOptions{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for pointer, want := range map[string]string{
		"/classes/0/class":  `"B2"`,
		"/document_type":    `"driving_licence"`,
		"/synthetic":        `true`,
		"/classes/1":        "",
		"/classes/00":       "",
		"/classes/-":        "",
		"/classes/x/class":  "",
		"/document_type/x":  "",
		"/religion":         "",
		"document_type":     "",
		"/classes/99999999": "",
	} {
		v, ok := d.At(pointer)
		if ok != (want != "") || ok && string(v.JSON()) != want {
			t.Errorf("%s: %s, %v", pointer, v.JSON(), ok)
		}
	}
	if v, ok := d.At(""); !ok || !bytes.Equal(v.JSON(), bytes.TrimSpace(licence.JSON)) {
		t.Error("the whole paper")
	}
	if !bytes.Equal(d.JSON(), licence.JSON) {
		t.Error("the paper is not as it was delivered")
	}
	card, _ := cast(t).Paper("an", "health_insurance_card")
	d, _ = documentType(t, "health_insurance_card").Parse(card.JSON, ParseOptions{})
	if from, until := d.Validity(); len(from) != 10 || len(until) != 10 || from >= until {
		t.Errorf("valid from %s until %s", from, until)
	}
	var none Document
	if _, ok := none.At("/x"); ok || none.Type() != nil || none.JSON() != nil || none.SubjectNumber("child") != nil || none.Synthetic() {
		t.Error("the zero document holds something")
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	typ := documentType(t, "birth_certificate")
	d, err := typ.Read(certificateOf(t, "an"))
	if err != nil || !cmp.Equal(d.SubjectNumber("mother"), []string{"099193000003"}) {
		t.Errorf("%v", err)
	}
	if _, err := typ.Read([]byte(`{"full_name":`)); err == nil {
		t.Error("broken text was read")
	}
}

func TestValueEqual(t *testing.T) {
	t.Parallel()
	typ := documentType(t, "driving_licence")
	value := func(json string) Value {
		d, err := typ.Read([]byte(`{"v":` + json + `}`))
		if err != nil {
			t.Fatal(err)
		}
		v, _ := d.At("/v")
		return v
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`"HÒA"`, `"H\u00d2A"`, true},
		{`"HÒA"`, `"HOÀ"`, false},
		{`{"text":"x","street":"a"}`, `{"text":"x"}`, true},
		{`{"text":"x"}`, `{"text":"y"}`, false},
		{`[{"a":1,"b":"2"}]`, `[ {"b":"2", "a":1} ]`, true},
		{`[1,2]`, `[2,1]`, false},
		{`"1"`, `1`, false},
		{`true`, `false`, false},
		{`null`, `null`, true},
		{`["a\",\"b"]`, `["a","b"]`, false},
	} {
		if got := value(c.a).Equal(value(c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	if !(Value{}).Equal(Value{}) || (Value{}).Equal(value("1")) {
		t.Error("zero values")
	}
}

func TestValueAddress(t *testing.T) {
	t.Parallel()
	d, _ := documentType(t, "birth_certificate").Parse(certificateOf(t, "khoi"), ParseOptions{})
	v, _ := d.At("/hometown")
	a, ok := v.Address()
	if !ok || a.Commune != "Xã Gia Khánh" || a.UnitSystem != place.Before20250701 || a.Street != "Thôn Thử" || a.DistrictCode != "297" {
		t.Errorf("%+v", a.Reveal())
	}
	if c := place.Convert(a); c.State != place.Ambiguous {
		t.Errorf("%s", c.State)
	}
	for _, pointer := range []string{"/mother", "/full_name", "/registration"} {
		if v, ok := d.At(pointer); ok {
			if _, ok := v.Address(); ok {
				t.Errorf("%s is read as an address", pointer)
			}
		}
	}
}

// C4, S5: neither printing a value nor a fault tells anything of the document.
func TestS5_NothingIsPrinted(t *testing.T) {
	t.Parallel()
	papers := castPapers(t)
	roles := map[string]PersonRef{"child": person(t, "an"), "mother": person(t, "du"), "father": person(t, "thi"), "applicant": person(t, "du")}
	values := procedureOf(t, "kindergarten_enrolment").Match(roles, papers)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{papers, papers[0], roles, values, values[0].Candidates, papers[0].Document, values[0].Candidates[0].Value, roles["child"]} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
		log.Info("x", "v", v)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
	}
	typ := documentType(t, "birth_certificate")
	spoilt := bytes.NewBuffer(nil)
	for _, p := range typ.Places() {
		for _, canary := range []any{"099193000003X", 99193000003, map[string]any{"NGUYỄN THỊ DỤ": "099193000003"}, []any{"099193000003"}} {
			doc := certificateOf(t, "an")
			if _, ok := rawAt(decoded(t, doc), p.Pointer); ok {
				_, faults := typ.Parse(with(t, doc, p.Pointer, canary), ParseOptions{})
				fmt.Fprintf(spoilt, "%+v\n", faults)
			}
		}
	}
	if !strings.Contains(spoilt.String(), "unknown_field") {
		t.Error("no faults were provoked")
	}
	out.Write(spoilt.Bytes())
	for _, secret := range []string{"099326000004", "099193000003", "99193000003", "TRẦN MINH AN", "NGUYỄN THỊ DỤ", "Thôn Mẫu", "0900000003"} {
		if i := strings.Index(out.String(), secret); i >= 0 {
			t.Errorf("%s is printed: …%s", secret, out.String()[max(0, i-80):i+20])
		}
	}
}

func decoded(t testing.TB, raw []byte) any {
	t.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
