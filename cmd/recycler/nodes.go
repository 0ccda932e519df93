package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// Times of the bot's lease. A bot that was killed is replaced within botTTL + botLook and the time
// Slack takes to open a socket; on its own machine, where the others see that it is gone, within
// botLook. A bot that cannot renew ends itself botMargin before its lease can
// be taken, by a clock that runs on while the process is frozen.
const (
	botTTL    = 8 * time.Second
	botRenew  = 2 * time.Second
	botMargin = time.Second
	botLook   = time.Second // of those who wait
)

// appOfToken finds the app's id in an app-level token, xapp-1-A0123456789-….
var appOfToken = regexp.MustCompile(`^xapp-\d+-(A[A-Z0-9]+)-`)

// botName names the lease of the Slack app a token belongs to. A token that was rotated is still
// the same app; what is hashed cannot be read back.
func botName(token string) string {
	id := token
	if m := appOfToken.FindStringSubmatch(token); m != nil {
		id = m[1]
	}
	sum := sha256.Sum256([]byte(id))
	return "bot:" + hex.EncodeToString(sum[:8])
}

// nodeName is this process for people: machine and process.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + strconv.Itoa(os.Getpid())
}

// processName names this start of this process so that others can tell whether it is dead: boot of
// the machine, namespace of process ids, process id, and what makes it unique. Where the system
// does not tell, only the last part is there, and others wait for the end of its lease.
func processName() string {
	return place() + strconv.Itoa(os.Getpid()) + "/" + uuid.NewString()
}

// place is where a process id means the same process.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + space + "/"
}

// dead reports whether the process of that name is known to be gone: it ran on this machine since
// its boot, in this namespace, and its id is nobody's. An id that was given out again is not known.
func dead(name string) bool {
	here := place()
	rest, ours := strings.CutPrefix(name, here)
	if here == "" || !ours {
		return false
	}
	text, _, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(text)
	return err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// bench is where the bots of one Slack app wait for their turn: one is active, under a lease.
type bench struct {
	leases      *storage.BotLeases
	name, owner string
	play        func(context.Context) error // what the active bot does until its context ends
	log         *zap.Logger
}

// run plays whenever it has the lease, until ctx ends. An error of play ends it.
func (b *bench) run(ctx context.Context) error {
	for ctx.Err() == nil {
		l, ok := b.wait(ctx)
		if !ok {
			return nil
		}
		b.log.Info("this process is the active bot", zap.String("lease", l.Name), zap.Int64("epoch", l.Epoch))
		if err := b.tenure(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until the lease is ours; false when ctx ended first.
func (b *bench) wait(ctx context.Context) (storage.BotLease, bool) {
	tick := time.NewTicker(botLook)
	defer tick.Stop()
	seen := int64(-1)
	for {
		l, err := b.leases.Take(ctx, b.name, b.owner, nodeName(), botTTL)
		switch {
		case err == nil:
			return l, true
		case ctx.Err() != nil:
			return l, false
		case !errors.Is(err, engine.ErrLeaseHeld):
			b.log.Error("cannot become the active bot", zap.Error(err))
		case dead(l.Owner):
			b.log.Info("the active bot's process is gone", zap.String("active", l.Node), zap.Int64("epoch", l.Epoch))
			if err := b.leases.Release(ctx, l); err == nil {
				continue
			}
		case l.Epoch != seen:
			seen = l.Epoch
			b.log.Info("another process is the active bot, waiting", zap.String("active", l.Node), zap.Int64("epoch", l.Epoch))
		}
		select {
		case <-ctx.Done():
			return l, false
		case <-tick.C:
		}
	}
}

// tenure plays under the lease until ctx ends or the lease is lost, which ends play at once and is
// no error: the process waits again.
func (b *bench) tenure(ctx context.Context, l storage.BotLease) error {
	run, lose := context.WithCancelCause(storage.WithFence(ctx, l))
	defer lose(nil)
	// The lease is kept while play comes to its end: work in hand still writes under it.
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { b.keep(keep, l, lose); return nil })
	err := b.play(run)
	// play may meet the fence before keep hears of it.
	lost := errors.Is(context.Cause(run), engine.ErrLeaseLost) || errors.Is(err, engine.ErrLeaseLost)
	stop()
	_ = g.Wait() // keep has no error of its own
	if lost {
		b.log.Warn("not the active bot any more", zap.Int64("epoch", l.Epoch), zap.NamedError("ended_with", err))
		return nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), botRenew)
	defer cancel()
	if free := b.leases.Release(end, l); free != nil && !errors.Is(free, engine.ErrLeaseLost) {
		b.log.Warn("the bot's lease was not given back, others wait for its end", zap.Error(free))
	}
	return err
}

// keep renews the lease until ctx ends, and calls lose when another has it or when it could not be
// renewed for so long that another may get it.
func (b *bench) keep(ctx context.Context, l storage.BotLease, lose context.CancelCauseFunc) {
	late := time.AfterFunc(botTTL-botMargin, func() { lose(engine.ErrLeaseLost) })
	defer late.Stop()
	tick := time.NewTicker(botRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := time.Now()
		one, cancel := context.WithTimeout(ctx, botTTL)
		err := b.leases.Renew(one, l, botTTL)
		cancel()
		switch {
		case err == nil:
			late.Reset(time.Until(asked.Add(botTTL - botMargin)))
		case errors.Is(err, engine.ErrLeaseLost):
			lose(engine.ErrLeaseLost)
			return
		case ctx.Err() == nil:
			b.log.Warn("the bot's lease was not renewed", zap.Error(err))
		}
	}
}

// beBot is the role bot: the active one talks to Slack and keeps house, the others wait.
func (a *app) beBot(ctx context.Context) error {
	if !a.conf.Load().config.Node.Has(configs.RoleBot) {
		return nil
	}
	b := &bench{
		leases: storage.NewBotLeases(a.db), name: botName(a.conf.Load().config.Slack.AppToken.Reveal()), owner: processName(),
		play: a.chat, log: a.log.Named("node"),
	}
	return b.run(ctx)
}

// chat is what only the active bot does.
func (a *app) chat(ctx context.Context) error {
	a.active.Store(true)
	defer a.active.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.slack.Run(ctx) })
	g.Go(func() error { return a.bot.Teller().Run(ctx) })
	g.Go(func() error { return a.slots.Run(ctx) })
	g.Go(func() error { return a.housekeeping(ctx) })
	g.Go(func() error { return a.retaining(ctx) })
	g.Go(func() error { return a.alerter().run(ctx) })
	g.Go(func() error { return a.keepBackups(ctx) })
	g.Go(func() error { return a.tracing(ctx) })
	g.Go(func() error { return a.campaigns().run(ctx) })
	return g.Wait()
}

// regions are the queues this process works: those of its clusters that it reaches, with the
// configured number of hosts at once in each. Without the role worker there are none, and the
// queue only hands jobs in.
func regions(c configs.Config) map[string]int {
	m := map[string]int{}
	for _, cl := range c.Clusters {
		if c.Node.Works(cl.Region) {
			m[cl.Region] = c.Engine.Workers
		}
	}
	return m
}
