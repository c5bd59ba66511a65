package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// wanted are details on their way from the push to the decision: what is asked, by whom, under which name. They name people and an officer, so
// that the rows of requests under way hold them sealed.
type wanted struct {
	Details procedureDetails `json:"details"`
	Sector  string           `json:"sector"` // of the organisation
	Officer wantedOfficer    `json:"officer"`

	id identity.ObjectID // the key under which the request is made once for each person
}

// wantedOfficer is who asks, as the assertion beside the push named them.
type wantedOfficer struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Post      string `json:"post"`
	Unit      string `json:"unit"`
	Assurance uint8  `json:"assurance"`
}

func (o wantedOfficer) of(organisation string) (audit.Officer, error) {
	name, err := identity.ParseName(o.Name)
	return audit.Officer{ID: o.ID, Name: name, Post: o.Post, Unit: o.Unit, Organisation: organisation, Assurance: audit.Assurance(o.Assurance)}, err
}

func detailsPlace(id identity.ObjectID) seal.Place {
	return seal.Place{Table: "pushed_requests", Column: "request", Object: id.Bytes()}
}

// close returns the details as signInRequest keeps them.
func (w *wanted) close(d *seal.Deployment) (string, error) {
	plain, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("authorization details: %w", err)
	}
	sealed, err := d.SealMessage(seal.Waiting, detailsPlace(w.id), plain)
	if err != nil {
		return "", fmt.Errorf("authorization details: %w", err)
	}
	id := w.id.Bytes()
	return base64.RawURLEncoding.EncodeToString(append(id[:], sealed...)), nil
}

// openWanted reads them again; nil for a request without.
func openWanted(d *seal.Deployment, text string) (*wanted, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 16 {
		return nil, fmt.Errorf("authorization details: %w", seal.ErrSealed)
	}
	w := &wanted{id: identity.FromBytes[identity.ObjectID]([16]byte(raw[:16]))}
	plain, err := d.OpenMessage(seal.Waiting, detailsPlace(w.id), raw[16:])
	if err != nil {
		return nil, fmt.Errorf("authorization details: %w", err)
	}
	if json.Unmarshal(plain, w) != nil {
		return nil, fmt.Errorf("authorization details: %w", seal.ErrSealed)
	}
	return w, nil
}

// asking is the part of a request of the back channel that names an organisation: officer and mandate, decided in the batch of the request.
type asking struct {
	officer   audit.Officer
	sector    string
	mandate   *MandateGuard
	principal *Principal
}

// errMandateDetails is told where a client may not ask for the organisation. A refusal of its own would say which organisations exist.
var errMandateDetails = wrongDetails("the client has no mandate to ask for this organisation and procedure")

// asks verifies who asks for an organisation: the officer by the assertion beside the request, as on every call that touches a person.
func (s *Server) asks(r *http.Request, x *exchange, organisation, procedure string) (*asking, error) {
	if x.key == nil {
		return nil, wrongDetails("an app asks nobody for facts")
	}
	a := &asking{principal: &Principal{Kind: Machine, ClientID: x.client.ID, Organisation: x.client.Organisation, server: s, client: x.client}}
	var err error
	if a.officer, err = s.Officer(r, a.principal); errors.Is(err, ErrOfficer) {
		return nil, invalidRequest("the header Officer-Assertion must name the officer who asks")
	} else if err != nil {
		return nil, err
	}
	if a.officer.Organisation != organisation {
		return nil, errMandateDetails
	}
	if a.sector, err = s.sectorOf(r.Context(), x.client, organisation); err != nil {
		return nil, err
	}
	a.mandate = s.Mandate(x.client.ID, Need{Organisation: organisation, Unit: a.officer.Unit, Procedure: procedure, Right: RightRequest})
	return a, nil
}

// queue adds what must hold in the batch: the keys that signed for the officer are the client's, and the mandate stands.
func (a *asking) queue(b *pgx.Batch) {
	a.principal.mu.Lock()
	defer a.principal.mu.Unlock()
	c := a.principal.client
	for _, kid := range a.principal.kids {
		b.Queue(sqlTokenState, c.ID, kid, c.MAC, c.keys[kid].verified())
	}
	a.mandate.Queue(b)
}

// fault tells a refused mandate, in the database or by its MAC.
func (a *asking) fault(err error) error {
	if err == nil {
		err = a.mandate.Check()
	}
	if pg.Refused(err) == codeMandate || errors.Is(err, ErrMandate) {
		return errMandateDetails
	}
	return err
}

const sqlOrganisationSector = `select sector from organisations where organisation_id = $1`

// sectorOf returns by whose ids an organisation names things: nearly always the client's own. One that is not there has none, and the mandate says so.
func (s *Server) sectorOf(ctx context.Context, c *client, organisation string) (sector string, err error) {
	if c.Organisation == organisation {
		return c.sector, nil
	}
	err = s.pool.QueryRow(ctx, sqlOrganisationSector, organisation).Scan(&sector)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sector, pg.Classify(err)
}

// pushDetails reads the details of a pushed request, if it has any, and writes them into it sealed. Everything that can be told without knowing the
// person is refused here, so that a browser is never sent with a question that cannot be put.
func (s *Server) pushDetails(r *http.Request, x *exchange, into *signInRequest) (*asking, error) {
	text := x.form.Get(detailsParam)
	if text == "" {
		return nil, nil
	}
	if s.consent == nil {
		return nil, wrongDetails("authorization_details are not offered")
	}
	d, err := parseDetails(text)
	if err != nil {
		return nil, err
	}
	a, err := s.asks(r, x, d.Organisation, d.Procedure)
	if err != nil {
		return nil, err
	}
	ask, err := d.request(s, a.sector, identity.NewVaultID())
	if err != nil {
		return nil, wrongDetails("name each person of parties in exactly one way")
	}
	w := &wanted{Details: d, Sector: a.sector, id: identity.NewID[identity.ObjectID]()}
	w.Officer = wantedOfficer{a.officer.ID, a.officer.Name.Reveal(), a.officer.Post, a.officer.Unit, uint8(a.officer.Assurance)}
	w.fill(&ask, x.client.ID, a.officer, identity.NewVaultID())
	var outside *consent.OutsideFields
	switch err := s.consent.Check(ask); {
	case errors.As(err, &outside):
		return nil, wrongDetails("a field is not used by the procedure")
	case errors.Is(err, consent.ErrRequest):
		return nil, wrongDetails("the procedure, its roles or the terms are not as the catalogue has them")
	case err != nil:
		return nil, err
	}
	into.Details, err = w.close(s.deployment)
	return a, err
}

// fill completes a request with who asks and the key under which it is made once for one person.
func (w *wanted) fill(r *consent.NewRequest, client string, officer audit.Officer, vault identity.VaultID) {
	r.Client, r.Officer, r.IdempotencyKey = client, officer, "details-"+w.id.String()+"-"+vault.String()
}
