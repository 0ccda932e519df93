package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// Journal stores the facts of running jobs. It implements engine.Journal,
// engine.Discoveries and engine.RecallStore.
type Journal struct {
	db   *DB
	hand Enqueue // hands the next host of a request to the queue; nil: hosts wait for ever
}

var (
	_ engine.Journal     = (*Journal)(nil)
	_ engine.Discoveries = (*Journal)(nil)
	_ engine.RecallStore = (*Journal)(nil)
)

// NewJournal returns the journal of a database.
func NewJournal(db *DB) *Journal { return &Journal{db: db} }

// HandTo names the queue that gets the next host of a request when one has ended. It is set once,
// before any job runs: the queue needs the journal first.
func (s *Journal) HandTo(enqueue Enqueue) { s.hand = enqueue }

// StateError says that a compare-and-set found another state than the caller expected.
type StateError struct {
	What string // "job R-7QK2", "step 3 of R-7QK2"
	Is   string
	Want []string
}

// Error implements error.
func (e *StateError) Error() string {
	return fmt.Sprintf("%s is %s, not one of %v", e.What, e.Is, e.Want)
}

// Job implements engine.Journal.
func (s *Journal) Job(ctx context.Context, id string) (engine.Job, error) {
	var j engine.Job
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		j, err = loadJob(ctx, tx, id)
		return err
	})
	if err != nil {
		return j, fmt.Errorf("read job %s: %w", id, err)
	}
	return j, nil
}

// fenced runs fn in a transaction in which the lease's epoch is the newest. job is the row as it
// is before.
func (s *Journal) fenced(ctx context.Context, l engine.Lease, what string, fn func(ctx context.Context, tx Tx, job engine.Job, now int64) error) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := holds(ctx, tx, l); err != nil {
			return err
		}
		job, err := scanJob(tx.QueryRow(ctx, "SELECT "+jobColumns(wholePlan)+" FROM jobs j WHERE j.id = $1", l.JobID))
		if err != nil {
			return err
		}
		return fn(ctx, tx, job, now)
	})
	if err != nil {
		return fmt.Errorf("%s of job %s: %w", what, l.JobID, err)
	}
	return nil
}

// append appends an event of a job, filling in what it is about.
func (s *Journal) append(ctx context.Context, tx Tx, job engine.Job, now int64, e engine.Event) error {
	if e.Kind == "" {
		return nil
	}
	e.RequestID, e.JobID = job.RequestID, job.ID
	err := appendEvent(ctx, tx, now, e)
	return err
}

// SetJob implements engine.Journal. Started and Ended of the job are the database's clock.
func (s *Journal) SetJob(ctx context.Context, l engine.Lease, c engine.JobChange) error {
	return s.fenced(ctx, l, "set state", func(ctx context.Context, tx Tx, job engine.Job, now int64) error {
		if len(c.From) > 0 && !slices.Contains(c.From, job.State) {
			return stateError("job "+job.ID, job.State, c.From)
		}
		if c.State == "" {
			return s.append(ctx, tx, job, now, c.Event)
		}
		started, ended := toMS(job.Started), int64(0)
		if started == 0 && (c.State == engine.JobRunning || c.State == engine.JobSucceeded) {
			started = now
		}
		if c.State.Final() {
			ended = now
		}
		_, err := tx.Exec(ctx, "UPDATE jobs SET state = $2, reason = $3, started = $4, ended = $5 WHERE id = $1",
			job.ID, string(c.State), c.Reason, started, ended)
		if err != nil {
			return err
		}
		if err := s.append(ctx, tx, job, now, c.Event); err != nil || !c.State.Final() {
			return err
		}
		job.State, job.Reason = c.State, c.Reason
		return s.handOver(ctx, tx, job, now)
	})
}

// SetStep implements engine.Journal. Times of the step that its state needs and the caller left
// out are the database's clock.
func (s *Journal) SetStep(ctx context.Context, l engine.Lease, c engine.StepChange) error {
	return s.fenced(ctx, l, "set step", func(ctx context.Context, tx Tx, job engine.Job, now int64) error {
		is, err := stepState(ctx, tx, job.ID, c.Step.Seq)
		if err != nil {
			return err
		}
		if len(c.From) > 0 && !slices.Contains(c.From, is) {
			return stateError(fmt.Sprintf("step %d of %s", c.Step.Seq, job.ID), is, c.From)
		}
		step := timed(c.Step, now)
		if err := updateStep(ctx, tx, job.ID, step); err != nil {
			return err
		}
		if step.State == engine.StepDone { // once: it is final
			if err := addFreed(ctx, tx, job, step); err != nil {
				return err
			}
		}
		if c.Event.Step == 0 {
			c.Event.Step = c.Step.Seq
		}
		return s.append(ctx, tx, job, now, c.Event)
	})
}

