package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"
)

// ChatStats is what the chat transport counts. Every number only grows, except Connected.
type ChatStats struct {
	Sockets   int // how many should be open; 0: this process is not the one that talks, and chat is no check
	Connected int // how many are, now
	Received  int64
	Handled   int64
	AckErrors int64
	Posted    int64
	Edited    int64
	Failed    int64
	Limited   int64 // answers that told to slow down
}

// Health says how the process is.
type Health struct {
	Status  string  `json:"status" enum:"ok,failing"`
	Checks  []Check `json:"checks" nullable:"false"`
	Version string  `json:"version"`
	Uptime  float64 `json:"uptime_seconds"`
}

// Check is one part that was looked at.
type Check struct {
	Name   string `json:"name" enum:"storage,chat,configuration"`
	Status string `json:"status" enum:"ok,warning,failing"`
	Detail string `json:"detail,omitempty"`
}

// Brief is all that callers without a token are told.
type Brief struct {
	Status string `json:"status" enum:"ok,failing"`
}

type brief struct {
	Status int
	Body   Brief
}

// looks is how long the storage may take to answer.
const looks = 2 * time.Second

func (s *Server) healthRoutes() {
	const path, tag = "/api/v1/health", "health"
	add(s, huma.Operation{OperationID: "live", Method: http.MethodGet, Path: path + "/live", Tags: []string{tag}, Summary: "Answers while the process works",
		Description: "Needs no token."}, "",
		func(context.Context, *struct{}) (*brief, error) { return &brief{http.StatusOK, Brief{"ok"}}, nil })
	add(s, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: path + "/ready", Tags: []string{tag}, Summary: "200 when the storage answers and the chat is connected, else 503",
		Description: "Needs no token."}, "",
		func(ctx context.Context, _ *struct{}) (*brief, error) {
			h := s.health(ctx)
			if h.Status != "ok" {
				return &brief{http.StatusServiceUnavailable, Brief{h.Status}}, nil
			}
			return &brief{http.StatusOK, Brief{h.Status}}, nil
		})
	add(s, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: "Every check in words"}, Read,
		func(ctx context.Context, _ *struct{}) (*struct{ Body Health }, error) {
			return &struct{ Body Health }{s.health(ctx)}, nil
		})
}

// health looks at what the process needs.
func (s *Server) health(ctx context.Context) Health {
	h := Health{Status: "ok", Version: s.o.Tuning.Version, Uptime: time.Since(s.started).Seconds()}
	check := func(name, trouble string) {
		c := Check{Name: name, Status: "ok", Detail: trouble}
		if trouble != "" {
			h.Status, c.Status = "failing", "failing"
		}
		h.Checks = append(h.Checks, c)
	}
	ctx, cancel := context.WithTimeout(ctx, looks)
	defer cancel()
	trouble := ""
	if _, err := s.o.Events.LastEvent(ctx); err != nil {
		s.o.Log.Warn("the storage does not answer", zap.Error(err))
		trouble = "it does not answer"
	}
	check("storage", trouble)
	if c := s.o.Chat(); c.Sockets > 0 {
		trouble = ""
		if c.Connected == 0 {
			trouble = "no socket is connected"
		}
		check("chat", trouble)
	}
	if s.o.Config != nil { // a refused file is a warning: the process works on with the one before
		c := Check{Name: "configuration", Status: "ok"}
		if m := s.o.Config.State().Mistakes; len(m) > 0 {
			c.Status, c.Detail = "warning", "the last reload was refused: "+m[0]
		}
		h.Checks = append(h.Checks, c)
	}
	return h
}
