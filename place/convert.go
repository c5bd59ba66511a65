package place

import (
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// State says what a conversion came to.
type State string

// The states of a conversion.
const (
	Current   State = "current"   // the address names a unit of today
	Converted State = "converted" // its unit has one successor, or one that took the whole population
	Ambiguous State = "ambiguous" // its unit was split: the citizen picks among the successors
	Unknown   State = "unknown"   // its codes name no unit, or disagree; see Reason
	TextOnly  State = "text_only" // it has no codes, so nothing is said about it
)

// Reason says why a unit is [Unknown].
type Reason string

// The reasons.
const (
	NoSystem      Reason = "no_unit_system" // codes without the list they belong to (L3)
	NoSuchUnit    Reason = "no_such_unit"
	CodesDisagree Reason = "codes_disagree" // the commune does not lie in the stated province or district
	NameDisagrees Reason = "name_disagrees" // the code bears another name: perhaps one of the other list
)

// Conversion is an address as issued beside its unit of today. It prints masked, as the address does.
type Conversion struct {
	State  State
	Reason Reason // of Unknown
	Issued Address

	// Unit is the unit of today when State is Current or Converted. Its Code is empty where the address names a
	// province alone.
	Unit Unit
	// Before is the commune as it stood on 30 June 2025, for an address of the old list. A commune renamed or merged in
	// 2023 and 2024 stands here under the name it had at the end.
	Before Old
	// Successors are the units that took over Before; more than one when it was split.
	Successors []Successor
	// Transfer is that of Unit when State is Converted; empty for a province.
	Transfer Transfer
}

// String masks the conversion: the unit a person lives in is a fact about them.
func (c Conversion) String() string { return mask }

// GoString masks the conversion in %#v.
func (c Conversion) GoString() string { return mask }

// LogValue masks the conversion in slog, but for its state.
func (c Conversion) LogValue() slog.Value { return slog.StringValue(string(c.State)) }

// MarshalJSON masks the conversion; wire types copy what they may show.
func (c Conversion) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// Present returns the address in the units of today: the street as issued and the unit's name. It is false where no
// unit of today is known. For an address of today it is the issued address itself.
func (c Conversion) Present() (Address, bool) {
	switch c.State {
	case Current:
		return c.Issued, true
	case Converted:
		a := Address{
			UnitSystem: From20250701, Street: c.Issued.Street,
			ProvinceCode: c.Unit.Province.Code, Province: c.Unit.Province.Name,
			CommuneCode: c.Unit.Code, Commune: c.Unit.Name,
		}
		a.Text = joined(a.Street, a.Commune, a.Province)
		return a, true
	}
	return Address{}, false
}

// In returns the address in the successor that the citizen picked; false when it is none of them.
func (c Conversion) In(communeCode string) (Address, bool) {
	for _, s := range c.Successors {
		if s.Unit.Code == communeCode {
			c.State, c.Unit = Converted, s.Unit
			return c.Present()
		}
	}
	return Address{}, false
}

// Convert finds the unit of today for an address, by the prefill rule for addresses of the catalogue.
func Convert(a Address) Conversion {
	c := Conversion{Issued: a}
	switch {
	case a.CommuneCode == "" && a.DistrictCode == "" && a.ProvinceCode == "":
		c.State = TextOnly
	case a.UnitSystem == From20250701:
		c.ofToday(units())
	case a.UnitSystem == Before20250701:
		c.ofOldList(units())
	default:
		c.unknown(NoSystem)
	}
	return c
}

func (c *Conversion) unknown(r Reason) { c.State, c.Reason = Unknown, r }

func (c *Conversion) ofToday(t *table) {
	a := c.Issued
	if a.DistrictCode != "" {
		c.unknown(CodesDisagree) // there are no districts any more
		return
	}
	if a.CommuneCode == "" {
		for _, p := range t.provinces {
			if p.Code == a.ProvinceCode {
				c.named(t, a.Province, Unit{Province: p}, p.Name)
				return
			}
		}
		c.unknown(NoSuchUnit)
		return
	}
	unit, ok := Commune(a.CommuneCode)
	switch {
	case !ok:
		c.unknown(NoSuchUnit)
	case a.ProvinceCode != "" && a.ProvinceCode != unit.Province.Code:
		c.unknown(CodesDisagree)
	default:
		c.named(t, a.Commune, unit, unit.Name, unit.Earlier)
	}
}

// named settles a unit of today when the stated name is one of its names (L2).
func (c *Conversion) named(t *table, stated string, unit Unit, names ...string) {
	for _, n := range names {
		if n != "" && t.sameUnit(stated, n) {
			c.State, c.Unit = Current, unit
			return
		}
	}
	c.unknown(NameDisagrees)
}

func (c *Conversion) ofOldList(t *table) {
	a := c.Issued
	if a.CommuneCode == "" {
		c.ofOldProvince(t)
		return
	}
	found, reason := t.standing(a)
	if reason != "" {
		c.unknown(reason)
		return
	}
	for i, e := range found {
		r := t.row(e.line)
		if i == 0 {
			c.Before = r.old()
		}
		c.Successors = append(c.Successors, r.successor())
	}
	if a.ProvinceCode != "" && a.ProvinceCode != c.Before.ProvinceCode ||
		a.Commune == "" && a.DistrictCode != "" && a.DistrictCode != c.Before.DistrictCode {
		// Codes of communes are unique in the country, so a stated name outweighs a district that was itself renumbered.
		*c = Conversion{Issued: a}
		c.unknown(CodesDisagree)
		return
	}
	c.choose()
}

// standing finds the lines of the commune that stood on 30 June 2025 for the commune an address names: by its code and
// name, or through the names and codes dropped in 2023 and 2024.
func (t *table) standing(a Address) (index, Reason) {
	found := t.before.all(a.CommuneCode)
	if len(found) > 0 && t.sameUnit(a.Commune, t.row(found[0].line)[oldCommune]) {
		return found, ""
	}
	former, ok := t.former.first(a.CommuneCode)
	if ok {
		name, now := t.formerly(former)
		if t.sameUnit(a.Commune, name) {
			return t.before.all(now), ""
		}
	}
	if ok || len(found) > 0 {
		return nil, NameDisagrees
	}
	return nil, NoSuchUnit
}

// choose takes the only successor, or the one that took the whole population; else the citizen picks (L2).
func (c *Conversion) choose() {
	picked := -1
	for i, s := range c.Successors {
		if len(c.Successors) == 1 || s.Transfer == PartAreaAllPopulation {
			if picked >= 0 {
				picked = -1
				break
			}
			picked = i
		}
	}
	if picked < 0 {
		c.State = Ambiguous
		return
	}
	c.State, c.Unit, c.Transfer = Converted, c.Successors[picked].Unit, c.Successors[picked].Transfer
}

// ofOldProvince converts an address that names no commune: an island district became one special zone, and every
// province went whole into one of today.
func (c *Conversion) ofOldProvince(t *table) {
	a := c.Issued
	line, island := t.districts[a.DistrictCode]
	if !island {
		var ok bool
		if line, ok = t.oldToNew[a.ProvinceCode]; !ok {
			c.unknown(NoSuchUnit)
			return
		}
	}
	r := t.row(line)
	switch {
	case a.ProvinceCode != "" && a.ProvinceCode != r[oldProvinceCode]:
		c.unknown(CodesDisagree)
	case !t.sameUnit(a.Province, r[oldProvince]) || island && !t.sameUnit(a.District, r[oldDistrict]):
		c.unknown(NameDisagrees)
	case island:
		c.Before = r.old()
		c.Successors = []Successor{r.successor()}
		c.choose()
	default:
		c.State, c.Unit = Converted, Unit{Province: r.successor().Unit.Province}
		c.Before = Old{ProvinceCode: r[oldProvinceCode], Province: r[oldProvince]}
	}
}

// joined writes the parts of an address as papers do: kind words in lower case after the first part.
func joined(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
			first, size := utf8.DecodeRuneInString(p)
			b.WriteRune(unicode.ToLower(first))
			p = p[size:]
		}
		b.WriteString(p)
	}
	return b.String()
}
