package plugin

import (
	"context"
	"fmt"
	"strings"

	"mysql-recycler/engine/rebuild"
)

// executor lets a plugin rebuild tables.
type executor struct {
	p       *Plugin
	version string // that was approved
}

var _ rebuild.Executor = (*executor)(nil)

// AsExecutor is the plugin as an executor of one version: one that says it is another does nothing.
func (p *Plugin) AsExecutor(version string) rebuild.Executor {
	return &executor{p: p, version: version}
}

// Account implements rebuild.Executor.
func (e *executor) Account() string { return e.p.Account }

// Rebuild implements rebuild.Executor. The plugin is asked first who it is and whether it can, with
// what is true now.
func (e *executor) Rebuild(ctx context.Context, w rebuild.Work) error {
	about, err := e.p.Hello(ctx)
	if err != nil {
		return err
	}
	if about.Version != e.version {
		return &Error{Plugin: e.p.Name, Action: Rebuild, Text: fmt.Sprintf("The executor %s is version %s now; %s was approved.", e.p.Name, about.Version, e.version),
			Next: "Ask again, so that the new version is approved."}
	}
	if err := e.p.CanRebuild(ctx, w); err != nil {
		return err
	}
	return e.p.yes(ctx, request(Rebuild, w))
}

// Clean implements rebuild.Executor.
func (e *executor) Clean(ctx context.Context, w rebuild.Work) error {
	return e.p.yes(ctx, request(Clean, w))
}

// CanRebuild asks whether an executor would rebuild a table under these circumstances: nil, or an
// *Error that says why not. It asks the plugin, and the plugin no server.
func (p *Plugin) CanRebuild(ctx context.Context, w rebuild.Work) error {
	return p.yes(ctx, request(Can, w))
}

// yes asks, and makes an error of a no.
func (p *Plugin) yes(ctx context.Context, r Request) error {
	a, err := p.Ask(ctx, r)
	if err != nil {
		return err
	}
	if a.Result != resultOK {
		return p.no(r.Action, a)
	}
	return nil
}

// request is the work as the plugin reads it.
func request(a Action, w rebuild.Work) Request {
	return Request{Action: a, Job: w.Job, Step: w.Step,
		Host: &Host{Name: w.Host, Address: w.Addr.Host, Port: w.Addr.Port, Version: w.Version.String(), Flavor: string(w.Version.Flavor)},
		Table: &Table{Schema: w.Schema, Name: w.Table, Mode: string(w.Mode), ApplierStopped: w.Stopped, Bytes: w.Bytes,
			Features: w.Features}}
}

// For finds the executor of a cluster's table: the first whose patterns fit it and that takes such
// tables. online says that the server could rebuild it online.
func (s *Set) For(cluster, schema, table string, online bool) *Plugin {
	for _, name := range s.Of(Executor, cluster) {
		p := s.Get(Executor, name)
		if p.takes(schema+"."+table) && (p.Always || !online) {
			return p
		}
	}
	return nil
}

// takes reports whether a table fits one of the patterns.
func (p *Plugin) takes(key string) bool {
	for _, pattern := range p.Tables {
		if fits(pattern, key) {
			return true
		}
	}
	return len(p.Tables) == 0
}

// fits compares with a pattern in which * is any text.
func fits(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	for at := len(head); at <= len(s); at++ {
		if fits(rest, s[at:]) {
			return true
		}
	}
	return false
}
