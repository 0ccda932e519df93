package storage

import (
	"context"
	"errors"
	"syscall"

	"mysql-recycler/storage/files"
)

// openLock opens the lock file beside a SQLite database without locking it.
func openLock(path string) (*files.Lock, error) { return files.OpenLock(path + ".lock") }

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
	switch err := l.Try(syscall.LOCK_EX); {
	case err == nil:
		if err := whenAlone(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	case !errors.Is(err, files.ErrLocked):
		return nil, errors.Join(err, l.Close())
	}
	// Going from exclusive to shared is not atomic: another process may get the exclusive lock in
	// between. That is harmless, because this one has taken no job before it holds the shared lock.
	if err := l.Wait(ctx, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l.Close, nil
}
