package place

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	t.Parallel()
	rows, old, today, oldProvinces := 0, map[string]bool{}, map[string]Unit{}, map[string]string{}
	successors, everybody := map[string]int{}, map[string]int{}
	err := lines(unitsCSV, columns, func(_ int, fields []string) {
		r := row(fields)
		rows++
		s := r.successor()
		if known, ok := today[s.Unit.Code]; ok && known != s.Unit {
			t.Errorf("commune %s is listed in two ways", s.Unit.Code)
		}
		today[s.Unit.Code] = s.Unit
		if p, ok := oldProvinces[r[oldProvinceCode]]; ok && p != s.Unit.Province.Code {
			t.Errorf("province %s was divided", r[oldProvinceCode])
		}
		oldProvinces[r[oldProvinceCode]] = s.Unit.Province.Code
		switch s.Transfer {
		case Whole, Unchanged, Renamed, Retyped, Part, PartArea, PartPopulation, PartAreaAllPopulation, WholeDistrict, Unverified:
		default:
			t.Errorf("transfer %q", s.Transfer)
		}
		if code := r[oldCommuneCode]; code != "" {
			old[code] = true
			successors[code]++
			if s.Transfer == PartAreaAllPopulation {
				everybody[code]++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	split, settled := 0, 0
	for code, n := range successors {
		if n > 1 {
			split++
			settled += everybody[code]
		}
		if everybody[code] > 1 {
			t.Errorf("%s went whole into %d units", code, everybody[code])
		}
	}
	got := []int{rows, len(old), len(today), len(oldProvinces), len(Provinces()), split, settled}
	if want := []int{10573, 10035, 3321, 63, 34, 441, 58}; !cmp.Equal(got, want) {
		t.Errorf("rows, old and new communes, old and new provinces, split, settled: %v, want %v", got, want)
	}
	for _, e := range units().former {
		if _, now := units().formerly(e.line); !old[now] {
			t.Errorf("former commune %s leads nowhere", e.code)
		}
	}
	for _, bad := range []string{"h\n1,2", "h\n1,2,3,4"} {
		if err := lines(bad, 3, func(int, []string) {}); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func before(province, district, commune, name string) Address {
	return Address{Text: "issued", UnitSystem: Before20250701, ProvinceCode: province, DistrictCode: district, CommuneCode: commune, Commune: name}
}

func today(province, commune, name string) Address {
	return Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: province, CommuneCode: commune, Commune: name}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   Address
		want string // state, then the unit, the successors or the reason
	}{
		{"unchanged province, whole commune", before("01", "001", "00004", "Phường Trúc Bạch"), "converted 00004 Phường Ba Đình (whole)"},
		{"the old list in another province", before("30", "298", "11083", "Xã Đại Sơn"), "converted 11086 Xã Đại Sơn (whole)"},
		{"renamed in 2025", before("66", "647", "24235", "Xã Krông Na"), "converted 24235 Xã Buôn Đôn (renamed)"},
		{"the new name with the old list", before("66", "647", "24235", "Xã Buôn Đôn"), "unknown name_disagrees"},
		{"renamed in 2024, split in 2025", before("30", "297", "11035", "Xã Gia Khánh"), "ambiguous 10999 Xã Gia Lộc, 11050 Xã Gia Phúc"},
		{"the name of 2024, split in 2025", before("30", "297", "11035", "Xã Gia Phúc"), "ambiguous 10999 Xã Gia Lộc, 11050 Xã Gia Phúc"},
		{"merged in 2024 under another code", before("30", "297", "11029", "Xã Gia Tân"), "ambiguous 10999 Xã Gia Lộc, 11050 Xã Gia Phúc"},
		{"a numbered ward", before("79", "770", "27142", "phường 09"), "converted 27142 Phường Nhiêu Lộc (whole)"},
		{"a former code without a name", before("30", "", "11029", ""), "ambiguous 10999 Xã Gia Lộc, 11050 Xã Gia Phúc"},
		{"a former code whose number lives on", before("08", "075", "02482", "Xã Phú Thịnh"), "converted 02494 Xã Thái Bình (unverified)"},
		{"split, everybody in one successor", before("01", "003", "00112", "Phường Thụy Khuê"), "converted 00103 Phường Tây Hồ (part_area_all_population)"},
		{"one code, old list", before("30", "297", "11050", "Xã Hồng Hưng"), "converted 11050 Xã Gia Phúc (whole)"},
		{"one code, new list", today("31", "11050", "Xã Gia Phúc"), "current 11050 Xã Gia Phúc"},
		{"one code, name of the other list", today("31", "11050", "Xã Hồng Hưng"), "unknown name_disagrees"},
		{"one code, old list, name of the new one", before("30", "297", "11083", "Xã Gia Phúc"), "unknown name_disagrees"},
		{"one code, no list", Address{Text: "issued", CommuneCode: "11050"}, "unknown no_unit_system"},
		{"an unknown list", Address{Text: "issued", UnitSystem: "from_2030", CommuneCode: "11050"}, "unknown no_unit_system"},
		{"other place of the tone mark", before("30", "297", "11047", "Xã Hòang Diệu"), "converted 11050 Xã Gia Phúc (whole)"},
		{"no kind word, lower case", before("30", "298", "11083", "đại sơn"), "converted 11086 Xã Đại Sơn (whole)"},
		{"later name", today("75", "25270", "Phường Lộc Ninh"), "current 25270 Phường Lộc Ninh"},
		{"name before the later name", today("75", "25270", "Xã Lộc Ninh"), "current 25270 Phường Lộc Ninh"},
		{"second code", today("22", "06978", "Xã Ba Chẽ"), "current 06970 Xã Ba Chẽ"},
		{"island district", Address{Text: "issued", UnitSystem: Before20250701, ProvinceCode: "77", DistrictCode: "755"}, "converted 26732 Đặc khu Côn Đảo (whole_district)"},
		{"island by another name", Address{Text: "issued", UnitSystem: Before20250701, DistrictCode: "755", District: "Huyện Lý Sơn"}, "unknown name_disagrees"},
		{"province alone, old", Address{Text: "issued", UnitSystem: Before20250701, ProvinceCode: "30", Province: "Tỉnh Hải Dương"}, "converted Thành phố Hải Phòng ()"},
		{"province and district, old", Address{Text: "issued", UnitSystem: Before20250701, ProvinceCode: "30", DistrictCode: "297"}, "converted Thành phố Hải Phòng ()"},
		{"province alone, new", Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: "31"}, "current Thành phố Hải Phòng"},
		{"province renamed later", Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: "75", Province: "Tỉnh Đồng Nai"}, "current Thành phố Đồng Nai"},
		{"a province that is gone", Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: "30"}, "unknown no_such_unit"},
		{"a province by another name", Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: "31", Province: "Tỉnh Hải Dương"}, "unknown name_disagrees"},
		{"no such province", Address{Text: "issued", UnitSystem: Before20250701, ProvinceCode: "99"}, "unknown no_such_unit"},
		{"no such commune, old", before("30", "297", "99999", ""), "unknown no_such_unit"},
		{"no such commune, new", today("31", "99999", ""), "unknown no_such_unit"},
		{"commune of another province, new", today("01", "11050", ""), "unknown codes_disagree"},
		{"commune of another province, old", before("31", "297", "11050", "Xã Hồng Hưng"), "unknown codes_disagree"},
		{"commune of another district", before("30", "298", "11050", ""), "unknown codes_disagree"},
		{"district renumbered, name agrees", before("30", "298", "11050", "Xã Hồng Hưng"), "converted 11050 Xã Gia Phúc (whole)"},
		{"a district today", Address{Text: "issued", UnitSystem: From20250701, ProvinceCode: "31", DistrictCode: "297"}, "unknown codes_disagree"},
		{"text alone", Address{Text: "Bệnh viện Mẫu, tỉnh Hải Dương"}, "text_only"},
		{"names without codes", Address{Text: "issued", Province: "Tỉnh Hải Dương", Commune: "Xã Gia Khánh"}, "text_only"},
		{"nothing", Address{}, "text_only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Convert(c.in)
			if got.Issued != c.in {
				t.Error("the issued address was changed (L1)")
			}
			if outcome(got) != c.want {
				t.Errorf("got %q, want %q", outcome(got), c.want)
			}
		})
	}
}

