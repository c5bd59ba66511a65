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

// Enrolment is what the registrar knows of a person at the counter.
type Enrolment struct {
	PersonalNumber   string    `json:"personal_number" pattern:"^[0-9]{12}$" example:"099326000004"`
	Kind             string    `json:"kind,omitempty" enum:"citizen,foreigner" default:"citizen"`
	FullName         string    `json:"full_name" minLength:"2" maxLength:"100" example:"TRẦN MINH AN"`
	BirthDate        string    `json:"birth_date" pattern:"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$" example:"2026-09-28" doc:"As precise as the register knows it."`
	Sex              string    `json:"sex" enum:"male,female"`
	Level            int       `json:"level" minimum:"0" maximum:"2" doc:"0: papers are kept, nobody signs in; 1, 2: account levels."`
	Contacts         []Contact `json:"contacts,omitempty" maxItems:"10"`
	PreferredChannel string    `json:"preferred_channel,omitempty" enum:"sms,email,post,counter,none" default:"none"`
	Evidence         Evidence  `json:"evidence"`
	BirthNotice      string    `json:"pending_birth_notice,omitempty" maxLength:"18" doc:"The newborn whose number was pending."`
	// Ward and Representative are for those who do not act alone.
	Ward           bool            `json:"ward,omitempty" doc:"Somebody else represents the person, whatever their age."`
	Representative *Representative `json:"representative,omitempty" doc:"Opens the account of a child under 14 or a ward; with their own account of level 2."`
}

// Representative is who opens another's account, and on what proof.
type Representative struct {
	Who   PersonName `json:"who"`
	Right string     `json:"right" enum:"mother,father,legal_representative"`
	Proof Evidence   `json:"proof" doc:"The register or a court's decision that shows the right."`
}

// Contact is a way to reach a person.
type Contact struct {
	Kind       string     `json:"kind" enum:"sms,email,post"`
	Address    string     `json:"address" minLength:"3" maxLength:"300" example:"0900000003"`
	Shared     bool       `json:"shared_by_household"`
	Verified   string     `json:"verified_how,omitempty" enum:"counter,code,register,none" default:"none"`
	VerifiedAt *time.Time `json:"verified_at,omitempty"`
}

// Evidence is on what ground the registrar acts.
type Evidence struct {
	Basis     string `json:"basis" enum:"identity_card,population_database,civil_register,foreign_passport,court_decision,number_replaced"`
	Reference string `json:"reference" minLength:"1" maxLength:"100" doc:"The registrar's own file."`
}

func (e Evidence) domain() person.Evidence {
	return person.Evidence{Basis: person.Basis(e.Basis), Reference: e.Reference}
}

// PersonName names a person for the registrar: exactly one member.
type PersonName struct {
	Person         string `json:"person,omitempty" maxLength:"200" doc:"Handle from an earlier answer."`
	PersonalNumber string `json:"personal_number,omitempty" pattern:"^[0-9]{12}$"`
	BirthNotice    string `json:"birth_notice_number,omitempty" maxLength:"18"`
}

type enrolInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who acts. Not with a token in which an officer acts."`
	Idempotency  string `header:"Idempotency-Key" maxLength:"200" doc:"Your own key: the same key and body enrol once."`
	Organisation string `query:"organisation" required:"true" maxLength:"64" doc:"The registrar you act for."`
	Body         Enrolment
}

type enrolOutput struct {
	Body struct {
		Person   string `json:"person" doc:"Handle for later calls."`
		CodeSent bool   `json:"code_sent" doc:"An activation code is on its way by the preferred channel."`
	}
}

type bindInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who acts. Not with a token in which an officer acts."`
	Organisation string `query:"organisation" required:"true" maxLength:"64"`
	Body         struct {
		Who      PersonName `json:"who"`
		Number   string     `json:"personal_number" pattern:"^[0-9]{12}$"`
		Evidence Evidence   `json:"evidence"`
	}
}

type joinInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who acts. Not with a token in which an officer acts."`
	Organisation string `query:"organisation" required:"true" maxLength:"64"`
	Body         struct {
		Main     PersonName `json:"main" doc:"The record that stays."`
		Alias    PersonName `json:"alias" doc:"The record that is joined into it."`
		Evidence Evidence   `json:"evidence"`
	}
}

