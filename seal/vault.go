package seal

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/prf"

	"vidan/identity"
)

// WrappedKey is one row of vault_keys: a keyset of one vault and purpose, wrapped by the key-encryption key (C3).
type WrappedKey struct {
	Vault    identity.VaultID
	Purpose  Purpose
	KeysetID [16]byte
	Epoch    int32
	State    State
	Wrapped  []byte
}

func (w WrappedKey) stored() stored {
	return stored{purpose: w.Purpose, id: w.KeysetID, epoch: w.Epoch, state: w.State, wrapped: w.Wrapped}
}

// Keys are the opened keysets of one vault. They never change and are safe for concurrent use; the methods of a nil
// *Keys return ErrNoKeys.
type Keys struct {
	masked
	d       *Deployment
	vault   identity.VaultID
	content *sealer // nil when destroyed, as the next two
	record  *sealer
	tag     prf.PRF
	tags    *sync.Map // what tag computed, by document type: as many as the catalogue has types
}

func vaultPurposes() []Purpose { return []Purpose{Content, Record, Tag} }

// NewVault draws the three keysets of a vault and returns them opened, with the rows to store in the transaction that
// creates it. What is returned was opened from those rows, so nothing is ever sealed under a keyset that the
// key-encryption key would not give back.
func (d *Deployment) NewVault(ctx context.Context, v identity.VaultID) (*Keys, []WrappedKey, error) {
	if v.IsZero() {
		return nil, nil, fmt.Errorf("new vault: %w", ErrPlace)
	}
	rows := make([]WrappedKey, 0, 3)
	for _, p := range vaultPurposes() {
		row, err := d.newRow(ctx, p, d.vaultBinding(v))
		if err != nil {
			return nil, nil, fmt.Errorf("new %s keyset of vault %s: %w", p, v, err)
		}
		rows = append(rows, WrappedKey{Vault: v, Purpose: p, KeysetID: row.id, Epoch: row.epoch, State: row.state, Wrapped: row.wrapped})
	}
	keys, err := d.OpenVault(ctx, v, rows)
	if err != nil {
		return nil, nil, err
	}
	return keys, rows, nil
}

// OpenVault opens the keysets of a vault together. Errors: ErrNoKeys without a living keyset, ErrKeyset, ErrKeysUnavailable.
func (d *Deployment) OpenVault(ctx context.Context, v identity.VaultID, rows []WrappedKey) (*Keys, error) {
	if !slices.ContainsFunc(rows, func(w WrappedKey) bool { return w.State != Destroyed }) {
		return nil, fmt.Errorf("vault %s: %w", v, ErrNoKeys)
	}
	all := make([]stored, len(rows))
	for i, row := range rows {
		if row.Vault != v {
			return nil, fmt.Errorf("vault %s: keyset %s is another's: %w", v, uuid.UUID(row.KeysetID), ErrKeyset)
		}
		all[i] = row.stored()
	}
	sets, err := openRows(ctx, d.kek, vaultPurposes(), all, d.vaultBinding(v))
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", v, err)
	}
	keys := &Keys{d: d, vault: v, tags: new(sync.Map)}
	if keys.content, err = newSealer(sets[Content]); err != nil {
		return nil, fmt.Errorf("vault %s: %w", v, err)
	}
	if keys.record, err = newSealer(sets[Record]); err != nil {
		return nil, fmt.Errorf("vault %s: %w", v, err)
	}
	if keys.tag, err = newPRF(sets[Tag]); err != nil {
		return nil, fmt.Errorf("vault %s: %w", v, err)
	}
	return keys, nil
}

// Rewrap returns the row wrapped under the newest epoch; the keyset in it stays the same. The caller stores it with
// an update on the old epoch, so that two jobs cannot cross.
func (d *Deployment) Rewrap(ctx context.Context, row WrappedKey) (WrappedKey, error) {
	again, err := d.rewrap(ctx, row.stored(), d.vaultBinding(row.Vault))
	if err != nil {
		return WrappedKey{}, fmt.Errorf("rewrap keyset %s of vault %s: %w", uuid.UUID(row.KeysetID), row.Vault, err)
	}
	row.Epoch, row.Wrapped = again.epoch, again.wrapped
	return row, nil
}

// vaultBinding is ("deployment", "vault-key", vault, purpose, keyset id, epoch): C3.
func (d *Deployment) vaultBinding(v identity.VaultID) func(stored) []byte {
	vault := v.Bytes()
	return func(row stored) []byte {
		b := bytesField(make([]byte, 0, 128), d.id[:])
		b = textField(b, "vault-key")
		b = bytesField(b, vault[:])
		b = textField(b, string(row.purpose))
		b = bytesField(b, row.id[:])
		return uint32Field(b, uint32(row.epoch))
	}
}

// Vault returns whose keys these are; zero for nil.
func (k *Keys) Vault() identity.VaultID {
	if k == nil {
		return identity.VaultID{}
	}
	return k.vault
}

// Seal seals a plain value under Content or Record; it comes out Overhead bytes longer.
func (k *Keys) Seal(p Purpose, at Place, plaintext []byte) ([]byte, error) {
	s, err := k.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return s.seal(k.d, at, formPlain, plaintext)
}

// Open returns what Seal was given. Whatever else it is shown is ErrSealed.
func (k *Keys) Open(p Purpose, at Place, sealed []byte) ([]byte, error) {
	s, err := k.opener(p, at)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	return s.open(k.d, at, formPlain, sealed)
}

// SealMessage seals a message of up to MaxMessage bytes, compressed and padded inside the seal.
func (k *Keys) SealMessage(p Purpose, at Place, message []byte) ([]byte, error) {
	s, err := k.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return s.sealMessage(k.d, at, message)
}

// OpenMessage returns what SealMessage was given, never more than MaxMessage bytes.
func (k *Keys) OpenMessage(p Purpose, at Place, sealed []byte) ([]byte, error) {
	s, err := k.opener(p, at)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	return s.openMessage(k.d, at, sealed)
}

// TypeTag returns the tag under which this vault files a document type: rows of one type are found without opening
// them, and two vaults, or a dump and a list of types, cannot be compared. It is zero once the keys are destroyed.
func (k *Keys) TypeTag(documentType string) [16]byte {
	if k == nil || k.tag == nil {
		return [16]byte{}
	}
	if tag, ok := k.tags.Load(documentType); ok {
		return tag.([16]byte)
	}
	input := textField(make([]byte, 0, 64), "type-tag")
	tag := [16]byte(compute(k.tag, textField(input, documentType), 16))
	k.tags.Store(documentType, tag)
	return tag
}

// sealer returns the keyset to seal with; a Place of another vault is a mistake of the caller.
func (k *Keys) sealer(p Purpose, at Place) (*sealer, error) {
	if k == nil {
		return nil, ErrNoKeys
	}
	if !at.named() || at.Vault != k.vault {
		return nil, ErrPlace
	}
	return k.of(p)
}

// opener is the same for opening, where a Place of another vault is what an attacker or a mix-up looks like (C1).
func (k *Keys) opener(p Purpose, at Place) (*sealer, error) {
	if k != nil && at.Vault != k.vault {
		return nil, ErrSealed
	}
	return k.sealer(p, at)
}

func (k *Keys) of(p Purpose) (*sealer, error) {
	var s *sealer
	switch p {
	case Content:
		s = k.content
	case Record:
		s = k.record
	default:
		return nil, ErrPurpose
	}
	if s == nil {
		return nil, ErrNoKeys
	}
	return s, nil
}
