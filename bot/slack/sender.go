package slack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

const (
	dueFirst  = 256  // how much of the outbox one round looks at
	dueMost   = 4096 // when nothing of that could be sent
	flights   = 16   // calls at the same time
	roundGap  = 50 * time.Millisecond
	keepShown = 20_000
)

// sender brings the channels to what the outbox wishes. One goroutine decides, in rounds; each
// message, and the new posts of each channel, are in the air at most once.
type sender struct {
	c    *Client
	wake chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	flying   map[string]bool      // post keys in the air
	channels map[string]bool      // channels with a new post in the air
	shown    map[string]shown     // what a message shows, as far as this process knows
	moved    map[string]string    // post key: the channel it went to in place of its own
	unsure   map[string]time.Time // posts that may have arrived, and when the first try was
	told     map[string]bool      // post keys reported as undelivered
	limit    int
	begun    bool
}

// shown is the newest revision of a message that was sent.
type shown struct {
	body [sha256.Size]byte
	at   time.Time
}

func newSender(c *Client) *sender {
	return &sender{c: c, wake: make(chan struct{}, 1), flying: map[string]bool{}, channels: map[string]bool{},
		shown: map[string]shown{}, moved: map[string]string{}, unsure: map[string]time.Time{},
		told: map[string]bool{}, limit: dueFirst}
}

func (s *sender) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends; calls in the air are given the grace time to end, because a post that
// is cut off may have arrived.
func (s *sender) run(ctx, work context.Context) error {
	work, stop := context.WithCancel(work)
	defer stop()
	s.mu.Lock()
	clear(s.shown) // another process may have edited since an earlier run
	s.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			defer time.AfterFunc(s.c.o.Tuning.Grace, stop).Stop()
			s.wg.Wait()
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		next := s.round(ctx, work)
		if !pause(ctx, roundGap) { // many wakes in a moment are one round
			continue
		}
		timer.Reset(max(next-roundGap, 0))
	}
}

