package procedure

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// Text is one text in both languages.
type Text struct {
	VI string `json:"vi"`
	EN string `json:"en"`
}

// Verified says how sure a statement of the catalogue is.
type Verified string

// The grades.
const (
	VerifiedYes        Verified = "yes"
	VerifiedSecondary  Verified = "secondary"  // read in a secondary source
	VerifiedComputed   Verified = "computed"   // derived, for days of the lunar calendar
	VerifiedNo         Verified = "no"         // remembered or assumed: nobody may rely on it
	VerifiedSuperseded Verified = "superseded" // was so once
)

// Procedure is one administrative procedure (thủ tục hành chính): who takes part, what its form asks for and where each
// field may be found, what it results in.
type Procedure struct {
	ID         string          `json:"id"`
	Code       ProcedureCode   `json:"code"`
	Name       Text            `json:"name"`
	Group      *Membership     `json:"group"` // nil outside the interlinked groups
	DependsOn  []Dependency    `json:"depends_on"`
	LegalBasis []LegalBasis    `json:"legal_basis"`
	Agency     Agency          `json:"agency"`
	TimeLimit  TimeLimit       `json:"time_limit"`
	Applicants []ApplicantRule `json:"applicants"`
	Basis      Basis           `json:"basis"`
	ConsentBy  ConsentBy       `json:"consent_by"`
	// MinimumIdentityLevel is 1 or 2, for online self-service: a counter never demands an account.
	MinimumIdentityLevel int          `json:"minimum_identity_level"`
	SensitiveFields      []string     `json:"sensitive_fields"`
	Attachments          []Attachment `json:"attachments"`
	Produces             []Product    `json:"produces"`
	Checks               []Check      `json:"consistency_checks"`
	Unverified           []string     `json:"unverified"` // what nobody has confirmed

	Roles  []Role  `json:"-"` // people of a dossier, in the order of the file
	Fields []Field `json:"-"` // of the form, in its order

	fields map[string]int
}

// ProcedureCode is the number of a procedure or group in the national list.
type ProcedureCode struct {
	Value    string   `json:"value"`
	Scheme   string   `json:"scheme"` // national_tthc, or local for a number of our own
	Verified Verified `json:"verified"`
	Source   *string  `json:"source"`
	Replaces []string `json:"replaces,omitempty"` // groups: the numbers before
}

// Membership places a procedure in an interlinked group (liên thông).
type Membership struct {
	ID    string `json:"id"`
	Order int    `json:"order"` // from 1
}

// Dependency is a procedure whose result must exist before.
type Dependency struct {
	Procedure    string `json:"procedure"`
	Needs        string `json:"needs"`
	DocumentType string `json:"document_type"`
	Subject      string `json:"subject"` // role in whose home the result is found
}

// LegalBasis is one text of law a procedure rests on.
type LegalBasis struct {
	Ref      string   `json:"ref"`
	Title    string   `json:"title"`
	Verified Verified `json:"verified"`
	Source   *string  `json:"source"`
}

// Agency is the kind of agency that runs a procedure.
type Agency struct {
	Kind   string `json:"kind"`
	NameVI string `json:"name_vi"`
	NameEN string `json:"name_en"`
}

// TimeLimit is how long a procedure may take. Value is nil where it is not known.
type TimeLimit struct {
	Value                  *int     `json:"value"`
	Unit                   string   `json:"unit"`
	TextEN                 string   `json:"text_en"`
	VerificationExtendedTo *Period  `json:"verification_extended_to"`
	Verified               Verified `json:"verified"`
	Source                 *string  `json:"source"`
}

// Period is a number of working days.
type Period struct {
	Value int    `json:"value"`
	Unit  string `json:"unit"`
}

// ApplicantRule says who may apply; Order 1 comes first.
type ApplicantRule struct {
	Role      string `json:"role"`
	Condition string `json:"condition"`
	Order     int    `json:"order"`
}

// Basis says on what ground facts are read from vaults.
type Basis struct {
	Kind     BasisKind     `json:"kind"`
	Subjects BasisSubjects `json:"subjects"`
	Ref      string        `json:"ref"`
	Article  string        `json:"article"`
	Verified Verified      `json:"verified"`
	Source   *string       `json:"source"`
	Note     string        `json:"note"`
}

// BasisKind is the kind of ground.
type BasisKind string

// The grounds. Statutory is used only for the deceased, and needs a legal opinion before an operator turns it on.
const (
	Consent   BasisKind = "consent"
	Statutory BasisKind = "statutory"
)

// BasisSubjects are the roles a basis covers; nil stands for all.
type BasisSubjects []string

