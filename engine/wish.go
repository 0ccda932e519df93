package engine

import (
	"context"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"
)

// wish is what people want of a running job, as the heartbeat last read it, and whether one of the
// job's workers has to stop the others.
type wish struct {
	mu      sync.Mutex
	want    Wanted
	skip    map[int]string
	failed  error         // why the job must stop, set by the worker that found out
	changed chan struct{} // closed and replaced at every change
}

// newWish is what people wanted when the job was loaded.
func newWish(j Job) *wish {
	w := &wish{want: j.Wanted, skip: map[int]string{}, changed: make(chan struct{})}
	for _, s := range j.Steps {
		if s.Skip != "" {
			w.skip[s.Seq] = s.Skip
		}
	}
	return w
}

// get returns the wish, why the job must stop (nil: it need not), and a channel that is closed when
// either changes.
func (w *wish) get() (want Wanted, changed <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return w.want, w.changed, w.failed
	}
	if w.want == WantCancel {
		return w.want, w.changed, errCancelled
	}
	return w.want, w.changed, nil
}

// set stores what people want now.
func (w *wish) set(v Wishes) {
	w.change(func() bool {
		was, had := w.want, w.skip
		w.want, w.skip = v.Want, v.Skip
		return was != v.Want || !maps.Equal(had, v.Skip)
	})
}

// skips names who wants a table left alone; empty: nobody.
func (w *wish) skips(seq int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skip[seq]
}

// fail stops all workers of the job; the first reason stays.
func (w *wish) fail(err error) {
	w.change(func() bool {
		first := w.failed == nil
		if first {
			w.failed = err
		}
		return first
	})
}

func (w *wish) change(f func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f() {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// interrupt blocks until what is being done for a table must stop, and says why; nil when ctx ends.
// A pause that lets the running table end interrupts only what waits to start. seq 0 is no table.
func (w *wish) interrupt(ctx context.Context, waiting bool, seq int) error {
	for {
		want, changed, err := w.get()
		switch {
		case err != nil:
			return err
		case want == WantPauseNow, waiting && want == WantPause:
			return errPaused
		case w.skips(seq) != "":
			return errSkipped
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// unless runs what waits for a table to start beside the wish: it ends early with errPaused,
// errSkipped, errCancelled or another worker's failure. seq 0 is no table.
func (w *wish) unless(ctx context.Context, seq int, f func(context.Context) error) error {
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	var why, err error
	g.Go(func() error {
		if why = w.interrupt(wctx, true, seq); why != nil {
			stop()
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		err = f(wctx)
		return nil
	})
	_ = g.Wait() // both answer through why and err
	if err != nil && why != nil && ctx.Err() == nil {
		return why
	}
	return err
}
