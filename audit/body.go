package audit

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"vidan/identity"
)

// The sealed body, version 1, is the compact form of what a row does not say in clear:
//
//	0x01 ‖ salt (32 bytes) ‖ member*
//	member = tag (1 byte) ‖ value, tags ascending, each at most once, absent members left out
//
// A word is a uvarint v and, when v is even, v/2 bytes of text; when v is odd, word v/2 of the vocabulary. A set is a
// uvarint count and its elements in ascending order. It is decoded strictly: whatever is not exactly this form is
// [ErrDamaged].
const bodyVersion = 1

// Tags are never reused.
const (
	tagSelf          = 1  // actor vault = vault; no value
	tagActor         = 2  // actor vault, 16 bytes
	tagClient        = 3  // word
	tagOfficerID     = 4  // word
	tagOfficerName   = 5  // word
	tagPost          = 6  // word
	tagOfficerSame   = 7  // officer organisation = organisation; no value
	tagOfficerOther  = 8  // officer organisation, word
	tagUnit          = 9  // word
	tagAssurance     = 10 // 1 byte
	tagProcedure     = 11 // word
	tagPurpose       = 12 // word
	tagBasis         = 13 // word
	tagDossier       = 14 // word
	tagDocument      = 15 // 16 bytes
	tagRevision      = 16 // uvarint
	tagDocuments     = 17 // set of 16 bytes
	tagFields        = 18 // set of words
	tagOutcome       = 19 // 1 byte: position in Outcomes; done is left out
	tagReason        = 20 // word
	tagRequest       = 21 // 16 bytes
	tagGrant         = 22 // 16 bytes
	tagDisclosure    = 23 // 16 bytes
	tagTrace         = 24 // word
	tagTraceHex      = 25 // 16 bytes, shown as 32 lower-case hexadecimal digits (W3C trace id)
	tagTraceUUID     = 26 // 16 bytes, shown as a UUID
	maxBody          = 64 << 10
	bodySizeExpected = 256
)

// encodeBody appends the body of a normal entry.
func (r *Recorder) encodeBody(b []byte, salt [saltSize]byte, e Entry) []byte {
	b = append(b, bodyVersion)
	b = append(b, salt[:]...)
	switch {
	case e.Actor.Vault == e.Vault:
		b = append(b, tagSelf)
	default:
		b = appendID(b, tagActor, e.Actor.Vault)
	}
	o := e.Actor.Officer
	b = r.appendWord(b, tagClient, e.Actor.Client)
	b = r.appendWord(b, tagOfficerID, o.ID)
	b = r.appendWord(b, tagOfficerName, o.Name.Reveal())
	b = r.appendWord(b, tagPost, o.Post)
	if o.Organisation != "" && o.Organisation == e.Organisation {
		b = append(b, tagOfficerSame)
	} else {
		b = r.appendWord(b, tagOfficerOther, o.Organisation)
	}
	b = r.appendWord(b, tagUnit, o.Unit)
	if o.Assurance != 0 {
		b = append(b, tagAssurance, byte(o.Assurance))
	}
	b = r.appendWord(b, tagProcedure, e.Procedure)
	b = r.appendWord(b, tagPurpose, e.Purpose)
	b = r.appendWord(b, tagBasis, e.Basis)
	b = r.appendWord(b, tagDossier, e.Dossier)
	b = appendID(b, tagDocument, e.Document)
	if e.Revision != 0 {
		b = binary.AppendUvarint(append(b, tagRevision), uint64(e.Revision))
	}
	if len(e.Documents) > 0 {
		b = binary.AppendUvarint(append(b, tagDocuments), uint64(len(e.Documents)))
		for _, d := range e.Documents {
			raw := d.Bytes()
			b = append(b, raw[:]...)
		}
	}
	if len(e.Fields) > 0 {
		b = binary.AppendUvarint(append(b, tagFields), uint64(len(e.Fields)))
		for _, f := range e.Fields {
			b = r.word(b, f)
		}
	}
	for i, o := range Outcomes() {
		if o == e.Outcome && o != Done {
			b = append(b, tagOutcome, byte(i))
		}
	}
	b = r.appendWord(b, tagReason, e.Reason)
	b = appendID(b, tagRequest, e.Request)
	b = appendID(b, tagGrant, e.Grant)
	b = appendID(b, tagDisclosure, e.Disclosure)
	return r.appendTrace(b, e.RequestTrace)
}

func appendID[K any](b []byte, tag byte, id identity.ID[K]) []byte {
	if id.IsZero() {
		return b
	}
	raw := id.Bytes()
	return append(append(b, tag), raw[:]...)
}

func (r *Recorder) appendWord(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	return r.word(append(b, tag), s)
}

func (r *Recorder) word(b []byte, s string) []byte {
	if i, ok := r.positions[s]; ok {
		return binary.AppendUvarint(b, i<<1|1)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1), s...)
}

