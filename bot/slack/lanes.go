package slack

import (
	"context"
	"sync"

	"mysql-recycler/bot"
)

// lanes handles envelopes in order within a lane and side by side across lanes. A lane lives as
// long as it has something to do.
type lanes struct {
	handle func(ctx context.Context, e bot.Envelope)
	stop   context.Context //nolint:containedctx // the two lifetimes of all lanes; done: nothing new is begun
	work   context.Context //nolint:containedctx // done: what was begun must end

	mu     sync.Mutex
	queues map[string][]bot.Envelope
	active map[string]bool // keys queued or being handled
	wg     sync.WaitGroup
}

func newLanes(stop, work context.Context, handle func(context.Context, bot.Envelope)) *lanes {
	return &lanes{handle: handle, stop: stop, work: work, queues: map[string][]bot.Envelope{}, active: map[string]bool{}}
}

// put queues an envelope unless it is queued already.
func (l *lanes) put(lane string, e bot.Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active[e.Key] || l.stop.Err() != nil {
		return
	}
	l.active[e.Key] = true
	q, running := l.queues[lane]
	l.queues[lane] = append(q, e)
	if !running {
		l.wg.Go(func() { l.run(lane) })
	}
}

// begin marks a key as being handled outside any lane; false when it is already.
func (l *lanes) begin(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active[key] {
		return false
	}
	l.active[key] = true
	return true
}

func (l *lanes) done(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.active, key)
}

func (l *lanes) run(lane string) {
	for {
		l.mu.Lock()
		q := l.queues[lane]
		if len(q) == 0 || l.stop.Err() != nil {
			delete(l.queues, lane)
			l.mu.Unlock()
			return
		}
		e := q[0]
		l.queues[lane] = q[1:]
		l.mu.Unlock()
		l.handle(l.work, e)
		l.done(e.Key)
	}
}

// wait returns when every lane has ended.
func (l *lanes) wait() { l.wg.Wait() }
