package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// insertJob inserts a queued job with its steps; notBefore is when it may start, 0 at once.
func insertJob(ctx context.Context, tx Tx, j engine.Job, region string, notBefore, now int64) error {
	var plan any // NULL for a discovery
	if j.Kind == engine.JobRecycle {
		plan = planOfRequest
	}
	_, err := tx.Exec(ctx, `INSERT INTO jobs (id, request_id, kind, cluster, host, region, digest, plan, state, wanted, created, not_before)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', 'run', $9, $10)`,
		j.ID, j.RequestID, string(j.Kind), j.Cluster, j.Host, region, j.Digest, plan, now, notBefore)
	if err != nil {
		return err
	}
	for _, s := range j.Steps {
		plan, err := toJSON(s.Plan)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO steps (job_id, seq, plan, state) VALUES ($1, $2, $3, 'pending')", j.ID, s.Seq, plan)
		if err != nil {
			return fmt.Errorf("insert step %d: %w", s.Seq, err)
		}
	}
	return nil
}

// wholePlan is the plan of job j. It is the one that was approved, so it is stored once, with the
// request; jobs that are older than this rule have a copy.
const wholePlan = "CASE WHEN j.plan = '" + planOfRequest + "' THEN (SELECT r.plan FROM requests r WHERE r.id = j.request_id) ELSE j.plan END"

// planOfRequest stands in a job's plan for the plan of its request.
const planOfRequest = "{}"

// jobColumns are what scanJob reads; plan is wholePlan, or NULL for those who do not need it.
func jobColumns(plan string) string {
	return "j.id, j.request_id, j.kind, j.cluster, j.host, j.digest, " + plan + ` AS plan, j.state, j.wanted, j.reason,
	j.created, j.started, j.ended`
}

// scanJob reads one row of jobColumns, without steps and settings.
func scanJob(row Row) (engine.Job, error) {
	var j engine.Job
	var plan sql.NullString
	var created, started, ended int64
	err := row.Scan(&j.ID, &j.RequestID, &j.Kind, &j.Cluster, &j.Host, &j.Digest, &plan, &j.State, &j.Wanted, &j.Reason,
		&created, &started, &ended)
	if err != nil {
		return j, err
	}
	j.Created, j.Started, j.Ended = fromMS(created), fromMS(started), fromMS(ended)
	return j, fromJSON(plan.String, &j.Plan)
}

// loadJob reads one job with its steps and unrestored settings, or engine.ErrNotFound.
func loadJob(ctx context.Context, tx Tx, id string) (engine.Job, error) {
	j, err := scanJob(tx.QueryRow(ctx, "SELECT "+jobColumns(wholePlan)+" FROM jobs j WHERE j.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return j, engine.ErrNotFound
	}
	if err != nil {
		return j, err
	}
	if j.Figures, err = folded(ctx, tx, id); err != nil {
		return j, fmt.Errorf("read figures: %w", err)
	}
	if j.Figures == nil {
		if j.Steps, err = loadSteps(ctx, tx, id); err != nil {
			return j, fmt.Errorf("read steps: %w", err)
		}
	}
	if j.Settings, err = loadSettings(ctx, tx, id); err != nil {
		return j, fmt.Errorf("read settings: %w", err)
	}
	return j, nil
}

// loadJobs reads the jobs of a request with steps and settings.
func loadJobs(ctx context.Context, tx Tx, requestID string) ([]engine.Job, error) {
	var ids []string
	err := each(ctx, tx, func(row Row) error {
		var id string
		if err := row.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	}, "SELECT id FROM jobs WHERE request_id = $1 ORDER BY LENGTH(id), id", requestID)
	if err != nil {
		return nil, err
	}
	jobs := make([]engine.Job, 0, len(ids))
	for _, id := range ids {
		j, err := loadJob(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// loadSteps reads the steps of a job in order.
func loadSteps(ctx context.Context, tx Tx, jobID string) ([]engine.Step, error) {
	var steps []engine.Step
	err := each(ctx, tx, func(row Row) error {
		var s engine.Step
		var plan, mark string
		var took, started, ended int64
		err := row.Scan(&s.Seq, &plan, &s.State, &mark, &s.Before, &s.After, &took, &s.Runs, &s.Reason, &s.Outcome, &s.Skip, &started, &ended)
		if err != nil {
			return err
		}
		s.Took, s.Started, s.Ended = time.Duration(took), fromMS(started), fromMS(ended)
		if err := fromJSON(plan, &s.Plan); err != nil {
			return err
		}
		var m measured
		if err := fromJSON(mark, &m); err != nil {
			return err
		}
		s.Mark, s.Rows = m.Mark, m.Rows
		steps = append(steps, s)
		return nil
	}, `SELECT seq, plan, state, mark, before_bytes, after_bytes, took_ns, runs, reason, outcome, skip_by, started, ended
		FROM steps WHERE job_id = $1 ORDER BY seq`, jobID)
	return steps, err
}

// loadSettings reads the settings a job changed and nobody restored, oldest first.
func loadSettings(ctx context.Context, tx Tx, jobID string) ([]engine.Setting, error) {
	var settings []engine.Setting
	err := each(ctx, tx, func(row Row) error {
		var s engine.Setting
		if err := row.Scan(&s.Name, &s.Before, &s.After); err != nil {
			return err
		}
		settings = append(settings, s)
		return nil
	}, "SELECT name, before_value, after_value FROM settings WHERE job_id = $1 AND restored = 0 ORDER BY changed, name", jobID)
	return settings, err
}
