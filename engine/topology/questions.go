package topology

import (
	"fmt"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// question is one constant statement and what to do with its rows.
type question struct {
	what     string       // for people, when it fails
	right    dbconn.Right // what it needs
	sql      string
	optional bool // a refusal by the server costs detail, not safety
	take     func(i *Instance, rows []dbconn.Row)
}

// questionnaire is everything a server is asked, in the order in which the answers are taken.
type questionnaire []question

// statements are the texts.
func (qs questionnaire) statements() []string {
	out := make([]string, len(qs))
	for n, q := range qs {
		out[n] = q.sql
	}
	return out
}

// Statements without dialect.
const (
	// mysqlGTIDSQL is asked with SELECT: SHOW VARIABLES cuts long sets at 1024 characters.
	mysqlGTIDSQL = `SELECT @@global.gtid_executed AS executed`
	// mariaGTIDSQL: the binlog state holds every stream this server ever wrote, also its own.
	mariaGTIDSQL = `SELECT @@global.gtid_binlog_state AS executed, @@global.gtid_current_pos AS current_pos`
	// dumpUUIDSQL finds replicas with their UUID, also those that report no host. A thread that
	// has no such variable (a tool that reads the binary log) comes with a NULL.
	dumpUUIDSQL = `SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_HOST AS host, u.VARIABLE_VALUE AS uuid` +
		` FROM performance_schema.threads t LEFT JOIN performance_schema.user_variables_by_thread u` +
		` ON u.THREAD_ID = t.THREAD_ID AND u.VARIABLE_NAME IN ('slave_uuid','replica_uuid')` +
		` WHERE t.PROCESSLIST_COMMAND LIKE 'Binlog Dump%'`
	// dumpSQL is the form without performance_schema. information_schema.PROCESSLIST would be filtered
	// by the server, which first writes all of it into a temporary table: that doubled the time of a walk
	// over 15 MariaDB servers.
	dumpSQL = `SHOW PROCESSLIST`
	// groupSQL lists the members of a group and which of them this server is.
	groupSQL = `SELECT MEMBER_ID, MEMBER_HOST, MEMBER_PORT, MEMBER_STATE, MEMBER_ROLE,` +
		` MEMBER_ID = @@server_uuid AS me FROM performance_schema.replication_group_members`
)

// global is a right on everything.
func global(privilege string) dbconn.Right {
	return dbconn.Right{AnyOf: []string{privilege}, On: "*.*"}
}

// readPerfSchema is what every question to performance_schema needs.
var readPerfSchema = dbconn.Right{AnyOf: []string{"SELECT"}, On: "performance_schema.*"}

// questions are the statements for a server with these facts, in the order in which their answers
// depend on each other.
func questions(f dbconn.Facts, v dbconn.Version, o Options) questionnaire {
	d := v.Dialect()
	if f.Relay() { // it passes the log through; what it does not answer is nothing we need of it
		return questionnaire{
			{what: "replication status", right: global("REPLICATION CLIENT"), sql: d.ShowStatus, optional: true, take: takeLinks(d.Columns)},
			{what: "the list of replicas", right: global("REPLICATION SLAVE"), sql: d.ShowReplicas, optional: true, take: takeReplicas(d)},
		}
	}
	status, replicas, binlog := global("REPLICATION CLIENT"), global("REPLICATION SLAVE"), global("REPLICATION CLIENT")
	if v.Flavor == dbconn.MariaDB {
		status, replicas, binlog = global("SLAVE MONITOR"), global("REPLICATION MASTER ADMIN"), global("BINLOG MONITOR")
	}
	qs := append(make(questionnaire, 0, 8), // as many as a plain replica is asked; a walk holds a thousand of them
		question{what: "replication status", right: status, sql: d.ShowStatus, take: takeLinks(d.Columns)},
		question{what: "the list of replicas", right: replicas, sql: d.ShowReplicas, take: takeReplicas(d)})
	switch {
	case v.Flavor == dbconn.MariaDB:
		qs = append(qs, question{what: "the GTID state", sql: mariaGTIDSQL, take: takeExecuted})
	case f.Has("gtid_mode"):
		qs = append(qs, question{what: "the executed GTIDs", sql: mysqlGTIDSQL, take: takeExecuted})
	}
	if f.On("log_bin") {
		qs = append(qs, question{what: "the binary log position", right: binlog, sql: d.ShowBinlogStatus, take: takeBinlog})
		switch {
		case d.DumpThreadUUID && f.On("performance_schema"):
			qs = append(qs, question{what: "the replicas' connections", right: readPerfSchema,
				sql: dumpUUIDSQL, optional: true, take: takeDumps})
		default:
			qs = append(qs, question{what: "the replicas' connections", right: global("PROCESS"), sql: dumpSQL, optional: true, take: takeProcesses})
		}
	}
	if f["group_replication_group_name"] != "" {
		qs = append(qs, question{what: "the replication group", right: readPerfSchema, sql: groupSQL, take: takeGroup})
	}
	return append(qs, lagQuestions(f, d, o)...)
}

// takeExecuted reads the GTID set, without the line breaks MySQL puts into it.
func takeExecuted(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		i.GTIDExecuted = strings.ReplaceAll(r.Text("executed"), "\n", "")
		i.GTIDCurrent = r.Text("current_pos")
	}
}

// takeBinlog reads where the server writes.
func takeBinlog(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		i.Binlog.File = r.Text("File")
		i.Binlog.Position, _ = r.Int("Position")
	}
}

// takeGroup names the member's part in its group and lists the other members.
func takeGroup(i *Instance, rows []dbconn.Row) {
	i.Group = "group_replication offline"
	for _, r := range rows {
		if r.Text("me") == "1" {
			i.Group = strings.ToLower(fmt.Sprintf("group_replication %s", strings.TrimSpace(r.Text("MEMBER_ROLE")+" "+r.Text("MEMBER_STATE"))))
			continue
		}
		port, _ := r.Int("MEMBER_PORT")
		if host := r.Text("MEMBER_HOST"); host != "" {
			i.Replicas = append(i.Replicas, Downstream{Addr: dbconn.Addr{Host: host, Port: int(port)},
				Identity: dbconn.Identity(strings.ToLower(r.Text("MEMBER_ID"))), From: FromGroup})
		}
	}
}
