package approvals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine"
)

// Policy says who may approve work on a cluster and for how long a request waits.
type Policy struct {
	Users        []string      // user ids
	Groups       []string      // user group ids, read from the directory at each decision
	MinApprovals int           // distinct people needed; 0 counts as 1
	Expires      time.Duration // life of a pending request; 0 counts as 4 hours
	Discovery    Discovery
	BreakGlass   BreakGlass
	Commands     map[Act]People // who may use which commands; an act that names nobody: everybody in the cluster's channels
}

// Discovery says whether a look at a cluster, which touches hosts only to read, needs a second person.
type Discovery string

// Discovery rules. SecondPerson is the default.
const (
	SecondPerson Discovery = "second_person"
	NoApproval   Discovery = "none"
)

// policyActor signs what the policy itself approves, so that such an approval can never be taken
// for a person's.
var policyActor = Actor{ID: "policy", Name: "policy"}

// Options are the parts a Service needs.
type Options struct {
	Store     Store
	Directory Directory
	Policy    func(cluster string) Policy
	NewID     func(ctx context.Context) (string, error)
	Now       func() time.Time // nil: time.Now

	Standing    Standing                              // nil: there are no standing approvals
	StandingMax time.Duration                         // the longest one; 0: none
	Fresh       func(context.Context) context.Context // asks the Directory for answers that are not old; nil: as it is
}

// Service is the only way to a job.
type Service struct{ o Options }

// NewService returns a Service over the given parts.
func NewService(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o}
}

// Draft is a request before it is asked.
type Draft struct {
	Kind      Kind
	Cluster   string
	Target    string
	Command   string
	Requester Actor
	Barred    []Actor
	Channel   string
	Plan      *engine.Plan
	ID        string    // reserved before, by whoever must be able to ask again for the same; empty: a new one
	NotBefore time.Time // approved work starts then; zero: at once
	Expires   time.Time // the latest moment of a decision; zero: as the policy says
	Rule      Rule      // empty: RuleReview
	Grounds   Grounds
	Origin    string // the act that asks, as its door names it; empty: it cannot be handled twice
}

// Submit stores a pending request. It refuses a request that nobody could approve, instead of
// letting it wait for ever.
func (s *Service) Submit(ctx context.Context, d Draft) (Request, error) {
	if (d.Kind == KindRecycle) != (d.Plan != nil) {
		return Request{}, fmt.Errorf("submit %s of %s: a plan belongs to a recycle and to nothing else", d.Kind, d.Target)
	}
	if d.Requester.ID == "" {
		return Request{}, fmt.Errorf("submit %s of %s: no requester", d.Kind, d.Target)
	}
	p := s.policy(d.Cluster)
	id, err := d.ID, error(nil)
	if id == "" {
		id, err = s.o.NewID(ctx)
	}
	if err != nil {
		return Request{}, fmt.Errorf("submit %s of %s: %w", d.Kind, d.Target, err)
	}
	if d.Rule == "" {
		d.Rule = RuleReview
	}
	if d.Rule == RuleBreakGlass {
		if err := s.breakGlass(ctx, &d, &p); err != nil {
			return Request{}, err
		}
	}
	r := s.draw(d, p, id)
	if !r.Expires.After(r.Created) {
		return Request{}, problem("expired", "There is no time left to decide about "+d.Target+".", "")
	}
	auto := d.Kind == KindDiscover && p.Discovery == NoApproval
	if auto {
		r.MinApprovals = 1
		r.Reviews = []Review{{
			RequestID: r.ID, Reviewer: policyActor, Decision: Approve, Digest: r.Digest, At: r.Created,
			Comment: "discovery needs no second person here (approvals.discovery: none)",
		}}
	} else if err := s.someoneElse(ctx, p, r); err != nil {
		return Request{}, err
	}
	err = s.o.Store.CreateRequest(ctx, r)
	var busy *engine.Problem
	switch {
	case auto && errors.As(err, &busy) && busy.Code == "host_busy": // its hint is for who approves
		return Request{}, problem(busy.Code, busy.Text, "Wait for its end, or cancel it first.")
	case err != nil:
		return Request{}, fmt.Errorf("submit %s: %w", r.ID, err)
	case auto:
		return s.o.Store.Request(ctx, r.ID)
	}
	return r, nil
}

