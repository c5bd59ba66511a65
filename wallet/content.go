package wallet

import (
	"encoding/binary"
	"errors"

	"vidan/identity"
	"vidan/seal"
)

// content is what a fact seals: the header, and the message exactly as delivered.
//
// Encoding, version 1: one byte version, one byte form, the header with its length, uvarint from and to (where the member
// "document" stands in the payload), then by form
//
//	split  protected header, payload and signature with their lengths, decoded: base64 hides what DEFLATE would find
//	exact  the message itself, where encoding the parts again would not give the same bytes
//
// Lengths are uvarints.
type content struct {
	header
	signed
	from, to int    // of the document in the payload; equal when it has none
	exact    bool   // the parts encode to the message again
	message  []byte // set when they do not
}

const (
	contentVersion = 1
	formSplit      = 0
	formExact      = 1
)

var errContent = errors.New("not a content")

func (c *content) encode() []byte {
	head := c.header.encode()
	b := make([]byte, 0, len(head)+len(c.protected)+len(c.payload)+len(c.signature)+len(c.message)+32)
	form := byte(formSplit)
	if !c.exact {
		form = formExact
	}
	b = append(b, contentVersion, form)
	b = appendPrefixed(b, head)
	b = binary.AppendUvarint(b, uint64(c.from))
	b = binary.AppendUvarint(b, uint64(c.to))
	if !c.exact {
		return appendPrefixed(b, c.message)
	}
	b = appendPrefixed(b, c.protected)
	b = appendPrefixed(b, c.payload)
	return appendPrefixed(b, c.signature)
}

func appendPrefixed(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// decodeContent reads what encode wrote; its slices are those of b.
func decodeContent(b []byte) (content, error) {
	r := &reader{rest: b}
	if r.byte() != contentVersion {
		return content{}, errContent
	}
	form := r.byte()
	head := r.prefixed()
	from, to := r.uvarint(), r.uvarint()
	c := content{exact: form == formSplit}
	switch form {
	case formSplit:
		c.signed = signed{protected: r.prefixed(), payload: r.prefixed(), signature: r.prefixed()}
	case formExact:
		c.message = r.prefixed()
		var err error
		if c.signed, _, err = parseSigned(c.message); err != nil {
			return content{}, errContent
		}
	default:
		return content{}, errContent
	}
	if r.failed || len(r.rest) != 0 || from > to || to > uint64(len(c.payload)) {
		return content{}, errContent
	}
	c.from, c.to = int(from), int(to)
	var err error
	c.header, err = decodeHeader(head)
	return c, err
}

// document is the member "document" as it stands in the payload, nil when there is none.
func (c *content) document() []byte {
	if c.from == c.to {
		return nil
	}
	return c.payload[c.from:c.to:c.to]
}

// delivered is the message as it came.
func (c *content) delivered() []byte {
	if !c.exact {
		return c.message
	}
	return c.compact()
}

// The places of what this package seals (seal C1). The head's place names the revision it shows.
func revisionPlace(v identity.VaultID, d identity.DocumentID, number int) seal.Place {
	return seal.Place{Table: "document_revisions", Column: "sealed", Vault: v, Object: d.Bytes(), Revision: int64(number)}
}

func headPlace(v identity.VaultID, d identity.DocumentID, number int) seal.Place {
	return seal.Place{Table: "documents", Column: "sealed_header", Vault: v, Object: d.Bytes(), Revision: int64(number)}
}

func holdingPlace(v identity.VaultID, h identity.HoldingID) seal.Place {
	return seal.Place{Table: "holdings", Column: "sealed", Vault: v, Object: h.Bytes()}
}
