package keyring

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	keyBytes    = 32      // AES-256
	maxFileSize = 1 << 20 // thousands of epochs
)

// fileKEK is a cleartext Tink keyset in JSON: one AES-256-GCM key with Tink prefix per epoch, the key id being the
// epoch, so that a wrapped keyset begins with 0x01 and the epoch in big endian, and any Tink reads the file.
type fileKEK struct {
	primary int32
	epochs  map[int32]tink.AEAD // immutable after openFile
}

func (k *fileKEK) Epoch() int32 { return k.primary }

func (k *fileKEK) Epochs() []int32 { return slices.Sorted(maps.Keys(k.epochs)) }

func (k *fileKEK) Wrap(ctx context.Context, epoch int32, plaintext, ad []byte) ([]byte, error) {
	key, err := k.key(ctx, epoch)
	if err != nil {
		return nil, err
	}
	wrapped, err := key.Encrypt(plaintext, ad)
	if err != nil {
		return nil, fmt.Errorf("wrap under epoch %d: %w", epoch, ErrUnavailable)
	}
	return wrapped, nil
}

func (k *fileKEK) Unwrap(ctx context.Context, epoch int32, wrapped, ad []byte) ([]byte, error) {
	key, err := k.key(ctx, epoch)
	if err != nil {
		return nil, err
	}
	plaintext, err := key.Decrypt(wrapped, ad)
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, ErrRefused)
	}
	return plaintext, nil
}

func (k *fileKEK) key(ctx context.Context, epoch int32) (tink.AEAD, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, found := k.epochs[epoch]
	if !found {
		return nil, fmt.Errorf("epoch %d: %w", epoch, ErrEpoch)
	}
	return key, nil
}

// Masks (KR3).

const maskedFile = "keyring.file(masked)"

func (k *fileKEK) String() string               { return maskedFile }
func (k *fileKEK) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, maskedFile) }
func (k *fileKEK) LogValue() slog.Value         { return slog.StringValue(maskedFile) }
func (k *fileKEK) MarshalJSON() ([]byte, error) { return []byte(`"` + maskedFile + `"`), nil }

func openFile(path string) (KEK, error) {
	handle, err := readKeyset(path)
	if err != nil {
		return nil, err
	}
	kek := &fileKEK{epochs: make(map[int32]tink.AEAD, handle.Len())}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, ErrKeyFile)
		}
		if entry.KeyStatus() != keyset.Enabled {
			continue
		}
		key, isGCM := entry.Key().(*aesgcm.Key)
		if !isGCM || entry.KeyID() == 0 || entry.KeyID() > math.MaxInt32 {
			return nil, fmt.Errorf("%s: entry %d is not an epoch: %w", path, i, ErrKeyFile)
		}
		params := key.Parameters().(*aesgcm.Parameters)
		if params.KeySizeInBytes() != keyBytes || params.Variant() != aesgcm.VariantTink {
			return nil, fmt.Errorf("%s: entry %d is not AES-256-GCM that names its epoch: %w", path, i, ErrKeyFile)
		}
		epoch := int32(entry.KeyID())
		if kek.epochs[epoch], err = aesgcm.NewAEAD(key); err != nil {
			return nil, fmt.Errorf("%s: epoch %d: %w", path, epoch, ErrKeyFile)
		}
		if entry.IsPrimary() {
			kek.primary = epoch
		}
	}
	return kek, nil // Tink guarantees one enabled primary
}

// readKeyset reads through one descriptor, so that the file whose mode was looked at is the file that is used.
func readKeyset(path string) (*keyset.Handle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: %w", path, ErrKeyFile)
	case info.Mode().Perm()&0o177 != 0:
		return nil, fmt.Errorf("%s has mode %04o, want 0600: %w", path, info.Mode().Perm(), ErrKeyFile)
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s is too large: %w", path, ErrKeyFile)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(io.LimitReader(f, maxFileSize)))
	if err != nil { // Tink's text could quote the file: dropped (KR3)
		return nil, fmt.Errorf("%s is not a keyset: %w", path, ErrKeyFile)
	}
	return handle, nil
}

func createFile(path string) error {
	content, err := withEpoch(keyset.NewManager(), 1)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	return link(path, content)
}

func addFileEpoch(path string) (int32, error) {
	var next int32
	err := replace(path, func() ([]byte, error) {
		handle, err := readKeyset(path)
		if err != nil {
			return nil, err
		}
		for i := range handle.Len() {
			entry, err := handle.Entry(i)
			if err != nil || entry.KeyID() >= math.MaxInt32 {
				return nil, fmt.Errorf("%s: %w", path, ErrKeyFile)
			}
			next = max(next, int32(entry.KeyID())) // disabled ones too: an epoch number is never used twice
		}
		next++
		return withEpoch(keyset.NewManagerFromHandle(handle), next)
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}

// withEpoch adds a fresh key for the epoch as primary and returns the file's content.
func withEpoch(manager *keyset.Manager, epoch int32) ([]byte, error) {
	params, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: keyBytes, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	})
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	material, err := secretdata.NewBytesFromRand(keyBytes)
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	key, err := aesgcm.NewKey(material, uint32(epoch), params)
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	id, err := manager.AddKey(key)
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return nil, fmt.Errorf("epoch %d: %w", epoch, err)
	}
	return content.Bytes(), nil
}
