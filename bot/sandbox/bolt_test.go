package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// boltModules installs the pinned client once for each lock file and returns its
// node_modules.
func boltModules(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "the contract is proved with Slack's own client: apt-get install nodejs npm (node 20 or newer)")
	}
	lock, err := os.ReadFile("testdata/bolt/package-lock.json")
	require.NoError(t, err)
	sum := sha256.Sum256(lock)
	base, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(base, "mysql-recycler", "bolt-"+hex.EncodeToString(sum[:6]))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return modules
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "bolt-new-")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(tmp) }()
	manifest, err := os.ReadFile("testdata/bolt/package.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(tmp, "package-lock.json"), lock, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(tmp, "package.json"), manifest, 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = tmp
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npm ci: %s", out)
	require.NoError(t, os.WriteFile(filepath.Join(tmp, "complete"), nil, 0o644))
	_ = os.RemoveAll(dir) // half an installation of an earlier run
	if err := os.Rename(tmp, dir); err != nil {
		_, other := os.Stat(filepath.Join(dir, "complete")) // another run was faster
		require.NoError(t, other, "keep the installation: %v", err)
	}
	return modules
}

// output collects what the bot prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func startBolt(t *testing.T, ctx context.Context, s *Server) *output {
	t.Helper()
	modules := boltModules(t)
	dir := t.TempDir()
	src, err := os.ReadFile("testdata/bolt/bot.mjs")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bot.mjs"), src, 0o644))
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	out := &output{}
	cmd := exec.CommandContext(ctx, "node", "bot.mjs")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, out, out, time.Second
	cmd.Env = append(os.Environ(), "SANDBOX_URL="+s.URL(), "BOT_TOKEN="+s.cfg.Workspace.BotToken, "APP_TOKEN="+s.cfg.Workspace.AppToken)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log("bot says: " + out.String())
		}
	})
	eventually(t, "the bot is ready", func() bool { return bytes.Contains([]byte(out.String()), []byte("ready")) })
	return out
}

// TestBoltContract plays a whole round with the official Node client.
func TestBoltContract(t *testing.T) {
	modules := boltModules(t) // outside the test's own time limit
	require.DirExists(t, modules)
	ctx, s, c := world(t, nil)
	out := startBolt(t, ctx, s)

	slash, err := c.Slash(ctx, "alice", "#db-ops", "discover db-prod-3")
	require.NoError(t, err)
	require.Equal(t, "on it: discover db-prod-3", slash.UserVisible)
	m, err := c.WaitMessage(ctx, func(m Message) bool { return len(m.Buttons()) == 2 })
	require.NoError(t, err)
	require.Equal(t, "R-1", m.Metadata.(obj)["event_payload"].(obj)["job"])
	_, err = c.WaitMessage(ctx, func(m Message) bool { return m.For == "U0ALICE" && m.Text == "later, over the response url" })
	require.NoError(t, err)

	_, err = c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, ActionID: "deny"})
	require.NoError(t, err)
	v, err := c.WaitView(ctx, "bob", nil)
	require.NoError(t, err)
	found, err := c.Suggest(ctx, "bob", v.ID, "host", "prod")
	require.NoError(t, err)
	require.Len(t, found.Options, 2)
	form := map[string]any{"host": found.Options[0], "why": "no"}
	sent, err := c.Submit(ctx, "bob", v.ID, form)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"why": "Say more."}, sent.Errors)
	form["why"] = "peak hours"
	sent, err = c.Submit(ctx, "bob", v.ID, form)
	require.NoError(t, err)
	require.Equal(t, "close", sent.Action)
	_, err = c.WaitMessage(ctx, func(m Message) bool { return m.Text == "denied by <@U0BOB>: peak hours, db-prod-3" })
	require.NoError(t, err)

	_, err = c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, ActionID: "approve"})
	require.NoError(t, err)
	_, err = c.WaitMessage(ctx, func(n Message) bool {
		return n.TS == m.TS && n.Plain() == "approved by <@U0BOB>" && len(n.Reactions) == 1
	})
	require.NoError(t, err)
	_, err = c.WaitMessage(ctx, func(n Message) bool { return n.ThreadTS == m.TS && len(n.Files) == 1 && n.Files[0].Title == "Plan" })
	require.NoError(t, err)
	_, err = c.WaitMessage(ctx, func(n Message) bool { return n.For == "U0BOB" && n.Text == "thank you" })
	require.NoError(t, err)

	home, err := c.OpenHome(ctx, "carol")
	require.NoError(t, err)
	require.True(t, home.OK)
	require.NoError(t, c.Wait(ctx, func() (bool, error) {
		h, err := c.Home(ctx, "carol")
		return err == nil && h != nil && h.Text() == "home of U0CAROL", err
	}))
	require.NotContains(t, out.String(), "bot error")
}
