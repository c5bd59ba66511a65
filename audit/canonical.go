package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"vidan/identity"
)

// The canonical row, version 1, is what a commitment is made over: every clear column and every member of the entry,
// written out in full, so that it can be computed by anyone who was shown the row, without this program and without its
// compact body.
//
//	"vidan-record-row" ‖ 0x01 ‖ part*
//	part = uint32 big-endian length ‖ bytes
//
// The parts, always all of them and in this order: vault id · entry id · at · kind · organisation · actor vault id ·
// client · officer id · officer name · post · officer organisation · unit · assurance · procedure · purpose · basis ·
// dossier · document id · revision · documents · fields · outcome · reason · request id · grant id · disclosure id ·
// request trace.
//
// An id is its 16 bytes, or nothing when there is none. at is int64 big-endian microseconds since 1970-01-01T00:00Z,
// the precision of the database. assurance is nothing, "asserted" or "signed_in". revision is uint64 big-endian.
// documents is the ids in ascending order, one behind the other; fields is the names in ascending byte order, each
// itself a part. Text is UTF-8 as recorded. An absent outcome is "done".
//
//	commitment = SHA-256(salt ‖ canonical row), salt = 32 random bytes
const (
	canonicalLabel   = "vidan-record-row"
	canonicalVersion = 1
	saltSize         = 32
)

// normal returns e as it is recorded: sets sorted and without repetition, the outcome written out. The caller's slices
// stay as they are.
func (e Entry) normal() Entry {
	if len(e.Documents) > 0 {
		e.Documents = slices.Clone(e.Documents)
		slices.SortFunc(e.Documents, identity.DocumentID.Compare)
		e.Documents = slices.Compact(e.Documents)
	}
	if len(e.Fields) > 0 {
		e.Fields = slices.Clone(e.Fields)
		slices.Sort(e.Fields)
		e.Fields = slices.Compact(e.Fields)
	}
	if e.Outcome == "" {
		e.Outcome = Done
	}
	return e
}

// canonical appends the canonical row of a normal entry.
func canonical(b []byte, e Entry, id identity.EntryID, at time.Time) []byte {
	b = append(b, canonicalLabel...)
	b = append(b, canonicalVersion)
	b = partID(b, e.Vault)
	b = partID(b, id)
	b = binary.BigEndian.AppendUint64(partHead(b, 8), uint64(at.UnixMicro()))
	b = part(b, string(e.Kind))
	b = part(b, e.Organisation)
	b = partID(b, e.Actor.Vault)
	b = part(b, e.Actor.Client)
	o := e.Actor.Officer
	b = part(b, o.ID)
	b = part(b, o.Name.Reveal())
	b = part(b, o.Post)
	b = part(b, o.Organisation)
	b = part(b, o.Unit)
	b = part(b, o.Assurance.String())
	b = part(b, e.Procedure)
	b = part(b, e.Purpose)
	b = part(b, e.Basis)
	b = part(b, e.Dossier)
	b = partID(b, e.Document)
	b = binary.BigEndian.AppendUint64(partHead(b, 8), uint64(e.Revision))
	b = partHead(b, 16*len(e.Documents))
	for _, d := range e.Documents {
		raw := d.Bytes()
		b = append(b, raw[:]...)
	}
	size := 0
	for _, f := range e.Fields {
		size += 4 + len(f)
	}
	b = partHead(b, size)
	for _, f := range e.Fields {
		b = part(b, f)
	}
	b = part(b, string(e.Outcome))
	b = part(b, e.Reason)
	b = partID(b, e.Request)
	b = partID(b, e.Grant)
	b = partID(b, e.Disclosure)
	return part(b, e.RequestTrace)
}

func partHead(b []byte, size int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(size))
}

func part(b []byte, s string) []byte { return append(partHead(b, len(s)), s...) }

func partID[K any](b []byte, id identity.ID[K]) []byte {
	if id.IsZero() {
		return partHead(b, 0)
	}
	raw := id.Bytes()
	return append(partHead(b, len(raw)), raw[:]...)
}

// String is the word of the canonical row, empty for none.
func (a Assurance) String() string {
	switch a {
	case Asserted:
		return "asserted"
	case SignedIn:
		return "signed_in"
	}
	return ""
}

// commit makes the commitment of a normal entry.
func commit(salt [saltSize]byte, e Entry, id identity.EntryID, at time.Time) [sha256.Size]byte {
	b := append(make([]byte, 0, 768), salt[:]...)
	return sha256.Sum256(canonical(b, e, id, at))
}
