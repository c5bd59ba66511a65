package prefill

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"vidan/place"
	"vidan/procedure"
)

// Reason is why a field is empty.
type Reason string

// The reasons (DESIGN §6).
const (
	NotProvided   Reason = "not_provided" // nobody who could has allowed it: refused, left out, unknown, all alike
	NoDocument    Reason = "no_document"
	NumberPending Reason = "number_pending"
	Expired       Reason = "expired"
	Changed       Reason = "changed" // the paper that was allowed has been revoked since
	MustBeTyped   Reason = "must_be_typed"
)

// Answer is a filled form. Its values are personal; it is made, sent and forgotten (L5).
type Answer struct {
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

// Field is one field that could be filled.
type Field struct {
	Name     string
	Value    json.RawMessage // nil when the citizen has to choose
	Choices  []Choice        // several papers say different things
	Source   *Source
	Editable bool
	Proposal bool     // a fact of another person, offered
	Address  *Address // for an address
	Salt     string   // base64url; digest = SHA-256(salt ‖ name ‖ 0 ‖ value)
}

// Choice is one of several values.
type Choice struct {
	Value  json.RawMessage
	Source Source
}

// Source is the paper a value stands in.
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

// Conflict is a consistency check that does not hold; only values granted by everybody it speaks of are in it.
type Conflict struct {
	Rule      string
	Severity  string
	MessageVI string
	Left      Side
	Right     Side
}

// Side is one side of a conflict.
type Side struct {
	Field  string
	Value  json.RawMessage
	Source *Source
}

// Address shows an address as issued beside its unit of today (L6).
type Address struct {
	State      string          // current, converted, ambiguous, unknown, text_only
	Issued     place.Revealed  // the old text always stays
	Present    *place.Revealed // nil unless it can be told
	Successors []place.Successor
}

// fill makes and signs the answer.
func (r *release) fill(f *form) error {
	request, disclosure := r.order.Request.Bytes(), r.permit.Disclosure().Bytes()
	a := Answer{
		Disclosure: r.f.Deployment.Ref(r.order.Sector, "disclosure", disclosure[:]), Request: r.f.Deployment.Ref(r.order.Sector, "request", request[:]),
		Procedure: r.plan.Procedure(), Dossier: r.plan.Dossier(), Repeated: r.permit.Repeated(), At: r.now,
	}
	for _, v := range f.values {
		picked := f.pick(v)
		if len(picked) == 0 {
			a.Missing = append(a.Missing, Missing{Name: v.Field.Name, Reason: f.why(v)})
			continue
		}
		a.Fields = append(a.Fields, r.f.field(f, v, picked, r.order.Sector))
	}
	for _, c := range f.procedure.Conflicts(procedure.Evidence{Roles: f.roles, Papers: f.papers, Values: f.values, Usable: f.usable, Now: f.now}) {
		a.Conflicts = append(a.Conflicts, r.f.conflict(f, c, r.order.Sector))
	}
	var err error
	a.Signed, err = r.sign(&a)
	r.answer = a
	return err
}

// claims are what is signed of an answer: who got what from where, every value as a salted digest.
type claims struct {
	Issuer       string            `json:"iss"`
	Audience     string            `json:"aud"`
	IssuedAt     int64             `json:"iat"`
	Disclosure   string            `json:"disclosure_id"`
	Request      string            `json:"request_id"`
	Procedure    string            `json:"procedure"`
	Dossier      string            `json:"dossier"`
	Digests      map[string]string `json:"digests"`
	Missing      map[string]Reason `json:"missing"`
	RequestSHA   string            `json:"request_sha256"`
	Organisation string            `json:"organisation"`
}

func (r *release) sign(a *Answer) (string, error) {
	digest := r.plan.Digest()
	c := claims{
		Issuer: r.f.Issuer, Audience: r.order.Client, IssuedAt: r.now.Unix(), Disclosure: a.Disclosure, Request: a.Request, Procedure: a.Procedure,
		Dossier: a.Dossier, Digests: map[string]string{}, Missing: map[string]Reason{}, RequestSHA: b64(digest[:]), Organisation: r.order.Organisation,
	}
	for i := range a.Fields {
		field := &a.Fields[i]
		var salt [16]byte
		_, _ = rand.Read(salt[:]) // crypto/rand.Read never fails (Go 1.24)
		field.Salt = b64(salt[:])
		c.Digests[field.Name] = FieldDigest(salt[:], field.Name, field.Value)
	}
	for _, m := range a.Missing {
		c.Missing[m.Name] = m.Reason
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return r.f.Sign(raw)
}

// FieldDigest is the digest of one field of a signed answer: base64url of SHA-256(salt ‖ name ‖ 0x00 ‖ value), where value is the JSON text
// as answered, empty for a field whose value the citizen has to choose.
func FieldDigest(salt []byte, name string, value json.RawMessage) string {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(value)
	return b64(h.Sum(nil))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (f *Filler) field(form *form, v procedure.FieldValue, picked []procedure.Candidate, sector string) Field {
	out := Field{Name: v.Field.Name, Editable: v.Editable(picked), Proposal: picked[0].Source.Proposal}
	if len(picked) > 1 {
		for _, c := range picked {
			out.Choices = append(out.Choices, Choice{Value: c.Value.JSON(), Source: *f.source(form, c, sector)})
		}
		return out
	}
	out.Value, out.Source = picked[0].Value.JSON(), f.source(form, picked[0], sector)
	if address, ok := picked[0].Value.Address(); ok && v.Field.Shape == "address" {
		out.Address = convert(address)
	}
	return out
}

func (f *Filler) source(form *form, c procedure.Candidate, sector string) *Source {
	id, meta := c.Paper.ID, form.meta[c.Paper.ID]
	return &Source{
		DocumentType: meta.Type, Document: f.Deployment.Ref(sector, "document", id[:]), Revision: c.Paper.Revision, Issuer: meta.Issuer,
		IssuedAt: meta.IssuedAt, Pointer: c.Source.Pointer, FactOf: c.Source.Of,
	}
}

func (f *Filler) conflict(form *form, c procedure.Conflict, sector string) Conflict {
	side := func(s procedure.Finding) Side {
		out := Side{Field: s.Field}
		if s.Candidate.Paper != nil {
			out.Value, out.Source = s.Candidate.Value.JSON(), f.source(form, s.Candidate, sector)
		}
		return out
	}
	return Conflict{
		Rule: string(c.Check.Rule), Severity: string(c.Check.Severity), MessageVI: c.Check.MessageVI, Left: side(c.Left), Right: side(c.Right),
	}
}

// convert shows an address in both systems.
func convert(a place.Address) *Address {
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
