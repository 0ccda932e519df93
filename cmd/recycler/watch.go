package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/bot/api"
	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

// watch follows one job: a feed of its events, and on a terminal the progress in between.
type watch struct {
	r      *remote
	client *api.Client
	id     string
	out    io.Writer
	live   bool  // progress is drawn on a line of its own, over and over
	at     int64 // the last event seen; -1: none yet
	events chan engine.Event
}

func newWatch(r *remote, c *api.Client, id string, out io.Writer) *watch {
	w := &watch{r: r, client: c, id: id, out: out, at: -1, events: make(chan engine.Event)}
	if f, ok := out.(*os.File); ok && r.output == "table" {
		w.live = terminal(f)
	}
	return w
}

// Times of the watch.
const (
	drawEvery = time.Second     // progress on a terminal
	askEvery  = 5 * time.Second // the job is read, should an event have been missed
	joinAgain = time.Second     // after the server ended the feed
)

// errEnded ends the feed when the job has.
var errEnded = errors.New("the job ended")

// run prints events until the job ends. The feed is opened before the job is read, so that nothing
// is missed in between.
func (w *watch) run(ctx context.Context) error {
	feed, err := w.client.Events(ctx, w.at, w.id)
	if err != nil {
		return err
	}
	j, err := w.client.Job(ctx, w.id)
	if err != nil {
		feed.Close()
		return err
	}
	w.line(fmt.Sprintf("%s  %s on %s, tables %s", j.ID, j.State, j.Host, tablesOf(j)))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.listen(ctx, feed) })
	g.Go(func() error { return w.tell(ctx, j) })
	if err := g.Wait(); !errors.Is(err, errEnded) {
		return err
	}
	j, err = w.client.Job(context.WithoutCancel(ctx), w.id)
	if err != nil {
		return err
	}
	w.line(fmt.Sprintf("%s  %s, tables %s, freed %s", j.ID, j.State, tablesOf(j), size(j.FreedBytes)))
	if j.State != string(engine.JobSucceeded) {
		return &endedBadly{j}
	}
	return nil
}

// listen reads the feed, and opens it again where it ended: a server that restarts loses nothing.
func (w *watch) listen(ctx context.Context, feed *api.Feed) error {
	defer func() { feed.Close() }()
	for {
		e, err := feed.Next(ctx)
		if err == nil {
			w.at = e.Seq
			select {
			case w.events <- e:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		for err != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(joinAgain):
			}
			var again *api.Feed
			var refused *api.Refusal
			if again, err = w.client.Events(ctx, w.at, w.id); errors.As(err, &refused) {
				return err
			} else if err == nil {
				feed.Close()
				feed = again
			}
		}
	}
}

// tell prints until the job has ended.
func (w *watch) tell(ctx context.Context, j api.JobView) error {
	every := askEvery
	if w.live {
		every = drawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if engine.JobState(j.State).Final() {
			w.drain()
			return errEnded
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-w.events:
			if err := w.event(e); err != nil {
				return err
			}
			if !final(e.Kind) {
				continue
			}
		case <-tick.C:
		}
		now, err := w.client.Job(ctx, w.id)
		var silent *api.Unreachable
		if errors.As(err, &silent) {
			continue // it restarts; the feed waits for it too
		}
		if err != nil {
			return err
		}
		if j = now; w.live && len(j.Progress) > 0 {
			var now []string
			for _, p := range j.Progress {
				now = append(now, progressOf(p))
			}
			_, _ = fmt.Fprintf(w.out, "\r\x1b[2K%s", strings.Join(now, "; "))
		}
	}
}

// drain prints what is on its way when the job's end was seen first.
func (w *watch) drain() {
	for {
		select {
		case e := <-w.events:
			_ = w.event(e) // the end is printed in any case
		case <-time.After(drawEvery):
			return
		}
	}
}

func final(k engine.EventKind) bool {
	switch k {
	case engine.EventJobCompleted, engine.EventJobFailed, engine.EventJobCancelled, engine.EventJobRefused:
		return true
	}
	return false
}

// event prints one event.
func (w *watch) event(e engine.Event) error {
	if w.r.output != "table" {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		sep := ""
		if w.r.output == "yaml" {
			sep = "- " // JSON is YAML: the whole output is one list
		}
		_, err = fmt.Fprintf(w.out, "%s%s\n", sep, b)
		return err
	}
	words := []string{e.At.UTC().Format("15:04:05"), string(e.Kind)}
	if e.Step > 0 {
		words = append(words, fmt.Sprintf("table %d", e.Step))
	}
	if e.Actor != "" {
		words = append(words, "by "+e.Actor)
	}
	w.line(strings.TrimSpace(strings.Join(words, "  ") + "  " + details(e)))
	return nil
}

// details is what the data of an event says, for the kinds people wait for.
func details(e engine.Event) string {
	switch e.Kind {
	case engine.EventJobThrottled:
		var v throttle.Verdict
		if json.Unmarshal(e.Data, &v) == nil {
			return v.String()
		}
	case engine.EventTableProcessed:
		var v struct{ Before, After int64 }
		if json.Unmarshal(e.Data, &v) == nil && v.Before > 0 {
			return size(v.Before) + " → " + size(v.After)
		}
	case engine.EventJobNotice:
		var n engine.Notice
		if json.Unmarshal(e.Data, &n) == nil {
			return n.Severity + ": " + n.Sentence
		}
	case engine.EventJobWanted:
		var v struct{ Wanted, Table string }
		if json.Unmarshal(e.Data, &v) == nil {
			return strings.TrimSpace(v.Wanted + " " + v.Table)
		}
	}
	return ""
}

// line prints a line of text in a table output, over what progress left there.
func (w *watch) line(s string) {
	if w.r.output != "table" {
		return
	}
	if w.live {
		s = "\r\x1b[2K" + s
	}
	_, _ = fmt.Fprintln(w.out, s)
}
