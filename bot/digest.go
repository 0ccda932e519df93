package bot

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/chart"
	"mysql-recycler/engine"
)

// Digest is when each channel is told what came of its week. The zero value tells nobody.
type Digest struct {
	Weeks Weeks // what ended; nil: nobody is told
	Day   time.Weekday
	Hour  int
	Min   int
	Zone  *time.Location // nil: UTC
}

// digestReader is the name under which the last week that was told is stored. The posts of all
// channels and this mark are one transaction, so a week is told once, by whichever bot is active.
const digestReader = "digest"

// How late a week may be told after the bot was away; how many weeks its picture shows; how many
// lines of a kind its message has.
const (
	digestLate  = 24 * time.Hour
	digestWeeks = 8
	digestLines = 5
)

// slot is the newest time to tell a week that is not after now.
func (d Digest) slot(now time.Time) time.Time {
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	for back := 0; ; back++ { // time.Date keeps the wall clock's meaning where clocks are changed
		at := time.Date(local.Year(), local.Month(), local.Day()-back, d.Hour, d.Min, 0, 0, zone)
		if at.Weekday() == d.Day && !at.After(now) {
			return at
		}
	}
}

// digest tells the week that ended last, if its time has come and nobody has.
func (t *Teller) digest(ctx context.Context) error {
	d := t.o.Tuning.Digest
	if d.Weeks == nil {
		return nil
	}
	now := t.o.Tuning.Now()
	to := d.slot(now)
	if !to.After(t.week) || now.Sub(to) > digestLate {
		return nil
	}
	told, err := t.o.Facts.Cursor(ctx, digestReader)
	if err != nil {
		return fmt.Errorf("find the last week that was told: %w", err)
	}
	if told < to.Unix() {
		posts, err := t.weekPosts(ctx, to)
		if err != nil {
			return err
		}
		if err := t.o.Outbox.Put(ctx, digestReader, to.Unix(), posts); err != nil {
			return fmt.Errorf("store the week to %s: %w", to, err)
		}
		t.o.Log.Info("the week is told", zap.Time("to", to), zap.Int("posts", len(posts)))
	}
	t.week = to
	return nil
}

// week is what came of one channel's work.
type week struct {
	l       Locale
	to      time.Time
	ended   []engine.Ended      // in digestWeeks weeks
	closed  []approvals.Request // asked for this week, and denied or let expire
	waiting []approvals.Request
}

// weekPosts draws the week of every channel in which something happened.
func (t *Teller) weekPosts(ctx context.Context, to time.Time) ([]Post, error) {
	weeks := map[string]*week{}
	of := func(channel string) *week {
		if weeks[channel] == nil {
			weeks[channel] = &week{l: t.shared(channel), to: to}
		}
		return weeks[channel]
	}
	ended, err := t.o.Tuning.Digest.Weeks.Ended(ctx, to.AddDate(0, 0, -7*digestWeeks), to)
	if err != nil {
		return nil, err
	}
	for _, e := range ended {
		of(e.Channel).ended = append(of(e.Channel).ended, e)
	}
	rs, err := t.o.Lists.Requests(ctx, "", "", 500)
	if err != nil {
		return nil, fmt.Errorf("list the week's requests: %w", err)
	}
	from := to.AddDate(0, 0, -7)
	for _, r := range rs {
		switch {
		case !r.Created.Before(to):
		case r.State == approvals.Pending:
			of(r.Channel).waiting = append(of(r.Channel).waiting, r)
		case !r.Created.Before(from) && (r.State == approvals.Denied || r.State == approvals.Expired):
			of(r.Channel).closed = append(of(r.Channel).closed, r)
		}
	}
	var posts []Post
	for channel, w := range weeks {
		drawn, err := w.posts(channel)
		if err != nil {
			return nil, err
		}
		posts = append(posts, drawn...)
	}
	slices.SortStableFunc(posts, func(a, b Post) int { return cmp.Compare(a.Key, b.Key) }) // a message before its picture
	return posts, nil
}

// this are the jobs that ended in the week that is told.
func (w *week) this() []engine.Ended {
	from := w.to.AddDate(0, 0, -7)
	i := slices.IndexFunc(w.ended, func(e engine.Ended) bool { return !e.At.Before(from) })
	if i < 0 {
		return nil
	}
	return w.ended[i:]
}

// posts are the message and, in its thread, the picture; nothing for a week without work.
func (w *week) posts(channel string) ([]Post, error) {
	if channel == "" || len(w.this())+len(w.closed)+len(w.waiting) == 0 {
		return nil, nil
	}
	p := Post{Key: "digest/" + w.to.Format("2006-01-02") + "/" + channel, Channel: channel}
	if err := p.draw(w.message()); err != nil {
		return nil, err
	}
	picture, err := w.picture()
	if err != nil || picture == nil {
		return []Post{p}, err
	}
	drawn := Post{Key: p.Key + "/chart", Channel: channel, Parent: p.Key}
	err = drawn.draw(Message{Summary: picture.Title, Picture: picture})
	return []Post{p, drawn}, err
}

