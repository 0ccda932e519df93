package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is a running sandbox.
type Server struct {
	cfg   Config
	url   string
	http  *http.Server
	clock *clock
	hub   *hub
	feed  *feed

	mu sync.Mutex // guards st
	st *state

	// life ends when Close is called. It is kept here because deliveries and
	// their retries outlive the request that started them.
	life context.Context //nolint:containedctx // see above
	end  context.CancelFunc

	gate    sync.Mutex // guards closing together with work.Add
	closing bool
	work    sync.WaitGroup
}

// Start listens and serves until ctx ends or Close is called.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Workspace.TeamID == "" {
		c.Workspace = DefaultWorkspace()
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	if err := c.Workspace.check(); err != nil {
		return nil, fmt.Errorf("start sandbox: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("start sandbox: %w", err)
	}
	s := &Server{cfg: c, url: "http://" + ln.Addr().String(), clock: newClock()}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.st = newState(c)
	s.hub = newHub(c.Seed)
	s.feed = newFeed()
	s.http = &http.Server{
		Handler:           s.counted(s.routes()),
		BaseContext:       func(net.Listener) context.Context { return s.life },
		ReadHeaderTimeout: 10 * time.Second,
	}
	s.spawn(func() {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log("sandbox: serve: %v", err)
		}
	})
	s.spawn(func() {
		select {
		case <-ctx.Done():
			s.shut()
		case <-s.life.Done():
		}
	})
	return s, nil
}

func (w Workspace) check() error {
	switch {
	case !strings.HasPrefix(w.BotToken, "xoxb-"):
		return errors.New("workspace: bot token must start with xoxb-")
	case !strings.HasPrefix(w.AppToken, "xapp-"):
		return errors.New("workspace: app token must start with xapp-")
	case w.BotUserID == "" || w.AppID == "":
		return errors.New("workspace: bot user id and app id must be set")
	}
	return nil
}

// URL is the base address: the page at URL()+"/", the Web API at URL()+"/api/".
func (s *Server) URL() string { return s.url }

// Close ends every connection and waits until no goroutine of the sandbox is left.
func (s *Server) Close() error {
	s.shut()
	s.work.Wait()
	return nil
}

func (s *Server) shut() {
	s.gate.Lock()
	first := !s.closing
	s.closing = true
	s.gate.Unlock()
	if !first {
		return
	}
	s.end()
	s.hub.closeAll()
	_ = s.http.Close() // the listener and idle connections; nothing to learn from its error here
}

// enter counts a piece of work that Close must wait for; it is refused while closing.
func (s *Server) enter() bool {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closing {
		return false
	}
	s.work.Add(1)
	return true
}

// spawn runs f in a goroutine that Close waits for.
func (s *Server) spawn(f func()) {
	if !s.enter() {
		return
	}
	go func() {
		defer s.work.Done()
		f()
	}()
}

func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			http.Error(w, "closing", http.StatusServiceUnavailable)
			return
		}
		defer s.work.Done()
		h.ServeHTTP(w, r)
	})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method...}", s.serveAPI)
	mux.HandleFunc("GET /link", s.serveLink)
	mux.HandleFunc("POST /upload/v1/{id}", s.serveUpload)
	mux.HandleFunc("POST /commands/{team}/{id}", s.serveHook)
	mux.HandleFunc("POST /actions/{team}/{id}", s.serveHook)
	mux.HandleFunc("GET /files/{id}/{name}", s.serveFile)
	s.controlRoutes(mux)
	s.pageRoutes(mux)
	return mux
}