// draw makes the request of a draft.
func (s *Service) draw(d Draft, p Policy, id string) Request {
	now := s.o.Now()
	if d.Expires.IsZero() {
		d.Expires = now.Add(p.Expires)
	}
	return Request{
		ID: id, Kind: d.Kind, Cluster: d.Cluster, Target: d.Target, Command: d.Command,
		Requester: d.Requester, Barred: d.Barred, Channel: d.Channel, Plan: d.Plan,
		Digest: digestOf(d), MinApprovals: p.MinApprovals, State: Pending,
		Created: now, Expires: d.Expires, NotBefore: d.NotBefore, Rule: d.Rule, Grounds: d.Grounds, Origin: d.Origin,
	}
}

// ReviewInput is a decision as it arrived. Digest may be a prefix of at least eight hex digits: a
// button carries that much.
type ReviewInput struct {
	RequestID string
	Digest    string
	Reviewer  Actor
	Decision  Decision
	Comment   string
	Channel   string // where the decision was made, for the record
}

// Review records one person's decision. It answers the request as it is afterwards, or a
// *engine.Problem that says why the decision does not count.
func (s *Service) Review(ctx context.Context, in ReviewInput) (Request, error) {
	return s.review(ctx, in, nil)
}

func (s *Service) review(ctx context.Context, in ReviewInput, gives *Given) (Request, error) {
	r, err := s.o.Store.Request(ctx, in.RequestID)
	if err != nil {
		return Request{}, notFound(in.RequestID, err)
	}
	approvers, err := s.mayReview(ctx, r, in)
	if err != nil {
		return r, err
	}
	review := Review{
		RequestID: r.ID, Reviewer: in.Reviewer, Decision: in.Decision, Comment: strings.TrimSpace(in.Comment),
		Channel: in.Channel, Digest: r.Digest, Approvers: approvers, At: s.o.Now(), Gives: gives,
	}
	after, err := s.o.Store.Review(ctx, review, JobsFor(r))
	if errors.Is(err, ErrConflict) {
		return s.lostRace(ctx, in)
	}
	if err != nil {
		return r, fmt.Errorf("review %s: %w", r.ID, err)
	}
	return after, nil
}

// lostRace says what happened to a request between reading and deciding.
func (s *Service) lostRace(ctx context.Context, in ReviewInput) (Request, error) {
	r, err := s.o.Store.Request(ctx, in.RequestID)
	if err != nil {
		return Request{}, notFound(in.RequestID, err)
	}
	if err := s.stillOpen(r, in); err != nil {
		return r, err
	}
	return r, problem("conflict", "Your decision was not stored: "+r.ID+" changed in the same moment.", "Look at the card and click again.")
}

// Withdraw lets the requester take a pending request back.
func (s *Service) Withdraw(ctx context.Context, id string, by Actor) (Request, error) {
	r, err := s.o.Store.Request(ctx, id)
	if err != nil {
		return Request{}, notFound(id, err)
	}
	if !same(r.Requester, by) {
		return r, problem("not_requester", "Only the requester can withdraw "+r.ID+".", "An approver can deny it instead.")
	}
	return s.close(ctx, r, Withdrawn, by, "withdrawn by the requester")
}

