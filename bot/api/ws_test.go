package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

func tables(n int) []engine.Event {
	es := make([]engine.Event, n)
	for i := range es {
		es[i] = engine.Event{Kind: engine.EventTableProcessed, RequestID: "R-A", JobID: fmt.Sprintf("J-%d", i%2)}
	}
	return es
}

// follow reads n events and requires that no number is missing.
func follow(t *testing.T, f *Feed, after int64, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range n {
		e, err := f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, after+int64(i)+1, e.Seq)
	}
}

// Readers that come at different places all get every event once, from the storage where they are
// far behind and from memory where not, while more happens.
func TestEventsWithoutGap(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.happen(tables(1300)...)
	s, url := serve(t, w, Tuning{Ring: 64})
	c := client(t, url)
	var wg sync.WaitGroup
	for _, after := range []int64{0, 1, 700, 1299, 1300} {
		f, err := c.Events(t.Context(), after, "")
		require.NoError(t, err)
		wg.Go(func() {
			defer f.Close()
			follow(t, f, after, int(1800-after))
		})
	}
	for range 50 {
		w.happen(tables(10)...)
	}
	wg.Wait()
	require.LessOrEqual(t, len(s.log.ring), 64)
}

// Many readers at the end of the log cost the storage nothing: one of us reads it.
func TestEventsReadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, url := serve(t, w, Tuning{Poll: 50 * time.Millisecond})
	c := client(t, url)
	feeds := make([]*Feed, 100)
	for i := range feeds {
		f, err := c.Events(t.Context(), 0, "")
		require.NoError(t, err)
		defer f.Close()
		feeds[i] = f
	}
	var before int
	w.do(func() { before = w.reads })
	w.happen(tables(20)...)
	for _, f := range feeds {
		follow(t, f, 0, 20)
	}
	w.do(func() { require.Less(t, w.reads-before, 50, "each of 100 readers read the log itself") })
}

func TestEventsOfOneJob(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, url := serve(t, w, Tuning{})
	f, err := client(t, url).Events(t.Context(), -1, "J-1")
	require.NoError(t, err)
	defer f.Close()
	w.happen(tables(10)...)
	for i := range 5 {
		e, err := f.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(2*i+2), e.Seq)
	}
}

// Who reads too slowly is told so, and where to go on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const n, slow = 64, 3 * time.Second // 16 MiB: more than the kernel takes on its way
	w := newWorld()
	_, url := serve(t, w, Tuning{Slow: slow})
	c := client(t, url)
	sleepy, err := c.Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer sleepy.Close()
	healthy, err := c.Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer healthy.Close()
	big := tables(n)
	for i := range big {
		big[i].Data = raw(t, strings.Repeat("x", 256<<10))
	}
	w.happen(big...)
	follow(t, healthy, 0, n)  // others are not held up
	time.Sleep(slow + slow/3) // being slow is what is tested; from here on, as a busy machine begins to send late
	last := int64(0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		e, err := sleepy.Next(ctx)
		var d *Dropped
		if errors.As(err, &d) {
			require.Equal(t, fmt.Sprintf("too slow; go on with after=%d", last), d.Reason)
			break
		}
		require.NoError(t, err)
		require.Equal(t, last+1, e.Seq)
		last = e.Seq
	}
	require.Less(t, last, int64(n))
	again, err := c.Events(t.Context(), last, "")
	require.NoError(t, err)
	defer again.Close()
	follow(t, again, last, n-int(last))
}

// Who does not read at all is cut off, and nobody waits for it.
func TestDeadReader(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, url := serve(t, w, Tuning{Slow: 100 * time.Millisecond})
	dead, err := client(t, url).Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer func() { _ = dead.conn.CloseNow() }()
	big := tables(128)
	for i := range big {
		big[i].Data = raw(t, strings.Repeat("x", 256<<10))
	}
	w.happen(big...)
	soon(t, func() bool { return testutil.ToFloat64(s.metrics.drops.WithLabelValues(droppedSlow)) == 1 }, "a reader that never reads was kept")
}

// ringAt reports whether the log was followed up to a number.
func (l *log) ringAt(seq int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last >= seq
}

// A reader does not outlive its token.
func TestRevokedReader(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, url := serve(t, w, Tuning{Recheck: 20 * time.Millisecond})
	f, err := client(t, url).Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer f.Close()
	w.happen(tables(1)...)
	follow(t, f, 0, 1)
	revoke := time.AfterFunc(100*time.Millisecond, func() { w.do(func() { clear(w.tokens) }) }) // after several rechecks
	defer revoke.Stop()
	begun := time.Now()
	_, err = f.Next(t.Context())
	require.Greater(t, time.Since(begun), 90*time.Millisecond, "a live token stays")
	var d *Dropped
	require.ErrorAs(t, err, &d)
	require.Equal(t, "the token was revoked or has expired; go on with after=1", d.Reason)
}

// A server that ends says so to its readers, and waits for nobody.
func TestReadersAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, err := New(Options{Facts: w, Lists: w, Events: w, Tokens: w, Keys: w})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }() // waited for below
	f, err := client(t, "http://"+l.Addr().String()).Events(t.Context(), -1, "")
	require.NoError(t, err)
	stop()
	_, err = f.Next(t.Context())
	var d *Dropped
	require.ErrorAs(t, err, &d)
	require.Equal(t, "the server ends; go on with after=0", d.Reason)
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the server did not end")
	}
}

// A storage that is away for a while loses no event.
func TestEventsThroughAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, url := serve(t, w, Tuning{})
	f, err := client(t, url).Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer f.Close()
	w.do(func() { w.broken = errors.New("disk on fire") })
	w.happen(tables(5)...)
	soon(t, func() (few bool) {
		w.do(func() { few = w.failed >= 2 })
		return few
	}, "the polls go on through the outage")
	w.do(func() { w.broken = nil })
	follow(t, f, 0, 5)
}

// A thousand readers get everything, in order.
func TestThousandReaders(t *testing.T) { // alone, because it takes what the machine has
	const readers, events = 1000, 100
	w := newWorld()
	s, url := serve(t, w, Tuning{})
	c := client(t, url)
	var wg sync.WaitGroup
	defer wg.Wait()
	feeds := make([]*Feed, readers)
	for i := range feeds {
		f, err := c.Events(t.Context(), 0, "")
		require.NoError(t, err)
		defer f.Close()
		feeds[i] = f
	}
	soon(t, func() bool { return testutil.ToFloat64(s.metrics.readers) == readers }, "readers are not counted")
	begun := time.Now()
	for _, f := range feeds {
		wg.Go(func() { follow(t, f, 0, events) })
	}
	w.happen(tables(events)...)
	wg.Wait()
	t.Logf("%d events to each of %d readers in %s", events, readers, time.Since(begun).Round(time.Millisecond))
}
