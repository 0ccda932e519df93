package rebuild

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// Task is one table, or one partition of it, to rebuild on one server.
type Task struct {
	Job       string
	Step      int
	Schema    string
	Table     string
	Partition string // of the table, which alone is rebuilt; empty: all of it
	Method    Method
	Mode      Mode
	LockWait  time.Duration // lock_wait_timeout of the statement; bounds every stall it can cause
	Predicted int64         // bytes, for progress
	Mark      Mark          // set when an earlier run had begun: adopt instead of running twice
	Retries   int           // how often a lock timeout or a deadlock is tried again; each asks Permit again
	CheckRows bool          // count the rows before and after; needs Method.StopSQL to mean anything

	// Seen is the state of the table or partition when the caller looked at it immediately before Run. It
	// serves the mark of the first statement, unless something is waited for; nil: Run looks itself.
	Seen *tablespace.State
}

// Mark is what was true on the server immediately before the statement was sent. It is stored
// before the statement, and after a crash it tells whether the table was rebuilt.
type Mark struct {
	ServerNow    time.Time `json:"server_now"`
	ConnectionID uint64    `json:"connection_id"`
	CreateTime   time.Time `json:"create_time"`
	SpaceID      int64     `json:"space_id"` // greatest of the table's tablespaces, also where one partition is rebuilt
	BeforeBytes  int64     `json:"before_bytes"`
	Definition   string    `json:"definition,omitempty"`  // digest of SHOW CREATE TABLE; executors only
	Slot         int       `json:"slot,omitempty"`        // of the fence that ConnectionID holds
	Rows         *int64    `json:"rows_before,omitempty"` // Task.CheckRows; counted while nothing could write
}

// set reports whether an earlier run stored the mark.
func (m Mark) set() bool { return m.ConnectionID != 0 }

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
	Left    Outcome = "left" // still running on the server when this process stopped: adopt it later
	Unknown Outcome = "unknown"
)

// Result is what a rebuild measured from the server's own tablespace sizes.
type Result struct {
	Outcome Outcome       `json:"outcome"`
	Before  int64         `json:"before"`
	After   int64         `json:"after"`
	Took    time.Duration `json:"took"`
	Late    string        `json:"late,omitempty"` // a kill that came too late to stop the statement, in words
	Rows    *RowCheck     `json:"rows,omitempty"` // Task.CheckRows
	Tries   int           `json:"tries,omitempty"`

	NotChecked string `json:"not_checked,omitempty"` // why there are no Rows though they were asked for, in words
}

// Remarks is what people should know of a table that is done; empty: nothing.
func (r Result) Remarks() string { return strings.TrimSpace(r.Late + " " + r.NotChecked) }

// RowCheck is the number of rows before and after, counted while nothing could write.
type RowCheck struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Hooks connect a rebuild to its owner. Permit is asked on the executing session immediately
// before the statement; Begin stores the mark and must be durable when it returns; Progress is
// called about once a second and may drop.
type Hooks struct {
	Permit   func(ctx context.Context, s *dbconn.Session) error
	Begin    func(ctx context.Context, m Mark) error
	Progress func(Progress)
	// Change and Restored write down that the applier is about to be stopped and that it runs
	// again; both are needed when Method.StopSQL is set.
	Change   func(Change) error
	Restored func(Change) error
	// Again is asked before a lock timeout or a deadlock is tried again, after the pause; nil
	// means yes. The owner can wait for its throttle there.
	Again func(ctx context.Context, e *Error) error
	// Executor does the work of a Task whose Method is Plugin.
	Executor Executor
}

// Change is one global setting of a server that was changed and must be put back.
type Change struct {
	Name   string `json:"name"`   // super_read_only, applier, applier:<channel>
	Before string `json:"before"` // value to restore
	After  string `json:"after"`
}

// ErrLeave as the cause of a context's end says that this process stops but the statement shall
// go on: Run then returns Left at once instead of killing it, and the next process adopts it.
var ErrLeave = errors.New("leave the statement running")

// jobPattern is what a job may be called in a comment of a statement: nothing that could end it.
var jobPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// validate refuses a task that must not become a statement.
func (t Task) validate(h Hooks) error {
	switch {
	case !jobPattern.MatchString(t.Job):
		return fmt.Errorf("job %q cannot stand in a comment", t.Job)
	case t.Method.Kind != Alter && t.Method.Kind != Optimize && t.Method.Kind != Plugin:
		return fmt.Errorf("the method of %s.%s is %q: there is nothing to run", t.Schema, t.Table, t.Method.Kind)
	case t.Mode != BinlogOff && t.Mode != BinlogOn:
		return fmt.Errorf("unknown mode %q", t.Mode)
	case tablespace.SystemSchema(t.Schema):
		return fmt.Errorf("schema %s belongs to the server and is never touched", t.Schema)
	case t.Schema == "" || t.Table == "":
		return fmt.Errorf("a table without a name")
	case h.Permit == nil || h.Begin == nil:
		return fmt.Errorf("a rebuild needs the hooks Permit and Begin")
	case t.Method.StopSQL && (h.Change == nil || h.Restored == nil):
		return fmt.Errorf("stopping the applier needs the hooks Change and Restored")
	case t.Partition != "" && t.Method.Kind != Alter:
		return fmt.Errorf("no rebuild of one partition by %q", t.Method.Kind)
	}
	if t.Method.Kind == Plugin {
		return t.executable(h)
	}
	_, err := t.Statement()
	return err
}

// lockWait is lock_wait_timeout in whole seconds; its unit on the server.
func (t Task) lockWait() int {
	const standard = 5
	if t.LockWait <= 0 {
		return standard
	}
	return max(1, int(t.LockWait.Round(time.Second).Seconds()))
}
