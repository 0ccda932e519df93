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

// addFreed adds what a table gave back to the sums of its day.
func addFreed(ctx context.Context, tx Tx, job engine.Job, s engine.Step) error {
	_, err := tx.Exec(ctx, `INSERT INTO freed (job_id, day, cluster, tables, bytes) VALUES ($1, $2, $3, 1, $4)
		ON CONFLICT (job_id, day) DO UPDATE SET tables = freed.tables + 1, bytes = freed.bytes + excluded.bytes`,
		job.ID, toMS(s.Ended)/dayMS, job.Cluster, s.Before-s.After)
	return err
}

// Rebuilt are the tables (schema.table) of a host that jobs have rebuilt since a time, also in part.
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
			done[plan.TableName()] = true
			return err
		}, `SELECT s.plan FROM jobs j JOIN steps s ON s.job_id = j.id
			WHERE j.host = $1 AND (j.ended = 0 OR j.ended >= $2) AND s.state = 'done' AND s.started >= $2`, host, toMS(since))
	})
	if err != nil {
		return nil, fmt.Errorf("list what was rebuilt on %s: %w", host, err)
	}
	return done, nil
}

// Freed sums what tables gave back on each day in UTC from that of a time on, by cluster, oldest first.
// Days without any are left out.
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
		}, `SELECT day, cluster, CAST(SUM(bytes) AS BIGINT), CAST(SUM(tables) AS BIGINT) FROM freed WHERE day >= $1
			GROUP BY day, cluster ORDER BY day, cluster`, toMS(since)/dayMS)
	})
	if err != nil {
		return nil, fmt.Errorf("sum what was given back: %w", err)
	}
	return days, nil
}
