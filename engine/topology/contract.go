package topology

import (
	"time"

	"mysql-recycler/engine/dbconn"
)

// Role is what a server is in its cluster.
type Role string

// Roles. A server that answers but fits none is RoleUnknown; the guard refuses it.
const (
	RolePrimary      Role = "primary"
	RoleReplica      Role = "replica"
	RoleIntermediate Role = "intermediate" // a replica with replicas of its own
	RoleStandalone   Role = "standalone"
	RoleGroupMember  Role = "group-member" // Group Replication or Galera
	RoleRelay        Role = "relay"        // binlog server
	RoleUnknown      Role = "unknown"
)

// Link is one replication channel of a replica, as the replica itself reports it.
type Link struct {
	Channel        string          `json:"channel,omitempty"`
	Source         dbconn.Addr     `json:"source"`
	SourceIdentity dbconn.Identity `json:"source_identity,omitempty"`
	SourceServerID uint32          `json:"source_server_id,omitempty"`
	SourceLogFile  string          `json:"source_log_file,omitempty"` // empty: configured but never started (RESET REPLICA leaves such a row)
	IORunning      string          `json:"io_running"`                // Yes, No, Connecting
	SQLRunning     string          `json:"sql_running"`
	LastError      string          `json:"last_error,omitempty"`
	Lag            *Lag            `json:"lag,omitempty"`
	Delay          time.Duration   `json:"delay,omitempty"` // configured SQL delay
	RetrievedGTID  string          `json:"retrieved_gtid,omitempty"`
}

// Lag is how far a replica is behind, and what that was read from.
type Lag struct {
	Seconds float64 `json:"seconds"`
	From    string  `json:"from"` // heartbeat, performance_schema, status
}

// Instance is one server as it was at At.
type Instance struct {
	Name         string          `json:"name"`
	Addr         dbconn.Addr     `json:"addr"`
	Identity     dbconn.Identity `json:"identity,omitempty"`
	ServerID     uint32          `json:"server_id,omitempty"`
	Version      dbconn.Version  `json:"version"`
	Role         Role            `json:"role"`
	State        State           `json:"state"`
	Links        []Link          `json:"links,omitempty"`
	Replicas     []Downstream    `json:"replicas,omitempty"`
	Group        string          `json:"group,omitempty"` // "galera", "group_replication primary", …; empty for none
	GTIDExecuted string          `json:"gtid_executed,omitempty"`
	ErrantGTID   string          `json:"errant_gtid,omitempty"`
	Reached      bool            `json:"reached"`
	Unreached    string          `json:"unreached,omitempty"` // why it was not reached, in words
	At           time.Time       `json:"at"`
}

// State is the part of an instance that protects it, read in one round trip.
type State struct {
	ReadOnly      bool  `json:"read_only"`
	SuperReadOnly bool  `json:"super_read_only"`
	LogBin        bool  `json:"log_bin"`
	LogUpdates    bool  `json:"log_replica_updates"`
	GTIDStrict    bool  `json:"gtid_strict"`
	GTIDMode      bool  `json:"gtid_mode"`
	Uptime        int64 `json:"uptime_s"`
}

// Downstream is a replica as its source sees it.
type Downstream struct {
	Addr     dbconn.Addr     `json:"addr"`
	Identity dbconn.Identity `json:"identity,omitempty"`
	ServerID uint32          `json:"server_id,omitempty"`
	From     string          `json:"from"` // show_replicas, processlist, group
}

// Topology is what one walk over a cluster found. Partial says that some node was not reached
// or is ambiguous; the guard treats such nodes as unknown.
type Topology struct {
	Cluster   string     `json:"cluster"`
	Seed      string     `json:"seed"`
	Instances []Instance `json:"instances"`
	Partial   bool       `json:"partial"`
	Warnings  []string   `json:"warnings,omitempty"`
	At        time.Time  `json:"at"`
}

// Options bounds a walk. Zero values mean the defaults named here.
type Options struct {
	MaxNodes    int           // 1000
	MaxDepth    int           // 10
	NodeTimeout time.Duration // 3 s
	Timeout     time.Duration // 30 s
	Parallel    int           // 16
	Heartbeat   string        // schema.table of pt-heartbeat rows; empty: none
}
