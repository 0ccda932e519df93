package storage

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// Freed is what one day's rebuilds of a cluster gave back.
type Freed struct {
	Day     time.Time // its beginning in UTC
	Cluster string
	Bytes   int64 // negative when tables grew
	Tables  int64
}

// dayMS is the length of a day in milliseconds.
const dayMS = 24 * 60 * 60 * 1000

// longest is how long before the end of a table its request can have been made: a run over a cluster
// takes weeks at most. It bounds what is read.
const longest = 60 * 24 * time.Hour

// Rebuilt are the tables (schema.table) of a host that jobs have rebuilt since a time.
func (s *Facts) Rebuilt(ctx context.Context, host string, since time.Time) (map[string]bool, error) {
	done := map[string]bool{}
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var text string
			var plan engine.PlannedStep
			if err := row.Scan(&text); err != nil {
				return err
			}
			err := fromJSON(text, &plan)
			done[plan.Schema+"."+plan.Table] = true
			return err
		}, `SELECT s.plan FROM jobs j JOIN steps s ON s.job_id = j.id
			WHERE j.host = $1 AND j.created >= $2 AND s.state = 'done' AND s.started >= $3`,
			host, toMS(since.Add(-longest)), toMS(since))
	})
	if err != nil {
		return nil, fmt.Errorf("list what was rebuilt on %s: %w", host, err)
	}
	return done, nil
}

// Freed sums what tables gave back on each day since a time, by cluster, oldest first. Days without
// any are left out.
func (s *Facts) Freed(ctx context.Context, since time.Time) ([]Freed, error) {
	var days []Freed
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var f Freed
			var day int64
			err := row.Scan(&day, &f.Cluster, &f.Bytes, &f.Tables)
			f.Day = fromMS(day * dayMS)
			days = append(days, f)
			return err
		}, fmt.Sprintf(`SELECT s.ended / %d, r.cluster, CAST(SUM(s.before_bytes - s.after_bytes) AS BIGINT), COUNT(*)
			FROM requests r JOIN jobs j ON j.request_id = r.id JOIN steps s ON s.job_id = j.id
			WHERE r.created >= $1 AND s.state = 'done' AND s.ended >= $2
			GROUP BY 1, 2 ORDER BY 1, 2`, dayMS), toMS(since.Add(-longest)), toMS(since))
	})
	if err != nil {
		return nil, fmt.Errorf("sum what was given back: %w", err)
	}
	return days, nil
}
