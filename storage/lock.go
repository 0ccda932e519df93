package storage

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

// errLocked says that another process holds the lock file.
var errLocked = errors.New("another process uses the database")

// fileLock is a lock on the file beside a SQLite database. The kernel drops it with the process,
// also after kill -9, which is what makes it proof that nobody else is alive.
type fileLock struct{ f *os.File }

// openLock opens the lock file of a database without locking it.
func openLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return &fileLock{f: f}, nil
}

// try takes the lock (syscall.LOCK_SH or LOCK_EX) or answers errLocked at once.
func (l *fileLock) try(how int) error {
	err := syscall.Flock(int(l.f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.f.Name(), err)
	}
	return nil
}

// wait takes the lock as soon as it is free.
func (l *fileLock) wait(ctx context.Context, how int) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := l.try(how)
		if !errors.Is(err, errLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		case <-tick.C:
		}
	}
}

// close drops the lock.
func (l *fileLock) close() error { return l.f.Close() }

// JoinWorkers announces a process that runs jobs, until leave is called or the process dies. When
// no other such process is alive on this database, whenAlone runs before any other can join:
// what earlier owners left behind is then provably nobody's. On PostgreSQL nobody can know that,
// and whenAlone never runs.
func (db *DB) JoinWorkers(ctx context.Context, whenAlone func(context.Context) error) (leave func() error, err error) {
	path := db.d.base().path
	if path == "" {
		return func() error { return nil }, nil
	}
	l, err := openLock(path)
	if err != nil {
		return nil, err
	}
	switch err := l.try(syscall.LOCK_EX); {
	case err == nil:
		if err := whenAlone(ctx); err != nil {
			return nil, errors.Join(err, l.close())
		}
	case !errors.Is(err, errLocked):
		return nil, errors.Join(err, l.close())
	}
	// Going from exclusive to shared is not atomic: another process may get the exclusive lock in
	// between. That is harmless, because this one has taken no job before it holds the shared lock.
	if err := l.wait(ctx, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l.close, nil
}
