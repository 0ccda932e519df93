package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// file is where the last snapshot of a place is.
func (p place) file(dir string) string {
	name := url.PathEscape(p.cluster)
	if p.host != "" {
		name += "@" + url.PathEscape(p.host)
	}
	return filepath.Join(dir, name+".json")
}

// readSnapshot reads the last snapshot of a place, or ErrNotFound.
func readSnapshot(dir string, p place) (d Discovery, err error) {
	if dir == "" {
		return d, ErrNotFound
	}
	b, err := os.ReadFile(p.file(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return d, ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err == nil && d.Cluster != p.cluster {
		err = errors.New("it is of another cluster")
	}
	if err != nil {
		return Discovery{}, fmt.Errorf("read the snapshot of %s: %w", p.cluster, err)
	}
	return d, nil
}

// writeSnapshot replaces the last snapshot of a place in one step, so that a reader finds the old
// one or the new one, whole.
func writeSnapshot(dir string, p place, d Discovery) (err error) {
	if dir == "" {
		return nil
	}
	b, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode the snapshot of %s: %w", p.cluster, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of snapshots: %w", err)
	}
	f, err := os.CreateTemp(dir, ".snapshot-*") // 0600
	if err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.file(dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write a snapshot: %w", err), os.Remove(f.Name()))
	}
	return nil
}
