package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// tracer is a reader of the event log: when a job has ended it sends it as an OpenTelemetry trace,
// one span for the job, one for its wait in the queue and one per table, with the times the journal
// has. Nothing in the engine knows of it. Its ids are made of the job's id, so a trace that is sent
// twice after a crash is one trace. A collector that does not answer delays no job; after a minute
// of tries that trace is lost, and the log says so.
type tracer struct {
	facts    *storage.Facts
	outbox   *storage.Outbox // keeps the cursor
	jobs     func(ctx context.Context, id string) (engine.Job, error)
	provider *sdktrace.TracerProvider
	failed   error // of the newest export
	exporter *otlptrace.Exporter
	log      *zap.Logger
}

// tracesReader names the cursor.
const tracesReader = "traces"

// tracing sends traces until ctx ends; without a collector in the configuration it does nothing.
func (a *app) tracing(ctx context.Context) error {
	c := a.conf.Load().config.Traces
	if c.URL == "" {
		return nil
	}
	t := &tracer{facts: a.stores.facts, outbox: a.stores.outbox, jobs: storage.NewJournal(a.db).Job, log: a.log.Named("traces")}
	if err := t.connect(ctx, c); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return t.run(ctx)
}

// connect prepares the exporter; nothing is sent yet.
func (t *tracer) connect(ctx context.Context, c configs.Traces) error {
	opts := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(c.URL), otlptracehttp.WithTimeout(c.Timeout)}
	if token := c.Token.Reveal(); token != "" {
		opts = append(opts, otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + token}))
	}
	var err error
	if t.exporter, err = otlptracehttp.New(ctx, opts...); err != nil {
		return err
	}
	about := resource.NewSchemaless(attribute.String("service.name", "mysql-recycler"), attribute.String("service.version", buildVersion()))
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithIDGenerator(jobIDs{}), sdktrace.WithSyncer(exporter{t}))
	return nil
}

func (t *tracer) run(ctx context.Context) error {
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := t.provider.Shutdown(end); err != nil {
			t.log.Warn("the exporter of traces did not end", zap.Error(err))
		}
	}()
	log := logReader{name: tracesReader, facts: t.facts, outbox: t.outbox}
	every(ctx, readEvery, func(ctx context.Context) error { return log.read(ctx, t.tell) }, t.log.Error, "traces not sent")
	return nil
}

// tell sends the job that an event says has ended.
func (t *tracer) tell(ctx context.Context, e engine.Event) (sent bool, err error) {
	switch e.Kind {
	case engine.EventJobCompleted, engine.EventJobFailed, engine.EventJobCancelled, engine.EventJobRefused:
		j, err := t.jobs(ctx, e.JobID)
		if err != nil {
			return false, err
		}
		t.send(ctx, j)
		return true, nil
	default: // of a job that goes on, or of none
		return false, nil
	}
}

// send makes the spans of a job that has ended. All parts of the trace are exported as they end,
// the job itself last.
func (t *tracer) send(ctx context.Context, j engine.Job) {
	t.failed = nil
	ctx = context.WithValue(ctx, spanKey{}, j.ID)
	tr := t.provider.Tracer("mysql-recycler")
	ctx, root := tr.Start(ctx, string(j.Kind)+" "+j.Host, trace.WithTimestamp(j.Created), trace.WithAttributes(
		attribute.String("recycler.job", j.ID), attribute.String("recycler.request", j.RequestID), attribute.String("recycler.cluster", j.Cluster),
		attribute.String("server.address", j.Host), attribute.String("recycler.state", string(j.State)), attribute.String("recycler.digest", j.Digest)))
	if !j.Started.IsZero() {
		_, queue := tr.Start(part(ctx, j.ID, "queue"), "wait in the queue", trace.WithTimestamp(j.Created))
		queue.End(trace.WithTimestamp(j.Started))
	}
	for _, s := range j.Steps {
		if s.Started.IsZero() || s.Ended.IsZero() {
			continue
		}
		table := s.Plan.Name()
		_, span := tr.Start(part(ctx, j.ID, fmt.Sprint(s.Seq)), "rebuild "+table, trace.WithTimestamp(s.Started), trace.WithAttributes(
			attribute.String("db.collection.name", s.Plan.TableName()), attribute.String("recycler.state", string(s.State)),
			attribute.String("recycler.outcome", string(s.Outcome)), attribute.String("recycler.method", string(s.Plan.Method.Kind)),
			attribute.Int64("recycler.before_bytes", s.Before), attribute.Int64("recycler.after_bytes", s.After),
			attribute.Int64("recycler.predicted_bytes", s.Plan.Predicted)))
		if s.State != engine.StepDone && s.State != engine.StepSkipped {
			span.SetStatus(codes.Error, s.Reason)
		}
		span.End(trace.WithTimestamp(s.Ended))
	}
	if j.State != engine.JobSucceeded {
		root.SetStatus(codes.Error, j.Reason)
	}
	root.End(trace.WithTimestamp(j.Ended))
	if t.failed != nil {
		t.log.Warn("a trace was not taken by the collector", zap.String("job", j.ID), zap.Error(t.failed))
	}
}

// exporter remembers that a span was not taken, and does not try the rest of that trace.
type exporter struct{ t *tracer }

// ExportSpans implements sdktrace.SpanExporter.
func (e exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.t.failed == nil {
		e.t.failed = e.t.exporter.ExportSpans(ctx, spans)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e exporter) Shutdown(ctx context.Context) error { return e.t.exporter.Shutdown(ctx) }

// spanKey carries what the ids of the next span are made of.
type spanKey struct{}

func part(ctx context.Context, job, name string) context.Context {
	return context.WithValue(ctx, spanKey{}, job+"/"+name)
}

// jobIDs makes ids out of what the context says, the same at each try.
type jobIDs struct{}

// NewIDs implements sdktrace.IDGenerator.
func (g jobIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	sum := sha256.Sum256(fmt.Append(nil, "trace ", ctx.Value(spanKey{})))
	id := trace.TraceID(sum[:16])
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (jobIDs) NewSpanID(ctx context.Context, _ trace.TraceID) (id trace.SpanID) {
	sum := sha256.Sum256(fmt.Append(nil, "span ", ctx.Value(spanKey{})))
	binary.BigEndian.PutUint64(id[:], binary.BigEndian.Uint64(sum[:])|1) // never zero
	return id
}
