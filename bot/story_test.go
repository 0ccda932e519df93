package bot

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

var update = goflag.Bool("update", false, "write the golden transcripts")

// golden compares a transcript with the stored one; what people read changes only on purpose.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update once and read what it wrote")
	require.Equal(t, string(want), got)
}

// TestTheStory plays discover and run with their approvals, in both languages.
func TestTheStory(t *testing.T) {
	t.Parallel()
	for locale, channel := range map[Locale]string{English: "C1", Chinese: "CZH"} {
		t.Run(string(locale), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var log strings.Builder
			note := func(what, text string) { fmt.Fprintf(&log, "=== %s\n%s\n", what, text) }
			require.Empty(t, w.saysIn(alice, channel, "discover db-prod-3"))
			w.tells()
			note("card of the discovery", w.show("R-7QK1/card"))
			note("alice approves her own", w.clicks(alice, "R-7QK1/card", ActionApprove))
			note("bob approves", w.clicks(bob, "R-7QK1/card", ActionApprove))
			w.tells()
			note("card, approved", w.show("R-7QK1/card"))
			w.discovers("R-7QK1")
			w.tells()
			note("card, done", w.show("R-7QK1/card"))
			note("thread of the discovery", w.thread("R-7QK1/card"))

			require.Empty(t, w.saysIn(alice, channel, "run db-prod-3 —schema shop"))
			w.tells()
			note("card of the run", w.show("R-7QK2/card"))
			note("bob approves", w.clicks(bob, "R-7QK2/card", ActionApprove))
			w.tells()
			note("card, queued", w.show("R-7QK2/card"))
			w.moves("R-7QK2", engine.JobRunning, engine.EventJobStarted, "", nil)
			j := w.job("R-7QK2")
			j.Steps[0].State = engine.StepRunning
			w.live["R-7QK2"] = []engine.LiveStep{{Seq: 1, Table: "shop.orders", Progress: rebuild.Progress{Phase: "merge sort", Fraction: 0.5, Rate: 40e6, ETA: 25 * time.Second}}}
			w.tells()
			note("card, running", w.show("R-7QK2/card"))
			w.rebuilds("R-7QK2", 1, gib, 70*time.Second)
			w.rebuilds("R-7QK2", 2, 100*mib, 4*time.Second)
			j.Steps[2].State = engine.StepRunning
			w.live["R-7QK2"] = []engine.LiveStep{{Seq: 3, Progress: rebuild.Progress{Fraction: 0.25}}}
			w.tells()
			note("card, third table", w.show("R-7QK2/card"))
			w.rebuilds("R-7QK2", 3, 130*mib, 3*time.Second)
			w.moves("R-7QK2", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
			w.tells()
			note("card, done", w.show("R-7QK2/card"))
			note("thread of the run", w.thread("R-7QK2/card"))
			note("alice runs on the primary", w.saysIn(alice, channel, "run db-prod-1"))
			require.Len(t, w.requests, 2)
			golden(t, "story_"+string(locale), log.String())
		})
	}
}
