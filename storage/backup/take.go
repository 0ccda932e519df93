package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"mysql-recycler/storage"
	"mysql-recycler/storage/files"
)

// format is the version of the file's layout.
const format = 1

const (
	prefix  = "recycler-"
	suffix  = ".age"
	stamp   = "20060102T150405Z"
	partial = ".tmp"
)

// Names of the two members.
const (
	manifestName = "manifest.json"
	stateName    = "state.db"
)

// Manifest is what a backup says of itself.
type Manifest struct {
	Format  int                       `json:"format"`
	Program string                    `json:"program"` // version that made it
	Kind    string                    `json:"kind"`    // of the database: sqlite or postgres
	Schema  int64                     `json:"schema"`
	Taken   time.Time                 `json:"taken"`
	Audit   storage.AuditHead         `json:"audit"`
	Tables  map[string]storage.Digest `json:"tables"`
	Bytes   int64                     `json:"bytes"`  // of state.db
	SHA256  string                    `json:"sha256"` // of state.db, in hex
}

// Rows is the number of rows of all tables.
func (m Manifest) Rows() (n int64) {
	for _, d := range m.Tables {
		n += d.Rows
	}
	return n
}

// File is one backup in a folder.
type File struct {
	Path  string
	Taken time.Time
	Bytes int64 // of the encrypted file
}

// List lists the whole backups of a folder, newest first. A folder that is not there holds none.
func List(folder string) ([]File, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	var files []File
	for _, e := range entries {
		name, ours := strings.CutSuffix(e.Name(), suffix)
		at, err := time.Parse(prefix+stamp, name)
		if !ours || err != nil {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the backups: %w", err)
		}
		files = append(files, File{Path: filepath.Join(folder, e.Name()), Taken: at, Bytes: info.Size()})
	}
	slices.SortFunc(files, func(a, b File) int { return b.Taken.Compare(a.Taken) })
	return files, nil
}

// Take writes a backup of a database in use into the folder, for the recipients, and then removes
// the oldest beyond keep (0 keeps all). One process at a time makes backups in a folder; another
// one waits.
func Take(ctx context.Context, db *storage.DB, folder string, to []age.Recipient, keep int) (File, Manifest, error) {
	f, m, err := take(ctx, db, folder, to, keep)
	if err != nil {
		return f, m, fmt.Errorf("back up the database: %w", err)
	}
	return f, m, nil
}

func take(ctx context.Context, db *storage.DB, folder string, to []age.Recipient, keep int) (f File, m Manifest, err error) {
	if len(to) == 0 {
		return f, m, errors.New("no recipient: a backup is always encrypted")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return f, m, err
	}
	unlock, err := lock(ctx, filepath.Join(folder, ".lock"))
	if err != nil {
		return f, m, err
	}
	defer unlock()
	if err := removePartial(folder); err != nil {
		return f, m, err
	}
	dir, done, err := scratch()
	if err != nil {
		return f, m, err
	}
	defer done()
	state := filepath.Join(dir, stateName)
	if err := db.Backup(ctx, state); err != nil {
		return f, m, err
	}
	if m, err = describe(ctx, state); err != nil {
		return f, m, err
	}
	m.Kind = db.Kind()
	f = File{Path: filepath.Join(folder, prefix+m.Taken.Format(stamp)+suffix), Taken: m.Taken}
	if f.Bytes, err = writeFile(ctx, f.Path, m, state, to); err != nil {
		return f, m, err
	}
	return f, m, prune(folder, keep)
}

// describe makes the manifest of a copy.
func describe(ctx context.Context, state string) (Manifest, error) {
	url := storage.SQLiteURL(state)
	look, err := storage.Look(ctx, url)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Format: format, Program: look.Program, Schema: look.Schema, Taken: time.Now().UTC().Truncate(time.Second)}
	if m.Tables, m.Audit, err = storage.Digests(ctx, url); err != nil {
		return m, err
	}
	m.SHA256, m.Bytes, err = sum(state)
	return m, err
}

// sum hashes a file.
func sum(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// writeFile writes a whole backup or nothing under its name.
func writeFile(ctx context.Context, path string, m Manifest, state string, to []age.Recipient) (size int64, err error) {
	tmp := path + partial
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	err = seal(ctx, f, m, state, to)
	if err == nil {
		err = f.Sync()
	}
	info, err2 := f.Stat()
	if err = errors.Join(err, err2, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return 0, err
	}
	return info.Size(), files.Sync(filepath.Dir(path))
}

// seal writes the members, packed and encrypted.
func seal(ctx context.Context, w io.Writer, m Manifest, state string, to []age.Recipient) error {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return err
	}
	packed := gzip.NewWriter(sealed)
	archive := tar.NewWriter(packed)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := member(archive, manifestName, int64(len(text)), strings.NewReader(string(text))); err != nil {
		return err
	}
	f, err := os.Open(state)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if err := member(archive, stateName, m.Bytes, reader{ctx, f}); err != nil {
		return err
	}
	return errors.Join(archive.Close(), packed.Close(), sealed.Close())
}

func member(archive *tar.Writer, name string, size int64, from io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(archive, from)
	return err
}

// reader ends a long copy when ctx does.
type reader struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no place for one
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// prune removes the oldest backups beyond keep.
func prune(folder string, keep int) error {
	if keep <= 0 {
		return nil
	}
	files, err := List(folder)
	if err != nil || len(files) <= keep {
		return err
	}
	var errs []error
	for _, f := range files[keep:] {
		errs = append(errs, os.Remove(f.Path))
	}
	return errors.Join(errs...)
}

// removePartial removes what a killed process left; the caller holds the folder's lock.
func removePartial(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, prefix+"*"+suffix+partial))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
