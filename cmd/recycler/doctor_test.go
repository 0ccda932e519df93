package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
)

// TestDoctor runs the command a person runs, against real servers and the sandbox.
func TestDoctor(t *testing.T) {
	t.Parallel()
	const password = "doctor-s-secret-word"
	c := mysqltest.MustStart(t, mysqltest.Options{Shape: "1+1"})
	require.NoError(t, c.CreateRecycler(t.Context(), "recycler", password))
	ws := sandbox.DefaultWorkspace()
	chat, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Workspace: ws})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, chat.Close()) })
	dir := t.TempDir()
	path := filepath.Join(dir, "recycler.yaml")
	write := func(channel, extra string) {
		text := fmt.Sprintf(`
slack: {bot_token: %s, app_token: %s, api_url: "%s/api/"}
storage: {url: "sqlite://%s/state.db"}
clusters:
  - name: db
    channel: %s
    approvers: {users: [U0BOB]}
    mysql: {password: %s, tls: {mode: disabled}, dial_timeout: 2s}
    hosts:
      - {name: db-1, addr: "%s"}
      - {name: db-2, addr: "%s"}
%s`, ws.BotToken, ws.AppToken, chat.URL(), dir, channel, password, c.Nodes[0].Addr(), c.Nodes[1].Addr(), extra)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	doctor := func() (int, string) {
		var out bytes.Buffer
		code := run([]string{"doctor", "--config", path}, &out, &out)
		require.NotContains(t, out.String(), password)
		require.NotContains(t, out.String(), ws.BotToken)
		return code, out.String()
	}

	write("C0DBOPS", "")
	code, out := doctor()
	require.Zero(t, code, out)
	for _, want := range []string{"db-1", "db-2", "MariaDB 10", "#db-ops", "not made yet", "checks passed"} {
		require.Contains(t, out, want)
	}

	require.NoError(t, c.Nodes[0].Exec(t.Context(), "REVOKE ALTER, BINLOG ADMIN ON *.* FROM recycler@'%'"))
	require.NoError(t, c.WaitReplicated(t.Context()))
	program := filepath.Join(dir, "plugin") // run by sh: a file just written may be busy
	require.NoError(t, os.WriteFile(program, []byte(`printf '{"contract":1,"action":"hello","result":"ok","kind":"hook","version":"1.2"}'`), 0o600))
	write("C0RANDOM", `      - {name: db-3, addr: "127.0.0.1:1"}
plugins:
  - {name: drain, kind: hook, command: [/bin/sh, `+program+`]}
  - {name: other, kind: validator, command: [/bin/sh, `+program+`]}`)
	code, out = doctor()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "GRANT ", "what is missing comes with the statement to run")
	require.Contains(t, out, "BINLOG ADMIN")
	require.Contains(t, out, "FAIL  db-3")
	require.Regexp(t, "(?m)^ok    plugin drain +hook 1.2$", out)
	require.Regexp(t, "(?m)^FAIL  plugin other +The plugin other is no validator: it says it is \"hook\".$", out)
	require.Contains(t, out, "/invite", "the bot is not in #random")
	require.Equal(t, 2, strings.Count(out, "rights"+strings.Repeat(" ", 17)), out)

	require.NoError(t, os.WriteFile(path, []byte("clusters: [{title: x}]"), 0o600))
	code, _ = doctor()
	require.Equal(t, 2, code)
}