// UnmarshalJSON reads "all" or a list of roles.
func (b *BasisSubjects) UnmarshalJSON(data []byte) error {
	if string(data) == `"all"` {
		*b = nil
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil || len(list) == 0 {
		return fmt.Errorf("basis covers neither all nor a list of roles")
	}
	*b = list
	return nil
}

// For returns the ground on which the facts of a role are read. Who is not covered by a statutory basis is asked.
func (b Basis) For(role string) BasisKind {
	if b.Subjects == nil || slices.Contains(b.Subjects, role) {
		return b.Kind
	}
	return Consent
}

// ConsentBy says who must agree.
type ConsentBy string

// The three forms of agreement.
const (
	BySubjectOrRepresentative    ConsentBy = "data_subject_or_legal_representative"
	ByRepresentativeAndEachAdult ConsentBy = "legal_representative_for_child_and_each_adult_subject"
	ByApplicantRelatedToDeceased ConsentBy = "applicant_with_proven_relation_to_deceased"
)

// Role is one of the people of a dossier. Who has a role is settled before any mapping runs.
type Role struct {
	ID    string
	About string // English
}

// Field is one field of the form.
type Field struct {
	Name        string
	TitleVI     string
	TitleEN     string
	Type        string // JSON type
	Shape       string // "address" for the address block, else empty
	Pattern     string
	Format      string
	Enum        []string
	Subject     string // role of the person the field is about
	Required    bool
	ManualEntry bool      // the citizen may type it
	Locked      bool      // shown but not editable once prefilled from a signed document
	Sensitive   bool      // has a sensitive source, or is sensitive in itself
	Reuse       []*Source // in priority order; empty: it must be typed
}

// Source is one way to find a value, or a paper: an entry of x-reuse, of satisfied_by or of a consistency check.
type Source struct {
	Priority int               `json:"priority"` // from 1 among the sources of a field
	Subject  string            `json:"subject"`  // role of the person by whom the paper is found
	Type     string            `json:"document_type"`
	Pointer  string            `json:"pointer"`
	As       string            `json:"as"`       // role in the paper that Of must have
	Of       string            `json:"of"`       // role of the person whose fact is read; set even where the file leaves it out
	With     map[string]string `json:"with"`     // further roles of the paper to roles of the dossier, all of which must agree
	Proposal bool              `json:"proposal"` // a fact of another person, offered: never locked, needs that person's own grant

	typ    *DocumentType
	place  *schema
	path   []string
	stands string // role in the paper of Subject
}

// Attachment is a paper the procedure asks for (thành phần hồ sơ).
type Attachment struct {
	ID               string    `json:"id"`
	Title            string    `json:"title"`
	Required         bool      `json:"required"`
	SatisfiedBy      []*Source `json:"satisfied_by"` // any one makes the paper unnecessary
	ElectronicSource *string   `json:"electronic_source"`
}

// Product is what a procedure results in.
type Product struct {
	DocumentType string            `json:"document_type"` // empty where the catalogue has no schema for it
	Home         string            `json:"home"`          // role in whose vault it lies
	Roles        map[string]string `json:"roles"`         // role in the document to role of the dossier
	Holders      []Holder          `json:"holders"`
	NameVI       string            `json:"name_vi"`
}

// Holder is who else may see a result: a link, never a copy.
type Holder struct {
	Role   string       `json:"role"`
	Reason HolderReason `json:"reason"`
	Until  HolderUntil  `json:"until"`
}

// HolderReason is why somebody holds a paper of another's vault.
type HolderReason string

// The reasons.
const (
	ReasonParent              HolderReason = "parent"
	ReasonLegalRepresentative HolderReason = "legal_representative"
	ReasonCoSubject           HolderReason = "co_subject"
	ReasonDeclarant           HolderReason = "declarant"
	ReasonHeir                HolderReason = "heir"
)

// HolderUntil is when a holding ends.
type HolderUntil string

// The ends; a holding by representation ends earlier when the representation does.
const (
	UntilChildTurns18 HolderUntil = "child_turns_18"
	UntilNoEnd        HolderUntil = "no_end"
)

// Field returns a field of the form by its name.
func (p *Procedure) Field(name string) (*Field, bool) {
	i, ok := p.fields[name]
	if !ok {
		return nil, false
	}
	return &p.Fields[i], true
}

// FieldsOutside returns those of the names that are no field of the procedure, in the given order: a request may ask for
// nothing else.
func (p *Procedure) FieldsOutside(names []string) []string {
	var outside []string
	for _, n := range names {
		if _, ok := p.fields[n]; !ok {
			outside = append(outside, n)
		}
	}
	return outside
}

// HasRole reports whether the dossiers of the procedure know a role.
func (p *Procedure) HasRole(role string) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return r.ID == role })
}

// ProductOf returns what the procedure says of a document type it results in.
func (p *Procedure) ProductOf(documentType string) (Product, bool) {
	for _, r := range p.Produces {
		if r.DocumentType == documentType && documentType != "" {
			return r, true
		}
	}
	return Product{}, false
}

// sortedKeys returns the keys of a map in order, so that every answer is the same answer.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
