package intake

import (
	"strings"
	"time"

	"vidan/audit"
	"vidan/identity"
	"vidan/procedure"
)

// arrival is one result on its walk: what was delivered, by whom, what its mandate allowed when it came, and where it comes from.
type arrival struct {
	Envelope
	message  []byte
	sha      [32]byte           // of the payload bytes
	document procedure.Document // zero in a revocation without one
	typ      *procedure.DocumentType
	product  procedure.Product // what the procedure says of the type
	id       identity.DocumentID
	second   identity.DocumentID // keyed name of the second person the paper is about; zero for none
	client   string
	trace    string
	openBy   bool     // the mandate may open a vault for a newborn
	covers   []string // kinds of relation the mandate puts into effect at once

	waiting  identity.ObjectID // set when it comes from the waiting room
	under    []lead            // what it waits under
	resolved *resolved         // set when it comes out of quarantine
}

// fresh reports an arrival that was just delivered: it is still owed a receipt.
func (a *arrival) fresh() bool { return a.waiting.IsZero() && a.resolved == nil }

func (a *arrival) actor() audit.Actor {
	return audit.Actor{Client: a.client, Officer: audit.Officer{
		ID: a.Officer, Organisation: a.Organisation, Unit: a.Unit, Assurance: audit.Asserted,
	}}
}

// read judges a verified payload (R1). The arrival that it returns has no mandate yet.
func (in *Intake) read(payload []byte, now time.Time) (*arrival, error) {
	e, faults := ReadEnvelope(payload, now)
	a := &arrival{Envelope: e}
	if typ, ok := in.catalogue.Type(e.DocumentType); ok {
		a.typ = typ
		faults = append(faults, in.judgeProcedure(a)...)
		faults = append(faults, in.judgeDocument(a)...)
	} else if e.DocumentType != "" {
		faults = append(faults, fault("/document_type", "unknown_type"))
	}
	switch {
	case len(faults) == 1 && faults[0].Code == codeAttachments:
		return nil, &Invalid{Code: codeAttachments, Faults: faults}
	case len(faults) > 0:
		return nil, &Invalid{Code: codeSchema, Faults: faults}
	}
	if faults = a.mismatches(); len(faults) > 0 {
		return nil, &Invalid{Code: codeMismatch, Faults: faults}
	}
	in.name(a)
	return a, nil
}

// readAgain reads a payload that was judged when it came: what was good then is not judged by the catalogue of today.
func (in *Intake) readAgain(payload []byte, received time.Time) (*arrival, error) {
	e, faults := ReadEnvelope(payload, received)
	a := &arrival{Envelope: e}
	typ, ok := in.catalogue.Type(e.DocumentType)
	if !ok && len(faults) == 0 {
		faults = append(faults, fault("/document_type", "unknown_type"))
	}
	if len(faults) > 0 {
		return nil, &Invalid{Code: codeSchema, Faults: faults}
	}
	a.typ = typ
	in.judgeProcedure(a)
	if e.Document != nil {
		var err error
		if a.document, err = typ.Read(e.Document); err != nil {
			return nil, err
		}
	}
	in.name(a)
	return a, nil
}

// name gives an arrival the keyed names of its paper and of the second person it is about.
func (in *Intake) name(a *arrival) {
	a.id = in.deployment.DocumentID(a.Organisation, a.DocumentType, a.DocumentRef)
	for _, role := range a.typ.Roles() {
		if a.interest(role) != procedure.ReasonCoSubject {
			continue
		}
		if n := a.number(role); !n.IsZero() {
			// A line break cannot stand in a reference, so no paper has this name.
			a.second = in.deployment.DocumentID(a.Organisation, a.DocumentType, a.DocumentRef+"\n"+n.Reveal())
		}
	}
}

func (in *Intake) judgeDocument(a *arrival) []procedure.Fault {
	if a.Document == nil {
		if a.State == Revoked && a.aboutTwo() {
			return []procedure.Fault{fault("/document", "names_two")}
		}
		return nil
	}
	doc, faults := a.typ.Parse(a.Document, procedure.ParseOptions{NumberPending: a.Subject.Number.IsZero()})
	for i := range faults {
		faults[i].Pointer = "/document" + faults[i].Pointer
	}
	if len(faults) == 0 && doc.Synthetic() != in.synthetic {
		faults = append(faults, fault("/document/synthetic", "synthetic"))
	}
	a.document = doc
	return faults
}

