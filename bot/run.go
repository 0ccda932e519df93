package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/tablespace"
)

// discover asks for a look at a host or cluster.
func (b *Bot) discover(ctx context.Context, who asker, line Line) error {
	t, err := b.targetFor(ctx, who, approvals.ActAsk, line.Target)
	if err != nil {
		return err
	}
	return b.submitDiscovery(ctx, who, t, line)
}

// submitDiscovery asks for a look. The stored command is what the person wants in the end: a run
// that waits for this discovery goes on in its thread.
func (b *Bot) submitDiscovery(ctx context.Context, who asker, t engine.Target, line Line) error {
	_, err := b.askDiscovery(ctx, who, t, line)
	return err
}

func (b *Bot) askDiscovery(ctx context.Context, who asker, t engine.Target, line Line) (approvals.Request, error) {
	return b.o.Requests.Submit(ctx, approvals.Draft{
		Kind: approvals.KindDiscover, Cluster: t.Cluster, Target: nameOf(t, line.Target), Command: line.String(),
		Requester: who.user, Channel: who.channel, Origin: who.origin,
	})
}

// nameOf is the configured name of a target: people may have typed an address.
func nameOf(t engine.Target, typed string) string {
	switch {
	case t.Host.Name != "":
		return t.Host.Name
	case t.Cluster != "":
		return t.Cluster
	}
	return typed
}

// run freezes a plan and asks for its approval.
func (b *Bot) run(ctx context.Context, who asker, line Line) error {
	_, err := b.askRun(ctx, who, line)
	return err
}

func (b *Bot) askRun(ctx context.Context, who asker, line Line) (approvals.Request, error) {
	if _, err := b.targetFor(ctx, who, approvals.ActAsk, line.Target); err != nil {
		return approvals.Request{}, err
	}
	p, t, err := b.plan(ctx, who, line, nil)
	if err != nil {
		return approvals.Request{}, b.offerDiscovery(line, err)
	}
	return b.o.Requests.Submit(ctx, approvals.Draft{
		Kind: approvals.KindRecycle, Cluster: t.Cluster, Target: nameOf(t, line.Target), Command: line.String(),
		Requester: who.user, Channel: who.channel, Origin: who.origin, Plan: &p,
	})
}

// showPlan tells one person what run would do, and asks nobody.
func (b *Bot) showPlan(ctx context.Context, who asker, line Line) (Message, error) {
	if _, err := b.targetFor(ctx, who, approvals.ActLook, line.Target); err != nil {
		return Message{}, err
	}
	p, t, err := b.plan(ctx, who, line, nil)
	if err != nil {
		return Message{}, b.offerDiscovery(line, err)
	}
	ask := line
	ask.Verb, ask.Select.DryRun = VerbRun, false
	return planMessage(who.l, nameOf(t, line.Target), p, b.o.Tuning.Now(), ask), nil
}

// plan resolves the host and freezes what its newest discovery offers, or what of it an ended request
// left undone.
func (b *Bot) plan(ctx context.Context, who asker, line Line, rest *engine.Rest) (engine.Plan, engine.Target, error) {
	t, err := b.target(who, line.Target)
	if err != nil {
		return engine.Plan{}, t, err
	}
	s := line.Select
	spec := engine.PlanSpec{
		Target: t, Filter: tablespace.Filter{Schemas: s.Schemas, Tables: s.Tables},
		Mode: s.Mode, MinGain: s.MinBytes, MinShare: s.MinShare, Parallel: s.Parallel, MaxLag: s.MaxLag, Window: s.Window, Rest: rest, CheckRows: s.CheckRows,
	}
	if s.Until != "" {
		if spec.Until, err = nextTime(s.Until, t.Settings.Bounds.Window.Zone, b.o.Tuning.Now()); err != nil {
			return engine.Plan{}, t, err
		}
	}
	p, err := b.o.Planner.Plan(ctx, spec)
	keepBiggest(&p, s)
	var no *engine.Problem
	if err == nil || (errors.As(err, &no) && no.Code == "nothing_to_do") {
		if typo := b.unknownName(ctx, t, line); typo != nil {
			return p, t, typo
		}
	}
	return p, t, err
}

