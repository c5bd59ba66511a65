package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"vidan/internal/keyring"
)

// Errors of opening keysets.
var (
	// ErrNoKeys reports a vault without a keyset: it never existed, or was erased. Callers answer as for a missing one.
	ErrNoKeys = errors.New("seal: no keys")
	// ErrKeyset reports stored keysets that are not those of this vault or deployment: altered, incomplete, of another
	// key-encryption key. It needs an operator.
	ErrKeyset = errors.New("seal: keyset refused")
	// ErrKeysUnavailable reports that the key-encryption key cannot be reached now; nothing was sealed or opened (C10).
	ErrKeysUnavailable = errors.New("seal: keys unavailable")
)

// bound is the KEK as Tink wants it, for one keyset: the epoch is fixed and the cause of a failure is kept, since
// Tink passes on its text alone.
type bound struct {
	kek   keyring.KEK
	epoch int32
	err   error
}

var _ tink.AEADWithContext = (*bound)(nil)

func (b *bound) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	wrapped, err := b.kek.Wrap(ctx, b.epoch, plaintext, ad)
	b.err = err
	return wrapped, err
}

func (b *bound) DecryptWithContext(ctx context.Context, wrapped, ad []byte) ([]byte, error) {
	plaintext, err := b.kek.Unwrap(ctx, b.epoch, wrapped, ad)
	b.err = err
	return plaintext, err
}

// wrap returns the keyset in Tink's binary form, encrypted (144 bytes for AES-256-GCM).
func wrap(ctx context.Context, kek keyring.KEK, epoch int32, handle *keyset.Handle, ad []byte) ([]byte, error) {
	key, out := &bound{kek: kek, epoch: epoch}, new(bytes.Buffer)
	if err := handle.WriteWithContext(ctx, keyset.NewBinaryWriter(out), key, ad); err != nil {
		return nil, keyError(key.err)
	}
	return out.Bytes(), nil
}

// unwrap reads it back and checks that it is what its purpose asks for (C3).
func unwrap(ctx context.Context, kek keyring.KEK, epoch int32, p Purpose, wrapped, ad []byte) (*keyset.Handle, error) {
	key := &bound{kek: kek, epoch: epoch}
	handle, err := keyset.ReadWithContext(ctx, keyset.NewBinaryReader(bytes.NewReader(wrapped)), key, ad)
	switch {
	case key.err != nil:
		return nil, keyError(key.err)
	case err != nil || !allowed(p, handle):
		return nil, ErrKeyset
	}
	return handle, nil
}

// keyError sorts what a KEK says: refused is for an operator, everything else may be over in a moment.
func keyError(err error) error {
	switch {
	case errors.Is(err, keyring.ErrRefused):
		return fmt.Errorf("%w: %w", ErrKeyset, err)
	case err == nil: // Tink failed by itself
		return ErrKeyset
	default:
		return fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
	}
}

// stored is one keyset row of a vault or of the deployment.
type stored struct {
	purpose Purpose
	id      [16]byte
	epoch   int32
	state   State
	wrapped []byte
}

// opened are the keysets of one purpose; active is nil when all of them were destroyed.
type opened struct {
	active    *keyset.Handle
	retired   []*keyset.Handle
	destroyed bool
}

// all returns the active keyset, then the others.
func (o *opened) all() []*keyset.Handle { return append([]*keyset.Handle{o.active}, o.retired...) }

// openRows unwraps rows into one entry per wanted purpose. binding returns the associated data of a row (C3).
func openRows(ctx context.Context, kek keyring.KEK, want []Purpose, rows []stored, binding func(stored) []byte) (map[Purpose]*opened, error) {
	got := make(map[Purpose]*opened, len(want))
	for _, p := range want {
		got[p] = new(opened)
	}
	for _, row := range rows {
		set := got[row.purpose]
		if set == nil {
			return nil, fmt.Errorf("keyset %s of purpose %q: %w", uuid.UUID(row.id), row.purpose, ErrKeyset)
		}
		switch row.state {
		case Destroyed:
			set.destroyed = true
			continue
		case Active, Retired:
		default:
			return nil, fmt.Errorf("keyset %s in state %q: %w", uuid.UUID(row.id), row.state, ErrKeyset)
		}
		handle, err := unwrap(ctx, kek, row.epoch, row.purpose, row.wrapped, binding(row))
		if err != nil {
			return nil, fmt.Errorf("keyset %s: %w", uuid.UUID(row.id), err)
		}
		switch {
		case row.state == Retired:
			set.retired = append(set.retired, handle)
		case set.active != nil:
			return nil, fmt.Errorf("two active keysets of %s: %w", row.purpose, ErrKeyset)
		default:
			set.active = handle
		}
	}
	for _, p := range want {
		// Rows are never deleted: a purpose that was destroyed still shows that it was there.
		if set := got[p]; set.active == nil && (!set.destroyed || len(set.retired) > 0) {
			return nil, fmt.Errorf("no active keyset of %s: %w", p, ErrKeyset)
		}
	}
	return got, nil
}
