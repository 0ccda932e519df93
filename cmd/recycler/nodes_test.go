package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/storage"
)

// node is one "recycler serve" as a process of its own.
type node struct {
	cmd *exec.Cmd
	log string
}

// serve starts a process; it is killed with the test at the latest.
func serve(t *testing.T, config string, args ...string) *node {
	t.Helper()
	n, err := spawn(t, config, args...)
	require.NoError(t, err)
	return n
}

// spawn is serve for a goroutine of a test.
func spawn(t *testing.T, config string, args ...string) (*node, error) {
	n := &node{log: filepath.Join(t.TempDir(), "log")}
	f, err := os.Create(n.log)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n.cmd = exec.Command(self, append([]string{"serve", "--config", config}, args...)...)
	n.cmd.Env = append(os.Environ(), asProgram+"=1")
	out := struct{ io.Writer }{f} // through a pipe, which a limit of files does not touch
	n.cmd.Stdout, n.cmd.Stderr = out, out
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		n.kill()
		_ = f.Close()
		if t.Failed() {
			t.Logf("log of %v:\n%s", args, n.text())
		}
	})
	return n, nil
}

func (n *node) text() string {
	b, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// kill ends the process as a crash does, and waits until it is gone.
func (n *node) kill() {
	if n.cmd.ProcessState == nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
}

// says waits until the process's log holds a text.
func (n *node) says(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(n.text(), text) }, 30*time.Second, 20*time.Millisecond, "no %q in\n%s", text, n.text())
}

// chatWorld is a workspace, and a configuration over one host of a cluster.
type chatWorld struct {
	server *sandbox.Server
	*sandbox.Client
	config string
}

func newChatWorld(t *testing.T, c *mysqltest.Cluster, host int, url string) *chatWorld {
	t.Helper()
	ws := sandbox.DefaultWorkspace()
	for i := range ws.Users {
		ws.Users[i].Locale = "en-US"
	}
	s, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Workspace: ws})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &chatWorld{server: s, Client: &sandbox.Client{BaseURL: s.URL()}, config: filepath.Join(t.TempDir(), "recycler.yaml")}
	hosts := ""
	for i, n := range c.Nodes {
		hosts += fmt.Sprintf("      - {name: db-%d, addr: \"%s\"}\n", i+1, n.Addr())
	}
	require.NoError(t, os.WriteFile(w.config, []byte(fmt.Sprintf(`
slack: {bot_token: %s, app_token: %s, api_url: "%s/api/"}
storage: {url: "%s"}
log: {format: console}
approvals: {discovery: none, approvers: {users: [U0BOB]}}
engine: {progress_interval: 1s}
clusters:
  - name: db
    region: eu
    channel: C0DBOPS
    mysql: {password: %s, tls: {mode: disabled}}
    rebuild: {min_gain: 1MiB, min_share: 0.05}
    limits: {disk_free: 0}
    hosts:
%s`, ws.BotToken, ws.AppToken, s.URL(), url, nodesPassword, hosts)), 0o600))
	return w
}

const nodesPassword = "a-word-for-nodes"

// wait waits for a message of the bot that everybody sees.
func (w *chatWorld) wait(t *testing.T, what string, want func(sandbox.Message) bool) sandbox.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	m, err := w.WaitMessage(ctx, func(m sandbox.Message) bool { return m.FromBot && m.For == "" && want(m) })
	if err != nil {
		all, _ := w.Messages(t.Context(), "#db-ops")
		for _, m := range all {
			t.Logf("%s/%s: %s", m.TS, m.ThreadTS, m.Plain())
		}
	}
	require.NoError(t, err, "wait for %s", what)
	return m
}

// press presses a button of a message.
func (w *chatWorld) press(t *testing.T, user string, m sandbox.Message, label string) {
	t.Helper()
	for _, b := range m.Buttons() {
		if b.Label == label {
			out, err := w.Click(t.Context(), sandbox.Click{User: user, Channel: m.Channel, TS: m.TS, ActionID: b.ActionID, BlockID: b.BlockID})
			require.NoError(t, err)
			require.True(t, out.OK)
			return
		}
	}
	t.Fatalf("no button %q in %s", label, m.Plain())
}

func has(m sandbox.Message, label string) bool {
	for _, b := range m.Buttons() {
		if b.Label == label {
			return true
		}
	}
	return false
}

