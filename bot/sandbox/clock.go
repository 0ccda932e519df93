package sandbox

import (
	"context"
	"sync"
	"time"
)

// clock is the time of the workspace: real time plus what /_ctl/clock/advance
// added. Waiting on it ends when real time or an advance reaches the deadline,
// so a test need not sit through thirty minutes of a response_url's life.
type clock struct {
	mu      sync.Mutex
	offset  time.Duration
	waiters map[*alarm]struct{}
}

type alarm struct {
	due  time.Time
	ring chan struct{}
}

func newClock() *clock { return &clock{waiters: map[*alarm]struct{}{}} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// advance moves the clock forward and wakes everybody whose deadline has passed.
func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	now := time.Now().Add(c.offset)
	for a := range c.waiters {
		if !a.due.After(now) {
			delete(c.waiters, a)
			close(a.ring)
		}
	}
	return now
}

// sleep waits for d of workspace time. It reports false when ctx ended first or
// wake was closed; wake may be nil.
func (c *clock) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	a := &alarm{ring: make(chan struct{})}
	c.mu.Lock()
	a.due = time.Now().Add(c.offset).Add(d)
	c.waiters[a] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiters, a)
		c.mu.Unlock()
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.ring:
		return true
	case <-wake:
		return false
	case <-ctx.Done():
		return false
	}
}
