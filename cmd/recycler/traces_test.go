package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collected takes traces as an OpenTelemetry collector does.
type collected struct {
	mu    sync.Mutex
	spans []*spans.Span
}

func newCollected(t *testing.T) (*collected, string) {
	t.Helper()
	c := &collected{}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, s.URL + "/v1/traces"
}

// ServeHTTP implements http.Handler.
func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	b, err := io.ReadAll(body)
	var in collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(b, &in) != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, res := range in.ResourceSpans {
		for _, scope := range res.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// of lists the spans of a job, its own last.
func (c *collected) of(job string) (out []*spans.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, root := range c.spans {
		if !slices.ContainsFunc(root.Attributes, func(a *common.KeyValue) bool { return a.Key == "recycler.job" && a.Value.GetStringValue() == job }) {
			continue
		}
		for _, s := range c.spans {
			if string(s.TraceId) == string(root.TraceId) {
				out = append(out, s)
			}
		}
	}
	return out
}

// traced looks at the trace of a finished job.
func (p *program) traced(t *testing.T, job string) {
	t.Helper()
	p.until(t, "the trace of "+job, func() bool { return len(p.traces.of(job)) == 3 })
	all := p.traces.of(job)
	root := all[2]
	require.Equal(t, "recycle db-2", root.Name)
	require.Equal(t, "wait in the queue", all[0].Name)
	require.Equal(t, "rebuild shop.orders", all[1].Name)
	for _, s := range all[:2] {
		require.Equal(t, root.SpanId, s.ParentSpanId)
		require.LessOrEqual(t, root.StartTimeUnixNano, s.StartTimeUnixNano)
		require.GreaterOrEqual(t, root.EndTimeUnixNano, s.EndTimeUnixNano)
	}
	require.Less(t, all[1].StartTimeUnixNano, all[1].EndTimeUnixNano)
}
