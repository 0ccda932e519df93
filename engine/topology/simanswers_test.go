package topology_test

import (
	"fmt"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// simServer is a server of a version with its place in a tree. It has the statements of that
// version and no other, with that version's columns: a walk that speaks the wrong dialect fails.
// The forms are those of the sheets of each version's manual for SHOW REPLICA STATUS, SHOW REPLICAS
// and SHOW VARIABLES, and were compared with the real 5.6, 9.7 and MariaDB 10.11.
func simServer(version string, k, source int, replicas []int) *simNode {
	v, err := dbconn.ParseVersion(version)
	if err != nil {
		panic(err)
	}
	node := &simNode{addr: simAddr(k), version: version, uuid: simUUID(k), answers: map[string]simResult{}}
	node.answers[dbconn.FactsSQL] = simResult{[]string{"Variable_name", "Value"}, simFacts(v, k, source)}
	simReplication(node, v, source, replicas)
	simPositions(node, v, k)
	if v.Flavor == dbconn.MySQL && v.AtLeast(5, 7, 0) {
		simPerformanceSchema(node, v, replicas)
	} else {
		dump := simResult{columns: []string{"Id", "User", "Host", "Command"}, rows: [][]string{{"7", "app", "10.9.9.9:40000", "Sleep"}}}
		for n, r := range replicas {
			dump.rows = append(dump.rows, []string{fmt.Sprint(n + 20), "repl", simAddr(r).Host + ":40000", "Binlog Dump"})
		}
		node.answers["SHOW PROCESSLIST"] = dump
	}
	return node
}

// simFacts are the variables that a version has.
func simFacts(v dbconn.Version, k, source int) [][]string {
	readOnly := "ON"
	if source < 0 {
		readOnly = "OFF"
	}
	rows := [][]string{{"version", v.Raw}, {"server_id", fmt.Sprint(k + 1)}, {"hostname", simAddr(k).Host}, {"port", "3306"},
		{"datadir", "/var/lib/mysql/"}, {"read_only", readOnly}, {"log_bin", "ON"}, {"log_slave_updates", "ON"}}
	if v.Flavor == dbconn.MariaDB {
		return append(rows, []string{"gtid_domain_id", "0"}, []string{"gtid_strict_mode", "OFF"}, []string{"wsrep_on", "OFF"}, []string{"performance_schema", "OFF"})
	}
	rows = append(rows, []string{"server_uuid", simUUID(k)}, []string{"gtid_mode", "ON"}, []string{"performance_schema", "ON"})
	if v.AtLeast(5, 7, 8) {
		rows = append(rows, []string{"super_read_only", readOnly})
	}
	if v.AtLeast(8, 0, 26) {
		rows = append(rows, []string{"log_replica_updates", "ON"})
	}
	return rows
}

// simReplication adds the status of the channel and the list of replicas, in the words of the version.
func simReplication(node *simNode, v dbconn.Version, source int, replicas []int) {
	old := v.Flavor == dbconn.MariaDB || !v.AtLeast(8, 0, 22)
	word := func(s string) string {
		if old {
			return strings.NewReplacer("Source", "Master", "Replica", "Slave").Replace(s)
		}
		return s
	}
	columns := []string{"Replica_IO_State", "Source_Host", "Source_Port", "Source_Log_File", "Replica_IO_Running", "Replica_SQL_Running",
		"Seconds_Behind_Source", "Last_IO_Error", "Last_SQL_Error", "Source_Server_Id", "SQL_Delay"}
	status := simResult{}
	for _, c := range columns {
		status.columns = append(status.columns, word(c))
	}
	row := []string{"Waiting for source to send event", "", "3306", "bin.000007", "Yes", "Yes", "0", "", "", fmt.Sprint(source + 1), "0"}
	sql, hosts := "SHOW REPLICA STATUS", "SHOW REPLICAS"
	list := simResult{columns: []string{"Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"}}
	switch v.Flavor {
	case dbconn.MariaDB:
		sql, hosts = "SHOW ALL SLAVES STATUS", "SHOW SLAVE HOSTS"
		status.columns = append(status.columns, "Connection_name", "Using_Gtid", "Gtid_IO_Pos")
		row = append(row, "", "Slave_Pos", "0-1-100")
		list.columns = []string{"Server_id", "Host", "Port", "Master_id"}
	default:
		if old {
			sql, hosts = "SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"
			list.columns = []string{"Server_id", "Host", "Port", "Master_id", "Slave_UUID"}
		}
		status.columns = append(status.columns, word("Source_UUID"), "Retrieved_Gtid_Set", "Executed_Gtid_Set")
		row = append(row, simUUID(source), simUUID(0)+":1-100", simUUID(0)+":1-100")
		if v.AtLeast(5, 7, 0) {
			status.columns = append(status.columns, "Channel_Name")
			row = append(row, "")
		}
	}
	if source >= 0 {
		row[1] = simAddr(source).Host
		status.rows = [][]string{row}
	}
	node.answers[sql] = status
	for _, r := range replicas {
		line := []string{fmt.Sprint(r + 1), simAddr(r).Host, "3306", node.uuid, simUUID(r)}
		list.rows = append(list.rows, line[:len(list.columns)])
	}
	node.answers[hosts] = list
}

// simPositions adds the GTID sets and the binary log's position.
func simPositions(node *simNode, v dbconn.Version, k int) {
	binlog := simResult{[]string{"File", "Position"}, [][]string{{"bin.000007", "4711"}}}
	switch {
	case v.Flavor == dbconn.MariaDB:
		node.answers["SELECT @@global.gtid_binlog_state AS executed, @@global.gtid_current_pos AS current_pos"] =
			simResult{[]string{"executed", "current_pos"}, [][]string{{"0-1-100", "0-1-100"}}}
		node.answers["SHOW MASTER STATUS"] = binlog
		return
	case v.AtLeast(8, 4, 0):
		node.answers["SHOW BINARY LOG STATUS"] = binlog
	case v.AtLeast(8, 2, 0):
		node.answers["SHOW BINARY LOG STATUS"], node.answers["SHOW MASTER STATUS"] = binlog, binlog
	default:
		node.answers["SHOW MASTER STATUS"] = binlog
	}
	node.answers["SELECT @@global.gtid_executed AS executed"] = simResult{[]string{"executed"}, [][]string{{simUUID(0) + ":1-100"}}}
}

// Statements on performance_schema.
const (
	dumpUUIDs = "SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_HOST AS host, u.VARIABLE_VALUE AS uuid" +
		" FROM performance_schema.threads t LEFT JOIN performance_schema.user_variables_by_thread u" +
		" ON u.THREAD_ID = t.THREAD_ID AND u.VARIABLE_NAME IN ('slave_uuid','replica_uuid')" +
		" WHERE t.PROCESSLIST_COMMAND LIKE 'Binlog Dump%'"
	workerErrors = "SELECT CHANNEL_NAME AS channel, LAST_ERROR_MESSAGE AS message" +
		" FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0"
	appliedLag = "SELECT w.CHANNEL_NAME AS channel," +
		" MAX(IF(w.APPLYING_TRANSACTION <> '', TIMESTAMPDIFF(MICROSECOND, w.APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6)), NULL)) AS applying_us," +
		" MAX(TIMESTAMPDIFF(MICROSECOND, c.LAST_QUEUED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6))) AS queued_us," +
		" SUM(c.LAST_QUEUED_TRANSACTION IN ('', w.LAST_APPLIED_TRANSACTION)) AS drained," +
		" SUM(c.LAST_QUEUED_TRANSACTION = 'ANONYMOUS') AS anonymous" +
		" FROM performance_schema.replication_applier_status_by_worker w" +
		" JOIN performance_schema.replication_connection_status c ON c.CHANNEL_NAME = w.CHANNEL_NAME" +
		" GROUP BY w.CHANNEL_NAME"
)

// simPerformanceSchema adds the tables that a version's performance_schema has.
func simPerformanceSchema(node *simNode, v dbconn.Version, replicas []int) {
	dump := simResult{columns: []string{"id", "host", "uuid"}}
	for n, r := range replicas {
		dump.rows = append(dump.rows, []string{fmt.Sprint(n + 20), simAddr(r).Host, simUUID(r)})
	}
	node.answers[dumpUUIDs] = dump
	node.answers[workerErrors] = simResult{columns: []string{"channel", "message"}}
	if v.AtLeast(8, 0, 1) {
		node.answers[appliedLag] = simResult{[]string{"channel", "applying_us", "queued_us", "drained", "anonymous"}, [][]string{{"", "1500000", "NULL", "0", "0"}}}
	}
}
