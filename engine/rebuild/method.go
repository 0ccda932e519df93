package rebuild

// Mode says whether a rebuild is written to the binary log.
type Mode string

// Modes.
const (
	BinlogOff Mode = "binlog-off" // only this server; no GTID is made
	BinlogOn  Mode = "binlog-on"  // replicates downstream from where it runs
)

// Method is how one table is rebuilt. What it promises is spelled out in the statement
// (ALGORITHM, LOCK), so that the server refuses instead of surprising.
type Method struct {
	Kind      Kind   `json:"kind"`
	Algorithm string `json:"algorithm,omitempty"` // INPLACE, COPY; none where the server takes no clause
	Lock      string `json:"lock,omitempty"`      // NONE, SHARED; the same
	StopSQL   bool   `json:"stop_sql,omitempty"`  // the applier is stopped during the rebuild
	Reason    string `json:"reason"`              // for the card

	Executor string `json:"executor,omitempty"`         // of Plugin: its name
	Version  string `json:"executor_version,omitempty"` // which the approver saw
}

// Kind is the statement family.
type Kind string

// Kinds. Leave means the table is not touched; Reason says why.
const (
	Alter    Kind = "alter"    // ALTER TABLE … FORCE, or REBUILD PARTITION
	Optimize Kind = "optimize" // MyISAM and Aria only
	Plugin   Kind = "plugin"   // a program of others (Executor)
	Leave    Kind = "leave"
)

// Algorithms and locks a statement can ask for.
const (
	Inplace    = "INPLACE"
	Copy       = "COPY"
	LockNone   = "NONE"
	LockShared = "SHARED"
)

// Blocks reports whether writes to the table wait for the whole rebuild: on a replica that is
// replication itself.
func (m Method) Blocks() bool {
	return m.Kind == Optimize || m.Kind == Alter && m.Lock != LockNone && !m.StopSQL
}
