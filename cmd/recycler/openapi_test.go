package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answered is one answer of a server, with the path as the document names it.
type answered struct {
	Method string         `json:"method"`
	Path   string         `json:"path"`
	Status int            `json:"status"`
	Type   string         `json:"type"`
	Body   map[string]any `json:"body"`
}

// The document is valid for a validator that is not ours, and so is what the server answers: good
// answers and refusals.
func TestOpenAPIIsWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	modules := checkerModules(t)
	d := openDoor(t, "rate: 1000")
	var got []answered
	call := func(who, method, path, at, body string) map[string]any {
		r := d.call(t, who, method, or(at, path), body)
		kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
		got = append(got, answered{method, path, r.status, kind, r.body})
		return r.body
	}
	const requests, jobs, schedules, job = "/api/v1/requests", "/api/v1/jobs", "/api/v1/schedules", "/api/v1/jobs/{id}"
	r := call("alice", "POST", requests, "", `{"command": "discover db-1"}`)
	id := r["id"].(string)
	call("bob", "POST", requests+"/{id}/reviews", requests+"/"+id+"/reviews", decision(r["digest"].(string)))
	call("alice", "POST", requests+"/{id}/withdraw", requests+"/"+id+"/withdraw", "")
	call("alice", "POST", requests, "", `{"command": "run db-1"}`)
	call("alice", "POST", "/api/v1/plans", "", `{"command": "plan db-1"}`)
	s := call("alice", "POST", schedules, "", `{"command": "schedule add db-1 --cron \"0 3 1 1 *\""}`)["id"].(string)
	call("alice", "PATCH", schedules+"/{id}", schedules+"/"+s, `{"change": "--jitter 5m"}`)
	for _, verb := range []string{"skip", "pause", "resume", "withdraw"} {
		call("alice", "POST", schedules+"/{id}/"+verb, schedules+"/"+s+"/"+verb, "")
	}
	call("bob", "PATCH", schedules+"/{id}", schedules+"/"+s, `{"change": "--cron never"}`)
	call("reader", "POST", schedules, "", `{"command": "x"}`)
	call("reader", "GET", schedules, "", "")
	call("alice", "DELETE", schedules+"/{id}", schedules+"/"+s, "")
	require.Eventually(t, func() bool { return d.call(t, "reader", "GET", jobs+"/"+id, "").status == 200 }, 20*time.Second, 20*time.Millisecond)
	call("reader", "GET", job, jobs+"/"+id, "")
	call("reader", "GET", job+"/steps", jobs+"/"+id+"/steps", "")
	call("reader", "GET", job, jobs+"/R-ZZZZ", "")
	call("alice", "POST", job+"/skip", jobs+"/"+id+"/skip?table=a.b", "")
	for _, path := range []string{requests, jobs, "/api/v1/clusters", "/api/v1/tables", "/api/v1/freed", "/api/v1/events", "/api/v1/health",
		"/api/v1/health/live", "/api/v1/health/ready", "/api/v1/discoveries/newest", "/api/v1/config"} {
		call("reader", "GET", path, "", "")
	}
	for _, who := range []string{"alice", "reader"} {
		call(who, "GET", "/api/v1/nodes", "", "")
		call(who, "GET", "/api/v1/regions", "", "")
		call(who, "POST", "/api/v1/regions/{name}/pause", "/api/v1/regions/default/pause", "")
		call(who, "POST", "/api/v1/nodes/{name}/drain", "/api/v1/nodes/mars/drain", "")
	}
	call("nobody", "GET", jobs, "", "")
	call("reader", "GET", requests, requests+"?limit=0", "")

	doc := d.call(t, "", "GET", "/api/v1/openapi.json", "").text
	fits := func(doc string, answers []answered) (string, error) {
		in, err := json.Marshal(map[string]any{"doc": json.RawMessage(doc), "answers": answers})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "node", filepath.Join(modules, "check.mjs"))
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := fits(doc, got)
	require.NoError(t, err, out)

	// The checker finds what is wrong.
	out, err = fits(strings.Replace(doc, `"openapi":"3.1.0"`, `"openapi":"3.1.0","pahts":{}`, 1), nil)
	require.Error(t, err, out)
	got[0].Body["state"] = "odd"
	out, err = fits(doc, got[:1])
	require.Error(t, err)
	require.Contains(t, out, "allowed values")
}

// checkerModules installs the pinned validators once for each lock file, and the checker beside them.
func checkerModules(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "the document is checked by a validator that runs in node: apt-get install nodejs npm (node 20 or newer)")
	}
	const from = "testdata/openapi"
	sum := sha256.New()
	files := map[string][]byte{}
	for _, name := range []string{"check.mjs", "package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		files[name] = b
		_, _ = sum.Write(b) // a hash takes everything
	}
	base, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(base, "mysql-recycler", "openapi-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "openapi-new-")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(tmp) }()
	for name, b := range files {
		require.NoError(t, os.WriteFile(filepath.Join(tmp, name), b, 0o644))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = tmp
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npm ci: %s", out)
	if err := os.Rename(tmp, dir); err != nil { // it appears whole or not at all
		_, other := os.Stat(dir) // another run was faster
		require.NoError(t, other, "keep the installation: %v", err)
	}
	return dir
}
