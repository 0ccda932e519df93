package configs

import "time"

// Config is the whole configuration. Every field says its default in its comment; a test holds
// the comments, Defaults and recycler.example.yaml together.
type Config struct {
	Slack     Slack     `yaml:"slack"`
	Storage   Storage   `yaml:"storage"`
	Node      Node      `yaml:"node"`
	Log       Log       `yaml:"log"`
	Language  Language  `yaml:"language" reload:"live"`
	Approvals Approvals `yaml:"approvals" reload:"live"`
	Engine    Engine    `yaml:"engine"`
	API       API       `yaml:"api"`
	Alerts    Alerts    `yaml:"alerts" reload:"live"`
	Schedules Schedules `yaml:"schedules" reload:"live"`
	Backup    Backup    `yaml:"backup"`
	Traces    Traces    `yaml:"traces"`
	// MySQL is how servers are reached, unless their cluster says otherwise.
	MySQL MySQL `yaml:"mysql" reload:"live"`
	// Plugins are programs of others that take part in jobs.
	Plugins []Plugin `yaml:"plugins"`
	// Clusters are the only servers that can be named, reached or changed.
	Clusters []Cluster `yaml:"clusters" reload:"live"`
}

// Slack is the chat side.
type Slack struct {
	// BotToken (xoxb-…) speaks to the Web API. Required; RECYCLER_SLACK_BOT_TOKEN overrides it.
	BotToken Secret `yaml:"bot_token"`
	// BotTokenFile is a file that holds the bot token.
	BotTokenFile string `yaml:"bot_token_file"`
	// AppToken (xapp-…) opens Socket Mode. Required; RECYCLER_SLACK_APP_TOKEN overrides it.
	AppToken Secret `yaml:"app_token"`
	// AppTokenFile is a file that holds the app token.
	AppTokenFile string `yaml:"app_token_file"`
	// APIURL is the root of the Web API. It must be https, except on this machine.
	// Defaults to "https://slack.com/api/".
	APIURL string `yaml:"api_url"`
	// Sockets is how many Socket Mode connections are held open, 1 to 10; with two, no click is
	// lost while Slack replaces one. Defaults to 2.
	Sockets int `yaml:"sockets"`
	// TellAtEnd mentions the requester and the approvers in the last reply of a run, so that their
	// client tells them. Defaults to true.
	TellAtEnd bool `yaml:"tell_at_end"`
	// FallbackChannel is the id of a channel for messages that their own channel cannot take, because
	// it is archived or the bot is not in it: cards go there, once, and their threads follow. Empty: an
	// archived channel's are given up, the others wait for an invitation.
	FallbackChannel string `yaml:"fallback_channel"`
	// Digest tells each channel once a week what came of its work.
	Digest Digest `yaml:"digest"`
}

// Storage is where requests, jobs and events are kept.
type Storage struct {
	// URL is sqlite://PATH with an absolute path on a local disk, for processes of one machine, or
	// postgres://USER:PASSWORD@HOST/DATABASE; RECYCLER_STORAGE_URL overrides it. It never prints.
	// Defaults to "sqlite:///var/lib/recycler/state.db".
	URL Secret `yaml:"url"`
	// URLFile is a file that holds the URL instead; RECYCLER_STORAGE_URL_FILE overrides it.
	URLFile string `yaml:"url_file"`
	// Retention is how long what may go is kept.
	Retention Retention `yaml:"retention"`
}

// Retention is how long rows are kept; 0 is for ever. Requests, decisions, jobs with their sums and
// the audit chain always stay. The active bot lets go, in steps of milliseconds.
type Retention struct {
	// Details are the single tables of a job after its end; then only their sums are kept. At least
	// 30d. Defaults to 180d.
	Details time.Duration `yaml:"details"`
	// Discoveries are what was found; the newest of each host always stays. At least 7d, and
	// engine.snapshot_max_age. Defaults to 30d.
	Discoveries time.Duration `yaml:"discoveries"`
	// Events are the facts of the event log, once their work has ended and every reader was told. At
	// least 7d. Defaults to 90d.
	Events time.Duration `yaml:"events"`
	// Chat are handled envelopes, and messages that are shown and whose work has ended. At least 1d.
	// Defaults to 7d.
	Chat time.Duration `yaml:"chat"`
}

// Node is what this process does among those that share one database.
type Node struct {
	// Name is what recycler nodes calls this process; empty: the machine's host name. Processes of one
	// name are drained together.
	Name string `yaml:"name"`
	// Roles are bot (talks to Slack; one of them is active at a time, the others wait), worker (runs
	// jobs) and api (answers HTTP, when api.listen is set). The flag --roles overrides them.
	// Defaults to ["bot","worker","api"].
	Roles []string `yaml:"roles"`
	// Regions are those whose servers this process reaches as a worker; empty: all of the
	// configuration. The flag --regions overrides them.
	Regions []string `yaml:"regions"`
	// Profile is an address of this machine on which Go's profiles are served, for example
	// 127.0.0.1:6060; empty: they are not.
	Profile string `yaml:"profile"`
}

