package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// reader is the teller's name at the event log.
const reader = "thread"

// batch is how many events are told in one transaction.
const batch = 200

// Teller reads the event log and writes what the channels should show.
//
// A batch of events and the posts made of it are one transaction with the cursor, and every post
// has a key made of stored ids. So a crash between two batches loses nothing, and events that are
// told again make the same posts.
type Teller struct {
	*Bot
	cursor int64
	tries  map[int64]int // events that could not be told, with how often that was tried
	week   time.Time     // the end of the newest week that is known to be told
}

// maxTries is how often an event is tried before its reply is left out: one fact that cannot be
// told must not silence all others.
const maxTries = 5

// Run tells events until the context ends. Errors of the store are logged and tried again: the
// teller never gives up, because a thread that stands still is worse than one that is late.
func (t *Teller) Run(ctx context.Context) error {
	pause := t.o.Tuning.Poll
	next := time.Now()
	started := false
	for ctx.Err() == nil {
		if err := t.round(ctx, &started, &next); err == nil {
			pause = t.o.Tuning.Poll
		} else if ctx.Err() == nil { // else it is the end that interrupted the round
			t.o.Log.Error("the thread is late", zap.Error(err))
			pause = min(max(pause*2, time.Second), 15*time.Second)
		}
		sleep(ctx, t.wake, pause)
	}
	return nil
}

