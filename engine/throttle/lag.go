package throttle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
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
	var sources []dbconn.Row
	for _, c := range channels {
		if c.Text(d.Columns.SourceHost) != "" {
			sources = append(sources, c)
		}
	}
	if len(sources) == 0 {
		return 0, &errStopped{"it has no replication source"}
	}
	beats, err := heartbeats(ctx, n)
	if err != nil {
		return 0, err
	}
	var worst time.Duration
	for _, c := range sources {
		lag, err := channelLag(c, d)
		if err == nil && n.Heartbeat.Table != "" {
			source, _ := c.Int(d.Columns.SourceID)
			if lag, err = topology.BeatThrough(beats, n.Server.ServerID, uint32(source), len(sources)); err != nil {
				err = &errStopped{err.Error()}
			}
		}
		if err != nil {
			return 0, err
		}
		worst = max(worst, lag)
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

// heartbeats reads pt-heartbeat's table, if there is one.
func heartbeats(ctx context.Context, n Node) ([]topology.Beat, error) {
	if n.Heartbeat.Table == "" {
		return nil, nil
	}
	beats, err := n.Heartbeat.Read(ctx, n.Server)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", n.Name, err)
	}
	return beats, nil
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
