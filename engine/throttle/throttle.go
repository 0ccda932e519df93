package throttle

import (
	"context"
	"sync"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Node is a server whose load counts.
type Node struct {
	Server  *dbconn.Server
	Name    string
	Replica bool          // its lag must be readable
	Delay   time.Duration // the delay it keeps on purpose (SQL_Delay), taken off its lag
	// Heartbeat is pt-heartbeat's table, written on the primary; none: the server's own figure is
	// used. A heartbeat also sees the lag of the servers between.
	Heartbeat topology.Heartbeat
}

// Table is what is about to be rebuilt, or runs.
type Table struct {
	Schema, Name string
	NeedBytes    int64 // size of the new file, which stands beside the old one for a while
	TempBytes    int64 // size of the sort files of its secondary indexes, at most
	// Purge says that what was deleted must be purged before the table is rebuilt, with the applier
	// stopped: an old transaction on any table holds that back.
	Purge bool
	// ApplierStopped says that we stopped the target's applier ourselves: its lag then grows as
	// planned and is not looked at.
	ApplierStopped bool
}

// DiskProbe tells what is free where a server writes. An error means that who should know did not
// answer.
type DiskProbe interface {
	Free(ctx context.Context) (Space, error)
}

// Throttle compares one target and its downstream with the limits of a job.
type Throttle struct {
	limits     Limits
	target     Node
	downstream []Node
	disks      Disks

	every time.Duration // between two looks
	calm  *calm
}

// calm is when nothing of what concerns the server as a whole held a start back. Where many small tables
// start within a second it is not asked for each.
type calm struct {
	mu sync.Mutex
	at time.Time
}

// calmFor is how long that serves: short against limits of seconds.
const calmFor = time.Second

// lasts reports whether it was just so.
func (c *calm) lasts() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.at) < calmFor
}

// note remembers that it is so now.
func (c *calm) note() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Now()
}

// lookEvery is the time between two looks: short against a lag limit of seconds, and a handful of
// cheap statements per server.
const lookEvery = 2 * time.Second

// lookTimeout bounds one look at one server.
const lookTimeout = 5 * time.Second

// New makes a Throttle.
func New(limits Limits, target Node, downstream []Node, disks Disks) *Throttle {
	return &Throttle{limits: limits, target: target, downstream: downstream, disks: disks, every: lookEvery, calm: &calm{}}
}

// With is the same throttle with other disks.
func (t *Throttle) With(disks Disks) *Throttle {
	w := *t
	w.disks = disks
	return &w
}

// Check looks once whether the table may be started now.
func (t *Throttle) Check(ctx context.Context, table Table) Verdict {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var v Verdict
	if !t.calm.lasts() {
		t.checkLag(ctx, table, &v)
		t.checkThreads(ctx, &v)
		t.checkHistory(ctx, &v)
		if !v.Throttled && !table.ApplierStopped { // then all was looked at
			t.calm.note()
		}
	}
	t.checkTransactions(ctx, table, &v)
	t.checkDisk(ctx, table, &v)
	return v
}

// Wait returns when nothing holds the table back, or when ctx ends. told hears of the first
// verdict that holds it back, of every change of the reasons, and of the end of waiting.
func (t *Throttle) Wait(ctx context.Context, table Table, told func(Verdict)) error {
	var last Verdict
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		v := t.Check(ctx, table)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if !v.same(last) && told != nil {
			told(v)
		}
		if !v.Throttled {
			return nil
		}
		last = v
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// During watches while a statement runs. It returns a *Critical when the statement should be
// killed, and the cause of ctx when the statement has ended.
func (t *Throttle) During(ctx context.Context, table Table) error {
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if v := t.look(ctx, table); v.Critical && ctx.Err() == nil {
			return &Critical{Verdict: v}
		}
	}
}

// look checks the critical bounds only.
func (t *Throttle) look(ctx context.Context, table Table) Verdict {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var all, critical Verdict
	t.checkLag(ctx, table, &all)
	t.checkDiskNow(ctx, &all)
	for _, r := range all.Reasons {
		if r.Value >= 0 && t.isCritical(r) {
			critical.add(true, r)
		}
	}
	return critical
}

// isCritical reports whether a broken bound is one to kill for.
func (t *Throttle) isCritical(r Reason) bool {
	if r.Metric == MetricDiskFree {
		return true
	}
	return r.Metric == MetricLag && t.limits.CriticalLag > 0 && r.Value > t.limits.CriticalLag.Seconds()
}
