package seal

import (
	"math"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/daead/aessiv"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/mac/hmac"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/prf/hmacprf"
)

// Purpose is what a keyset is for. Each has one algorithm, fixed here and checked when a keyset is opened.
type Purpose string

const (
	// Content seals papers, their headers and everything a person owns; destroyed when the vault is erased.
	Content Purpose = "content"
	// Record seals the rows of the access log; it outlives Content until the legal term of the record.
	Record Purpose = "record"
	// Tag is the PRF of document types within one vault.
	Tag Purpose = "tag"

	// Identifier is the PRF of numbers and notices (C7); its key id is stored beside each digest.
	Identifier Purpose = "identifier"
	// DocumentNaming is the PRF that names papers. It is apart from Identifier because it never rotates: a document id
	// is part of primary keys and of associated data.
	DocumentNaming Purpose = "document-id"
	// RowMAC authenticates rows that grant authority (C6).
	RowMAC Purpose = "row-mac"
	// Waiting seals what has no vault (yet): waiting room, quarantine, requests.
	Waiting Purpose = "waiting"
	// Signing seals the private keys with which the deployment signs, and its other secrets.
	Signing Purpose = "signing"
	// Reference seals ids that leave (C8), deterministically.
	Reference Purpose = "reference"
)

// State says what a keyset may still do.
type State string

const (
	// Active seals and opens; each purpose has exactly one.
	Active State = "active"
	// Retired opens only. A keyset about to become active is stored so for one life of every cache beforehand.
	Retired State = "retired"
	// Destroyed does nothing: its wrapped bytes are gone.
	Destroyed State = "destroyed"
)

// newKeyset draws a fresh keyset with one key.
func newKeyset(p Purpose) (*keyset.Handle, error) {
	switch p {
	case Content, Record, Waiting, Signing:
		return keyset.NewHandle(aead.AES256GCMKeyTemplate())
	case Tag, DocumentNaming:
		return keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	case Identifier:
		return newNumberedPRF()
	case RowMAC:
		return keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	case Reference:
		params, err := aessiv.NewParameters(64, aessiv.VariantNoPrefix) // five bytes less in every URL
		if err != nil {
			return nil, err
		}
		manager := keyset.NewManager()
		id, err := manager.AddNewKeyFromParameters(params)
		if err != nil {
			return nil, err
		}
		if err := manager.SetPrimary(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	default:
		return nil, ErrPurpose
	}
}

// newNumberedPRF draws until the key id is a positive int32: it is stored as one (identifiers.prf_key_id).
func newNumberedPRF() (*keyset.Handle, error) {
	for {
		handle, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
		if err != nil {
			return nil, err
		}
		entry, err := handle.Primary()
		if err != nil {
			return nil, err
		}
		if id := entry.KeyID(); id > 0 && id <= math.MaxInt32 {
			return handle, nil
		}
	}
}

// allowed checks every key of a keyset against the one algorithm of its purpose.
func allowed(p Purpose, handle *keyset.Handle) bool {
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return false
		}
		var ok bool
		switch key := entry.Key().(type) {
		case *aesgcm.Key:
			params := key.Parameters().(*aesgcm.Parameters)
			ok = (p == Content || p == Record || p == Waiting || p == Signing) &&
				params.KeySizeInBytes() == 32 && params.Variant() == aesgcm.VariantTink
		case *hmacprf.Key:
			ok = (p == Tag || p == DocumentNaming || p == Identifier && entry.KeyID() <= math.MaxInt32) &&
				key.Parameters().(*hmacprf.Parameters).HashType() == hmacprf.SHA256
		case *hmac.Key:
			params := key.Parameters().(*hmac.Parameters)
			ok = p == RowMAC && params.HashType() == hmac.SHA256 &&
				params.CryptographicTagSizeInBytes() == 32 && params.Variant() == hmac.VariantTink
		case *aessiv.Key:
			ok = p == Reference && key.Parameters().(*aessiv.Parameters).Variant() == aessiv.VariantNoPrefix
		}
		if !ok {
			return false
		}
	}
	return true
}
