package configs

import "time"

// Cluster is one replication cluster: its servers, its people and its limits.
//
// long: each field is a key of the file, as people write it.
type Cluster struct {
	// Name is what people type. Required.
	Name string `yaml:"name"`
	// Environment is production, staging or development; production asks once more before an
	// approval counts. Defaults to "production".
	Environment string `yaml:"environment"`
	// Region is the queue of the workers that can reach the servers. Defaults to "default".
	Region string `yaml:"region"`
	// Channel is the id of the channel (C…, G…) where the cluster's threads are. Required.
	Channel string `yaml:"channel"`
	// Channels are further channels from which its commands are accepted.
	Channels []string `yaml:"channels"`
	// Hosts are the servers that can be named. Required.
	Hosts []Host `yaml:"hosts"`
	// Allow are patterns of what discovery may follow beyond hosts: names (db-prod-*; a star stops
	// at a dot), addresses (10.0.*), networks (10.0.0.0/24), each with :port if need be.
	// Credentials are sent nowhere else.
	Allow []string `yaml:"allow"`
	// MySQL is the login for this cluster; what is left out comes from the section mysql.
	MySQL MySQL `yaml:"mysql"`
	// Approvers of this cluster; when nobody is named, those of the section approvals.
	Approvers Approvers `yaml:"approvers"`
	// BreakGlass is for what cannot wait; off while nobody is named.
	BreakGlass BreakGlass `yaml:"break_glass"`
	// Commands say who may use which, of those in its channels.
	Commands Commands `yaml:"commands"`
	// Rebuild is how tables are rebuilt here.
	Rebuild Rebuild `yaml:"rebuild"`
	// Limits hold a job back, or stop it, while a server is busy.
	Limits Limits `yaml:"limits"`
	// Policy permits what is refused by default.
	Policy Policy `yaml:"policy"`
	// HeartbeatTable is schema.table written by pt-heartbeat, to read the lag from.
	HeartbeatTable string `yaml:"heartbeat_table"`
	// HeartbeatUTC says that pt-heartbeat runs with --utc; without, it writes the local time of its
	// machine (its own default), and the cluster's machines must be in one time zone. Defaults to false.
	HeartbeatUTC bool `yaml:"heartbeat_utc"`
	// External is a source of truth that is asked about each host's role before it is touched.
	External External `yaml:"external"`
	// Hooks are plugins of kind hook, asked in this order before the first statement on a node, and
	// in the other after the last.
	Hooks []string `yaml:"hooks"`
}

// BreakGlass lets the people named ask so that one approval is enough, their own group may give it
// too, and the maintenance window does not hold it back. Everything else stays as it is: the second
// person, every check of the guard, the limits, the primary.
type BreakGlass struct {
	// Users are member ids (U…, W…).
	Users []string `yaml:"users"`
	// Groups are user group ids (S…).
	Groups []string `yaml:"groups"`
	// Channel is the id of the channel (C…, G…) where each use is told. Required when anybody is
	// named.
	Channel string `yaml:"channel"`
}

// Commands narrow who may use what on a cluster. Where nobody is named, everybody in its channels may;
// what else a command asks for, such as being the requester or an approver to stop a job, stays.
type Commands struct {
	// Look is plan, top, status, list, history and what the home page shows.
	Look People `yaml:"look"`
	// Ask is discover, run and retry; run --break-glass has its own people.
	Ask People `yaml:"ask"`
	// Steer is pause, resume, cancel and skip; requesters can always withdraw what nobody decided yet.
	Steer People `yaml:"steer"`
	// Schedule is whatever changes a schedule.
	Schedule People `yaml:"schedule"`
}

// People are named one by one or in groups; a group that cannot be read has nobody in it.
type People struct {
	// Users are member ids (U…, W…).
	Users []string `yaml:"users"`
	// Groups are user group ids (S…); their members are read afresh when a command is typed.
	Groups []string `yaml:"groups"`
}

// Host is one server.
type Host struct {
	// Name is what people type. Required.
	Name string `yaml:"name"`
	// Addr is host:port; without it, the name and port 3306.
	Addr string `yaml:"addr"`
	// FreeDisk is what is free for its data, where neither the server nor a plugin of kind disk can
	// tell; 0 is unknown.
	FreeDisk Size `yaml:"free_disk"`
	// FreeTmp is what is free where its temporary files are; 0 is unknown.
	FreeTmp Size `yaml:"free_tmp"`
}

// TLS is how a connection to a server is protected.
type TLS struct {
	// Mode is disabled, required (encrypted, the server is not verified), verify-ca or
	// verify-identity. There is no "preferred": it would let the network choose plain text.
	// Defaults to "required".
	Mode string `yaml:"mode"`
	// CA is a PEM file of certificate authorities; without it, the system's.
	CA string `yaml:"ca"`
	// Cert is a PEM file with the client certificate.
	Cert string `yaml:"cert"`
	// Key is a PEM file with the client certificate's key.
	Key string `yaml:"key"`
	// ServerName is the name to expect in the server's certificate, if not the address.
	ServerName string `yaml:"server_name"`
}

