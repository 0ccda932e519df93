package api

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// metrics is what /metrics shows, in a registry of its own. Counters count what happened since the
// process started; recycler_jobs and recycler_slack_* are read when somebody asks.
type metrics struct {
	registry *prometheus.Registry

	calls   *prometheus.CounterVec
	latency *prometheus.HistogramVec
	readers prometheus.Gauge
	drops   *prometheus.CounterVec
	meter   *meter
}

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "recycler_api_requests_total",
			Help: "Calls answered, by route and status code."}, []string{"route", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "recycler_api_request_duration_seconds",
			Help: "Time to answer a call; WebSockets are left out.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"route"}),
		readers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "recycler_api_event_readers",
			Help: "Readers of the event log over a WebSocket, now."}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "recycler_api_event_readers_dropped_total",
			Help: "Readers let go, by reason."}, []string{"reason"}),
		meter: newMeter(s.o.Facts, s.o.Log),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "recycler_build_info", Help: "The running version; always 1.",
		ConstLabels: prometheus.Labels{"version": s.o.Tuning.Version, "goversion": runtime.Version()}})
	build.Set(1)
	for _, c := range append([]prometheus.Collector{m.calls, m.latency, m.readers, m.drops, build, &asked{s}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}, slices.Concat(m.meter.collectors(), s.o.Collectors)...) {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// called counts an answered call. Routes are our patterns, so that no caller can make up labels.
func (m *metrics) called(pattern, _ string, code int, took time.Duration) {
	if pattern == "" || pattern == "/" {
		pattern = "other"
	}
	m.calls.WithLabelValues(pattern, strconv.Itoa(code)).Inc()
	if code != http.StatusSwitchingProtocols {
		m.latency.WithLabelValues(pattern).Observe(took.Seconds())
	}
}

func (m *metrics) event(ctx context.Context, e engine.Event) { m.meter.event(ctx, e) }
func (m *metrics) tick(now time.Time)                        { m.meter.tick(now) }

// asked reads facts when somebody asks for metrics.
type asked struct{ s *Server }

var (
	jobsNow   = prometheus.NewDesc("recycler_jobs", "Jobs in each state, as stored.", []string{"state"}, nil)
	lastEvent = prometheus.NewDesc("recycler_event_log_last_seq", "Number of the newest event.", nil, nil)
	sockets   = prometheus.NewDesc("recycler_slack_sockets", "Sockets to Slack: wanted, and connected now.", []string{"state"}, nil)
	envelopes = prometheus.NewDesc("recycler_slack_envelopes_total", "Envelopes from Slack by what became of them; received ones are acknowledged after they are stored.", []string{"result"}, nil)
	messages  = prometheus.NewDesc("recycler_slack_messages_total", "Messages to Slack by what became of them.", []string{"result"}, nil)
)

// Describe implements prometheus.Collector.
func (a *asked) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsNow, lastEvent, sockets, envelopes, messages, configGood, configTime, configRead, configInfo, configWait} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), looks) // a collector is given none
	defer cancel()
	counts, err := a.s.o.Lists.JobCounts(ctx)
	if err != nil {
		a.s.o.Log.Warn("jobs not counted for the metrics", zap.Error(err))
		ch <- prometheus.NewInvalidMetric(jobsNow, err)
	} else {
		for _, state := range []engine.JobState{engine.JobQueued, engine.JobRunning, engine.JobPaused, engine.JobSucceeded,
			engine.JobFailed, engine.JobCancelled, engine.JobRefused} {
			ch <- prometheus.MustNewConstMetric(jobsNow, prometheus.GaugeValue, float64(counts[state]), string(state))
		}
	}
	if seq, err := a.s.o.Events.LastEvent(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(lastEvent, prometheus.GaugeValue, float64(seq))
	}
	a.collectConfig(ch)
	c := a.s.o.Chat()
	gauge := func(d *prometheus.Desc, v int, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), label)
	}
	count := func(d *prometheus.Desc, v int64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), label)
	}
	gauge(sockets, c.Sockets, "wanted")
	gauge(sockets, c.Connected, "connected")
	count(envelopes, c.Received, "received")
	count(envelopes, c.Handled, "handled")
	count(envelopes, c.AckErrors, "ack_error")
	count(messages, c.Posted, "posted")
	count(messages, c.Edited, "edited")
	count(messages, c.Failed, "failed")
	count(messages, c.Limited, "rate_limited")
}