// Recall takes back a pending request that a schedule asked for: its author, its last editor and the
// approvers of the cluster may.
func (s *Service) Recall(ctx context.Context, id string, by Actor, reason string) (Request, error) {
	r, err := s.o.Store.Request(ctx, id)
	if err != nil {
		return Request{}, notFound(id, err)
	}
	if _, is := r.Requester.Schedule(); !is {
		return r, problem("not_requester", r.ID+" was not asked for by a schedule.", "Its requester can withdraw it.")
	}
	if err := s.MayStop(ctx, r.Cluster, by, r.Barred...); err != nil {
		return r, err
	}
	return s.close(ctx, r, Withdrawn, by, reason)
}

// MayStop lets the owners of work and the approvers of its cluster stop it; anybody else is refused
// with a *engine.Problem.
func (s *Service) MayStop(ctx context.Context, cluster string, by Actor, owners ...Actor) error {
	if slices.ContainsFunc(owners, func(a Actor) bool { return same(a, by) }) {
		return nil
	}
	set, err := s.Approvers(ctx, cluster)
	if err != nil {
		return err
	}
	if slices.Contains(set, by.ID) {
		return nil
	}
	return problem("not_yours_to_stop", "Only its owner and the approvers of "+cluster+" may do this.", "Ask one of them.")
}

// Supersede ends a pending request whose plan no longer fits.
func (s *Service) Supersede(ctx context.Context, id, reason string) (Request, error) {
	r, err := s.o.Store.Request(ctx, id)
	if err != nil {
		return Request{}, notFound(id, err)
	}
	return s.close(ctx, r, Superseded, Actor{}, reason)
}

// Expire ends pending requests whose time is over. One that was decided meanwhile is left alone.
func (s *Service) Expire(ctx context.Context, ids []string) error {
	var errs []error
	for _, id := range ids {
		_, err := s.o.Store.Close(ctx, id, Expired, Actor{}, "nobody decided in time")
		if err != nil && !errors.Is(err, ErrConflict) {
			errs = append(errs, fmt.Errorf("expire %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// close moves a pending request to a final state, or says what it is already.
func (s *Service) close(ctx context.Context, r Request, to State, by Actor, reason string) (Request, error) {
	after, err := s.o.Store.Close(ctx, r.ID, to, by, reason)
	if !errors.Is(err, ErrConflict) {
		return after, err
	}
	now, err := s.o.Store.Request(ctx, r.ID)
	if err != nil {
		return r, notFound(r.ID, err)
	}
	return now, decided(now)
}

// policy returns the cluster's policy with defaults.
func (s *Service) policy(cluster string) Policy {
	p := s.o.Policy(cluster)
	if p.MinApprovals < 1 {
		p.MinApprovals = 1
	}
	if p.Expires <= 0 {
		p.Expires = 4 * time.Hour
	}
	return p
}

// JobsFor builds the jobs an approval of r inserts: one per host, or one for a discovery.
func JobsFor(r Request) []engine.Job {
	job := engine.Job{
		ID: r.ID, RequestID: r.ID, Kind: engine.JobDiscover, Cluster: r.Cluster, Host: r.Target,
		Digest: r.Digest, State: engine.JobQueued, Wanted: engine.WantRun,
	}
	if r.Kind == KindDiscover {
		return []engine.Job{job}
	}
	jobs := make([]engine.Job, 0, len(r.Plan.Hosts))
	for i, h := range r.Plan.Hosts {
		j := job
		j.Kind, j.Host, j.Plan = engine.JobRecycle, h.Name, *r.Plan
		if i > 0 {
			j.ID = fmt.Sprintf("%s.%d", r.ID, i+1)
		}
		for _, st := range h.Steps {
			j.Steps = append(j.Steps, engine.Step{Seq: st.Seq, Plan: st, State: engine.StepPending})
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// digestOf binds a request to exactly what it asks for.
func digestOf(d Draft) string {
	if d.Plan != nil {
		return d.Plan.Digest()
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{string(d.Kind), d.Cluster, d.Target}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// same compares people by the platform's ids, never by name. An Enterprise Grid may report another
// team at the click than at the command, and user ids are unique across a grid, so the id decides.
func same(a, b Actor) bool { return a.ID == b.ID }
