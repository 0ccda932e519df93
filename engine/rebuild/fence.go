package rebuild

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
)

// Fence is a pinned session that holds GET_LOCK('recycler:<slot>') and runs rebuilds one after the
// other. Two runners, of this process or of any other, never rebuild in one slot of a server at
// the same time. It is not safe for concurrent use.
type Fence struct {
	srv  *dbconn.Server
	sess *dbconn.Session
	slot int

	stopWait  time.Duration // for an applier to stop
	purgeWait time.Duration // for purge to finish
}

// lockEvery is how long one GET_LOCK waits before the context and the holder are looked at again.
const lockEvery = time.Second

// keepAlive is wait_timeout of the session in seconds: should this machine vanish without closing
// its connections, an idle fence is free again after that time and not after the default 8 h.
// Idle means between two tables; a running statement is not touched by it.
const keepAlive = 600

// Acquire opens the session and takes the lock. While another session holds it, told hears who,
// once per holder, and Acquire waits: an earlier process of ours may have left a rebuild running,
// which ends in its own time. It returns when it has the lock or ctx ends.
func Acquire(ctx context.Context, srv *dbconn.Server, slot int, told func(holder string)) (*Fence, error) {
	sess, err := srv.Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire slot %d of %s: %w", slot, srv.Name, err)
	}
	f := &Fence{srv: srv, sess: sess, slot: slot, stopWait: stopLimit, purgeWait: purgeLimit}
	if err := f.lock(ctx, told); err != nil {
		return nil, errors.Join(err, sess.Close())
	}
	return f, nil
}

// name is the lock's. Locks are per server and are not replicated.
func (f *Fence) name() string { return fenceName(f.slot) }

func fenceName(slot int) string { return fmt.Sprintf("recycler:%d", slot) }

// lock waits for the lock.
func (f *Fence) lock(ctx context.Context, told func(string)) error {
	if _, err := f.sess.ExecContext(ctx, fmt.Sprintf("SET SESSION wait_timeout = %d", keepAlive)); err != nil {
		return fmt.Errorf("acquire slot %d of %s: %w", f.slot, f.srv.Name, err)
	}
	var last uint64
	for wait := 0.0; ; wait = lockEvery.Seconds() { // the first try does not wait, so that told hears at once
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("acquire slot %d of %s: %w", f.slot, f.srv.Name, context.Cause(ctx))
		}
		var got sql.NullInt64
		if err := f.sess.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", f.name(), wait).Scan(&got); err != nil {
			return fmt.Errorf("acquire slot %d of %s: %w", f.slot, f.srv.Name, err)
		}
		if got.Int64 == 1 {
			return nil
		}
		holder := f.holder(ctx)
		if holder.ConnectionID != 0 && holder.ConnectionID != last && told != nil {
			last = holder.ConnectionID
			told(holder.String())
		}
	}
}

// holder tells who has the lock; a zero Running when nobody does any more.
func (f *Fence) holder(ctx context.Context) Running {
	var id sql.NullInt64
	if err := f.sess.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", f.name()).Scan(&id); err != nil || !id.Valid {
		return Running{}
	}
	r := Running{ConnectionID: uint64(id.Int64)}
	ours, err := FindOurs(ctx, f.sess)
	if err != nil {
		return r // who it is matters less than that it is there
	}
	for _, o := range ours {
		if o.ConnectionID == r.ConnectionID {
			return o
		}
	}
	return r
}

// Session is the pinned session; what runs on it meets the server the rebuild runs on.
func (f *Fence) Session() *dbconn.Session { return f.sess }

// Close gives the lock back by ending the session. A statement that still runs in it goes on and
// keeps the lock until it has ended.
func (f *Fence) Close() error {
	if err := f.sess.Close(); err != nil {
		return fmt.Errorf("release slot %d of %s: %w", f.slot, f.srv.Name, err)
	}
	return nil
}
