package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mysql-recycler/engine"
)

// Rule is by what a request becomes approved.
type Rule string

// Rules. Whichever it is, a second person stands behind it.
const (
	RuleReview     Rule = "review"      // the approvers of the cluster, as many as its policy says
	RuleBreakGlass Rule = "break-glass" // one person of the break-glass group or of the approvers
	RuleStanding   Rule = "standing"    // a standing approval of the schedule that asks
)

// Grounds are what a rule rests on; they are frozen with the request.
type Grounds struct {
	Reason  string       `json:"reason,omitempty"`  // break-glass: why it cannot wait
	Typed   string       `json:"typed,omitempty"`   // break-glass: the host's name as the requester typed it
	Notice  string       `json:"notice,omitempty"`  // break-glass: the channel where it is told
	Grants  []Grant      `json:"grants,omitempty"`  // standing: which approvals, without their envelopes
	Outside []Difference `json:"outside,omitempty"` // review: why the standing approval does not hold for this run
}

// BreakGlass lets a named group ask with less ceremony when it cannot wait. It is off while nobody
// is named.
type BreakGlass struct {
	Users  []string // user ids
	Groups []string // user group ids, read from the directory each time
	Notice string   // the channel where each use is told
}

// Off says that nobody may break the glass.
func (b BreakGlass) Off() bool { return len(b.Users) == 0 && len(b.Groups) == 0 }

// EventBreakGlass tells, beside the ordinary event, that the glass was broken; its data is
// BreakGlassFact. Readers that alert look for it.
const EventBreakGlass engine.EventKind = "request.break_glass"

// BreakGlassFact is the data of EventBreakGlass.
type BreakGlassFact struct {
	What   string `json:"what"` // asked, approved, denied, …
	By     Actor  `json:"by"`
	Target string `json:"target"`
	Reason string `json:"reason"`
}

// breakGlassLife bounds how long a break-glass request can be approved: what could wait longer was
// no emergency.
const breakGlassLife = time.Hour

// minReason is how many characters the reason of a break-glass request has at least.
const minReason = 20

// MayBreakGlass refuses everybody who is not in the cluster's break-glass group now, with a
// *engine.Problem; a group that cannot be read refuses as well.
func (s *Service) MayBreakGlass(ctx context.Context, cluster string, by Actor) error {
	p := s.policy(cluster)
	if p.BreakGlass.Off() {
		return problem("break_glass_off", "Break-glass is not switched on for "+cluster+".",
			"Ask without --break-glass; an administrator can name a break_glass group in the configuration.")
	}
	if err := s.member(ctx, by); err != nil {
		return err
	}
	set, err := s.people(ctx, cluster, p.BreakGlass.Users, p.BreakGlass.Groups)
	if err != nil {
		return err
	}
	if !slices.Contains(set, by.ID) {
		return problem("not_break_glass", "You are not in the break-glass group of "+cluster+".", "Ask without --break-glass.")
	}
	return nil
}

// breakGlass checks a break-glass draft and loosens p for it: one approval, and the break-glass group
// may give it too. Nothing else is loosened; a plan that would touch a primary is refused, because
// that needs the two people its policy asks for.
func (s *Service) breakGlass(ctx context.Context, d *Draft, p *Policy) error {
	if err := s.MayBreakGlass(ctx, d.Cluster, d.Requester); err != nil {
		return err
	}
	d.Grounds.Reason = strings.TrimSpace(d.Grounds.Reason)
	switch {
	case utf8.RuneCountInString(d.Grounds.Reason) < minReason:
		return problem("break_glass_reason", fmt.Sprintf("A break-glass request needs a reason of at least %d characters.", minReason),
			"Say what happens if it waits.")
	case strings.TrimSpace(d.Grounds.Typed) != d.Target:
		return problem("break_glass_name", "The name you typed is not "+d.Target+".", "Type the host's name exactly as it is shown.")
	case d.Plan != nil && d.Plan.Policy.AllowPrimary:
		return problem("break_glass_primary", "Break-glass is not for plans that may touch a primary.", "Ask without --break-glass.")
	}
	d.Grounds.Notice = p.BreakGlass.Notice
	p.MinApprovals, p.Expires = 1, min(p.Expires, breakGlassLife)
	return nil
}

// Deciders lists the user ids that may approve a request now, by its rule; its requester and barred
// people are among them when they are in the groups.
func (s *Service) Deciders(ctx context.Context, r Request) ([]string, error) {
	return s.deciders(ctx, r, s.policy(r.Cluster))
}

func (s *Service) deciders(ctx context.Context, r Request, p Policy) ([]string, error) {
	users, groups := p.Users, p.Groups
	if r.Rule == RuleBreakGlass {
		if p.BreakGlass.Off() { // it was switched off since, and its one approval is not what counts now
			return nil, problem("break_glass_off", "Break-glass was switched off for "+r.Cluster+" after "+r.ID+" was asked.", "Ask without --break-glass.")
		}
		users, groups = slices.Concat(users, p.BreakGlass.Users), slices.Concat(groups, p.BreakGlass.Groups)
	}
	return s.people(ctx, r.Cluster, users, groups)
}

// people lists who may approve work on a cluster. A group that cannot be read makes the whole set unknown.
func (s *Service) people(ctx context.Context, cluster string, users, groups []string) ([]string, error) {
	return s.members(ctx, users, groups, "I could not read who may approve work on "+cluster+", so nobody may right now.")
}

// members lists users and the members of groups, sorted. A group that cannot be read is the
// *engine.Problem group_unreadable with the sentence given.
func (s *Service) members(ctx context.Context, users, groups []string, unread string) ([]string, error) {
	set := slices.Clone(users)
	for _, g := range groups {
		m, err := s.o.Directory.Members(ctx, g)
		if err != nil {
			return nil, &engine.Problem{Code: "group_unreadable", Err: err, Text: unread,
				Next: "Try again in a minute; an administrator can check the bot's usergroups:read scope."}
		}
		set = append(set, m...)
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// member refuses everybody the platform does not vouch for as a full member.
func (s *Service) member(ctx context.Context, a Actor) error {
	_, err := s.fullMember(ctx, a)
	return err
}

func (s *Service) fullMember(ctx context.Context, a Actor) (Person, error) {
	p, err := s.o.Directory.Person(ctx, a.Team, a.ID)
	if err != nil {
		return p, &engine.Problem{Code: "unknown_person", Err: err,
			Text: "I could not look you up, so your decision does not count.", Next: "Try again in a minute."}
	}
	if p.Bot || p.Deleted || p.Guest || p.Foreign {
		return p, problem("not_member", "Only full members of this workspace may decide.", "")
	}
	return p, nil
}

// codeOf is the code of a refusal; empty for other errors.
func codeOf(err error) string {
	var p *engine.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}
