package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
)

// Nothing but one answer of the contract is an ok, whatever else a plugin does. As a validator each
// of them refuses, with evidence.
func TestWhatIsNoAnswerRefuses(t *testing.T) {
	t.Parallel()
	for behaviour, want := range map[string]string{
		"crash":   "it ended badly: signal: segmentation fault",
		"exit":    "it ended badly: exit status 3",
		"flood":   "it wrote more than 64 KiB",
		"text":    "it is not one JSON object",
		"empty":   "it is not one JSON object",
		"twice":   "something follows the JSON object",
		"maybe":   "its result is neither ok nor no",
		"allowed": "its result is neither ok nor no",
		"other":   "it answers another action than judge",
		"old":     "it speaks contract 0, we speak 1",
		"new":     "it speaks contract 2, we speak 1",
	} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			p := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: command(t, behaviour), Timeout: time.Minute}, zap.NewNop())
			in, topo := replica()
			f := p.AsValidator().Judge(t.Context(), guard.Subject{Instance: in, Fresh: true, Topology: topo})
			require.True(t, f.Refused)
			require.True(t, f.Unknown, "nothing was learned, so the watch looks again before it kills")
			require.Equal(t, "plugin:v", f.Validator)
			require.Equal(t, "the plugin v could not be heard about db-3", f.Sentence)
			require.Contains(t, f.Evidence, want)
		})
	}
}

// dead waits until a process is gone.
func dead(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
	}, 20*time.Second, 10*time.Millisecond, "process %d is still there", pid)
}

// A plugin that does not end is killed with everything it started; so is what a good answer left.
func TestTheWholeGroupIsKilled(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, limit time.Duration) (string, error) {
		file := filepath.Join(t.TempDir(), "pid")
		p := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Hook, Command: command(t, "hang", file), Timeout: limit}, zap.NewNop())
		return file, p.Before(ctx, plugin.Node{})
	}
	file, err := hang(t.Context(), 2*time.Second)
	require.ErrorContains(t, err, "did not answer before_node within 2s")
	dead(t, file)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	file, err = hang(ctx, time.Hour)
	require.Error(t, err)
	dead(t, file)

	file = filepath.Join(t.TempDir(), "pid")
	log, seen := logged()
	p := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Hook, Command: command(t, "behind", file)}, log)
	require.NoError(t, p.Before(t.Context(), plugin.Node{}))
	dead(t, file)
	require.Equal(t, 1, seen.FilterMessageSnippet("left processes behind").Len())

	file = filepath.Join(t.TempDir(), "pid")
	p = plugin.New(plugin.Spec{Name: "v", Kind: plugin.Hook, Command: command(t, "holding", file)}, zap.NewNop())
	require.Error(t, p.Before(t.Context(), plugin.Node{}), "somebody else could still write to the answer")
	dead(t, file)
}

// A validator that says no is a finding with its words; one that says ok is only one voice.
func TestValidator(t *testing.T) {
	t.Parallel()
	in, topo := replica()
	subject := guard.Subject{Instance: in, Fresh: true, Topology: topo}
	f := validator(t, "no").AsValidator().Judge(t.Context(), subject)
	require.True(t, f.Refused)
	require.False(t, f.Unknown)
	require.Equal(t, "the plugin v refuses db-3: it is in maintenance", f.Sentence)
	require.Equal(t, "ticket 4711", f.Evidence)

	ok := validator(t, "ok").AsValidator()
	require.False(t, ok.Judge(t.Context(), subject).Refused)
	// The guard's own checks refuse this server, whatever the plugin says.
	v := guard.Default(guard.ExternalConfig{}, ok).Ask(t.Context(), subject)
	require.False(t, v.Allowed())
	require.Len(t, v.Findings, 9)
	require.False(t, v.Findings[8].Refused)
	require.True(t, guard.Default(guard.ExternalConfig{}, ok).Has("plugin:v"))

	dead := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: []string{"/nonexistent/plugin"}}, zap.NewNop())
	require.True(t, dead.AsValidator().Judge(t.Context(), subject).Refused)
}

