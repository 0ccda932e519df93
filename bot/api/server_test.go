package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, url := serve(t, w, Tuning{})
	ready := func() int { code, _ := get(t, url+"/api/v1/health/ready", ""); return code }
	require.Equal(t, 200, ready())
	w.do(func() { w.chat.Connected = 0 })
	require.Equal(t, 503, ready())
	_, text := get(t, url+"/api/v1/health", "reader")
	require.Contains(t, text, "no socket is connected")
	w.do(func() { w.chat.Sockets = 0 })
	require.Equal(t, 200, ready(), "a process that does not talk needs no chat")
	w.do(func() { w.broken = errors.New("secret path /var/lib") })
	require.Equal(t, 503, ready())
	_, text = get(t, url+"/api/v1/health", "reader")
	require.Contains(t, text, "it does not answer")
	require.NotContains(t, text, "/var/lib")
	code, _ := get(t, url+"/api/v1/health/live", "")
	require.Equal(t, 200, code, "a sick storage is no reason to kill the process")
}

// Facts in the log become numbers.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld()
	at := time.Now()
	w.jobs["J-1"] = engine.Job{ID: "J-1", Kind: engine.JobRecycle, State: engine.JobSucceeded, Started: at.Add(-90 * time.Second), Ended: at, Steps: []engine.Step{
		{Seq: 1, Plan: engine.PlannedStep{Predicted: 300}, State: engine.StepDone, Outcome: "done", Before: 1000, After: 400, Took: 3 * time.Second},
		{Seq: 2, Plan: engine.PlannedStep{Predicted: 500}, State: engine.StepDone, Outcome: "adopted", Before: 500, After: 550, Took: time.Second},
	}}
	w.happen(engine.Event{Kind: engine.EventRequestCreated}) // before the start: not counted
	s, url := serve(t, w, Tuning{OpenMetrics: true})
	soon(t, func() bool { return s.log.ringAt(1) }, "the log was not followed")
	held := raw(t, throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{{Metric: throttle.MetricLag}, {Metric: throttle.MetricTrx}, {Metric: throttle.MetricLag}}})
	w.happen(engine.Event{Kind: engine.EventRequestCreated}, engine.Event{Kind: engine.EventRequestApproved},
		engine.Event{Kind: engine.EventJobCreated, JobID: "J-1"}, engine.Event{Kind: engine.EventJobStarted, JobID: "J-1"},
		engine.Event{Kind: engine.EventJobThrottled, JobID: "J-1", Data: held})
	lag := func() float64 {
		return testutil.ToFloat64(s.metrics.meter.throttled.WithLabelValues(throttle.MetricLag))
	}
	soon(t, func() bool { return lag() > 0.1 }, "a wait is counted while it lasts")
	w.happen(engine.Event{Kind: engine.EventJobThrottled, JobID: "J-1", Data: raw(t, throttle.Verdict{})},
		engine.Event{Kind: engine.EventTableProcessed, JobID: "J-1", Step: 1}, engine.Event{Kind: engine.EventTableProcessed, JobID: "J-1", Step: 2},
		engine.Event{Kind: engine.EventStepSkipped, JobID: "J-1", Step: 3}, engine.Event{Kind: engine.EventTableProcessed, JobID: "J-GONE", Step: 3},
		engine.Event{Kind: engine.EventJobCompleted, JobID: "J-1"},
		engine.Event{Kind: engine.EventJobNotice, JobID: "J-1", Data: raw(t, engine.Notice{Severity: engine.SeverityAlert, Alert: engine.AlertPromoted})},
		engine.Event{Kind: engine.EventJobNotice, JobID: "J-1", Data: raw(t, engine.Notice{Severity: "info"})})
	soon(t, func() bool { return s.log.ringAt(14) }, "the log was not followed")
	was := lag()
	require.InDelta(t, was, testutil.ToFloat64(s.metrics.meter.throttled.WithLabelValues(throttle.MetricTrx)), 0.001, "a reason named twice counts once")
	time.Sleep(30 * time.Millisecond)
	require.InDelta(t, was, lag(), 1e-9, "the wait is over")

	code, text := get(t, url+"/metrics", "")
	require.Equal(t, 200, code)
	for _, want := range []string{
		`recycler_requests_total{state="created"} 1`, `recycler_requests_total{state="approved"} 1`,
		`recycler_jobs_total{state="created"} 1`, `recycler_jobs_total{state="started"} 1`, `recycler_jobs_total{state="succeeded"} 1`,
		`recycler_jobs{state="succeeded"} 1`, `recycler_jobs{state="running"} 0`,
		`recycler_tables_processed_total{result="done"} 1`, `recycler_tables_processed_total{result="adopted"} 1`, `recycler_tables_processed_total{result="skipped"} 1`,
		`recycler_freed_bytes_total 600`, `recycler_grown_bytes_total 50`, `recycler_rebuild_duration_seconds_sum 4`, `recycler_rebuild_duration_seconds_count 2`,
		`recycler_prediction_error_ratio_bucket{le="0.1"} 2`, `recycler_prediction_error_ratio_bucket{le="0.05"} 0`,
		`recycler_job_duration_seconds_sum{kind="recycle",state="succeeded"} 90`,
		`recycler_slack_sockets{state="connected"} 2`, `recycler_build_info{goversion=`, `version="v1.2.3"} 1`, `recycler_event_log_last_seq 14`, `recycler_alerts_total{kind="promoted"} 1`, `recycler_alerts_total{kind="setting"} 0`, "go_goroutines",
	} {
		require.Contains(t, text, want)
	}
	problems, err := testutil.GatherAndLint(s.metrics.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	_, text = get(t, url+"/metrics", "")
	require.Contains(t, text, `recycler_api_requests_total{code="200",route="GET /metrics"} 1`)
	w.do(func() { w.broken = errors.New("gone") })
	code, text = get(t, url+"/metrics", "")
	require.Equal(t, 200, code, "the rest is still told")
	require.NotContains(t, text, "recycler_jobs{")
	require.Contains(t, text, "recycler_freed_bytes_total 600")
}

