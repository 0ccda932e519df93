package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a busy lock is tried again.
const lockPoll = 50 * time.Millisecond

// lock waits until no other process holds the file; the kernel drops it with the process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // nothing was written to it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another backup: %w", ctx.Err()), f.Close())
		case <-time.After(lockPoll):
		}
	}
}

// Names that begin the folders with a plain copy. One that is being made has its name before it
// has its lock, and nothing in it.
const (
	scratchName = "recycler-backup-"
	makingName  = "recycler-making-"
)

// scratch makes a folder nobody else can read, and removes those that killed processes of this user
// left: the kernel dropped their locks.
func scratch() (dir string, done func(), err error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), scratchName+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, d := range old {
		removeIfDead(d)
	}
	making, err := os.MkdirTemp("", makingName)
	if err != nil {
		return "", nil, err
	}
	unlock, err := lock(context.Background(), filepath.Join(making, ".lock"))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(making))
	}
	dir = filepath.Join(filepath.Dir(making), scratchName+filepath.Base(making)[len(makingName):])
	done = func() {
		_ = os.RemoveAll(dir) // the next one tries again
		unlock()
	}
	if err := os.Rename(making, dir); err != nil {
		done()
		return "", nil, errors.Join(err, os.RemoveAll(making))
	}
	return dir, done, nil
}

// removeIfDead removes a scratch folder whose process is gone. One without a lock was being removed
// when its process died, for each has its lock before its name. One of another user is left.
func removeIfDead(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		_ = os.RemoveAll(dir) // the next one tries again
	}
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(dir) // the next one tries again
	}
}

// syncDir makes a rename in a folder survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
