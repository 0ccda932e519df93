package configs

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	channelID = regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	groupID   = regexp.MustCompile(`^S[A-Z0-9]{2,}$`)
)

// validate checks every section; what it refuses would fail later and worse.
func (c *Config) validate(m *mistakes) {
	c.Slack.validate(m, c.Node.chats())
	c.Storage.validate(m)
	c.Node.validate(m, c.Clusters)
	oneOf(m, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(m, "log.format", c.Log.Format, "json", "console")
	oneOf(m, "language.default", c.Language.Default, "en", "zh")
	for _, id := range sortedLanguages(c.Language.Channels) {
		form(m, "language.channels."+id, id, channelID, "a channel id (C… or G…)")
		oneOf(m, "language.channels."+id, c.Language.Channels[id], "en", "zh")
	}
	oneOf(m, "approvals.discovery", c.Approvals.Discovery, "second_person", "none")
	between(m, "approvals.expires", c.Approvals.Expires, time.Minute, 30*24*time.Hour)
	c.Approvals.Approvers.validate(m, "approvals.approvers")
	c.Engine.validate(m)
	c.API.validate(m)
	c.Alerts.validate(m)
	c.Schedules.validate(m)
	c.Backup.validate(m)
	c.Traces.validate(m)
	c.MySQL.validate(m, "mysql")
	if len(c.Clusters) == 0 {
		m.addf("clusters", "is empty; at least one cluster is needed")
	}
	for i := range c.Clusters {
		c.Clusters[i].validate(m, fmt.Sprintf("clusters[%d]", i), c.MySQL, c.Approvals.Approvers)
	}
	c.validatePlugins(m)
	c.unique(m)
}

func (s Slack) validate(m *mistakes, needed bool) {
	if needed || s.BotToken.Set() {
		checkToken(m, "slack.bot_token", s.BotToken, s.BotTokenFile, "xoxb-", "RECYCLER_SLACK_BOT_TOKEN")
	}
	if needed || s.AppToken.Set() {
		checkToken(m, "slack.app_token", s.AppToken, s.AppTokenFile, "xapp-", "RECYCLER_SLACK_APP_TOKEN")
	}
	if u := webURL(m, "slack.api_url", s.APIURL); u != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		m.addf("slack.api_url", "would send the tokens in plain text; use https")
	}
	between(m, "slack.sockets", s.Sockets, 1, 10)
	if s.FallbackChannel != "" {
		form(m, "slack.fallback_channel", s.FallbackChannel, channelID, "a channel id (C… or G…)")
	}
	s.Digest.validate(m)
}

// checkToken checks a token's form without ever showing it.
func checkToken(m *mistakes, path string, t Secret, from, prefix, variable string) {
	switch {
	case t.Set() && !strings.HasPrefix(t.Reveal(), prefix):
		m.addf(path, "is not such a token; it begins with %s", prefix)
	case !t.Set() && from == "" && !m.has(path):
		m.addf(path, "is missing; set it in %s, in %s_FILE, or as %s_file", variable, variable, path)
	}
}

func (a Approvers) validate(m *mistakes, path string) {
	ids(m, path+".users", a.Users, userID, "a member id (U… or W…)")
	ids(m, path+".groups", a.Groups, groupID, "a user group id (S…)")
	between(m, path+".min_approvals", a.MinApprovals, 1, 10)
}

func (e Engine) validate(m *mistakes) {
	between(m, "engine.workers", e.Workers, 1, 256)
	between(m, "engine.snapshot_max_age", e.SnapshotMaxAge, time.Minute, 90*24*time.Hour)
	between(m, "engine.campaign_life", e.CampaignLife, time.Hour, 365*24*time.Hour)
	between(m, "engine.lease_ttl", e.LeaseTTL, 5*time.Second, 10*time.Minute)
	between(m, "engine.progress_interval", e.ProgressInterval, time.Second, 10*time.Minute)
	between(m, "engine.rescue_after", e.RescueAfter, max(e.LeaseTTL, 5*time.Second), time.Hour)
	between(m, "engine.cache.discoveries", e.Cache.Discoveries, time.Second, 24*time.Hour)
	between(m, "engine.cache.refusals", e.Cache.Refusals, 0, 24*time.Hour)
}

// validate checks a login. The password may be empty: some accounts have none.
func (l MySQL) validate(m *mistakes, path string) {
	if l.User == "" || len(l.User) > 80 || strings.ContainsAny(l.User, "\x00\n\r") {
		m.addf(path+".user", "needs a user name of 1 to 80 characters")
	}
	between(m, path+".dial_timeout", l.DialTimeout, 100*time.Millisecond, time.Minute)
	between(m, path+".read_timeout", l.ReadTimeout, 100*time.Millisecond, 10*time.Minute)
	l.TLS.validate(m, path+".tls")
}

// oneOf refuses a word outside a list.
func oneOf(m *mistakes, path, value string, valid ...string) {
	if slices.Contains(valid, value) {
		return
	}
	if near := nearest(value, valid); near != "" {
		m.addf(path, "%q is unknown; did you mean %s?", value, near)
		return
	}
	m.addf(path, "%q is unknown; write %s", value, strings.Join(valid, ", "))
}

// between refuses a value outside its bounds, and tells the bounds. A value that could not be
// read is still its default, so nothing is told twice.
func between[T int | int64 | float64 | time.Duration | Size](m *mistakes, path string, v, low, high T) {
	if v < low || v > high {
		m.addf(path, "%v is outside %v to %v", v, low, high)
	}
}

// form refuses text that does not look like what it must be.
func form(m *mistakes, path, value string, pattern *regexp.Regexp, what string) {
	if !pattern.MatchString(value) {
		m.addf(path, "%q is not %s", value, what)
	}
}

// ids checks a list of ids and finds what is there twice.
func ids(m *mistakes, path string, list []string, pattern *regexp.Regexp, what string) {
	for i, id := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		form(m, at, id, pattern, what)
		if slices.Contains(list[:i], id) {
			m.addf(at, "%s is listed twice", id)
		}
	}
}

// webURL parses an http or https URL without credentials in it.
func webURL(m *mistakes, path, text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		m.addf(path, "is not an http or https URL")
		return nil
	}
	if u.User != nil {
		m.addf(path, "must not hold a user or a password")
		return nil
	}
	return u
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
