package throttle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// checkThreads compares Threads_running of the target.
func (t *Throttle) checkThreads(ctx context.Context, v *Verdict) {
	if t.limits.ThreadsRunning <= 0 {
		return
	}
	r := Reason{Metric: MetricThreads, Limit: float64(t.limits.ThreadsRunning), Where: t.target.Name}
	n, err := status(ctx, t.target, "Threads_running")
	compare(v, r, n, err)
}

// checkHistory compares the length of InnoDB's history list. A long one means that purge is held
// back: a rebuild would then carry along rows that are deleted already.
func (t *Throttle) checkHistory(ctx context.Context, v *Verdict) {
	if t.limits.HistoryLength <= 0 {
		return
	}
	r := Reason{Metric: MetricHistory, Limit: float64(t.limits.HistoryLength), Where: t.target.Name}
	n, err := History(ctx, t.target.Server, t.target.Server.Version)
	compare(v, r, float64(n), err)
}

// compare adds the reason when the value is over its limit or unknown.
func compare(v *Verdict, r Reason, value float64, err error) {
	switch {
	case err != nil:
		r.Value, r.Detail = -1, words(err)
		v.add(false, r)
	case value > r.Limit:
		r.Value = value
		v.add(false, r)
	}
}

// status reads one global status variable.
func status(ctx context.Context, n Node, name string) (float64, error) {
	var key string
	var value float64
	if err := n.Server.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&key, &value); err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", name, n.Name, err)
	}
	return value, nil
}

// History is the length of InnoDB's history list: transactions whose old row versions are not
// purged yet. MySQL counts it among INNODB_METRICS, on by default.
func History(ctx context.Context, q dbconn.Querier, v dbconn.Version) (int64, error) {
	var n int64
	var err error
	if v.Flavor == dbconn.MariaDB {
		var name string
		err = q.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'").Scan(&name, &n)
	} else {
		err = q.QueryRowContext(ctx, "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'").Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("read the history list length: %w", err)
	}
	return n, nil
}

// checkTransactions looks for transactions that hold, or may hold, the metadata lock of the table.
// The ALTER would wait for them, and everything new on the table behind the ALTER.
func (t *Throttle) checkTransactions(ctx context.Context, table Table, v *Verdict) {
	if t.limits.LongTrx <= 0 || table.Name == "" {
		return
	}
	r := Reason{Metric: MetricTrx, Limit: t.limits.LongTrx.Seconds(), Unit: "s", Where: t.target.Name}
	holders, err := Holders(ctx, t.target.Server, t.target.Server.Version, table.Schema, table.Name)
	if err != nil {
		compare(v, r, 0, err)
		return
	}
	if h, ok := oldest(holders); ok && h.Age > t.limits.LongTrx {
		r.Value, r.Detail = h.Age.Seconds(), h.String()
		v.add(false, r)
		return
	}
	if table.Purge {
		t.checkPurge(ctx, r, v)
	}
}

// checkPurge looks for a transaction on any table that is so old that purge would wait for it: the
// applier is not stopped before there is none, because it would stand still meanwhile.
func (t *Throttle) checkPurge(ctx context.Context, r Reason, v *Verdict) {
	open, err := Transactions(ctx, t.target.Server)
	if err != nil {
		compare(v, r, 0, err)
		return
	}
	if h, ok := oldest(open); ok && h.Age > t.limits.LongTrx {
		r.Value, r.Detail = h.Age.Seconds(), fmt.Sprintf("%s (connection %d) holds back purge for %s", h.User, h.ConnectionID, h.Age)
		v.add(false, r)
	}
}

// oldest is the holder with the oldest transaction.
func oldest(hs []Holder) (Holder, bool) {
	if len(hs) == 0 {
		return Holder{}, false
	}
	return slices.MaxFunc(hs, func(a, b Holder) int { return cmp.Compare(a.Age, b.Age) }), true
}

