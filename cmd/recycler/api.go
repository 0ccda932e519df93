package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/api"
	"mysql-recycler/bot/slack"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// newAPI builds the HTTP door over the same services as the chat; nil when it has no address.
func (a *app) newAPI(journal *storage.Journal, recall *engine.Recall, live *engine.Live) (*api.Server, error) {
	c := a.conf.Load().config.API
	if c.Listen == "" || !a.conf.Load().config.Node.Has(configs.RoleAPI) {
		return nil, nil //nolint:nilnil // no API is a valid configuration
	}
	tune := api.Tuning{Version: buildVersion(), Rate: c.Rate, MaxBody: int64(c.MaxBody), OpenMetrics: c.OpenMetrics}
	if c.TLSCert != "" {
		tune.TLS = a.conf.cert
	}
	facts := apiFacts{a.stores.facts, journal, recall}
	return api.New(api.Options{
		Talk: a.bot, Fleet: a.bot, Workers: a.bot, Decisions: a.service, Facts: facts, Lists: facts, Events: a.stores.facts, Live: live,
		Tokens: apiTokens{storage.NewTokens(a.db)}, Keys: apiKeys{storage.NewKeys(a.db)}, Directory: a.slack, Fresh: slack.Fresh,
		Chat: a.chatStats, Log: a.log.Named("api"),
		Collectors: []prometheus.Collector{recallReads{recall}, a.backups, openConnections{a.conf}}, Config: a.reload, Tuning: tune,
	})
}

// serveAPI listens and serves until ctx ends; without an API it does nothing.
func (a *app) serveAPI(ctx context.Context) error {
	if a.api == nil {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.conf.Load().config.API.Listen)
	if err != nil {
		return fmt.Errorf("open the API: %w", err)
	}
	return a.api.Run(ctx, l)
}

// chatStats are the transport's counters as health and metrics tell them.
func (a *app) chatStats() api.ChatStats {
	s := a.slack.Stats()
	out := api.ChatStats{Received: s.In.Received, Handled: s.In.Handled, AckErrors: s.In.AckErrors,
		Posted: s.Out.Posted, Edited: s.Out.Edited, Failed: s.Out.Failed, Limited: s.Out.RateLimited}
	if !a.active.Load() {
		return out // another process talks
	}
	out.Sockets = len(s.Sockets)
	for _, k := range s.Sockets {
		if k.Connected {
			out.Connected++
		}
	}
	return out
}

// apiFacts is storage as the API reads it.
type apiFacts struct {
	*storage.Facts
	journal *storage.Journal
	recall  *engine.Recall
}

var (
	_ api.Facts  = apiFacts{}
	_ api.Lists  = apiFacts{}
	_ api.Events = apiFacts{}
	_ api.Tokens = apiTokens{}
	_ api.Keys   = apiKeys{}
)

// Job implements api.Facts.
func (f apiFacts) Job(ctx context.Context, id string) (engine.Job, error) {
	return f.journal.Job(ctx, id)
}

// NewestDiscovery implements api.Facts.
func (f apiFacts) NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error) {
	return f.recall.NewestDiscovery(ctx, cluster, host)
}

// RequestPage implements api.Lists.
func (f apiFacts) RequestPage(ctx context.Context, w api.Filter, after api.Place, limit int) ([]approvals.Request, error) {
	return f.Facts.RequestPage(ctx, storage.Filter(w), storage.Place(after), limit)
}

// JobPage implements api.Lists.
func (f apiFacts) JobPage(ctx context.Context, w api.Filter, after api.Place, limit int) ([]engine.Job, error) {
	return f.Facts.JobPage(ctx, storage.Filter(w), storage.Place(after), limit)
}

// Freed implements api.Lists.
func (f apiFacts) Freed(ctx context.Context, since time.Time) ([]api.Freed, error) {
	rows, err := f.Facts.Freed(ctx, since)
	days := make([]api.Freed, len(rows))
	for i, r := range rows {
		days[i] = api.Freed(r)
	}
	return days, err
}

// apiTokens is storage's tokens as the API looks them up.
type apiTokens struct{ *storage.Tokens }

// Live implements api.Tokens.
func (t apiTokens) Live(ctx context.Context, hash string) (api.Token, error) {
	got, err := t.Tokens.Live(ctx, hash)
	return api.Token(got), err
}

// apiKeys is storage's idempotency keys as the API uses them.
type apiKeys struct{ *storage.Keys }

// Claim implements api.Keys.
func (k apiKeys) Claim(ctx context.Context, tokenID, key, fingerprint string) (api.Key, bool, error) {
	got, fresh, err := k.Keys.Claim(ctx, tokenID, key, fingerprint)
	return api.Key(got), fresh, err
}