// Rebuild is how tables are chosen and rebuilt.
type Rebuild struct {
	// Mode is binlog-off (only the server itself changes) or binlog-on. Defaults to "binlog-off".
	Mode string `yaml:"mode"`
	// Parallel is how many tables of one host are rebuilt at once. Defaults to 1.
	Parallel int `yaml:"parallel"`
	// LockWait bounds how long a rebuild waits for a table's lock, and so every stall it can
	// cause. Defaults to "5s".
	LockWait time.Duration `yaml:"lock_wait"`
	// MinServing is how many other replicas must be serving while one is rebuilt: of the same source,
	// or of the cluster where the source has fewer. A host with too few others is refused. Defaults to 1.
	MinServing int `yaml:"min_serving"`
	// MinGain is the gain below which a table is not offered. Defaults to "64MiB".
	MinGain Size `yaml:"min_gain"`
	// MinShare is the share of its file, 0 to 1, below which a table is not offered. Defaults to
	// 0.1.
	MinShare float64 `yaml:"min_share"`
	// Tolerance is the share by which a table may have grown since the plan. Defaults to 0.2.
	Tolerance float64 `yaml:"tolerance"`
	// CheckRows stops the applier during each rebuild and counts the table's rows before and
	// after. Defaults to false.
	CheckRows bool `yaml:"check_rows"`
	// AtOnce is how many hosts of the cluster are worked on at the same time, whoever asked for
	// them. Defaults to 1.
	AtOnce int `yaml:"at_once"`
	// MaxTables is how many tables one run may rebuild, the biggest gains first; 0 for no bound.
	MaxTables int `yaml:"max_tables"`
	// MaxBytes is how much one run may rebuild, as it is on disk; 0 for no bound.
	MaxBytes Size `yaml:"max_bytes"`
	// MaxTime is how long a host's job may start tables; 0 for no bound.
	MaxTime time.Duration `yaml:"max_time"`
	// Window is when tables may be started.
	Window Window `yaml:"window"`
}

// Window is a maintenance window. A table is started only when it is expected to end in it.
type Window struct {
	// From is when it opens, "22:00"; empty: always open.
	From string `yaml:"from"`
	// To is when it closes; not after From, it is the next day.
	To string `yaml:"to"`
	// Zone is the time zone of both, "Europe/Berlin"; empty: UTC.
	Zone string `yaml:"zone"`
	// Days on which it opens (mon, tue, wed, thu, fri, sat, sun); empty: every day.
	Days []string `yaml:"days"`
}

// Limits bound one job; 0 turns a limit off.
type Limits struct {
	// MaxLag holds a start back while a replica is further behind. Defaults to "10s".
	MaxLag time.Duration `yaml:"max_lag"`
	// CriticalLag stops a running rebuild. Defaults to "5m".
	CriticalLag time.Duration `yaml:"critical_lag"`
	// ThreadsRunning holds a start back while more threads are running. Defaults to 40.
	ThreadsRunning int `yaml:"threads_running"`
	// HistoryLength holds a start back while InnoDB's history list is longer. Defaults to 1000000.
	HistoryLength int64 `yaml:"history_length"`
	// LongTrx holds a start back while a transaction older than this is open on the table.
	// Defaults to "10s".
	LongTrx time.Duration `yaml:"long_trx"`
	// DiskFree is what must stay free beside the new file; with 0 the file itself must still fit,
	// where it is known what is free. Defaults to "5GiB".
	DiskFree Size `yaml:"disk_free"`
}

// Policy permits what is otherwise refused. What is true here is written on every card.
type Policy struct {
	// AllowPrimary lets a primary be rebuilt in mode binlog-on; needs min_approvals of 2 or more.
	// Defaults to false.
	AllowPrimary bool `yaml:"allow_primary"`
	// AllowErrant lets binlog-on make a transaction of a replica's own. Defaults to false.
	AllowErrant bool `yaml:"allow_errant"`
	// AllowPartial lets work start while part of the cluster did not answer. Defaults to false.
	AllowPartial bool `yaml:"allow_partial"`
	// AllowCopy lets tables be rebuilt in ways that make writes to them wait, and so replication:
	// copied where the server cannot rebuild them in place, and single partitions of a table where
	// a few hold what there is to gain or the disk has no room for all of it. Defaults to false.
	AllowCopy bool `yaml:"allow_copy"`
	// AllowUnsafe lets tables be rebuilt under traffic on versions known to lose rows then.
	// Defaults to false.
	AllowUnsafe bool `yaml:"allow_unsafe"`
}

// External is an HTTP service that knows every host's role, or a cluster's primary. It can only
// refuse, and it refuses when it does not answer.
type External struct {
	// URL with {cluster}, {name}, {host} and {port} filled in per question; empty asks nobody.
	URL string `yaml:"url"`
	// Token is sent as a bearer token.
	Token Secret `yaml:"token"`
	// TokenFile holds the token.
	TokenFile string `yaml:"token_file"`
	// Answer is what json_path tells: role (of the host asked about) or primary (the host name of the
	// cluster's primary, as orchestrator does). Defaults to "role".
	Answer string `yaml:"answer"`
	// JSONPath names the field of the answer, in gjson syntax: data.role, Key.Hostname.
	JSONPath string `yaml:"json_path"`
	// PortPath names the field with the primary's port; without it the host alone is compared.
	PortPath string `yaml:"port_path"`
	// Replica are the roles that permit work. Defaults to ["replica"].
	Replica []string `yaml:"replica"`
	// Timeout bounds one question. Defaults to "2s".
	Timeout time.Duration `yaml:"timeout"`
	// Retries is how often a question without an answer is asked again. All attempts of a question
	// must fit into 5 s. Defaults to 1.
	Retries int `yaml:"retries"`
	// Refusals is how long a refusal holds without asking again; what permits is never remembered.
	// Defaults to "10s".
	Refusals time.Duration `yaml:"refusals"`
}
