package place

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vidan/internal/viettext"
)

//go:embed data/administrative_units.csv
var unitsCSV string

//go:embed data/administrative_units_former_names.csv
var formerCSV string

// The columns of administrative_units.csv.
const (
	oldProvinceCode = iota
	oldProvince
	oldDistrictCode
	oldDistrict
	oldCommuneCode
	oldCommune
	newProvinceCode
	newProvince
	newCommuneCode
	newCommune
	_ // split: told by the number of rows
	_ // successor_count
	transfer
	laterName
	altCode
	_ // note
	columns
)

// The columns of administrative_units_former_names.csv.
const (
	formerCode = iota
	formerName // without its kind word
	_          // old_province_code
	_          // old_district_code
	formerNow  // code of the commune that stood on 30 June 2025
	_          // old_commune
	formerColumns
)

// row is one line of administrative_units.csv; its fields point into the embedded text.
type row [columns]string

func (r row) old() Old {
	return Old{
		ProvinceCode: r[oldProvinceCode], Province: r[oldProvince],
		DistrictCode: r[oldDistrictCode], District: r[oldDistrict],
		Code: r[oldCommuneCode], Name: r[oldCommune],
	}
}

func (r row) successor() Successor {
	u := Unit{
		Province: Province{Code: r[newProvinceCode], Name: presentProvince(r[newProvinceCode], r[newProvince])},
		Code:     r[newCommuneCode], Name: r[newCommune], AltCode: r[altCode],
	}
	if r[laterName] != "" {
		u.Name, u.Earlier = r[laterName], r[newCommune]
	}
	return Successor{Unit: u, Transfer: Transfer(r[transfer])}
}

// presentProvince returns the name of today: Đồng Nai is a city since 30 April 2026 (Resolution 30/2026/QH16), the
// table keeps the name of 1 July 2025.
func presentProvince(code, name string) string {
	if code == "75" {
		return "Thành phố Đồng Nai"
	}
	return name
}

// entry leads from a code to the line that begins at an offset of a table's text.
type entry struct {
	code string
	line int
}

// index is sorted by code, lines of one code in the order of the table.
type index []entry

func (x index) sort() {
	slices.SortStableFunc(x, func(a, b entry) int { return strings.Compare(a.code, b.code) })
}

// all returns the entries of a code.
func (x index) all(code string) index {
	from, found := slices.BinarySearchFunc(x, code, func(e entry, c string) int { return strings.Compare(e.code, c) })
	if !found {
		return nil
	}
	to := from
	for to < len(x) && x[to].code == code {
		to++
	}
	return x[from:to]
}

func (x index) first(code string) (line int, ok bool) {
	if found := x.all(code); len(found) > 0 {
		return found[0].line, true
	}
	return 0, false
}

// table is the index over both embedded texts. It is built once and only read afterwards.
type table struct {
	before    index // by old commune code
	today     index // by new commune code, one line each
	former    index // by former commune code, into formerCSV
	districts map[string]int
	altCodes  map[string]string
	oldToNew  map[string]int // old province code to a line of it: no old province was divided
	provinces []Province
	kinds     []string // folded kind words, each with the space behind it
}

var units = sync.OnceValue(func() *table {
	t, err := newTable()
	if err != nil {
		panic(err) // the text is part of the binary: only a broken build comes here
	}
	return t
})

func newTable() (*table, error) {
	t := &table{
		before: make(index, 0, 10600), today: make(index, 0, 10600), former: make(index, 0, 730),
		districts: map[string]int{}, altCodes: map[string]string{}, oldToNew: map[string]int{},
	}
	newProvinces := map[string]bool{}
	err := lines(unitsCSV, columns, func(at int, fields []string) {
		r := row(fields)
		t.today = append(t.today, entry{r[newCommuneCode], at})
		if r[oldCommuneCode] != "" {
			t.before = append(t.before, entry{r[oldCommuneCode], at})
		}
		if Transfer(r[transfer]) == WholeDistrict {
			t.districts[r[oldDistrictCode]] = at
		}
		if r[altCode] != "" {
			t.altCodes[r[altCode]] = r[newCommuneCode]
		}
		if _, ok := t.oldToNew[r[oldProvinceCode]]; !ok {
			t.oldToNew[r[oldProvinceCode]] = at
		}
		if !newProvinces[r[newProvinceCode]] {
			newProvinces[r[newProvinceCode]] = true
			t.provinces = append(t.provinces, r.successor().Unit.Province)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("place: administrative_units.csv: %w", err)
	}
	if err := lines(formerCSV, formerColumns, func(at int, fields []string) {
		t.former = append(t.former, entry{fields[formerCode], at})
	}); err != nil {
		return nil, fmt.Errorf("place: administrative_units_former_names.csv: %w", err)
	}
	t.before.sort()
	t.today.sort()
	t.former.sort()
	t.today = slices.Clone(slices.CompactFunc(t.today, func(a, b entry) bool { return a.code == b.code }))
	slices.SortFunc(t.provinces, func(a, b Province) int { return strings.Compare(a.Code, b.Code) })
	for _, kind := range [...]string{
		"Xã", "Phường", "Thị trấn", "Thi trấn", "Đặc khu", "Quận", "Huyện", "Thị xã", "Thành phố", "Tỉnh",
	} {
		t.kinds = append(t.kinds, viettext.Fold(kind)+" ")
	}
	return t, nil
}

// lines calls do with the offset and the fields of every line after the heading. The tables have no quoting.
func lines(text string, width int, do func(at int, fields []string)) error {
	fields := make([]string, width)
	at := strings.IndexByte(text, '\n') + 1
	for n := 2; at < len(text); n++ {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		if !split(text[at:at+end], fields) {
			return fmt.Errorf("line %d has not %d columns", n, width)
		}
		do(at, fields)
		at += end + 1
	}
	return nil
}

// split cuts a line at its commas into exactly as many fields as there is room for.
func split(line string, fields []string) bool {
	for i := range fields[:len(fields)-1] {
		comma := strings.IndexByte(line, ',')
		if comma < 0 {
			return false
		}
		fields[i], line = line[:comma], line[comma+1:]
	}
	fields[len(fields)-1] = line
	return strings.IndexByte(line, ',') < 0
}

// lineAt returns the line of a text that begins at an offset.
func lineAt(text string, at int) string {
	line, _, _ := strings.Cut(text[at:], "\n")
	return line
}

func (t *table) row(at int) row {
	var r row
	split(lineAt(unitsCSV, at), r[:])
	return r
}

// formerly returns the code and the bare name of a line of former names, and the commune that stood on 30 June 2025.
func (t *table) formerly(at int) (name, now string) {
	var f [formerColumns]string
	split(lineAt(formerCSV, at), f[:])
	return f[formerName], f[formerNow]
}

// sameUnit compares a stated name with a listed one; a name not stated agrees with any (L4).
func (t *table) sameUnit(stated, listed string) bool {
	return stated == "" || stated == listed || t.bare(stated) == t.bare(listed)
}

// bare folds a unit's name and takes the kind word off: papers write "Xã Đại Sơn", "xã Đại Sơn" and "Đại Sơn", and a
// unit that changed its kind alone is the same unit. Numbered wards are written "Phường 7" and "Phường 07".
func (t *table) bare(name string) string {
	key := viettext.Fold(name)
	for _, kind := range t.kinds {
		if rest, ok := strings.CutPrefix(key, kind); ok {
			key = rest
			break
		}
	}
	if strings.Trim(key, "0123456789") == "" {
		key = strings.TrimLeft(key, "0")
	}
	return key
}
