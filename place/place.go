// Package place knows the administrative units of Viet Nam before and after 1 July 2025, and promises to say of an
// address of either time which unit it lies in today, or that this cannot be told without asking.
//
// Papers issued before that day keep the unit they were issued with, so a person carries addresses of two systems for
// decades. The same five digits name different communes in the two lists (3,316 codes stand in both, 1,181 of them
// with one name), and 441 communes were split among several successors.
//
//	L1  the issued text always stays: a conversion adds the unit of today, it never replaces what the paper says
//	L2  nothing is guessed: a commune split without one successor that took the whole population is [Ambiguous],
//	    a code whose stated name is not the listed one is [Unknown]
//	L3  a code means nothing without its unit system
//	L4  names are compared by [viettext.Same], kind words set aside; codes are compared first
//
// The tables are data/administrative_units.csv (state on 30 June and 1 July 2025, later names since 30 April 2026) and
// data/administrative_units_former_names.csv (names dropped in 2023 and 2024); data/NOTICE.md names their sources.
// They are read on first use and kept as the embedded text with an index of offsets.
//
// The package parses no free text: an address without codes is [TextOnly] and is left as it is.
package place

import "log/slog"

// System says which list of units the codes of an address belong to.
type System string

// The two lists. An address without codes has no system.
const (
	Before20250701 System = "before_2025_07_01" // provinces, districts, communes
	From20250701   System = "from_2025_07_01"   // provinces and communes; districts were abolished
)

// Address is the address block of the document schemas (địa chỉ): the text as issued and, where the issuer knew them,
// the coded units. It prints masked through fmt, slog and JSON; [Address.Reveal] gives it out.
type Address struct {
	Text         string `json:"text"`
	UnitSystem   System `json:"unit_system,omitempty"`
	ProvinceCode string `json:"province_code,omitempty"` // two digits
	Province     string `json:"province,omitempty"`
	DistrictCode string `json:"district_code,omitempty"` // three digits, only before 1 July 2025
	District     string `json:"district,omitempty"`
	CommuneCode  string `json:"commune_code,omitempty"` // five digits
	Commune      string `json:"commune,omitempty"`
	Street       string `json:"street,omitempty"`
}

// Revealed is an [Address] in clear, for sealing and for the answers of people entitled to it.
type Revealed Address

const mask = "[masked]"

// Reveal returns the address in clear.
func (a Address) Reveal() Revealed { return Revealed(a) }

// IsZero reports whether no address is known.
func (a Address) IsZero() bool { return a == Address{} }

// String masks the address.
func (a Address) String() string { return mask }

// GoString masks the address in %#v.
func (a Address) GoString() string { return mask }

// LogValue masks the address in slog.
func (a Address) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON masks the address; wire types that may show it use [Address.Reveal].
func (a Address) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// Province is a province or centrally run city (tỉnh, thành phố trực thuộc trung ương) of today.
type Province struct {
	Code string
	Name string
}

// Unit is a commune, ward or special zone (xã, phường, đặc khu) of today, or a province where Code is empty.
type Unit struct {
	Province Province
	Code     string // five digits
	Name     string // since 30 April 2026 where it changed then
	Earlier  string // the name of 1 July 2025 where it is another
	AltCode  string // a second code seen for the same unit
}

// Old is a commune as it stood on 30 June 2025.
type Old struct {
	ProvinceCode, Province string
	DistrictCode, District string
	Code, Name             string // empty for a district that had no communes
}

// Transfer says how much of an old commune a successor took over.
type Transfer string

// The transfers of the table of 2025.
const (
	Whole                 Transfer = "whole"
	Unchanged             Transfer = "unchanged"
	Renamed               Transfer = "renamed"
	Retyped               Transfer = "retyped" // only the kind changed: a township became a commune
	Part                  Transfer = "part"
	PartArea              Transfer = "part_area"
	PartPopulation        Transfer = "part_population"
	PartAreaAllPopulation Transfer = "part_area_all_population" // everybody who lived there lives in this successor now
	WholeDistrict         Transfer = "whole_district"           // an island district without communes
	Unverified            Transfer = "unverified"               // found in one source only
)

// Successor is one of the units that took over an old commune.
type Successor struct {
	Unit     Unit
	Transfer Transfer
}

// Commune returns the unit of today with this code, or with this second code.
func Commune(code string) (Unit, bool) {
	t := units()
	if main, ok := t.altCodes[code]; ok {
		code = main
	}
	line, ok := t.today.first(code)
	if !ok {
		return Unit{}, false
	}
	return t.row(line).successor().Unit, true
}

// Provinces lists the 34 provinces of today by code. The caller owns the slice.
func Provinces() []Province { return append([]Province(nil), units().provinces...) }

// Communes lists the units of a province by code; nil when there is no such province.
func Communes(provinceCode string) []Unit {
	t := units()
	var list []Unit
	for _, e := range t.today {
		if r := t.row(e.line); r[newProvinceCode] == provinceCode {
			list = append(list, r.successor().Unit)
		}
	}
	return list
}