// Permission is asked each time; while a statement runs an ok holds for a moment.
func TestValidatorIsAskedAfreshForPermission(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "asked")
	v := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: command(t, "count", file), Timeout: time.Minute}, zap.NewNop()).AsValidator()
	asked := func() int {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Count(string(text), "x")
	}
	in, topo := replica()
	running := guard.Subject{Instance: in, Fresh: true, Topology: topo, Running: true}
	for range 3 {
		require.False(t, v.Judge(t.Context(), running).Refused)
	}
	require.Equal(t, 1, asked())
	fresh := running
	fresh.Running = false
	for range 3 {
		require.False(t, v.Judge(t.Context(), fresh).Refused)
	}
	require.Equal(t, 4, asked())
	require.Eventually(t, func() bool { v.Judge(t.Context(), running); return asked() > 5 }, 30*time.Second, 50*time.Millisecond)
}

// What a plugin gets: the request and nothing of ours. What it writes beside its answer is in the log
// without secrets, and bounded.
func TestEnvironmentAndLog(t *testing.T) {
	// No t.Parallel: the environment of this process is changed.
	t.Setenv("RECYCLER_DB_PASSWORD", "ours")
	log, seen := logged()
	p := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: command(t, "echo"), Env: map[string]string{"SECRET": "swordfish"}, Timeout: time.Minute}, log)
	in, topo := replica()
	_, err := p.Ask(t.Context(), plugin.Request{Action: plugin.Judge, Cluster: "prod", Host: plugin.HostOf(in, topo)})
	require.NoError(t, err)
	var text []string
	for _, e := range seen.All() {
		text = append(text, fmt.Sprint(e.ContextMap()["line"]))
	}
	all := strings.Join(text, "\n")
	require.Contains(t, all, `"cluster":"prod","host":{"name":"db-3","address":"10.0.0.3","port":3306,"identity":"id-3","role":"replica"`)
	require.Contains(t, all, `"primary":"db-1"`)
	require.Contains(t, all, "SECRET=<secret>")
	require.NotContains(t, all, "swordfish")
	require.NotContains(t, all, "RECYCLER")

	log, seen = logged()
	p = plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: command(t, "noise"), Env: map[string]string{"SECRET": "swordfish"}, Timeout: time.Minute}, log)
	_, err = p.Ask(t.Context(), plugin.Request{Action: plugin.Judge})
	require.NoError(t, err, "noise blocks nobody")
	total := 0
	for _, e := range seen.All() {
		line := fmt.Sprint(e.ContextMap()["line"])
		require.NotContains(t, line, "hunter2")
		require.NotContains(t, line, "swordfish")
		total += len(line)
	}
	require.Less(t, total, 80<<10)
	require.Equal(t, 1, seen.FilterMessageSnippet("wrote too much").Len())
}

func TestHello(t *testing.T) {
	t.Parallel()
	a, err := validator(t, "ok").Hello(t.Context())
	require.NoError(t, err)
	require.Equal(t, plugin.About{Version: "1.2", Note: "well"}, a)
	_, err = validator(t, "ok", "hook").Hello(t.Context())
	require.ErrorContains(t, err, `The plugin v is no validator: it says it is "hook".`)
	_, err = validator(t, "unwell").Hello(t.Context())
	require.ErrorContains(t, err, "says no to hello: orchestrator does not answer.")
	_, err = validator(t, "maybe").Hello(t.Context())
	require.Error(t, err)
}

// The same contract over HTTP.
func TestHTTP(t *testing.T) {
	t.Parallel()
	status, body := http.StatusOK, `{"contract":1,"action":"judge","result":"no","sentence":"busy"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req plugin.Request
		b, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(b, &req) != nil || req.Contract != 1 || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer t0ken" {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer s.Close()
	p := plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, URL: s.URL + "/secret-path", Token: "t0ken", Timeout: time.Minute}, zap.NewNop())
	in, topo := replica()
	judge := func() guard.Finding {
		return p.AsValidator().Judge(t.Context(), guard.Subject{Instance: in, Fresh: true, Topology: topo})
	}
	require.Equal(t, "the plugin v refuses db-3: busy", judge().Sentence)
	body = `{"contract":1,"action":"judge","result":"ok"}`
	require.False(t, judge().Refused)
	status = http.StatusFound
	require.Contains(t, judge().Evidence, "status 302")
	status, body = http.StatusOK, strings.Repeat(" ", 70<<10)
	require.Contains(t, judge().Evidence, "64 KiB")
	p.URL = "http://127.0.0.1:1/secret-path"
	require.Contains(t, judge().Evidence, "it cannot be reached")
	require.NotContains(t, judge().Evidence, "secret-path")
}
