package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/api/page"
	"mysql-recycler/engine"
)

// Conversation asks for work and passes on wishes, by the rules of the chat; *bot.Bot is one.
type Conversation interface {
	Ask(ctx context.Context, by approvals.Actor, channel, text string) (approvals.Request, error)
	WantJob(ctx context.Context, by approvals.Actor, j engine.Job, w engine.Wanted) (engine.Job, error)
	SkipTable(ctx context.Context, by approvals.Actor, j engine.Job, table string) (engine.Job, error)
	Preview(ctx context.Context, text string) (engine.Plan, error)
}

// Decisions is the second-person rule; *approvals.Service is it.
type Decisions interface {
	Review(ctx context.Context, in approvals.ReviewInput) (approvals.Request, error)
	Withdraw(ctx context.Context, id string, by approvals.Actor) (approvals.Request, error)
}

// Facts reads single things; what is not there is engine.ErrNotFound.
type Facts interface {
	Request(ctx context.Context, id string) (approvals.Request, error)
	Job(ctx context.Context, id string) (engine.Job, error)
	Discovery(ctx context.Context, requestID string) (engine.Discovery, error)
	// NewestDiscovery is the newest of a cluster (any when empty) that looked at host (any when empty).
	NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error)
}

// Lists reads pages, newest first.
type Lists interface {
	RequestPage(ctx context.Context, f Filter, after Place, limit int) ([]approvals.Request, error)
	JobPage(ctx context.Context, f Filter, after Place, limit int) ([]engine.Job, error)
	JobCounts(ctx context.Context) (map[engine.JobState]int64, error)
	Freed(ctx context.Context, since time.Time) ([]Freed, error)
}

// Events reads the event log.
type Events interface {
	EventsAfter(ctx context.Context, seq int64, limit int) ([]engine.Event, error)
	LastEvent(ctx context.Context) (int64, error)
}

// Live is the newest progress of steps that run in this process.
type Live interface {
	Progress(jobID string) []engine.LiveStep
}

// Options are the parts of a Server.
//
// long: every part of the process that a call can reach.
type Options struct {
	Talk      Conversation
	Decisions Decisions
	Facts     Facts
	Lists     Lists
	Events    Events
	Tokens    Tokens
	Keys      Keys
	Directory approvals.Directory
	Live      Live
	Config    Configuration // nil: there is none to show or reload
	Fleet     Fleet
	Workers   Workers
	Chat      func() ChatStats // nil: there is no chat
	// Fresh marks a context in which something is decided, so that groups are read afresh.
	Fresh  func(context.Context) context.Context
	Tuning Tuning
	Log    *zap.Logger
	// Collectors are what other parts of the process add to the metrics.
	Collectors []prometheus.Collector
}

// Tuning is what the configuration and tests change. Zero values mean the defaults named here.
type Tuning struct {
	Version     string                  // of the program, for people
	Rate        int                     // calls a second of one token; bursts are twice that; 20
	Strangers   int                     // calls a second without a live token, of one address; bursts are five times that; 20
	MaxBody     int64                   // bytes; 64 KiB
	OpenMetrics bool                    // /metrics without a token
	TLS         func() *tls.Certificate // the certificate as it is now; nil: plain HTTP
	Poll        time.Duration           // how often the event log is read; 250 ms
	Slow        time.Duration           // how long one WebSocket message may take; 10 s
	Recheck     time.Duration           // how often the token of an open WebSocket is looked up again; 30 s
	Grace       time.Duration           // how long calls in hand may take at the end; 5 s
	Ring        int                     // newest events kept for readers; 4096
}

func (t Tuning) withDefaults() Tuning {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if t.Rate <= 0 {
		t.Rate = 20
	}
	if t.Strangers <= 0 {
		t.Strangers = 20
	}
	if t.MaxBody <= 0 {
		t.MaxBody = 64 << 10
	}
	if t.Ring <= 0 {
		t.Ring = 4096
	}
	or(&t.Poll, 250*time.Millisecond)
	or(&t.Slow, 10*time.Second)
	or(&t.Recheck, 30*time.Second)
	or(&t.Grace, 5*time.Second)
	return t
}

// Server answers calls. Build it with New; Run serves.
type Server struct {
	o         Options
	started   time.Time
	rates     rates
	strangers *strangers
	log       *log
	metrics   *metrics
	handler   http.Handler
	doc       huma.API
	stop      chan struct{} // closed when Run ends: WebSockets are not the HTTP server's to wait for
}