func outcome(c Conversion) string {
	name := func(u Unit) string {
		if u.Code == "" {
			return u.Province.Name
		}
		return u.Code + " " + u.Name
	}
	switch c.State {
	case Current:
		return fmt.Sprintf("current %s", name(c.Unit))
	case Converted:
		return fmt.Sprintf("converted %s (%s)", name(c.Unit), c.Transfer)
	case Ambiguous:
		var list []string
		for _, s := range c.Successors {
			list = append(list, name(s.Unit))
		}
		return "ambiguous " + strings.Join(list, ", ")
	case Unknown:
		return "unknown " + string(c.Reason)
	}
	return string(c.State)
}

// Every commune of the old list has an outcome, and it is the one its rows prescribe.
func TestConvertEveryOldCommune(t *testing.T) {
	t.Parallel()
	states := map[State]int{}
	for _, e := range units().before {
		r := units().row(e.line)
		c := Convert(before(r[oldProvinceCode], r[oldDistrictCode], r[oldCommuneCode], r[oldCommune]))
		states[c.State]++
		switch c.State {
		case Converted:
			if len(c.Successors) > 1 && c.Transfer != PartAreaAllPopulation {
				t.Errorf("%s was guessed", e.code)
			}
		case Ambiguous:
			if len(c.Successors) < 2 {
				t.Errorf("%s is ambiguous with one successor", e.code)
			}
			for _, s := range c.Successors {
				if a, ok := c.In(s.Unit.Code); !ok || a.CommuneCode != s.Unit.Code {
					t.Errorf("%s: successor %s cannot be picked", e.code, s.Unit.Code)
				}
			}
		default:
			t.Errorf("%s: %s %s", e.code, c.State, c.Reason)
		}
		if c.Before != r.old() {
			t.Errorf("%s: another commune stood there", e.code)
		}
	}
	if _, ok := Convert(before("30", "297", "11035", "")).In("00004"); ok {
		t.Error("a unit that is no successor was picked")
	}
}

