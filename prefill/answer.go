package prefill

import (
	"bytes"
	"encoding/json"
	"time"

	"vidan/place"
	"vidan/procedure"
	"vidan/seal"
)

// Reason is why a field is empty.
type Reason string

// The reasons (DESIGN §6).
const (
	NotProvided   Reason = "not_provided" // nobody who could has allowed it: refused, left out, unknown, all alike
	NoDocument    Reason = "no_document"
	NumberPending Reason = "number_pending" // the number by which papers would name the person is awaited
	Expired       Reason = "expired"
	Changed       Reason = "changed" // the paper that was allowed has been revoked since
	MustBeTyped   Reason = "must_be_typed"
)

// Answer is a filled form. Its values are personal; it is made, sent and forgotten (L5). It prints masked (L7).
type Answer struct {
	masked
	Disclosure string // as the organisation's sector names it
	Request    string
	Procedure  string
	Dossier    string
	Fields     []Field
	Missing    []Missing
	Conflicts  []Conflict
	Repeated   bool
	At         time.Time
	// Signed is the JWS over what was answered: a digest per field, so that one value can be shown and checked without the others.
	Signed string
}

// Field is one field that could be filled. It prints masked (L7).
type Field struct {
	masked
	Name     string
	Value    json.RawMessage // without space between its parts; nil when the citizen has to choose
	Choices  []Choice        // several papers say different things
	Source   *Source
	Editable bool
	Proposal bool     // a fact of another person, offered
	Address  *Address // for an address
	Salt     string   // base64url; see [FieldDigest]
}

// Answered is the JSON text that the digest of the field is of: its value, or the array of the values to choose from.
func (f *Field) Answered() json.RawMessage {
	if len(f.Choices) == 0 {
		return f.Value
	}
	text := []byte{'['}
	for i, c := range f.Choices {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, c.Value...)
	}
	return append(text, ']')
}

// Choice is one of several values. It prints masked (L7).
type Choice struct {
	masked
	Value   json.RawMessage
	Source  Source
	Address *Address // for an address
}

// Source is the paper a value stands in. It prints masked (L7).
type Source struct {
	DocumentType string
	Document     string // as the organisation's sector names it
	Revision     int
	Issuer       string
	IssuedAt     time.Time
	Pointer      string
	FactOf       string // role in the dossier
}

// Missing is one field left to type, and why.
type Missing struct {
	Name   string
	Reason Reason
}

// Conflict is a consistency check that does not hold; only values that were granted are in it. It prints masked (L7).
type Conflict struct {
	masked
	Rule      string
	Severity  string
	MessageVI string
	Left      Side
	Right     Side
}

// Side is one side of a conflict. It prints masked (L7).
type Side struct {
	masked
	Field  string // of the form; empty for a value that is only compared with
	Value  json.RawMessage
	Source *Source
}

// Address shows an address as issued beside its unit of today (L6). It prints masked (L7).
type Address struct {
	masked
	State      string          // current, converted, ambiguous, unknown, text_only
	Issued     place.Revealed  // the old text always stays
	Present    *place.Revealed // nil unless it can be told
	Successors []place.Successor
}

// field is one field as the reader of a sector sees it.
func (f *form) field(v *filling, d *seal.Deployment, sector string) Field {
	out := Field{Name: v.Field.Name, Editable: v.Editable(v.picked), Proposal: v.picked[0].Source.Proposal}
	if len(v.picked) == 1 {
		c := v.picked[0]
		out.Value, out.Source, out.Address = text(c.Value), f.source(c, d, sector), address(v.Field, c.Value)
		return out
	}
	for _, c := range v.picked {
		out.Choices = append(out.Choices, Choice{Value: text(c.Value), Source: *f.source(c, d, sector), Address: address(v.Field, c.Value)})
	}
	return out
}

// source says where a value stands. What is read of somebody who is no party is a fact of the person by whom the paper was found.
func (f *form) source(c procedure.Candidate, d *seal.Deployment, sector string) *Source {
	id, paper, of := c.Paper.ID, f.meta[c.Paper.ID], c.Source.Of
	if _, party := f.roles[of]; !party {
		of = c.Source.Subject
	}
	if paper.ref == "" { // several fields stand in one paper, and a form is for one reader
		paper.ref = d.Ref(sector, "document", id[:])
	}
	return &Source{
		DocumentType: paper.Type, Document: paper.ref, Revision: c.Paper.Revision, Issuer: paper.Issuer,
		IssuedAt: paper.IssuedAt, Pointer: c.Source.Pointer, FactOf: of,
	}
}

func (f *form) conflict(c procedure.Conflict, d *seal.Deployment, sector string) Conflict {
	side := func(s procedure.Finding) Side {
		out := Side{Field: s.Field}
		if s.Candidate.Paper != nil {
			out.Value, out.Source = text(s.Candidate.Value), f.source(s.Candidate, d, sector)
		}
		return out
	}
	return Conflict{
		Rule: string(c.Check.Rule), Severity: string(c.Check.Severity), MessageVI: c.Check.MessageVI, Left: side(c.Left), Right: side(c.Right),
	}
}

// text is the JSON of a value as it leaves: the issuer's own, without the space between its parts, which no encoder keeps and the digest would be of.
func text(v procedure.Value) json.RawMessage {
	raw := v.JSON()
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return raw
	}
	var out bytes.Buffer
	out.Grow(len(raw))
	if err := json.Compact(&out, raw); err != nil {
		return raw // it was parsed before: not possible
	}
	return out.Bytes()
}

// address shows an address in both systems; nil for what is none.
func address(field *procedure.Field, v procedure.Value) *Address {
	a, ok := v.Address()
	if !ok || field.Shape != "address" {
		return nil
	}
	c := place.Convert(a)
	out := &Address{State: string(c.State), Issued: a.Reveal()}
	if now, ok := c.Present(); ok {
		present := now.Reveal()
		out.Present = &present
	}
	if c.State == place.Ambiguous {
		out.Successors = c.Successors
	}
	return out
}
