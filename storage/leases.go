package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// Leases hand out the right to run a job. They implement engine.Leases.
type Leases struct{ db *DB }

var _ engine.Leases = (*Leases)(nil)

// NewLeases returns the leases of a database.
func NewLeases(db *DB) *Leases { return &Leases{db: db} }

// holds answers engine.ErrLeaseLost when the lease's epoch is no longer the newest or was
// released. An expired lease that nobody took still holds: its owner is slow, not replaced.
func holds(ctx context.Context, tx Tx, l engine.Lease) error {
	var owner string
	var epoch int64
	err := tx.QueryRow(ctx, "SELECT owner, epoch FROM leases WHERE job_id = $1", l.JobID).Scan(&owner, &epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return engine.ErrLeaseLost
	}
	if err != nil {
		return err
	}
	if owner == "" || owner != l.Owner || epoch != l.Epoch {
		return engine.ErrLeaseLost
	}
	return nil
}

// Take implements engine.Leases. Also the owner itself cannot take a lease it still holds: two
// runs of one job in one process are two runs.
func (s *Leases) Take(ctx context.Context, jobID, owner string, ttl time.Duration) (engine.Lease, error) {
	l := engine.Lease{JobID: jobID, Owner: owner}
	if owner == "" {
		return l, errors.New("take lease: the owner has no name")
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		var known int64
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM jobs WHERE id = $1", jobID).Scan(&known); err != nil {
			return err
		}
		if known == 0 {
			return engine.ErrNotFound
		}
		var until int64
		err = tx.QueryRow(ctx, "SELECT epoch, until FROM leases WHERE job_id = $1", jobID).Scan(&l.Epoch, &until)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if until > now {
			return engine.ErrLeaseHeld
		}
		l.Epoch++
		if l.Epoch == 1 {
			_, err = tx.Exec(ctx, "INSERT INTO leases (job_id, owner, epoch, until) VALUES ($1, $2, $3, $4)", jobID, owner, l.Epoch, now+ttl.Milliseconds())
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE leases SET owner = $2, epoch = $3, until = $4 WHERE job_id = $1", jobID, owner, l.Epoch, now+ttl.Milliseconds())
		return err
	})
	if err != nil {
		return engine.Lease{}, fmt.Errorf("take lease of %s: %w", jobID, err)
	}
	return l, nil
}

// Renew implements engine.Leases.
func (s *Leases) Renew(ctx context.Context, l engine.Lease, ttl time.Duration) (engine.Wishes, error) {
	var w engine.Wishes
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := holds(ctx, tx, l); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE leases SET until = $2 WHERE job_id = $1", l.JobID, now+ttl.Milliseconds()); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT wanted FROM jobs WHERE id = $1", l.JobID).Scan(&w.Want); err != nil {
			return err
		}
		w.Skip, err = skips(ctx, tx, l.JobID)
		return err
	})
	if err != nil {
		return w, fmt.Errorf("renew lease of %s: %w", l.JobID, err)
	}
	return w, nil
}

// Release implements engine.Leases. Releasing a lease that was taken over is engine.ErrLeaseLost.
func (s *Leases) Release(ctx context.Context, l engine.Lease) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := holds(ctx, tx, l); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE leases SET owner = '', until = 0 WHERE job_id = $1", l.JobID)
		return err
	})
	if err != nil {
		return fmt.Errorf("release lease of %s: %w", l.JobID, err)
	}
	return nil
}

// Alive reports whether a live worker holds the job.
func (s *Leases) Alive(ctx context.Context, jobID string) (bool, error) {
	alive := false
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var until int64
			err := row.Scan(&until)
			alive = until > now
			return err
		}, "SELECT until FROM leases WHERE job_id = $1", jobID)
	})
	if err != nil {
		return false, fmt.Errorf("look at the lease of %s: %w", jobID, err)
	}
	return alive, nil
}

// Expired lists the jobs that have not ended and whose owner neither renewed its lease in time nor
// gave it back: it is dead, frozen or cut off from the database.
func (s *Leases) Expired(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT j.id FROM jobs j JOIN leases l ON l.job_id = j.id
			WHERE j.state IN ('queued', 'running', 'paused') AND l.until > 0 AND l.until <= $1 ORDER BY j.created, j.id`, now)
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs whose lease ran out: %w", err)
	}
	return ids, nil
}

// EndAll ends every lease. Only who has proof that all earlier owners are dead may call it; see
// DB.JoinWorkers.
func (s *Leases) EndAll(ctx context.Context, tx Tx) error {
	if _, err := tx.Exec(ctx, "UPDATE leases SET owner = '', until = 0 WHERE until > 0"); err != nil {
		return fmt.Errorf("end the leases of dead workers: %w", err)
	}
	return nil
}
