package storage

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Requests keeps requests and reviews. It implements approvals.Store.
type Requests struct {
	db     *DB
	hand   Enqueue
	region func(cluster string) string
}

var _ approvals.Store = (*Requests)(nil)

// Enqueue hands an approved job to the queue inside the approving transaction.
type Enqueue func(ctx context.Context, tx Tx, jobID, region string) error

// NewRequests returns the store of requests. enqueue hands approved jobs to the queue; without it
// every approval fails. region names the queue of a cluster's workers; nil means one queue for all.
func NewRequests(db *DB, enqueue Enqueue, region func(cluster string) string) *Requests {
	if region == nil {
		region = func(string) string { return "" }
	}
	return &Requests{db: db, hand: enqueue, region: region}
}

// CreateRequest implements approvals.Store.
func (s *Requests) CreateRequest(ctx context.Context, r approvals.Request) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := insertRequest(ctx, tx, r); err != nil {
			return err
		}
		if err := s.db.audit(ctx, tx, now, auditedRequest(r)); err != nil {
			return err
		}
		if err := brokeGlass(ctx, tx, now, r, "asked", r.Requester); err != nil {
			return err
		}
		err = appendFact(ctx, tx, now, engine.EventRequestCreated, r.ID, "", r.Requester.ID,
			map[string]string{"kind": string(r.Kind), "target": r.Target, "command": r.Command})
		if err != nil {
			return err
		}
		for _, v := range r.Reviews {
			if err := s.review(ctx, tx, v, approvals.JobsFor(r), now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create request %s: %w", r.ID, err)
	}
	return nil
}

// brokeGlass appends what is told of a break-glass request beside the ordinary event.
func brokeGlass(ctx context.Context, tx Tx, now int64, r approvals.Request, what string, by approvals.Actor) error {
	if r.Rule != approvals.RuleBreakGlass {
		return nil
	}
	return appendFact(ctx, tx, now, approvals.EventBreakGlass, r.ID, "", by.ID,
		approvals.BreakGlassFact{What: what, By: by, Target: r.Target, Reason: r.Grounds.Reason})
}

// insertRequest inserts a pending request.
func insertRequest(ctx context.Context, tx Tx, r approvals.Request) error {
	if r.Barred == nil {
		r.Barred = []approvals.Actor{}
	}
	barred, err := toJSON(r.Barred)
	if err != nil {
		return err
	}
	grounds, err := toJSON(r.Grounds)
	if err != nil {
		return err
	}
	if r.Rule == "" {
		r.Rule = approvals.RuleReview
	}
	var plan any // NULL without a plan
	summary := ""
	if r.Plan != nil {
		if plan, err = toJSON(r.Plan); err != nil {
			return err
		}
		if summary, err = toJSON(r.Plan.Summary()); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO requests (id, kind, cluster, target, command, requester_team, requester_id,
			requester_name, barred, channel, plan, digest, min_approvals, state, created, expires, not_before, rule, grounds, origin, summary)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		r.ID, string(r.Kind), r.Cluster, r.Target, r.Command, r.Requester.Team, r.Requester.ID,
		r.Requester.Name, barred, r.Channel, plan, r.Digest, r.MinApprovals, string(r.State), toMS(r.Created), toMS(r.Expires), toMS(r.NotBefore),
		string(r.Rule), grounds, r.Origin, summary)
	return err
}

// Request implements approvals.Store.
func (s *Requests) Request(ctx context.Context, id string) (approvals.Request, error) {
	return readRequest(ctx, s.db, id)
}

// readRequest reads one request with its reviews.
func readRequest(ctx context.Context, db *DB, id string) (approvals.Request, error) {
	var r approvals.Request
	err := db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		r, err = loadRequest(ctx, tx, id)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("read request %s: %w", id, err)
	}
	return r, nil
}

// requestColumns are what scanRequest reads: with the plan, or with its summary instead, as lists do. A
// request from before there were summaries has its plan there too.
func requestColumns(whole bool) string {
	plan := "CASE WHEN r.summary = '' THEN r.plan END, r.summary"
	if whole {
		plan = "r.plan, ''"
	}
	return `r.id, r.kind, r.cluster, r.target, r.command, r.requester_team, r.requester_id, r.requester_name,
	r.barred, r.channel, ` + plan + `, r.digest, r.min_approvals, r.state, r.created, r.expires, r.not_before, r.rule, r.grounds, r.origin`
}

// scanRequest reads one row of requestColumns, without reviews.
func scanRequest(row Row) (approvals.Request, error) {
	var r approvals.Request
	var barred, grounds, summary string
	var plan sql.NullString
	var created, expires, notBefore int64
	err := row.Scan(&r.ID, &r.Kind, &r.Cluster, &r.Target, &r.Command, &r.Requester.Team, &r.Requester.ID, &r.Requester.Name,
		&barred, &r.Channel, &plan, &summary, &r.Digest, &r.MinApprovals, &r.State, &created, &expires, &notBefore, &r.Rule, &grounds, &r.Origin)
	if err != nil {
		return r, err
	}
	r.Created, r.Expires, r.NotBefore = fromMS(created), fromMS(expires), fromMS(notBefore)
	if err := errors.Join(fromJSON(barred, &r.Barred), fromJSON(grounds, &r.Grounds)); err != nil {
		return r, err
	}
	if plan.Valid {
		r.Plan = &engine.Plan{}
		if err := fromJSON(plan.String, r.Plan); err != nil {
			return r, err
		}
	}
	if summary != "" {
		r.Summary = &engine.PlanSummary{}
		if err := fromJSON(summary, r.Summary); err != nil {
			return r, err
		}
	}
	return r, nil
}

