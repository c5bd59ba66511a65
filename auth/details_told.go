package auth

import (
	"context"
	"fmt"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// States of what was asked, as they are told beside a token.
const (
	detailsOpen    = "open"    // not answered yet: by this person, or where others are asked alone by them
	detailsGranted = "granted" // fields are what the organisation may read now
	detailsEnded   = "ended"   // refused, expired, withdrawn, used up, or answered by others
)

// toldDetails is what is told of an authorization beside a token (RFC 9396 §7) and by introspection (§9.2). It carries no authority: what may be
// read is decided where it is read, by the grants as they are then (O1).
type toldDetails struct {
	Type         string   `json:"type"`
	Request      string   `json:"request_id"`
	Organisation string   `json:"organisation"`
	Procedure    string   `json:"procedure"`
	Dossier      string   `json:"dossier_code"`
	Purpose      string   `json:"purpose"`
	State        string   `json:"state"`
	Fields       []string `json:"fields"`
}

// boundDetails is what an access token says of its authorization (RFC 9396 §9.1): which request, and to which fields it was narrowed. Everything
// else is read when it is asked for.
type boundDetails struct {
	Type         string   `json:"type"`
	Request      string   `json:"request_id"`
	Organisation string   `json:"organisation"`
	Fields       []string `json:"fields,omitempty"` // absent: every field of the grant
}

// asksFor is what a token request may say of its details: the object of the answer, or part of it, with fewer fields.
type asksFor struct {
	Type         string   `json:"type"`
	Request      string   `json:"request_id,omitempty"`
	Organisation string   `json:"organisation,omitempty"`
	Procedure    string   `json:"procedure,omitempty"`
	Dossier      string   `json:"dossier_code,omitempty"`
	Purpose      string   `json:"purpose,omitempty"`
	State        string   `json:"state,omitempty"`
	Fields       []string `json:"fields,omitempty"`
}

// errWiderDetails refuses what was not granted (RFC 9396 §6).
var errWiderDetails = wrongDetails("a token can only be asked for details that were granted, or fewer fields of them")

// detailed is the part of a token answer that details make.
type detailed struct {
	told  []toldDetails
	bound []boundDetails
}

// detailsOf reads what was granted on a request and narrows it as the form asks. Without a request there is nothing to narrow, and nothing to ask for.
func (s *Server) detailsOf(ctx context.Context, x *exchange, request identity.RequestID, vault identity.VaultID) (detailed, error) {
	asked := x.form.Get(detailsParam)
	if request.IsZero() || s.consent == nil {
		if asked != "" {
			return detailed{}, errWiderDetails
		}
		return detailed{}, nil
	}
	told, err := s.tellDetails(ctx, request, vault)
	if err != nil {
		return detailed{}, err
	}
	bound := boundDetails{Type: detailsType, Request: told.Request, Organisation: told.Organisation}
	if asked != "" {
		if bound.Fields, err = narrowed(asked, told); err != nil {
			return detailed{}, err
		}
		if bound.Fields != nil {
			told.Fields = kept(told.Fields, bound.Fields)
		}
	}
	return detailed{told: []toldDetails{told}, bound: []boundDetails{bound}}, nil
}

// tellDetails reads where a request stands for one person.
func (s *Server) tellDetails(ctx context.Context, request identity.RequestID, vault identity.VaultID) (toldDetails, error) {
	told, err := s.consent.Told(ctx, request, vault)
	if err != nil {
		return toldDetails{}, fmt.Errorf("authorization details: %w", err)
	}
	sector, err := s.sectorOf(ctx, &client{}, told.Organisation)
	if err != nil {
		return toldDetails{}, fmt.Errorf("authorization details: %w", err)
	}
	d := toldDetails{
		Type: detailsType, Request: s.consent.RequestRef(sector, request), Organisation: told.Organisation, Procedure: told.Procedure,
		Dossier: told.Dossier, Purpose: told.Purpose, State: detailsEnded, Fields: told.Fields,
	}
	switch {
	case told.State == "":
		// Only others are asked: who of them said what is not this person's answer (consent R5).
		status, err := s.consent.Status(ctx, pg.All(), told.Organisation, request)
		if err != nil {
			return toldDetails{}, fmt.Errorf("authorization details: %w", err)
		}
		if status.State == consent.RequestOpen {
			d.State = detailsOpen
		}
	case told.State == consent.Asked:
		d.State = detailsOpen
	case len(told.Fields) > 0:
		d.State = detailsGranted
	}
	return d, nil
}

// narrowed reads the fields that a token request wants of what was granted; nil: it names none, which are all (RFC 9396 §6).
func narrowed(text string, granted toldDetails) ([]string, error) {
	var list []asksFor
	if len(text) > maxDetails || consent.DecodeStrict([]byte(text), &list) != nil || len(list) != 1 {
		return nil, wrongDetails("authorization_details is not a JSON array of one object as it was granted")
	}
	a := list[0]
	for _, member := range [][2]string{
		{a.Request, granted.Request}, {a.Organisation, granted.Organisation}, {a.Procedure, granted.Procedure}, {a.Dossier, granted.Dossier},
		{a.Purpose, granted.Purpose},
	} {
		if member[0] != "" && member[0] != member[1] {
			return nil, errWiderDetails
		}
	}
	if a.Type != detailsType || !distinct(a.Fields) || len(kept(granted.Fields, a.Fields)) != len(a.Fields) {
		return nil, errWiderDetails
	}
	if len(a.Fields) == 0 {
		return nil, nil
	}
	return a.Fields, nil
}

// kept are those of names that are wanted, in their order.
func kept(names, wanted []string) []string {
	all := make(map[string]bool, len(wanted))
	for _, name := range wanted {
		all[name] = true
	}
	left := []string{}
	for _, name := range names {
		if all[name] {
			left = append(left, name)
		}
	}
	return left
}

// boundNow is what the details of an access token are worth now; nil for a token without.
func (s *Server) boundNow(ctx context.Context, t *accessToken, c *client) ([]toldDetails, error) {
	if len(t.details) != 1 || s.consent == nil {
		return nil, nil
	}
	bound := t.details[0]
	sector, err := s.sectorOf(ctx, c, bound.Organisation)
	if err != nil {
		return nil, fmt.Errorf("authorization details: %w", err)
	}
	told, err := s.tellDetails(ctx, s.consent.OpenRequestRef(sector, bound.Request), t.vault)
	if err != nil {
		return nil, err
	}
	if bound.Fields != nil {
		told.Fields = kept(told.Fields, bound.Fields)
	}
	return []toldDetails{told}, nil
}
