package person

import (
	"slices"

	"vidan/identity"
)

// Basis says on what ground somebody is believed to be who they are. The set is closed; it stands in clear beside the row it is
// the ground of, and in the record.
type Basis string

const (
	// IdentityCard: the officer saw the identity card (thẻ căn cước) and the person.
	IdentityCard Basis = "identity_card"
	// PopulationDatabase: the national population database (Cơ sở dữ liệu quốc gia về dân cư) answered.
	PopulationDatabase Basis = "population_database"
	// CivilRegister: the register of births or an extract of it (sổ hộ tịch, trích lục hộ tịch).
	CivilRegister Basis = "civil_register"
	// ForeignPassport: a passport and residence card of a foreigner lawfully in the country.
	ForeignPassport Basis = "foreign_passport"
	// CourtDecision: a decision of a court.
	CourtDecision Basis = "court_decision"
	// NumberReplaced: a decision by which a person's number was replaced (xác lập lại số định danh cá nhân). It alone gives a person a second
	// number, or joins two vaults that have one each; the replaced number goes on leading to the person.
	NumberReplaced Basis = "number_replaced"
	// SignedResult: a signed result that opened a vault or named a newborn (docs/RESULTS.md §2, rules 3 and 4). The registrar cannot use it.
	SignedResult Basis = "signed_result"
)

// Evidence is the basis of an act and the registrar's own reference of the file it lies in. The reference is kept in seals
// only; it names a file, never a person.
type Evidence struct {
	Basis     Basis  `json:"basis"`
	Reference string `json:"reference"` // 1–100 characters
}

// Bases returns the bases on which a registrar may act.
func Bases() []Basis {
	return []Basis{IdentityCard, PopulationDatabase, CivilRegister, ForeignPassport, CourtDecision, NumberReplaced}
}

func (e Evidence) check() error {
	line, err := identity.ParsePrivate(e.Reference, 100)
	if err != nil || line.Reveal() != e.Reference || !slices.Contains(Bases(), e.Basis) {
		return ErrEvidence
	}
	return nil
}
