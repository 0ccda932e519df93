package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// What --direct does, in the words of the help.
const (
	directDiscover = "With --direct no server is called: this process looks at the cluster itself, with SELECT and SHOW only,\n" +
		"and prints what it saw. That is one person's doing, so it is refused where the configuration demands a\n" +
		"second one for discoveries (approvals.discovery: second_person, the default). The look is written into\n" +
		"the audit chain before the first connection; what it saw is not stored, and no plan that can be approved\n" +
		"is made from it."
	directPlan = "With --direct no server is called: the plan is made here, from the newest discovery in the database. It\n" +
		"touches no host either, is written into the audit chain, and nothing can be approved from it."
)

// direct is how a command works without a server.
type direct struct {
	on   bool
	path string
}

func (d *direct) add(c *cobra.Command) {
	c.Flags().BoolVar(&d.on, "direct", false, "without a server; reads only, needs --config")
	configFlag(c, &d.path)
}

// open reads the configuration, opens the database and puts into its audit chain what is about to be
// done. What cannot be recorded is not done.
func (d *direct) open(c *cobra.Command, kind, line string, may func(configs.Config, engine.Target) error) (*current, *storage.DB, error) {
	first, err := source{path: d.path}.load()
	if err != nil {
		return nil, nil, err
	}
	said, err := bot.Parse(line)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	target, err := first.Find(said.Target)
	if err == nil {
		err = may(first.config, target)
	}
	if err != nil {
		return nil, nil, err
	}
	db, err := openCurrent(c.Context(), first.config.Storage)
	if err != nil {
		return nil, nil, err
	}
	err = storage.NewAudit(db).Direct(c.Context(), storage.Direct{
		Kind: kind, Cluster: target.Cluster, Target: said.Target, Command: line, By: operator(),
	})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return newCurrent(first, zap.NewNop()), db, nil
}

// discover looks at a cluster from here.
func (d *direct) discover(c *cobra.Command, r *remote, name, line string) error {
	if err := r.known(); err != nil {
		return err
	}
	conf, db, err := d.open(c, string(bot.VerbDiscover), line, oneMayLook)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	look := engine.NewDispatcher(engine.Options{Targets: conf, Guards: conf.guard, Disks: conf.disks, Plugins: conf.plugins, Log: zap.NewNop()})
	seen, err := look.Look(c.Context(), name)
	if err != nil {
		return err
	}
	return r.print(c.OutOrStdout(), seen, seenTable(seen))
}

// oneMayLook refuses a look that nobody else agreed to.
func oneMayLook(c configs.Config, t engine.Target) error {
	if c.Approvals.Discovery == "none" {
		return nil
	}
	return &engine.Problem{Code: "second_person", Text: "Looking at " + t.Cluster + " needs a second person here (approvals.discovery: " + c.Approvals.Discovery + ").",
		Next: "Ask for it: in the chat, or with recycler discover without --direct."}
}

// plan makes a plan from what is stored.
func (d *direct) plan(c *cobra.Command, r *remote, line string) (err error) {
	if err := r.known(); err != nil {
		return err
	}
	conf, db, err := d.open(c, string(bot.VerbPlan), line, func(configs.Config, engine.Target) error { return nil })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	recall := newRecall(conf.Load().config, storage.NewJournal(db), conf.refusals, zap.NewNop())
	planner := &engine.Planner{Plugins: conf.plugins, Discoveries: recall, Refusals: recall, Guards: conf.guard, Now: time.Now}
	talk := bot.New(bot.Options{Targets: conf, Planner: planner, Lists: lists{storage.NewFacts(db), recall}, Channels: conf.channels})
	p, err := talk.Preview(c.Context(), line)
	if err != nil {
		return err
	}
	v := api.ViewPlanned(p)
	return r.print(c.OutOrStdout(), v, planTable(v))
}

// seenTable is a look as people read it.
func seenTable(d engine.Discovery) func(io.Writer) {
	return func(w io.Writer) {
		_, _ = fmt.Fprintln(w, d.Topology.Tree())
		for _, h := range d.Hosts {
			if h.Error != "" {
				row(w, h.Name+": "+h.Error)
			}
		}
		row(w, "HOST", "TABLE", "BYTES", "PREDICTED", "GAIN", "METHOD")
		for _, h := range d.Hosts {
			for _, t := range h.Tables {
				row(w, h.Name, t.Key(), size(t.FileBytes), predicted(api.Predicted{PredictedBytes: t.Prediction.Bytes, Low: t.Prediction.Low, High: t.Prediction.High, How: t.Prediction.How}), size(t.Gain()), string(t.Method.Kind))
			}
		}
	}
}
