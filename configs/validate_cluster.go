package configs

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
	regionForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$`)
	tableForm  = regexp.MustCompile("^[^.`\\s]{1,64}\\.[^.`\\s]{1,64}$")
	holes      = regexp.MustCompile(`\{[^}]*\}?`)
)

// validate checks one cluster after inheritance; what is wrong in an inherited section is told
// there alone.
func (c *Cluster) validate(m *mistakes, path string, login MySQL, all Approvers) {
	c.validateName(m, path)
	c.validatePeople(m, path, all)
	if len(c.Hosts) == 0 {
		m.addf(path+".hosts", "is empty; at least one server is needed")
	}
	for i, h := range c.Hosts {
		h.validate(m, fmt.Sprintf("%s.hosts[%d]", path, i))
	}
	for i, p := range c.Allow {
		m.err(fmt.Sprintf("%s.allow[%d]", path, i), checkPattern(p))
	}
	if c.MySQL != login {
		c.MySQL.validate(m, path+".mysql")
	}
	c.BreakGlass.validate(m, path+".break_glass")
	c.Commands.validate(m, path+".commands")
	c.Rebuild.validate(m, path+".rebuild")
	c.Limits.validate(m, path+".limits")
	if c.HeartbeatTable != "" {
		form(m, path+".heartbeat_table", c.HeartbeatTable, tableForm, "schema.table")
	}
	c.External.validate(m, path+".external")
}

func (c *Cluster) validateName(m *mistakes, path string) {
	if c.Name == "" {
		m.addf(path+".name", "is missing")
	} else {
		form(m, path+".name", c.Name, nameForm, "a name of letters, digits, dots, dashes and underscores")
	}
	oneOf(m, path+".environment", c.Environment, "production", "staging", "development")
	form(m, path+".region", c.Region, regionForm, "a region of lower case letters, digits and dashes")
	if c.Channel == "" {
		m.addf(path+".channel", "is missing; open the channel's details in Slack to copy its id (C…)")
	} else {
		form(m, path+".channel", c.Channel, channelID, "a channel id (C… or G…)")
	}
	ids(m, path+".channels", c.Channels, channelID, "a channel id (C… or G…)")
}

// validatePeople makes sure that somebody can approve. A set that is empty, or smaller than the
// approvals asked for, would leave every request to expire.
func (c *Cluster) validatePeople(m *mistakes, path string, all Approvers) {
	a, at := c.Approvers, path+".approvers"
	own := !slices.Equal(a.Users, all.Users) || !slices.Equal(a.Groups, all.Groups)
	if own || a.MinApprovals != all.MinApprovals {
		a.validate(m, at)
	}
	switch {
	case a.Empty():
		m.addf(at, "nobody may approve; name users or groups here or in approvals.approvers")
	case len(a.Groups) == 0 && len(a.Users) < a.MinApprovals:
		m.addf(at, "%d different people must approve, but the users named are %d", a.MinApprovals, len(a.Users))
	}
	if c.Policy.AllowPrimary && a.MinApprovals < 2 {
		m.addf(path+".policy.allow_primary", "needs approvers.min_approvals of 2 or more")
	}
}

// validate refuses an emergency door that nobody would hear opening.
func (b BreakGlass) validate(m *mistakes, path string) {
	ids(m, path+".users", b.Users, userID, "a member id (U… or W…)")
	ids(m, path+".groups", b.Groups, groupID, "a user group id (S…)")
	if b.Channel != "" {
		form(m, path+".channel", b.Channel, channelID, "a channel id (C… or G…)")
	} else if len(b.Users)+len(b.Groups) > 0 {
		m.addf(path+".channel", "is missing; each use of break-glass is told there")
	}
}

func (c Commands) validate(m *mistakes, path string) {
	for _, x := range []struct {
		at string
		People
	}{{"look", c.Look}, {"ask", c.Ask}, {"steer", c.Steer}, {"schedule", c.Schedule}} {
		ids(m, path+"."+x.at+".users", x.Users, userID, "a member id (U… or W…)")
		ids(m, path+"."+x.at+".groups", x.Groups, groupID, "a user group id (S…)")
	}
}

func (h Host) validate(m *mistakes, path string) {
	if h.Name == "" {
		m.addf(path+".name", "is missing")
		return
	}
	form(m, path+".name", h.Name, nameForm, "a name of letters, digits, dots, dashes and underscores")
	m.err(path+".addr", checkAddr(h.Addr))
}

// checkAddr checks the form of host:port; nothing is resolved.
func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port, for example db-prod-3.example.net:3306", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not a port, which is 1 to 65535", port)
	}
	if net.ParseIP(host) == nil && !nameForm.MatchString(host) {
		return fmt.Errorf("%q is neither a host name nor an address", host)
	}
	return nil
}

// checkPattern refuses patterns that mean nothing, and those that mean everything: the
// credentials of the cluster go wherever a pattern fits.
func checkPattern(p string) error {
	if _, network, err := net.ParseCIDR(p); err == nil {
		if ones, bits := network.Mask.Size(); ones < 8 || (bits == 128 && ones < 32) {
			return fmt.Errorf("%q covers too many addresses to send credentials to", p)
		}
		return nil
	}
	if net.ParseIP(p) != nil {
		return nil
	}
	host, port, found := strings.Cut(p, ":")
	if strings.HasPrefix(p, "[") {
		host, port, found = strings.Cut(strings.TrimPrefix(p, "["), "]:")
		if net.ParseIP(host) == nil {
			return fmt.Errorf("%q is not an address in brackets with a port", p)
		}
	}
	if found && port != "*" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is not a port, which is 1 to 65535 or *", port)
		}
	}
	fixed := strings.ReplaceAll(host, "*", "")
	switch {
	case strings.Trim(fixed, ".-_") == "":
		return fmt.Errorf("%q fits any server; credentials must not be sent anywhere, so name a part of it", p)
	case net.ParseIP(host) == nil && !nameForm.MatchString(strings.ReplaceAll(host, "*", "a")):
		return fmt.Errorf("%q is not a pattern of a host name, an address or a network; * is the only wildcard", p)
	}
	return nil
}

func (r Rebuild) validate(m *mistakes, path string) {
	oneOf(m, path+".mode", r.Mode, "binlog-off", "binlog-on")
	between(m, path+".parallel", r.Parallel, 1, 16)
	between(m, path+".lock_wait", r.LockWait, time.Second, 10*time.Minute)
	between(m, path+".min_serving", r.MinServing, 0, 1000)
	between(m, path+".min_share", r.MinShare, 0, 1)
	between(m, path+".tolerance", r.Tolerance, 0, 10)
	between(m, path+".at_once", r.AtOnce, 1, 100)
	between(m, path+".max_tables", r.MaxTables, 0, 1_000_000)
	between(m, path+".max_time", r.MaxTime, 0, 30*24*time.Hour)
	r.Window.validate(m, path+".window")
}

// validate checks the form of a window; one that is written down wrongly must not be always open.
func (w Window) validate(m *mistakes, path string) {
	if w.From == "" && w.To == "" && w.Zone == "" && len(w.Days) == 0 {
		return
	}
	for key, at := range map[string]string{"from": w.From, "to": w.To} {
		if _, err := time.Parse("15:04", at); err != nil {
			m.addf(path+"."+key, "%q is not a time of day like 22:00", at)
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		m.addf(path+".zone", "%q is not a time zone like Europe/Berlin", w.Zone)
	}
	for i, d := range w.Days {
		oneOf(m, fmt.Sprintf("%s.days[%d]", path, i), d, "mon", "tue", "wed", "thu", "fri", "sat", "sun")
	}
}

func (l Limits) validate(m *mistakes, path string) {
	between(m, path+".threads_running", l.ThreadsRunning, 0, 1_000_000)
	between(m, path+".history_length", l.HistoryLength, 0, 1_000_000_000_000)
	if l.CriticalLag != 0 && l.CriticalLag <= l.MaxLag {
		m.addf(path+".critical_lag", "%v must be more than max_lag %v, or 0 to turn it off", l.CriticalLag, l.MaxLag)
	}
}

// fill refuses holes nobody fills.
func fill(m *mistakes, path, text string) {
	for _, hole := range holes.FindAllString(text, -1) {
		if !slices.Contains([]string{"{cluster}", "{name}", "{host}", "{port}"}, hole) {
			m.addf(path, "%s is unknown; write {cluster}, {name}, {host} or {port}", hole)
		}
	}
}

// GuardAsk is what the guard waits for all its checks; engine/guard has the same bound.
const GuardAsk = 5 * time.Second

func (e External) validate(m *mistakes, path string) {
	oneOf(m, path+".answer", e.Answer, "role", "primary")
	between(m, path+".timeout", e.Timeout, 100*time.Millisecond, GuardAsk)
	between(m, path+".retries", e.Retries, 0, 5)
	between(m, path+".refusals", e.Refusals, 0, 10*time.Minute)
	if e.URL == "" {
		return
	}
	if all := e.Longest(); all >= GuardAsk {
		m.addf(path+".timeout", "%v for each of %d attempts is up to %v in all; the guard waits %v for an answer", e.Timeout, e.Retries+1, all, GuardAsk)
	}
	fill(m, path+".url", e.URL)
	u := webURL(m, path+".url", holes.ReplaceAllString(e.URL, "1"))
	if u != nil && e.Token.Set() && u.Scheme == "http" && !loopback(u.Hostname()) {
		m.addf(path+".url", "would send the token in plain text; use https")
	}
	if e.JSONPath == "" {
		m.addf(path+".json_path", "is missing; it names the field that tells the role, for example data.role")
	}
	switch {
	case e.Answer == "role" && len(e.Replica) == 0:
		m.addf(path+".replica", "is empty; nothing could ever be permitted")
	case e.Answer == "role" && e.PortPath != "":
		m.addf(path+".port_path", "is for answer: primary")
	}
}

// Longest is how long a question can take with all its attempts and the pauses between them.
func (e External) Longest() time.Duration {
	all := e.Timeout
	for n := range e.Retries {
		all += e.Timeout + time.Duration(n+1)*100*time.Millisecond
	}
	return all
}

// unique finds names and addresses that would make a typed name, or the credentials of an
// address, ambiguous. Clusters and hosts share one name space, regardless of case.
func (c *Config) unique(m *mistakes) {
	names, addrs := map[string]string{}, map[string]string{}
	claim := func(taken map[string]string, key, path, what string) {
		key = strings.ToLower(key)
		if first, ok := taken[key]; ok {
			m.addf(path, "%s %s is already used at %s", what, key, first)
		} else if key != "" {
			taken[key] = path
		}
	}
	for i, l := range c.Clusters {
		claim(names, l.Name, fmt.Sprintf("clusters[%d].name", i), "the name")
	}
	for i, l := range c.Clusters {
		for j, h := range l.Hosts {
			at := fmt.Sprintf("clusters[%d].hosts[%d]", i, j)
			claim(names, h.Name, at+".name", "the name")
			claim(addrs, h.Addr, at+".addr", "the address")
		}
	}
}

func sortedLanguages(channels map[string]string) []string { return slices.Sorted(maps.Keys(channels)) }
