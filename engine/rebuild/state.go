package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// tableState is what a rebuild changes about a table or one partition of it.
type tableState struct {
	created time.Time
	spaces  tablespace.Spaces // of what is rebuilt: one or more partitions, or the table
	newest  int64             // greatest id among all tablespaces of the table
	bytes   int64
	gone    bool
}

// look reads the state of a task's table or partition. A missing one is not an error here.
func look(ctx context.Context, q dbconn.Querier, v dbconn.Version, t Task) (s tableState, err error) {
	if t.Partition != "" {
		var part tablespace.PartState
		part, err = tablespace.StatPartition(ctx, q, v, t.Schema, t.Table, t.Partition)
		s = tableState{created: part.Created, spaces: part.Spaces, newest: part.Newest, bytes: part.Bytes}
	} else if s.bytes, s.created, err = tablespace.Stat(ctx, q, v, t.Schema, t.Table); err == nil {
		s.spaces, err = tablespace.SpacesOf(ctx, q, v, t.Schema, t.Table)
		s.newest = s.spaces.Greatest
	}
	if errors.Is(err, tablespace.ErrGone) {
		return tableState{gone: true}, nil
	}
	if err != nil {
		return tableState{}, fmt.Errorf("look at %s: %w", t.name(), err)
	}
	return s, nil
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

// rebuiltSince reports whether the table is another one than when the mark was taken. Space ids
// only grow, so every partition that was rebuilt has a greater one than the greatest of the table before.
// Where there is no tablespace of its own, CREATE_TIME decides: MySQL 8.0+ sets it when the ALTER
// starts, others when it ends, both not before the server's clock at the mark.
func (s tableState) rebuiltSince(m Mark) bool {
	if m.SpaceID > 0 && s.spaces.Least > 0 {
		return s.spaces.Least > m.SpaceID
	}
	return !s.created.IsZero() && s.created.After(m.CreateTime) && !s.created.Before(m.ServerNow.Truncate(time.Second))
}

// mark reads what is true now on the executing session.
func (f *Fence) mark(ctx context.Context, t Task) (Mark, error) {
	s, err := look(ctx, f.sess, f.srv.Version, t)
	if err != nil {
		return Mark{}, err
	}
	if s.gone {
		return Mark{}, t.missing()
	}
	var now float64
	if err := f.sess.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(6))").Scan(&now); err != nil {
		return Mark{}, fmt.Errorf("read the server's clock: %w", err)
	}
	definition := ""
	if t.Method.Kind == Plugin {
		if definition, err = f.definition(ctx, t); err != nil {
			return Mark{}, err
		}
	}
	return Mark{
		Definition:   definition,
		ServerNow:    time.UnixMicro(int64(now * 1e6)).UTC(),
		ConnectionID: f.sess.ID,
		Slot:         f.slot,
		CreateTime:   s.created,
		SpaceID:      s.newest,
		BeforeBytes:  s.bytes,
	}, nil
}
