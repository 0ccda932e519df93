package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// Plan is what a person approves and exactly what runs: its digest is on the card, in the
// button and checked again before the first statement. It is frozen when it is made; live
// servers that no longer fit it stop the job.
type Plan struct {
	Cluster   string          `json:"cluster"`
	Mode      rebuild.Mode    `json:"mode"`
	Hosts     []HostPlan      `json:"hosts"`
	Limits    throttle.Limits `json:"limits"`
	LockWait  time.Duration   `json:"lock_wait"`
	Parallel  int             `json:"parallel"`  // tables at once on one host
	Tolerance float64         `json:"tolerance"` // share by which a table may have grown since the snapshot
	Policy    Policy          `json:"policy"`
	Snapshot  time.Time       `json:"snapshot"` // when the discovery it was made from was taken

	MinServing int       `json:"min_serving,omitempty"` // other replicas of a host's tier that must serve meanwhile
	Left       []LeftOut `json:"left,omitempty"`        // hosts of the cluster that are not worked on
	Bounds     Bounds    `json:"bounds,omitzero"`

	Plugins PluginPlan `json:"plugins,omitzero"`
	RetryOf string     `json:"retry_of,omitempty"` // the ended request whose undone tables these are
}

// LeftOut is a host of the cluster that a plan leaves alone, with the reason in words.
type LeftOut struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Primary bool   `json:"primary,omitempty"` // it can be done after a switchover, see Campaign
}

// Policy is what the approver accepts beside the ordinary; every true value is on the card.
type Policy struct {
	AllowPrimary bool `json:"allow_primary,omitempty"`
	AllowErrant  bool `json:"allow_errant,omitempty"`
	AllowPartial bool `json:"allow_partial,omitempty"`
	AllowCopy    bool `json:"allow_copy,omitempty"`
	AllowUnsafe  bool `json:"allow_unsafe,omitempty"`
	CheckRows    bool `json:"check_rows,omitempty"` // count rows before and after with the applier stopped
}

// expect is what the policy permits, as the guard reads it.
func (p Policy) expect() guard.Expectation {
	return guard.Expectation{AllowPrimary: p.AllowPrimary, AllowErrant: p.AllowErrant, AllowPartial: p.AllowPartial}
}

// HostPlan is the work on one server, which must still have this identity and role when it starts.
type HostPlan struct {
	Name     string          `json:"name"`
	Addr     dbconn.Addr     `json:"addr"`
	Identity dbconn.Identity `json:"identity"`
	Role     topology.Role   `json:"role"`
	Version  string          `json:"version"`
	Steps    []PlannedStep   `json:"steps"`
	Free     throttle.Free   `json:"free,omitzero"` // at the snapshot
	Alone    []LeftTable     `json:"alone,omitempty"`
}

// LeftTable is a table of a host that was asked for and is left alone because of how it would have
// to be rebuilt, with the reason in words. One that has nothing to give back is not told.
type LeftTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Bytes  int64  `json:"bytes"` // on disk at the snapshot
	Reason string `json:"reason"`
}

// PlannedStep is one table of a plan, or one partition of it, with the reason for its method and what it
// should give back. A partition counts as a table where tables are counted.
type PlannedStep struct {
	Seq       int            `json:"seq"`
	Schema    string         `json:"schema"`
	Table     string         `json:"table"`
	Partition string         `json:"partition,omitempty"` // which alone is rebuilt; empty: the whole table
	Method    rebuild.Method `json:"method"`
	Bytes     int64          `json:"bytes"`     // on disk at the snapshot
	Predicted int64          `json:"predicted"` // on disk after the rebuild
	Low       int64          `json:"low"`
	High      int64          `json:"high"`
	How       string         `json:"how"`
	Note      string         `json:"note,omitempty"` // what makes the prediction uncertain, in words
	Estimate  time.Duration  `json:"estimate"`
	Temp      int64          `json:"temp,omitempty"` // for sorting its secondary indexes, at most
}

// Digest is the SHA-256 of the plan's canonical JSON, in hex. Field order is the struct's, so
// two equal plans have one digest.
func (p Plan) Digest() string {
	b, err := json.Marshal(p)
	if err != nil { // a Plan holds nothing that cannot be marshalled
		panic(fmt.Sprintf("marshal plan: %v", err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Totals sums a plan over its hosts: tables, bytes on disk, bytes it should give back, and time
// one table after the other.
func (p Plan) Totals() (tables int, bytes, gain int64, estimate time.Duration) {
	for _, h := range p.Hosts {
		for _, s := range h.Steps {
			tables++
			bytes += s.Bytes
			gain += s.Bytes - s.Predicted
			estimate += s.Estimate
		}
	}
	return tables, bytes, gain, estimate
}

// PlanSummary is what a list shows of a plan.
type PlanSummary struct {
	Mode     rebuild.Mode  `json:"mode"`
	Snapshot time.Time     `json:"snapshot"`
	Hosts    []string      `json:"hosts"`
	Parallel int           `json:"parallel"`
	Tables   int           `json:"tables"`
	Bytes    int64         `json:"bytes"`
	Gain     int64         `json:"gain"`
	Estimate time.Duration `json:"estimate"` // one table after the other
}

// Summary is what a list shows of the plan.
func (p Plan) Summary() PlanSummary {
	s := PlanSummary{Mode: p.Mode, Snapshot: p.Snapshot, Hosts: make([]string, len(p.Hosts)), Parallel: p.Parallel}
	for i, h := range p.Hosts {
		s.Hosts[i] = h.Name
	}
	s.Tables, s.Bytes, s.Gain, s.Estimate = p.Totals()
	return s
}

// Discovery is one approved look at a cluster: its topology and, per inventoried host, the tables
// with their predictions. Plans are made from it, never from a live server.
type Discovery struct {
	ID       string            `json:"id"` // the request that asked for it
	Cluster  string            `json:"cluster"`
	Target   string            `json:"target"` // host or cluster as asked
	Topology topology.Topology `json:"topology"`
	Hosts    []HostInventory   `json:"hosts"`
	At       time.Time         `json:"at"`
}

// HostInventory is one host's tables, biggest gain first, and what the guard said of the host.
type HostInventory struct {
	Name    string        `json:"name"`
	Tables  []TableReport `json:"tables"`
	Verdict guard.Verdict `json:"verdict"`
	Free    throttle.Free `json:"free,omitzero"`
	Error   string        `json:"error,omitempty"` // why the inventory is missing, in words
}

// TableReport is a table with its prediction.
type TableReport struct {
	tablespace.Table
	Prediction tablespace.Prediction `json:"prediction"`
	Method     rebuild.Method        `json:"method"`
}

// Gain is what a rebuild should give back, in bytes; it can be negative, a rebuild can make a
// table bigger.
func (t TableReport) Gain() int64 { return t.Prediction.Gain(t.Table) }
