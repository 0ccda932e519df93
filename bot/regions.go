package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Fleet is the processes that work, and the regions where people want no work started.
type Fleet interface {
	// Nodes lists the processes by name.
	Nodes(ctx context.Context) ([]Node, error)
	// Paused lists the regions in which no job starts.
	Paused(ctx context.Context) ([]PausedRegion, error)
	// HoldRegion pauses a region or ends that; news is false when it was so before.
	HoldRegion(ctx context.Context, region string, by approvals.Actor, paused bool) (news bool, err error)
	// HoldNode drains a node or ends that; news is false when it was so before.
	HoldNode(ctx context.Context, node string, by approvals.Actor, drained bool) (news bool, err error)
}

// Node is a process for people.
type Node struct {
	Name, State, Roles, Regions, Version string // State: up, draining, drained, gone
	Running                              int    // jobs
	Seen                                 time.Time
}

// PausedRegion says who wants no work started in a region; running work goes on.
type PausedRegion struct {
	Region, Reason string
	By             approvals.Actor
	At             time.Time
}

// regionActions are what a person can do to a region.
var regionActions = []string{"pause", "resume"}

// regions are the configured regions with their clusters. Clusters without one have the region -.
func (b *Bot) regions() map[string][]string {
	all := map[string][]string{}
	for _, c := range b.Clusters() {
		region := b.regionOf(c)
		all[region] = append(all[region], c)
	}
	return all
}

func (b *Bot) regionOf(target string) string {
	t, err := b.o.Targets.Find(target)
	if err != nil || t.Settings.Region == "" {
		return "-"
	}
	return t.Settings.Region
}

// region is the command: HoldRegion in the person's language.
func (b *Bot) region(ctx context.Context, who asker, line Line) (Message, error) {
	all, pause := b.regions(), line.Filter == "pause"
	a := args{"region": code(line.Target), "clusters": plain(strings.Join(all[line.Target], ", ")),
		"names": code(strings.Join(slices.Sorted(maps.Keys(all)), ", "))}
	news, err := b.HoldRegion(ctx, who.user, line.Target, pause)
	var p *engine.Problem
	switch {
	case errors.As(err, &p) && p.Code == "no_region":
		return notice(who.l, kRegionUnknown, a), nil
	case errors.As(err, &p) && p.Code == "not_approver":
		return notice(who.l, kRegionNotYours, a), nil
	case err != nil:
		return Message{}, err
	}
	said := map[[2]bool]key{{true, true}: kRegionPaused, {true, false}: kRegionStays, {false, true}: kRegionResumed, {false, false}: kRegionWorks}
	return notice(who.l, said[[2]bool{pause, news}], a), nil
}

// approvesOneOf says whether a person may approve work on one of some clusters. A group that cannot be
// read counts for nobody.
func (b *Bot) approvesOneOf(ctx context.Context, a approvals.Actor, clusters []string) (bool, error) {
	var late error
	for _, c := range clusters {
		set, err := b.o.Requests.Approvers(ctx, c)
		if err == nil && slices.Contains(set, a.ID) {
			return true, nil
		}
		if err != nil {
			late = err
		}
	}
	return false, late
}

// nodes lists the processes that work, and the regions that are paused.
func (b *Bot) nodes(ctx context.Context, who asker) (Message, error) {
	m := &builder{l: who.l}
	m.summary(kNodes, nil)
	m.text(asBold(who.l.say(kNodes, nil))...)
	if b.o.Tuning.Fleet == nil {
		m.say(kNodesNone, nil)
		return m.m, nil
	}
	nodes, err := b.Nodes(ctx)
	if err != nil {
		return Message{}, err
	}
	paused, err := b.o.Tuning.Fleet.Paused(ctx)
	if err != nil {
		return Message{}, fmt.Errorf("list paused regions: %w", err)
	}
	t := Table{Header: who.l.cells(kColNode, kColState, kColJobs, kColRoles, kColRegions, kColVersion), Right: []bool{2: true, 5: false}}
	for _, n := range nodes {
		state := who.l.text(nodeStates[n.State], args{"ago": plain(who.l.span(b.o.Tuning.Now().Sub(n.Seen)))})
		t.Rows = append(t.Rows, []string{n.Name, state, strconv.Itoa(n.Running), n.Roles, n.Regions, n.Version})
	}
	m.table(t, maxRows, kMoreRows)
	for _, p := range paused {
		m.text(p.words(who.l, kRegionHeld)...)
	}
	return m.m, nil
}

var nodeStates = map[string]key{"up": kNodeUp, "draining": kNodeDraining, "drained": kNodeDrained, "gone": kNodeGone}

// words say with a text who paused a region, and since when.
func (p PausedRegion) words(l Locale, k key) []Span {
	by := plain(p.By.Name)
	if p.By.Team != "" { // somebody of the chat, not of a shell
		by = mention(p.By)
	}
	spans := l.say(k, args{"region": code(p.Region), "who": by, "at": when(p.At)})
	if p.Reason != "" {
		spans = append(append(spans, plain(" ")), l.say(kComment, args{"text": plain(clip(p.Reason, 300))})...)
	}
	return spans
}

// held finds the pause that keeps jobs from starting; nil when none of them waits for that.
func (b *Bot) held(ctx context.Context, target string, jobs []engine.Job) (*PausedRegion, error) {
	waits := slices.ContainsFunc(jobs, func(j engine.Job) bool { return j.State == engine.JobQueued })
	if !waits || b.o.Tuning.Fleet == nil {
		return nil, nil
	}
	paused, err := b.o.Tuning.Fleet.Paused(ctx)
	if err != nil {
		return nil, fmt.Errorf("list paused regions: %w", err)
	}
	region := b.regionOf(target)
	for _, p := range paused {
		if p.Region == region {
			return &p, nil
		}
	}
	return nil, nil
}

// heldUp says that jobs do not start because a person wants that.
func (v view) heldUp(b *builder) {
	if v.region != nil {
		b.text(append([]Span{emoji("double_vertical_bar"), plain(" ")}, v.region.words(b.l, kRegionWaits)...)...)
	}
}
