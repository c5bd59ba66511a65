package person

import (
	"slices"

	"vidan/identity"
)

// RepresentativeRight says by what right somebody opens another's account.
type RepresentativeRight string

// The rights, as the relations of package consent name them.
const (
	ByMother RepresentativeRight = "mother"
	ByFather RepresentativeRight = "father"
	// ByAppointment is that of a guardian or appointed representative (người giám hộ, người đại diện theo pháp luật).
	ByAppointment RepresentativeRight = "legal_representative"
)

// Representative is who opens the account of a child under 14 or of a ward, with their own account of level 2 (Decree 69/2024 Art. 11(6) as
// amended by 320/2026), and on what proof the officer believes the right: the register, or a court's decision.
type Representative struct {
	Vault identity.VaultID
	Right RepresentativeRight
	Proof Evidence
}

// IsZero reports that nobody else opens the account.
func (r Representative) IsZero() bool { return r == Representative{} }

// check refuses what proves no right. A passport or a card says who somebody is, never whose child.
func (r Representative) check() error {
	switch {
	case r.Vault.IsZero(), !slices.Contains([]RepresentativeRight{ByMother, ByFather, ByAppointment}, r.Right):
		return ErrRepresentative
	case !slices.Contains([]Basis{CivilRegister, PopulationDatabase, CourtDecision}, r.Proof.Basis), r.Right == ByAppointment && r.Proof.Basis == PopulationDatabase:
		return ErrRepresentative
	}
	return r.Proof.check()
}

// sealedRepresentative is how a representative stands in the profile of whom they opened the account for.
type sealedRepresentative struct {
	Vault     identity.VaultID    `json:"vault"`
	Right     RepresentativeRight `json:"right"`
	Basis     Basis               `json:"basis"`
	Reference string              `json:"reference"`
}

func (r Representative) sealed() *sealedRepresentative {
	if r.IsZero() {
		return nil
	}
	return &sealedRepresentative{r.Vault, r.Right, r.Proof.Basis, r.Proof.Reference}
}

func (s *sealedRepresentative) representative() Representative {
	if s == nil {
		return Representative{}
	}
	return Representative{Vault: s.Vault, Right: s.Right, Proof: Evidence{s.Basis, s.Reference}}
}
