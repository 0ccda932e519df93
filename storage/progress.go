package storage

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// progressAge is how long a row of progress is worth reading, and progressGone when whoever comes by
// removes it: the process that wrote it is dead, or the job ended.
const (
	progressAge  = 20 * time.Second
	progressGone = 5 * time.Minute
)

// Progress carries the newest progress of running jobs between processes: one row a job, written
// over while it runs. It is no fact and in no log.
type Progress struct{ db *DB }

// published is what a row holds. What an earlier version wrote reads as no steps.
type published struct {
	Steps []engine.LiveStep `json:"steps"`
}

// NewProgress returns the progress of a database.
func NewProgress(db *DB) *Progress { return &Progress{db: db} }

// Publish stores the progress of jobs that run here, and removes that of jobs that ran here before.
func (s *Progress) Publish(ctx context.Context, now map[string][]engine.LiveStep, gone []string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		at, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		for id, steps := range now {
			body, err := toJSON(published{steps})
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO progress (job_id, body, at) VALUES ($1, $2, $3)
				ON CONFLICT (job_id) DO UPDATE SET body = excluded.body, at = excluded.at`, id, body, at)
			if err != nil {
				return err
			}
		}
		for _, id := range gone {
			if _, err := tx.Exec(ctx, "DELETE FROM progress WHERE job_id = $1", id); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "DELETE FROM progress WHERE at < $1", at-progressGone.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("publish progress: %w", err)
	}
	return nil
}

// Read returns the progress of the jobs that run now, on any node.
func (s *Progress) Read(ctx context.Context) (map[string][]engine.LiveStep, error) {
	found := map[string][]engine.LiveStep{}
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var id, body string
			if err := row.Scan(&id, &body); err != nil {
				return err
			}
			var r published
			err := fromJSON(body, &r)
			found[id] = r.Steps
			return err
		}, "SELECT job_id, body FROM progress WHERE at > $1", now-progressAge.Milliseconds())
	})
	if err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	return found, nil
}
