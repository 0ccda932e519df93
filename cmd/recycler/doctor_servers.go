package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/configs"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/topology"
)

// external asks every cluster's source of truth about its first host.
func (d *doctor) external(ctx context.Context, t *targets) {
	for _, cl := range t.config.Clusters {
		if cl.External.URL == "" {
			continue
		}
		what, host := "source of truth "+cl.Name, t.Access(cl.Name).Hosts[0]
		said, err := externalOf(cl.External).Try(ctx, cl.Name, host)
		if err != nil {
			d.line(bad, what, err.Error(), "While it does not answer, no host of the cluster is touched. Check clusters[].external.")
			continue
		}
		d.line(good, what, fmt.Sprintf("answers %q about %s", said, host.Name), "")
	}
}

// servers looks at every configured host, several at once, and prints them in order.
func (d *doctor) servers(ctx context.Context, t *targets) {
	var checks []*serverCheck
	for _, cl := range t.config.Clusters {
		for _, h := range t.Access(cl.Name).Hosts {
			checks = append(checks, &serverCheck{doctor: d, cluster: cl, access: t.Access(cl.Name), host: h})
		}
	}
	var g errgroup.Group
	g.SetLimit(doctorHosts)
	for _, c := range checks {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
			defer cancel()
			c.look(ctx)
			return nil
		})
	}
	_ = g.Wait() // every look tells its own trouble
	for _, c := range checks {
		for _, tell := range c.told {
			tell()
		}
	}
}

// serverCheck looks at one host and keeps what is to be printed.
type serverCheck struct {
	*doctor
	cluster configs.Cluster
	access  *dbconn.Access
	host    dbconn.Host
	told    []func()
}

// say keeps a line, which begins with the host's name.
func (c *serverCheck) say(m mark, what, seen, hint string) {
	c.told = append(c.told, func() { c.line(m, strings.TrimSpace(c.host.Name+" "+what), seen, hint) })
}

// trouble keeps an error.
func (c *serverCheck) trouble(what string, err error) {
	c.told = append(c.told, func() { c.fail(strings.TrimSpace(c.host.Name+" "+what), err) })
}

func (c *serverCheck) look(ctx context.Context) {
	s, err := c.access.Open(ctx, c.host.Addr)
	if err != nil {
		c.trouble("", err)
		return
	}
	defer func() { _ = s.Close() }() // read only; a failed close loses nothing
	c.say(good, "", s.Version.String(), "")
	if err := c.rights(ctx, s); err != nil {
		c.trouble("rights", err)
	}
	c.clock(ctx, s)
	if c.cluster.HeartbeatTable != "" {
		c.heartbeat(ctx, s)
	}
}

// rights compares what the account may with what discovering and rebuilding on the server needs, and
// looking after executors.
func (c *serverCheck) rights(ctx context.Context, s *dbconn.Server) error {
	grants, err := dbconn.ReadGrants(ctx, s)
	if err != nil {
		return err
	}
	need, err := c.need(ctx, s)
	if err != nil {
		return err
	}
	if need.Schemas, err = schemasOf(ctx, s, grants); err != nil {
		return err
	}
	rights := dbconn.Rights(s.Version, need)
	if len(c.set.Of(plugin.Executor, c.cluster.Name)) > 0 {
		rights = append(rights, dbconn.ExecutorRights(s.Version, "")...)
	}
	seen := grants.Account + " may do all it needs to"
	if len(need.Schemas) > 0 {
		seen += " in " + strings.Join(need.Schemas, ", ")
	}
	missing := grants.Missing(rights)
	grant := strings.Join(dbconn.GrantSQL(grants.Account, missing), ";\n") + ";"
	switch {
	case len(missing) > 0 && grants.Opaque:
		c.say(warn, "rights", grants.Account+" has a role whose rights the server does not show; not seen: "+lacks(missing), "If the role does not give them:\n"+grant)
	case len(missing) > 0:
		c.say(bad, "rights", lacks(missing), grant)
	default:
		c.say(good, "rights", seen, "")
	}
	return nil
}

