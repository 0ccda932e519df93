package approvals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Envelope is what a standing approval covers: the schedule as it was, the cluster's configuration
// as a plan freezes it, who approves there, the servers, and the most that one run may rebuild.
type Envelope struct {
	Schedule  string      `json:"schedule"`
	Command   string      `json:"command"` // with its filters and caps
	Timing    Timing      `json:"timing"`
	Frame     engine.Plan `json:"frame"` // mode, limits, policy, bounds; without servers and tables
	Approvers string      `json:"approvers"`
	Hosts     []Server    `json:"hosts"`
	Tables    int         `json:"tables"` // at most, in one run
	Bytes     int64       `json:"bytes"`  // at most, in one run, as they are on disk
}

// Server is a host of an envelope. Another server under the same name is another server.
type Server struct {
	Name     string          `json:"name"`
	Identity dbconn.Identity `json:"identity"`
	Role     topology.Role   `json:"role"`
}

// EnvelopeOf is what a plan of a schedule needs to be covered.
func EnvelopeOf(x Schedule, p engine.Plan, who Policy) Envelope {
	e := Envelope{Schedule: x.ID, Command: x.Command, Timing: x.Timing, Frame: p, Approvers: who.String()}
	e.Tables, e.Bytes, _, _ = p.Totals()
	for _, h := range p.Hosts {
		e.Hosts = append(e.Hosts, Server{h.Name, h.Identity, h.Role})
	}
	e.Frame.Hosts, e.Frame.Left, e.Frame.Snapshot, e.Frame.Bounds.Time, e.Frame.Bounds.Until = nil, nil, time.Time{}, 0, time.Time{}
	return e
}

// String is the part of a policy that a standing approval rests on.
func (p Policy) String() string {
	sorted := func(ids []string) string { return strings.Join(slices.Sorted(slices.Values(ids)), ",") }
	return fmt.Sprintf("%d of users %s groups %s", p.MinApprovals, sorted(p.Users), sorted(p.Groups))
}

