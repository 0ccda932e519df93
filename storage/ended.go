package storage

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// endedJobs is one query however many jobs and channels there are: jobs_ended finds the span, and
// what a job gave back is some rows, not its steps.
const endedJobs = `SELECT r.id, r.channel, j.host, j.state, j.reason, j.ended,
	CAST(COALESCE((SELECT SUM(f.tables) FROM freed f WHERE f.job_id = j.id), 0) AS BIGINT),
	CAST(COALESCE((SELECT SUM(f.bytes) FROM freed f WHERE f.job_id = j.id), 0) AS BIGINT)
FROM jobs j JOIN requests r ON r.id = j.request_id
WHERE j.ended >= $1 AND j.ended < $2 AND j.kind = 'recycle' ORDER BY j.ended, j.id`

// Ended lists the rebuild jobs that ended from a time on and before another, oldest first.
func (s *Facts) Ended(ctx context.Context, from, to time.Time) ([]engine.Ended, error) {
	var out []engine.Ended
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var e engine.Ended
			var at int64
			err := row.Scan(&e.RequestID, &e.Channel, &e.Host, &e.State, &e.Reason, &at, &e.Tables, &e.Bytes)
			e.At = fromMS(at)
			out = append(out, e)
			return err
		}, endedJobs, from.UnixMilli(), to.UnixMilli())
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs that ended: %w", err)
	}
	return out, nil
}
