package api

import (
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Person is somebody as the chat knows them.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// RequestView is a request as callers see it.
type RequestView struct {
	ID           string            `json:"id" example:"R-7QK2"`
	Kind         string            `json:"kind" enum:"discover,recycle"`
	State        string            `json:"state" enum:"pending,approved,denied,expired,withdrawn,superseded"`
	Cluster      string            `json:"cluster"`
	Target       string            `json:"target"`
	Command      string            `json:"command"`
	Requester    Person            `json:"requester"`
	Digest       string            `json:"digest" doc:"What a review must name: the SHA-256 of what was asked"`
	MinApprovals int               `json:"min_approvals"`
	Created      time.Time         `json:"created"`
	Expires      time.Time         `json:"expires"`
	Reviews      []ReviewView      `json:"reviews" nullable:"false"`
	Plan         *PlanView         `json:"plan,omitempty"`
	Tables       []PlannedStepView `json:"tables,omitempty" nullable:"false" doc:"Its plan table by table; only when one request is read"`
	Jobs         []string          `json:"jobs,omitempty" nullable:"false" doc:"Ids of its jobs; only when one request is read"`
}

// ReviewView is one person's decision.
type ReviewView struct {
	Reviewer Person    `json:"reviewer"`
	Decision string    `json:"decision" enum:"approve,deny"`
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
}

// PlanView is what would run.
type PlanView struct {
	Mode            string          `json:"mode" enum:"binlog-off,binlog-on"`
	Tables          int             `json:"tables"`
	Bytes           int64           `json:"bytes" doc:"On disk when it was looked at"`
	GainBytes       int64           `json:"gain_bytes" doc:"What it should give back; predicted"`
	EstimateSeconds float64         `json:"estimate_seconds"`
	Hosts           []string        `json:"hosts" nullable:"false"`
	Snapshot        time.Time       `json:"snapshot" doc:"When the discovery it was made from was taken"`
	LeftTables      []LeftTableView `json:"left_tables,omitempty" nullable:"false" doc:"Tables that are left alone because of how they would have to be rebuilt; only when one plan is read"`
}

// JobView is a job as callers see it.
//
// long: each field is a promise of the API.
type JobView struct {
	ID           string         `json:"id" example:"R-7QK2"`
	Request      string         `json:"request"`
	Kind         string         `json:"kind" enum:"discover,recycle"`
	State        string         `json:"state" enum:"queued,running,paused,succeeded,failed,cancelled,refused"`
	Wanted       string         `json:"wanted" enum:"run,pause,pause_now,cancel" doc:"What people want of it"`
	Cluster      string         `json:"cluster"`
	Host         string         `json:"host"`
	Reason       string         `json:"reason,omitempty"`
	Tables       int            `json:"tables"`
	TablesEnded  int            `json:"tables_ended"`
	FreedBytes   int64          `json:"freed_bytes" doc:"Given back so far; negative when tables grew"`
	Times        Times          `json:"times"`
	WaitsFor     []string       `json:"waits_for,omitempty" nullable:"false" doc:"What the throttle waits for now, one comparison each" example:"replica_lag 14 s > 10 s on db-prod-3"`
	Progress     []ProgressView `json:"progress,omitempty" doc:"Of each table being rebuilt, as far as it is known"`
	Steps        []StepView     `json:"steps,omitempty" nullable:"false" doc:"Only when one job is read"`
	PendingReset []string       `json:"settings_to_restore,omitempty" nullable:"false" doc:"Server settings it changed and has not put back yet"`
}

// Times of something; what has not happened yet is left out.
type Times struct {
	Created *time.Time `json:"created,omitempty"`
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
}

// ProgressView is how far a running table is.
type ProgressView struct {
	Table          string  `json:"table" doc:"As in the steps"`
	Phase          string  `json:"phase"`
	Fraction       float64 `json:"fraction" minimum:"0" maximum:"1"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	EtaSeconds     float64 `json:"eta_seconds"`
}

// StepView is one table of a job, or one partition of it.
type StepView struct {
	Seq            int     `json:"seq"`
	Table          string  `json:"table" example:"shop.orders" doc:"As schema.table, and the partition in brackets where it alone is rebuilt"`
	Partition      string  `json:"partition,omitempty" doc:"Which alone is rebuilt; without it the whole table"`
	State          string  `json:"state" enum:"pending,running,done,skipped,failed,refused,unknown"`
	Outcome        string  `json:"outcome,omitempty"`
	Method         string  `json:"method"`
	Reason         string  `json:"reason,omitempty"`
	PlannedBytes   int64   `json:"planned_bytes"`
	PredictedBytes int64   `json:"predicted_bytes"`
	BeforeBytes    int64   `json:"before_bytes,omitempty"`
	AfterBytes     int64   `json:"after_bytes,omitempty"`
	TookSeconds    float64 `json:"took_seconds,omitempty"`
	Runs           int     `json:"runs" doc:"How often a statement was sent"`
	SkipBy         string  `json:"skip_by,omitempty" doc:"Who wants it left alone"`
	Times          Times   `json:"times"`
}

func personOf(a approvals.Actor) Person { return Person{ID: a.ID, Name: a.Name} }

// viewRequest makes the view of a request.
func viewRequest(r approvals.Request) RequestView {
	v := RequestView{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Cluster: r.Cluster, Target: r.Target, Command: r.Command,
		Requester: personOf(r.Requester), Digest: r.Digest, MinApprovals: r.MinApprovals, Created: r.Created.UTC(), Expires: r.Expires.UTC(),
		Reviews: []ReviewView{},
	}
	for _, w := range r.Reviews {
		v.Reviews = append(v.Reviews, ReviewView{Reviewer: personOf(w.Reviewer), Decision: string(w.Decision), Comment: w.Comment, At: w.At.UTC()})
	}
	if w, ok := r.Work(); ok {
		p := viewPlan(w)
		v.Plan = &p
	}
	return v
}

func viewPlan(w engine.PlanSummary) PlanView {
	return PlanView{Mode: string(w.Mode), Tables: w.Tables, Bytes: w.Bytes, GainBytes: w.Gain, EstimateSeconds: w.Estimate.Seconds(),
		Hosts: w.Hosts, Snapshot: w.Snapshot.UTC()}
}

// viewJob makes the view of a job; steps only when they are wanted.
func (s *Server) viewJob(j engine.Job, steps bool) JobView {
	v := JobView{
		ID: j.ID, Request: j.RequestID, Kind: string(j.Kind), State: string(j.State), Wanted: string(j.Wanted),
		Cluster: j.Cluster, Host: j.Host, Reason: j.Reason, Tables: len(j.Steps), Times: times(j.Created, j.Started, j.Ended),
	}
	if !j.State.Final() {
		v.WaitsFor = s.metrics.meter.waitsFor(j.ID)
	}
	for _, st := range j.Steps {
		if st.State != engine.StepPending && st.State != engine.StepRunning {
			v.TablesEnded++
		}
		if st.State == engine.StepDone {
			v.FreedBytes += st.Before - st.After
		}
		if steps {
			v.Steps = append(v.Steps, viewStep(st))
		}
	}
	if f := j.Figures; f != nil {
		v.Tables, v.TablesEnded, v.FreedBytes = f.Tables, f.Ended, f.Before-f.After
	}
	for _, c := range j.Settings {
		v.PendingReset = append(v.PendingReset, c.Name)
	}
	if s.o.Live != nil && j.State == engine.JobRunning {
		for _, l := range s.o.Live.Progress(j.ID) {
			v.Progress = append(v.Progress, ProgressView{Table: l.Table, Phase: l.Progress.Phase, Fraction: min(max(l.Progress.Fraction, 0), 1),
				BytesPerSecond: l.Progress.Rate, EtaSeconds: l.Progress.ETA.Seconds()})
		}
	}
	return v
}

func viewStep(st engine.Step) StepView {
	return StepView{
		Seq: st.Seq, Table: st.Plan.Name(), Partition: st.Plan.Partition, State: string(st.State), Outcome: string(st.Outcome),
		Method: string(st.Plan.Method.Kind), Reason: st.Reason, PlannedBytes: st.Plan.Bytes, PredictedBytes: st.Plan.Predicted,
		BeforeBytes: st.Before, AfterBytes: st.After, TookSeconds: st.Took.Seconds(), Runs: st.Runs, SkipBy: st.Skip,
		Times: times(time.Time{}, st.Started, st.Ended),
	}
}

func times(created, started, ended time.Time) Times {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return Times{at(created), at(started), at(ended)}
}
