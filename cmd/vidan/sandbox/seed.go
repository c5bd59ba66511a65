package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"golang.org/x/sync/errgroup"

	"vidan/auth"
	"vidan/internal/outside"
	"vidan/procedure/examples"
)

// Seed fills a sandbox that was not filled before (B3): directory, people, papers. handler is the server itself.
func (b *Box) Seed(ctx context.Context, handler http.Handler) error {
	if b.seeded {
		return nil
	}
	if err := b.clear(ctx); err != nil {
		return fmt.Errorf("sandbox: what an interrupted start left: %w", err)
	}
	if err := b.save(ctx); err != nil {
		return fmt.Errorf("sandbox: keys: %w", err)
	}
	if err := b.register(ctx); err != nil {
		return fmt.Errorf("sandbox: organisations: %w", err)
	}
	s := &seeding{Box: b, http: &http.Client{Transport: inProcess{handler}}}
	if err := s.enrol(ctx); err != nil {
		return fmt.Errorf("sandbox: people: %w", err)
	}
	if err := s.deliver(ctx); err != nil {
		return fmt.Errorf("sandbox: papers: %w", err)
	}
	if err := b.Settle(ctx); err != nil {
		return fmt.Errorf("sandbox: what follows: %w", err)
	}
	b.seeded = true
	return b.save(ctx)
}

const sqlBegun = `select exists (select from organisations)`

// clear empties what a start that was interrupted has left, so that the next one finds nothing half done.
func (b *Box) clear(ctx context.Context) error {
	var begun bool
	if err := b.Pool.QueryRow(ctx, sqlBegun).Scan(&begun); err != nil || !begun {
		return err
	}
	return b.empty(ctx)
}

// register writes organisations, clients, keys and mandates.
func (b *Box) register(ctx context.Context) error {
	now := time.Now()
	for i, o := range organisations() {
		c := b.contents.Clients[i]
		profile := auth.FAPI2
		key, err := outside.ParseKey(c.JWK)
		if err != nil {
			return err
		}
		if err := b.Directory.AddOrganisation(ctx, auth.Organisation{ID: o.id, NameVI: o.vi, NameEN: o.en, Kind: o.kind}, now); err != nil {
			return err
		}
		if err := b.Directory.AddClient(ctx, auth.Client{
			ID: c.ClientID, Organisation: o.id, Name: o.vi, Profile: profile, Scopes: c.Scopes, RedirectURIs: c.RedirectURIs,
		}, now); err != nil {
			return err
		}
		if _, err := b.Directory.AddKey(ctx, c.ClientID, key.Public(), now); err != nil {
			return err
		}
		rights := make([]auth.Right, len(o.mandate.Rights))
		for j, r := range o.mandate.Rights {
			rights[j] = auth.Right(r)
		}
		if _, err := b.Directory.AddMandate(ctx, auth.Mandate{
			Client: c.ClientID, Organisation: o.id, Units: o.mandate.Units, DocumentTypes: o.mandate.DocumentTypes, Procedures: o.mandate.Procedures,
			Relations: o.mandate.Relations, Rights: rights, From: now.Add(-time.Hour), Until: now.AddDate(5, 0, 0),
		}); err != nil {
			return err
		}
	}
	return b.Directory.AddClient(ctx, auth.Client{
		ID: AppID, Name: "Ví dân", Profile: auth.App, Scopes: []string{auth.ScopeWallet, auth.ScopeOffline}, RedirectURIs: []string{AppRedirect},
	}, now)
}

// seeding speaks as the organisations do.
type seeding struct {
	*Box
	http    *http.Client
	clients map[string]*outside.Client
}

func (s *seeding) client(ctx context.Context, organisation string, scopes ...string) (*outside.Client, error) {
	if c := s.clients[organisation]; c != nil {
		return c, nil
	}
	key, err := outside.ParseKey(s.contents.Client(organisation).JWK)
	if err != nil {
		return nil, err
	}
	dpop, err := outside.NewKey("dpop")
	if err != nil {
		return nil, err
	}
	c := &outside.Client{
		Issuer: s.Issuer, ID: s.contents.Client(organisation).ClientID, Key: key, DPoP: dpop, HTTP: s.http, Now: time.Now,
	}
	if err := c.Login(ctx, scopes...); err != nil {
		return nil, err
	}
	if s.clients == nil {
		s.clients = map[string]*outside.Client{}
	}
	s.clients[organisation] = c
	return c, nil
}