// message says what was given back, what waits, what was refused and what failed. It mentions
// nobody.
func (w *week) message() Message {
	b := &builder{l: w.l}
	hosts := w.hosts()
	tables, bytes := 0, int64(0)
	for _, h := range hosts {
		tables, bytes = tables+h.tables, bytes+h.bytes
	}
	a := args{"given": plain(bytesOf(bytes)), "from": plain(w.to.AddDate(0, 0, -7).Format("2006-01-02")), "to": plain(w.to.AddDate(0, 0, -1).Format("2006-01-02")),
		"tables": plainInt(tables), "hosts": plainInt(len(hosts)), "waiting": plainInt(len(w.waiting))}
	b.header(kDigestHead, a)
	b.summary(kDigestSum, a)
	b.say(kDigestSum, a)
	if tables > 0 {
		t := Table{Header: b.l.cells(kColHost, kColTables, kColGiven), Right: []bool{1: true, 2: true}}
		for _, h := range hosts {
			t.Rows = append(t.Rows, []string{h.host, fmt.Sprint(h.tables), bytesOf(h.bytes)})
		}
		b.table(t, 10, kMoreRows)
	}
	w.lists(b)
	return b.m
}

// hostWeek is what one host gave back.
type hostWeek struct {
	host   string
	tables int
	bytes  int64
}

// hosts are those on which a table was rebuilt, the biggest gain first.
func (w *week) hosts() []hostWeek {
	var out []hostWeek
	for _, e := range w.this() {
		i := slices.IndexFunc(out, func(h hostWeek) bool { return h.host == e.Host })
		if e.Tables == 0 {
			continue
		}
		if i < 0 {
			i, out = len(out), append(out, hostWeek{host: e.Host})
		}
		out[i].tables, out[i].bytes = out[i].tables+e.Tables, out[i].bytes+e.Bytes
	}
	slices.SortStableFunc(out, func(x, y hostWeek) int { return cmp.Compare(y.bytes, x.bytes) })
	return out
}

// lists are the parts that somebody may want to do something about.
func (w *week) lists(b *builder) {
	var waiting, refused, failed [][]Span
	for _, r := range w.waiting {
		waiting = append(waiting, w.l.say(kDigestWaits, args{"id": code(r.ID), "target": code(r.Target), "who": plain(answerTo(r).Name), "until": when(r.Expires)}))
	}
	for _, r := range w.closed {
		a := args{"id": code(r.ID), "target": code(r.Target), "by": plain(reviewers(r, approvals.Deny)), "why": plain("")}
		k := kDigestExpired
		for _, v := range r.Reviews {
			if v.Decision == approvals.Deny {
				k, a["why"] = kDigestDenied, plain(clip(v.Comment, 200))
			}
		}
		refused = append(refused, w.l.say(k, a))
	}
	for _, e := range w.this() {
		line := w.l.say(kDigestEnded, args{"id": code(e.RequestID), "target": code(e.Host), "state": plain(w.l.text(jobStates[e.State], nil)), "why": plain(clip(w.l.words(e.Reason), 200))})
		switch e.State {
		case engine.JobRefused:
			refused = append(refused, line)
		case engine.JobFailed, engine.JobCancelled:
			failed = append(failed, line)
		}
	}
	for _, part := range []struct {
		title key
		lines [][]Span
	}{{kDigestWaiting, waiting}, {kDigestRefused, refused}, {kDigestFailed, failed}} {
		if len(part.lines) == 0 {
			continue
		}
		b.text(append(asBold(b.l.say(part.title, nil)), plain(fmt.Sprintf("  %d", len(part.lines))))...)
		for _, line := range part.lines[:min(digestLines, len(part.lines))] {
			b.text(append([]Span{plain("• ")}, line...)...)
		}
		if left := len(part.lines) - digestLines; left > 0 {
			b.context(b.l.count(kMoreRequests, left, nil)...)
		}
	}
}

// picture shows what was given back week by week; nothing when nothing was.
func (w *week) picture() (*Picture, error) {
	c := chart.Columns{}
	sum, alt := int64(0), ""
	for i := digestWeeks; i > 0; i-- {
		from, to := w.to.AddDate(0, 0, -7*i), w.to.AddDate(0, 0, -7*(i-1))
		n := int64(0)
		for _, e := range w.ended {
			if !e.At.Before(from) && e.At.Before(to) {
				n += e.Bytes
			}
		}
		sum += n
		c.Columns = append(c.Columns, chart.Column{Name: from.Format("01-02"), Value: brief(n), N: n})
		alt += " " + from.Format("01-02") + ": " + bytesOf(n) + ";"
	}
	if sum <= 0 {
		return nil, nil
	}
	a := args{"given": plain(bytesOf(sum)), "n": plainInt(digestWeeks)}
	c.Title, c.Subtitle = w.l.text(kChartWeeks, nil), w.l.text(kChartWeeksSum, a)
	png, err := c.PNG()
	if err != nil {
		return nil, fmt.Errorf("draw the weeks: %w", err)
	}
	return &Picture{Name: "weeks.png", Title: c.Title, Alt: clip(strings.TrimSuffix(c.Title+w.l.text(kFullStop, nil)+c.Subtitle+strings.TrimSpace(w.l.text(kFullStop, nil))+alt, ";"), maxAlt), PNG: png}, nil
}

// brief is a size for a narrow column; nothing is written as a dash.
func brief(n int64) string {
	if n == 0 {
		return "–"
	}
	return bytesOf(n)
}
