// Package sandbox fills a wallet with fictional organisations and people, so that an outside developer can sign in, deliver and ask within a
// minute of the first command. It promises that it never touches a production deployment: its caller opens it for a sandbox alone.
//
// It speaks to the server as an outside client does, through HTTP handlers, except for what only a counter can do: first passphrases and phones.
//
//	B1  everybody in it is of the fictional cast; every paper is marked synthetic
//	B2  its private keys are made once, sealed in the database, and stay the same after a reset
//	B3  seeding is repeatable: what is there already is left alone
package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"vidan/auth"
	"vidan/internal/outside"
	"vidan/procedure/examples"
)

// Contents is what `vidan sandbox --json` prints.
type Contents struct {
	Issuer   string    `json:"issuer"`
	Clients  []Client  `json:"clients"`
	Apps     []App     `json:"apps"`
	Citizens []Citizen `json:"citizens"`
}

// Client is an agency's program with its private key.
type Client struct {
	ClientID     string          `json:"client_id"`
	Organisation string          `json:"organisation"`
	JWK          json.RawMessage `json:"jwk"`
	Mandates     []Mandate       `json:"mandates"`
	RedirectURIs []string        `json:"redirect_uris"`
	Scopes       []string        `json:"scopes"`
}

// Mandate is what a client may do for its organisation.
type Mandate struct {
	Organisation  string   `json:"organisation"`
	Units         []string `json:"units"`
	DocumentTypes []string `json:"document_types"`
	Procedures    []string `json:"procedures"`
	Relations     []string `json:"relations"`
	Rights        []string `json:"rights"`
}

// App is a citizen's app.
type App struct {
	ClientID     string   `json:"client_id"`
	RedirectURIs []string `json:"redirect_uris"`
}

// Citizen is somebody of the cast who can sign in.
type Citizen struct {
	ID             string          `json:"id"`
	FullName       string          `json:"full_name"`
	PersonalNumber string          `json:"personal_number"`
	Passphrase     string          `json:"passphrase"`
	Level          int             `json:"level"`
	DeviceJWK      json.RawMessage `json:"device_jwk,omitempty"` // kid is the id of the registered device
	Story          string          `json:"story"`
}

// organisation is one body of the sandbox and what its client may do.
type organisation struct {
	id, vi, en, kind string
	scopes           []string
	redirects        []string
	mandate          Mandate
}

var all = []string{auth.AllUnits}

// organisations of the sandbox. The first five are those of the story.
func organisations() []organisation {
	return []organisation{
		{"xa-dai-son", "Ủy ban nhân dân xã Đại Sơn", "People's Committee of Đại Sơn commune", "commune", []string{auth.ScopeResults, auth.ScopeEvents}, nil, Mandate{
			Units: all, DocumentTypes: []string{"birth_certificate", "death_extract", "marriage_certificate", "funeral_allowance_decision"},
			Procedures: []string{"birth_registration", "death_registration", "marriage_registration", "funeral_allowance", "funeral_cost_support"},
			Relations:  []string{"mother", "father"}, Rights: []string{"deliver", "open_vault", "resolve"},
		}},
		{"cong-an-cu-tru", "Công an quản lý cư trú", "Residence police", "police", []string{auth.ScopeResults, auth.ScopeEvents}, nil, Mandate{
			Units: all, DocumentTypes: []string{"residence_registration", "residence_cancellation", "citizen_identity_card", "vehicle_registration", "driving_licence", "criminal_record_certificate"},
			Procedures: []string{"permanent_residence_registration", "residence_cancellation", "child_identity_card", "vehicle_registration_first", "driving_licence_exchange", "criminal_record_certificate"},
			Relations:  []string{}, Rights: []string{"deliver", "resolve"},
		}},
		{"bhxh-hai-phong", "Bảo hiểm xã hội thành phố Hải Phòng", "Social insurance of Hải Phòng", "social_insurance",
			[]string{auth.ScopeResults, auth.ScopeEvents, auth.ScopeConsent, auth.ScopePrefill, auth.ScopeOpenID, auth.ScopeOffline}, []string{"http://127.0.0.1:7791/callback"}, Mandate{
				Units: all, DocumentTypes: []string{"health_insurance_card"}, Procedures: []string{"child_health_insurance_card"},
				Relations: []string{}, Rights: []string{"deliver", "resolve", "request"},
			}},
		{"mam-non-hoa-mai", "Trường mầm non Hoa Mai", "Hoa Mai kindergarten", "school",
			[]string{auth.ScopeConsent, auth.ScopePrefill, auth.ScopeEvents, auth.ScopeOpenID, auth.ScopeOffline}, []string{"http://127.0.0.1:7792/callback"}, Mandate{
				Units: all, DocumentTypes: []string{}, Procedures: []string{"kindergarten_enrolment"}, Relations: []string{}, Rights: []string{"request"},
			}},
		{"dinh-danh", "Cơ quan quản lý định danh", "Identity authority", "registrar", []string{auth.ScopeRegistrar, auth.ScopeResults, auth.ScopeEvents}, nil, Mandate{
			Units: all, DocumentTypes: []string{}, Procedures: []string{}, Relations: []string{},
			Rights: []string{"enrol", "level", "bind", "contact", "recover", "death", "relation", "resolve"},
		}},
	}
}

