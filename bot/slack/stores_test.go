package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

// inbox is what storage promises, in memory; it outlives a Client, as the database does.
type inbox struct {
	mu      sync.Mutex
	order   []string
	rows    map[string]bot.Envelope
	handled map[string]int
	fail    error
}

func newInbox() *inbox { return &inbox{rows: map[string]bot.Envelope{}, handled: map[string]int{}} }

func (b *inbox) Receive(_ context.Context, key, kind string, payload []byte) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return false, b.fail
	}
	if _, ok := b.rows[key]; ok {
		return false, nil
	}
	b.rows[key] = bot.Envelope{Key: key, Kind: kind, Payload: slices.Clone(payload), At: time.Now()}
	b.order = append(b.order, key)
	return true, nil
}

func (b *inbox) Pending(context.Context) ([]bot.Envelope, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []bot.Envelope
	for _, k := range b.order {
		if b.handled[k] == 0 {
			out = append(out, b.rows[k])
		}
	}
	return out, nil
}

func (b *inbox) Handled(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handled[key]++
	return nil
}

func (b *inbox) breakIt(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *inbox) counts() (stored, handled int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows), len(b.handled)
}

// outbox is what storage promises, in memory.
type outbox struct {
	mu    sync.Mutex
	order []string
	rows  map[string]*row
	fail  int // how many Sent fail
}

type row struct {
	post     bot.Post
	rev      int64
	sentRev  int64
	ts       string
	channel  string
	until    time.Time
	attempts int
	dead     string
	sent     int
	moved    bool
}

func newOutbox() *outbox { return &outbox{rows: map[string]*row{}} }

func (o *outbox) Put(_ context.Context, _ string, _ int64, posts []bot.Post) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range posts {
		r := o.rows[p.Key]
		if r == nil {
			r = &row{}
			o.rows[p.Key] = r
			o.order = append(o.order, p.Key)
		}
		r.post = p // with the channel that was wished, wherever the message went
		r.rev++
	}
	return nil
}

func (o *outbox) Due(_ context.Context, limit int) ([]bot.Queued, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []bot.Queued
	for _, k := range o.order {
		r := o.rows[k]
		if r.dead != "" || r.sentRev == r.rev || time.Now().Before(r.until) || len(out) == limit {
			continue
		}
		q := bot.Queued{Post: r.post, Rev: r.rev, TS: r.ts, Attempts: r.attempts, Moved: r.moved}
		if r.post.Parent != "" {
			if q.ParentTS = o.rows[r.post.Parent].ts; q.ParentTS == "" {
				continue
			}
		}
		out = append(out, q)
	}
	return out, nil
}

func (o *outbox) Sent(_ context.Context, key string, rev int64, channel, ts string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail > 0 {
		o.fail--
		return errors.New("disk full")
	}
	r := o.rows[key]
	if r.ts != "" && r.ts != ts {
		return approvals.ErrConflict
	}
	r.sentRev, r.ts, r.channel, r.attempts = rev, ts, channel, 0
	r.sent++
	return nil
}

func (o *outbox) Moved(_ context.Context, key, was, channel, ts string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.rows[key]
	if r.ts == "" || r.ts != was || r.moved {
		return approvals.ErrConflict
	}
	r.ts, r.channel, r.moved = ts, channel, true
	return nil
}

func (o *outbox) Postpone(_ context.Context, key string, rev int64, until time.Time, reason string, giveUp bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.rows[key]
	if giveUp && rev != r.rev {
		return nil
	}
	r.until = until
	r.attempts++
	if giveUp {
		r.dead = reason
	}
	return nil
}

func (o *outbox) row(key string) row {
	o.mu.Lock()
	defer o.mu.Unlock()
	return *o.rows[key]
}
