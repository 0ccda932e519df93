package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Review implements approvals.Store.
func (s *Requests) Review(ctx context.Context, v approvals.Review, jobs []engine.Job) (approvals.Request, error) {
	var r approvals.Request
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.review(ctx, tx, v, jobs, now); err != nil {
			return err
		}
		r, err = loadRequest(ctx, tx, v.RequestID)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("review request %s: %w", v.RequestID, err)
	}
	return r, nil
}

// review inserts a review, with the standing approval that is given with it, and what it decides.
func (s *Requests) review(ctx context.Context, tx Tx, v approvals.Review, jobs []engine.Job, now int64) error {
	if v.At.IsZero() {
		v.At = fromMS(now)
	}
	before, err := loadRequest(ctx, tx, v.RequestID)
	if err != nil {
		return err
	}
	if err := admissible(before, v, now); err != nil {
		return err
	}
	if v.Gives != nil {
		if err := s.db.grant(ctx, tx, *v.Gives, now); err != nil {
			return fmt.Errorf("store the standing approval %s: %w", v.Gives.Grant.ID, err)
		}
	}
	if err := insertReview(ctx, tx, before, v); err != nil {
		return err
	}
	if err := s.db.audit(ctx, tx, now, auditedReview(before, v)); err != nil {
		return err
	}
	return s.conclude(ctx, tx, before, v, jobs, now)
}

// admissible is the compare of the compare-and-set. People compare by id alone: the same id in
// another team is the same person in an organisation with several workspaces.
func admissible(r approvals.Request, v approvals.Review, now int64) error {
	refuse := func(why string) error { return fmt.Errorf("%w: %s", approvals.ErrConflict, why) }
	switch {
	case r.State != approvals.Pending:
		return refuse("it is " + string(r.State))
	case r.Digest != v.Digest:
		return refuse("the digest is another one")
	case now >= toMS(r.Expires) || toMS(v.At) >= toMS(r.Expires):
		return refuse("it has expired")
	case v.Reviewer.ID == r.Requester.ID:
		return refuse("the reviewer asked for it")
	case slices.ContainsFunc(r.Barred, func(a approvals.Actor) bool { return a.ID == v.Reviewer.ID }):
		return refuse("the reviewer is barred from it")
	case slices.ContainsFunc(r.Reviews, func(o approvals.Review) bool { return o.Reviewer.ID == v.Reviewer.ID }):
		return refuse("the reviewer has decided before")
	}
	return nil
}

// insertReview inserts one review.
func insertReview(ctx context.Context, tx Tx, r approvals.Request, v approvals.Review) error {
	if v.Approvers == nil {
		v.Approvers = []string{}
	}
	approvers, err := toJSON(v.Approvers)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO reviews (request_id, requester_id, digest, reviewer_team, reviewer_id,
			reviewer_name, decision, comment, approvers, at, standing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.ID, r.Requester.ID, v.Digest, v.Reviewer.Team, v.Reviewer.ID,
		v.Reviewer.Name, string(v.Decision), v.Comment, approvers, toMS(v.At), v.Standing)
	return err
}

// conclude moves the request when the new review decides it, and appends the event.
func (s *Requests) conclude(ctx context.Context, tx Tx, r approvals.Request, v approvals.Review, jobs []engine.Job, now int64) error {
	switch v.Decision {
	case approvals.Deny:
		if err := decide(ctx, tx, r.ID, approvals.Denied, now, v.Comment); err != nil {
			return err
		}
		if err := brokeGlass(ctx, tx, now, r, "denied", v.Reviewer); err != nil {
			return err
		}
		return appendFact(ctx, tx, now, engine.EventRequestDenied, r.ID, "", v.Reviewer.ID, v)
	case approvals.Approve:
	default:
		return fmt.Errorf("%q is no decision", v.Decision)
	}
	approved := 1 // a pending request holds no denial, so every earlier review approves
	for range r.Reviews {
		approved++
	}
	if approved < r.MinApprovals {
		return appendFact(ctx, tx, now, engine.EventRequestReviewed, r.ID, "", v.Reviewer.ID, v)
	}
	if err := s.bear(ctx, tx, r, jobs, now); err != nil {
		return err
	}
	if err := decide(ctx, tx, r.ID, approvals.Approved, now, v.Comment); err != nil {
		return err
	}
	if err := brokeGlass(ctx, tx, now, r, "approved", v.Reviewer); err != nil {
		return err
	}
	if err := appendFact(ctx, tx, now, engine.EventRequestApproved, r.ID, "", v.Reviewer.ID, v); err != nil {
		return err
	}
	for _, j := range jobs {
		err := appendFact(ctx, tx, now, engine.EventJobCreated, r.ID, j.ID, v.Reviewer.ID, map[string]any{"host": j.Host, "tables": len(j.Steps)})
		if err != nil {
			return err
		}
	}
	return nil
}

// bear inserts the jobs of a request that is about to be approved and hands them to the queue.
func (s *Requests) bear(ctx context.Context, tx Tx, r approvals.Request, jobs []engine.Job, now int64) error {
	if len(jobs) == 0 {
		return errors.New("an approval needs its jobs")
	}
	if s.hand == nil {
		return errors.New("no queue takes approved jobs")
	}
	for i, j := range jobs {
		if j.RequestID != r.ID || j.Digest != r.Digest || string(j.Kind) != string(r.Kind) {
			return fmt.Errorf("job %s is not what was approved", j.ID)
		}
		if r.Plan != nil && j.Plan.Digest() != r.Plan.Digest() { // the job's plan is stored with the request
			return fmt.Errorf("the plan of job %s is not the one that was approved", j.ID)
		}
		if err := hostFree(ctx, tx, j); err != nil {
			return err
		}
		region := s.region(j.Cluster)
		if err := insertJob(ctx, tx, j, region, toMS(r.NotBefore), now); err != nil {
			return fmt.Errorf("insert job %s: %w", j.ID, err)
		}
		if i >= atOnce(j) {
			continue // its turn comes when one before it has ended
		}
		if err := s.hand(ctx, tx, j.ID, region); err != nil {
			return fmt.Errorf("hand job %s to the queue: %w", j.ID, err)
		}
	}
	return nil
}

// hostFree explains in words what the index jobs_live_host would refuse.
func hostFree(ctx context.Context, tx Tx, j engine.Job) error {
	var id string
	err := each(ctx, tx, func(row Row) error { return row.Scan(&id) },
		"SELECT id FROM jobs WHERE kind = $1 AND host = $2 AND state IN ('queued', 'running', 'paused')", string(j.Kind), j.Host)
	if err != nil {
		return err
	}
	if id == "" {
		return nil
	}
	return &engine.Problem{
		Code: "host_busy",
		Text: fmt.Sprintf("%s already has a job that has not ended: %s.", j.Host, id),
		Next: "Approve again when it has ended, or cancel it first.",
	}
}
