package storage

import (
	"context"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Skip stores that a person wants a table of a live job left alone, and appends
// engine.EventJobWanted with the number of its step. Wanting it twice changes nothing; the first
// person's name stays. A table or job that has ended is a *engine.Problem.
func (s *Facts) Skip(ctx context.Context, jobID string, seq int, by approvals.Actor) (engine.Job, error) {
	var j engine.Job
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		if j, err = loadJob(ctx, tx, jobID); err != nil {
			return err
		}
		if j.State.Final() {
			return &engine.Problem{Code: "job_ended", Text: fmt.Sprintf("%s has ended: it is %s.", jobID, j.State)}
		}
		for i := range j.Steps {
			if j.Steps[i].Seq == seq {
				return s.skip(ctx, tx, j, &j.Steps[i], by)
			}
		}
		return fmt.Errorf("step %d: %w", seq, engine.ErrNotFound)
	})
	if err != nil {
		return j, fmt.Errorf("skip step %d of %s: %w", seq, jobID, err)
	}
	return j, nil
}

// skip stores the wish at the step, in the audit chain and in the log.
func (s *Facts) skip(ctx context.Context, tx Tx, j engine.Job, st *engine.Step, by approvals.Actor) error {
	table := st.Plan.Name()
	if stepFinal(st.State) {
		return &engine.Problem{Code: "table_ended", Text: fmt.Sprintf("%s on %s has ended: it is %s.", table, j.Host, st.State)}
	}
	if st.Skip != "" {
		return nil
	}
	if st.Skip = by.Name; st.Skip == "" {
		st.Skip = by.ID
	}
	now, err := s.db.now(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE steps SET skip_by = $3 WHERE job_id = $1 AND seq = $2", j.ID, st.Seq, st.Skip); err != nil {
		return err
	}
	a := auditedWant(j, engine.WantSkip, by)
	a.Reason = table
	if err := s.db.audit(ctx, tx, now, a); err != nil {
		return err
	}
	e, err := fact(engine.EventJobWanted, j.RequestID, j.ID, by.ID, map[string]string{"wanted": string(engine.WantSkip), "table": table})
	if err != nil {
		return err
	}
	e.Step = st.Seq
	return appendEvent(ctx, tx, now, e)
}

// skips are the tables of a job that have not ended and that somebody wants left alone, by step.
func skips(ctx context.Context, tx Tx, jobID string) (map[int]string, error) {
	by := map[int]string{}
	err := each(ctx, tx, func(row Row) error {
		var seq int
		var who string
		err := row.Scan(&seq, &who)
		by[seq] = who
		return err
	}, "SELECT seq, skip_by FROM steps WHERE job_id = $1 AND skip_by <> '' AND state IN ('pending', 'running')", jobID)
	return by, err
}
