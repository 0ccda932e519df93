package main

import (
	"context"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/configs"
	"mysql-recycler/engine/plugin"
)

// pluginsOf builds the configured plugins; nothing is started.
func pluginsOf(c configs.Config, log *zap.Logger) *plugin.Set {
	set := plugin.NewSet()
	for _, p := range c.Plugins {
		env := map[string]string{}
		for k, v := range p.Env {
			env[k] = v.Reveal()
		}
		set.Add(plugin.Spec{
			Name: p.Name, Kind: plugin.Kind(p.Kind), Command: p.Command, Env: env, URL: p.URL, Token: p.Token.Reveal(),
			Timeout: p.Timeout, Account: p.Account, Tables: p.Tables, Always: p.When == "always",
		}, log, p.Clusters...)
	}
	return set
}

// validatorsOf names the validators of a cluster, as a plan does.
func validatorsOf(c configs.Config, cluster string) (names []string) {
	for _, p := range c.Plugins {
		if p.Kind == string(plugin.Validator) && (len(p.Clusters) == 0 || slices.Contains(p.Clusters, cluster)) {
			names = append(names, p.Name)
		}
	}
	return names
}

// plugins shakes hands with every plugin.
func (d *doctor) plugins(ctx context.Context, cfg configs.Config) {
	d.set = pluginsOf(cfg, zap.NewNop())
	all := d.set.All()
	abouts, errs := make([]plugin.About, len(all)), make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(doctorHosts)
	for i, p := range all {
		g.Go(func() error {
			abouts[i], errs[i] = p.Hello(ctx)
			return nil
		})
	}
	_ = g.Wait() // every handshake tells its own trouble
	for i, p := range all {
		what := "plugin " + p.Name
		if errs[i] != nil {
			d.fail(what, errs[i])
			continue
		}
		seen := string(p.Kind) + " " + abouts[i].Version
		if abouts[i].Note != "" {
			seen += ": " + abouts[i].Note
		}
		d.line(good, what, seen, "")
	}
}