// New builds a server. Nothing listens before Run.
func New(o Options) (*Server, error) {
	o.Tuning = o.Tuning.withDefaults()
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Fresh == nil {
		o.Fresh = func(ctx context.Context) context.Context { return ctx }
	}
	if o.Chat == nil {
		o.Chat = func() ChatStats { return ChatStats{} }
	}
	s := &Server{o: o, started: time.Now(), log: newLog(o.Events, o.Tuning.Ring), stop: make(chan struct{}),
		rates: rates{every: rate.Limit(o.Tuning.Rate), burst: 2 * o.Tuning.Rate, by: map[string]*rate.Limiter{}}, strangers: newStrangers(o.Tuning.Strangers)}
	var err error
	if s.metrics, err = newMetrics(s); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// Handler answers calls without listening, for tests.
func (s *Server) Handler() http.Handler { return s.handler }

// routes builds the tree of handlers.
func (s *Server) routes() {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("mysql-recycler", s.o.Tuning.Version)
	c.Info.Description = "Gives InnoDB disk space back in replication clusters, with a second person's approval. " +
		"Errors are problems (RFC 9457) with a stable code."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "/api/v1/openapi", "", ""
	c.CreateHooks, c.Transformers = nil, []huma.Transformer{ours}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
		Description: "A token made with recycler token create."}}
	s.doc = humago.New(mux, c)
	s.requestRoutes()
	s.planRoutes()
	s.jobRoutes()
	s.factRoutes()
	s.fleetRoutes()
	s.workerRoutes()
	s.scheduleRoutes()
	s.healthRoutes()
	s.configRoutes()
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // huma's own errors, which ours replace
		delete(c.Components.Schemas.Map(), unused)
	}
	metrics := s.metrics.handler().ServeHTTP
	if !s.o.Tuning.OpenMetrics {
		metrics = s.guard(Read, metrics)
	}
	mux.HandleFunc("GET /metrics", metrics)
	mux.Handle("GET /{$}", page.Handler())
	mux.Handle("GET /page/", http.StripPrefix("/page", page.Handler()))
	mux.HandleFunc("/", nowhere(mux))
	s.handler = s.outer(s.live(mux))
}

// outer is what every call goes through: a panic ends one call and not the process, a body has a
// bound, and calls are counted.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		seen := &status{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // a panic's value is no wrapped error
					panic(v)
				}
				s.o.Log.Error("a call panicked", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
				if seen.code == 0 {
					refuse(http.StatusInternalServerError, "internal", "Something went wrong here.", "").write(seen)
				}
			}
			s.metrics.called(r.Pattern, r.Method, seen.code, time.Since(begun))
		}()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if unasked(r) && !s.strangers.of(place(r)).Allow() {
			p := tooFast()
			challenge(w.Header(), p)
			p.write(seen)
			return
		}
		if r.ContentLength > s.o.Tuning.MaxBody {
			refuse(http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("The body is bigger than %d bytes.", s.o.Tuning.MaxBody), "").write(seen)
			return
		}
		r.Body = http.MaxBytesReader(seen, r.Body, s.o.Tuning.MaxBody)
		next.ServeHTTP(seen, r)
	})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (w *status) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *status) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController and the WebSocket reach the connection.
func (w *status) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Run serves on l until ctx ends, then lets calls in hand end within the grace. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	if cert := s.o.Tuning.TLS; cert != nil {
		newest := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert(), nil }
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: newest, NextProtos: []string{"http/1.1"}})
	}
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: zap.NewStdLog(s.o.Log.Named("http")),
	}
	s.o.Log.Info("the API listens", zap.Stringer("addr", l.Addr()), zap.Bool("tls", s.o.Tuning.TLS != nil))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API: %w", err)
		}
		return nil
	})
	g.Go(func() error { return s.follow(ctx) })
	g.Go(func() error { return s.forget(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		close(s.stop)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Tuning.Grace)
		defer cancel()
		if err := server.Shutdown(end); err != nil {
			return errors.Join(fmt.Errorf("end the API: %w", err), server.Close())
		}
		return nil
	})
	err := g.Wait()
	s.log.readers.Wait()
	return err
}
