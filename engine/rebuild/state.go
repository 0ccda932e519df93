package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// tableState is what a rebuild changes about a table.
type tableState struct {
	created time.Time
	spaces  tablespace.Spaces // of the table or its partitions
	bytes   int64
	gone    bool
}

// look reads the state of a table. A missing table is not an error here.
func look(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, table string) (tableState, error) {
	bytes, created, err := tablespace.Stat(ctx, q, v, schema, table)
	if errors.Is(err, tablespace.ErrGone) {
		return tableState{gone: true}, nil
	}
	if err != nil {
		return tableState{}, fmt.Errorf("look at %s.%s: %w", schema, table, err)
	}
	spaces, err := tablespace.SpacesOf(ctx, q, v, schema, table)
	if err != nil {
		return tableState{}, fmt.Errorf("look at %s.%s: %w", schema, table, err)
	}
	return tableState{created: created, spaces: spaces, bytes: bytes}, nil
}

// rebuiltSince reports whether the table is another one than when the mark was taken. Space ids
// only grow, so every partition of a rebuilt table has a greater one than the greatest before.
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
	s, err := look(ctx, f.sess, f.srv.Version, t.Schema, t.Table)
	if err != nil {
		return Mark{}, err
	}
	if s.gone {
		return Mark{}, &Error{Class: ClassTableGone, Text: situations[1146].text, Advice: situations[1146].advice}
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
		SpaceID:      s.spaces.Greatest,
		BeforeBytes:  s.bytes,
	}, nil
}
