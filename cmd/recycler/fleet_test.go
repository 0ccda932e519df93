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
