package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/delivery"
	"vidan/identity"
	"vidan/person"
)

// OwnContact is a way to reach a person, as they and the officer at a counter see it.
type OwnContact struct {
	ID        string    `json:"contact_id"`
	Kind      string    `json:"kind" enum:"sms,email,post"`
	Address   string    `json:"address"`
	Shared    bool      `json:"shared_by_household" doc:"No code ever goes there."`
	State     string    `json:"state" enum:"pending,active,suspended" doc:"pending: the code sent there did not come back yet; suspended: registered to somebody who died."`
	Verified  string    `json:"verified_how" enum:"counter,code,register,none"`
	Since     time.Time `json:"since"`
	CodesFrom time.Time `json:"codes_from" doc:"Seven days old: from then on codes may go there, if it is yours alone."`
}

type contactsOutput struct {
	Body struct {
		Items     []OwnContact `json:"items"`
		Preferred string       `json:"preferred_channel" enum:"sms,email,post,counter,none"`
	}
}

type addContactInput struct {
	Body struct {
		Kind    string `json:"kind" enum:"sms,email"`
		Address string `json:"address" minLength:"3" maxLength:"300" example:"0900000003"`
	}
}

type contactOutput struct{ Body OwnContact }

type confirmContactInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Code      string `json:"code" minLength:"8" maxLength:"16"`
		Preferred bool   `json:"preferred,omitempty" doc:"Notices and codes go to its channel from now on."`
	}
}

type contactInput struct {
	ID string `path:"id" maxLength:"200"`
}

// ContactChange is what changes at a counter: a contact more, a contact less, or both.
type ContactChange struct {
	Add *CounterContact `json:"add,omitempty"`
	End string          `json:"end,omitempty" maxLength:"200" doc:"contact_id of the contact that ends."`
}

// CounterContact is a contact that the person shows to an officer.
type CounterContact struct {
	Kind      string `json:"kind" enum:"sms,email,post"`
	Address   string `json:"address" minLength:"3" maxLength:"300" example:"0900000003"`
	Shared    bool   `json:"shared_by_household,omitempty"`
	Preferred bool   `json:"preferred,omitempty"`
}

type changeContactsInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who proposes. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         struct {
		ContactChange
		Evidence Evidence `json:"evidence"`
	}
}

type citizenContactsInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200" doc:"Handle from an earlier answer."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
}

