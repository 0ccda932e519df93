package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/api"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
)

// liveConfig is a process whose configuration lies as Kubernetes mounts it: recycler.yaml is a link
// through ..data, which is what is swapped.
type liveConfig struct {
	*program
	text string // as it is in force
	n    int
}

// swap puts another text in place as Kubernetes does.
func (c *liveConfig) swap(t *testing.T, text string) {
	t.Helper()
	c.n++
	name := fmt.Sprintf("..%d", c.n)
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "etc", name), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "etc", name, "recycler.yaml"), []byte(text), 0o600))
	require.NoError(t, os.Symlink(name, filepath.Join(c.dir, "etc", "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(c.dir, "etc", "..data_tmp"), filepath.Join(c.dir, "etc", "..data")))
}

// edit replaces parts of the text and waits until the process works with it.
func (c *liveConfig) edit(t *testing.T, how func(t *testing.T, text string), pairs ...string) {
	t.Helper()
	before := c.state(t)
	c.text = strings.NewReplacer(pairs...).Replace(c.text)
	how(t, c.text)
	c.until(t, "the file is in force", func() bool {
		now := c.state(t)
		return now.Since.After(before.Since) && len(now.Mistakes) == 0
	})
}

// write changes the file where it is.
func (c *liveConfig) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.config, []byte(text), 0o600))
}

func (c *liveConfig) state(t *testing.T) (v api.ConfigView) {
	t.Helper()
	c.call(t, "alice", http.MethodGet, "/api/v1/config", "", &v)
	return v
}

// refusal makes a call that is to be refused and returns the problem.
func (c *liveConfig) refusal(t *testing.T, who, path, body string) (p api.Problem) {
	t.Helper()
	c.wants = http.StatusBadRequest
	defer func() { c.wants = 0 }()
	c.call(t, who, http.MethodPost, path, body, &p)
	return p
}

func startLive(t *testing.T) *liveConfig {
	t.Helper()
	p := &program{dir: t.TempDir(), cluster: mysqltest.MustStart(t, mysqltest.Options{Shape: "1+1"})}
	require.NoError(t, p.cluster.CreateRecycler(t.Context(), "recycler", "first-word"))
	ws := sandbox.DefaultWorkspace()
	chat, err := sandbox.Start(t.Context(), sandbox.Config{Workspace: ws})
	require.NoError(t, err)
	t.Cleanup(func() { _ = chat.Close() }) // the test's context ended it
	p.config = filepath.Join(p.dir, "etc", "recycler.yaml")
	c := &liveConfig{program: p, text: fmt.Sprintf(`
slack: {bot_token: %s, app_token: %s, api_url: "%s/api/"}
storage: {url: "sqlite://%s/state.db"}
api: {listen: "127.0.0.1:0", rate: 1000}
mysql: {password: first-word, tls: {mode: disabled}}
clusters:
  - name: db
    channel: C0DBOPS
    approvers: {users: [U0BOB]}
    hosts: [{name: db-2, addr: "%s"}]
`, ws.BotToken, ws.AppToken, chat.URL(), p.dir, p.cluster.Nodes[1].Addr())}
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "etc"), 0o700))
	c.swap(t, c.text)
	require.NoError(t, os.Symlink("..data/recycler.yaml", p.config))
	p.prepare(t)
	return c
}

// TestReload changes the configuration of a running process in every way there is.
func TestReload(t *testing.T) {
	t.Parallel()
	c := startLive(t)
	c.do(t, "alice", "discover db-2")

	// The password is another one on the servers; new connections use it once the file says so.
	_, err := c.cluster.Nodes[0].DB().ExecContext(t.Context(), "SET PASSWORD FOR 'recycler'@'%' = PASSWORD('second-word')")
	require.NoError(t, err)
	require.NoError(t, c.cluster.WaitReplicated(t.Context()))
	c.edit(t, c.swap, "first-word", "second-word")
	c.do(t, "alice", "discover db-2")

	// A cluster is added, in a region nobody worked before; the file is edited where it is.
	c.edit(t, c.write, "\nclusters:", fmt.Sprintf(`
clusters:
  - {name: new, region: far, channel: C0DBAUDIT, approvers: {users: [U0CAROL]}, hosts: [{name: new-1, addr: "%s"}]}`, c.cluster.Nodes[0].Addr()))
	require.Contains(t, c.logged(t), `"changes":["clusters[new]: added"]`)
	var r api.RequestView
	c.call(t, "alice", http.MethodPost, "/api/v1/requests", `{"command": "discover new-1"}`, &r)
	review := fmt.Sprintf(`{"decision": "approve", "digest": %q}`, r.Digest)
	require.Equal(t, "not_approver", c.refusal(t, "bob", "/api/v1/requests/"+r.ID+"/reviews", review).Code)
	c.call(t, "carol", http.MethodPost, "/api/v1/requests/"+r.ID+"/reviews", review, &r)
	c.ended(t, r.ID)

	// An approver is struck off: their next click is refused, also on what was asked for before.
	c.call(t, "alice", http.MethodPost, "/api/v1/requests", `{"command": "discover db-2"}`, &r)
	c.edit(t, c.swap, "[U0BOB]", "[U0CAROL]")
	review = fmt.Sprintf(`{"decision": "approve", "digest": %q}`, r.Digest)
	require.Equal(t, "not_approver", c.refusal(t, "bob", "/api/v1/requests/"+r.ID+"/reviews", review).Code)
	c.call(t, "carol", http.MethodPost, "/api/v1/requests/"+r.ID+"/reviews", review, &r)
	c.ended(t, r.ID)

	c.permitted(t)
	c.brokenFile(t)
	c.restartKeys(t)
}

