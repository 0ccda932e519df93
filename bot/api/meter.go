package api

import (
	"context"
	"encoding/json"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

// meter turns the event log into counters. It has no cursor: it counts from where it was started,
// as Prometheus expects of a process.
type meter struct {
	facts Facts
	log   *zap.Logger

	requests  *prometheus.CounterVec
	jobs      *prometheus.CounterVec
	jobTime   *prometheus.HistogramVec
	tables    *prometheus.CounterVec
	freed     prometheus.Counter
	grown     prometheus.Counter
	rebuild   prometheus.Histogram
	miss      prometheus.Histogram
	throttled *prometheus.CounterVec
	alerts    *prometheus.CounterVec

	mu    sync.Mutex
	waits map[string]*wait // by job
}

// wait is a job that the throttle holds back.
type wait struct {
	counted time.Time // up to when it is in the counters
	reasons []string  // names of metrics
	words   []string  // the comparisons
}

func newMeter(facts Facts, log *zap.Logger) *meter {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	minutes := prometheus.ExponentialBuckets(1, 3, 12) // 1 s to 49 h
	m := &meter{facts: facts, log: log, waits: map[string]*wait{},
		requests: count("recycler_requests_total", "Requests that came to a state.", "state"),
		jobs:     count("recycler_jobs_total", "Jobs that came to a state.", "state"),
		jobTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "recycler_job_duration_seconds",
			Help: "From a job's start to its end, waiting included.", Buckets: minutes}, []string{"kind", "state"}),
		tables: count("recycler_tables_processed_total", "Tables that came to an end.", "result"),
		freed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "recycler_freed_bytes_total", Help: "Bytes given back, as the servers measured."}),
		grown: prometheus.NewCounter(prometheus.CounterOpts{Name: "recycler_grown_bytes_total",
			Help: "Bytes by which rebuilt tables became bigger."}),
		rebuild: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "recycler_rebuild_duration_seconds",
			Help: "Time of one table's rebuild.", Buckets: minutes}),
		miss: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "recycler_prediction_error_ratio",
			Help: "How far the predicted size was from the measured one, as a share of the table before.", Buckets: []float64{.005, .01, .02, .05, .1, .2, .3, .5, 1}}),
		throttled: count("recycler_throttled_seconds_total", "Time jobs were held back, by reason; several reasons at once each count.", "reason"),
		alerts:    count("recycler_alerts_total", "Alerts told, by kind; what is behind one cannot wait.", "kind"),
	}
	for _, kind := range engine.AlertKinds {
		m.alerts.WithLabelValues(string(kind)) // from zero, so that the first one is an increase
	}
	return m
}

func (m *meter) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.jobs, m.jobTime, m.tables, m.freed, m.grown, m.rebuild, m.miss, m.throttled, m.alerts}
}

// requestStates and jobStates are what events bring requests and jobs to.
var (
	requestStates = map[engine.EventKind]string{
		engine.EventRequestCreated: "created", engine.EventRequestApproved: "approved", engine.EventRequestDenied: "denied",
		engine.EventRequestExpired: "expired", engine.EventRequestWithdrawn: "withdrawn", engine.EventRequestSuperseded: "superseded",
	}
	jobStates = map[engine.EventKind]engine.JobState{
		engine.EventJobCompleted: engine.JobSucceeded, engine.EventJobFailed: engine.JobFailed,
		engine.EventJobCancelled: engine.JobCancelled, engine.EventJobRefused: engine.JobRefused,
	}
	tableResults = map[engine.EventKind]string{
		engine.EventStepSkipped: "skipped", engine.EventStepFailed: "failed", engine.EventStepUnknown: "unknown",
	}
)