// Every name dropped in 2023 and 2024 leads to the commune that stood on 30 June 2025, with its kind word or without.
func TestConvertEveryFormerName(t *testing.T) {
	t.Parallel()
	for _, e := range units().former {
		name, now := units().formerly(e.line)
		spellings := []string{name, strings.ToUpper(name)}
		if !strings.HasPrefix(name, "Phường ") { // numbered wards keep their kind word
			spellings = append(spellings, "Xã "+name, "phường "+name)
		}
		for _, stated := range spellings {
			c := Convert(before("", "", e.code, stated))
			if c.State != Converted && c.State != Ambiguous {
				t.Errorf("%s %s: %s %s", e.code, stated, c.State, c.Reason)
			} else if c.Before.Code != now && !units().sameUnit(name, c.Before.Name) {
				t.Errorf("%s %s: leads to %s, not to %s", e.code, stated, c.Before.Code, now)
			}
		}
	}
}

func TestPresent(t *testing.T) {
	t.Parallel()
	old := Address{
		Text: "Thôn Mẫu, xã Đại Sơn, huyện Tứ Kỳ, tỉnh Hải Dương", UnitSystem: Before20250701, ProvinceCode: "30", Province: "Tỉnh Hải Dương",
		DistrictCode: "298", District: "Huyện Tứ Kỳ", CommuneCode: "11083", Commune: "Xã Đại Sơn", Street: "Thôn Mẫu",
	}
	got, ok := Convert(old).Present()
	want := Address{
		Text: "Thôn Mẫu, xã Đại Sơn, thành phố Hải Phòng", UnitSystem: From20250701, ProvinceCode: "31", Province: "Thành phố Hải Phòng",
		CommuneCode: "11086", Commune: "Xã Đại Sơn", Street: "Thôn Mẫu",
	}
	if !ok || got != want {
		t.Errorf("%+v, want %+v", got.Reveal(), want.Reveal())
	}
	if again, ok := Convert(got).Present(); !ok || again != got {
		t.Errorf("an address of today changed: %+v", again.Reveal())
	}
	if _, ok := Convert(Address{Text: "x"}).Present(); ok {
		t.Error("a text was converted")
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	total := 0
	for _, p := range Provinces() {
		communes := Communes(p.Code)
		total += len(communes)
		for i, u := range communes {
			if u.Province != p || i > 0 && communes[i-1].Code >= u.Code {
				t.Errorf("%s is out of place", u.Code)
			}
			if found, ok := Commune(u.Code); !ok || found != u {
				t.Errorf("%s is not found by its code", u.Code)
			}
		}
	}
	if total != 3321 {
		t.Errorf("%d communes", total)
	}
	if Communes("30") != nil {
		t.Error("communes of a province that is gone")
	}
	if _, ok := Commune(""); ok {
		t.Error("a commune without a code")
	}
}

// S5: where somebody lives is in no log line and no error.
func TestS5_AddressIsMasked(t *testing.T) {
	t.Parallel()
	a := before("30", "297", "11035", "Xã Gia Khánh")
	a.Text, a.Street = "Thôn Thử, xã Gia Khánh", "Thôn Thử"
	c := Convert(a)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "address", a, "conversion", c, "pointer", &a)
	for _, v := range []any{a, &a, c, &c, []Address{a}, struct{ A Address }{a}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q", v, v, v, v, v)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
	}
	for _, secret := range []string{"Gia", "Thử", "11035", "297", "10999"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed: %s", secret, out.String())
		}
	}
	raw, err := json.Marshal(a.Reveal())
	var back Address
	if err != nil || json.Unmarshal(raw, &back) != nil || back != a {
		t.Errorf("revealed address does not come back: %s", raw)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add("Thôn Thử", "before_2025_07_01", "30", "Tỉnh Hải Dương", "297", "", "11035", "Xã Gia Khánh", "")
	f.Add("x", "from_2025_07_01", "22", "", "", "", "06978", "Xã Ba Chẽ", "Khu 1")
	f.Add("x", "before_2025_07_01", "77", "", "755", "", "", "", "")
	f.Add("", "", "", "", "", "", "11050", "\xff", "")
	f.Fuzz(func(t *testing.T, text, system, pc, p, dc, d, cc, c, street string) {
		a := Address{text, System(system), pc, p, dc, d, cc, c, street}
		got := Convert(a)
		if got.Issued != a {
			t.Fatal("the issued address was changed (L1)")
		}
		present, ok := got.Present()
		if ok != (got.State == Current || got.State == Converted) {
			t.Fatalf("%s has an address of today: %v", got.State, ok)
		}
		if (got.State == Unknown) != (got.Reason != "") {
			t.Fatalf("%s for %q", got.State, got.Reason)
		}
		if got.State == Ambiguous && len(got.Successors) < 2 {
			t.Fatal("ambiguous with one successor")
		}
		if got.State == Converted {
			again := Convert(present)
			if again.State != Current || again.Unit != got.Unit {
				t.Fatalf("%+v converts to %+v, which is %s", a.Reveal(), present.Reveal(), again.State)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newTable(); err != nil {
			b.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	t, _ := newTable()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "heap-B")
	runtime.KeepAlive(t)
}

func BenchmarkConvert(b *testing.B) {
	a := before("30", "297", "11035", "Xã Gia Khánh")
	whole := before("30", "298", "11083", "Xã Đại Sơn")
	Convert(a)
	for name, a := range map[string]Address{"former_split": a, "whole": whole} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Convert(a)
			}
		})
	}
}
