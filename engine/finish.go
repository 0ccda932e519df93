package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// finish puts the host's settings back and stores how the job ended.
func (r *run) finish(ctx context.Context, h *host, work error) error {
	restored := r.restore(ctx, h)
	if stopping(ctx, restored) {
		return restored
	}
	if restored != nil {
		r.log.Error("settings not restored", zap.Error(restored))
		r.alert(ctx, AlertSetting, fmt.Sprintf("A setting of %s could not be put back; that is tried again every minute. %s", h.plan.Name, sentence(restored)))
	}
	var refused *guard.Refused
	switch {
	case errors.Is(work, errCancelled):
		return r.end(ctx, JobCancelled, EventJobCancelled, "cancelled by a person", nil)
	case errors.As(work, &refused):
		return r.end(ctx, JobRefused, EventJobRefused, refusal(refused.Verdict, work), refused.Verdict)
	case tooFew(work), errors.Is(work, rebuild.ErrPromoted):
		return r.end(ctx, JobRefused, EventJobRefused, sentence(work), nil)
	case work != nil:
		return r.end(ctx, JobFailed, EventJobFailed, sentence(work), nil)
	}
	if n := r.count(StepFailed, StepUnknown, StepRefused); n > 0 {
		return r.end(ctx, JobFailed, EventJobFailed, fmt.Sprintf("%d of %d tables failed", n, len(r.job.Steps)), nil)
	}
	if restored != nil {
		return r.end(ctx, JobFailed, EventJobFailed, "all tables are done, but a setting of "+h.plan.Name+" could not be put back", nil)
	}
	return r.end(ctx, JobSucceeded, EventJobCompleted, "", nil)
}

// tooFew reports whether a host has too few other replicas to leave service.
func tooFew(err error) bool {
	var no *Problem
	return errors.As(err, &no) && no.Code == "too_few_replicas"
}

// restoreLimit is how long settings are tried to be put back before the job ends without it and
// says so; the journal keeps them for the next job on the host.
const restoreLimit = 10 * time.Minute

// restore puts back every setting that this job, in this or an earlier run, changed. On a host that
// became a primary nothing is put back: making it read-only would stop the application.
func (r *run) restore(ctx context.Context, h *host) error {
	if err := r.reloadSettings(ctx); err != nil {
		return err
	}
	err := r.restoreServer(ctx, h)
	if stopping(ctx, err) {
		return err
	}
	return errors.Join(err, r.backInService(ctx, h))
}

// backInService asks the hooks to put the host back when it has caught up: with its applier stopped or
// behind a copy it fell behind, and who reads from it would read the past. One that does not catch up
// in time stays out and is told; Sweep goes on waiting for it.
func (r *run) backInService(ctx context.Context, h *host) error {
	if len(hooked(r.settings())) == 0 {
		return nil
	}
	wait, cancel := context.WithTimeoutCause(ctx, restoreLimit, errBehind)
	defer cancel()
	told := &teller{r: r, ctx: ctx}
	for {
		v := r.catchUp(wait, h)
		told.hear(v)
		if !v.Throttled {
			return r.putIn(ctx, h, func(string) {})
		}
		if err := sleep(wait, servingEvery); errors.Is(err, errBehind) {
			return &Problem{Code: "still_behind", Text: h.plan.Name + " stays out of service: it has not caught up (" + v.String() + ").",
				Next: "It is put back by itself when it has."}
		} else if err != nil {
			return err
		}
	}
}

// errBehind ends the wait for a host that does not catch up.
var errBehind = errors.New("the host has not caught up in time")

// catchUp walks the cluster and says whether the host is too far behind to serve. One that is no
// replica any more is behind nobody.
func (r *run) catchUp(ctx context.Context, h *host) throttle.Verdict {
	if err := h.look(ctx); err != nil {
		r.log.Warn("cluster not walked", zap.Error(err))
		return throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{r.behind(h.plan.Name, topology.Instance{})}}
	}
	in, _ := h.itself()
	if in.Reached && len(in.Links) == 0 || r.serves(in) {
		return throttle.Verdict{}
	}
	return throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{r.behind(h.plan.Name, in)}}
}

