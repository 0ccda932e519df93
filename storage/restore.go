package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage/files"
)

// SQLiteURL is the URL of a SQLite file.
func SQLiteURL(path string) string { return sqliteScheme + path }

// IsFile reports whether a URL names a SQLite file.
func IsFile(url string) bool { return strings.HasPrefix(url, sqliteScheme) }

// Backup writes a consistent copy to the new SQLite file to, which only its owner may read, while
// writes go on. The copy of a PostgreSQL database has no rows of the queue.
func (db *DB) Backup(ctx context.Context, to string) error {
	err := db.copyTo(ctx, to)
	if err != nil {
		return fmt.Errorf("copy the database to %s: %w", to, err)
	}
	return nil
}

func (db *DB) copyTo(ctx context.Context, to string) (err error) {
	if s, ok := db.d.(*sqlite); ok {
		return s.vacuumInto(ctx, to)
	}
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, os.ErrExist)
	}
	other, err := Open(ctx, SQLiteURL(to), db.log, WithProgram(db.by))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	_, err = CopyState(ctx, db, other)
	return err
}

// Digest is what a table holds: the number of its rows and a SHA-256 over all of them, in hex.
type Digest struct {
	Rows int64  `json:"rows"`
	Hash string `json:"hash"`
}

// Digests tells what every table of the product holds in the SQLite database at url, and where its
// audit chain ends, without migrating it.
func Digests(ctx context.Context, url string) (tables map[string]Digest, head AuditHead, err error) {
	db, err := connect(ctx, url)
	if err != nil {
		return nil, head, fmt.Errorf("hash the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tables = map[string]Digest{}
	err = db.Read(ctx, func(ctx context.Context, tx Tx) error {
		there, err := db.tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range transferred {
			if !there[table] { // it came with a later schema
				continue
			}
			if tables[table], err = digest(ctx, tx, table); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return eachLink(ctx, tx, func(seq int64, l AuditLink) error {
			head = AuditHead{Links: seq, Hash: l.Hash}
			return nil
		})
	})
	if err != nil {
		return nil, head, fmt.Errorf("hash the database: %w", err)
	}
	return tables, head, nil
}

// digest hashes a table in the order of all its columns. quote tells types and ends apart.
func digest(ctx context.Context, tx Tx, table string) (Digest, error) {
	var quoted []string
	err := each(ctx, tx, func(row Row) error {
		var name string
		err := row.Scan(&name)
		quoted = append(quoted, "quote("+name+")")
		return err
	}, "SELECT name FROM pragma_table_info($1) ORDER BY name", table)
	if err != nil {
		return Digest{}, err
	}
	d, h := Digest{}, sha256.New()
	err = each(ctx, tx, func(row Row) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		d.Rows++
		_, err := h.Write([]byte(text + "\n"))
		return err
	}, "SELECT "+strings.Join(quoted, " || ',' || ")+" AS line FROM "+table+" ORDER BY line")
	d.Hash = hex.EncodeToString(h.Sum(nil))
	return d, err
}

// EndRestored ends every job that had not ended when a backup was made: what happened on its host
// since is not known here, so a table that was being rebuilt is unknown and the job has failed.
// It records who restored, and returns the jobs.
func EndRestored(ctx context.Context, db *DB, taken time.Time, by string) ([]string, error) {
	state := "state of " + taken.UTC().Format("2006-01-02 15:04:05 UTC")
	var live []string
	err := db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := NewLeases(db).EndAll(ctx, tx); err != nil {
			return err
		}
		now, err := db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := db.audit(ctx, tx, now, AuditRecord{Action: AuditRestore, By: approvals.Actor{Name: by}, Reason: state}); err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var id string
			err := row.Scan(&id)
			live = append(live, id)
			return err
		}, "SELECT id FROM jobs WHERE state IN ('queued', 'running', 'paused') ORDER BY created DESC, id DESC")
	})
	for _, id := range live {
		err = errors.Join(err, endRestored(ctx, db, id, "A backup was restored ("+state+"); what happened after it is not known."))
	}
	if err != nil {
		return nil, fmt.Errorf("end the jobs of the backup: %w", err)
	}
	return live, nil
}