// enrol has the registrar enrol everybody with a number, except the newborn of the story, whose papers are still to come.
func (s *seeding) enrol(ctx context.Context) error {
	registrar, err := s.client(ctx, "dinh-danh", auth.ScopeRegistrar)
	if err != nil {
		return err
	}
	officer, err := registrar.Officer("dinh-danh", "quay-1", "cb-001", s.cast.Officers[0], "Cán bộ định danh")
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range s.cast.People {
		if p.PersonalNumber == "" || p.ID == newborn {
			continue
		}
		g.Go(func() error { return s.enrolOne(gctx, registrar, officer, p) })
	}
	return g.Wait()
}

func (s *seeding) enrolOne(ctx context.Context, registrar *outside.Client, officer string, p examples.Person) error {
	body := map[string]any{
		"personal_number": p.PersonalNumber, "full_name": p.FullName, "birth_date": p.BirthDate, "sex": p.Sex, "level": levels[p.ID],
		"evidence": map[string]string{"basis": "identity_card", "reference": "sandbox-" + strings.ReplaceAll(p.ID, "_", "-")},
	}
	if phone := phoneOf(p); phone != "" {
		body["contacts"] = []map[string]any{{"kind": "sms", "address": phone, "shared_by_household": false, "verified_how": "counter", "verified_at": time.Now().UTC().Format(time.RFC3339)}}
		body["preferred_channel"] = "sms"
	}
	answer, err := registrar.Do(ctx, http.MethodPost, "/v1/citizens?organisation=dinh-danh", body, "Officer-Assertion", officer, "Idempotency-Key", "sandbox-"+p.ID)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusCreated {
		return fmt.Errorf("enrolment of %s answered %d %s", p.ID, answer.Status, answer.Body)
	}
	for i := range s.contents.Citizens {
		if s.contents.Citizens[i].ID == p.ID {
			return s.equip(ctx, &s.contents.Citizens[i])
		}
	}
	return nil
}

// equip gives somebody a passphrase and, at level 2, a phone: what they would have done themselves with the activation code.
func (s *seeding) equip(ctx context.Context, c *Citizen) error {
	vault, err := s.vaultOf(ctx, c.PersonalNumber)
	if err != nil {
		return err
	}
	if err := s.Auth.SetPassphrase(ctx, vault, c.Passphrase); err != nil {
		return err
	}
	if c.Level < 2 {
		return nil
	}
	key, err := outside.NewKey("device")
	if err != nil {
		return err
	}
	if c.DeviceJWK != nil { // after a reset: the same phone (B2)
		if key, err = outside.ParseKey(c.DeviceJWK); err != nil {
			return err
		}
	}
	device, err := s.Auth.AddDevice(ctx, vault, "Điện thoại", key.Public())
	if err != nil {
		return err
	}
	key.JWK.KeyID = device.ID
	c.DeviceJWK, err = key.JWK.MarshalJSON()
	return err
}

func phoneOf(p examples.Person) string {
	for _, paper := range p.Papers {
		if paper.Type != "citizen_identity_card" {
			continue
		}
		var card struct {
			Phone string `json:"mobile_phone"`
		}
		if json.Unmarshal(paper.JSON, &card) == nil {
			return card.Phone
		}
	}
	return ""
}

// newborn is the child of the story: her papers arrive while it is told.
const newborn = "an"

// deliver brings every paper of the cast in, with its true date, from the organisation that issues its type.
func (s *seeding) deliver(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	byIssuer := map[int][][]byte{}
	for _, p := range s.cast.People {
		if p.ID == newborn {
			continue
		}
		for _, paper := range p.Papers {
			i := issuer(paper.Type)
			if i < 0 {
				return fmt.Errorf("nobody issues %s", paper.Type)
			}
			if err := s.sign(gctx, byIssuer, i, p, paper); err != nil {
				return err
			}
		}
	}
	if err := s.signTwin(gctx, byIssuer); err != nil {
		return err
	}
	for i, lines := range byIssuer {
		g.Go(func() error { return s.send(gctx, organisations()[i].id, lines) })
	}
	return g.Wait()
}

