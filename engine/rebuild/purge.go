package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/throttle"
)

// purgeEvery is the time between two looks at purge. The list of transactions is refreshed only after
// 0.1 s without a reader.
const purgeEvery = 250 * time.Millisecond

// purgeLimit bounds the wait; a purge that is held back longer has a reason that stays.
const purgeLimit = 2 * time.Minute

// purgeSettled is how long purge has to stand still with nobody holding it back until nothing is
// left for it. A read view that ends does not wake it; the server looks once a second (measured 0.1 s
// to 0.6 s on 9.7).
const purgeSettled = 5 * time.Second

// Purges reports whether what was deleted must be gone before a table is rebuilt in this way, with the
// applier stopped: on versions that lose rows, and where the method was chosen for that reason (gate).
func (m Method) Purges(v dbconn.Version) bool {
	affected, _ := LosesRows(v)
	return m.StopSQL && m.Kind == Alter && (affected || m.Lock == LockShared)
}

// purge watches the removal of what was deleted before the applier was stopped.
type purge struct {
	srv     *dbconn.Server
	stopped time.Time // when the applier was
	bound   uint64    // all that was done before then has a smaller number
	at      uint64    // where purge stood at the last look
	since   time.Time // since when it stands there idle, and nobody holds it back
}

// monitorPattern finds in MySQL's monitor how far purge has come. The number behind "done for" is that
// of the last transaction purged, plus one; one that only inserted has nothing to purge and leaves a
// gap, so the number need not reach the counter.
var monitorPattern = regexp.MustCompile(`Trx id counter (\d+)\s+Purge done for trx's n:o < (\d+) undo n:o < \d+ state: ([a-z ]+)`)

// done reports whether nothing is left to purge. "Idle" alone does not tell: purge also rests when a
// read view holds it back, and goes on when that ends. The length of the history list tells it on
// MariaDB; MySQL takes purged transactions off the list only every 128 batches
// (innodb_purge_rseg_truncate_frequency), so its monitor has to be asked.
func (p *purge) done(ctx context.Context) (bool, error) {
	n, err := throttle.History(ctx, p.srv, p.srv.Version)
	if err != nil || n == 0 || p.srv.Version.Flavor == dbconn.MariaDB {
		return n == 0 && err == nil, err
	}
	var kind, name, status string
	if err := p.srv.QueryRowContext(ctx, "SHOW ENGINE INNODB STATUS").Scan(&kind, &name, &status); err != nil {
		return false, fmt.Errorf("read the monitor of %s: %w", p.srv.Name, err)
	}
	m := monitorPattern.FindStringSubmatch(status)
	if m == nil {
		return false, fmt.Errorf("read the monitor of %s: it does not tell of purge", p.srv.Name)
	}
	counter, _ := strconv.ParseUint(m[1], 10, 64) // digits, by the pattern
	at, _ := strconv.ParseUint(m[2], 10, 64)
	if p.bound == 0 {
		p.bound = counter
	}
	if m[3] != "running but idle" {
		p.since = time.Time{}
		return false, nil
	}
	if at >= p.bound {
		return true, nil
	}
	return p.settled(ctx, at)
}

// settled reports whether purge has stood still for long enough while no transaction was older than
// the stop of the applier.
func (p *purge) settled(ctx context.Context, at uint64) (bool, error) {
	_, held, err := p.holder(ctx)
	if err != nil || held || at != p.at || p.since.IsZero() {
		p.at, p.since = at, time.Now()
		if err != nil || held {
			p.since = time.Time{}
		}
		return false, err
	}
	return time.Since(p.since) >= purgeSettled, nil
}

// holder is the oldest transaction that began before the applier was stopped; the server tells ages in
// whole seconds.
func (p *purge) holder(ctx context.Context) (throttle.Holder, bool, error) {
	open, err := throttle.Transactions(ctx, p.srv)
	if err != nil || len(open) == 0 {
		return throttle.Holder{}, false, err
	}
	oldest := slices.MaxFunc(open, func(a, b throttle.Holder) int { return cmp.Compare(a.Age, b.Age) })
	return oldest, oldest.Age >= time.Since(p.stopped).Truncate(time.Second), nil
}

// who is the holder in words, empty when nobody is seen.
func (p *purge) who(ctx context.Context) string {
	h, held, err := p.holder(ctx)
	if err != nil || !held {
		return ""
	}
	return fmt.Sprintf("a transaction of %s (connection %d), open for %s", h.User, h.ConnectionID, h.Age)
}

// waitPurged waits until the deleted row versions are gone: the lost-rows bug is a race with their
// removal. It must be called with the applier stopped.
func (f *Fence) waitPurged(ctx context.Context, tell func(Progress)) error {
	limited, cancel := context.WithTimeout(ctx, f.purgeWait)
	defer cancel()
	p, who := purge{srv: f.srv, stopped: time.Now()}, ""
	for told := (time.Time{}); ; {
		done, err := p.done(limited)
		if err != nil && limited.Err() == nil {
			return failure(err)
		}
		if err == nil && done {
			return nil
		}
		if limited.Err() == nil && time.Since(told) >= tickEvery {
			told, who = time.Now(), p.who(limited)
			tell(Progress{Phase: waitingForPurge(who)})
		}
		if sleep(limited, purgeEvery) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{Class: ClassPurge, Text: notPurged(who), Advice: "End what holds it back, or wait for it, and let the job try again."}
	}
}

// waitingForPurge is the phase of a rebuild that waits for purge.
func waitingForPurge(who string) string {
	if who == "" {
		return "waiting for purge"
	}
	return "waiting for purge, held back by " + who
}

// notPurged is the end of such a wait in words.
func notPurged(who string) string {
	if who == "" {
		return "Purge did not finish in time, so the table was not touched."
	}
	return "Purge did not finish in time, so the table was not touched: it is held back by " + who + "."
}
