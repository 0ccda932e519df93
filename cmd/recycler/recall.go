package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"mysql-recycler/bot"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/storage"
)

// newRecall puts memory before the store and the last snapshots behind it.
func newRecall(c configs.Config, store engine.RecallStore, refusals *guard.Cache, log *zap.Logger) *engine.Recall {
	return engine.NewRecall(engine.RecallOptions{
		Store: store, Keep: c.Engine.Cache.Discoveries, Refusals: refusals, Refuse: c.Engine.Cache.Refusals, Dir: snapshotDir(c),
		Now: time.Now, Log: log.Named("recall"),
	})
}

// snapshotDir is where the last snapshots are: as configured, else beside a SQLite file.
func snapshotDir(c configs.Config) string {
	if c.Engine.Cache.Dir != "" {
		return c.Engine.Cache.Dir
	}
	file, ok := strings.CutPrefix(c.Storage.URL.Reveal(), "sqlite://")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(file, filepath.Ext(file)) + "-seen"
}

// lists is storage with the recall before its discoveries, for the conversation.
type lists struct {
	*storage.Facts
	recall *engine.Recall
}

var _ bot.Lists = lists{}

// NewestDiscovery implements bot.Lists.
func (l lists) NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error) {
	return l.recall.NewestDiscovery(ctx, cluster, host)
}

// recallReads shows a recall's hits and misses as a metric.
type recallReads struct{ recall *engine.Recall }

var cacheReads = prometheus.NewDesc("recycler_cache_reads_total",
	"Questions about what is known of hosts (discovery, refusal), by the layer asked (memory, store, disk) and what it had (hit, miss).",
	[]string{"what", "layer", "result"}, nil)

// Describe implements prometheus.Collector.
func (recallReads) Describe(ch chan<- *prometheus.Desc) { ch <- cacheReads }

// Collect implements prometheus.Collector.
func (r recallReads) Collect(ch chan<- prometheus.Metric) {
	for k, n := range r.recall.Reads() {
		result := "miss"
		if k.Hit {
			result = "hit"
		}
		ch <- prometheus.MustNewConstMetric(cacheReads, prometheus.CounterValue, float64(n), k.What, k.Layer, result)
	}
}
