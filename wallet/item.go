package wallet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"vidan/identity"
	"vidan/seal"
)

// Item is what a list shows of a paper. It prints masked (W9).
type Item struct {
	masked
	ID          identity.DocumentID
	Person      identity.VaultID // whose paper it is: the reader's main vault, or the home of a held paper
	Type        string           // catalogue id
	Issuer      string           // organisation id
	Ref         string           // the issuer's reference
	Title       string           // empty: its type says enough
	Procedure   string
	Dossier     string
	SubjectRole string // the role of Person in the paper
	Origin      Origin
	Revision    int
	State       State // of this revision
	Revoked     bool  // what the current revision says of the paper, whichever revision this is
	IssuedAt    time.Time
	ReceivedAt  time.Time
	ValidFrom   string // civil date as printed, or empty
	ValidUntil  string // civil date as printed, or empty
	Held        *Held  // set when Person is somebody else
	ETag        string // strong (RFC 9110 §8.8.3), quotes included; changes with every new current revision
	// Damaged reports a row that is not what was written (W3): only ID and Person are known, and an operator is needed.
	Damaged bool
}

// Held says why a paper of somebody else is shown.
type Held struct {
	ID     identity.HoldingID
	Reason string    // the catalogue's word: parent, co_subject, declarant …
	Until  time.Time // zero: no end
}

// Document is a paper as it was read. It prints masked (W9).
type Document struct {
	Item
	Payload json.RawMessage // the member "document" of the payload, byte for byte; nil for a revocation without one
	Message []byte          // the compact JWS as delivered: whoever has the issuer's key can check it
}

// RevisionInfo is one line of the history of a paper.
type RevisionInfo struct {
	masked
	Number     int
	State      State
	IssuedAt   time.Time
	ReceivedAt time.Time
	Payload    [32]byte // SHA-256 of the payload bytes
	Damaged    bool     // as in Item: only Number is known
}

// item shows a header. current is the number and state of the current revision.
func (h *header) item(doc identity.DocumentID, person identity.VaultID, current int, state State) Item {
	return Item{
		ID: doc, Person: person, Type: h.docType, Issuer: h.issuer, Ref: h.ref, Title: h.title, Procedure: h.procedure, Dossier: h.dossier,
		SubjectRole: h.subjectRole, Origin: h.origin, Revision: h.number, State: h.state, Revoked: state == Revoked,
		IssuedAt: h.issuedAt, ReceivedAt: h.receivedAt, ValidFrom: h.validFrom, ValidUntil: h.validUntil,
		ETag: etag(doc, h.number, current, state),
	}
}

// etag names what is shown: the paper, the revision, and which revision is current with which state. Document ids are keyed
// digests, so nobody can compute the tag of a paper they were not shown.
func etag(doc identity.DocumentID, shown, current int, state State) string {
	id := doc.Bytes()
	b := append(make([]byte, 0, 64), id[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(shown))
	b = binary.BigEndian.AppendUint32(b, uint32(current))
	sum := sha256.Sum256(append(b, state...))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// damaged wraps why a stored row is not served; the cause carries opaque names only.
func damaged(what string, doc identity.DocumentID, cause error) error {
	return fmt.Errorf("%s of paper %s: %w: %w", what, doc, ErrDamaged, cause)
}

// factRow is a row of document_revisions.
type factRow struct {
	number   int
	state    string
	payload  []byte
	issued   time.Time
	received time.Time
	sealed   []byte
}

// open opens a fact and holds its clear columns against the seal (W3).
func (f *factRow) open(keys *seal.Keys, doc identity.DocumentID) (content, error) {
	plain, err := keys.OpenMessage(seal.Content, revisionPlace(keys.Vault(), doc, f.number), f.sealed)
	if err != nil {
		return content{}, damaged("revision", doc, err)
	}
	c, err := decodeContent(plain)
	if err != nil {
		return content{}, damaged("revision", doc, err)
	}
	if c.number != f.number || string(c.state) != f.state || string(c.digest[:]) != string(f.payload) ||
		!c.issuedAt.Equal(f.issued) || !c.receivedAt.Equal(f.received) {
		return content{}, damaged("revision", doc, seal.ErrTampered)
	}
	return c, nil
}

// headRow is a row of documents.
type headRow struct {
	doc     identity.DocumentID
	tag     []byte
	state   string
	current int
	sealed  []byte
	added   time.Time
	changed time.Time
}

// open opens a head and holds its clear columns against the seal (W3). When its paper was first added stands nowhere else than in
// the facts.
func (r *headRow) open(keys *seal.Keys) (header, error) {
	plain, err := keys.Open(seal.Content, headPlace(keys.Vault(), r.doc, r.current), r.sealed)
	if err != nil {
		return header{}, damaged("head", r.doc, err)
	}
	h, err := decodeHeader(plain)
	if err != nil {
		return header{}, damaged("head", r.doc, err)
	}
	if h.number != r.current || headState(h.state) != r.state || !h.receivedAt.Equal(r.changed) {
		return header{}, damaged("head", r.doc, seal.ErrTampered)
	}
	return h, nil
}
