package consent

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"vidan/identity"
	"vidan/procedure"
)

// checkRequest holds what can be told without reading anything, and fills in the defaults.
func (l *Ledger) checkRequest(r *NewRequest, now time.Time) (*procedure.Procedure, error) {
	p, ok := l.catalogue.Procedure(r.Procedure)
	if !ok {
		return nil, fmt.Errorf("%w: unknown procedure", ErrRequest)
	}
	if r.Mode == "" {
		r.Mode = Once
	}
	if r.Expiry == 0 {
		r.Expiry = DefaultExpiry
	}
	if r.Until.IsZero() && r.Mode != Until {
		r.Until = now.Add(DefaultTerm)
	}
	r.Until = r.Until.UTC().Truncate(time.Second)
	switch {
	case !isWord(r.Organisation) || !isWord(r.Client) || !isWord(r.Officer.ID):
		return nil, fmt.Errorf("%w: organisation, client and officer are needed", ErrRequest)
	case !printable(r.Dossier, 64) || !isCode(r.Purpose):
		return nil, fmt.Errorf("%w: dossier or purpose code", ErrRequest)
	case r.Officer.Post != "" && !printable(r.Officer.Post, 200) || r.Officer.Unit != "" && !isWord(r.Officer.Unit):
		return nil, fmt.Errorf("%w: post or unit of the officer", ErrRequest)
	case r.IdempotencyKey == "" || len(r.IdempotencyKey) > 255:
		return nil, fmt.Errorf("%w: idempotency key", ErrRequest)
	case !r.Mode.Valid() || (r.Mode == Uses) != (r.Uses > 0) || r.Uses < 0 || r.Uses > MaxUses:
		return nil, fmt.Errorf("%w: mode and uses", ErrRequest)
	case !r.Until.After(now) || r.Until.After(maxTerm(now)):
		return nil, fmt.Errorf("%w: until is not within twelve months", ErrRequest)
	case r.Expiry < time.Minute || r.Expiry > MaxExpiry:
		return nil, fmt.Errorf("%w: expiry is not within thirty days", ErrRequest)
	case len(r.Parties) == 0 || len(r.Parties) > maxParties:
		return nil, fmt.Errorf("%w: parties", ErrRequest)
	}
	taken := make(map[string]bool)
	for _, party := range r.Parties {
		if len(party.Roles) == 0 || party.Ref.IsZero() {
			return nil, fmt.Errorf("%w: a party without role or reference", ErrRequest)
		}
		for _, role := range party.Roles {
			if !p.HasRole(role) || taken[role] {
				return nil, fmt.Errorf("%w: a role is unknown or given twice", ErrRequest)
			}
			taken[role] = true
		}
	}
	return p, nil
}

// Check holds a request against everything that can be told without reading who its people are: what [Ledger.Create] would refuse in it as
// [ErrRequest] or *[OutsideFields] is refused here, and nothing is written.
func (l *Ledger) Check(r NewRequest) error {
	now := l.now()
	p, err := l.checkRequest(&r, now)
	if err != nil {
		return err
	}
	if outside := p.FieldsOutside(r.Fields); len(outside) > 0 {
		return &OutsideFields{Procedure: r.Procedure, Fields: outside}
	}
	someone := make([]identity.VaultID, len(r.Parties))
	for i := range someone {
		someone[i] = identity.NewVaultID()
	}
	parties, err := mergeParties(p, r.Parties, someone)
	if err != nil {
		return err
	}
	_, err = newContent(p, r, parties, now)
	return err
}

// printable reports 1 to n characters without control characters.
func printable(s string, n int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= n &&
		!slices.ContainsFunc([]rune(s), unicode.IsControl)
}

// isWord reports 1 to 128 visible ASCII characters: an id as the record takes it.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// isCode reports a word of 1 to 64 lower-case ASCII letters, digits, "_", "." and "-".
func isCode(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isFieldName accepts what the catalogue uses as names of form fields: lower-case letters, digits and "_", a letter first.
func isFieldName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return plainName(s)
}
