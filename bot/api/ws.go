package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// Why a reader of the event log is let go, as told to it and counted.
const (
	droppedSlow    = "slow"
	droppedRevoked = "revoked"
	droppedEnd     = "shutdown"
)

// dropped ends a reader with a reason it is told.
type dropped struct {
	reason string
	code   websocket.StatusCode
	text   string
}

func (d *dropped) Error() string { return d.text }

// reader is one WebSocket at its place in the log.
type reader struct {
	s            *Server
	conn         *websocket.Conn
	r            *http.Request
	at           int64 // the last event it was sent or that was not for it
	job, request string
	kinds        []string // empty: all
}

// wanted reports whether an event passes the filters that were given.
func wanted(e engine.Event, job, request string, kinds []string) bool {
	return (job == "" || e.JobID == job) && (request == "" || e.RequestID == request) && (len(kinds) == 0 || slices.Contains(kinds, string(e.Kind)))
}

// live lets the WebSocket have the address of the event log: who asks for an upgrade there gets the
// events as they happen, everybody else a page of them.
func (s *Server) live(next http.Handler) http.Handler {
	feed := s.guard(Read, s.serveEvents)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == eventsPath && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			r.Pattern = "GET " + eventsPath + " (live)" // what metrics call it
			feed(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// eventsPath is where the event log is, page by page and live.
const eventsPath = "/api/v1/events"

// serveEvents sends the event log, one event a message, from the number after on; without one from
// now on. It ends when the caller leaves, the token is revoked, the process ends, or the caller
// reads too slowly.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	s.log.readers.Add(1)
	defer s.log.readers.Done()
	after, err := s.startAt(r)
	if err != nil {
		s.problem(err).write(w)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it answered already
	}
	defer func() { _ = conn.CloseNow() }() // after Close it does nothing
	conn.SetReadLimit(1 << 10)
	q := r.URL.Query()
	rd := &reader{s: s, conn: conn, r: r, at: after, job: q.Get("job"), request: q.Get("request")}
	if k := q.Get("kind"); k != "" {
		rd.kinds = strings.Split(k, ",")
	}
	s.metrics.readers.Inc()
	defer s.metrics.readers.Dec()
	err = rd.run(conn.CloseRead(context.WithoutCancel(r.Context())))
	var d *dropped
	if errors.As(err, &d) {
		s.metrics.drops.WithLabelValues(d.reason).Inc()
		s.o.Log.Info("a reader of the event log was let go", zap.String("reason", d.reason), zap.String("token", callerOf(r.Context()).ID), zap.Int64("at", rd.at))
		_ = conn.Close(d.code, fmt.Sprintf("%s; go on with after=%d", d.text, rd.at)) // it is gone or it reads this
	}
}

// startAt reads the number to start after. One that is ahead of the log belongs to another
// database: waiting for it would look like a quiet system.
func (s *Server) startAt(r *http.Request) (int64, error) {
	last, err := s.o.Events.LastEvent(r.Context())
	text := r.URL.Query().Get("after")
	if err != nil || text == "" {
		return last, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusUnprocessableEntity, "invalid", "after must be the number of an event, or 0.", "")
	}
	if n > last {
		return 0, refuse(http.StatusConflict, "after_ahead", fmt.Sprintf("The log ends at %d, before %d.", last, n), "The number is of another database, or the database was restored; start again from 0 or without after.")
	}
	if n > 0 && n < last { // 0 is the beginning, wherever it is now
		es, err := s.o.Events.EventsAfter(r.Context(), n, 1)
		if err == nil && len(es) > 0 && es[0].Seq != n+1 {
			err = refuse(http.StatusGone, "after_gone", fmt.Sprintf("The log begins after %d: older facts are no longer kept.", n), "Start again from 0, the oldest that is kept, or without after.")
		}
		return n, err
	}
	return n, nil
}

// run sends until something ends it.
func (rd *reader) run(ctx context.Context) error {
	s := rd.s
	check := time.NewTicker(s.o.Tuning.Recheck)
	defer check.Stop()
	for {
		es, changed, err := s.log.after(ctx, rd.at)
		if err != nil {
			return err
		}
		for _, e := range es {
			if err := rd.send(ctx, e); err != nil {
				return err
			}
			select { // a long stretch must not outlive the right to it
			case <-check.C:
				if err := rd.allowed(ctx); err != nil {
					return err
				}
			case <-s.stop:
				return &dropped{droppedEnd, websocket.StatusGoingAway, "the server ends"}
			default:
			}
		}
		if len(es) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return &dropped{droppedEnd, websocket.StatusGoingAway, "the server ends"}
		case <-changed:
		case <-check.C:
			if err := rd.allowed(ctx); err != nil {
				return err
			}
		}
	}
}

// send writes one event. A message that took long is the last one: the reader is told while it can
// still be. One that never ends is cut off.
func (rd *reader) send(ctx context.Context, e engine.Event) error {
	if !wanted(e, rd.job, rd.request, rd.kinds) {
		rd.at = e.Seq
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %d: %w", e.Seq, err)
	}
	slow := rd.s.o.Tuning.Slow
	wctx, cancel := context.WithTimeout(ctx, 3*slow)
	defer cancel()
	begun := time.Now()
	err = rd.conn.Write(wctx, websocket.MessageText, b)
	switch {
	case err != nil && errors.Is(wctx.Err(), context.DeadlineExceeded): // the library has closed the connection, and ctx with it
		return &dropped{droppedSlow, websocket.StatusTryAgainLater, "too slow"}
	case err != nil:
		return err
	}
	rd.at = e.Seq
	if time.Since(begun) > slow {
		return &dropped{droppedSlow, websocket.StatusTryAgainLater, "too slow"}
	}
	return nil
}

// allowed looks the token up again, and the connection with it: a peer that vanished without a word
// answers no ping.
func (rd *reader) allowed(ctx context.Context) error {
	t, err := rd.s.authenticate(rd.r.WithContext(ctx))
	var p *Problem
	switch {
	case errors.As(err, &p), err == nil && !t.may(Read):
		return &dropped{droppedRevoked, websocket.StatusPolicyViolation, "the token was revoked or has expired"}
	case err != nil:
		return err
	}
	pctx, cancel := context.WithTimeout(ctx, rd.s.o.Tuning.Slow)
	defer cancel()
	return rd.conn.Ping(pctx)
}
