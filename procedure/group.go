package procedure

// Group is a set of procedures that run together on one form (liên thông điện tử).
type Group struct {
	ID       string        `json:"id"`
	Code     ProcedureCode `json:"code"`
	Name     Text          `json:"name"`
	Members  []string      `json:"members"`          // in order
	Optional []string      `json:"optional_members"` // may be left out
	Edges    [][2]string   `json:"edges"`            // the result of the first is needed by the second
	Limit    GroupLimit    `json:"overall_limit"`
	Steps    *StepLimits   `json:"step_limits"` // current where both speak of a step
}

// GroupLimit is how long a group may take; variants by case where there is no single value.
type GroupLimit struct {
	Value            int            `json:"value"`
	WithVerification int            `json:"with_verification"`
	Variants         []LimitVariant `json:"variants"`
	Unit             string         `json:"unit"`
	Verified         Verified       `json:"verified"`
	Source           string         `json:"source"`
	Note             string         `json:"note"`
}

// LimitVariant is the limit of one case.
type LimitVariant struct {
	Case  string `json:"case"`
	Value int    `json:"value"`
}

// StepLimits are the limits of the single procedures of a group.
type StepLimits struct {
	Source   string      `json:"source"`
	Verified Verified    `json:"verified"`
	Unit     string      `json:"unit"`
	Steps    []StepLimit `json:"steps"`
}

// StepLimit is the limit of one procedure, or of one case of it.
type StepLimit struct {
	Step             string `json:"step"`
	Case             string `json:"case"`
	Value            int    `json:"value"`
	WithVerification int    `json:"with_verification"`
	Note             string `json:"note"`
}

// TransferRule is a duty in the exchange between systems of a group.
type TransferRule struct {
	ID       string   `json:"id"`
	Rule     string   `json:"rule"`
	Source   string   `json:"source"`
	Verified Verified `json:"verified"`
}
