package wallet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"time"

	"vidan/identity"
)

// State is what a revision says about its paper (docs/RESULTS.md §1.1).
type State string

// The states of a revision.
const (
	Issued    State = "issued"
	Corrected State = "corrected" // a later revision that replaces what an earlier one said
	Revoked   State = "revoked"   // the paper is no longer valid; its document may be absent
)

// Origin is how a paper came into being here.
type Origin string

// The origins of a revision.
const (
	FromProcedure Origin = "procedure" // the result of a procedure that ended
	Backfill      Origin = "backfill"  // an old paper brought in with its true date
)

// Revision is one sealed state of a paper (giấy tờ), as its issuer signed it. It prints masked (W9).
type Revision struct {
	masked
	Vault       identity.VaultID
	Document    identity.DocumentID // of issuer, type and reference: seal.Deployment.DocumentID
	Type        string              // catalogue id
	Issuer      string              // organisation id
	Ref         string              // the issuer's own reference of the paper
	Title       string              // what the paper is called, where that says more than its type; may be empty
	Procedure   string              // catalogue id; empty for an old paper
	Dossier     string              // mã hồ sơ; empty for an old paper
	Number      int                 // the issuer's order of the states of this paper, from 1
	State       State
	Origin      Origin // empty means FromProcedure
	IssuedAt    time.Time
	ValidFrom   string // civil date as printed; empty when the paper says none
	ValidUntil  string // civil date as printed; empty when the paper says none
	SubjectRole string // the role in which the owner of this vault stands in the paper: child, wife, husband …
	// Message is the compact JWS exactly as delivered, and PayloadSHA256 the digest of its payload bytes.
	Message       []byte
	PayloadSHA256 [32]byte
}

const (
	maxNumber = math.MaxInt32
	// maxMessage leaves room for the header within seal.MaxMessage: a payload of 256 KiB in base64 fits.
	maxMessage = 500 << 10
	maxText    = 500 // of each text of a header, in bytes
)

// signed are the parts of a compact JWS (RFC 7515 §7.1), decoded.
type signed struct{ protected, payload, signature []byte }

// errJWS reports what is not three parts of base64url.
var errJWS = errors.New("not a compact JWS")

// parseSigned decodes a message. exact says that the parts encode to it again: base64url leaves room for stray bits at the end of a part and for
// line breaks, and only the strict reading has neither.
func parseSigned(message []byte) (s signed, exact bool, err error) {
	parts := bytes.Split(message, []byte("."))
	if len(parts) != 3 {
		return signed{}, false, errJWS
	}
	exact = !bytes.ContainsAny(message, "\r\n")
	b := make([]byte, len(message))
	var out [3][]byte
	for i, part := range parts {
		n, err := base64.RawURLEncoding.Strict().Decode(b, part)
		if err != nil {
			exact = false
			if n, err = base64.RawURLEncoding.Decode(b, part); err != nil {
				return signed{}, false, errJWS
			}
		}
		out[i], b = b[:n:n], b[n:]
	}
	return signed{protected: out[0], payload: out[1], signature: out[2]}, exact, nil
}

// compact is the message again.
func (s signed) compact() []byte {
	enc := base64.RawURLEncoding
	b := make([]byte, 0, enc.EncodedLen(len(s.protected))+enc.EncodedLen(len(s.payload))+enc.EncodedLen(len(s.signature))+2)
	b = append(enc.AppendEncode(b, s.protected), '.')
	b = append(enc.AppendEncode(b, s.payload), '.')
	return enc.AppendEncode(b, s.signature)
}

// content checks a revision and returns what is sealed for it. Its errors name the member at fault, never what it holds.
func (r Revision) content(receivedAt time.Time) (content, error) {
	if r.Vault.IsZero() || r.Document.IsZero() {
		return content{}, fmt.Errorf("%w: no vault or no document", ErrRevision)
	}
	if r.Number < 1 || r.Number > maxNumber {
		return content{}, fmt.Errorf("%w: number out of bounds", ErrRevision)
	}
	if len(r.Message) > maxMessage {
		return content{}, fmt.Errorf("%w: message too large", ErrRevision)
	}
	parts, exact, err := parseSigned(r.Message)
	if err != nil {
		return content{}, fmt.Errorf("%w: %w", ErrRevision, err)
	}
	if sha256.Sum256(parts.payload) != r.PayloadSHA256 {
		return content{}, fmt.Errorf("%w: the digest is of another payload", ErrRevision)
	}
	from, to, err := documentMember(parts.payload)
	if err != nil || from == to && r.State != Revoked {
		return content{}, fmt.Errorf("%w: no document in the payload", ErrRevision)
	}
	h := header{
		number: r.Number, state: r.State, origin: r.Origin, issuedAt: micro(r.IssuedAt), receivedAt: micro(receivedAt), digest: r.PayloadSHA256,
		docType: r.Type, issuer: r.Issuer, ref: r.Ref, title: r.Title, procedure: r.Procedure, dossier: r.Dossier,
		validFrom: r.ValidFrom, validUntil: r.ValidUntil, subjectRole: r.SubjectRole,
	}
	if h.origin == "" {
		h.origin = FromProcedure
	}
	if err := h.check(); err != nil {
		return content{}, err
	}
	return content{header: h, signed: parts, from: from, to: to, exact: exact, message: r.Message}, nil
}

// micro is a moment as PostgreSQL keeps it.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