// round starts what can be sent now and returns when to look again at the latest.
func (s *sender) round(ctx, work context.Context) time.Duration {
	due, err := s.c.o.Outbox.Due(ctx, s.limit)
	if err != nil {
		if ctx.Err() == nil {
			s.c.log.Error("read the outbox", zap.Error(err))
		}
		return s.c.o.Tuning.Retry
	}
	r := &rounds{s: s, work: work, next: s.c.o.Tuning.Poll, full: map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftOver(due)
	r.posts(due)
	r.edits(due)
	switch {
	case len(due) == s.limit && r.sent == 0 && s.limit < dueMost:
		s.limit *= 2 // something that could go may be behind all this
		return 0
	case r.sent > 0:
		s.limit = dueFirst
	}
	return r.next
}

// leftOver marks the unsent posts of the first round: another run may have sent them and died
// before that was stored.
func (s *sender) leftOver(due []bot.Queued) {
	if s.begun {
		return
	}
	s.begun = true
	for _, q := range due {
		if q.TS == "" {
			s.unsure[q.Key] = s.c.o.Clock()
		}
	}
}

// rounds is one look at the outbox; sender.mu is held.
type rounds struct {
	s    *sender
	work context.Context //nolint:containedctx // lives for one look
	next time.Duration
	sent int
	full map[string]bool // channels that take no more in this round
}

func (r *rounds) later(d time.Duration) { r.next = min(r.next, max(d, time.Millisecond)) }

// posts starts new messages in the outbox's order; within a channel none overtakes another.
func (r *rounds) posts(due []bot.Queued) {
	s := r.s
	for _, q := range due {
		if q.TS != "" {
			continue
		}
		ch := s.channel(q)
		if r.full[ch] || s.channels[ch] || s.flying[q.Key] {
			r.full[ch] = true
			continue
		}
		if len(s.flying) >= flights {
			return
		}
		if wait := s.c.gates.post(ch); wait > 0 {
			r.full[ch] = true
			r.later(wait)
			continue
		}
		s.channels[ch] = true
		r.start(q, func() { delete(s.channels, ch) })
	}
}

// edits starts edits: finals first, then the progress edit that waited longest.
func (r *rounds) edits(due []bot.Queued) {
	s, now := r.s, r.s.c.o.Clock()
	var edits []bot.Queued
	for _, q := range due {
		if q.TS != "" && !s.flying[q.Key] {
			edits = append(edits, q)
		}
	}
	slices.SortStableFunc(edits, func(a, b bot.Queued) int {
		if a.Routine != b.Routine {
			if b.Routine {
				return -1
			}
			return 1
		}
		if !a.Routine {
			return 0
		}
		return cmp.Compare(s.shown[a.Key].at.UnixNano(), s.shown[b.Key].at.UnixNano())
	})
	for _, q := range edits {
		if len(s.flying) >= flights {
			return
		}
		last, known := s.shown[q.Key]
		if known && last.body == bodySum(q) {
			r.start(q, nil) // it shows that already: only the revision is stored
			continue
		}
		if since := now.Sub(last.at); q.Routine && since < s.c.o.Tuning.EditEvery {
			r.later(s.c.o.Tuning.EditEvery - since)
			continue
		}
		if wait := s.c.gates.edit(q.Routine); wait > 0 {
			r.later(wait)
			return // finals come first, so nothing behind it may go either
		}
		r.start(q, nil)
	}
}

// start sends one message in a goroutine that run waits for.
func (r *rounds) start(q bot.Queued, done func()) {
	s := r.s
	r.sent++
	s.flying[q.Key] = true
	s.wg.Go(func() {
		s.send(r.work, q)
		s.mu.Lock()
		delete(s.flying, q.Key)
		if done != nil {
			done()
		}
		s.mu.Unlock()
		s.wakeUp()
	})
}

// channel is where a post goes: its own channel, or where its thread had to move.
func (s *sender) channel(q bot.Queued) string {
	for _, k := range []string{q.Key, q.Parent} {
		if ch := s.moved[k]; ch != "" {
			return ch
		}
	}
	return q.Channel
}

// saved stores where a revision went.
func (s *sender) saved(ctx context.Context, q bot.Queued, channel, ts string) {
	s.mu.Lock()
	if len(s.shown) > keepShown {
		clear(s.shown)
	}
	s.shown[q.Key] = shown{bodySum(q), s.c.o.Clock()}
	delete(s.unsure, q.Key)
	s.mu.Unlock()
	s.store(ctx, q, ts, func() error { return s.c.o.Outbox.Sent(ctx, q.Key, q.Rev, channel, ts) })
}

// replaced stores that a message stands in the place of the one that q names, which is gone, and
// returns q with the new one.
func (s *sender) replaced(ctx context.Context, q bot.Queued, channel, ts string) (bot.Queued, bool) {
	ok := s.store(ctx, q, ts, func() error { return s.c.o.Outbox.Moved(ctx, q.Key, q.TS, channel, ts) })
	q.TS, q.Moved = ts, true
	return q, ok
}

// store stores something about a message that was sent, and says whether it is stored. Until then the
// message stays in the air, so that it cannot be sent twice. Only a post that another process has sent
// meanwhile is left as that one stored it: there is a message too many, but the post has its own.
func (s *sender) store(ctx context.Context, q bot.Queued, ts string, put func() error) bool {
	wait := s.c.o.Tuning.Retry
	for {
		err := put()
		if err == nil {
			return true
		}
		s.c.log.Error("a message was sent but that cannot be stored", zap.String("post", q.Key), zap.String("ts", ts), zap.Error(err))
		if errors.Is(err, approvals.ErrConflict) {
			s.mu.Lock()
			delete(s.shown, q.Key) // that one may show something else
			s.mu.Unlock()
			return false
		}
		if !pause(ctx, wait) {
			return false
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// putOff stores that a message could not be sent and when to try again.
func (s *sender) putOff(ctx context.Context, q bot.Queued, wait time.Duration, why error, giveUp bool) {
	s.c.count.do(func(st *Stats) {
		if st.Out.Failed++; giveUp {
			st.Out.GaveUp++
		}
	})
	say := s.c.log.Warn
	if giveUp {
		say = s.c.log.Error
	}
	say("a message could not be sent", zap.String("post", q.Key), zap.String("channel", q.Channel),
		zap.Int("attempts", q.Attempts+1), zap.Bool("given_up", giveUp), zap.Error(why))
	if err := s.c.o.Outbox.Postpone(ctx, q.Key, q.Rev, s.c.o.Clock().Add(wait), why.Error(), giveUp); err != nil && ctx.Err() == nil {
		s.c.log.Error("put a message off", zap.String("post", q.Key), zap.Error(err))
		pause(ctx, s.c.o.Tuning.Retry) // or it would be tried again at once
	}
}

// backoff doubles with each attempt, up to most.
func backoff(base time.Duration, attempts int, most time.Duration) time.Duration {
	return min(base<<min(max(attempts, 0), 16), most)
}

func bodySum(q bot.Queued) [sha256.Size]byte { return sha256.Sum256(q.Body) }
