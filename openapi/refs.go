package openapi

import (
	"context"
	"errors"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/seal"
)

// Kinds of reference by which things are named outside (E4).
const (
	kindDocument   = "document"
	kindRequest    = "request"
	kindGrant      = "grant"
	kindDisclosure = "disclosure"
	kindEntry      = "entry"
	kindRelation   = "relation"
	kindApproval   = "approval" // with its kind behind it
	kindContact    = "contact"
	kindSubject    = "subject" // of a receipt: the paper whose person is meant
)

// ref names a thing for the caller's sector.
func (a *API) ref(ctx context.Context, kind string, id [16]byte) string {
	return a.Deployment.Ref(caller(ctx).Sector, kind, id[:])
}

// openRef reads a name made for the caller's sector; every other string is [seal.ErrNotRef], answered as not found.
func (a *API) openRef(ctx context.Context, kind, ref string) (id [16]byte, err error) {
	raw, err := a.Deployment.OpenRef(caller(ctx).Sector, kind, ref)
	if err != nil || len(raw) != 16 {
		return id, seal.ErrNotRef
	}
	return [16]byte(raw), nil
}

// who reads the {person} of a path: me, or a handle the caller was given. Any other string is answered after the caller was judged, as a relation
// that does not stand is (S1).
func (a *API) who(ctx context.Context, handle string) (consent.Acting, error) {
	me := caller(ctx)
	acting, err := a.Consent.Who(me.Vault, me.Sector, handle)
	if errors.Is(err, consent.ErrNotFound) {
		return acting, a.missing(ctx, guarded(ctx))
	}
	return acting, err
}

// vaultsOf returns the vaults of one person, the main one first. It is read once a request; what was joined never comes apart.
func (a *API) vaultsOf(ctx context.Context, main identity.VaultID) ([]identity.VaultID, error) {
	return a.People.VaultsOf(ctx, main)
}

// reading is the entry of a citizen's reading, of their own vault or one they act for.
func reading(ctx context.Context, vault identity.VaultID) audit.Entry {
	me := caller(ctx)
	return audit.Entry{Vault: vault, Actor: audit.Actor{Vault: me.Vault, Client: me.ClientID}, RequestTrace: requestOf(ctx).id}
}

// organisationName returns the name in the reader's language, the id when it is not known any more.
func (a *API) organisationName(ctx context.Context, id string) (string, error) {
	names, err := a.Names.All(ctx)
	if err != nil {
		return "", err
	}
	name, ok := names[id]
	switch {
	case !ok:
		return id, nil
	case requestOf(ctx).language == "en":
		return name.EN, nil
	}
	return name.VI, nil
}
