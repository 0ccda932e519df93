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
	Unapplied      int64           `json:"unapplied,omitempty"` // transactions received and not yet executed; MariaDB: at most
}

// Configured reports whether the channel has a source and has ever read from it. A row without a
// log file is what RESET REPLICA leaves behind on a server that may be a primary now.
func (l Link) Configured() bool { return l.Source.Host != "" && l.SourceLogFile != "" }

// Running reports whether both threads run. A receiver that tries to connect counts as not.
func (l Link) Running() bool { return l.IORunning == "Yes" && l.SQLRunning == "Yes" }

// Lag is how far a replica is behind, and what that was read from.
type Lag struct {
	Seconds float64 `json:"seconds"`
	From    string  `json:"from"` // heartbeat, performance_schema, status
}

// Where a lag or a downstream replica was read from.
const (
	FromHeartbeat   = "heartbeat"
	FromPerfSchema  = "performance_schema"
	FromStatus      = "status"
	FromReplicas    = "show_replicas"
	FromProcesslist = "processlist"
	FromGroup       = "group"
)

// Instance is one server as it was at At.
//
// long: it is the one record of a server that snapshots, cards and the guard share, and every field
// is an answer of the server.
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

	Aliases []dbconn.Addr `json:"aliases,omitempty"` // further addresses that led to this server
	Missing []string      `json:"missing,omitempty"` // what could not be read, in words; the guard refuses such an instance
	Binlog  BinlogPos     `json:"binlog"`

	// GTIDCurrent is MariaDB's gtid_current_pos, how far the server is in each domain.
	GTIDCurrent string `json:"gtid_current,omitempty"`

	// LastSeen is when a server that was not reached answered an earlier walk, and LastSource whom it
	// replicated from then. Zero: it never did, or was forgotten.
	LastSeen   time.Time       `json:"last_seen,omitzero"`
	LastSource dbconn.Identity `json:"last_source,omitempty"`

	beats   []Beat      // of the heartbeat table, until they are settled into lags
	beaten  bool        // the heartbeat table was read
	applied []appliedBy // of performance_schema, likewise
	listed  bool        // the list of replicas was read
	notes   []string    // what the walk warns of
	lacks   []dbconn.Right
}

// State is the part of an instance that protects it, read in one round trip.
type State struct {
	ReadOnly      bool `json:"read_only"`
	SuperReadOnly bool `json:"super_read_only"`
	LogBin        bool `json:"log_bin"`
	LogUpdates    bool `json:"log_replica_updates"`
	GTIDStrict    bool `json:"gtid_strict"`
	GTIDMode      bool `json:"gtid_mode"`
}

// BinlogPos is where a server writes its binary log.
type BinlogPos struct {
	File     string `json:"file,omitempty"`
	Position int64  `json:"position,omitempty"`
}

// Downstream is a replica as its source sees it.
type Downstream struct {
	Addr     dbconn.Addr     `json:"addr"`
	Identity dbconn.Identity `json:"identity,omitempty"`
	ServerID uint32          `json:"server_id,omitempty"`
	From     string          `json:"from"` // show_replicas, processlist, group

	// Seen is the address the replica connects from, which may differ from the one it reports.
	Seen dbconn.Addr `json:"seen,omitzero"`
	// near are further hosts it may be on: connections of replicas that do not say which they are.
	near []string

	// Stale says that the source still lists a replica that replicates from elsewhere by now.
	Stale bool `json:"stale,omitempty"`
}

// Told reports whether the server said what it is and how it is set, whatever else it left unsaid.
func (i Instance) Told() bool { return i.Version.Raw != "" }

// Registered reports whether a replica told its source that it is one. A connection that only reads
// the binary log may be a tool (mysqlbinlog, change data capture) and makes nobody a source.
func (d Downstream) Registered() bool { return d.From != FromProcesslist }

// RoleOf is the role an instance has by what it says of itself, without its neighbours. The walk
// knows more: in a ring the writable servers are primaries.
func RoleOf(i Instance) Role {
	sources, replicas := 0, 0
	for _, l := range i.Links {
		if l.Configured() {
			sources++
		}
	}
	for _, d := range i.Replicas {
		if d.Registered() && !d.Stale {
			replicas++
		}
	}
	switch {
	case !i.Reached:
		return RoleUnknown
	case i.Role == RoleRelay:
		return RoleRelay
	case i.Group != "":
		return RoleGroupMember
	case sources > 0 && replicas > 0:
		return RoleIntermediate
	case sources > 0:
		return RoleReplica
	case replicas > 0:
		return RolePrimary
	}
	return RoleStandalone
}

// Lag is the worst lag over the instance's channels; false if any of them does not tell one, or
// there is none.
func (i Instance) Lag() (Lag, bool) {
	var worst Lag
	found := false
	for _, l := range i.Links {
		if !l.Configured() {
			continue
		}
		if l.Lag == nil {
			return Lag{}, false
		}
		if !found || l.Lag.Seconds > worst.Seconds {
			worst, found = *l.Lag, true
		}
	}
	return worst, found
}