// judgeProcedure holds the procedure to what it produces; an old paper that names none takes the first that produces its type.
func (in *Intake) judgeProcedure(a *arrival) []procedure.Fault {
	if a.Procedure == "" {
		for _, p := range in.catalogue.Procedures() {
			if product, ok := p.ProductOf(a.DocumentType); ok {
				a.product = product
				break
			}
		}
		return nil
	}
	p, ok := in.catalogue.Procedure(a.Procedure)
	if !ok {
		return []procedure.Fault{fault("/procedure", "unknown_procedure")}
	}
	if a.product, ok = p.ProductOf(a.DocumentType); !ok {
		return []procedure.Fault{fault("/procedure", "type_not_produced")}
	}
	return nil
}

// mismatches compares the numbers of the subject with those in the document (RESULTS §2.1).
func (a *arrival) mismatches() []procedure.Fault {
	var faults []procedure.Fault
	mismatch := func(pointer string) {
		f := fault("/document"+pointer, codeMismatch)
		if place, ok := a.typ.Place(pointer); ok {
			f.TitleVI = place.TitleVI
		}
		faults = append(faults, f)
	}
	if held := a.number(a.typ.Home); !held.IsZero() && !a.Subject.Number.IsZero() && held != a.Subject.Number {
		mismatch(a.typ.NumberPointers[a.typ.Home])
	}
	if held := a.text(noticePointer); held != "" && !a.Subject.Notice.IsZero() && held != a.Subject.Notice.Reveal() {
		mismatch(noticePointer)
	}
	return faults
}

// birthCertificate is the one type that may open a vault (RESULTS §2 rule 4) and that names who may act for its person.
const (
	birthCertificate = "birth_certificate"
	noticePointer    = "/birth_notice_number"
)

// given is the personal number that the delivery gives for its person: as the subject, or in the document.
func (a *arrival) given() identity.PersonalNumber {
	if !a.Subject.Number.IsZero() {
		return a.Subject.Number
	}
	return a.number(a.typ.Home)
}

// notice is the number of the birth notice, as the subject or in the document; zero for none.
func (a *arrival) notice() identity.BirthNotice {
	if !a.Subject.Notice.IsZero() {
		return a.Subject.Notice
	}
	notice, _ := identity.ParseBirthNotice(a.text(noticePointer)) // the schema holds its form
	return notice
}

// Warning is something odd that does not stop a result.
type Warning struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

// warnings are functions of the payload alone, so that a repeated delivery is told the same.
func (a *arrival) warnings() []Warning {
	at := "/subject/personal_number"
	if a.Subject.Number.IsZero() {
		at = "/document" + a.typ.NumberPointers[a.typ.Home]
	}
	var found []Warning
	for _, d := range a.given().Disagreements(a.bornAndSex()) {
		found = append(found, Warning{Pointer: at, Code: string(d)})
	}
	return found
}

// bornAndSex is what the document says of its person beside the number, which stands beside it.
func (a *arrival) bornAndSex() (identity.PartialDate, identity.Sex) {
	beside := "/"
	if pointer := a.typ.NumberPointers[a.typ.Home]; pointer != "" {
		beside = pointer[:strings.LastIndexByte(pointer, '/')+1]
	}
	born, _ := identity.ParsePartialDate(a.text(beside + "birth_date")) // zero where it is not known
	return born, identity.Sex(a.text(beside + "sex"))
}

// text returns a string of the document, "" when there is none.
func (a *arrival) text(pointer string) string {
	v, ok := a.document.At(pointer)
	if !ok {
		return ""
	}
	s, _ := v.Text()
	return s
}

// number returns the one personal number that a role has in the document; zero for none, several, or the number of another kind of paper.
func (a *arrival) number(role string) identity.PersonalNumber {
	numbers := a.document.SubjectNumber(role)
	if len(numbers) != 1 {
		return identity.PersonalNumber{}
	}
	n, _ := identity.ParsePersonalNumber(numbers[0])
	return n
}

// interest is why the person of a role has a part in the paper: the catalogue's reason, "" for none and for the home person.
func (a *arrival) interest(role string) procedure.HolderReason {
	if role == a.typ.Home {
		return ""
	}
	for _, h := range a.product.Holders {
		if h.Role == a.product.Roles[role] {
			return h.Reason
		}
	}
	return ""
}

// aboutTwo reports a paper that is equally about a second person, who gets a sealed copy of their own.
func (a *arrival) aboutTwo() bool {
	for _, role := range a.typ.Roles() {
		if a.interest(role) == procedure.ReasonCoSubject {
			return true
		}
	}
	return false
}