// restoreServer puts back what was changed on the server itself.
func (r *run) restoreServer(ctx context.Context, h *host) error {
	open := onServer(unrestored(r.settings()))
	if len(open) == 0 {
		return nil
	}
	still := func(ctx context.Context) error { return r.stillReplica(ctx, h) }
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	if err := h.look(ctx); err != nil { // replicas that attached since the job began are no promotion
		r.log.Warn("cluster not walked", zap.Error(err))
	}
	err := rebuild.Restore(ctx, h.server, open, still, func(c rebuild.Change) error {
		return r.setting(ctx, Setting{Change: c, Restored: true}, EventSettingRestored)
	})
	if errors.Is(err, rebuild.ErrPromoted) {
		r.alert(ctx, AlertSetting, sentence(err))
		return nil
	}
	return err
}

// startAppliers starts what was stopped for a statement that has ended: after an adopted one
// nobody else does.
func (r *run) startAppliers(ctx context.Context, h *host) error {
	open := appliers(r.settings())
	if len(open) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	return rebuild.Restore(ctx, h.server, open, nil, func(c rebuild.Change) error {
		return r.setting(ctx, Setting{Change: c, Restored: true}, EventSettingRestored)
	})
}

// setting stores a change of a server setting with its event.
func (r *run) setting(ctx context.Context, s Setting, kind EventKind) error {
	e, err := r.event(kind, 0, s)
	if err != nil {
		return err
	}
	if err := r.o.Journal.SetSetting(ctx, r.lease, s, e); err != nil {
		return fmt.Errorf("store setting %s of %s: %w", s.Name, r.job.ID, err)
	}
	r.known.Lock()
	defer r.known.Unlock()
	r.job.Settings = slices.DeleteFunc(slices.Clone(r.job.Settings), func(o Setting) bool { return o.Name == s.Name })
	if !s.Restored {
		r.job.Settings = append(r.job.Settings, s)
	}
	return nil
}

// settings are what this job changed and has not restored, as stored.
func (r *run) settings() []Setting {
	r.known.Lock()
	defer r.known.Unlock()
	return r.job.Settings
}

// reloadSettings reads the settings as stored: the journal, not memory, knows what is to be restored.
func (r *run) reloadSettings(ctx context.Context) error {
	j, err := r.o.Journal.Job(ctx, r.job.ID)
	if err != nil {
		return fmt.Errorf("load settings of %s: %w", r.job.ID, err)
	}
	r.known.Lock()
	defer r.known.Unlock()
	r.job.Settings = j.Settings
	return nil
}

func unrestored(ss []Setting) (open []rebuild.Change) {
	for _, s := range ss {
		if !s.Restored {
			open = append(open, s.Change)
		}
	}
	return open
}

// hooked are the changes that hooks made.
func hooked(ss []Setting) []rebuild.Change {
	return slices.DeleteFunc(unrestored(ss), func(c rebuild.Change) bool { _, hook := HookOf(c); return !hook })
}

// appliers are the appliers among the settings to restore.
func appliers(ss []Setting) (open []rebuild.Change) {
	for _, c := range unrestored(ss) {
		if _, ok := applierOf(c); ok {
			open = append(open, c)
		}
	}
	return open
}

// applierOf is the channel whose applier a change stopped; the default channel has no name.
func applierOf(c rebuild.Change) (channel string, ok bool) {
	name, channel, _ := strings.Cut(c.Name, ":")
	return channel, name == "applier"
}

// stoppedChannels are the channels whose applier is stopped by us, by the journal's word.
func stoppedChannels(ss []Setting) (channels []string) {
	for _, c := range unrestored(ss) {
		if channel, ok := applierOf(c); ok {
			channels = append(channels, channel)
		}
	}
	return channels
}

// channelsOf are all channels of a host.
func channelsOf(h *host) (channels []string) {
	in, _ := h.itself()
	for _, l := range in.Links {
		channels = append(channels, l.Channel)
	}
	return channels
}

// count counts the steps in any of the states.
func (r *run) count(states ...StepState) (n int) {
	for _, s := range r.job.Steps {
		for _, st := range states {
			if s.State == st {
				n++
			}
		}
	}
	return n
}

// sentence is what people read of an error: its own sentence where it has one, and otherwise what
// can be said without texts of a driver, which may hold names, addresses and statements.
func sentence(err error) string {
	var p interface{ Sentence() string }
	switch {
	case errors.As(err, &p):
		return p.Sentence()
	case dbconn.Code(err) != 0:
		return fmt.Sprintf("The server answered with error %d; the log has its text.", dbconn.Code(err))
	case dbconn.Lost(err):
		return "The connection to the server broke."
	case errors.Is(err, context.DeadlineExceeded):
		return "There was no answer in time."
	}
	return "Something unexpected went wrong; the log has it under the job's id."
}
