package configs

import "time"

// day is a unit of retention.
const day = 24 * time.Hour

// Defaults is the configuration of an empty file. It is not valid: tokens and clusters have no default.
func Defaults() Config {
	return Config{
		Slack: Slack{
			TellAtEnd: true,
			Digest:    Digest{Enabled: true, Day: "mon", Time: "09:00", Zone: "UTC"},
			APIURL:    "https://slack.com/api/",
			Sockets:   2,
		},
		Storage:   Storage{URL: NewSecret(defaultStorage), Retention: Retention{Details: 180 * day, Discoveries: 30 * day, Events: 90 * day, Chat: 7 * day}},
		Node:      Node{Roles: []string{RoleBot, RoleWorker, RoleAPI}},
		Log:       Log{Level: "info", Format: "json"},
		Language:  Language{Default: "en"},
		Approvals: Approvals{Discovery: "second_person", Expires: 4 * time.Hour, Approvers: Approvers{MinApprovals: 1}},
		Engine: Engine{
			Workers:          4,
			SnapshotMaxAge:   24 * time.Hour,
			CampaignLife:     30 * 24 * time.Hour,
			LeaseTTL:         15 * time.Second,
			ProgressInterval: 3 * time.Second,
			RescueAfter:      15 * time.Second,
			Cache:            Cache{Discoveries: 10 * time.Minute, Refusals: 5 * time.Minute},
		},
		Alerts:    Alerts{Timeout: 5 * time.Second},
		Backup:    Backup{Schedule: "30 3 * * *", Keep: 14},
		Traces:    Traces{Timeout: 10 * time.Second},
		Schedules: Schedules{Announce: time.Hour, Window: 4 * time.Hour, Zone: "UTC", Missed: "skip", Standing: 30 * 24 * time.Hour, StandingMax: 90 * 24 * time.Hour},
		API:       API{Rate: 20, MaxBody: 64 << 10},
		MySQL: MySQL{
			User:        "recycler",
			TLS:         TLS{Mode: "required"},
			DialTimeout: 5 * time.Second,
			ReadTimeout: 10 * time.Second,
		},
	}
}

// DefaultCluster is what a cluster has that names nothing. Its login and its approvers are empty:
// they come from the sections mysql and approvals.
func DefaultCluster() Cluster {
	return Cluster{
		Environment: "production",
		Region:      "default",
		Rebuild: Rebuild{
			Mode:       "binlog-off",
			Parallel:   1,
			LockWait:   5 * time.Second,
			MinServing: 1,
			MinGain:    64 << 20,
			MinShare:   0.1,
			Tolerance:  0.2,
			AtOnce:     1,
		},
		Limits: Limits{
			MaxLag:         10 * time.Second,
			CriticalLag:    5 * time.Minute,
			ThreadsRunning: 40,
			HistoryLength:  1_000_000,
			LongTrx:        10 * time.Second,
			DiskFree:       5 << 30,
		},
		External: External{Answer: "role", Replica: []string{"replica"}, Timeout: 2 * time.Second, Retries: 1, Refusals: 10 * time.Second},
	}
}

// inherit fills what a cluster leaves out from the sections it belongs under. A password is
// inherited only when the cluster names neither a password nor a file, TLS only as a whole, so
// that no cluster mixes two sources by accident.
func (c *Config) inherit() {
	for i := range c.Clusters {
		m, up := &c.Clusters[i].MySQL, c.MySQL
		if m.User == "" {
			m.User = up.User
		}
		if !m.Password.Set() && m.PasswordFile == "" {
			m.Password, m.PasswordFile = up.Password, up.PasswordFile
		}
		if m.TLS == (TLS{}) {
			m.TLS = up.TLS
		}
		if m.TLS.Mode == "" {
			m.TLS.Mode = up.TLS.Mode
		}
		if m.DialTimeout == 0 {
			m.DialTimeout = up.DialTimeout
		}
		if m.ReadTimeout == 0 {
			m.ReadTimeout = up.ReadTimeout
		}
		a, all := &c.Clusters[i].Approvers, c.Approvals.Approvers
		if a.Empty() {
			a.Users, a.Groups = all.Users, all.Groups
		}
		if a.MinApprovals == 0 {
			a.MinApprovals = all.MinApprovals
		}
		for j := range c.Clusters[i].Hosts {
			if h := &c.Clusters[i].Hosts[j]; h.Addr == "" && h.Name != "" {
				h.Addr = h.Name + ":3306"
			}
		}
	}
}