// Log is what the process writes to standard error.
type Log struct {
	// Level is debug, info, warn or error; RECYCLER_LOG_LEVEL overrides it. Defaults to "info".
	Level string `yaml:"level" reload:"live"`
	// Format is json (one object a line) or console (for reading). Defaults to "json".
	Format string `yaml:"format"`
}

// Language is what the bot speaks: en (English) or zh (Simplified Chinese).
type Language struct {
	// Default is spoken where nothing else is set. Defaults to "en".
	Default string `yaml:"default"`
	// Channels maps channel ids to the language of their shared messages.
	Channels map[string]string `yaml:"channels"`
}

// Approvals is the second-person rule.
type Approvals struct {
	// Discovery is second_person (reading a host needs an approval too) or none. Defaults to
	// "second_person".
	Discovery string `yaml:"discovery"`
	// Expires is how long a request can be approved. Defaults to "4h".
	Expires time.Duration `yaml:"expires"`
	// RemindGroups mentions the approver groups once, in the first reminder that a request waits.
	// Defaults to false.
	RemindGroups bool `yaml:"remind_groups" reload:"live"`
	// Approvers may approve for every cluster that names none of its own.
	Approvers Approvers `yaml:"approvers"`
}

// Approvers are the people who may approve. The requester never may, whoever is listed.
type Approvers struct {
	// Users are member ids (U…, W…).
	Users []string `yaml:"users"`
	// Groups are user group ids (S…); their members are read afresh on a click.
	Groups []string `yaml:"groups"`
	// MinApprovals is how many different people must approve. Defaults to 1.
	MinApprovals int `yaml:"min_approvals"`
}

// Empty reports whether nobody is named.
func (a Approvers) Empty() bool { return len(a.Users) == 0 && len(a.Groups) == 0 }

// Engine is how this process works.
type Engine struct {
	// Workers is how many hosts of one region are worked on at once by this process. Defaults to 4.
	Workers int `yaml:"workers"`
	// SnapshotMaxAge is the age up to which a discovery can make a plan. Defaults to "24h".
	SnapshotMaxAge time.Duration `yaml:"snapshot_max_age" reload:"live"`
	// CampaignLife is how long a run over a cluster waits for a switchover, to ask for the old
	// primary. Defaults to "720h".
	CampaignLife time.Duration `yaml:"campaign_life" reload:"live"`
	// LeaseTTL is how long a worker owns a job without renewing; it renews every third of it.
	// Defaults to "15s".
	LeaseTTL time.Duration `yaml:"lease_ttl"`
	// ProgressInterval is how often a running job's message may be edited. Defaults to "3s".
	ProgressInterval time.Duration `yaml:"progress_interval"`
	// RescueAfter is how long after its worker fell silent a job is offered to others; never
	// shorter than lease_ttl. Defaults to "15s".
	RescueAfter time.Duration `yaml:"rescue_after"`
	// Cache is what is remembered of servers. It serves cards, plans and early refusals, and never
	// gives the permission to run.
	Cache Cache `yaml:"cache"`
}

// Cache bounds what is remembered of servers.
type Cache struct {
	// Discoveries is how long a discovery stays in memory; the database says which is the newest.
	// Defaults to "10m".
	Discoveries time.Duration `yaml:"discoveries"`
	// Refusals is how long a host that the guard refused is refused again without being asked,
	// unless it was discovered since; 0 remembers none. Defaults to "5m".
	Refusals time.Duration `yaml:"refusals"`
	// Dir is a folder for the last snapshots, which are read while the database does not answer;
	// empty: beside a SQLite file, and none with PostgreSQL.
	Dir string `yaml:"dir"`
}

// MySQL is a login and how the connection is made.
type MySQL struct {
	// User is the account on every server. Defaults to "recycler".
	User string `yaml:"user"`
	// Password of the account; RECYCLER_DB_PASSWORD overrides the one of the section mysql.
	Password Secret `yaml:"password"`
	// PasswordFile holds the password and is read at every connect, so a rotated one is picked up.
	PasswordFile string `yaml:"password_file"`
	// TLS of the connection.
	TLS TLS `yaml:"tls"`
	// DialTimeout bounds the opening of one connection. Defaults to "5s".
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// ReadTimeout bounds one reading statement; a rebuild is never bounded by it. Defaults to "10s".
	ReadTimeout time.Duration `yaml:"read_timeout"`
}
