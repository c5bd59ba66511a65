// Package keyring reaches the key-encryption keys (KEK) of a deployment by URI and promises that whatever was
// wrapped for one purpose unwraps for that purpose alone, under the epoch that wrapped it, or not at all.
//
// A KEK wraps the keysets of package seal and nothing else; no document ever passes through it. It has epochs:
// new keysets are wrapped under the newest, living ones are re-wrapped to it, and an epoch is destroyed once no
// backup that needs it is alive, which is what makes an erasure final (DESIGN §4). The epoch is an argument of
// Wrap because callers bind it into the associated data: it must not change between the two.
//
// KR1 Associated data is authenticated: other bytes, or none, do not unwrap.
// KR2 An epoch that the KEK does not hold is [ErrEpoch]; one that cannot be reached now is [ErrUnavailable]; what
// it will never unwrap is [ErrRefused]. Only the second is worth another try.
// KR3 No error, log line or printed value contains key material, and none contains what was wrapped.
// KR4 Nothing here creates a key except [Create] and [AddEpoch], and neither ever replaces one.
//
// One kind exists, "file:", for one machine. A second (PKCS#11, cloud KMS) is another implementation of [KEK] that
// passes package keyringtest. The package keeps no cache and reads no clock.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors of every KEK. Their texts and what wraps them name URIs, files and epochs only.
var (
	// ErrURI reports a key URI that cannot be used: unknown kind, or no path.
	ErrURI = errors.New("keyring: not a usable key URI")
	// ErrKeyFile reports a key file that is missing, open to others, or not a keyset this package made.
	ErrKeyFile = errors.New("keyring: key file refused")
	// ErrExists reports that a key is already there; it is never replaced.
	ErrExists = errors.New("keyring: key exists already")
	// ErrEpoch reports an epoch that the KEK does not hold (any more).
	ErrEpoch = errors.New("keyring: no such epoch")
	// ErrUnavailable reports that the KEK cannot be reached now.
	ErrUnavailable = errors.New("keyring: key-encryption key unavailable")
	// ErrRefused reports bytes that do not unwrap: altered, wrapped by another key, or for another purpose.
	ErrRefused = errors.New("keyring: does not unwrap")
)

// KEK wraps and unwraps keysets. Implementations are safe for concurrent use, print masked, keep neither plaintext
// nor associated data after they return, and pass keyringtest.Conformance.
type KEK interface {
	// Epoch returns the epoch under which new keysets are wrapped; it is one of Epochs.
	Epoch() int32
	// Epochs returns, ascending, every epoch that still unwraps; epochs begin at 1.
	Epochs() []int32
	// Wrap encrypts plaintext under the epoch and binds ad to it. Errors: ErrEpoch, ErrUnavailable, ctx.Err().
	Wrap(ctx context.Context, epoch int32, plaintext, ad []byte) ([]byte, error)
	// Unwrap is the inverse of Wrap. Errors: ErrRefused, ErrEpoch, ErrUnavailable, ctx.Err().
	Unwrap(ctx context.Context, epoch int32, wrapped, ad []byte) ([]byte, error)
}

// SchemeFile is the kind of a KEK kept in a file: the key lies beside the data it protects, so production accepts
// it only when told.
const SchemeFile = "file"

// Scheme returns the kind of a key URI ("file"), or "" when it names none.
func Scheme(uri string) string {
	scheme, _, found := strings.Cut(uri, ":")
	if !found {
		return ""
	}
	return scheme
}

// Open returns the KEK that the URI names. A "file:" URI is a path taken as it stands, absolute or relative
// ("file:/etc/vidan/kek.json", also "file:///etc/…"); nothing in it is decoded.
func Open(ctx context.Context, uri string) (KEK, error) {
	path, err := filePath(uri)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return openFile(path)
}

// Create makes a KEK with the single epoch 1. It returns ErrExists when there is one, whatever its state.
func Create(ctx context.Context, uri string) error {
	path, err := filePath(uri)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return createFile(path)
}

// AddEpoch adds the next epoch, makes it the one that wraps, and returns its number. A KEK opened before keeps the
// epochs it had: restart, or open again, to use the new one.
func AddEpoch(ctx context.Context, uri string) (int32, error) {
	path, err := filePath(uri)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return addFileEpoch(path)
}

func filePath(uri string) (string, error) {
	rest, found := strings.CutPrefix(uri, SchemeFile+":")
	if !found {
		// The rest of a foreign URI may hold a credential; its kind does not.
		return "", fmt.Errorf("kind %q, want %q: %w", Scheme(uri), SchemeFile, ErrURI)
	}
	if path, absolute := strings.CutPrefix(rest, "//"); absolute {
		if !strings.HasPrefix(path, "/") {
			return "", fmt.Errorf("a key file is on this machine: %w", ErrURI)
		}
		rest = path
	}
	if rest == "" || strings.ContainsRune(rest, 0) {
		return "", fmt.Errorf("no path: %w", ErrURI)
	}
	return rest, nil
}
