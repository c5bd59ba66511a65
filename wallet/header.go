package wallet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// header is what a list shows of a revision. It is sealed twice: with the message in the fact, and alone in the head.
//
// Encoding, version 1: one byte version, one byte state, one byte origin, uvarint number, varint issuedAt and receivedAt in
// microseconds since 1970, 32 bytes payload digest, then each text as uvarint length and bytes in the order of texts, then
// zero bytes up to a multiple of 128, so that the length of a seal does not tell a criminal record from a health card.
type header struct {
	number     int
	state      State
	origin     Origin
	issuedAt   time.Time
	receivedAt time.Time
	digest     [32]byte

	docType, issuer, ref, title, procedure, dossier string
	validFrom, validUntil, subjectRole              string
}

const (
	headerVersion = 1
	headerPadding = 128
)

var errHeader = errors.New("not a header")

// The position of a value in these is its code in the encoding: they are only ever extended.
func states() []State   { return []State{Issued, Corrected, Revoked} }
func origins() []Origin { return []Origin{FromProcedure, Backfill} }

// texts lists the texts in the order of their encoding, which is only ever extended.
func (h *header) texts() [9]*string {
	return [9]*string{
		&h.docType, &h.issuer, &h.ref, &h.title, &h.procedure, &h.dossier, &h.validFrom, &h.validUntil, &h.subjectRole,
	}
}

func (h *header) check() error {
	if !slices.Contains(states(), h.state) {
		return fmt.Errorf("%w: unknown state", ErrRevision)
	}
	if !slices.Contains(origins(), h.origin) {
		return fmt.Errorf("%w: unknown origin", ErrRevision)
	}
	if h.docType == "" || h.issuer == "" || h.ref == "" {
		return fmt.Errorf("%w: no type, issuer or reference", ErrRevision)
	}
	if h.issuedAt.Unix() <= 0 && h.issuedAt.Year() < 1800 {
		return fmt.Errorf("%w: no date of issue", ErrRevision)
	}
	for _, s := range h.texts() {
		if len(*s) > maxText {
			return fmt.Errorf("%w: a text is too long", ErrRevision)
		}
	}
	return nil
}

func (h *header) encode() []byte {
	b := make([]byte, 0, 2*headerPadding)
	b = append(b, headerVersion, byte(slices.Index(states(), h.state)), byte(slices.Index(origins(), h.origin)))
	b = binary.AppendUvarint(b, uint64(h.number))
	b = binary.AppendVarint(b, h.issuedAt.UnixMicro())
	b = binary.AppendVarint(b, h.receivedAt.UnixMicro())
	b = append(b, h.digest[:]...)
	for _, s := range h.texts() {
		b = append(binary.AppendUvarint(b, uint64(len(*s))), *s...)
	}
	return append(b, make([]byte, (headerPadding-len(b)%headerPadding)%headerPadding)...)
}

// decodeHeader reads what encode wrote and nothing else: every header has one encoding.
func decodeHeader(b []byte) (header, error) {
	c := &reader{rest: b}
	if c.byte() != headerVersion {
		return header{}, errHeader
	}
	state, origin := int(c.byte()), int(c.byte())
	if state >= len(states()) || origin >= len(origins()) {
		return header{}, errHeader
	}
	h := header{state: states()[state], origin: origins()[origin]}
	number := c.uvarint()
	h.issuedAt = time.UnixMicro(c.varint()).UTC()
	h.receivedAt = time.UnixMicro(c.varint()).UTC()
	copy(h.digest[:], c.take(32))
	all := string(b) // one allocation for all texts
	for _, s := range h.texts() {
		n := len(c.prefixed())
		end := len(b) - len(c.rest)
		*s = all[end-n : end]
	}
	if c.failed || number < 1 || number > maxNumber || len(c.rest) >= headerPadding || len(b)%headerPadding != 0 {
		return header{}, errHeader
	}
	h.number = int(number)
	for _, pad := range c.rest {
		if pad != 0 {
			return header{}, errHeader
		}
	}
	return h, nil
}
