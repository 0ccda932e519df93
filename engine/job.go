package engine

import (
	"encoding/json"
	"time"

	"mysql-recycler/engine/rebuild"
)

// JobKind is what a job does.
type JobKind string

// Kinds of jobs.
const (
	JobDiscover JobKind = "discover"
	JobRecycle  JobKind = "recycle"
)

// JobState is where a job stands; see the package comment.
type JobState string

// Job states.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobPaused    JobState = "paused"
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
	JobRefused   JobState = "refused"
)

// Final reports whether the job has ended.
func (s JobState) Final() bool {
	return s == JobSucceeded || s == JobFailed || s == JobCancelled || s == JobRefused
}

// StepState is where a step stands; see the package comment.
type StepState string

// Step states.
const (
	StepPending StepState = "pending"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepSkipped StepState = "skipped"
	StepFailed  StepState = "failed"
	StepRefused StepState = "refused"
	StepUnknown StepState = "unknown"
)

// Wanted is what people want of a live job; the worker reads it with each renewal of its lease.
type Wanted string

// Wants. PauseNow and Cancel kill the running statement; Pause lets the running table end. Skip is of
// one table and stands at its step (Step.Skip): the statement is killed if it runs.
const (
	WantRun      Wanted = "run"
	WantPause    Wanted = "pause"
	WantPauseNow Wanted = "pause_now"
	WantCancel   Wanted = "cancel"
	WantSkip     Wanted = "skip"
)

// Wishes are all that people want of a live job.
type Wishes struct {
	Want Wanted
	Skip map[int]string // who wants a table left alone, by the number of its step
}

// Job is approved work on one host. Its rows are born in the transaction that approves the request.
//
// long: it is one row and what hangs on it.
type Job struct {
	ID        string // request id, with ".2", ".3" for further hosts
	RequestID string
	Kind      JobKind
	Cluster   string
	Host      string // name of the host (recycle) or the target asked for (discover)
	Digest    string // of the approved plan
	Plan      Plan   // recycle only: the whole approved plan; Host names this job's part of it
	State     JobState
	Wanted    Wanted
	Reason    string // why it ended or waits, in words
	Steps     []Step
	Settings  []Setting // settings of the server changed by this job and not yet restored
	Created   time.Time
	Started   time.Time
	Ended     time.Time
	Figures   *Figures // instead of Steps, where those were not read or are no longer kept
}

// Figures are the sums of a job's steps. Bytes are those of the tables that are done.
type Figures struct {
	Tables, Ended, Done, Skipped int
	Before, After                int64
	Took                         time.Duration
}

// Step is one table of a job.
type Step struct {
	Seq     int
	Plan    PlannedStep
	State   StepState
	Mark    rebuild.Mark // stored before the statement is sent
	Before  int64
	After   int64
	Took    time.Duration
	Runs    int // how often a statement was sent
	Reason  string
	Skip    string // who wants the table left alone, by name; empty: nobody
	Outcome rebuild.Outcome
	Rows    *rebuild.RowCheck // Policy.CheckRows
	Started time.Time         // when the statement that counts was sent
	Ended   time.Time

	tried tried
}

// tried is what a run of the job saw of a step, and forgets.
type tried struct {
	lost    bool // the server was lost under it once; its outcome was looked for again
	stopped int  // how often a critical limit had its statement killed
}

// Setting is a global setting of a server that a job changed.
type Setting struct {
	rebuild.Change
	Restored bool
}

// Lease is the right to write a job's facts. Every write names its epoch; a writer whose epoch is
// no longer the newest is refused with ErrLeaseLost.
type Lease struct {
	JobID string
	Owner string
	Epoch int64
}

// EventKind names a fact in the log.
type EventKind string

// The facts. The thread, the API, metrics and the audit trail are readers of this one log.
const (
	EventRequestCreated    EventKind = "request.created"
	EventRequestApproved   EventKind = "request.approved"
	EventRequestReviewed   EventKind = "request.reviewed" // one of several needed approvals
	EventRequestDenied     EventKind = "request.denied"
	EventRequestExpired    EventKind = "request.expired"
	EventRequestWithdrawn  EventKind = "request.withdrawn"
	EventRequestSuperseded EventKind = "request.superseded"
	EventJobCreated        EventKind = "job.created"
	EventJobStarted        EventKind = "job.started"
	EventJobResumed        EventKind = "job.resumed" // taken over after a crash or a restart
	EventJobPaused         EventKind = "job.paused"
	EventJobThrottled      EventKind = "job.throttled" // data: throttle.Verdict; also when it ends
	EventJobNotice         EventKind = "job.notice"    // something a person should know; data: Notice
	EventJobCompleted      EventKind = "job.completed"
	EventJobFailed         EventKind = "job.failed"
	EventJobCancelled      EventKind = "job.cancelled"
	EventJobRefused        EventKind = "job.refused" // data: guard.Verdict
	EventJobWanted         EventKind = "job.wanted"  // a person asked for pause, resume, cancel, skip
	EventStepStarted       EventKind = "step.started"
	EventTableProcessed    EventKind = "table.processed"
	EventStepSkipped       EventKind = "step.skipped"
	EventStepFailed        EventKind = "step.failed"
	EventStepUnknown       EventKind = "step.unknown"
	EventSettingChanged    EventKind = "setting.changed"
	EventSettingRestored   EventKind = "setting.restored"
	EventDiscovered        EventKind = "discovery.completed"
	EventCampaignOpened    EventKind = "campaign.opened"  // a cluster is done but for its primary; data: Campaign
	EventCampaignAsked     EventKind = "campaign.asked"   // the old primary is a replica now, its request was made
	EventCampaignExpired   EventKind = "campaign.expired" // there was no switchover in time
	EventCampaignStopped   EventKind = "campaign.stopped" // a person ended the wait
	EventConfigReloaded    EventKind = "config.reloaded"  // of a process, belongs to no request; data: storage.Reload
	EventConfigRefused     EventKind = "config.refused"   // the same; its mistakes say why
)

// Event is one row of the append-only log.
type Event struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Kind      EventKind       `json:"kind"`
	RequestID string          `json:"request_id,omitempty"`
	JobID     string          `json:"job_id,omitempty"`
	Step      int             `json:"step,omitempty"`
	Actor     string          `json:"actor,omitempty"` // user id; empty: the engine
	Data      json.RawMessage `json:"data,omitempty"`
}

// Resumed is the data of EventJobResumed: what was true then, since a reader may come to it later.
type Resumed struct {
	ByPerson bool `json:"by_person"` // a pause ended; else the job was taken over
	Ended    int  `json:"ended"`     // tables that had ended
}

// Notice is the data of EventJobNotice.
type Notice struct {
	Severity string    `json:"severity"` // info, warning, alert
	Sentence string    `json:"sentence"`
	Alert    AlertKind `json:"alert,omitempty"` // of an alert
}

// SeverityAlert is the severity of notices that are alerts.
const SeverityAlert = "alert"
