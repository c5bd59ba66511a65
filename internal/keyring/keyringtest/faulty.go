// Package keyringtest proves that a [keyring.KEK] keeps its promises, and breaks one on purpose. It is for tests
// only: internal/arch keeps it out of every binary.
package keyringtest

import (
	"context"
	"fmt"
	"sync"

	"vidan/internal/keyring"
)

// Faulty stands before a real KEK and fails as a distant one does: down, slow, or holding another key. It begins
// without fault and is safe for concurrent use.
type Faulty struct {
	keyring.KEK

	mu      sync.Mutex
	down    bool
	wrong   bool
	release <-chan struct{}
	calls   int
}

// Fault returns a Faulty that so far behaves like kek.
func Fault(kek keyring.KEK) *Faulty { return &Faulty{KEK: kek} }

// Down makes every call fail with ErrUnavailable.
func (f *Faulty) Down() { f.set(func() { f.down = true }) }

// WrongKey makes Unwrap fail with ErrRefused, as a KEK restored from the wrong place does.
func (f *Faulty) WrongKey() { f.set(func() { f.wrong = true }) }

// Slow makes every call wait until release is closed or its context ends.
func (f *Faulty) Slow(release <-chan struct{}) { f.set(func() { f.release = release }) }

// Heal ends all faults for the calls that follow.
func (f *Faulty) Heal() { f.set(func() { f.down, f.wrong, f.release = false, false, nil }) }

// Calls returns how many times Wrap and Unwrap were called.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Wrap implements [keyring.KEK].
func (f *Faulty) Wrap(ctx context.Context, epoch int32, plaintext, ad []byte) ([]byte, error) {
	if _, err := f.fault(ctx); err != nil {
		return nil, err
	}
	return f.KEK.Wrap(ctx, epoch, plaintext, ad)
}

// Unwrap implements [keyring.KEK].
func (f *Faulty) Unwrap(ctx context.Context, epoch int32, wrapped, ad []byte) ([]byte, error) {
	wrong, err := f.fault(ctx)
	if err != nil {
		return nil, err
	}
	if wrong {
		return nil, fmt.Errorf("injected: %w", keyring.ErrRefused)
	}
	return f.KEK.Unwrap(ctx, epoch, wrapped, ad)
}

func (f *Faulty) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *Faulty) fault(ctx context.Context) (wrong bool, err error) {
	f.mu.Lock()
	f.calls++
	down, wrong, release := f.down, f.wrong, f.release
	f.mu.Unlock()
	if down {
		return false, fmt.Errorf("injected: %w", keyring.ErrUnavailable)
	}
	if release != nil {
		select {
		case <-release:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return wrong, nil
}
