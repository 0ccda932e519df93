package rebuild

import (
	"context"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

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
	Algorithm string `json:"algorithm,omitempty"` // INPLACE, COPY
	Lock      string `json:"lock,omitempty"`      // NONE, SHARED
	StopSQL   bool   `json:"stop_sql,omitempty"`  // the applier is stopped during the rebuild
	Reason    string `json:"reason"`              // for the card
}

// Kind is the statement family.
type Kind string

// Kinds. Leave means the table is not touched; Reason says why.
const (
	Alter    Kind = "alter"    // ALTER TABLE … FORCE
	Optimize Kind = "optimize" // MyISAM and Aria only
	Leave    Kind = "leave"
)

// Task is one table to rebuild on one server.
type Task struct {
	Job       string
	Step      int
	Schema    string
	Table     string
	Method    Method
	Mode      Mode
	LockWait  time.Duration // lock_wait_timeout of the statement; bounds every stall it can cause
	Predicted int64         // bytes, for progress
	Mark      Mark          // set when an earlier run had begun: adopt instead of running twice
}

// Mark is what was true on the server immediately before the statement was sent. It is stored
// before the statement, and after a crash it tells whether the table was rebuilt.
type Mark struct {
	ServerNow    time.Time `json:"server_now"`
	ConnectionID uint64    `json:"connection_id"`
	CreateTime   time.Time `json:"create_time"`
	SpaceID      int64     `json:"space_id"`
	BeforeBytes  int64     `json:"before_bytes"`
}

// Progress of a running rebuild. Fraction is in 0..1 and never 1 before the server said OK.
type Progress struct {
	Phase    string        `json:"phase"`
	Fraction float64       `json:"fraction"`
	Bytes    int64         `json:"bytes"`
	Rate     float64       `json:"rate"` // bytes per second
	ETA      time.Duration `json:"eta"`
}

// Outcome names how a rebuild ended.
type Outcome string

// Outcomes. Unknown stops the job: nobody can say whether the table was rebuilt.
const (
	Done    Outcome = "done"
	Adopted Outcome = "adopted" // an earlier session of ours finished it
	Killed  Outcome = "killed"
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown"
)

// Result is what a rebuild measured from the server's own tablespace sizes.
type Result struct {
	Outcome Outcome       `json:"outcome"`
	Before  int64         `json:"before"`
	After   int64         `json:"after"`
	Took    time.Duration `json:"took"`
	Late    string        `json:"late,omitempty"` // a kill that came too late to stop the statement, in words
}

// Hooks connect a rebuild to its owner. Permit is asked on the executing session immediately
// before the statement; Begin stores the mark and must be durable when it returns; Progress is
// called about once a second and may drop.
type Hooks struct {
	Permit   func(ctx context.Context, s *dbconn.Session) error
	Begin    func(ctx context.Context, m Mark) error
	Progress func(Progress)
}

// Change is one global setting of a server that was changed and must be put back.
type Change struct {
	Name   string `json:"name"`   // super_read_only, …
	Before string `json:"before"` // value to restore
	After  string `json:"after"`
}

// ChooseOptions are the plan's permissions for methods that hurt.
type ChooseOptions struct {
	AllowCopy       bool
	AllowUnsafe     bool // rebuild under traffic on a version with the lost-rows bug
	StopSQLAffected bool
}

var _ = tablespace.Table{}
