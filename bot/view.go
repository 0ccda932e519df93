package bot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

// view is everything a card shows: stored facts, and the newest progress where this process has it.
type view struct {
	r         approvals.Request
	line      Line
	jobs      []engine.Job
	live      map[string][]engine.LiveStep
	waits     map[string]wait
	env       string
	approvers string // names of who may decide; only while pending
	now       time.Time
	region    *PausedRegion // what keeps jobs of it from starting; nil: nothing that people did
	standing  bool          // an approver may approve all runs like this one
}

// view reads what a card shows.
func (b *Bot) view(ctx context.Context, r approvals.Request) (view, error) {
	v := view{r: r, live: map[string][]engine.LiveStep{}, waits: map[string]wait{}, now: b.o.Tuning.Now(), standing: b.o.Tuning.StandingMax > 0}
	v.line, _ = Parse(r.Command) // what cannot be read is shown as it is stored
	if t, err := b.o.Targets.Find(r.Target); err == nil {
		v.env = t.Settings.Environment
	}
	if r.State == approvals.Pending {
		v.approvers = b.mayApprove(ctx, r)
		return v, nil
	}
	var err error
	if v.jobs, err = b.o.Facts.Jobs(ctx, r.ID); err != nil {
		return v, fmt.Errorf("read the jobs of %s: %w", r.ID, err)
	}
	if v.region, err = b.held(ctx, r.Target, v.jobs); err != nil {
		return v, err
	}
	for _, j := range v.jobs {
		if j.State.Final() {
			continue
		}
		if b.o.Live != nil {
			v.live[j.ID] = b.o.Live.Progress(j.ID)
		}
		if w, ok := b.waits.get(j.ID); ok {
			v.waits[j.ID] = w
		}
	}
	return v, nil
}

// command is the command as people see it.
func (v view) command() string {
	if v.line.Verb == "" {
		return clip(v.r.Command, 300)
	}
	return v.line.shown()
}

// wait is a job that the throttle holds back, and the post that says so.
type wait struct {
	key     string
	since   time.Time
	step    int // the table that waits; 0: the host
	reasons []throttle.Reason
}

// waits remembers who waits for what. It is a memory of told events only: after a restart the
// throttle says again what it waits for.
type waits struct {
	mu sync.Mutex
	by map[string]wait
}

func (w *waits) get(jobID string) (wait, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x, ok := w.by[jobID]
	return x, ok
}

func (w *waits) set(jobID string, x wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.by[jobID] = x
}

func (w *waits) drop(jobID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.by, jobID)
}

// totals sums what happened to the tables of some jobs.
type totals struct {
	tables, ended, done, bad, skipped int
	before, after                     int64 // of the tables that are done, measured by the server
	predicted                         int64 // gain of the tables that are done, as the plan said
	planned, endedPlanned             int64 // bytes on disk of all tables, and of those that ended
	took                              time.Duration
	estimate, endedEstimate           time.Duration
}

// given is what the finished tables gave back.
func (s totals) given() int64 { return s.before - s.after }

// sum adds up the steps of jobs.
func sum(jobs []engine.Job) totals {
	var s totals
	for _, j := range jobs {
		for _, st := range j.Steps {
			s.add(st)
		}
		if j.Figures != nil {
			s.addFigures(*j.Figures)
		}
	}
	return s
}

// addFigures adds a job whose steps are no longer kept: what the plan said of each is gone too.
func (s *totals) addFigures(f engine.Figures) {
	s.tables += f.Tables
	s.ended += f.Ended
	s.done += f.Done
	s.skipped += f.Skipped
	s.bad += f.Ended - f.Done - f.Skipped
	s.before += f.Before
	s.after += f.After
	s.took += f.Took
}

func (s *totals) add(st engine.Step) {
	s.tables++
	s.planned += st.Plan.Bytes
	s.estimate += st.Plan.Estimate
	switch st.State {
	case engine.StepPending, engine.StepRunning:
		return
	case engine.StepDone:
		s.done++
		s.before += st.Before
		s.after += st.After
		s.took += elapsed(st)
		s.predicted += st.Plan.Bytes - st.Plan.Predicted
		s.endedEstimate += st.Plan.Estimate
	case engine.StepSkipped:
		s.skipped++
	default:
		s.bad++
	}
	s.ended++
	s.endedPlanned += st.Plan.Bytes
}

// comparison is a reason to wait in words: "replica_lag 14 s > 10 s on db-prod-3".
func (l Locale) comparison(r throttle.Reason) string { return clip(l.words(r.String()), 300) }
