package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nodes are drained and regions paused by calls, by the rules of the chat.
func TestWorkersOverTheAPI(t *testing.T) {
	t.Parallel()
	const nodes, regions = "/api/v1/nodes", "/api/v1/regions"
	d := openDoor(t, "rate: 1000")
	first := func(path string) map[string]any {
		r := d.call(t, "alice", "GET", path, "")
		require.Equal(t, 200, r.status, r.text)
		return r.body["items"].([]any)[0].(map[string]any)
	}
	refused := func(status int, code, who, path string) {
		r := d.call(t, who, "POST", path, "")
		require.Equal(t, status, r.status, r.text)
		require.Equal(t, code, r.body["code"], r.text)
	}
	state := func(want string) {
		require.Eventually(t, func() bool { return first(nodes)["state"] == want }, 50*time.Second, 50*time.Millisecond, want)
	}
	state("up")
	name := first(nodes)["name"].(string)
	require.Equal(t, 403, d.call(t, "reader", "GET", nodes, "").status)
	for _, path := range []string{nodes + "/" + name + "/drain", nodes + "/" + name + "/undrain", regions + "/-/pause", regions + "/-/resume"} {
		refused(403, "scope_missing", "asker", path)
		refused(403, "unknown_person", "stranger", path)
	}
	refused(404, "no_region", "bob", regions+"/mars/pause")
	refused(404, "no_node", "bob", nodes+"/mars/drain")
	refused(404, "no_node", "bob", nodes+"/mars/undrain")

	for range 2 { // again is no mistake
		r := d.call(t, "bob", "POST", regions+"/default/pause", "")
		require.Equal(t, 200, r.status, r.text)
		require.Equal(t, "U0BOB", r.body["paused"].(map[string]any)["by"].(map[string]any)["id"])
	}
	require.Contains(t, first(regions), "paused")
	r := d.call(t, "alice", "POST", regions+"/default/resume", "")
	require.Equal(t, 200, r.status, r.text)
	require.NotContains(t, first(regions), "paused")

	r = d.call(t, "bob", "POST", nodes+"/"+name+"/drain", "")
	require.Equal(t, 200, r.status, r.text)
	state("drained")
	r = d.call(t, "bob", "POST", nodes+"/"+name+"/undrain", "")
	require.Equal(t, 200, r.status, r.text)
	state("up")
}
