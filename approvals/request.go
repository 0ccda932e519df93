package approvals

import (
	"context"
	"errors"
	"time"

	"mysql-recycler/engine"
)

// Kind is what a request asks for.
type Kind string

// Kinds of requests.
const (
	KindDiscover Kind = "discover"
	KindRecycle  Kind = "recycle"
)

// State is where a request stands. Only a pending request has buttons.
type State string

// Request states.
const (
	Pending    State = "pending"
	Approved   State = "approved"
	Denied     State = "denied"
	Expired    State = "expired"
	Withdrawn  State = "withdrawn"
	Superseded State = "superseded"
)

// Actor is a person (or a schedule) as the chat platform's payload names it, never as text does.
type Actor struct {
	Team string `json:"team"`
	ID   string `json:"id"`
	Name string `json:"name"` // for display only; never compared
}

// Request asks for one piece of work on one target.
//
// long: it is a row of the store, and a part of it would be a word more everywhere.
type Request struct {
	ID           string       `json:"id"` // R-7QK2
	Kind         Kind         `json:"kind"`
	Cluster      string       `json:"cluster"`
	Target       string       `json:"target"` // host or cluster as resolved from the configuration
	Command      string       `json:"command"`
	Requester    Actor        `json:"requester"`
	Barred       []Actor      `json:"barred,omitempty"` // further people who must not approve: a schedule's author and last editor
	Channel      string       `json:"channel"`
	Plan         *engine.Plan `json:"plan,omitempty"` // recycle only; a list has Summary instead
	Digest       string       `json:"digest"`
	MinApprovals int          `json:"min_approvals"`
	State        State        `json:"state"`
	Created      time.Time    `json:"created"`
	Expires      time.Time    `json:"expires"`
	NotBefore    time.Time    `json:"not_before,omitzero"` // approved work starts then, not earlier; zero: at once
	Rule         Rule         `json:"rule,omitempty"`      // by what it becomes approved; empty counts as RuleReview
	Grounds      Grounds      `json:"grounds,omitzero"`
	Origin       string       `json:"origin,omitempty"` // the act that asked for it, where that may be handled again: unique
	Reviews      []Review     `json:"reviews,omitempty"`

	Summary *engine.PlanSummary `json:"-"` // of the plan, on a list; Work has it of any request
}

// Work is the summary of what is asked to be rebuilt; false for a discovery.
func (r Request) Work() (engine.PlanSummary, bool) {
	switch {
	case r.Summary != nil:
		return *r.Summary, true
	case r.Plan != nil:
		return r.Plan.Summary(), true
	}
	return engine.PlanSummary{}, false
}

// Decision is what a reviewer said.
type Decision string

// Decisions.
const (
	Approve Decision = "approve"
	Deny    Decision = "deny"
)

// Review is one person's decision on one digest.
type Review struct {
	RequestID string    `json:"request_id"`
	Reviewer  Actor     `json:"reviewer"`
	Decision  Decision  `json:"decision"`
	Comment   string    `json:"comment,omitempty"`
	Channel   string    `json:"channel,omitempty"` // where it was decided
	Digest    string    `json:"digest"`
	Approvers []string  `json:"approvers,omitempty"` // the approver set at that time
	Standing  string    `json:"standing,omitempty"`  // the standing approval it rests on; empty: the person decided now
	At        time.Time `json:"at"`

	Gives *Given `json:"-"` // the standing approval given with it: both are stored, or neither
}

// Store keeps requests. Every method is one transaction.
type Store interface {
	// CreateRequest inserts a pending request and appends EventRequestCreated. The reviews it comes
	// with are then recorded as by Review: a refusal of one leaves no request.
	CreateRequest(ctx context.Context, r Request) error
	// Request returns a request with its reviews, or engine.ErrNotFound.
	Request(ctx context.Context, id string) (Request, error)
	// Review inserts the review by compare-and-set on (pending, digest, not expired, reviewer not
	// the requester nor barred). When the request has enough approvals it becomes approved, the
	// jobs with their steps are inserted and handed to the queue in the same transaction. A lost
	// race is ErrConflict; the caller reads the request again to say what happened.
	Review(ctx context.Context, r Review, jobs []engine.Job) (Request, error)
	// Close moves a pending request to expired, withdrawn or superseded by compare-and-set.
	Close(ctx context.Context, id string, to State, by Actor, reason string) (Request, error)
}

// Directory tells who people are and who belongs to a group. An error means unknown, and unknown
// may not approve. Only a person of whom the platform says that there is no such account is
// engine.ErrNotFound.
type Directory interface {
	Person(ctx context.Context, team, id string) (Person, error)
	Members(ctx context.Context, group string) ([]string, error)
}

// Person is what the chat platform knows of somebody.
type Person struct {
	Actor
	Email   string
	Bot     bool
	Deleted bool
	Guest   bool // restricted or ultra restricted
	Foreign bool // from another organisation (Slack Connect)
	Locale  string
}

// ErrConflict says that a compare-and-set lost: the request is no longer what the caller saw.
var ErrConflict = errors.New("the request changed meanwhile")
