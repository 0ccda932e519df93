package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
)

// A node is listed, drained, stays drained over a restart, and works again; a region is paused.
func TestFleet(t *testing.T) {
	t.Parallel()
	for kind, url := range databases(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "recycler.yaml")
			require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`
storage: {url: "%s"}
node: {roles: [worker], name: worker-1}
log: {format: console}
approvals: {approvers: {users: [U0BOB]}}
clusters:
  - {name: db, region: eu, channel: C0DBOPS, hosts: [{name: db-1, addr: "127.0.0.1:1"}]}
`, url)), 0o600))
			say := func(code int, args ...string) string {
				var out bytes.Buffer
				require.Equal(t, code, run(append(args, "--config", config), &out, &out), "%v: %s", args, out.String())
				return out.String()
			}
			listed := func(want string) {
				require.Eventually(t, func() bool { return strings.Contains(say(0, "nodes", "list"), want) }, 50*time.Second, 200*time.Millisecond, want)
			}
			first := serve(t, config)
			first.says(t, "serving")
			listed("worker-1  up")
			require.Contains(t, say(0, "nodes", "drain", "worker-1", "--reason", "kernel"), "it can be stopped")
			first.says(t, "this node is drained")
			require.Contains(t, say(0, "nodes", "list"), "kernel")
			require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, first.cmd.Wait())
			require.NotContains(t, say(0, "nodes", "list"), "worker-1  up")
			second := serve(t, config)
			second.says(t, "serving")
			listed("worker-1  drained")
			require.Contains(t, say(0, "nodes", "undrain", "worker-1"), "takes work again")
			listed("worker-1  up")
			require.Contains(t, say(1, "nodes", "undrain", "worker-1"), "is not drained")
			require.Contains(t, say(1, "nodes", "drain", "nobody"), "no node nobody is alive")

			require.Contains(t, say(0, "regions", "pause", "eu"), "takes no work, now")
			require.Contains(t, say(0, "regions", "pause", "eu"), "takes no work, already")
			require.Contains(t, say(0, "nodes", "list"), "region eu takes no work since")
			require.Contains(t, say(0, "regions", "resume", "eu"), "takes work, now")
			require.Contains(t, say(2, "regions", "pause", "mars"), "mars")
			require.Contains(t, say(0, "audit", "verify"), "whole")
		})
	}
}

// drain: a node is drained while it rebuilds a table. The statement goes on at its server, the other
// node adopts it, and the drained process can be stopped. (A rebuild cannot be held up for this by a
// metadata lock: a server ends a statement that waits for one when its client is gone.)
func drain(t *testing.T, c *mysqltest.Cluster, at int, url string) {
	w, target, name := newChatWorld(t, c, at, url), c.Nodes[at], fmt.Sprintf("db-%d", at+1)
	as := func(node string) string { // the configuration of a node
		path := filepath.Join(t.TempDir(), node+".yaml")
		require.NoError(t, os.WriteFile(path, []byte(w.read(t)+"node: {name: "+node+"}\n"), 0o600))
		return path
	}
	serve(t, as("front"), "--roles", "bot")
	first := serve(t, as("one"), "--roles", "worker")
	require.NoError(t, w.WaitSockets(t.Context(), 2))
	say := func(command string) {
		_, err := w.Slash(t.Context(), "alice", "#db-ops", command)
		require.NoError(t, err)
	}
	say("discover " + name)
	w.wait(t, "the discovery", func(m sandbox.Message) bool { return m.ThreadTS != "" && strings.Contains(m.Plain(), "shop.t1") })
	say("run " + name + " --schema shop")
	card := w.wait(t, "the card", func(m sandbox.Message) bool { return has(m, "Approve") })
	w.press(t, "bob", card, "Approve")
	altering(t, target, true)
	second := serve(t, as("two"), "--roles", "worker") // after the job began, so that it is the first one's
	second.says(t, "serving")
	var out bytes.Buffer
	began := time.Now()
	require.Zero(t, run([]string{"nodes", "drain", "one", "--config", w.config}, &out, &out), out.String())
	require.Contains(t, out.String(), "it can be stopped")
	t.Logf("drained after %.1f s", time.Since(began).Seconds())
	first.says(t, "this node is drained")
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, first.cmd.Wait())
	w.wait(t, "the end", func(m sandbox.Message) bool {
		return m.TS == card.TS && len(m.Buttons()) == 0 && strings.Contains(m.Plain(), "given back") && strings.Contains(strings.ToLower(m.Text), "done")
	})
	log, err := target.GeneralLog()
	require.NoError(t, err)
	sent := map[string]int{}
	for _, m := range rebuildOf.FindAllStringSubmatch(log, -1) {
		sent[m[1]]++
	}
	require.Equal(t, map[string]int{"1": 1, "2": 1, "3": 1, "4": 1}, sent, "each table once")
	all, err := w.Thread(t.Context(), "#db-ops", card.TS)
	require.NoError(t, err)
	for _, m := range all {
		if strings.Contains(m.Plain(), "resumed at table") {
			t.Logf("%s", m.Plain())
		}
	}
}
