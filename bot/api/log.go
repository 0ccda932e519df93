package api

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// stretch is how many events are read at once.
const stretch = 500

// log is the end of the event log in memory: one reader of the storage for all that follow it live.
// Who is further behind than the ring reads the storage itself.
type log struct {
	events  Events
	size    int
	readers sync.WaitGroup

	mu      sync.Mutex
	ring    []engine.Event
	last    int64         // number of the newest event known here
	changed chan struct{} // closed and replaced when last moves
}

func newLog(events Events, size int) *log {
	return &log{events: events, size: size, changed: make(chan struct{})}
}

// begin sets the number from which events are followed, and wakes who came before that was known.
func (l *log) begin(last int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
	close(l.changed)
	l.changed = make(chan struct{})
}

// add takes events that follow what is here.
func (l *log) add(es []engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring = append(l.ring, es...)
	if over := len(l.ring) - l.size; over > 0 {
		l.ring = append([]engine.Event(nil), l.ring[over:]...)
	}
	l.last = es[len(es)-1].Seq
	close(l.changed)
	l.changed = make(chan struct{})
}

// after returns what follows seq, at most a stretch, and a channel that closes when there is more.
// Numbers have no gaps, so the ring tells by its first number whether it reaches back far enough.
func (l *log) after(ctx context.Context, seq int64) ([]engine.Event, <-chan struct{}, error) {
	l.mu.Lock()
	changed, last := l.changed, l.last
	if seq >= last {
		l.mu.Unlock()
		return nil, changed, nil
	}
	if len(l.ring) > 0 && l.ring[0].Seq <= seq+1 {
		from := int(seq + 1 - l.ring[0].Seq)
		es := append([]engine.Event(nil), l.ring[from:min(len(l.ring), from+stretch)]...)
		l.mu.Unlock()
		return es, changed, nil
	}
	l.mu.Unlock()
	es, err := l.events.EventsAfter(ctx, seq, stretch)
	return es, changed, err
}

// follow reads the event log until ctx ends, for the readers and the metrics. A storage that does
// not answer is asked again: readers wait, they lose nothing.
func (s *Server) follow(ctx context.Context) error {
	started := false
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		pause := s.o.Tuning.Poll
		if err := s.round(ctx, &started); err != nil && ctx.Err() == nil {
			s.o.Log.Error("the event log could not be read", zap.Error(err))
			pause = max(pause, time.Second)
		}
		wait.Reset(pause)
	}
}

// round reads everything new. The first one only finds the end: counters count from the start.
func (s *Server) round(ctx context.Context, started *bool) error {
	if !*started {
		last, err := s.o.Events.LastEvent(ctx)
		if err != nil {
			return err
		}
		s.log.begin(last)
		*started = true
	}
	defer s.metrics.tick(time.Now())
	for ctx.Err() == nil {
		es, err := s.o.Events.EventsAfter(ctx, s.log.last, stretch) // only this goroutine moves last
		if err != nil || len(es) == 0 {
			return err
		}
		for _, e := range es {
			s.metrics.event(ctx, e)
		}
		s.log.add(es)
	}
	return nil
}
