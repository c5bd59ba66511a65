package auth

import (
	"net/http"
	"time"

	"vidan/audit"
	"vidan/identity"
)

// officerType is the typ of an officer assertion.
const officerType = "vidan-officer+jwt"

// OfficerHeader is the request header that names the officer of a call.
const OfficerHeader = "Officer-Assertion"

// officerLife bounds an assertion. Within it the same assertion may accompany several calls: it says in whose hands the calls
// lie and signs nobody in.
const officerLife = 5 * time.Minute

type officerClaims struct {
	window
	Issuer       string `json:"iss"`
	Subject      string `json:"sub"`
	Audience     string `json:"aud"`
	ID           string `json:"jti"`
	Name         string `json:"name"`
	Post         string `json:"post"`
	Organisation string `json:"organisation"`
	Unit         string `json:"unit"`
	ACR          string `json:"acr"`
}

// officerVerdict is an assertion whose signature and claims were found valid.
type officerVerdict struct {
	client  string
	kid     string
	thumb   string
	within  window
	officer audit.Officer
	level   int
}

// Officer reads who acts at the calling organisation, in one of two ways, which the result tells apart (its Assurance). Signed in: the access
// token itself says so, because the officer's own sign-in was exchanged for it (exchange.go). Asserted: a JWS by a key of the client, in the
// Officer-Assertion header, with iss (the client), sub (a stable opaque id of the officer), name, post, organisation, unit, aud (the issuer),
// iat, exp and jti; the key becomes part of the principal's guards made afterwards. Both at once are refused. The caller compares organisation
// and unit with those of the call.
//
// Every other fault is [ErrOfficer]; errors of the database are returned as they are.
func (s *Server) Officer(r *http.Request, p *Principal) (audit.Officer, error) {
	officer, _, err := s.OfficerLevel(r, p)
	return officer, err
}

// OfficerLevel is [Server.Officer] with the level of the account by which the officer signed in, as the assertion says in acr: 1, 2, or 0 where it says
// nothing. An act that needs two officers asks for it.
func (s *Server) OfficerLevel(r *http.Request, p *Principal) (audit.Officer, int, error) {
	v, err := s.officer(r, p)
	if err != nil {
		return audit.Officer{}, 0, err
	}
	return v.officer, v.level, nil
}

func (s *Server) officer(r *http.Request, p *Principal) (*officerVerdict, error) {
	header := r.Header.Values(OfficerHeader)
	if p.token != nil && p.token.act != nil {
		if len(header) != 0 { // two answers to one question
			return nil, ErrOfficer
		}
		return s.actingOfficer(r.Context(), p)
	}
	if len(header) != 1 || len(header[0]) > maxToken || p.Kind != Machine {
		return nil, ErrOfficer
	}
	now := s.now()
	sum, _ := hashToken(header[0])
	v, known := s.officers.GetIfPresent(sum)
	keys := p.Keys(r.Context())
	if !known {
		var err error
		if v, err = s.openOfficer(header[0], keys); err != nil {
			return nil, err
		}
	}
	if v.client != p.ClientID || !v.within.holds(now, officerLife) || v.within.IssuedAt == 0 {
		return nil, ErrOfficer
	}
	if known {
		// The key is asked for each time: an ended one verifies nothing, and the guard must know of it.
		key, err := keys(v.kid)
		if err != nil {
			return nil, messageFault(err, ErrOfficer)
		}
		if key.thumb != v.thumb {
			return nil, ErrOfficer
		}
		return v, nil
	}
	s.officers.Set(sum, v)
	return v, nil
}

// openOfficer verifies the signature and every claim that does not depend on the time.
func (s *Server) openOfficer(assertion string, keys KeyLookup) (*officerVerdict, error) {
	payload, key, err := s.verifier.verify(assertion, expected{typs: []string{officerType}, keys: keys})
	if err != nil {
		return nil, messageFault(err, ErrOfficer)
	}
	var c officerClaims
	if decodeClaims(payload, &c) != nil {
		return nil, ErrOfficer
	}
	name, err := identity.ParseName(c.Name)
	switch {
	case err != nil, c.Audience != s.issuer, c.ID == "", len(c.ID) > maxID:
		return nil, ErrOfficer
	case !code(c.Subject), !title(c.Post), !plainID(c.Organisation), !code(c.Unit):
		return nil, ErrOfficer
	case c.ACR != "" && levelOf(c.ACR) == 0:
		return nil, ErrOfficer
	}
	return &officerVerdict{
		client: c.Issuer, kid: key.kid, thumb: key.thumb, within: c.window, level: levelOf(c.ACR),
		officer: audit.Officer{
			ID: c.Subject, Name: name, Post: c.Post, Organisation: c.Organisation, Unit: c.Unit, Assurance: audit.Asserted,
		},
	}, nil
}
