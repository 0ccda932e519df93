package rebuild

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// look reads the state of a task's table or partition; ErrGone when it is missing.
func (f *Fence) look(ctx context.Context, q dbconn.Querier, t Task) (s tablespace.State, err error) {
	if t.Partition == "" {
		s, err = tablespace.Stat(ctx, q, f.srv.Version, t.Schema, t.Table)
	} else {
		s, err = tablespace.StatPartition(ctx, q, f.srv.Version, t.Schema, t.Table, t.Partition)
	}
	if err != nil {
		return s, fmt.Errorf("look at %s: %w", t.name(), err)
	}
	return s, nil
}

// size is what a task's table or partition, whose state was seen, takes on disk now.
func (f *Fence) size(ctx context.Context, t Task) (int64, error) {
	if t.Partition == "" {
		return t.Seen.SizeNow(ctx, f.srv, f.srv.Version, t.Schema, t.Table)
	}
	s, err := f.look(ctx, f.srv, t)
	return s.Bytes, err
}

// name is the table of a task, and the partition, for errors.
func (t Task) name() string {
	if t.Partition == "" {
		return t.Schema + "." + t.Table
	}
	return t.Schema + "." + t.Table + " (" + t.Partition + ")"
}

// missing is the error of a table or partition that is not there any more.
func (t Task) missing() *Error {
	number := uint16(1146)
	if t.Partition != "" {
		number = 1507
	}
	return &Error{Class: ClassTableGone, Text: situations[number].text, Advice: situations[number].advice}
}

// rebuiltSince reports whether a table is another one than when the mark was taken. Space ids
// only grow, so every partition that was rebuilt has a greater one than the greatest of the table before.
// Where there is no tablespace of its own, CREATE_TIME decides: MySQL 8.0+ sets it when the ALTER
// starts, others when it ends, both not before the server's clock at the mark.
func rebuiltSince(m Mark, s tablespace.State) bool {
	if m.SpaceID > 0 && s.Spaces.Least > 0 {
		return s.Spaces.Least > m.SpaceID
	}
	return !s.Created.IsZero() && s.Created.After(m.CreateTime) && !s.Created.Before(m.ServerNow.Truncate(time.Second))
}

// mark is what is true now: of the table, as it was seen, and of the executing session.
func (f *Fence) mark(ctx context.Context, t Task) (Mark, error) {
	var now float64
	if err := f.sess.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(6))").Scan(&now); err != nil {
		return Mark{}, fmt.Errorf("read the server's clock: %w", err)
	}
	definition := ""
	if t.Method.Kind == Plugin {
		var err error
		if definition, err = f.definition(ctx, t); err != nil {
			return Mark{}, err
		}
	}
	return Mark{
		Definition:   definition,
		ServerNow:    time.UnixMicro(int64(now * 1e6)).UTC(),
		ConnectionID: f.sess.ID,
		Slot:         f.slot,
		CreateTime:   t.Seen.Created,
		SpaceID:      t.Seen.Newest,
		BeforeBytes:  t.Seen.Bytes,
	}, nil
}
