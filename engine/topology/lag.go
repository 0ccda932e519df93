package topology

import (
	"fmt"
	"strings"

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

// heartbeatSQL reads pt-heartbeat's table. Its ts is written in the primary's time zone or, with
// --utc, in UTC; both differences are asked and settleLag takes the one that is possible.
const heartbeatSQL = `SELECT server_id, TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) AS utc_us,` +
	` TIMESTAMPDIFF(MICROSECOND, ts, NOW(6)) AS local_us FROM %s`

// heartbeat is a row of the heartbeat table: how old it is and who wrote it.
type heartbeat struct {
	server  uint32
	seconds float64
}

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
		qs = append(qs, question{what: "the appliers' errors", right: "SELECT on performance_schema", sql: workersSQL, optional: true, take: takeWorkers})
	}
	if d.AppliedTimes && f.On("performance_schema") {
		qs = append(qs, question{what: "the lag", right: "SELECT on performance_schema", sql: appliedSQL, optional: true, take: takeApplied})
	}
	if o.Heartbeat != "" {
		schema, table, ok := strings.Cut(o.Heartbeat, ".")
		name := dbconn.QuoteName(schema, table)
		if !ok {
			name = dbconn.QuoteName(schema)
		}
		qs = append(qs, question{what: "the heartbeat", right: "SELECT on " + o.Heartbeat,
			sql: fmt.Sprintf(heartbeatSQL, name), optional: true, take: takeHeartbeats})
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

// takeHeartbeats reads heartbeatSQL. The smaller difference that does not lie in the future is the
// possible one.
func takeHeartbeats(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		id, _ := r.Int("server_id")
		best, found := int64(0), false
		for _, column := range []string{"utc_us", "local_us"} {
			us, ok := r.Int(column)
			if ok && us > -5_000_000 && (!found || us < best) { // clocks a few seconds apart
				best, found = us, true
			}
		}
		if found {
			i.heartbeats = append(i.heartbeats, heartbeat{server: uint32(id), seconds: microseconds(best)})
		}
	}
}

// microseconds are seconds, never below zero.
func microseconds(us int64) float64 { return max(0, float64(us/1000)/1000) }

// settleLag gives each channel the best lag there is: heartbeat, performance_schema, status. A
// channel whose status tells none keeps none: its threads do not run, and what they applied last
// says nothing about what they miss. Only the heartbeat measures that too.
func settleLag(i *Instance) {
	for n := range i.Links {
		l := &i.Links[n]
		if beat, ok := i.heartbeatOf(*l); ok {
			l.Lag = &Lag{Seconds: beat, From: FromHeartbeat}
			continue
		}
		for _, a := range i.applied {
			if l.Lag != nil && a.channel == l.Channel {
				l.Lag = &Lag{Seconds: a.seconds, From: FromPerfSchema}
			}
		}
	}
	i.heartbeats, i.applied = nil, nil
}

// heartbeatOf is the age of the newest heartbeat that came through a channel: written by its source
// or, further up, by anybody but this server.
func (i *Instance) heartbeatOf(l Link) (float64, bool) {
	best, found, direct := 0.0, false, false
	for _, h := range i.heartbeats {
		if h.server == i.ServerID {
			continue
		}
		of := h.server == l.SourceServerID
		if !found || (of && !direct) || (of == direct && h.seconds < best) {
			best, found, direct = h.seconds, true, of
		}
	}
	return best, found
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
