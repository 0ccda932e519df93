package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/api"
	"mysql-recycler/bot/sandbox"
)

// secrets is everything a process was given that nobody may see, and the outside world that it was
// used on: an unused secret would be easy to keep.
type secrets struct {
	words    map[string]string // what it is to its text
	chat     *sandbox.Client
	url      string       // of a source of truth and a webhook
	asked    atomic.Int64 // times the source of truth was asked, with its token
	rung     atomic.Int64 // times the webhook was called, at its secret path
	logStart int          // of the general log, behind what the test itself made there
}

// newSecrets starts the outside world.
func newSecrets(t *testing.T) *secrets {
	t.Helper()
	s := &secrets{words: map[string]string{"database password": "script-s-secret-word", "wrong database password": "wrong-s-secret-word",
		"source's token": "external-s-secret-word", "webhook's path": "hook-s-secret-word"}}
	mux := http.NewServeMux()
	mux.HandleFunc("/role", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+s.words["source's token"] {
			s.asked.Add(1)
		}
		_, _ = fmt.Fprint(w, `{"role": "replica"}`)
	})
	mux.HandleFunc("/"+s.words["webhook's path"], func(w http.ResponseWriter, _ *http.Request) {
		if s.rung.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError) // so that a failure is logged too
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// trouble makes the process speak of what it could not do: a login that is refused, a file with a
// mistake, a webhook that fails at first.
func (p *program) trouble(t *testing.T) {
	t.Helper()
	good, err := os.ReadFile(p.config)
	require.NoError(t, err)
	wrong := strings.Replace(string(good), p.secrets.words["database password"], p.secrets.words["wrong database password"], 1)
	require.NoError(t, os.WriteFile(p.config, []byte(wrong), 0o600))
	var state api.ConfigView
	p.until(t, "the wrong password is in force", func() bool {
		var done api.Reloaded
		p.call(t, "alice", http.MethodPost, "/api/v1/config/reload", "", &done)
		p.call(t, "alice", http.MethodGet, "/api/v1/config", "", &state)
		return strings.Contains(p.logged(t), "clusters[db].mysql.password: another")
	})
	id := p.ask(t, "alice", "discover db-2")
	var j api.JobView
	p.until(t, "the login was refused", func() bool {
		p.call(t, "reader", http.MethodGet, "/api/v1/jobs/"+id, "", &j)
		return j.Times.Ended != nil
	})
	require.Equal(t, "failed", j.State)
	require.NoError(t, os.WriteFile(p.config, []byte(wrong+"\n  - {name: half}\n"), 0o600))
	p.until(t, "the webhook is called until it takes the alert", func() bool { return p.secrets.rung.Load() >= 2 })
}

// secrecy searches everything the process wrote, said or did for every secret it knows.
func (p *program) secrecy(t *testing.T) {
	t.Helper()
	require.Positive(t, p.secrets.asked.Load(), "the source of truth was asked with its token")
	words := p.secrets.words
	for _, name := range callers {
		secret, err := os.ReadFile(filepath.Join(p.dir, name))
		require.NoError(t, err)
		words["token of "+name] = strings.TrimSpace(string(secret))
	}
	places := map[string]string{}
	for _, path := range []string{"/metrics", "/api/v1/config", "/api/v1/health", "/api/v1/events?limit=1000", "/api/v1/requests", "/api/v1/jobs"} {
		var text string
		p.call(t, "alice", http.MethodGet, path, "", &text)
		places["the answer of "+path] = text
	}
	calls, err := p.secrets.chat.Calls(t.Context(), "")
	require.NoError(t, err)
	require.Greater(t, len(calls), 10)
	said, err := json.Marshal(calls)
	require.NoError(t, err)
	places["what was said in the chat"] = string(said)
	statements, err := p.cluster.Nodes[1].GeneralLog()
	require.NoError(t, err)
	require.Contains(t, statements[p.secrets.logStart:], "ALTER /* recycler")
	places["the server's general log"] = statements[p.secrets.logStart:]
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(line), "serve")
	places["the process list"] = string(line)
	for path, text := range p.written(t) {
		places[path] = text
	}
	require.Contains(t, places["the answer of /api/v1/config"], `{"path":"log.level","value":"debug"}`)
	for place, text := range places {
		for what, word := range words {
			require.Greater(t, len(word), 10, what)
			require.False(t, strings.Contains(text, word), "the %s is in %s", what, place) //nolint:testifylint // NotContains would print the secret and all it is in
		}
	}
}

// written is every file the process wrote: log, database with its journal, caches, backups.
func (p *program) written(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		name := d.Name()
		if strings.HasPrefix(path, p.config) || slices.Contains(callers, name) { // the test wrote these
			return nil
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(p.dir, "log"))
	require.Contains(t, files, filepath.Join(p.dir, "state.db"))
	return files
}

func (p *program) logged(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	return string(b)
}