// stepState reads the state of a step.
func stepState(ctx context.Context, tx Tx, jobID string, seq int) (engine.StepState, error) {
	var is engine.StepState
	err := each(ctx, tx, func(row Row) error { return row.Scan(&is) }, "SELECT state FROM steps WHERE job_id = $1 AND seq = $2", jobID, seq)
	if err == nil && is == "" {
		err = fmt.Errorf("step %d: %w", seq, engine.ErrNotFound)
	}
	return is, err
}

// stepFinal reports whether a step has ended.
func stepFinal(s engine.StepState) bool { return s != engine.StepPending && s != engine.StepRunning }

// timed fills in the times that the state of a step needs.
func timed(s engine.Step, now int64) engine.Step {
	if s.Started.IsZero() && (s.State == engine.StepRunning || s.State == engine.StepDone) {
		s.Started = fromMS(now)
	}
	switch final := stepFinal(s.State); {
	case final && s.Ended.IsZero():
		s.Ended = fromMS(now)
	case !final:
		s.Ended = time.Time{}
	}
	return s
}

// measured is what the column mark holds: the mark of the statement, and the rows that were counted
// around it.
type measured struct {
	rebuild.Mark
	Rows *rebuild.RowCheck `json:"rows,omitempty"`
}

// updateStep stores a step as it is now; its plan is frozen.
func updateStep(ctx context.Context, tx Tx, jobID string, s engine.Step) error {
	mark := ""
	if m := (measured{Mark: s.Mark, Rows: s.Rows}); m != (measured{}) {
		var err error
		if mark, err = toJSON(m); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE steps SET state = $3, mark = $4, before_bytes = $5, after_bytes = $6, took_ns = $7,
			runs = $8, reason = $9, outcome = $10, started = $11, ended = $12
		WHERE job_id = $1 AND seq = $2`,
		jobID, s.Seq, string(s.State), mark, s.Before, s.After, int64(s.Took),
		s.Runs, s.Reason, string(s.Outcome), toMS(s.Started), toMS(s.Ended))
	return err
}

// stateError is a *StateError from typed states.
func stateError[S ~string](what string, is S, want []S) error {
	e := &StateError{What: what, Is: string(is)}
	for _, w := range want {
		e.Want = append(e.Want, string(w))
	}
	return e
}

// SetSetting implements engine.Journal. A setting that is recorded again before it was restored
// keeps its first Before: the value in between is ours, not the one to put back.
func (s *Journal) SetSetting(ctx context.Context, l engine.Lease, v engine.Setting, e engine.Event) error {
	return s.fenced(ctx, l, "set setting", func(ctx context.Context, tx Tx, job engine.Job, now int64) error {
		var restored int64
		known := false
		err := each(ctx, tx, func(row Row) error { known = true; return row.Scan(&restored) },
			"SELECT restored FROM settings WHERE job_id = $1 AND name = $2", job.ID, v.Name)
		switch {
		case err != nil:
		case v.Restored && !known:
			err = fmt.Errorf("setting %s: %w", v.Name, engine.ErrNotFound)
		case v.Restored && restored != 0: // restored twice is restored
		case v.Restored:
			_, err = tx.Exec(ctx, "UPDATE settings SET restored = $3 WHERE job_id = $1 AND name = $2", job.ID, v.Name, now)
		case !known:
			_, err = tx.Exec(ctx, "INSERT INTO settings (job_id, name, before_value, after_value, changed) VALUES ($1, $2, $3, $4, $5)",
				job.ID, v.Name, v.Before, v.After, now)
		case restored == 0:
			_, err = tx.Exec(ctx, "UPDATE settings SET after_value = $3 WHERE job_id = $1 AND name = $2", job.ID, v.Name, v.After)
		default:
			_, err = tx.Exec(ctx, "UPDATE settings SET before_value = $3, after_value = $4, changed = $5, restored = 0 WHERE job_id = $1 AND name = $2",
				job.ID, v.Name, v.Before, v.After, now)
		}
		if err != nil {
			return err
		}
		return s.append(ctx, tx, job, now, e)
	})
}
