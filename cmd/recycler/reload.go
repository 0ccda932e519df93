package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"mysql-recycler/bot/api"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// reloader takes a new configuration while the process runs.
//
//	file changed ─┐
//	SIGHUP        ├─▶ try ─▶ read, check, build all of it ─▶ swap the snapshot ─▶ told
//	API           ┘                     └ a mistake: nothing changes ─▶ told
//
// Who asks a question after the swap gets the new answer: commands, clicks, schedules, alerts. A
// running job keeps the plan, the guard and the way to its servers it began with. What counts only
// from the start on stays as it is and is named.
type reloader struct {
	src     source
	conf    *current
	started configs.Config
	process string
	hup     chan os.Signal
	log     *zap.Logger
	level   zap.AtomicLevel
	tell    func(context.Context, storage.Reload) error
	// prepare does what must be possible before a snapshot is in force and does no harm if it is not.
	prepare func(*snapshot) error

	trying sync.Mutex // one try at a time
	mu     sync.Mutex // guards state
	state  api.ConfigState
}

var _ api.Configuration = (*reloader)(nil)

// newReloader reloads the configuration of an app.
func newReloader(src source, a *app, level zap.AtomicLevel) *reloader {
	first, hup := a.conf.Load(), make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from now on: before follow looks, it would end the process
	return &reloader{src: src, conf: a.conf, started: first.config, process: processName(), hup: hup, level: level, log: a.log.Named("config"),
		tell:    func(ctx context.Context, r storage.Reload) error { return a.stores.facts.TellReload(ctx, r) },
		prepare: a.prepare,
		state:   api.ConfigState{Hash: first.config.Hash(), Since: first.since, Restart: []string{}, Mistakes: []string{}}}
}

// Why a reload was tried.
const (
	whyFile   = "file"
	whySignal = "signal"
	whyAPI    = "api"
)

// Reload implements api.Configuration.
func (r *reloader) Reload(ctx context.Context, by string) (api.Reloaded, error) {
	return r.try(ctx, whyAPI, by)
}

// State implements api.Configuration.
func (r *reloader) State() api.ConfigState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Settings implements api.Configuration.
func (r *reloader) Settings() []api.ConfigSetting {
	cfg := r.conf.Load().config
	var out []api.ConfigSetting
	for _, s := range cfg.Settings() {
		out = append(out, api.ConfigSetting{Path: s.Path, Value: s.Value, Restart: s.Restart})
	}
	return out
}

// try is the one way to a new configuration, whoever wants it.
func (r *reloader) try(ctx context.Context, why, by string) (api.Reloaded, error) {
	r.trying.Lock()
	defer r.trying.Unlock()
	was := r.State()
	told := storage.Reload{By: by, Node: nodeName(), Process: r.process, File: r.src.path, Why: why, Hash: was.Hash}
	next, wanted, err := r.build()
	if err != nil {
		told.Refused, told.Mistakes = true, mistakesOf(err)
		r.refuse(told.Mistakes)
		r.log.Error("the configuration was refused; the one before stays in force", zap.String("why", why), zap.Strings("mistakes", told.Mistakes))
		if !slices.Equal(told.Mistakes, was.Mistakes) {
			r.tellOf(ctx, told)
		}
		return api.Reloaded{}, &engine.Problem{Code: "config_refused", Text: "The configuration was refused; the one before stays in force.",
			Reasons: told.Mistakes, Next: "Mend " + r.src.path + " and reload again."}
	}
	before := r.conf.Load().config
	told.Changes = lines(configs.Diff(before.Settings(), next.config.Settings()))
	told.Restart = pathsOf(configs.Diff(next.config.Settings(), wanted.Settings()))
	if level, err := zapcore.ParseLevel(next.config.Log.Level); err == nil { // checked with the rest
		r.level.SetLevel(level)
	}
	r.conf.put(next)
	state := r.accept(next, told.Restart)
	if len(told.Changes) == 0 && slices.Equal(told.Restart, was.Restart) && len(was.Mistakes) == 0 {
		r.log.Info("the configuration was read again and says the same", zap.String("why", why))
		return api.Reloaded{ConfigState: state, Changes: told.Changes}, nil
	}
	told.Hash = state.Hash
	r.log.Info("the configuration was reloaded", zap.String("why", why), zap.String("hash", told.Hash), zap.Strings("changes", told.Changes), zap.Strings("after_a_restart", told.Restart))
	r.tellOf(ctx, told)
	return api.Reloaded{ConfigState: state, Changes: told.Changes}, nil
}

// build reads the configuration and makes everything that can fail. It returns what can be in force
// and what the file wants.
func (r *reloader) build() (*snapshot, configs.Config, error) {
	read, err := r.src.load()
	if err != nil {
		return nil, configs.Config{}, err
	}
	next, err := newSnapshot(configs.Keep(r.started, read.config), read.digest)
	if err != nil {
		return nil, configs.Config{}, err
	}
	return next, read.config, r.prepare(next)
}

// accept notes that a snapshot is in force.
func (r *reloader) accept(s *snapshot, restart []string) api.ConfigState {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = api.ConfigState{Hash: s.config.Hash(), Since: s.since, Restart: restart, Mistakes: []string{}, Accepted: r.state.Accepted + 1, Refused: r.state.Refused}
	return r.state
}

// refuse notes why the newest file is not in force.
func (r *reloader) refuse(mistakes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Mistakes, r.state.Refused = mistakes, r.state.Refused+1
}

// tellOf puts a reload into the event log, which the audit, the alerts and the doctor read. A
// database that is away does not hold a configuration up.
func (r *reloader) tellOf(ctx context.Context, told storage.Reload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.tell(ctx, told); err != nil {
		r.log.Error("a reload is missing in the event log", zap.Error(err))
	}
}

// mistakesOf are the reasons of a refusal, one line each. They hold no secret.
func mistakesOf(err error) []string {
	var all *configs.Error
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var out []string
	for _, m := range all.Mistakes {
		out = append(out, m.String())
	}
	return out
}

// lines are changes as people read them.
func lines(changes []configs.Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

// pathsOf are the keys of changes.
func pathsOf(changes []configs.Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, c.Path)
	}
	return out
}

// prepare has the queue work the regions of a snapshot.
func (a *app) prepare(s *snapshot) error {
	for region, hosts := range regions(s.config) {
		if err := a.queue.Work(region, hosts); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	return nil
}
