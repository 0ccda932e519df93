package throttle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// checkLag compares the lag of the target and of everything downstream.
func (t *Throttle) checkLag(ctx context.Context, table Table, v *Verdict) {
	limit := t.limits.MaxLag
	if limit == 0 {
		limit = t.limits.CriticalLag
	}
	if limit == 0 {
		return
	}
	if t.target.Replica && !table.ApplierStopped {
		t.lagOf(ctx, t.target, limit, v)
	}
	for _, n := range t.downstream {
		if n.Replica {
			t.lagOf(ctx, n, limit, v)
		}
	}
}

// lagOf adds a reason when a node's lag is too big or unknown.
func (t *Throttle) lagOf(ctx context.Context, n Node, limit time.Duration, v *Verdict) {
	reason := Reason{Metric: MetricLag, Limit: limit.Seconds(), Unit: "s", Where: n.Name}
	lag, err := Lag(ctx, n)
	if err != nil {
		reason.Value, reason.Detail = -1, words(err)
		v.add(false, reason)
		return
	}
	if lag > limit {
		reason.Value = lag.Seconds()
		v.add(t.limits.CriticalLag > 0 && lag > t.limits.CriticalLag, reason)
	}
}

// errStopped says that a replica receives or applies nothing, so that its lag means nothing.
type errStopped struct{ what string }

// Error implements error.
func (e *errStopped) Error() string { return e.what }

// Lag is how far a replica is behind, less the delay it keeps on purpose: the worst of its
// channels. It is an error when a receiver or an applier is stopped, because the server's figure
// then stands still.
func Lag(ctx context.Context, n Node) (time.Duration, error) {
	d := n.Server.Version.Dialect()
	rows, err := n.Server.QueryContext(ctx, d.ShowStatus)
	if err != nil {
		return 0, fmt.Errorf("read the replica status of %s: %w", n.Name, err)
	}
	defer func() { _ = rows.Close() }()
	channels, err := dbconn.ReadRows(rows)
	if err != nil {
		return 0, fmt.Errorf("read the replica status of %s: %w", n.Name, err)
	}
	var worst time.Duration
	found := false
	for _, c := range channels {
		if c.Text(d.Columns.SourceHost) == "" {
			continue
		}
		found = true
		lag, err := channelLag(c, d)
		if err != nil {
			return 0, err
		}
		worst = max(worst, lag)
	}
	if !found {
		return 0, &errStopped{"it has no replication source"}
	}
	if n.Heartbeat != "" {
		if worst, err = heartbeat(ctx, n); err != nil {
			return 0, err
		}
	}
	return max(0, worst-n.Delay), nil
}

// channelLag is the lag of one replication channel.
func channelLag(c dbconn.Row, d dbconn.Dialect) (time.Duration, error) {
	if io := c.Text(d.Columns.IORunning); io != "Yes" {
		return 0, &errStopped{"its receiver is not connected (" + strings.ToLower(io) + ")"}
	}
	if c.Text(d.Columns.SQLRunning) != "Yes" {
		return 0, &errStopped{"its applier is stopped"}
	}
	seconds, ok := c.Int(d.Columns.SecondsLate)
	if !ok {
		return 0, &errStopped{"the server does not know its lag"}
	}
	return time.Duration(seconds) * time.Second, nil
}

// heartbeatSQL is the age of the newest row of pt-heartbeat, by the replica's clock. Its ts is
// text in UTC when written with --utc and in the writer's time zone otherwise; the documented
// recommendation is --utc. https://docs.percona.com/percona-toolkit/pt-heartbeat.html
const heartbeatSQL = "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(ts), UTC_TIMESTAMP(6)) FROM "

// heartbeat is the age of the newest heartbeat that arrived.
func heartbeat(ctx context.Context, n Node) (time.Duration, error) {
	schema, table, ok := strings.Cut(n.Heartbeat, ".")
	if !ok {
		return 0, &errStopped{"the heartbeat table " + n.Heartbeat + " is not schema.table"}
	}
	var age sql.NullInt64
	if err := n.Server.QueryRowContext(ctx, heartbeatSQL+dbconn.QuoteName(schema, table)).Scan(&age); err != nil {
		return 0, fmt.Errorf("read the heartbeat of %s: %w", n.Name, err)
	}
	if !age.Valid {
		return 0, &errStopped{"the heartbeat table is empty"}
	}
	return max(0, time.Duration(age.Int64)*time.Microsecond), nil
}

// words is why a metric could not be read, for people; numbers instead of the server's texts,
// which can hold names and addresses.
func words(err error) string {
	var stopped *errStopped
	var class *dbconn.ConnectError
	var told interface{ Sentence() string }
	switch {
	case errors.As(err, &stopped):
		return stopped.what
	case errors.As(err, &class):
		return class.Words()
	case dbconn.Code(err) != 0:
		return fmt.Sprintf("the server refuses the question (error %d)", dbconn.Code(err))
	case errors.As(err, &told):
		return strings.TrimSuffix(told.Sentence(), ".")
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case dbconn.Lost(err):
		return "the connection broke"
	}
	return "it could not be read"
}