// keepBiggest leaves of each host only as many tables, and as many bytes to rebuild, as were asked
// for. Steps are in the order of their gain.
func keepBiggest(p *engine.Plan, s Select) {
	for i := range p.Hosts {
		var kept []engine.PlannedStep
		var bytes int64
		for _, st := range p.Hosts[i].Steps {
			if s.MaxTables > 0 && len(kept) == s.MaxTables || s.MaxBytes > 0 && bytes+st.Bytes > s.MaxBytes {
				continue
			}
			bytes += st.Bytes
			st.Seq = len(kept) + 1
			kept = append(kept, st)
		}
		p.Hosts[i].Steps = kept
	}
}

// unknownName finds a schema or table that was spelled out and is not on the host. Without it a
// typing error would look like a table that needs no rebuild, or silently shorten a plan.
func (b *Bot) unknownName(ctx context.Context, t engine.Target, line Line) error {
	if len(line.Select.Schemas)+len(line.Select.Tables) == 0 || t.Host.Name == "" {
		return nil
	}
	d, err := b.o.Lists.NewestDiscovery(ctx, t.Cluster, t.Host.Name)
	if err != nil {
		return fmt.Errorf("read what is on %s: %w", t.Host.Name, err)
	}
	schemas, tables, bare := namesOn(d, t.Host.Name)
	for _, s := range line.Select.Schemas {
		if err := spelled(s, schemas, t.Host.Name, "--schema ", line); err != nil {
			return err
		}
	}
	for _, s := range line.Select.Tables {
		valid := bare
		if strings.Contains(s, ".") {
			valid = tables
		}
		if err := spelled(s, valid, t.Host.Name, "--table ", line); err != nil {
			return err
		}
	}
	return nil
}

// namesOn lists a host's schemas, its tables as schema.table, and its tables without the schema.
func namesOn(d engine.Discovery, host string) (schemas, tables, bare map[string]bool) {
	schemas, tables, bare = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, h := range d.Hosts {
		if h.Name != host {
			continue
		}
		for _, t := range h.Tables {
			schemas[t.Schema], tables[t.Schema+"."+t.Name], bare[t.Name] = true, true, true
		}
	}
	return schemas, tables, bare
}

// spelled refuses a name without wildcards that is not there.
func spelled(name string, valid map[string]bool, host, flag string, line Line) error {
	if valid[name] || strings.ContainsAny(name, "*?") || len(valid) == 0 {
		return nil
	}
	names := make([]string, 0, len(valid))
	for v := range valid {
		if strings.EqualFold(v, name) {
			return nil // the server folds case
		}
		names = append(names, v)
	}
	m := &Misread{key: kUnknownName, Line: line.shown(), vals: args{"name": code(name), "host": code(host)}}
	if m.Near = nearest(name, names); m.Near != "" {
		m.Example = string(line.Verb) + " " + line.Target + " " + flag + quote(m.Near)
	}
	return m
}

// offerDiscovery adds a button to a refusal that a look at the host would lift.
func (b *Bot) offerDiscovery(line Line, err error) error {
	var p *engine.Problem
	if !errors.As(err, &p) || (p.Code != "no_snapshot" && p.Code != "stale_snapshot") {
		return err
	}
	if line.Verb != VerbRetry && line.Verb != VerbRun || line.Select.DryRun {
		line = Line{Verb: VerbDiscover, Target: line.Target}
	}
	line.After, line.BreakGlass = "", false
	return &offer{err: p, buttons: func(l Locale) []Button {
		return []Button{{Action: ActionDiscoverFirst, Value: line.String(), Label: l.text(kDiscoverFirst, nil), Style: "primary"}}
	}}
}
