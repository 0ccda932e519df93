package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// Verify proves that a backup can be restored, by doing it in a scratch place, and answers what it
// holds. A file that cannot be trusted is a *engine.Problem that says why.
func Verify(ctx context.Context, path string, with []age.Identity, program string) (Manifest, error) {
	dir, done, err := scratch()
	if err != nil {
		return Manifest{}, fmt.Errorf("verify the backup: %w", err)
	}
	defer done()
	m, db, err := rebuild(ctx, path, dir, with, program)
	if err != nil {
		return m, fmt.Errorf("verify the backup: %w", err)
	}
	return m, db.Close()
}

// Result is what Restore did.
type Result struct {
	Manifest
	Ended []string // jobs that had not ended when the backup was made; they are failed now
	Old   string   // where the SQLite file that was there before is now; empty: there was none
}

// Restore makes the database at url the one of the backup. by is who does it, for the audit chain.
// Every recycler process on the database must be stopped before. On any error the database at url
// is as it was.
func Restore(ctx context.Context, path string, with []age.Identity, url, by, program string) (Result, error) {
	r, err := restore(ctx, path, with, url, by, program)
	if err != nil {
		return r, fmt.Errorf("restore the backup: %w", err)
	}
	return r, nil
}

func restore(ctx context.Context, path string, with []age.Identity, url, by, program string) (r Result, err error) {
	dir, done, err := scratch()
	if err != nil {
		return r, err
	}
	defer done()
	m, db, err := rebuild(ctx, path, dir, with, program)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r.Manifest = m
	if r.Ended, err = storage.EndRestored(ctx, db, m.Taken, by); err != nil {
		return r, err
	}
	r.Old, err = storage.Replace(ctx, db, url)
	return r, err
}

// rebuild opens a backup, holds it against its manifest, and restores it into a database below dir,
// which it compares with the copy and returns open.
func rebuild(ctx context.Context, path, dir string, with []age.Identity, program string) (Manifest, *storage.DB, error) {
	state := filepath.Join(dir, stateName)
	m, err := open(ctx, path, state, with)
	if err != nil {
		return m, nil, err
	}
	url := storage.SQLiteURL(state)
	if err := matches(ctx, m, state, url); err != nil {
		return m, nil, err
	}
	from, err := storage.Open(ctx, url, zap.NewNop(), storage.WithProgram(program)) // migrates an older one; refuses a newer
	if err != nil {
		return m, nil, err
	}
	defer func() { _ = from.Close() }() // a scratch copy
	there := storage.SQLiteURL(filepath.Join(dir, "restored.db"))
	to, err := storage.Open(ctx, there, zap.NewNop(), storage.WithProgram(program))
	if err != nil {
		return m, nil, err
	}
	if err := same(ctx, from, url, to, there); err != nil {
		return m, nil, errors.Join(err, to.Close())
	}
	return m, to, nil
}

// broken is a backup that is not what it says.
func broken(text string, err error) error {
	return &engine.Problem{Code: "backup_broken", Text: text, Next: "Use another backup; recycler backup list shows them.", Err: err}
}

// open decrypts and unpacks into state, a file that is not there yet, and reads the manifest.
func open(ctx context.Context, path, state string, with []age.Identity) (m Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }() // only read
	sealed, err := age.Decrypt(reader{ctx, f}, with...)
	var noKey *age.NoIdentityMatchError
	if errors.As(err, &noKey) {
		return m, &engine.Problem{Code: "backup_identity", Text: "The identity does not open this backup.",
			Next: "Give the identity whose recipient it was made for.", Err: err}
	}
	if err != nil {
		return m, broken("The file is not a backup of recycler, or its beginning is damaged.", err)
	}
	packed, err := gzip.NewReader(sealed)
	if err != nil {
		return m, broken("The backup is damaged.", err)
	}
	archive := tar.NewReader(packed)
	if _, err := archive.Next(); err != nil {
		return m, broken("The backup is damaged.", err)
	}
	if err := json.NewDecoder(io.LimitReader(archive, 1<<20)).Decode(&m); err != nil {
		return m, broken("The backup's manifest cannot be read.", err)
	}
	if m.Format > format {
		return m, &engine.Problem{Code: "backup_newer", Text: fmt.Sprintf("The backup has format %d, this program knows %d.", m.Format, format),
			Next: "Install recycler " + m.Program + " or newer."}
	}
	if err := extract(archive, state); err != nil {
		return m, broken("The backup is damaged or was cut short.", err)
	}
	if _, err := io.Copy(io.Discard, packed); err != nil { // the last block of the encryption says that nothing was cut
		return m, broken("The backup is damaged or was cut short.", err)
	}
	return m, nil
}

// extract writes the next member to a new file.
func extract(archive *tar.Reader, to string) error {
	if _, err := archive.Next(); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, archive)
	return errors.Join(err, f.Close())
}

// matches holds the unpacked copy against its manifest.
func matches(ctx context.Context, m Manifest, state, url string) error {
	hash, size, err := sum(state)
	if err != nil {
		return err
	}
	if hash != m.SHA256 || size != m.Bytes {
		return broken("The state in the backup is not the one its manifest speaks of.", nil)
	}
	tables, head, err := storage.Digests(ctx, url)
	if err != nil {
		return broken("The state in the backup cannot be read.", err)
	}
	if head != m.Audit {
		return broken("The audit chain in the backup ends elsewhere than its manifest says.", nil)
	}
	return compare(m.Tables, tables)
}

// same restores from into to, and compares all rows.
func same(ctx context.Context, from *storage.DB, fromURL string, to *storage.DB, toURL string) error {
	if _, err := storage.CopyState(ctx, from, to); err != nil {
		return err
	}
	want, _, err := storage.Digests(ctx, fromURL)
	if err != nil {
		return err
	}
	got, _, err := storage.Digests(ctx, toURL)
	if err != nil {
		return err
	}
	if err := compare(want, got); err != nil {
		return err
	}
	_, err = storage.NewAudit(to).Verify(ctx)
	return err
}

// compare names the tables that differ.
func compare(want, got map[string]storage.Digest) error {
	var reasons []string
	for table, w := range want {
		if g := got[table]; g != w {
			reasons = append(reasons, fmt.Sprintf("%s: %d row(s) of %d, or others than were saved", table, g.Rows, w.Rows))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	slices.Sort(reasons)
	return &engine.Problem{Code: "backup_broken", Text: "The backup does not hold what was saved.", Reasons: reasons,
		Next: "Use another backup; recycler backup list shows them."}
}
