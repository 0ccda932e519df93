package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
	"mysql-recycler/bot/schedule"
	"mysql-recycler/bot/slack"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
	"mysql-recycler/storage/queue"
)

// app is the whole program, wired: chat in, approvals, jobs, chat out. Every part gets what it
// needs here and knows nothing of the others.
type app struct {
	conf    *current
	reload  *reloader
	log     *zap.Logger
	db      *storage.DB
	queue   *queue.Queue
	stores  stores
	service *approvals.Service
	bot     *bot.Bot
	slots   *schedule.Scheduler
	slack   *slack.Client
	api     *api.Server // nil: there is none

	dispatcher *engine.Dispatcher
	live       *engine.Live
	backups    *backups
	active     atomic.Bool // this process is the active bot
}

// stores are the services of the one database.
type stores struct {
	requests *storage.Requests
	facts    *storage.Facts
	outbox   *storage.Outbox
	inbox    *storage.Inbox
}

// newApp opens the database and builds the parts. Nothing is sent and nothing runs before run.
func newApp(ctx context.Context, src source, first *snapshot, log *zap.Logger, level zap.AtomicLevel) (*app, error) {
	db, err := storage.Open(ctx, first.config.Storage.URL.Reveal(), log.Named("storage"), storage.WithProgram(buildVersion()))
	if err != nil {
		return nil, err
	}
	a := &app{conf: newCurrent(first, log), log: log, db: db, backups: &backups{folder: first.config.Backup.Folder}}
	a.reload = newReloader(src, a, level)
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

func (a *app) wire() error {
	var (
		err     error
		conf    = a.conf
		c       = conf.Load().config // what counts from the start on; the rest is asked of conf
		journal = storage.NewJournal(a.db)
		live    = engine.NewLive()
		recall  = newRecall(c, journal, conf.refusals, a.log)
		owner   = uuid.NewString()
	)
	dispatcher := engine.NewDispatcher(engine.Options{
		Journal: journal, Leases: storage.NewLeases(a.db), Discoveries: recall, Neighbours: journal, Targets: conf, Guards: conf.guard, Live: live,
		Reaches: func(cluster string) bool { return c.Node.Works(conf.region(cluster)) },
		Plugins: conf.plugins, Disks: conf.disks, Owner: owner, LeaseTTL: c.Engine.LeaseTTL, Log: a.log.Named("engine"),
	})
	a.queue, err = queue.New(a.db, dispatcher.Run, queue.Options{
		ClientID: owner, Regions: regions(c), LeaseTTL: c.Engine.LeaseTTL, RescueAfter: c.Engine.RescueAfter,
	}, a.log.Named("queue"))
	if err != nil {
		return err
	}
	journal.HandTo(a.queue.Enqueue)
	a.dispatcher, a.live = dispatcher, live
	a.stores = stores{
		requests: storage.NewRequests(a.db, a.queue.Enqueue, conf.region), facts: storage.NewFacts(a.db),
		outbox: storage.NewOutbox(a.db), inbox: storage.NewInbox(a.db),
	}
	if !c.Node.Has(configs.RoleBot) && !c.Node.Has(configs.RoleAPI) {
		return nil // a worker has nothing to say: facts go to the log of events, the active bot tells them
	}
	a.slack, err = slack.New(slack.Options{
		BotToken: c.Slack.BotToken.Reveal(), AppToken: c.Slack.AppToken.Reveal(), APIURL: c.Slack.APIURL,
		Inbox: inbox{a.stores.inbox}, Outbox: outbox{a.stores.outbox, func() {}}, Undelivered: a.undelivered, Sockets: c.Slack.Sockets, Fallback: c.Slack.FallbackChannel,
		FormActions: bot.FormActions(), Tuning: slack.Tuning{EditEvery: c.Engine.ProgressInterval}, Log: a.log.Named("slack"),
	})
	if err != nil {
		return err
	}
	a.service = approvals.NewService(approvals.Options{
		Store: a.stores.requests, Directory: a.slack, Policy: conf.policy, NewID: a.stores.requests.NewID,
		Standing: storage.NewSchedules(a.db), StandingMax: c.Schedules.StandingMax, Fresh: slack.Fresh,
	})
	a.slots = a.newScheduler()
	a.bot = bot.New(bot.Options{
		Schedules: a.slots,
		Targets:   conf, Planner: &engine.Planner{Plugins: conf.plugins, Discoveries: recall, Refusals: recall, Guards: conf.guard, Now: time.Now}, Requests: a.service,
		Facts: a.stores.facts, Lists: lists{a.stores.facts, recall}, Wanter: a.stores.facts, Live: live, Outbox: a.outbox(),
		Responder: a.slack, Directory: a.slack, Channels: conf.channels, Changed: a.slack.RefreshHomes, Log: a.log.Named("bot"),
		Tuning: bot.Tuning{Version: buildVersion(), ProgressEvery: c.Engine.ProgressInterval, Quiet: !c.Slack.TellAtEnd, Digest: digestOf(c, a.stores.facts),
			CampaignLife: a.campaignLife, Fleet: fleetOf{a.db, a.queue}, Standing: c.Schedules.Standing, StandingMax: c.Schedules.StandingMax, RemindGroups: conf.remindGroups},
	})
	a.slack.Handle(a.bot)
	a.api, err = a.newAPI(journal, recall, live)
	return err
}

// digestOf is when the week is told.
func digestOf(c configs.Config, weeks bot.Weeks) bot.Digest {
	if !c.Slack.Digest.Enabled {
		return bot.Digest{}
	}
	d := bot.Digest{Weeks: weeks}
	d.Day, d.Hour, d.Min, d.Zone = c.Slack.Digest.At()
	return d
}

// stopWork bounds how long work in hand may take once the process was told to end: statements on
// servers are left running and adopted, so nothing long is waited for.
const stopWork = 10 * time.Second

// run works until ctx ends. First no more work is claimed, then what is in hand is let go: a
// statement that runs on a server goes on there, and the next process adopts it.
func (a *app) run(ctx context.Context) error {
	m := a.member()
	if err := m.beat(ctx); err != nil { // before Start: a drained node takes nothing
		return err
	}
	if err := a.queue.Start(ctx); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.run(ctx) })
	g.Go(func() error { return a.beBot(ctx) })
	g.Go(func() error { return a.serveAPI(ctx) })
	g.Go(func() error { return a.profiling(ctx) })
	g.Go(func() error { return a.sharing(ctx) })
	g.Go(func() error { return a.reload.follow(ctx) })
	g.Go(func() error { return a.queue.TakeOver(ctx) })
	node := a.conf.Load().config.Node
	if node.Has(configs.RoleWorker) {
		g.Go(func() error { return a.sweeping(ctx) })
	}
	a.log.Info("serving", zap.String("version", buildVersion()), zap.Strings("roles", node.Roles), zap.Int("clusters", len(a.conf.Load().config.Clusters)))
	err := g.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWork)
	defer cancel()
	return errors.Join(err, a.queue.Stop(stop))
}

// close closes the database; run has ended.
func (a *app) close() error { return a.db.Close() }

// housekeeping ends requests nobody decided in time.
func (a *app) housekeeping(ctx context.Context) error {
	every(ctx, expireEvery, a.expire, a.log.Error, "requests not expired")
	return nil
}

// expireEvery is the time between two looks for requests whose time is over.
const expireEvery = 2 * time.Second

// sweepEvery is the time between two tries to put back settings that ended jobs left on servers.
const sweepEvery = time.Minute

// sweeping restores what ended jobs left changed on servers, at the start and then every minute.
func (a *app) sweeping(ctx context.Context) error {
	every(ctx, sweepEvery, a.dispatcher.Sweep, a.log.Error, "settings of ended jobs not restored")
	return nil
}

func (a *app) expire(ctx context.Context) error {
	ids, err := a.stores.requests.DueExpiries(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	return a.service.Expire(ctx, ids)
}