// Holder is a session whose transaction holds a lock on a table.
type Holder struct {
	ConnectionID uint64
	User         string // account and host, never the statement: its text can hold data
	Age          time.Duration
	Certain      bool // the lock itself was seen; false: an old transaction that may hold it
}

// String names the holder.
func (h Holder) String() string {
	what := "holds the table"
	if !h.Certain {
		what = "may hold the table"
	}
	return fmt.Sprintf("%s (connection %d) %s for %s", h.User, h.ConnectionID, what, h.Age.Round(time.Second))
}

// locksSQL finds granted metadata locks on a table with the age of their transactions; sessions
// without an InnoDB transaction (LOCK TABLES) count from their last command. The instrument is on
// by default since 8.0.
const locksSQL = `SELECT t.PROCESSLIST_ID, COALESCE(t.PROCESSLIST_USER, ''), COALESCE(t.PROCESSLIST_HOST, ''),
 COALESCE(TIMESTAMPDIFF(SECOND, x.trx_started, NOW()), t.PROCESSLIST_TIME, 0)
 FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
 LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
 WHERE l.OBJECT_TYPE = 'TABLE' AND l.OBJECT_SCHEMA = ? AND l.OBJECT_NAME = ? AND l.LOCK_STATUS = 'GRANTED'
 AND t.PROCESSLIST_ID IS NOT NULL AND t.PROCESSLIST_ID <> CONNECTION_ID()`

// TagStart begins the comment by which statements of ours are known in a process list.
const TagStart = "/* recycler job="

// transactionsSQL finds all open transactions; without metadata_locks nobody can tell which
// tables they hold. The rebuild of another worker is one as well, on a table of its own, and is left
// out: two workers would otherwise wait for each other. The server refreshes INNODB_TRX only after
// 0.1 s without a reader.
const transactionsSQL = `SELECT x.trx_mysql_thread_id, COALESCE(p.USER, ''), COALESCE(p.HOST, ''), TIMESTAMPDIFF(SECOND, x.trx_started, NOW())
 FROM information_schema.INNODB_TRX x LEFT JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id
 WHERE x.trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) AND COALESCE(p.INFO, '') NOT LIKE 'ALTER ` + TagStart + `%'`

// Holders lists the sessions that hold, or may hold, the metadata lock of a table. MySQL 8.0+
// knows the locks; elsewhere every open transaction is a suspect.
func Holders(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, table string) ([]Holder, error) {
	if v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 0) {
		certain, known, err := lockHolders(ctx, q, schema, table)
		if err != nil || known {
			return certain, err
		}
	}
	return Transactions(ctx, q)
}

// Transactions lists the open transactions of a server but those of our own rebuilds. Its answer can
// be 0.1 s old.
func Transactions(ctx context.Context, q dbconn.Querier) ([]Holder, error) {
	return holders(ctx, q, false, transactionsSQL)
}

// lockHolders asks performance_schema; known is false when it does not watch metadata locks.
func lockHolders(ctx context.Context, q dbconn.Querier, schema, table string) ([]Holder, bool, error) {
	var on int
	err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM performance_schema.setup_instruments"+
		" WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES' AND @@performance_schema = 1").Scan(&on)
	if dbconn.Code(err) == 1142 || err == nil && on == 0 {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("look for watched locks: %w", err)
	}
	out, err := holders(ctx, q, true, locksSQL, schema, table)
	return out, true, err
}

// holders runs one of the two statements.
func holders(ctx context.Context, q dbconn.Querier, certain bool, query string, args ...any) ([]Holder, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("look for transactions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Holder
	for rows.Next() {
		var user, host string
		var seconds int64
		h := Holder{Certain: certain}
		if err := rows.Scan(&h.ConnectionID, &user, &host, &seconds); err != nil {
			return nil, fmt.Errorf("look for transactions: %w", err)
		}
		if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.Contains(host[:i], ":") {
			host = host[:i] // the client's port says nothing
		}
		h.User, h.Age = user+"@"+host, time.Duration(max(0, seconds))*time.Second
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for transactions: %w", err)
	}
	return out, nil
}
