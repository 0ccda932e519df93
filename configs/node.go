package configs

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Roles of a process.
const (
	RoleBot    = "bot"
	RoleWorker = "worker"
	RoleAPI    = "api"
)

// defaultStorage is where state is kept when nothing else is said.
const defaultStorage = "sqlite:///var/lib/recycler/state.db"

// Option changes the configuration after the file and the environment were read and before it is
// checked: what the command line says.
type Option func(*Config)

// WithNode overrides node.roles and node.regions; an empty list leaves what is configured.
func WithNode(roles, regions []string) Option {
	return func(c *Config) {
		if len(roles) > 0 {
			c.Node.Roles = roles
		}
		if len(regions) > 0 {
			c.Node.Regions = regions
		}
	}
}

// Has reports whether this process has a role.
func (n Node) Has(role string) bool { return slices.Contains(n.Roles, role) }

// Works reports whether this process works as a worker in a region.
func (n Node) Works(region string) bool {
	return n.Has(RoleWorker) && (len(n.Regions) == 0 || slices.Contains(n.Regions, region))
}

// chats reports whether this process needs Slack: who may approve is asked there, also for the API.
func (n Node) chats() bool { return n.Has(RoleBot) || n.Has(RoleAPI) }

func (n Node) validate(m *mistakes, clusters []Cluster) {
	if len(n.Roles) == 0 {
		m.addf("node.roles", "is empty; write bot, worker, api or some of them")
	}
	for i, r := range n.Roles {
		at := fmt.Sprintf("node.roles[%d]", i)
		oneOf(m, at, r, RoleBot, RoleWorker, RoleAPI)
		if slices.Contains(n.Roles[:i], r) {
			m.addf(at, "%s is listed twice", r)
		}
	}
	if n.Profile != "" {
		if host, _, err := net.SplitHostPort(n.Profile); err != nil || !loopback(host) {
			m.addf("node.profile", "%q is not an address of this machine, for example 127.0.0.1:6060", n.Profile)
		}
	}
	var known []string
	for _, c := range clusters {
		if !slices.Contains(known, c.Region) {
			known = append(known, c.Region)
		}
	}
	for i, r := range n.Regions {
		if len(known) > 0 { // that there are no clusters is told elsewhere
			oneOf(m, fmt.Sprintf("node.regions[%d]", i), r, known...)
		}
	}
}

// validate never repeats the URL, which can hold a password.
func (s Storage) validate(m *mistakes) {
	s.Retention.validate(m)
	u, err := url.Parse(s.URL.Reveal())
	switch {
	case err != nil:
		m.addf("storage.url", "is not a URL")
	case u.Scheme == "postgres" || u.Scheme == "postgresql":
		if strings.Trim(u.Path, "/") == "" {
			m.addf("storage.url", "needs a database, for example postgres://recycler@db.example.net:5432/recycler")
		}
	case u.Scheme != "sqlite":
		m.addf("storage.url", "must begin with sqlite:// or postgres://, for example sqlite:///var/lib/recycler/state.db")
	case u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasSuffix(u.Path, "/"):
		m.addf("storage.url", "needs the absolute path of a file after sqlite://, for example sqlite:///var/lib/recycler/state.db")
	case u.RawQuery != "" || u.Fragment != "":
		m.addf("storage.url", "takes a path and nothing else")
	}
}

// validate holds what triggers of the database hold too, so that it is told at the start.
func (r Retention) validate(m *mistakes) {
	for _, x := range []struct {
		key         string
		keep, least time.Duration
	}{{"details", r.Details, 30 * day}, {"discoveries", r.Discoveries, 7 * day}, {"events", r.Events, 7 * day}, {"chat", r.Chat, day}} {
		if x.keep != 0 && x.keep < x.least {
			m.addf("storage.retention."+x.key, "is %v; the least is %v, and 0 keeps everything", x.keep, x.least)
		}
	}
}
