package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// validator lets a plugin refuse servers. Its ok is one finding among those of the guard's own
// checks, each of which refuses by itself.
type validator struct {
	p *Plugin

	mu     sync.Mutex
	passed map[dbconn.Identity]guard.Finding // of running statements
}

var _ guard.Validator = (*validator)(nil)

// AsValidator is the plugin as one of the guard's validators.
func (p *Plugin) AsValidator() guard.Validator {
	return &validator{p: p, passed: map[dbconn.Identity]guard.Finding{}}
}

// Name implements guard.Validator.
func (v *validator) Name() string { return ValidatorName(v.p.Name) }

// ValidatorName is what the validator of a plugin is called in findings.
func ValidatorName(plugin string) string { return "plugin:" + plugin }

// watchEvery is how long an ok holds while a statement runs: the guard looks three times a second,
// and a process each time would be a load. Permission to begin is asked fresh every time.
const watchEvery = 2 * time.Second

// Judge implements guard.Validator. No answer refuses.
func (v *validator) Judge(ctx context.Context, s guard.Subject) guard.Finding {
	id := s.Instance.Identity
	if s.Running {
		v.mu.Lock()
		f, ok := v.passed[id]
		v.mu.Unlock()
		if ok && time.Since(f.At) < watchEvery {
			return f
		}
	}
	f := v.ask(ctx, s)
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.passed, id)
	if s.Running && !f.Refused {
		v.passed[id] = f
	}
	return f
}

// ask asks the plugin.
func (v *validator) ask(ctx context.Context, s guard.Subject) guard.Finding {
	f := guard.Finding{Validator: v.Name(), At: time.Now()}
	a, err := v.p.Ask(ctx, Request{Action: Judge, Cluster: s.Topology.Cluster, Host: HostOf(s.Instance, s.Topology), Running: s.Running})
	switch {
	case err != nil:
		f.Refused, f.Unknown = true, true
		f.Sentence = fmt.Sprintf("the plugin %s could not be heard about %s", v.p.Name, s.Instance.Name)
		f.Evidence = err.Error()
		var e *Error
		if errors.As(err, &e) {
			f.Evidence = e.Text
		}
	case a.Result != resultOK:
		f.Refused = true
		f.Sentence = fmt.Sprintf("the plugin %s refuses %s: %s", v.p.Name, s.Instance.Name, reason(a))
		f.Evidence = a.Evidence
	default:
		f.Sentence = fmt.Sprintf("the plugin %s has nothing against %s", v.p.Name, s.Instance.Name)
		f.Evidence = a.Evidence
	}
	return f
}

// reason is why a plugin said no.
func reason(a Answer) string {
	if a.Sentence == "" {
		return "it does not say why"
	}
	return trimDot(a.Sentence)
}

// HostOf tells a plugin what we know of a server.
func HostOf(in topology.Instance, t topology.Topology) *Host {
	h := &Host{
		Name: in.Name, Address: in.Addr.Host, Port: in.Addr.Port, Identity: string(in.Identity), Role: string(in.Role),
		Version: in.Version.String(), Flavor: string(in.Version.Flavor), ReadOnly: in.State.ReadOnly,
	}
	for _, l := range in.Links {
		h.Sources = append(h.Sources, l.Source.String())
	}
	for _, other := range t.Instances {
		if other.Role == topology.RolePrimary {
			h.Primary = other.Name
		}
	}
	return h
}
