package consent

import (
	"slices"

	"vidan/audit"
	"vidan/identity"
)

// Permit opens documents inside one transaction, and is the only thing that does: only [Redemption.Permit] fills one, while the locks of that
// transaction hold the state it was made from, and it means nothing after it. The zero value opens nothing and whoever takes a permit
// refuses it. Its slices are shared and must not be changed.
type Permit struct {
	plan       Plan
	grants     []grantRow // opened, in ascending order of vault
	client     string
	disclosure identity.DisclosureID
	repeated   bool
}

// IsZero reports a permit that was never minted.
func (p Permit) IsZero() bool { return len(p.grants) == 0 }

// Plan returns what the request asked; see there for procedure, dossier, purpose and who has which role.
func (p Permit) Plan() Plan { return p.plan }

// Organisation returns who may read.
func (p Permit) Organisation() string { return p.plan.Organisation() }

// Client returns the client that reads.
func (p Permit) Client() string { return p.client }

// Officer returns the officer who asked.
func (p Permit) Officer() audit.Officer { return p.plan.Officer() }

// Disclosure names this release: the same when it is repeated.
func (p Permit) Disclosure() identity.DisclosureID { return p.disclosure }

// Repeated reports that this release was made before: it uses nothing up and shows the same revisions.
func (p Permit) Repeated() bool { return p.repeated }

// Vaults returns the people who allowed something, in ascending order. Of everybody else nothing may be opened.
func (p Permit) Vaults() []identity.VaultID {
	list := make([]identity.VaultID, len(p.grants))
	for i := range p.grants {
		list[i] = p.grants[i].vault
	}
	return list
}

// Has reports whether a person allowed something.
func (p Permit) Has(vault identity.VaultID) bool { return p.of(vault) != nil }

// Grant returns the person's grant, zero for none.
func (p Permit) Grant(vault identity.VaultID) identity.GrantID {
	if r := p.of(vault); r != nil {
		return r.id
	}
	return identity.GrantID{}
}

// Fields returns the fields that a person allowed, in the order of the form.
func (p Permit) Fields(vault identity.VaultID) []string {
	if r := p.of(vault); r != nil {
		return r.body.Fields
	}
	return nil
}

// Allows reports whether a person allowed a field.
func (p Permit) Allows(vault identity.VaultID, field string) bool {
	return slices.Contains(p.Fields(vault), field)
}

// Roles returns the roles of a person who allowed something.
func (p Permit) Roles(vault identity.VaultID) []string {
	if r := p.of(vault); r != nil {
		return r.body.Roles
	}
	return nil
}

// Pinned returns the papers that a person's grant opens in exactly these revisions, and true; or false, when it opens whatever is current. They
// lie in the vaults of the dossier's people, not all in that person's.
func (p Permit) Pinned(vault identity.VaultID) ([]DocRevision, bool) {
	r := p.of(vault)
	if r == nil || r.mode != Once && !p.repeated {
		return nil, false
	}
	list := make([]DocRevision, len(r.documents))
	for i := range r.documents {
		list[i] = DocRevision{Document: r.documents[i], Revision: int(r.revisions[i])}
	}
	return list, true
}

func (p Permit) of(vault identity.VaultID) *grantRow {
	for i := range p.grants {
		if p.grants[i].vault == vault {
			return &p.grants[i]
		}
	}
	return nil
}
