package dbconn

// Dialect holds the statements that differ between versions. A statement a version does not have
// is empty. The texts were checked on 5.6, 5.7, 8.0, 8.4, 9.7 and MariaDB 10.11.
type Dialect struct {
	ShowReplicas     string // replicas that registered with this server
	ShowStatus       string // every replication channel of this server
	ShowBinlogStatus string // file and position this server writes to
	ShowBinlogs      string
	StopSQL          string // stops the applier of all channels
	StartSQL         string
	Columns          Columns
	SuperReadOnly    bool // the version has super_read_only
	ServerUUID       bool // the version has server_uuid
	ReplicaUUID      bool // ShowReplicas has a UUID column
	AppliedTimes     bool // performance_schema has commit timestamps per worker (8.0)
	DumpThreadUUID   bool // a dump thread tells its replica's UUID in a user variable
}

// Columns are the names of the columns that were renamed, in ShowStatus and ShowReplicas.
type Columns struct {
	Channel      string
	SourceHost   string
	SourcePort   string
	SourceID     string // server_id of the source, in ShowStatus
	SourceUUID   string
	SourceLog    string // log file of the source
	IORunning    string
	SQLRunning   string
	SecondsLate  string
	ReplicaUUID  string // in ShowReplicas
	ReplicaOwner string // server_id of the source, in ShowReplicas
}

// oldColumns are the names before 8.0.22 and on MariaDB.
var oldColumns = Columns{
	Channel: "Channel_Name", SourceHost: "Master_Host", SourcePort: "Master_Port",
	SourceID: "Master_Server_Id", SourceUUID: "Master_UUID", SourceLog: "Master_Log_File",
	IORunning: "Slave_IO_Running", SQLRunning: "Slave_SQL_Running", SecondsLate: "Seconds_Behind_Master",
	ReplicaUUID: "Slave_UUID", ReplicaOwner: "Master_id",
}

// newColumns are the names since 8.0.22.
var newColumns = Columns{
	Channel: "Channel_Name", SourceHost: "Source_Host", SourcePort: "Source_Port",
	SourceID: "Source_Server_Id", SourceUUID: "Source_UUID", SourceLog: "Source_Log_File",
	IORunning: "Replica_IO_Running", SQLRunning: "Replica_SQL_Running", SecondsLate: "Seconds_Behind_Source",
	ReplicaUUID: "Replica_UUID", ReplicaOwner: "Source_Id",
}

// Dialect is the dialect of a version.
func (v Version) Dialect() Dialect {
	if v.Flavor == MariaDB {
		return mariaDialect()
	}
	if v.Flavor == MaxScale {
		return Dialect{ShowReplicas: "SHOW SLAVE HOSTS", ShowStatus: "SHOW SLAVE STATUS", Columns: oldColumns}
	}
	d := Dialect{
		ShowReplicas: "SHOW SLAVE HOSTS", ShowStatus: "SHOW SLAVE STATUS",
		ShowBinlogStatus: "SHOW MASTER STATUS", ShowBinlogs: "SHOW BINARY LOGS",
		StopSQL: "STOP SLAVE SQL_THREAD", StartSQL: "START SLAVE SQL_THREAD",
		Columns:        oldColumns,
		SuperReadOnly:  v.AtLeast(5, 7, 8),
		ServerUUID:     v.AtLeast(5, 6, 0),
		ReplicaUUID:    v.AtLeast(5, 6, 0),
		AppliedTimes:   v.AtLeast(8, 0, 1),
		DumpThreadUUID: v.AtLeast(5, 7, 0), // user_variables_by_thread came with 5.7
	}
	if v.AtLeast(8, 0, 22) {
		d.ShowReplicas, d.ShowStatus = "SHOW REPLICAS", "SHOW REPLICA STATUS"
		d.StopSQL, d.StartSQL = "STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"
		d.Columns = newColumns
	}
	if v.AtLeast(8, 2, 0) {
		d.ShowBinlogStatus = "SHOW BINARY LOG STATUS"
	}
	return d
}

// mariaDialect is MariaDB's: it knows the new words in some statements (not in SHOW REPLICAS,
// which is an error there) but keeps the old column names; the old words work in all versions.
func mariaDialect() Dialect {
	d := Dialect{
		ShowReplicas: "SHOW SLAVE HOSTS", ShowStatus: "SHOW ALL SLAVES STATUS",
		ShowBinlogStatus: "SHOW MASTER STATUS", ShowBinlogs: "SHOW BINARY LOGS",
		// Without ALL they act on the unnamed connection only; MySQL's act on every channel.
		StopSQL: "STOP ALL SLAVES SQL_THREAD", StartSQL: "START ALL SLAVES SQL_THREAD",
		Columns: oldColumns,
	}
	d.Columns.Channel = "Connection_name"
	return d
}
