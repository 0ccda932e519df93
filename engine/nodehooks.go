package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
)

// PluginPlan names the plugins that take part in a plan. They are part of what is approved: one that
// is gone when the job runs refuses the host. Executors stand in the method of their tables.
type PluginPlan struct {
	Validators []string `json:"validators,omitempty"`
	Hooks      []string `json:"hooks,omitempty"` // in the order in which they are asked before the first statement
}

// IsZero reports whether no plugin takes part.
func (p PluginPlan) IsZero() bool { return len(p.Validators) == 0 && len(p.Hooks) == 0 }

// changeHook begins the name of the change that a hook makes: the node is out of service. It is
// written down before the hook is asked, like every other change.
const changeHook = "hook:"

// HookOf is the hook that made a change.
func HookOf(c rebuild.Change) (name string, ok bool) { return strings.CutPrefix(c.Name, changeHook) }

// promised refuses a host whose plan names plugins that are not configured any more: the approver
// was told that they take part.
func (r *run) promised() error {
	var gone []string
	for _, name := range r.job.Plan.Plugins.Validators {
		if !r.guard.Has(plugin.ValidatorName(name)) {
			gone = append(gone, name)
		}
	}
	for _, name := range r.job.Plan.Plugins.Hooks {
		if r.o.Plugins.Get(plugin.Hook, name) == nil {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return refusedBy("plugins", r.job.Host, fmt.Sprintf("the approved plan names %s, which is not configured any more", strings.Join(gone, ", ")), "")
}

// refusedBy is a refusal that no validator of the guard made.
func refusedBy(who, host, sentence, evidence string) *guard.Refused {
	return &guard.Refused{Host: host, Verdict: guard.Verdict{Findings: []guard.Finding{
		{Validator: who, Refused: true, Sentence: sentence, Evidence: evidence, At: time.Now()}}}}
}

// takeOut asks the hooks to take the host out of service, each written down first. One that does not
// say that it did refuses the host. While a statement of an earlier run is still there nobody is
// asked again: it was sent when all of them had come through.
func (r *run) takeOut(ctx context.Context, h *host) error {
	if r.count(StepRunning) > 0 {
		return nil
	}
	return r.guarded(ctx, h, 0, func(ctx context.Context) error {
		for _, name := range r.job.Plan.Plugins.Hooks {
			c := rebuild.Change{Name: changeHook + name, Before: "in service", After: "out of service"}
			if err := r.setting(ctx, Setting{Change: c}, EventSettingChanged); err != nil {
				return err
			}
			err := r.o.Plugins.Get(plugin.Hook, name).Before(ctx, r.node(h))
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				r.log.Warn("hook failed", zap.String("plugin", name), zap.Error(err))
				return refusedBy(changeHook+name, r.job.Host, r.job.Host+" could not be taken out of service", sentence(err))
			}
		}
		return nil
	})
}

// putIn asks the hooks whose changes are written down, in reverse, to put the host back into service.
// told hears of each that did. One that fails does not keep the others from being asked.
func (r *run) putIn(ctx context.Context, h *host, told func(name string)) error {
	open := unrestored(r.settings())
	slices.Reverse(open)
	var errs []error
	for _, c := range open {
		name, ok := HookOf(c)
		if !ok {
			continue
		}
		p := r.o.Plugins.Get(plugin.Hook, name)
		if p == nil {
			errs = append(errs, &Problem{Code: "hook_gone", Text: fmt.Sprintf("%s is still out of service: the plugin %s is not configured any more.", h.plan.Name, name),
				Next: "Put it back into service by hand, or configure the plugin again."})
			continue
		}
		if err := p.After(ctx, r.node(h)); err != nil {
			errs = append(errs, &Problem{Code: "hook_failed", Text: h.plan.Name + " may still be out of service. " + sentence(err),
				Next: "Look at the load balancer.", Err: err})
			continue
		}
		if err := r.setting(ctx, Setting{Change: c, Restored: true}, EventSettingRestored); err != nil {
			errs = append(errs, err)
			continue
		}
		told(name)
	}
	return errors.Join(errs...)
}

// node is the host as hooks are told of it: as it was last seen, or as it was approved.
func (r *run) node(h *host) plugin.Node {
	n := plugin.Node{Job: r.job.ID, Cluster: r.job.Cluster}
	if in, ok := h.itself(); ok {
		n.Host = plugin.HostOf(in, h.topology())
	}
	if n.Host == nil {
		n.Host = &plugin.Host{Identity: string(h.plan.Identity), Role: string(h.plan.Role)}
	}
	// The name and the address that were approved, whatever the walk called it.
	n.Host.Name, n.Host.Address, n.Host.Port = h.plan.Name, h.plan.Addr.Host, h.plan.Addr.Port
	return n
}

// onServer are the changes that are put back on the server itself.
func onServer(changes []rebuild.Change) []rebuild.Change {
	return slices.DeleteFunc(changes, func(c rebuild.Change) bool { _, hook := HookOf(c); return hook })
}
