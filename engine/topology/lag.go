package topology

import (
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology/gtid"
)

// appliedSQL compares the commit time on the original server with now, per channel (8.0 and
// later). A channel that applies something is as late as the oldest transaction under way; one that
// applied what it received last is not late; in between it is as late as what it received last.
// The times come from the primary's clock: a skew of the clocks is a skew of the lag.
const appliedSQL = `SELECT w.CHANNEL_NAME AS channel,` +
	` MAX(IF(w.APPLYING_TRANSACTION <> '', TIMESTAMPDIFF(MICROSECOND, w.APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6)), NULL)) AS applying_us,` +
	` MAX(TIMESTAMPDIFF(MICROSECOND, c.LAST_QUEUED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6))) AS queued_us,` +
	` SUM(c.LAST_QUEUED_TRANSACTION IN ('', w.LAST_APPLIED_TRANSACTION)) AS drained,` +
	` SUM(c.LAST_QUEUED_TRANSACTION = 'ANONYMOUS') AS anonymous` +
	` FROM performance_schema.replication_applier_status_by_worker w` +
	` JOIN performance_schema.replication_connection_status c ON c.CHANNEL_NAME = w.CHANNEL_NAME` +
	` GROUP BY w.CHANNEL_NAME`

// appliedBy is a channel's lag by performance_schema.
type appliedBy struct {
	channel string
	seconds float64
}

// lagQuestions are the statements that tell the lag better than the status does. They are optional:
// without them the status's whole seconds remain.
func lagQuestions(f dbconn.Facts, d dbconn.Dialect, o Options) []question {
	var qs []question
	if d.DumpThreadUUID && f.On("performance_schema") { // 5.7 and later
		qs = append(qs, question{what: "the appliers' errors", right: readPerfSchema, sql: workersSQL, optional: true, take: takeWorkers})
	}
	if d.AppliedTimes && f.On("performance_schema") {
		qs = append(qs, question{what: "the lag", right: readPerfSchema, sql: appliedSQL, optional: true, take: takeApplied})
	}
	if o.Heartbeat.Table != "" {
		qs = append(qs, question{what: "the heartbeat", right: dbconn.Right{AnyOf: []string{"SELECT"}, On: o.Heartbeat.Table},
			sql: o.Heartbeat.SQL(), optional: true, take: func(i *Instance, rows []dbconn.Row) { i.beats, i.beaten = Beats(rows), true }})
	}
	return qs
}

// takeApplied reads appliedSQL. Transactions without GTID cannot be told apart, so a channel of
// those keeps the lag of its status.
func takeApplied(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		if n, _ := r.Int("anonymous"); n > 0 {
			continue
		}
		a := appliedBy{channel: r.Text("channel")}
		applying, busy := r.Int("applying_us")
		queued, known := r.Int("queued_us")
		drained, _ := r.Int("drained")
		switch {
		case busy:
			a.seconds = microseconds(applying)
		case drained > 0:
		case known:
			a.seconds = microseconds(queued)
		default:
			continue
		}
		i.applied = append(i.applied, a)
	}
}

// microseconds are seconds, never below zero.
func microseconds(us int64) float64 { return max(0, float64(us/1000)/1000) }

// settleLag gives each channel the best lag there is: heartbeat, performance_schema, status. A
// channel whose status tells none keeps none: its threads do not run, and what they applied last
// says nothing about what they miss. Only the heartbeat measures that too; one that cannot be right
// makes the lag unknown.
func settleLag(i *Instance) {
	told := map[string]bool{}
	for n := range i.Links {
		l := &i.Links[n]
		if i.beaten {
			age, err := BeatThrough(i.beats, i.ServerID, l.SourceServerID, len(i.Links))
			l.Lag = &Lag{Seconds: age.Round(time.Millisecond).Seconds(), From: FromHeartbeat}
			if err != nil {
				l.Lag = nil
				if !told[err.Error()] {
					i.notes, told[err.Error()] = append(i.notes, "its lag is not known: "+err.Error()), true
				}
			}
			continue
		}
		for _, a := range i.applied {
			if l.Lag != nil && a.channel == l.Channel {
				l.Lag = &Lag{Seconds: a.seconds, From: FromPerfSchema}
			}
		}
	}
	i.beats, i.applied = nil, nil
}

// settleUnapplied counts what a channel received and did not execute yet. On MariaDB the numbers of
// a domain have gaps, so the difference is the most it can be.
func settleUnapplied(i *Instance) {
	for n := range i.Links {
		l := &i.Links[n]
		if l.RetrievedGTID == "" {
			continue
		}
		if i.Version.Flavor == dbconn.MariaDB {
			received, err1 := gtid.ParseState(l.RetrievedGTID)
			current, err2 := gtid.ParseState(i.GTIDCurrent)
			if err1 == nil && err2 == nil {
				l.Unapplied = received.Behind(current)
			}
			continue
		}
		received, err1 := gtid.ParseSet(l.RetrievedGTID)
		executed, err2 := gtid.ParseSet(i.GTIDExecuted)
		if err1 == nil && err2 == nil {
			l.Unapplied = received.Subtract(executed).Count()
		}
	}
}
