package guard

import (
	"context"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Subject is what the validators judge: one instance, the cluster around it, and what was approved.
type Subject struct {
	Instance topology.Instance // read on the executing connection when Fresh, else from a snapshot
	Fresh    bool              // a snapshot may only refuse; permission needs Fresh
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
}

// Finding is one validator's answer.
type Finding struct {
	Validator string    `json:"validator"`
	Refused   bool      `json:"refused"`
	Sentence  string    `json:"sentence"` // for people: "db-prod-1 accepts writes (read_only=0)"
	Evidence  string    `json:"evidence"` // "read_only=0 on db-prod-1, read at 14:02:11"
	At        time.Time `json:"at"`
}

// Verdict is what all validators together say. Allowed is true only if every validator was heard
// and none refused.
type Verdict struct {
	Findings []Finding `json:"findings"`
}

// Validator is one independent reason to refuse. An error, a timeout or missing evidence is a refusal.
type Validator interface {
	Name() string
	Judge(ctx context.Context, s Subject) Finding
}
