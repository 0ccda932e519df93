package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine"
)

// minDigest is how much of a digest a decision must name: 32 bits tell one plan from another on a
// card, and the store compares the whole one.
const minDigest = 8

// mayReview answers the approver set at this time, or why this decision does not count.
func (s *Service) mayReview(ctx context.Context, r Request, in ReviewInput) ([]string, error) {
	if err := s.stillOpen(r, in); err != nil {
		return nil, err
	}
	if same(r.Requester, in.Reviewer) {
		return nil, problem("own_request", "You asked for "+r.ID+"; someone else must decide.",
			"You can withdraw it.")
	}
	if slices.ContainsFunc(r.Barred, func(a Actor) bool { return same(a, in.Reviewer) }) {
		return nil, problem("barred", "You wrote or last edited the schedule behind "+r.ID+"; someone else must decide.", "")
	}
	if err := s.trusted(ctx, r, in.Reviewer); err != nil {
		return nil, err
	}
	set, err := s.Deciders(ctx, r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(set, in.Reviewer.ID) {
		return nil, problem("not_approver", "You are not in the approver group of "+r.Cluster+".",
			"Ask one of its approvers to decide on "+r.ID+".")
	}
	if in.Decision == Deny && strings.TrimSpace(in.Comment) == "" {
		return nil, problem("reason_missing", "A denial needs a reason.", "Say in a sentence why "+r.ID+" should not run.")
	}
	return set, nil
}

// stillOpen refuses what is decided, expired or no longer the plan on the clicked card.
func (s *Service) stillOpen(r Request, in ReviewInput) error {
	if r.State != Pending {
		return decided(r)
	}
	if !s.o.Now().Before(r.Expires) {
		return problem("expired", r.ID+" expired at "+r.Expires.UTC().Format("15:04 UTC")+".", "Ask again with the same command.")
	}
	if len(in.Digest) < minDigest || !strings.HasPrefix(r.Digest, in.Digest) {
		return problem("plan_changed", "The plan of "+r.ID+" is not the one on the card you clicked.", "Look at the newest card and decide there.")
	}
	for _, v := range r.Reviews {
		if same(v.Reviewer, in.Reviewer) {
			return problem("already_yours", "You already decided on "+r.ID+"; it waits for another person.", "")
		}
	}
	return nil
}

// trusted refuses everybody the platform does not vouch for as a full member, and one human with
// two accounts: whoever asked must be known to be another person.
func (s *Service) trusted(ctx context.Context, r Request, a Actor) error {
	p, err := s.fullMember(ctx, a)
	if err != nil || p.Email == "" {
		return err
	}
	for _, other := range append([]Actor{r.Requester}, r.Barred...) {
		if _, is := other.Schedule(); is {
			continue
		}
		q, err := s.o.Directory.Person(ctx, other.Team, other.ID)
		if errors.Is(err, engine.ErrNotFound) {
			continue // a requester who is gone does not make the reviewer less of a second person
		}
		if err != nil {
			return &engine.Problem{Code: "unknown_person", Err: err,
				Text: "I could not look up who asked for " + r.ID + ", so your decision does not count.", Next: "Try again in a minute."}
		}
		if strings.EqualFold(q.Email, p.Email) {
			return problem("own_request", "You asked for "+r.ID+" with your other account; someone else must decide.", "")
		}
	}
	return nil
}

// Approvers lists the user ids that may approve work on a cluster now, sorted. A group that cannot
// be read makes the whole set unknown.
func (s *Service) Approvers(ctx context.Context, cluster string) ([]string, error) {
	p := s.policy(cluster)
	return s.people(ctx, cluster, p.Users, p.Groups)
}

// someoneElse refuses a request whose approvers, without its requester and barred people, are too few.
func (s *Service) someoneElse(ctx context.Context, p Policy, r Request) error {
	set, err := s.deciders(ctx, r, p)
	if err != nil {
		return err
	}
	set = slices.DeleteFunc(set, func(id string) bool {
		return id == r.Requester.ID || slices.ContainsFunc(r.Barred, func(a Actor) bool { return a.ID == id })
	})
	if len(set) >= r.MinApprovals {
		return nil
	}
	return problem("no_approvers", fmt.Sprintf("Nobody could approve this: %s needs %d approver(s) other than you, and %d are configured.",
		r.Cluster, r.MinApprovals, len(set)), "An administrator can add approvers for "+r.Cluster+" in the configuration.")
}

// decided says what became of a request that is no longer pending.
func decided(r Request) *engine.Problem {
	who := ""
	for _, v := range r.Reviews {
		if (r.State == Approved && v.Decision == Approve) || (r.State == Denied && v.Decision == Deny) {
			who = " by " + v.Reviewer.Name + " at " + v.At.UTC().Format("15:04:05 UTC")
		}
	}
	return problem("already_decided", r.ID+" is already "+string(r.State)+who+".", "")
}

func notFound(id string, err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return problem("no_request", "There is no request "+id+".", "`list` shows what is there.")
	}
	return fmt.Errorf("read request %s: %w", id, err)
}

func problem(code, text, next string) *engine.Problem {
	return &engine.Problem{Code: code, Text: text, Next: next}
}