// sleep waits until it is woken, the time is over or the context ends.
func sleep(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// round tells all events there are and, when it is time, the progress of what runs.
func (t *Teller) round(ctx context.Context, started *bool, next *time.Time) error {
	if !*started {
		seq, err := t.o.Facts.Cursor(ctx, reader)
		if err != nil {
			return fmt.Errorf("find where the thread stands: %w", err)
		}
		t.cursor, *started = seq, true
	}
	for ctx.Err() == nil {
		n, err := t.tell(ctx)
		if err != nil {
			return err
		}
		if n < batch {
			break
		}
	}
	if time.Now().Before(*next) {
		return nil
	}
	if err := t.digest(ctx); err != nil {
		return err
	}
	running, err := t.tick(ctx)
	*next = time.Now().Add(t.interval(running))
	return err
}

// interval keeps the progress edits of all cards together within the platform's budget.
func (t *Teller) interval(running int) time.Duration {
	fair := time.Duration(running) * time.Minute / time.Duration(t.o.Tuning.EditsPerMin)
	return max(t.o.Tuning.ProgressEvery, fair)
}

// tell turns the next events into posts.
func (t *Teller) tell(ctx context.Context) (int, error) {
	events, err := t.o.Facts.EventsAfter(ctx, t.cursor, batch)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	d := draft{Teller: t, reqs: map[string]approvals.Request{}, jobs: map[string][]engine.Job{}, at: map[string]int{}}
	upto := events[len(events)-1].Seq
	for _, e := range events {
		err := d.any(ctx, e)
		if err == nil {
			continue
		}
		if t.tries[e.Seq]++; ctx.Err() != nil || t.tries[e.Seq] < maxTries {
			return 0, fmt.Errorf("tell event %d (%s): %w", e.Seq, e.Kind, err)
		}
		t.o.Log.Error("an event is left untold", zap.Int64("seq", e.Seq), zap.String("kind", string(e.Kind)), zap.Error(err))
	}
	posts, err := d.posts(ctx)
	if err != nil {
		return 0, err
	}
	if err := t.o.Outbox.Put(ctx, reader, upto, posts); err != nil {
		return 0, fmt.Errorf("store what event %d changed: %w", upto, err)
	}
	t.cursor = upto
	clear(t.tries)
	t.o.Changed()
	return len(events), nil
}

// draft collects what one batch of events changes.
type draft struct {
	*Teller
	reqs   map[string]approvals.Request
	jobs   map[string][]engine.Job
	order  []string // requests whose card changes, in order
	thread []Post
	at     map[string]int // key to place in thread: a later state of a post replaces an earlier one
}

// any tells one event of whatever kind.
func (d *draft) any(ctx context.Context, e engine.Event) error {
	if e.RequestID != "" {
		return d.event(ctx, e)
	}
	switch e.Kind {
	case approvals.EventScheduleChanged, approvals.EventScheduleSkipped, approvals.EventScheduleLate:
		return d.scheduleTold(e)
	}
	return nil
}

// event tells one event in its request's thread and marks the card as changed.
func (d *draft) event(ctx context.Context, e engine.Event) error {
	if _, ok := d.reqs[e.RequestID]; !ok {
		r, err := d.o.Facts.Request(ctx, e.RequestID)
		if errors.Is(err, engine.ErrNotFound) {
			d.o.Log.Warn("event of no request", zap.Int64("seq", e.Seq), zap.String("request", e.RequestID))
			return nil
		}
		if err != nil {
			return err
		}
		if d.jobs[r.ID], err = d.o.Facts.Jobs(ctx, r.ID); err != nil {
			return err
		}
		d.reqs[r.ID] = r
		d.order = append(d.order, r.ID)
	}
	r := d.reqs[e.RequestID]
	s := &scene{r: r, e: e, l: d.shared(r.Channel), notice: d.shared(r.Grounds.Notice), jobs: d.jobs[r.ID]}
	if e.Actor != "" {
		s.actor = approvals.Actor{Team: r.Requester.Team, ID: e.Actor, Name: d.name(ctx, r.Requester.Team, e.Actor)}
	}
	for _, j := range s.jobs {
		if j.ID == e.JobID {
			s.job = j
		}
	}
	ps, err := d.story(ctx, s)
	for _, p := range ps {
		d.put(p)
	}
	return err
}

// put adds a post of the thread; the newest state of one key counts.
func (d *draft) put(p Post) {
	if i, ok := d.at[p.Key]; ok {
		d.thread[i] = p
		return
	}
	d.at[p.Key] = len(d.thread)
	d.thread = append(d.thread, p)
}

// posts draws the changed cards, before their threads.
func (d *draft) posts(ctx context.Context) ([]Post, error) {
	var out []Post
	for _, id := range d.order {
		p, err := d.card(ctx, d.reqs[id], false)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return append(out, d.thread...), nil
}

// card is the wished state of a request's parent message.
func (t *Teller) card(ctx context.Context, r approvals.Request, routine bool) (Post, error) {
	v, err := t.view(ctx, r)
	if err != nil {
		return Post{}, err
	}
	p := Post{Key: cardKey(r.ID), Request: r.ID, Channel: r.Channel, Routine: routine}
	if root := ThreadOf(r); root != r.ID {
		p.Parent = cardKey(root)
	}
	return p, p.draw(v.card(t.shared(r.Channel)))
}

func cardKey(id string) string { return id + "/card" }

// ThreadOf is the request whose card heads the thread that a request is told in.
func ThreadOf(r approvals.Request) string {
	if line, err := Parse(r.Command); err == nil && line.After != "" {
		return line.After
	}
	return r.ID
}

// draw sets the body of a post.
func (p *Post) draw(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode post %s: %w", p.Key, err)
	}
	p.Body = b
	return nil
}

// tick draws the cards of what runs with the newest progress. It answers how many there are.
func (t *Teller) tick(ctx context.Context) (int, error) {
	rs, err := t.o.Lists.Requests(ctx, "running", "", 500)
	if err != nil {
		return 0, fmt.Errorf("list what runs: %w", err)
	}
	var posts []Post
	for _, r := range rs {
		if r.Kind == approvals.KindDiscover {
			continue
		}
		if r, err = t.o.Facts.Request(ctx, r.ID); err != nil { // a list has no plans
			return len(rs), fmt.Errorf("read what runs: %w", err)
		}
		p, err := t.card(ctx, r, true)
		if err != nil {
			return len(rs), err
		}
		posts = append(posts, p)
	}
	if len(posts) > 0 {
		t.o.Changed()
	}
	reminders, err := t.remind(ctx)
	if err != nil {
		return len(rs), err
	}
	posts = append(posts, reminders...)
	if len(posts) == 0 {
		return 0, nil
	}
	if err := t.o.Outbox.Put(ctx, reader, t.cursor, posts); err != nil {
		return len(rs), fmt.Errorf("store progress: %w", err)
	}
	return len(rs), nil
}

// remind tells in the thread of a request that nobody has decided: after a quarter and after three
// quarters of its life. Of those that are due only the last is drawn, so that a process that was away
// does not post both at once. The keys are fixed: a reminder is posted once whoever draws it.
func (t *Teller) remind(ctx context.Context) ([]Post, error) {
	rs, err := t.o.Lists.Requests(ctx, "pending", "", 200)
	if err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	var out []Post
	now := t.o.Tuning.Now()
	for _, r := range rs {
		n := dueReminder(r, now)
		if n == 0 {
			continue
		}
		p := Post{Key: fmt.Sprintf("%s/remind%d", r.ID, n), Request: r.ID, Channel: r.Channel, Parent: cardKey(ThreadOf(r))}
		if err := p.draw(t.reminder(r, n == 1)); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// dueReminder is the number of the last reminder that is due; 0: none is.
func dueReminder(r approvals.Request, now time.Time) int {
	life, waited := r.Expires.Sub(r.Created), now.Sub(r.Created)
	switch {
	case waited >= life, waited < life/4:
		return 0
	case waited < life*3/4:
		return 1
	}
	return 2
}

// reminder is the words of one. The first mentions the groups that want it; the second pings nobody.
func (t *Teller) reminder(r approvals.Request, first bool) Message {
	m := notice(t.shared(r.Channel), kReminder, args{"id": code(r.ID), "target": code(r.Target), "at": when(r.Expires)})
	if first && t.o.Tuning.RemindGroups != nil {
		var groups []Span
		for _, g := range t.o.Tuning.RemindGroups(r.Cluster) {
			groups = append(groups, Span{Group: g}, plain(" "))
		}
		m.Blocks[0].Text = append(groups, m.Blocks[0].Text...)
	}
	return m
}
