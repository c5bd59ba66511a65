package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrNotRef reports a string that is no reference of this sector and kind. Callers answer as for a missing object.
var ErrNotRef = errors.New("seal: not a reference")

// References carry ids of 1 to maxRefID bytes. Ids of one kind have one length, so do its references: 43 characters
// for the 16 bytes that almost all of them have.
const (
	sivSize  = 16
	maxRefID = 256
)

// refEncoding is base64url without padding (RFC 4648 §5); Strict refuses stray bits at the end.
func refEncoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// Ref seals an id for the outside (C8): the same id has one name in a sector, and names that cannot be compared in two.
// An empty id, or one above 256 bytes, is a mistake of the caller and panics.
func (d *Deployment) Ref(sector, kind string, id []byte) string {
	if len(id) == 0 || len(id) > maxRefID {
		panic("seal: an id to refer to has 1 to 256 bytes")
	}
	sealed, err := d.references[0].EncryptDeterministically(id, d.refData(sector, kind))
	if err != nil {
		panic("seal: AES-SIV refused a short plaintext")
	}
	return refEncoding().EncodeToString(sealed)
}

// OpenRef returns the id that Ref was given for this sector and kind; for every other string ErrNotRef. Exactly one
// string opens to an id.
func (d *Deployment) OpenRef(sector, kind, ref string) ([]byte, error) {
	encoding := refEncoding()
	if len(ref) > encoding.EncodedLen(sivSize+maxRefID) {
		return nil, ErrNotRef
	}
	sealed, err := encoding.DecodeString(ref)
	// The decoder skips line breaks: they would give one id many names.
	if err != nil || len(sealed) <= sivSize || encoding.EncodedLen(len(sealed)) != len(ref) {
		return nil, ErrNotRef
	}
	ad := d.refData(sector, kind)
	for _, key := range d.references {
		if id, err := key.DecryptDeterministically(sealed, ad); err == nil {
			return id, nil
		}
	}
	return nil, fmt.Errorf("kind %s: %w", kind, ErrNotRef)
}

func (d *Deployment) refData(sector, kind string) []byte {
	b := textField(make([]byte, 0, 96), "reference")
	b = bytesField(b, d.id[:])
	b = textField(b, sector)
	return textField(b, kind)
}