// Labels come from our routes and never from a caller.
func TestMetricsOfStrangePaths(t *testing.T) {
	t.Parallel()
	s, url := serve(t, newWorld(), Tuning{})
	for _, path := range []string{"/a", "/b?x=1", "/api/v1/jobs/x/y/z"} {
		code, _ := get(t, url+path, "")
		require.Equal(t, 404, code)
	}
	require.InDelta(t, 3, testutil.ToFloat64(s.metrics.calls.WithLabelValues("other", "404")), 0)
}

// The document names every route with its scope, and every reference in it leads somewhere.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	_, url := serve(t, newWorld(), Tuning{})
	code, text := get(t, url+"/api/v1/openapi.json", "")
	require.Equal(t, 200, code)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct{ Schemas map[string]any }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	open := []string{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if len(op.Security) == 0 {
				open = append(open, op.OperationID)
			}
			require.NotEmpty(t, op.OperationID, "%s %s", method, path)
			require.Contains(t, op.Responses["default"].Content, "application/problem+json", path)
		}
	}
	slices.Sort(open)
	require.Equal(t, []string{"live", "ready"}, open)
	require.GreaterOrEqual(t, len(doc.Paths), 21)
	for _, ref := range strings.Split(text, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		require.Contains(t, doc.Components.Schemas, name)
	}
	require.NotContains(t, doc.Components.Schemas, "ErrorModel", "there is one shape of errors")
}

// A panic ends one call and not the process, and tells nothing.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, err := New(Options{Facts: w, Lists: w, Events: w, Tokens: w, Keys: w})
	require.NoError(t, err)
	h := s.outer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") }))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, 500, rec.Code)
	require.NotContains(t, rec.Body.String(), "hunter2")
}

// The client sends its token nowhere it was not told to.
func TestClientKeepsItsToken(t *testing.T) {
	t.Parallel()
	for server, ok := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080/": true, "http://localhost": true, "https://db.example.net": true,
		"http://db.example.net": false, "http://10.0.0.1:8080": false, "ftp://x": false, "127.0.0.1:8080": false, "http://u:p@127.0.0.1": false, "": false,
	} {
		_, err := NewClient(ClientOptions{Server: server, Token: "t"})
		require.Equal(t, ok, err == nil, server)
	}
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) }))
	defer elsewhere.Close()
	bounce := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer bounce.Close()
	c := client(t, bounce.URL)
	_, err := c.Job(t.Context(), "J-1")
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "no_api", refused.Code)
	_, err = c.Events(t.Context(), 0, "")
	require.ErrorAs(t, err, &refused)
	require.Empty(t, got)
	bounce.Close()
	var silent *Unreachable
	_, err = c.Job(t.Context(), "J-1")
	require.ErrorAs(t, err, &silent)
	_, err = c.Events(t.Context(), 0, "")
	require.ErrorAs(t, err, &silent)
}