func (a *API) registerContacts(own []string) {
	tags, mine := []string{"citizen"}, []string{codeNotFound, "recently_recovered", "record_unavailable", "keys_unavailable", "outcome_unknown"}
	operation(a, huma.Operation{OperationID: "list-contacts", Method: http.MethodGet, Path: "/v1/me/contacts", Tags: tags,
		Summary: "How you are reached", Description: "Your contacts, oldest first."}, citizen(1), []string{"keys_unavailable"}, a.listContacts)
	operation(a, huma.Operation{OperationID: "add-contact", Method: http.MethodPost, Path: "/v1/me/contacts", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Add a contact", Description: "A code is sent there; with it the contact counts. The session must have been confirmed with a second factor within 15 minutes. Adding the same address again is the same contact."},
		citizen(2), append([]string{"too_many_contacts"}, mine...), a.addContact)
	operation(a, huma.Operation{OperationID: "confirm-contact", Method: http.MethodPost, Path: "/v1/me/contacts/{id}/confirm", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Confirm a contact", Description: "The code that was sent there. Every try counts; after five, remove the contact and add it again."},
		citizen(2), append([]string{"activation_invalid"}, mine...), a.confirmContact)
	operation(a, huma.Operation{OperationID: "remove-contact", Method: http.MethodDelete, Path: "/v1/me/contacts/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Remove a contact", Description: "It and your other contacts are told. The session must have been confirmed with a second factor within 15 minutes."},
		citizen(2), mine, a.removeContact)
	operation(a, huma.Operation{OperationID: "list-citizen-contacts", Method: http.MethodGet, Path: "/v1/citizens/{person}/contacts", Tags: []string{"registrar"},
		Summary: "How a person is reached", Description: "For the officer who is to change it. The reading is recorded."},
		machine(auth.ScopeRegistrar), own, a.listCitizenContacts)
	operation(a, huma.Operation{OperationID: "change-contacts", Method: http.MethodPost, Path: "/v1/citizens/{person}/contacts", Tags: []string{"registrar"}, DefaultStatus: http.StatusAccepted,
		Summary: "Change a contact at a counter", Description: "A first officer proposes; a second one confirms within 24 hours. Every contact, old and new, is told."},
		machine(auth.ScopeRegistrar), append([]string{"death_reported", "too_many_contacts"}, own...), a.changeContacts)
}

func (a *API) ownContact(ctx context.Context, c person.Contact) OwnContact {
	return OwnContact{
		ID: a.ref(ctx, kindContact, c.ID.Bytes()), Kind: string(c.Channel), Address: c.Address.Reveal(), Shared: c.Shared, State: string(c.State),
		Verified: string(c.Verified), Since: c.Since, CodesFrom: c.Since.Add(person.ContactRest),
	}
}

func (a *API) contacts(ctx context.Context, list []person.Contact, preferred delivery.Channel) *contactsOutput {
	out := &contactsOutput{}
	out.Body.Items, out.Body.Preferred = make([]OwnContact, len(list)), string(preferred)
	for i, c := range list {
		out.Body.Items[i] = a.ownContact(ctx, c)
	}
	return out
}

func (a *API) listContacts(ctx context.Context, _ *struct{}) (*contactsOutput, error) {
	keys, err := a.Vaults.OpenOne(ctx, a.Pool, caller(ctx).Vault)
	if err != nil {
		return nil, err
	}
	list, preferred, err := a.People.MyContacts(ctx, guarded(ctx), keys)
	if err != nil {
		return nil, err
	}
	return a.contacts(ctx, list, preferred), nil
}

func (a *API) addContact(ctx context.Context, in *addContactInput) (*contactOutput, error) {
	me := caller(ctx)
	if _, err := a.Auth.SessionAuthority(me); err != nil {
		return nil, err
	}
	n := person.NewContact{Channel: delivery.Channel(in.Body.Kind)}
	var err error
	if n.Address, err = person.ParseAddress(n.Channel, in.Body.Address); err != nil {
		return nil, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/address", Code: "format"})
	}
	added, err := a.People.AddContact(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, n)
	if err != nil {
		return nil, err
	}
	return &contactOutput{Body: a.ownContact(ctx, added)}, nil
}

// contactID reads the id of a contact; any other string is one that is not there.
func (a *API) contactID(ctx context.Context, ref string) identity.ObjectID {
	id, err := a.openRef(ctx, kindContact, ref)
	if err != nil {
		return identity.NewID[identity.ObjectID]()
	}
	return identity.FromBytes[identity.ObjectID](id)
}

func (a *API) confirmContact(ctx context.Context, in *confirmContactInput) (*struct{}, error) {
	me := caller(ctx)
	code, err := person.ParseCode(in.Body.Code)
	if err != nil {
		return nil, err
	}
	return nil, a.People.ConfirmContact(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, a.contactID(ctx, in.ID), code, in.Body.Preferred)
}

func (a *API) removeContact(ctx context.Context, in *contactInput) (*struct{}, error) {
	me := caller(ctx)
	if _, err := a.Auth.SessionAuthority(me); err != nil {
		return nil, err
	}
	return nil, a.People.EndContact(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, a.contactID(ctx, in.ID))
}

func (a *API) listCitizenContacts(ctx context.Context, in *citizenContactsInput) (*contactsOutput, error) {
	by, vault, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightContact}, in.Person)
	if err != nil {
		return nil, err
	}
	list, preferred, err := a.People.ContactsAt(ctx, by.guard, by.actor, vault)
	if err != nil {
		return nil, err
	}
	return a.contacts(ctx, list, preferred), nil
}

func (a *API) changeContacts(ctx context.Context, in *changeContactsInput) (*approvalOutput, error) {
	var change person.ContactChange
	if add := in.Body.Add; add != nil {
		change.Add = person.NewContact{Channel: delivery.Channel(add.Kind), Shared: add.Shared, Preferred: add.Preferred}
		var err error
		if change.Add.Address, err = person.ParseAddress(change.Add.Channel, add.Address); err != nil {
			return nil, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/add/address", Code: "format"})
		}
	}
	if in.Body.End != "" {
		change.End = a.contactID(ctx, in.Body.End)
	}
	return a.proposed(ctx, in.Organisation, in.Person, person.ApproveContact, func(by guardAndActor, vault identity.VaultID) (person.Approval, error) {
		return a.People.ChangeContact(ctx, by.guard, by.actor, vault, change, in.Body.Evidence.domain())
	})
}

// contactChangeOf shows a proposed change to the second officer.
func (a *API) contactChangeOf(ctx context.Context, c person.ContactChange) *ContactChange {
	out := &ContactChange{}
	if n := c.Add; n.Channel != "" {
		out.Add = &CounterContact{Kind: string(n.Channel), Address: n.Address.Reveal(), Shared: n.Shared, Preferred: n.Preferred}
	}
	if !c.End.IsZero() {
		out.End = a.ref(ctx, kindContact, c.End.Bytes())
	}
	return out
}