type pendingInput struct {
	Organisation string `query:"organisation" required:"true" maxLength:"64"`
	Cursor       string `query:"cursor" maxLength:"400"`
	Limit        int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type pendingOutput struct {
	Link string `header:"Link" doc:"RFC 8288: the next page."`
	Body struct {
		Items []PendingPerson `json:"items"`
		Next  string          `json:"next,omitempty"`
	}
}

// PendingPerson is a newborn whose number is awaited.
type PendingPerson struct {
	Person    string    `json:"person"`
	Since     time.Time `json:"since"`
	Proposers []string  `json:"proposers" doc:"Organisations that proposed a number."`
}

type proposalsInput struct {
	Officer      string `header:"Officer-Assertion" doc:"JWS that names the officer who acts. Not with a token in which an officer acts."`
	Person       string `path:"person" maxLength:"200"`
	Organisation string `query:"organisation" required:"true" maxLength:"64"`
}

type proposalsOutput struct {
	Body struct {
		FullName  string           `json:"full_name"`
		BirthDate string           `json:"birth_date"`
		Sex       string           `json:"sex"`
		Proposals []NumberProposal `json:"proposals"`
	}
}

// NumberProposal is a number an organisation gave for a newborn, and what it was held against.
type NumberProposal struct {
	Number       string    `json:"personal_number"`
	Organisation string    `json:"organisation"`
	Notice       string    `json:"notice" enum:"agrees,differs,not_told"`
	Mother       string    `json:"mother" enum:"agrees,differs,not_told"`
	BirthDate    string    `json:"birth_date" enum:"agrees,differs,not_told"`
	Sex          string    `json:"sex" enum:"agrees,differs,not_told"`
	State        string    `json:"state" enum:"open,bound,refused"`
	At           time.Time `json:"at"`
}

func (a *API) registerCitizens() {
	tags := []string{"registrar"}
	own := []string{"mandate_missing", codeNotFound, "number_taken", "officer_assertion_required", "record_unavailable", "keys_unavailable", "busy"}
	operation(a, huma.Operation{OperationID: "enrol-citizen", Method: http.MethodPost, Path: "/v1/citizens", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Enrol a person", Description: "Opens a person's account, or gives a newborn whose number was pending number and account. The activation code goes out by the preferred channel."},
		machine("registrar"), append([]string{
			"idempotency_conflict", "already_enrolled", "other_number", "recovery_needed", "representative_needed", "level_not_allowed", "outcome_unknown",
		}, own...), a.enrol)
	a.registerFind(own)
	operation(a, huma.Operation{OperationID: "bind-number", Method: http.MethodPost, Path: "/v1/citizens/bind", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Bind a personal number", Description: "The act that makes a number lead to a person: results that waited for it are applied by themselves."},
		machine("registrar"), append([]string{"other_number", "not_joinable", "outcome_unknown"}, own...), a.bind)
	operation(a, huma.Operation{OperationID: "join-citizens", Method: http.MethodPost, Path: "/v1/citizens/join", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Join two records of one person", Description: "The alias keeps its papers; they are read with those of the record that stays."},
		machine("registrar"), append([]string{"not_joinable", "outcome_unknown"}, own...), a.join)
	operation(a, huma.Operation{OperationID: "list-pending-numbers", Method: http.MethodGet, Path: "/v1/citizens/pending", Tags: tags,
		Summary: "Newborns whose number is awaited", Description: "Oldest first; nothing of it is personal."}, machine("registrar"), own, a.listPending)
	operation(a, huma.Operation{OperationID: "list-number-proposals", Method: http.MethodGet, Path: "/v1/citizens/{person}/proposals", Tags: tags,
		Summary: "Numbers proposed for a newborn", Description: "What organisations proposed, and which of notice, mother, date and sex agree. The reading is recorded."},
		machine("registrar"), own, a.listProposals)
	counter := []string{
		"mandate_missing", codeNotFound, "officer_assertion_required", "officer_level_needed", "second_officer_needed", "state_conflict", "not_joinable",
		"record_unavailable", "keys_unavailable", "busy", "outcome_unknown",
	}
	a.registerLevel(counter)
	a.registerApprovals(counter)
	a.registerCounter(counter)
	a.registerCard(counter)
	a.registerContacts(counter)
}

// registrar returns the guard of a registrar's right and who acts.
func (a *API) registrar(ctx context.Context, organisation string, right auth.Right) (guardAndActor, error) {
	return a.official(ctx, auth.Need{Organisation: organisation, Right: right})
}

func (a *API) enrol(ctx context.Context, in *enrolInput) (*enrolOutput, error) {
	by, err := a.registrar(ctx, in.Organisation, auth.RightEnrol)
	if err != nil {
		return nil, err
	}
	e, faults := in.Body.domain()
	if len(faults) > 0 {
		return nil, newProblem(ctx, codeInvalidRequest, faults...)
	}
	e.IdempotencyKey = in.Idempotency
	pending := identity.VaultID{}
	if in.Body.Representative != nil && !e.Pending.IsZero() {
		if pending, err = a.People.Resolve(ctx, a.Pool, e.Pending); err != nil {
			return nil, err
		}
	}
	if e.Representative, err = a.representative(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightEnrol}, in.Body.Representative, pending); err != nil {
		return nil, err
	}
	done, err := a.People.Enrol(ctx, by.guard, by.actor, e)
	if err != nil {
		return nil, err
	}
	out := &enrolOutput{}
	out.Body.Person, out.Body.CodeSent = a.People.Ref(caller(ctx).Sector, done.Vault), done.CodeSent
	return out, nil
}

func (b Enrolment) domain() (person.Enrolment, []Fault) {
	var faults []Fault
	bad := func(pointer string, err error) {
		if err != nil {
			faults = append(faults, Fault{Pointer: pointer, Code: "format"})
		}
	}
	e := person.Enrolment{
		Kind: person.Kind(b.Kind), Sex: identity.Sex(b.Sex), Level: b.Level,
		PreferredChannel: delivery.Channel(b.PreferredChannel), Evidence: b.Evidence.domain(), Ward: b.Ward,
	}
	var err error
	e.Number, err = identity.ParsePersonalNumber(b.PersonalNumber)
	bad("/personal_number", err)
	e.Name, err = identity.ParseName(b.FullName)
	bad("/full_name", err)
	e.BirthDate, err = identity.ParsePartialDate(b.BirthDate)
	bad("/birth_date", err)
	if b.BirthNotice != "" {
		notice, err := identity.ParseBirthNotice(b.BirthNotice)
		bad("/pending_birth_notice", err)
		e.Pending = person.NoticeIdentifier(notice)
	}
	for _, c := range b.Contacts {
		contact := person.Contact{Channel: delivery.Channel(c.Kind), Shared: c.Shared, Verified: person.Verification(c.Verified)}
		contact.Address, err = person.ParseAddress(contact.Channel, c.Address)
		bad("/contacts", err)
		if c.VerifiedAt != nil {
			contact.VerifiedAt = *c.VerifiedAt
		}
		e.Contacts = append(e.Contacts, contact)
	}
	return e, faults
}

// named returns the vault of a person the registrar names; nobody has one too, so that the guarded act that follows says that there is none.
func (a *API) named(ctx context.Context, n PersonName) (identity.VaultID, error) {
	switch {
	case n.Person != "" && n.PersonalNumber == "" && n.BirthNotice == "":
		return a.People.ResolveRef(ctx, a.Pool, caller(ctx).Sector, n.Person)
	case n.PersonalNumber != "" && n.Person == "" && n.BirthNotice == "":
		number, err := identity.ParsePersonalNumber(n.PersonalNumber)
		if err != nil {
			break
		}
		return a.People.Resolve(ctx, a.Pool, person.NumberIdentifier(number))
	case n.BirthNotice != "" && n.Person == "" && n.PersonalNumber == "":
		notice, err := identity.ParseBirthNotice(n.BirthNotice)
		if err != nil {
			break
		}
		return a.People.Resolve(ctx, a.Pool, person.NoticeIdentifier(notice))
	}
	return identity.VaultID{}, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/who", Code: "one_of"})
}

func (a *API) bind(ctx context.Context, in *bindInput) (*struct{}, error) {
	by, err := a.registrar(ctx, in.Organisation, auth.RightBind)
	if err != nil {
		return nil, err
	}
	number, err := identity.ParsePersonalNumber(in.Body.Number)
	if err != nil {
		return nil, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/personal_number", Code: "format"})
	}
	vault, err := a.named(ctx, in.Body.Who)
	if err != nil {
		return nil, err
	}
	return nil, a.People.Bind(ctx, by.guard, by.actor, vault, number, in.Body.Evidence.domain())
}

func (a *API) join(ctx context.Context, in *joinInput) (*struct{}, error) {
	by, err := a.registrar(ctx, in.Organisation, auth.RightBind)
	if err != nil {
		return nil, err
	}
	main, err := a.named(ctx, in.Body.Main)
	if err != nil {
		return nil, err
	}
	alias, err := a.named(ctx, in.Body.Alias)
	if err != nil {
		return nil, err
	}
	return nil, a.People.Join(ctx, by.guard, by.actor, main, alias, in.Body.Evidence.domain())
}

func (a *API) listPending(ctx context.Context, in *pendingInput) (*pendingOutput, error) {
	me := caller(ctx)
	guard := guarded(ctx, a.Auth.Mandate(me.ClientID, auth.Need{Organisation: in.Organisation, Right: auth.RightBind}))
	page, next, err := a.People.Pending(ctx, guard, me.Sector, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &pendingOutput{Link: a.next(ctx, next)}
	out.Body.Items, out.Body.Next = make([]PendingPerson, len(page)), next
	for i, p := range page {
		out.Body.Items[i] = PendingPerson{Person: a.People.Ref(me.Sector, p.Vault), Since: p.Since, Proposers: p.Proposers}
	}
	return out, nil
}

func (a *API) listProposals(ctx context.Context, in *proposalsInput) (*proposalsOutput, error) {
	by, vault, err := a.officialFor(ctx, auth.Need{Organisation: in.Organisation, Right: auth.RightBind}, in.Person)
	if err != nil {
		return nil, err
	}
	profile, proposals, err := a.People.Proposals(ctx, by.guard, by.actor, vault)
	if err != nil {
		return nil, err
	}
	out := &proposalsOutput{}
	out.Body.FullName, out.Body.BirthDate, out.Body.Sex = profile.Name.Reveal(), profile.BirthDate.Reveal(), string(profile.Sex)
	out.Body.Proposals = make([]NumberProposal, len(proposals))
	for i, p := range proposals {
		out.Body.Proposals[i] = NumberProposal{
			Number: p.Number.Reveal(), Organisation: p.Organisation, Notice: string(p.Checks.Notice), Mother: string(p.Checks.Mother),
			BirthDate: string(p.Checks.BirthDate), Sex: string(p.Checks.Sex), State: p.State, At: p.At,
		}
	}
	return out, nil
}