// endRestored ends one job through the journal, as a worker would.
func endRestored(ctx context.Context, db *DB, id, reason string) error {
	leases, journal := NewLeases(db), NewJournal(db)
	lease, err := leases.Take(ctx, id, "restore", time.Minute)
	if err != nil {
		return err
	}
	job, err := journal.Job(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range job.Steps {
		if s.State != engine.StepRunning {
			continue
		}
		s.State, s.Reason = engine.StepUnknown, reason
		c := engine.StepChange{From: []engine.StepState{engine.StepRunning}, Step: s, Event: engine.Event{Kind: engine.EventStepUnknown}}
		if err := journal.SetStep(ctx, lease, c); err != nil {
			return err
		}
	}
	if !job.State.Final() {
		c := engine.JobChange{State: engine.JobFailed, Reason: reason, Event: engine.Event{Kind: engine.EventJobFailed}}
		if err := journal.SetJob(ctx, lease, c); err != nil {
			return err
		}
	}
	return leases.Release(ctx, lease)
}

// Replace makes the database at url hold what db holds. A SQLite file that was there stays beside
// the new one, under the name it returns; a PostgreSQL database must be empty. It is a
// *engine.Problem while another process uses the database.
func Replace(ctx context.Context, db *DB, url string) (old string, err error) {
	path, file := strings.CutPrefix(url, sqliteScheme)
	if !file {
		return "", replacePostgres(ctx, db, url)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	l, err := openLock(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.Try(syscall.LOCK_EX); err != nil {
		return "", inUse(err)
	}
	return replaceFile(ctx, db, path)
}

func inUse(err error) error {
	return &engine.Problem{Code: "database_in_use", Text: "Another recycler process uses the database.",
		Next: "Stop every recycler process, then restore.", Err: err}
}

// idle refuses while a bot is active. What cannot be read has none: it is why people restore.
func idle(ctx context.Context, url string) error {
	if s, err := Look(ctx, url); err == nil && s.BotFor > 0 {
		return inUse(fmt.Errorf("the bot on %s is active", s.Bot.Node))
	}
	return nil
}

func replacePostgres(ctx context.Context, db *DB, url string) (err error) {
	if err := idle(ctx, url); err != nil {
		return err
	}
	to, err := Open(ctx, url, zap.NewNop(), WithProgram(db.by))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = CopyState(ctx, db, to)
	return err
}

// replaceFile puts a whole new file in the place of another, or of none, by one rename.
func replaceFile(ctx context.Context, db *DB, path string) (old string, err error) {
	fresh := path + ".restoring"
	for _, left := range []string{fresh, fresh + "-wal", fresh + "-shm"} { // of a restore that was killed
		if err := os.Remove(left); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	if err := makeFile(ctx, db, fresh); err != nil {
		return "", errors.Join(err, os.Remove(fresh))
	}
	if _, err := os.Lstat(path); err == nil {
		if err := idle(ctx, SQLiteURL(path)); err != nil { // closing it also empties its log into the file
			return "", errors.Join(err, os.Remove(fresh))
		}
		old = path + ".before-restore." + time.Now().UTC().Format("20060102T150405.000")
		if err := os.Link(path, old); err != nil {
			return "", err
		}
		if err := setLogAside(path, old); err != nil {
			return old, err
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return old, err
	}
	return old, files.Sync(filepath.Dir(path))
}

// makeFile writes what db holds to a new file, whole on disk and without a log beside it.
func makeFile(ctx context.Context, db *DB, path string) error {
	to, err := Open(ctx, SQLiteURL(path), zap.NewNop(), WithProgram(db.by))
	if err != nil {
		return err
	}
	_, err = CopyState(ctx, db, to)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return errors.New("the new file was not written out")
	}
	return files.Sync(path)
}

// setLogAside moves what is left of the old file's log: SQLite would play it into the new file.
// There is only one when the old file could not be opened, or is open elsewhere.
func setLogAside(path, old string) error {
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+end, old+end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