func (r *Recorder) appendTrace(b []byte, s string) []byte {
	var raw [16]byte
	switch len(s) {
	case 32:
		if _, err := hex.Decode(raw[:], []byte(s)); err == nil && strings.ToLower(s) == s {
			return append(append(b, tagTraceHex), raw[:]...)
		}
	case 36:
		if id, err := identity.Parse[identity.ObjectID](s); err == nil {
			return appendID(b, tagTraceUUID, id)
		}
	}
	return r.appendWord(b, tagTrace, s)
}

// decodeBody reads a body into an entry that already has the clear columns Vault, Kind and Organisation.
func decodeBody(body []byte, clear Entry) (Entry, [saltSize]byte, error) {
	var salt [saltSize]byte
	if len(body) < 1+saltSize || len(body) > maxBody || body[0] != bodyVersion {
		return clear, salt, fmt.Errorf("%w: not a body", ErrDamaged)
	}
	copy(salt[:], body[1:])
	d := decoder{rest: body[1+saltSize:]}
	e := clear
	e.Outcome = Done
	for last := 0; len(d.rest) > 0 && !d.bad; {
		tag := int(d.byte())
		if tag <= last {
			d.bad = true
			break
		}
		last = tag
		d.member(tag, &e)
	}
	if d.bad {
		return clear, salt, fmt.Errorf("%w: malformed body", ErrDamaged)
	}
	return e, salt, nil
}

func (d *decoder) member(tag int, e *Entry) {
	switch o := &e.Actor.Officer; tag {
	case tagSelf:
		e.Actor.Vault = e.Vault
	case tagActor:
		e.Actor.Vault = takeID[identity.VaultID](d)
	case tagClient:
		e.Actor.Client = d.word()
	case tagOfficerID:
		o.ID = d.word()
	case tagOfficerName:
		o.Name = d.name()
	case tagPost:
		o.Post = d.word()
	case tagOfficerSame:
		o.Organisation = e.Organisation
	case tagOfficerOther:
		o.Organisation = d.word()
	case tagUnit:
		o.Unit = d.word()
	case tagAssurance:
		o.Assurance = Assurance(d.byte())
		d.bad = d.bad || o.Assurance == 0 || o.Assurance > SignedIn
	case tagProcedure:
		e.Procedure = d.word()
	case tagPurpose:
		e.Purpose = d.word()
	case tagBasis:
		e.Basis = d.word()
	case tagDossier:
		e.Dossier = d.word()
	case tagDocument:
		e.Document = takeID[identity.DocumentID](d)
	case tagRevision:
		e.Revision = int(d.uvarint(1<<31 - 1))
	case tagDocuments:
		for range d.uvarint(maxSet) {
			e.Documents = append(e.Documents, takeID[identity.DocumentID](d))
		}
		d.bad = d.bad || !ascending(e.Documents, identity.DocumentID.Compare)
	case tagFields:
		for range d.uvarint(maxFields) {
			e.Fields = append(e.Fields, d.word())
		}
		d.bad = d.bad || !ascending(e.Fields, strings.Compare)
	case tagOutcome:
		e.Outcome = d.outcome()
	case tagReason:
		e.Reason = d.word()
	case tagRequest:
		e.Request = takeID[identity.RequestID](d)
	case tagGrant:
		e.Grant = takeID[identity.GrantID](d)
	case tagDisclosure:
		e.Disclosure = takeID[identity.DisclosureID](d)
	case tagTrace:
		e.RequestTrace = d.word()
	case tagTraceHex:
		e.RequestTrace = hex.EncodeToString(d.take(16))
	case tagTraceUUID:
		e.RequestTrace = takeID[identity.ObjectID](d).String()
	default:
		d.bad = true
	}
}

// ascending reports a set in its one order: not empty, no element twice.
func ascending[T any](set []T, compare func(a, b T) int) bool {
	for i := 1; i < len(set); i++ {
		if compare(set[i-1], set[i]) >= 0 {
			return false
		}
	}
	return len(set) > 0
}

// decoder reads members; after the first fault it stays bad and yields zero values.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || len(d.rest) < n {
		d.bad = true
		return make([]byte, min(n, 16))
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 || v > limit || (n > 1 && d.rest[n-1] == 0) {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) word() string {
	v := d.uvarint(maxBody)
	if v&1 == 1 {
		if v >>= 1; v < uint64(len(vocabulary)) {
			return vocabulary[v]
		}
		d.bad = true
		return ""
	}
	if n := int(v >> 1); !d.bad && n > 0 && n <= len(d.rest) {
		return string(d.take(n))
	}
	d.bad = true
	return ""
}

func (d *decoder) name() identity.Name {
	s := d.word()
	n, err := identity.ParseName(s)
	d.bad = d.bad || err != nil || n.Reveal() != s
	return n
}

func (d *decoder) outcome() Outcome {
	i := int(d.byte())
	if i == 0 || i >= len(Outcomes()) {
		d.bad = true
		return Done
	}
	return Outcomes()[i]
}

func takeID[T identity.ID[K], K any](d *decoder) T {
	id := identity.FromBytes[T, K]([16]byte(d.take(16)))
	d.bad = d.bad || identity.ID[K](id).IsZero()
	return id
}