// need is what the cluster's configuration and the server's version ask for.
func (c *serverCheck) need(ctx context.Context, s *dbconn.Server) (dbconn.Need, error) {
	loses, _ := rebuild.LosesRows(s.Version)
	need := dbconn.Need{Discover: true, Rebuild: true,
		StopSQL: c.cluster.Rebuild.CheckRows || loses && !c.cluster.Policy.AllowUnsafe}
	if !s.Version.Dialect().SuperReadOnly {
		return need, nil
	}
	var on sql.NullBool
	if err := s.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&on); err != nil {
		return need, fmt.Errorf("read super_read_only: %w", err)
	}
	need.SuperReadOnly = on.Bool
	return need, nil
}

// schemasOf are the schemas an account is limited to: those whose tables it may rebuild, where it may
// not everywhere. None means that it is not limited, or may nowhere.
func schemasOf(ctx context.Context, s *dbconn.Server, g dbconn.Grants) ([]string, error) {
	if g.Has("ALTER", "*.*") {
		return nil, nil
	}
	rows, err := s.QueryContext(ctx, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA"+
		" WHERE SCHEMA_NAME NOT IN ('mysql','sys','performance_schema','information_schema') ORDER BY SCHEMA_NAME")
	if err != nil {
		return nil, fmt.Errorf("list the schemas: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all, err := dbconn.ReadRows(rows)
	if err != nil {
		return nil, fmt.Errorf("list the schemas: %w", err)
	}
	var out []string
	for _, r := range all {
		if name := r.Text("name"); g.Has("ALTER", name+".*") {
			out = append(out, name)
		}
	}
	return out, nil
}

// lacks names missing rights with what they are for.
func lacks(rights []dbconn.Right) string {
	var out []string
	for _, r := range rights {
		out = append(out, r.String()+" (to "+r.Why+")")
	}
	return "missing " + strings.Join(out, ", ")
}

// clock compares the server's clock with this machine's.
func (c *serverCheck) clock(ctx context.Context, s *dbconn.Server) {
	skew, err := skewOf(ctx, s)
	switch {
	case err != nil:
		c.trouble("clock", err)
	case skew > clockSkew || skew < -clockSkew:
		c.say(warn, "clock", fmt.Sprintf("%s away from this machine", skew.Round(time.Second)), "Check NTP on both.")
	default:
		c.say(good, "clock", fmt.Sprintf("within %s of this machine", clockSkew), "")
	}
}

// skewOf is how far a server's clock is ahead of this machine's.
func skewOf(ctx context.Context, s *dbconn.Server) (time.Duration, error) {
	var unix float64
	before := time.Now()
	if err := s.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(6))").Scan(&unix); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	middle := before.Add(time.Since(before) / 2)
	return time.UnixMicro(int64(unix * 1e6)).Sub(middle), nil
}

// heartbeat reads pt-heartbeat's table as a job does.
func (c *serverCheck) heartbeat(ctx context.Context, s *dbconn.Server) {
	h := topology.Heartbeat{Table: c.cluster.HeartbeatTable, UTC: c.cluster.HeartbeatUTC}
	beats, err := h.Read(ctx, s)
	if err != nil {
		c.say(bad, "heartbeat", fmt.Sprintf("%s cannot be read (error %d)", h.Table, dbconn.Code(err)),
			"Check clusters[].heartbeat_table; the account needs SELECT on it.")
		return
	}
	age, err := topology.BeatThrough(beats, 0, 0, 1)
	if err != nil {
		c.say(bad, "heartbeat", err.Error(), "Check that pt-heartbeat runs, and heartbeat_utc.")
		return
	}
	c.say(good, "heartbeat", fmt.Sprintf("the newest is %s old", age.Round(time.Second)), "")
}

// externalOf is a cluster's source of truth as the guard asks it.
func externalOf(x configs.External) guard.ExternalConfig {
	e := guard.ExternalConfig{URL: x.URL, Answer: guard.ExternalAnswer(x.Answer), Path: x.JSONPath, PortPath: x.PortPath,
		Replica: x.Replica, Timeout: x.Timeout, Retries: x.Retries, Remember: x.Refusals}
	if token := x.Token.Reveal(); token != "" {
		e.Header = map[string]string{"Authorization": "Bearer " + token}
	}
	return e
}
