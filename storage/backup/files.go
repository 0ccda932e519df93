package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"mysql-recycler/storage/files"
)

// lock waits until no other process holds the file; the kernel drops it with the process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	l, err := files.OpenLock(path)
	if err != nil {
		return nil, err
	}
	if err := l.Wait(ctx, syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another backup: %w", err), l.Close())
	}
	return func() { _ = l.Close() }, nil // nothing was written to it
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
	l, err := files.OpenLock(filepath.Join(dir, ".lock"))
	if err != nil {
		return
	}
	defer func() { _ = l.Close() }() // nothing was written to it
	if l.Try(syscall.LOCK_EX) == nil {
		_ = os.RemoveAll(dir) // the next one tries again
	}
}
