//go:build linux || darwin || freebsd

package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock is a flock on a file of its own. The kernel drops it when the process ends, however it ends, and the descriptor
// is close-on-exec, so that a server we start does not hold it for us.
type lock struct{ file *os.File }

const (
	shared    = syscall.LOCK_SH
	exclusive = syscall.LOCK_EX
)

// acquire takes the lock at path, polling so that ctx can end the wait: holders keep it for milliseconds, or as long as
// one initdb.
func acquire(ctx context.Context, path string, kind int) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	l := &lock{f}
	for {
		got, err := l.try(kind)
		if err == nil && !got {
			err = pause(ctx, time.Millisecond)
		}
		if err != nil {
			l.release()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if got {
			return l, nil
		}
	}
}

func (l *lock) try(kind int) (bool, error) {
	for {
		switch err := syscall.Flock(int(l.file.Fd()), kind|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}

// tryExclusive turns a shared lock into an exclusive one if nobody else holds it. On failure the shared lock may be
// lost; callers are leaving anyway.
func (l *lock) tryExclusive() (bool, error) {
	got, err := l.try(exclusive)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", l.file.Name(), err)
	}
	return got, nil
}

func (l *lock) release() { _ = l.file.Close() } // closing drops the lock; there is nothing to lose in it

// pause waits d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
