package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// envKills is how many processes TestKilledNodes kills per database; the fault table of the release
// was made with 100.
const envKills = "RECYCLER_FAULT_KILLS"

// TestKilledNodes kills nodes of the program by SIGKILL at random moments while people ask for and
// approve work, and while it runs.
func TestKilledNodes(t *testing.T) {
	t.Parallel()
	kills, jobs := 12, 3
	if text := os.Getenv(envKills); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
		jobs = max(jobs, kills/4)
	}
	var schemas []string
	for i := range jobs {
		schemas = append(schemas, fmt.Sprintf("kill%02d", i))
	}
	c := faultCluster(t, 2, schemas...)
	urls := databases(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killNodes(t, newFault(t, c, 1, urls["sqlite"]), kills, schemas, [][]string{nil})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		killNodes(t, newFault(t, c, 2, urls["postgres"]), kills, schemas, [][]string{{"--roles=bot"}, {"--roles=worker"}, {"--roles=worker"}})
	})
}

// killNodes runs a job for every schema while processes of those roles are killed.
func killNodes(t *testing.T, w *fault, kills int, schemas []string, roles [][]string) {
	nodes := make([]*node, len(roles))
	for i, args := range roles {
		nodes[i] = serve(t, w.config, args...)
	}
	w.discover()
	begin := time.Now()
	var done atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	killed := 0
	g.Go(func() (err error) {
		killed, err = w.killing(ctx, nodes, roles, kills, func() float64 { return float64(done.Load()) / float64(len(schemas)) })
		return err
	})
	defer func() { stop(); require.NoError(t, g.Wait()) }()
	var ids []string
	for _, schema := range schemas {
		id := w.approved(schema)
		w.ended(id)
		ids = append(ids, id)
		done.Add(1)
	}
	stop()
	require.NoError(t, g.Wait())
	t.Logf("%d kills, %d jobs of %d tables in %s", killed, len(ids), faultTables, time.Since(begin).Round(time.Second))
	require.NotZero(t, killed)
	w.right(ids...)
}

// killing kills a node after a random time and starts it again, until there were enough. The times
// grow and shrink so that the kills spread over all the jobs, whatever the machine.
func (w *fault) killing(ctx context.Context, nodes []*node, roles [][]string, kills int, done func() float64) (killed int, err error) {
	for span := 600 * time.Millisecond; killed < kills; {
		select {
		case <-ctx.Done():
			return killed, nil
		case <-time.After(rand.N(span)):
		}
		i := rand.N(len(nodes))
		nodes[i].kill()
		if nodes[i], err = spawn(w.t, w.config, roles[i]...); err != nil {
			return killed, err
		}
		killed++
		if done() < float64(killed)/float64(kills) {
			span = min(span*5/4, 6*time.Second)
		} else {
			span = max(span*2/3, 50*time.Millisecond)
		}
	}
	return killed, nil
}