// permitted narrows who may ask: the next call of everybody else is refused, until the file says otherwise.
func (c *liveConfig) permitted(t *testing.T) {
	t.Helper()
	const own = "hosts: [{name: db-2"
	c.edit(t, c.swap, own, "commands: {ask: {users: [U0CAROL]}}\n    "+own)
	p := c.refusal(t, "alice", "/api/v1/requests", `{"command": "discover db-2"}`)
	require.Equal(t, "not_permitted", p.Code)
	require.Equal(t, http.StatusForbidden, p.Status)
	require.Contains(t, p.Detail, "You may not ask for work on db.")
	c.edit(t, c.swap, "commands: {ask: {users: [U0CAROL]}}\n    ", "")
	var r api.RequestView
	c.call(t, "alice", http.MethodPost, "/api/v1/requests", `{"command": "discover db-2"}`, &r)
	c.call(t, "carol", http.MethodPost, "/api/v1/requests/"+r.ID+"/reviews", fmt.Sprintf(`{"decision": "approve", "digest": %q}`, r.Digest), &r)
	c.ended(t, r.ID)
}

// brokenFile puts a file with mistakes in place: nothing changes, and everybody is told.
func (c *liveConfig) brokenFile(t *testing.T) {
	t.Helper()
	before := c.state(t)
	c.swap(t, strings.Replace(c.text, "channel: C0DBOPS", "chanel: C0DBOPS", 1))
	c.until(t, "the mistake is known", func() bool { return len(c.state(t).Mistakes) > 0 })
	now := c.state(t)
	require.Contains(t, now.Mistakes, "clusters[1].chanel: unknown key; did you mean channel?")
	require.Equal(t, before.Hash, now.Hash)
	require.Equal(t, before.Since, now.Since)
	p := c.refusal(t, "alice", "/api/v1/config/reload", "")
	require.Equal(t, "config_refused", p.Code)
	require.Equal(t, now.Mistakes, p.Reasons)
	require.Contains(t, p.Hint, c.config)
	require.Contains(t, c.metrics(t), "recycler_config_last_reload_successful 0")
	var h api.Health
	c.call(t, "reader", http.MethodGet, "/api/v1/health", "", &h)
	require.Equal(t, "ok", h.Status, "the process works on")
	require.Contains(t, fmt.Sprint(h.Checks), "the last reload was refused")
	require.Contains(t, c.logged(t), "the configuration was refused")
	var l api.EventList
	c.call(t, "reader", http.MethodGet, "/api/v1/events?limit=1000", "", &l)
	require.Contains(t, fmt.Sprint(l.Items), "config.refused")
	c.until(t, "the alert is told", func() bool { return strings.Contains(c.logged(t), `"msg":"alert","kind":"config"`) })

	c.edit(t, c.swap)
	require.Contains(t, c.metrics(t), "recycler_config_last_reload_successful 1")
	require.Contains(t, c.metrics(t), fmt.Sprintf(`recycler_config_info{hash="%s"} 1`, c.state(t).Hash))
	c.until(t, "the doctor knows", func() bool { // it is told behind the swap
		var out, trouble bytes.Buffer
		_ = run([]string{"doctor", "--config", c.config}, &out, &trouble) // other checks are not this test's
		return regexp.MustCompile(`(?m)^ok +running configuration`).MatchString(out.String())
	})
}

// restartKeys changes what counts from the start on, and reloads by a signal.
func (c *liveConfig) restartKeys(t *testing.T) {
	t.Helper()
	accepted := strings.Count(c.logged(t), `"why":"signal"`)
	require.NoError(t, c.process.Signal(syscall.SIGHUP))
	c.until(t, "the signal was heard", func() bool { return strings.Count(c.logged(t), `"why":"signal"`) > accepted })

	c.edit(t, c.swap, "/state.db", "/other.db", "rate: 1000", "rate: 999")
	now := c.state(t)
	require.Equal(t, []string{"storage.url", "api.rate"}, now.Restart)
	require.Regexp(t, `"after_a_restart":\["storage.url","api.rate"\]`, c.logged(t))
	for _, s := range now.Settings {
		if s.Path == "api.rate" {
			require.EqualValues(t, 1000, s.Value, "what is shown is what is in force")
		}
	}
	require.NoFileExists(t, filepath.Join(c.dir, "other.db"))
	var done api.Reloaded
	c.call(t, "alice", http.MethodPost, "/api/v1/config/reload", "", &done)
	require.Empty(t, done.Changes)
	require.Equal(t, now.Restart, done.Restart)
	for _, secret := range []string{"first-word", "second-word"} {
		require.NotContains(t, c.logged(t), secret)
	}
}

func (c *liveConfig) metrics(t *testing.T) (text string) {
	t.Helper()
	c.call(t, "reader", http.MethodGet, "/metrics", "", &text)
	return text
}
