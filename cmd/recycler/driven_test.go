package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/bot/api"
	"mysql-recycler/engine"
)

// driven asks for a run, has somebody else approve it and watches it, all in a shell, while a
// WebSocket on the event log is told the same. The transcript is logged.
func (p *program) driven(t *testing.T, host, table string) string {
	t.Helper()
	var said strings.Builder
	shell := func(who string, args ...string) string {
		fmt.Fprintf(&said, "\n%s$ recycler %s\n", who, strings.Join(args, " "))
		cmd := exec.CommandContext(t.Context(), filepath.Join(p.dir, "bin", "recycler"), args...)
		cmd.Env = append(os.Environ(), asProgram+"=1", "RECYCLER_SERVER="+p.url, "RECYCLER_TOKEN_FILE="+filepath.Join(p.dir, who))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s%s", said.String(), out)
		said.Write(out)
		return string(out)
	}
	secret, err := os.ReadFile(filepath.Join(p.dir, "reader"))
	require.NoError(t, err)
	c, err := api.NewClient(api.ClientOptions{Server: p.url, Token: strings.TrimSpace(string(secret))})
	require.NoError(t, err)
	feed, err := c.Events(t.Context(), -1, "")
	require.NoError(t, err)
	defer feed.Close()

	shell("alice", "plan", host, "--table", table)
	out := shell("alice", "run", host, "--table", table)
	id := regexp.MustCompile(`R-[0-9A-Z]+`).FindString(out)
	digest := regexp.MustCompile(`digest +([0-9a-f]{12})`).FindStringSubmatch(out)
	require.NotNil(t, digest, out)
	shell("bob", "requests", "show", id)

	var g errgroup.Group
	var told []engine.Event
	g.Go(func() (err error) { // read while the shell watches
		told, err = untilEnd(t.Context(), feed, id)
		return err
	})
	shell("bob", "requests", "approve", id, "--digest", digest[1])
	watched := shell("alice", "jobs", "watch", id)
	require.NoError(t, g.Wait())
	require.Regexp(t, id+`  succeeded, tables 1/1, freed [0-9.]+ [KMG]iB`, watched)
	shell("alice", "jobs", "show", id)
	fmt.Fprintf(&said, "\nMeanwhile on the WebSocket %s/api/v1/events:\n", strings.Replace(p.url, "http", "ws", 1))
	var kinds []string
	for _, e := range told {
		b, err := json.Marshal(e)
		require.NoError(t, err)
		fmt.Fprintln(&said, string(b[:min(len(b), 300)]))
		kinds = append(kinds, string(e.Kind))
	}
	require.Subset(t, kinds, []string{"request.created", "request.approved", "job.created", "job.started", "table.processed", "job.completed"})
	t.Log(said.String())
	return id
}

// untilEnd reads the events of a request until its job has ended.
func untilEnd(ctx context.Context, feed *api.Feed, request string) ([]engine.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var out []engine.Event
	for {
		e, err := feed.Next(ctx)
		if err != nil {
			return out, err
		}
		if e.RequestID == request {
			out = append(out, e)
		}
		if e.RequestID == request && final(e.Kind) {
			return out, nil
		}
	}
}