func (s *seeding) sign(ctx context.Context, byIssuer map[int][][]byte, i int, p examples.Person, paper examples.Paper) error {
	c, err := s.client(ctx, organisations()[i].id, auth.ScopeResults)
	if err != nil {
		return err
	}
	line, err := c.Result(map[string]any{
		"result_id": uuid.NewString(), "document_ref": p.ID + "/" + paper.Type, "revision": 1, "state": "issued", "origin": "backfill",
		"issued_at": issuedAt(paper.JSON), "document_type": paper.Type, "subject": map[string]string{"personal_number": p.PersonalNumber},
		"issued_by": map[string]string{"organisation": organisations()[i].id, "unit": "mot-cua", "officer": "cb-002"},
		"document":  paper.JSON,
	})
	byIssuer[i] = append(byIssuer[i], line)
	return err
}

// issuedAt takes the date a paper bears; one without bears the first of the year.
func issuedAt(document json.RawMessage) string {
	var d struct {
		IssuedOn     string `json:"issued_on"`
		Registration struct {
			On string `json:"registered_on"`
		} `json:"registration"`
	}
	_ = json.Unmarshal(document, &d) // both stay empty where the type has neither
	for _, day := range []string{d.IssuedOn, d.Registration.On, "2026-01-01"} {
		if len(day) == 10 {
			return day + "T08:00:00+07:00"
		}
	}
	return ""
}

// signTwin brings in the second twin: the same mother, date and sex; only the notice number tells him from his brother.
func (s *seeding) signTwin(ctx context.Context, byIssuer map[int][][]byte) error {
	var twin, brother examples.Person
	for _, p := range s.cast.People {
		switch p.ID {
		case "em":
			twin = p
		case "song":
			brother = p
		}
	}
	if len(brother.Papers) == 0 {
		return errors.New("the twin's brother has no certificate")
	}
	var document map[string]any
	if err := json.Unmarshal(brother.Papers[0].JSON, &document); err != nil {
		return err
	}
	document["full_name"], document["birth_notice_number"] = twin.FullName, twin.BirthNoticeNumber
	delete(document, "personal_number")
	if entry, ok := document["registration"].(map[string]any); ok {
		entry["number"] = "16/2026"
	}
	i := issuer("birth_certificate")
	c, err := s.client(ctx, organisations()[i].id, auth.ScopeResults)
	if err != nil {
		return err
	}
	line, err := c.Result(map[string]any{
		"result_id": uuid.NewString(), "document_ref": "em/birth_certificate", "revision": 1, "state": "issued", "procedure": "birth_registration",
		"dossier_code": "H24.99-261007-0004", "issued_at": "2026-10-08T08:00:00+07:00", "document_type": "birth_certificate",
		"subject":   map[string]string{"birth_notice_number": twin.BirthNoticeNumber},
		"issued_by": map[string]string{"organisation": organisations()[i].id, "unit": "mot-cua", "officer": "cb-002"},
		"document":  document,
	})
	byIssuer[i] = append(byIssuer[i], line)
	return err
}

// send delivers one organisation's results as NDJSON and checks every line.
func (s *seeding) send(ctx context.Context, organisation string, lines [][]byte) error {
	c, err := s.client(ctx, organisation, auth.ScopeResults)
	if err != nil {
		return err
	}
	var body []byte
	for _, line := range lines {
		body = append(append(body, line...), '\n')
	}
	answer, err := c.Do(ctx, http.MethodPost, "/v1/results", body, "Content-Type", "application/x-ndjson")
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("results of %s answered %d %s", organisation, answer.Status, answer.Body)
	}
	for n, line := range strings.Split(strings.TrimSpace(string(answer.Body)), "\n") {
		if !strings.HasPrefix(line, `{"status":201`) {
			return fmt.Errorf("result %d of %s: %s", n+1, organisation, line)
		}
	}
	return nil
}
