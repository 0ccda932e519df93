package guard

import (
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Subject is what the validators judge: one instance, the cluster around it, and what was approved.
type Subject struct {
	Instance topology.Instance // read on the executing connection when Fresh, else from a snapshot
	Fresh    bool              // a snapshot may only refuse; permission needs Fresh
	Running  bool              // the statement runs already: an applier that stops now is no reason to end it
	Topology topology.Topology // the newest walk known
	Expect   Expectation
}

// Expectation is what the approved plan says about the instance.
type Expectation struct {
	Identity     dbconn.Identity // empty: not yet known
	Role         topology.Role   // empty: not yet known
	Replicated   bool            // binlog-on: the statement would be written to the binary log
	AllowPrimary bool            // cluster policy, off by default
	AllowErrant  bool            // cluster policy for binlog-on with GTID on a replica
	AllowPartial bool            // a topology with unreached nodes was accepted by the approver
	Stopped      []string        // channels whose applier we stopped ourselves; empty name: the default channel
}

// primaryAllowed reports whether the policy lets this server be a primary: the cluster allows it
// and the plan that was approved says that it is one.
func (s Subject) primaryAllowed() bool {
	return s.Expect.AllowPrimary && s.Expect.Role == topology.RolePrimary
}

// name is how people call the server.
func (s Subject) name() string {
	if s.Instance.Name != "" {
		return s.Instance.Name
	}
	return s.Instance.Addr.String()
}

// evidence says what was read, where and when.
func (s Subject) evidence(format string, args ...any) string {
	return fmt.Sprintf(format, args...) + fmt.Sprintf(" on %s, read at %s", s.name(), s.Instance.At.Format("15:04:05"))
}

// accept is a finding that nothing speaks against the server.
func (s Subject) accept(v Validator, sentence, evidence string) Finding {
	return Finding{Validator: v.Name(), Sentence: sentence, Evidence: evidence, At: s.Instance.At}
}

// refuse is a reason not to touch the server.
func (s Subject) refuse(v Validator, sentence, evidence string) Finding {
	return Finding{Validator: v.Name(), Refused: true, Sentence: sentence, Evidence: evidence, At: s.Instance.At}
}

// unknown refuses because something could not be learned. It is told apart from a refusal with
// cause, so that the watch can look again before it ends a statement.
func (s Subject) unknown(v Validator, sentence, evidence string) Finding {
	f := s.refuse(v, sentence, evidence)
	f.Unknown = true
	return f
}

// promoted refuses because the server shows what a promotion makes of a replica.
func (s Subject) promoted(v Validator, sentence, evidence string) Finding {
	f := s.refuse(v, sentence, evidence)
	f.Promotion = true
	return f
}

// Finding is one validator's answer.
type Finding struct {
	Validator string    `json:"validator"`
	Refused   bool      `json:"refused"`
	Unknown   bool      `json:"unknown,omitempty"`   // refused because something could not be learned
	Promotion bool      `json:"promotion,omitempty"` // refused because the server looks like a primary
	Sentence  string    `json:"sentence"`            // for people: "db-prod-1 accepts writes (read_only=0)"
	Evidence  string    `json:"evidence"`            // "read_only=0 on db-prod-1, read at 14:02:11"
	At        time.Time `json:"at"`
}
