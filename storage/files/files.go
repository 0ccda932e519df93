// Package files is what the storage needs of a file system beside SQLite: locks that die with their
// process, and the certainty that what was written stays.
package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a busy lock file is tried again.
const lockPoll = 50 * time.Millisecond

// ErrLocked says that another process holds the lock file.
var ErrLocked = errors.New("another process holds the lock")

// Lock is a lock on a file. The kernel drops it with the process, also after kill -9, which is what
// makes it proof that nobody else is alive.
type Lock struct{ f *os.File }

// OpenLock opens a lock file, or makes it, without locking it.
func OpenLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return &Lock{f: f}, nil
}

// Try takes the lock (syscall.LOCK_SH or LOCK_EX) or answers ErrLocked at once.
func (l *Lock) Try(how int) error {
	err := syscall.Flock(int(l.f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.f.Name(), err)
	}
	return nil
}

// Wait takes the lock as soon as it is free; an ErrLocked says that ctx ended before.
func (l *Lock) Wait(ctx context.Context, how int) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := l.Try(how)
		if !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		case <-tick.C:
		}
	}
}

// Close drops the lock.
func (l *Lock) Close() error { return l.f.Close() }

// Sync makes what was written to a file, or renamed in a folder, survive a power cut.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