// loadRequest reads one request with its reviews, or engine.ErrNotFound.
func loadRequest(ctx context.Context, tx Tx, id string) (approvals.Request, error) {
	r, err := scanRequest(tx.QueryRow(ctx, "SELECT "+requestColumns(true)+" FROM requests r WHERE r.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, engine.ErrNotFound
	}
	if err != nil {
		return r, err
	}
	r.Reviews, err = loadReviews(ctx, tx, id)
	return r, err
}

// loadReviews reads the reviews of a request, oldest first.
func loadReviews(ctx context.Context, tx Tx, requestID string) ([]approvals.Review, error) {
	var reviews []approvals.Review
	err := eachReview(ctx, tx, func(v approvals.Review) { reviews = append(reviews, v) }, "request_id = $1", requestID)
	return reviews, err
}

// eachReview reads the reviews of some requests, for each of them oldest first.
func eachReview(ctx context.Context, tx Tx, take func(approvals.Review), where string, args ...any) error {
	return each(ctx, tx, func(row Row) error {
		var v approvals.Review
		var approvers string
		var at int64
		if err := row.Scan(&v.RequestID, &v.Reviewer.Team, &v.Reviewer.ID, &v.Reviewer.Name, &v.Decision, &v.Comment, &v.Digest, &approvers, &at, &v.Standing); err != nil {
			return err
		}
		v.At = fromMS(at)
		if err := fromJSON(approvers, &v.Approvers); err != nil {
			return err
		}
		take(v)
		return nil
	}, `SELECT request_id, reviewer_team, reviewer_id, reviewer_name, decision, comment, digest, approvers, at, standing
		FROM reviews WHERE `+where+" ORDER BY at, reviewer_id", args...)
}

// Close implements approvals.Store.
func (s *Requests) Close(ctx context.Context, id string, to approvals.State, by approvals.Actor, reason string) (approvals.Request, error) {
	kinds := map[approvals.State]engine.EventKind{
		approvals.Expired:    engine.EventRequestExpired,
		approvals.Withdrawn:  engine.EventRequestWithdrawn,
		approvals.Superseded: engine.EventRequestSuperseded,
	}
	var r approvals.Request
	kind, ok := kinds[to]
	if !ok {
		return r, fmt.Errorf("close request %s: %q is no state to close with", id, to)
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := decide(ctx, tx, id, to, now, reason); err != nil {
			return err
		}
		var data any
		if reason != "" {
			data = map[string]string{"reason": reason}
		}
		if err := appendFact(ctx, tx, now, kind, id, "", by.ID, data); err != nil {
			return err
		}
		if r, err = loadRequest(ctx, tx, id); err != nil {
			return err
		}
		if err := brokeGlass(ctx, tx, now, r, string(to), by); err != nil {
			return err
		}
		return s.db.audit(ctx, tx, now, auditedClose(r, by, reason))
	})
	if err != nil {
		return r, fmt.Errorf("close request %s: %w", id, err)
	}
	return r, nil
}

// decide moves a pending request to its final state, or answers ErrNotFound or ErrConflict.
func decide(ctx context.Context, tx Tx, id string, to approvals.State, now int64, reason string) error {
	n, err := tx.Exec(ctx, "UPDATE requests SET state = $2, decided = $3, reason = $4 WHERE id = $1 AND state = 'pending'",
		id, string(to), now, reason)
	if err != nil {
		return err
	}
	if n == 1 {
		return nil
	}
	if _, err := loadRequest(ctx, tx, id); err != nil {
		return err
	}
	return approvals.ErrConflict
}

// DueExpiries lists the pending requests whose time is over, by the database's clock.
func (s *Requests) DueExpiries(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var id string
			if err := row.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
			return nil
		}, "SELECT id FROM requests WHERE state = 'pending' AND expires <= $1 ORDER BY expires, id", now)
	})
	if err != nil {
		return nil, fmt.Errorf("list due expiries: %w", err)
	}
	return ids, nil
}

// crockford is base 32 without I, L, O and U, so that an id read aloud is understood.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// shortID is R- and n random characters.
func shortID(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = crockford[int(b[i])%len(crockford)] // 256 is a multiple of 32: no bias
	}
	return "R-" + string(b), nil
}

// NewID returns an id that no request has: four characters, more when those are taken.
func (s *Requests) NewID(ctx context.Context) (string, error) {
	for _, n := range []int{4, 5, 5, 6} {
		id, err := shortID(n)
		if err != nil {
			return "", fmt.Errorf("make an id: %w", err)
		}
		_, err = readRequest(ctx, s.db, id)
		if errors.Is(err, engine.ErrNotFound) {
			return id, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("make an id: every try was taken")
}
