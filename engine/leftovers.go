package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/rebuild"
)

// sweepLimit bounds one try to put back what an ended job left on one host.
const sweepLimit = 30 * time.Second

// Sweep puts back what jobs that have ended left changed on servers: the host did not answer, or
// our process died, at the wrong moment. It is called at the start of a process and every minute
// or so. Hosts with a job that has not ended are left to that job. An error of one host does not
// keep the others from being looked at.
func (d *Dispatcher) Sweep(ctx context.Context) error {
	if d.o.Neighbours == nil {
		return nil
	}
	ids, err := d.o.Neighbours.Leftovers(ctx, "")
	if err != nil {
		return fmt.Errorf("look for settings to restore: %w", err)
	}
	var errs []error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		job, err := d.o.Journal.Job(ctx, id)
		if err == nil && d.o.Reaches != nil && !d.o.Reaches(job.Cluster) {
			continue // a worker of its region does it
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("load %s: %w", id, err))
			continue
		}
		if err := d.sweep(ctx, id); err != nil && !errors.Is(err, ErrLeaseHeld) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweep opens the host of one ended job and restores its settings.
func (d *Dispatcher) sweep(ctx context.Context, jobID string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	return d.leased(ctx, jobID, func(r *run) error {
		i := r.hostIndex()
		if r.access == nil || i < 0 {
			return nil // no longer configured: nobody may send credentials there
		}
		h := &host{plan: r.job.Plan.Hosts[i], access: r.access}
		s, err := r.access.Open(ctx, h.plan.Addr)
		if err != nil {
			return fmt.Errorf("open %s: %w", h.plan.Name, err)
		}
		h.server = s
		err = h.look(ctx)
		if err == nil {
			err = r.restoreLeft(ctx, h)
		}
		return errors.Join(err, h.close())
	})
}

// leased runs f with the lease of a job that has ended: its settings are facts like any other.
func (d *Dispatcher) leased(ctx context.Context, jobID string, f func(*run) error) error {
	lease, err := d.o.Leases.Take(ctx, jobID, d.o.Owner, max(d.o.LeaseTTL, 2*sweepLimit))
	if err != nil {
		return fmt.Errorf("take %s: %w", jobID, err)
	}
	job, err := d.o.Journal.Job(ctx, jobID)
	if err == nil && job.State.Final() {
		err = f(d.begin(job, lease, newWish(Job{Wanted: WantRun})))
	}
	return errors.Join(err, d.release(ctx, lease))
}

// restoreLeft restores the settings of an ended job and says so in its thread. That a host is no
// replica any more is no error here: it was told when the job ended, and its settings stay known
// in case it becomes one again.
func (r *run) restoreLeft(ctx context.Context, h *host) error {
	err := r.restoreServerLeft(ctx, h)
	if len(hooked(r.settings())) > 0 {
		if v := r.catchUp(ctx, h); v.Throttled {
			return errors.Join(err, fmt.Errorf("put %s back into service: %s", h.plan.Name, v))
		}
	}
	return errors.Join(err, r.putIn(ctx, h, func(hook string) {
		r.notice(ctx, "info", fmt.Sprintf("%s, left out of service when %s ended, is back in service (%s).", h.plan.Name, r.job.ID, hook))
	}))
}

// restoreServerLeft restores what an ended job changed on the server itself.
func (r *run) restoreServerLeft(ctx context.Context, h *host) error {
	open := onServer(unrestored(r.settings()))
	if len(open) == 0 {
		return nil
	}
	still := func(ctx context.Context) error { return r.stillReplica(ctx, h) }
	err := rebuild.Restore(ctx, h.server, open, still, func(c rebuild.Change) error {
		if err := r.setting(ctx, Setting{Change: c, Restored: true}, EventSettingRestored); err != nil {
			return err
		}
		r.notice(ctx, "info", fmt.Sprintf("%s of %s, left behind when %s ended, is back at %s.", c.Name, h.plan.Name, r.job.ID, c.Before))
		return nil
	})
	if errors.Is(err, rebuild.ErrPromoted) {
		r.log.Info("settings stay as they are", zap.String("instance", h.plan.Name), zap.Error(err))
		return nil
	}
	return err
}

// clearLeftovers restores, before a job changes anything, what earlier jobs left on its host. It
// waits for a sweep that is at it. What cannot be restored is told and does not hold the job back.
func (r *run) clearLeftovers(ctx context.Context, h *host) error {
	if r.o.Neighbours == nil {
		return nil
	}
	ids, err := r.o.Neighbours.Leftovers(ctx, r.job.Host)
	if err != nil {
		return fmt.Errorf("look for settings to restore on %s: %w", r.job.Host, err)
	}
	for _, id := range ids {
		for {
			err = r.leased(ctx, id, func(old *run) error { return old.restoreLeft(ctx, h) })
			if !errors.Is(err, ErrLeaseHeld) {
				break
			}
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("settings not restored", zap.String("job", id), zap.Error(err))
			r.alert(ctx, AlertSetting, fmt.Sprintf("A setting of %s that %s left behind could not be put back. %s", r.job.Host, id, sentence(err)))
		}
	}
	return context.Cause(ctx)
}
