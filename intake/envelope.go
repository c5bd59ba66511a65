package intake

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"vidan/identity"
	"vidan/procedure"
)

// State is what a revision says of its paper.
type State string

// The three things an issuer can say.
const (
	Issued    State = "issued"
	Corrected State = "corrected"
	Revoked   State = "revoked"
)

// Origin tells a fresh result from an old paper brought in.
type Origin string

// A result comes from a run that ended, or from a drawer.
const (
	FromProcedure Origin = "procedure"
	Backfill      Origin = "backfill"
)

// Bounds of the envelope (docs/RESULTS.md §1.1).
const (
	maxPayload = 256 << 10 // bytes
	maxRef     = 120       // characters of document_ref
	maxCode    = 64        // characters of codes and ids
	maxSubject = 400       // characters of a subject_ref
	skew       = time.Minute
	firstYear  = 1900
)

// Envelope is the payload of a result once it was read (docs/RESULTS.md §1.1): every member has its form, and
// nothing is known yet of the person, the catalogue or the mandate.
type Envelope struct {
	ResultID     identity.ObjectID
	DocumentRef  string
	Revision     int
	State        State
	IssuedAt     time.Time
	Origin       Origin
	DocumentType string
	Procedure    string // empty for a backfill that names none
	Dossier      string // likewise
	Subject      Subject
	Organisation string
	Unit         string
	Officer      string
	Document     json.RawMessage // nil only in a revocation
}

// Subject is how the payload names its person. At least one member is set.
type Subject struct {
	Number       identity.PersonalNumber
	Notice       identity.BirthNotice
	Registration identity.Registration
	Ref          string // subject_ref of an earlier receipt
}

// ReadEnvelope reads a verified payload. It returns either an envelope or at least one fault; a fault never
// carries a value. now bounds issued_at.
func ReadEnvelope(payload []byte, now time.Time) (Envelope, []procedure.Fault) {
	var r reader
	switch {
	case len(payload) > maxPayload:
		r.fault("", "too_large")
		return Envelope{}, r.faults
	case !utf8.Valid(payload):
		r.fault("", "invalid_json")
		return Envelope{}, r.faults
	}
	o, ok := r.object("", payload, "result_id", "document_ref", "revision", "state", "issued_at", "origin", "document_type",
		"procedure", "dossier_code", "subject", "issued_by", "attachments", "document")
	if !ok {
		return Envelope{}, r.faults
	}
	e := Envelope{
		ResultID: r.resultID(o), Revision: r.positive(o, "revision"), IssuedAt: r.moment(o, "issued_at", now),
		State:        State(r.enum(o, "state", true, string(Issued), string(Corrected), string(Revoked))),
		Origin:       Origin(r.enum(o, "origin", false, string(FromProcedure), string(Backfill))),
		DocumentType: r.code(o, "document_type", true),
		Document:     o.get("document"),
	}
	if e.Origin == "" {
		e.Origin = FromProcedure
	}
	e.DocumentRef, _ = r.text(o, "document_ref", true, maxRef)
	e.Procedure = r.code(o, "procedure", e.Origin != Backfill)
	e.Dossier, _ = r.text(o, "dossier_code", e.Origin != Backfill, maxCode)
	e.Subject = r.subject(o)
	if by, ok := r.child(o, "issued_by", "organisation", "unit", "officer"); ok {
		e.Organisation, e.Unit, e.Officer = r.code(by, "organisation", true), r.code(by, "unit", true), r.code(by, "officer", true)
	}
	r.attachments(o)
	if e.Document == nil && e.State != Revoked {
		r.fault("/document", "required")
	}
	return e, r.faults
}

// resultID reads the canonical form of a UUID (RFC 9562 §4), in either case.
func (r *reader) resultID(o object) identity.ObjectID {
	s, ok := r.text(o, "result_id", true, maxCode)
	if !ok {
		return identity.ObjectID{}
	}
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id == uuid.Nil {
		r.fault("/result_id", "format")
	}
	return identity.FromBytes[identity.ObjectID](id)
}

func (r *reader) attachments(o object) {
	raw := o.get("attachments")
	if raw == nil {
		return
	}
	var list []json.RawMessage
	switch {
	case json.Unmarshal(raw, &list) != nil || list == nil:
		r.fault("/attachments", "type")
	case len(list) > 0:
		r.fault("/attachments", codeAttachments)
	}
}

func (r *reader) subject(o object) Subject {
	var s Subject
	m, ok := r.child(o, "subject", "personal_number", "birth_notice_number", "registration", "subject_ref")
	if !ok {
		return s
	}
	if len(m.members) == 0 {
		r.fault("/subject", "required")
	}
	var err error
	if v, ok := r.text(m, "personal_number", false, maxCode); ok {
		if s.Number, err = identity.ParsePersonalNumber(v); err != nil {
			r.fault("/subject/personal_number", "format")
		}
	}
	if v, ok := r.text(m, "birth_notice_number", false, maxCode); ok {
		if s.Notice, err = identity.ParseBirthNotice(v); err != nil {
			r.fault("/subject/birth_notice_number", "format")
		}
	}
	if m.get("registration") != nil {
		s.Registration = r.registration(m)
	}
	s.Ref, _ = r.text(m, "subject_ref", false, maxSubject)
	return s
}

func (r *reader) registration(o object) identity.Registration {
	entry, ok := r.child(o, "registration", "organisation", "book", "number")
	if !ok {
		return identity.Registration{}
	}
	organisation, ok1 := r.text(entry, "organisation", true, maxCode)
	book, ok2 := r.text(entry, "book", true, maxCode)
	number, ok3 := r.text(entry, "number", true, maxCode)
	if !ok1 || !ok2 || !ok3 {
		return identity.Registration{}
	}
	found, err := identity.ParseRegistration(organisation, book, number)
	if err != nil {
		r.fault("/subject/registration", "format")
	}
	return found
}
