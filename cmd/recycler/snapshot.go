package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/throttle"
)

// source is where a process's configuration comes from.
type source struct {
	path string
	opts []configs.Option // what the command line says
}

// load reads the configuration and builds what depends on it; a mistake is the caller's.
func (s source) load() (*snapshot, error) {
	cfg, err := configs.Load(s.path, os.Environ(), s.opts...)
	if err != nil {
		return nil, &usageError{err}
	}
	return newSnapshot(cfg, cfg.Fingerprint(s.path))
}

// snapshot is everything made of one configuration that is read while the process runs. It never
// changes; a reload makes another. Whatever can fail fails here, before it is in force.
type snapshot struct {
	*targets
	guards   map[string]*guard.Guard // by cluster; made when it is put in force
	channels map[string]bot.Channel
	cert     *tls.Certificate // of the API; nil: none
	since    time.Time
	digest   [sha256.Size]byte // of the files it was made of
}

func newSnapshot(c configs.Config, digest [sha256.Size]byte) (*snapshot, error) {
	t, err := newTargets(c)
	if err != nil {
		return nil, &usageError{fmt.Errorf("read the clusters: %w", err)}
	}
	cert, err := c.API.Certificate()
	if err != nil {
		return nil, &usageError{fmt.Errorf("load the certificate of the API: %w", err)}
	}
	return &snapshot{targets: t, channels: channels(c), cert: cert, since: time.Now(), digest: digest}, nil
}

// current is the snapshot in force. Its methods are what the parts of the program ask, each question
// answered by the newest snapshot; who needs several answers that fit together takes Load once.
type current struct {
	atomic.Pointer[snapshot]
	refusals *guard.Cache // what guards refused, over all snapshots
	plugins  *plugin.Set  // those of the start

	connections *dbconn.Connections // to servers, of all snapshots
}

// newCurrent puts the first snapshot in force.
func newCurrent(first *snapshot, log *zap.Logger) *current {
	c := &current{refusals: guard.NewCache(first.config.Engine.Cache.Refusals, time.Now), plugins: pluginsOf(first.config, log.Named("plugin")),
		connections: &dbconn.Connections{}}
	c.put(first)
	return c
}

// put puts a snapshot in force.
func (c *current) put(s *snapshot) {
	s.guards = guardsOf(s.config, c.refusals, c.plugins)
	for _, a := range s.access {
		a.Connections = c.connections
	}
	c.Store(s)
}

var _ engine.Targets = (*current)(nil)

// Find implements engine.Targets.
func (c *current) Find(name string) (engine.Target, error) { return c.Load().Find(name) }

// Access implements engine.Targets.
func (c *current) Access(cluster string) *dbconn.Access { return c.Load().Access(cluster) }

// Names implements engine.Targets.
func (c *current) Names() []string { return c.Load().Names() }

// disks are what the newest configuration knows of a host's free space.
func (c *current) disks(cluster, host string) throttle.Outside {
	return c.Load().disks(c.plugins, cluster, host)
}

func (c *current) policy(cluster string) approvals.Policy { return c.Load().policy(cluster) }

// remindGroups are whom the first reminder of a request mentions.
func (c *current) remindGroups(cluster string) []string {
	s := c.Load()
	if !s.config.Approvals.RemindGroups {
		return nil
	}
	return s.policy(cluster).Groups
}

func (c *current) region(cluster string) string     { return c.Load().region(cluster) }
func (c *current) channels() map[string]bot.Channel { return c.Load().channels }
func (c *current) cert() *tls.Certificate           { return c.Load().cert }

// guard is a cluster's guard. A cluster that is not configured has the built-in validators.
func (c *current) guard(cluster string) *guard.Guard {
	if g, ok := c.Load().guards[cluster]; ok {
		return g
	}
	return guard.Default(guard.ExternalConfig{})
}

// timing is what a schedule has that its author left out.
func (c *current) timing() approvals.Timing {
	s := c.Load().config.Schedules
	return approvals.Timing{Zone: s.Zone, Jitter: s.Jitter, Window: s.Window, Lead: s.Announce, Missed: approvals.Missed(s.Missed)}
}

// guardsOf gives every cluster its guard: the built-in validators, its own source of truth and the
// validators of others. What they refuse is remembered in one cache.
func guardsOf(c configs.Config, refusals *guard.Cache, plugins *plugin.Set) map[string]*guard.Guard {
	by := map[string]*guard.Guard{}
	for _, cl := range c.Clusters {
		by[cl.Name] = guard.Default(externalOf(cl.External), plugins.Validators(cl.Name)...).Remember(refusals)
	}
	return by
}

// channels are the rooms commands are taken from: a cluster is worked on from its own channels.
func channels(c configs.Config) map[string]bot.Channel {
	m := map[string]bot.Channel{}
	for _, cl := range c.Clusters {
		for _, id := range append([]string{cl.Channel}, cl.Channels...) {
			ch := m[id]
			ch.Clusters = append(ch.Clusters, cl.Name)
			m[id] = ch
		}
	}
	for id, ch := range m {
		ch.Locale = bot.LocaleOf(c.Language.Default)
		if l, ok := c.Language.Channels[id]; ok {
			ch.Locale = bot.LocaleOf(l)
		}
		m[id] = ch
	}
	return m
}
