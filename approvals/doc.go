// Package approvals is the second-person rule and nothing else: work on a host exists only after
// somebody other than its requester, who is allowed to, said yes to exactly that work.
//
// # States
//
//	pending ─▶ approved | denied | expired | withdrawn | superseded
//
// Only a pending request can change, and each change is one compare-and-set in the store. Two
// people who click in the same millisecond, a click delivered three times or eight minutes late:
// one decision, and everybody else is told which one it was.
//
// # Rules
//
// By default the cluster's approvers decide, as many as its policy says. Break-glass, off unless a
// group is named, lowers that to one other person, of the approvers or of that group, and lifts the
// maintenance window; it needs a reason and the typed host name, and touches nothing of the guard. A
// standing approval is one person's consent to every run of a schedule inside an Envelope; each run
// is compared with it, and its giver looked up afresh, in the moment the run starts. Whatever differs
// asks a person again.
//
// # Failure behaviour
//
// Closed: a person who cannot be looked up, a group that cannot be read, a digest that differs, a
// clock past the expiry all refuse. Every refusal is an *engine.Problem with a stable code, a
// sentence and the next step. The store's CHECK constraints are the last line: they refuse a
// reviewer who is the requester even if this package were wrong.
//
// # What it does not do
//
// It starts nothing and knows no chat. Jobs are inserted by the store in the approving transaction.
package approvals