// issuers say which organisation brings which type of paper in.
func issuer(documentType string) int {
	for i, o := range organisations() {
		for _, t := range o.mandate.DocumentTypes {
			if t == documentType {
				return i
			}
		}
	}
	return -1
}

// AppID and AppRedirect are the citizen's app.
const (
	AppID       = "vidan-app"
	AppRedirect = "http://127.0.0.1:7788/callback"
)

// levels of those who sign in; everybody else has papers and no account. The widow has no phone of her own.
var levels = map[string]int{
	"thi": 2, "du": 2, "hoa": 2, "le": 2, "dan": 2, "giai": 2, "sau": 2, "thu": 2, "trung_con": 2, "chung": 1,
}

// first is who the start-up message names.
const first = "du"

// draw makes the keys and passphrases of a new sandbox (B2).
func draw(issuer string, cast examples.Cast) (Contents, error) {
	c := Contents{Issuer: issuer, Apps: []App{{ClientID: AppID, RedirectURIs: []string{AppRedirect}}}}
	for _, o := range organisations() {
		key, err := outside.NewKey("k1")
		if err != nil {
			return c, err
		}
		jwk, err := key.JWK.MarshalJSON()
		if err != nil {
			return c, err
		}
		o.mandate.Organisation = o.id
		redirects := o.redirects
		if redirects == nil {
			redirects = []string{}
		}
		c.Clients = append(c.Clients, Client{
			ClientID: o.id + "-client", Organisation: o.id, JWK: jwk, Mandates: []Mandate{o.mandate}, RedirectURIs: redirects, Scopes: o.scopes,
		})
	}
	for _, p := range cast.People {
		level, ok := levels[p.ID]
		if !ok {
			continue
		}
		citizen := Citizen{ID: p.ID, FullName: p.FullName, PersonalNumber: p.PersonalNumber, Level: level, Story: p.Story, Passphrase: passphrase()}
		if p.ID == first {
			c.Citizens = append([]Citizen{citizen}, c.Citizens...)
			continue
		}
		c.Citizens = append(c.Citizens, citizen)
	}
	return c, nil
}

// passphrase is easy to type and worthless: it opens nobody's papers but the cast's.
func passphrase() string {
	words := []string{"lúa", "sen", "tre", "nắng", "mưa", "sông", "núi", "biển", "gió", "trăng", "cam", "quýt", "đào", "mai", "cúc", "trúc"}
	return fmt.Sprintf("%s %s %s %04d", words[rand.IntN(len(words))], words[rand.IntN(len(words))], words[rand.IntN(len(words))], rand.IntN(10000))
}

// Client returns the client of an organisation.
func (c Contents) Client(organisation string) Client {
	for _, client := range c.Clients {
		if client.Organisation == organisation {
			return client
		}
	}
	return Client{}
}

// Citizen returns a citizen by the cast's id.
func (c Contents) Citizen(id string) Citizen {
	for _, citizen := range c.Citizens {
		if citizen.ID == id {
			return citizen
		}
	}
	return Citizen{}
}