// event counts one fact.
func (m *meter) event(ctx context.Context, e engine.Event) {
	if kind, _, is := engine.AlertOf(e); is {
		m.alerts.WithLabelValues(string(kind)).Inc()
	}
	if state, ok := requestStates[e.Kind]; ok {
		m.requests.WithLabelValues(state).Inc()
		return
	}
	if state, ok := jobStates[e.Kind]; ok {
		m.jobs.WithLabelValues(string(state)).Inc()
		m.release(e.JobID)
		m.ended(ctx, e)
		return
	}
	if result, ok := tableResults[e.Kind]; ok {
		m.tables.WithLabelValues(result).Inc()
		return
	}
	switch e.Kind {
	case engine.EventJobCreated:
		m.jobs.WithLabelValues("created").Inc()
	case engine.EventJobStarted:
		m.jobs.WithLabelValues("started").Inc()
	case engine.EventJobPaused, engine.EventStepStarted:
		m.release(e.JobID)
	case engine.EventJobThrottled:
		m.hold(e)
	case engine.EventTableProcessed:
		m.table(ctx, e)
	default: // told elsewhere, or not a number
	}
}

// ended measures a job.
func (m *meter) ended(ctx context.Context, e engine.Event) {
	j, ok := m.job(ctx, e)
	if ok && !j.Started.IsZero() && !j.Ended.IsZero() {
		m.jobTime.WithLabelValues(string(j.Kind), string(j.State)).Observe(j.Ended.Sub(j.Started).Seconds())
	}
}

// table measures a rebuilt table.
func (m *meter) table(ctx context.Context, e engine.Event) {
	j, ok := m.job(ctx, e)
	if !ok {
		return
	}
	for _, s := range j.Steps {
		if s.Seq != e.Step {
			continue
		}
		result := string(s.Outcome)
		if result == "" {
			result = "done"
		}
		m.tables.WithLabelValues(result).Inc()
		if gain := float64(s.Before - s.After); gain >= 0 {
			m.freed.Add(gain)
		} else {
			m.grown.Add(-gain)
		}
		if s.Took > 0 {
			m.rebuild.Observe(s.Took.Seconds())
		}
		if s.Before > 0 {
			m.miss.Observe(math.Abs(float64(s.After-s.Plan.Predicted)) / float64(s.Before))
		}
	}
}

// job reads the job of an event. A metric that is missed is not worth more than a line in the log.
func (m *meter) job(ctx context.Context, e engine.Event) (engine.Job, bool) {
	j, err := m.facts.Job(ctx, e.JobID)
	if err != nil {
		m.log.Warn("an event is missing in the metrics", zap.Int64("seq", e.Seq), zap.Error(err))
	}
	return j, err == nil
}

// hold notes why a job waits now; a verdict without reasons ends the wait.
func (m *meter) hold(e engine.Event) {
	var v throttle.Verdict
	if err := json.Unmarshal(e.Data, &v); err != nil {
		m.log.Warn("an event is missing in the metrics", zap.Int64("seq", e.Seq), zap.Error(err))
		return
	}
	m.release(e.JobID)
	if !v.Throttled {
		return
	}
	w := &wait{counted: time.Now()}
	seen := map[string]bool{}
	for _, r := range v.Reasons {
		w.words = append(w.words, r.String())
		if !seen[r.Metric] {
			seen[r.Metric] = true
			w.reasons = append(w.reasons, r.Metric)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits[e.JobID] = w
}

// waitsFor is why a job waits now, one comparison each; nothing when it does not.
func (m *meter) waitsFor(job string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.waits[job]; w != nil {
		return w.words
	}
	return nil
}

// release ends a job's wait.
func (m *meter) release(job string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.waits[job]; w != nil {
		m.count(w, time.Now())
		delete(m.waits, job)
	}
}

// tick brings the counters up to now, so that a long wait is seen while it lasts.
func (m *meter) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.waits {
		m.count(w, now)
	}
}

// count moves a wait into the counters.
func (m *meter) count(w *wait, now time.Time) {
	if d := now.Sub(w.counted); d > 0 {
		for _, r := range w.reasons {
			m.throttled.WithLabelValues(r).Add(d.Seconds())
		}
		w.counted = now
	}
}