// Digest is the SHA-256 of the envelope's JSON, in hex.
func (e Envelope) Digest() string {
	b, err := json.Marshal(e)
	if err != nil { // an Envelope holds nothing that cannot be marshalled
		panic(fmt.Sprintf("marshal envelope: %v", err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Grant is one person's standing approval of an envelope.
type Grant struct {
	ID        string    `json:"id"` // G-7QK2
	Schedule  string    `json:"schedule"`
	Envelope  *Envelope `json:"envelope,omitempty"`
	Digest    string    `json:"digest"` // of the envelope
	Reviewer  Actor     `json:"reviewer"`
	Approvers []string  `json:"approvers,omitempty"` // the approver set at that time
	At        time.Time `json:"at"`
	Expires   time.Time `json:"expires"`
}

// Difference is one reason why a standing approval does not cover a run. Was and Now are names and
// numbers, never sentences: the reader's language is the bot's business.
type Difference struct {
	What string `json:"what"`
	Who  string `json:"who,omitempty"` // whose approval; empty: everybody's
	Was  string `json:"was,omitempty"`
	Now  string `json:"now,omitempty"`
}

// What differs.
const (
	DiffCommand = "command"
	DiffTiming  = "timing"
	DiffConfig  = "config"    // mode, limits, policy or bounds of the cluster
	DiffPolicy  = "approvers" // who approves there, as configured
	DiffHost    = "host"      // a server that is not in the envelope
	DiffTables  = "tables"
	DiffBytes   = "bytes"
	DiffExpired = "expired"
	DiffPerson  = "person" // who gave it may not approve this run any more
	DiffForged  = "forged" // what is stored is not what was approved
	DiffFew     = "few"    // more people are needed
)

// Given is a standing approval that a review gives, with the fact that tells of it.
type Given struct {
	Grant Grant
	Fact  engine.Event
}

// Standing is the store of standing approvals, which reviews bring. Every method is one transaction.
type Standing interface {
	// Grants lists those of a schedule that were not ended, oldest first.
	Grants(ctx context.Context, schedule string) ([]Grant, error)
	// EndGrant ends one; one that is ended already is approvals.ErrConflict.
	EndGrant(ctx context.Context, id string, by Actor, what string, e engine.Event) error
	// Schedule returns a schedule, or engine.ErrNotFound.
	Schedule(ctx context.Context, id string) (Schedule, error)
}

// Cover is what the standing approvals of a schedule say of one run.
type Cover struct {
	Grants      []Grant      // as many as are needed and hold; empty: a person must decide
	Differences []Difference // why those there are do not hold; empty when there are none
}

// Holds says that the run needs no click.
func (c Cover) Holds() bool { return len(c.Grants) > 0 }

// GrantInput is a reviewer's decision to approve this run and all that will be like it.
type GrantInput struct {
	ReviewInput
	Tables int           // caps of one run
	Bytes  int64         // on disk
	For    time.Duration // how long it stands
}

// GrantStanding approves a schedule's run, and every later one inside the same envelope. Who may do
// it is who may approve this run; whoever wrote or edited the schedule since may not. A refused
// approval of this run gives nothing.
func (s *Service) GrantStanding(ctx context.Context, in GrantInput) (Grant, Request, error) {
	in.Decision = Approve
	r, err := s.o.Store.Request(ctx, in.RequestID)
	if err != nil {
		return Grant{}, r, notFound(in.RequestID, err)
	}
	id, is := r.Requester.Schedule()
	if !is || r.Plan == nil || s.o.Standing == nil || s.o.StandingMax <= 0 {
		return Grant{}, r, problem("no_standing", "There are no standing approvals for "+r.ID+".", "Approve this run alone.")
	}
	set, err := s.mayReview(ctx, r, in.ReviewInput)
	if err != nil {
		return Grant{}, r, err
	}
	x, err := s.o.Standing.Schedule(ctx, id)
	if err != nil {
		return Grant{}, r, fmt.Errorf("read schedule %s: %w", id, err)
	}
	if slices.ContainsFunc(x.Barred(), func(a Actor) bool { return same(a, in.Reviewer) }) {
		return Grant{}, r, problem("barred", "You wrote or last edited "+x.ID+"; someone else must decide.", "")
	}
	g, err := s.grant(x, r, in, set)
	if err != nil {
		return Grant{}, r, err
	}
	if g.ID, err = s.o.NewID(ctx); err != nil {
		return Grant{}, r, err
	}
	g.ID = "G" + strings.TrimPrefix(g.ID, "R")
	in.Comment = strings.TrimSpace(in.Comment + " (" + g.ID + ")")
	r, err = s.review(ctx, in.ReviewInput, &Given{g, standingEvent(x, "granted", in.Reviewer, g)})
	if err != nil {
		return Grant{}, r, err
	}
	return g, r, nil
}

// grant draws the standing approval, or refuses caps and times that make no sense.
func (s *Service) grant(x Schedule, r Request, in GrantInput, set []string) (Grant, error) {
	e := EnvelopeOf(x, *r.Plan, s.policy(x.Cluster))
	switch {
	case x.State != ScheduleActive || x.Command != strings.SplitN(r.Command, " --after=", 2)[0]:
		return Grant{}, problem("plan_changed", x.ID+" is no longer as it was when "+r.ID+" was asked.", "Wait for its next run.")
	case in.Tables < e.Tables || in.Bytes < e.Bytes:
		return Grant{}, problem("standing_cap", "The caps are smaller than this run is.", "Choose caps that cover it, or approve this run alone.")
	case in.For < time.Hour || in.For > s.o.StandingMax:
		return Grant{}, problem("standing_time", fmt.Sprintf("A standing approval is for 1 hour to %d days.", int(s.o.StandingMax.Hours()/24)), "Choose a shorter time.")
	}
	e.Tables, e.Bytes = in.Tables, in.Bytes
	now := s.o.Now().UTC().Truncate(time.Millisecond)
	return Grant{Schedule: x.ID, Envelope: &e, Digest: e.Digest(), Reviewer: in.Reviewer, Approvers: set, At: now, Expires: now.Add(in.For)}, nil
}

// Covered asks the standing approvals of a schedule about a plan that is to start at a time. Who gave
// them is looked up afresh. Something that cannot be read is an error and covers nothing.
func (s *Service) Covered(ctx context.Context, x Schedule, p engine.Plan, at time.Time) (Cover, error) {
	if s.o.Standing == nil || s.o.StandingMax <= 0 {
		return Cover{}, nil
	}
	grants, err := s.o.Standing.Grants(ctx, x.ID)
	if err != nil || len(grants) == 0 {
		return Cover{}, err
	}
	policy := s.policy(x.Cluster)
	set, err := s.people(ctx, x.Cluster, policy.Users, policy.Groups)
	if err != nil {
		return Cover{}, err
	}
	run := EnvelopeOf(x, p, policy)
	var c Cover
	for _, g := range grants {
		ds := covers(g, run, at)
		person, err := s.stillApproves(ctx, x, g, set)
		if err != nil {
			return Cover{}, err
		}
		if !person {
			ds = append(ds, Difference{What: DiffPerson})
		}
		if len(ds) == 0 {
			g.Envelope, g.Approvers = nil, nil
			c.Grants = append(c.Grants, g)
			continue
		}
		for _, d := range ds {
			d.Who = g.Reviewer.Name
			c.Differences = append(c.Differences, d)
		}
	}
	if n := len(c.Grants); n < policy.MinApprovals {
		if n > 0 {
			c.Differences = append(c.Differences, Difference{What: DiffFew, Was: strconv.Itoa(n), Now: strconv.Itoa(policy.MinApprovals)})
		}
		c.Grants = nil
		return c, nil
	}
	c.Grants, c.Differences = c.Grants[:policy.MinApprovals], nil
	return c, nil
}

// covers compares a run with what one person approved.
func covers(g Grant, run Envelope, at time.Time) []Difference {
	was := g.Envelope
	if was == nil || was.Digest() != g.Digest || was.Schedule != run.Schedule {
		return []Difference{{What: DiffForged}}
	}
	var ds []Difference
	differs := func(yes bool, d Difference) {
		if yes {
			ds = append(ds, d)
		}
	}
	differs(!at.Before(g.Expires), Difference{What: DiffExpired, Was: g.Expires.UTC().Format(time.RFC3339)})
	differs(was.Command != run.Command, Difference{What: DiffCommand, Was: was.Command, Now: run.Command})
	differs(was.Timing != run.Timing, Difference{What: DiffTiming, Was: was.Timing.Cron + " " + was.Timing.Zone, Now: run.Timing.Cron + " " + run.Timing.Zone})
	differs(was.Frame.Digest() != run.Frame.Digest(), Difference{What: DiffConfig})
	differs(was.Approvers != run.Approvers, Difference{What: DiffPolicy})
	for _, h := range run.Hosts {
		differs(!slices.Contains(was.Hosts, h), Difference{What: DiffHost, Now: h.Name})
	}
	differs(run.Tables > was.Tables, Difference{What: DiffTables, Was: strconv.Itoa(was.Tables), Now: strconv.Itoa(run.Tables)})
	differs(run.Bytes > was.Bytes, Difference{What: DiffBytes, Was: strconv.FormatInt(was.Bytes, 10), Now: strconv.FormatInt(run.Bytes, 10)})
	return ds
}

// stillApproves says whether a person could approve a run of this schedule now.
func (s *Service) stillApproves(ctx context.Context, x Schedule, g Grant, set []string) (bool, error) {
	if !slices.Contains(set, g.Reviewer.ID) {
		return false, nil
	}
	r := Request{ID: x.ID, Requester: x.Actor(), Barred: x.Barred()}
	if slices.ContainsFunc(r.Barred, func(a Actor) bool { return same(a, g.Reviewer) }) {
		return false, nil
	}
	err := s.trusted(ctx, r, g.Reviewer)
	switch codeOf(err) {
	case "not_member", "own_request":
		return false, nil
	}
	return err == nil, err
}

// Stand approves a schedule's request under its standing approvals, when they still hold for it at
// this moment. What it answers beside the request is why not.
func (s *Service) Stand(ctx context.Context, id string) (Request, Cover, error) {
	if s.o.Fresh != nil {
		ctx = s.o.Fresh(ctx)
	}
	r, err := s.o.Store.Request(ctx, id)
	if err != nil {
		return r, Cover{}, notFound(id, err)
	}
	schedule, is := r.Requester.Schedule()
	if !is || r.Plan == nil || r.Rule != RuleStanding || r.State != Pending {
		return r, Cover{}, decided(r)
	}
	x, err := s.o.Standing.Schedule(ctx, schedule)
	if err != nil {
		return r, Cover{}, fmt.Errorf("read schedule %s: %w", schedule, err)
	}
	now := s.o.Now()
	c, err := s.Covered(ctx, x, *r.Plan, now)
	if err != nil || !c.Holds() || x.State != ScheduleActive {
		c.Grants = nil
		return r, c, err
	}
	set, err := s.Approvers(ctx, r.Cluster)
	if err != nil {
		return r, Cover{}, err
	}
	for _, g := range c.Grants {
		if slices.ContainsFunc(r.Reviews, func(v Review) bool { return same(v.Reviewer, g.Reviewer) }) {
			continue // a process that ended had come this far
		}
		v := Review{RequestID: r.ID, Reviewer: g.Reviewer, Decision: Approve, Digest: r.Digest, Approvers: set, Standing: g.ID, At: now,
			Comment: "envelope " + g.Digest[:minDigest]}
		after, err := s.o.Store.Review(ctx, v, JobsFor(r))
		if err != nil {
			return r, c, fmt.Errorf("stand by %s: %w", g.ID, err)
		}
		if r = after; r.State != Pending {
			break
		}
	}
	return r, c, nil
}

// EndStanding ends every standing approval of a schedule; what says why in a word: withdrawn, edited,
// removed, expired. Who may do it, its caller has checked.
func (s *Service) EndStanding(ctx context.Context, x Schedule, by Actor, what string) (int, error) {
	if s.o.Standing == nil {
		return 0, nil
	}
	grants, err := s.o.Standing.Grants(ctx, x.ID)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, g := range grants {
		if what == "expired" && s.o.Now().Before(g.Expires) {
			continue
		}
		err := s.o.Standing.EndGrant(ctx, g.ID, by, what, standingEvent(x, "standing_"+what, by, g))
		if errors.Is(err, ErrConflict) {
			continue // somebody was faster
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// standingEvent is a fact about a standing approval.
func standingEvent(x Schedule, what string, by Actor, g Grant) engine.Event {
	b, err := json.Marshal(ScheduleFact{Schedule: x, What: what, By: by.Name, Text: g.Reviewer.Name, Grant: &g})
	if err != nil { // a fact holds nothing that cannot be marshalled
		panic(fmt.Sprintf("marshal fact: %v", err))
	}
	return engine.Event{Kind: EventScheduleChanged, Actor: by.ID, Data: b}
}
