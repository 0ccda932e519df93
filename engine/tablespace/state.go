package tablespace

import (
	"context"
	"time"

	"mysql-recycler/engine/dbconn"
)

// State is what a rebuild changes about a table, or about one partition of it. On MySQL 8.0+ the row of
// a table under ALTER shows the new, growing file, so it is read before or after.
type State struct {
	Bytes   int64
	Spaces  Spaces // of what is rebuilt
	Newest  int64  // greatest id among all tablespaces of the table: that of a rebuilt partition is greater
	Created time.Time

	plain  bool // its files are its tablespaces and nothing else
	sparse bool // they have holes
}

// State is the state of a table that Find read.
func (t Table) State() State { return t.state }

// stateNow is the state of a table whose sizes and features were read.
func (t *listed) stateNow(ctx context.Context, q dbconn.Querier, v dbconn.Version) (State, error) {
	s := State{Bytes: t.FileBytes, Created: t.CreateTime, sparse: t.pageCompressed(),
		plain: t.Engine == "InnoDB" && t.Space == SpaceOwn && !t.Has(FullText) && len(t.spaces) > 0}
	for _, sp := range t.spaces {
		s.Spaces.add(sp.id)
	}
	var err error
	if len(t.spaces) == 0 { // a server that tells no sizes still tells the ids
		s.Spaces, err = spacesOf(ctx, q, v, t.Schema, t.Name)
	}
	s.Newest = s.Spaces.Greatest
	return s, err
}

// Size is what a table takes on disk now, in bytes: its tablespaces, those of its partitions and of its
// full-text indexes. A missing table is ErrGone.
func Size(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (int64, error) {
	return State{}.SizeNow(ctx, q, v, schema, name)
}

// SizeNow is Size of a table that was in this state before. What kind of table it is, which costs the
// server most, is asked again only where its size depends on it.
func (s State) SizeNow(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (int64, error) {
	if s.plain {
		disk, err := DiskNameOf(ctx, q, v, schema, name)
		if err != nil {
			return 0, err
		}
		list, err := readSpaces(ctx, q, v, disk.String())
		if err != nil {
			return 0, err
		}
		var bytes int64
		for _, sp := range list {
			if sp.of(disk) {
				bytes += sp.bytes(s.sparse)
			}
		}
		if bytes > 0 {
			return bytes, nil
		}
	}
	now, err := Stat(ctx, q, v, schema, name)
	return now.Bytes, err
}