// altering waits until a table is being rebuilt on a server: the first one, or any after it.
func altering(t *testing.T, n *mysqltest.Node, first bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var running int
		err := n.DB().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.PROCESSLIST
			WHERE INFO LIKE 'ALTER /* recycler%' AND (INFO LIKE '% step=1 */%') = ?`, first).Scan(&running)
		return err == nil && running > 0
	}, 40*time.Second, 3*time.Millisecond)
}

var rebuildOf = regexp.MustCompile(`ALTER /\* recycler job=\S+ step=(\d+) \*/`)

// TestTakeover kills the active bot's process while it rebuilds a table; the other process takes
// over the chat and the job, each table is rebuilt once, and the thread is right.
func TestTakeover(t *testing.T) {
	t.Parallel()
	c := mysqltest.MustStart(t, mysqltest.Options{Shape: "1+3", GeneralLog: true})
	require.NoError(t, c.CreateRecycler(t.Context(), "recycler", nodesPassword))
	var specs []mysqltest.TableSpec
	for i := range 4 {
		specs = append(specs, mysqltest.TableSpec{Schema: "shop", Name: fmt.Sprintf("t%d", i), Rows: 90_000, RowBytes: 250, DeletePercent: 40})
	}
	require.NoError(t, mysqltest.Fill(t.Context(), c.Nodes[0], specs...))
	require.NoError(t, c.WaitReplicated(t.Context()))
	require.NoError(t, c.WaitPurged(t.Context()))
	urls := databases(t)
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); takeover(t, c, 1, urls["sqlite"]) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); takeover(t, c, 2, urls["postgres"]) })
	t.Run("roles", func(t *testing.T) {
		t.Parallel()
		roles(t, c, 3, databases(t)["postgres"])
		drain(t, c, 3, databases(t)["postgres"])
	})
}

// roles: a bot that runs no jobs, and a worker that knows no tokens.
func roles(t *testing.T, c *mysqltest.Cluster, at int, url string) {
	w := newChatWorld(t, c, at, url)
	text, err := os.ReadFile(w.config)
	require.NoError(t, err)
	tokenless := filepath.Join(t.TempDir(), "worker.yaml")
	require.NoError(t, os.WriteFile(tokenless, regexp.MustCompile(`(?m)^slack: .*$`).ReplaceAll(text, nil), 0o600))
	bot := serve(t, w.config, "--roles", "bot,api")
	require.NoError(t, w.WaitSockets(t.Context(), 2))
	_, err = w.Slash(t.Context(), "alice", "#db-ops", fmt.Sprintf("discover db-%d", at+1))
	require.NoError(t, err)
	// Nobody can work: the job waits, on the record.
	w.wait(t, "the card", func(m sandbox.Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS })
	worker := serve(t, tokenless, "--roles", "worker", "--regions", "eu")
	w.wait(t, "the discovery", func(m sandbox.Message) bool { return m.ThreadTS != "" && strings.Contains(m.Plain(), "shop.t1") })
	require.NotContains(t, worker.text(), "active bot")

	// Told to end, the bot gives its place away at once.
	require.NoError(t, bot.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, bot.cmd.Wait())
	asked := time.Now()
	serve(t, w.config, "--roles", "bot")
	require.NoError(t, w.WaitSockets(t.Context(), 2))
	require.Less(t, time.Since(asked), 5*time.Second, "nobody waits for the end of a lease that was given back")

	var out bytes.Buffer
	require.Equal(t, 2, run([]string{"serve", "--config", tokenless}, &out, &out), "a bot needs tokens: %s", out.String())
	out.Reset()
	require.Equal(t, 2, run([]string{"serve", "--config", w.config, "--regions", "mars"}, &out, &out), out.String())
}

func takeover(t *testing.T, c *mysqltest.Cluster, at int, url string) {
	w, target := newChatWorld(t, c, at, url), c.Nodes[at]
	first := serve(t, w.config)
	require.NoError(t, w.WaitSockets(t.Context(), 2))
	name := fmt.Sprintf("db-%d", at+1)
	say := func(command string) {
		out, err := w.Slash(t.Context(), "alice", "#db-ops", command)
		require.NoError(t, err)
		require.True(t, out.OK)
	}
	say("discover " + name)
	w.wait(t, "the discovery", func(m sandbox.Message) bool { return m.ThreadTS != "" && strings.Contains(m.Plain(), "shop.t1") })
	say("run " + name + " --schema shop")
	card := w.wait(t, "the card", func(m sandbox.Message) bool { return has(m, "Approve") })
	w.press(t, "bob", card, "Approve")
	altering(t, target, true)
	second := serve(t, w.config) // after the job began, so that it is the first one's
	second.says(t, "another process is the active bot")
	altering(t, target, false)
	killed := time.Now()
	first.kill()
	second.says(t, "this process is the active bot")
	leased := time.Since(killed)
	require.NoError(t, w.WaitSockets(t.Context(), 2))
	chat := time.Since(killed)
	require.Less(t, chat, 15*time.Second)
	say("help")
	whisper(t, w, "recycle")
	done := w.wait(t, "the end", func(m sandbox.Message) bool {
		return m.TS == card.TS && len(m.Buttons()) == 0 && strings.Contains(m.Plain(), "given back") && strings.Contains(strings.ToLower(m.Text), "done")
	})
	t.Logf("%s: lease after %.1f s, chat after %.1f s, end after %.1f s: %s", name, leased.Seconds(), chat.Seconds(), time.Since(killed).Seconds(), done.Text)

	log, err := target.GeneralLog()
	require.NoError(t, err)
	sent := map[string]int{}
	for _, m := range rebuildOf.FindAllStringSubmatch(log, -1) {
		sent[m[1]]++
	}
	require.Equal(t, map[string]int{"1": 1, "2": 1, "3": 1, "4": 1}, sent, "each table once")
	all, err := w.Thread(t.Context(), "#db-ops", card.TS)
	require.NoError(t, err)
	said := map[string]int{}
	for _, m := range all {
		said[m.Plain()]++
	}
	require.Contains(t, strings.Join(slices.Collect(maps.Keys(said)), "\n"), "resumed at table")
	for text, n := range said {
		require.Equal(t, 1, n, "said twice: %s", text)
	}
}

// whisper waits for an answer that only alice sees.
func whisper(t *testing.T, w *chatWorld, text string) {
	t.Helper()
	require.NoError(t, w.Wait(t.Context(), func() (bool, error) {
		ms, err := w.Ephemerals(t.Context(), "alice")
		for _, m := range ms {
			if strings.Contains(m.Plain(), text) {
				return true, nil
			}
		}
		return false, err
	}))
}

// TestFrozenBot freezes the active bot for longer than its lease. When it wakes it must find itself
// replaced: it closes its sockets, says nothing, and waits.
func TestFrozenBot(t *testing.T) {
	t.Parallel()
	nowhere := &mysqltest.Cluster{} // nobody is asked for a server here
	for kind, url := range databases(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newChatWorld(t, nowhere, 0, url)
			require.NoError(t, os.WriteFile(w.config, []byte(w.read(t)+"      - {name: db-1, addr: \"127.0.0.1:1\"}\n"), 0o600))
			first := serve(t, w.config)
			require.NoError(t, w.WaitSockets(t.Context(), 2))
			second := serve(t, w.config)
			second.says(t, "another process is the active bot")
			db, err := storage.Open(t.Context(), url, zap.NewNop())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			first.freeze(t, db)
			froze := time.Now()
			second.says(t, "this process is the active bot")
			t.Logf("%s: a frozen bot is replaced after %.1f s", kind, time.Since(froze).Seconds())
			require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
			woke := time.Now()
			first.says(t, "not the active bot any more")
			require.NoError(t, w.WaitSockets(t.Context(), 2))
			t.Logf("%s: its sockets are closed after %.1f s", kind, time.Since(woke).Seconds())
			first.says(t, "another process is the active bot") // and it waits
			_, err = w.Slash(t.Context(), "alice", "#db-ops", "help")
			require.NoError(t, err)
			whisper(t, w, "recycle")

			second.kill() // the first is good for another turn
			require.Eventually(t, func() bool { return strings.Count(first.text(), "this process is the active bot") == 2 }, 15*time.Second, 20*time.Millisecond)
			require.NoError(t, w.WaitSockets(t.Context(), 2))
			before, err := w.Ephemerals(t.Context(), "alice")
			require.NoError(t, err)
			_, err = w.Slash(t.Context(), "alice", "#db-ops", "help")
			require.NoError(t, err)
			require.NoError(t, w.Wait(t.Context(), func() (bool, error) {
				after, err := w.Ephemerals(t.Context(), "alice")
				return len(after) > len(before), err
			}))
		})
	}
}

func (w *chatWorld) read(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(w.config)
	require.NoError(t, err)
	return string(b)
}

func TestDeadProcess(t *testing.T) {
	t.Parallel()
	require.False(t, dead(processName()), "this one lives")
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	name := place() + fmt.Sprint(child.Process.Pid) + "/x"
	require.False(t, dead(name))
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.True(t, dead(name))
	for _, other := range []string{"", "x", "other-boot/pid:[1]/1/x", place() + "x", place() + "0/x", place() + "-1/x"} {
		require.False(t, dead(other), other)
	}
	require.Equal(t, botName("xapp-1-A0123456789-111-aaaa"), botName("xapp-1-A0123456789-222-bbbb"), "a rotated token is the same app")
	require.NotEqual(t, botName("xapp-1-A0123456789-111-aaaa"), botName("xapp-1-A0000000000-111-aaaa"))
	require.NotContains(t, botName("xapp-secret"), "secret")
}
