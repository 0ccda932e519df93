package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
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

	require.Regexp(t, "(?m)^ok    db-2 clock +within 5s of this machine$", out)

	// An account that is limited to some schemas, whose cluster counts rows; the source of truth and
	// the heartbeat are looked at too.
	truth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"role":"primary"}`)) }))
	t.Cleanup(truth.Close)
	exec := func(sql string) {
		t.Helper()
		require.NoError(t, c.Nodes[0].Exec(t.Context(), sql))
		require.NoError(t, c.WaitReplicated(t.Context()))
	}
	exec("CREATE DATABASE shop_a; CREATE DATABASE other; CREATE DATABASE percona;" +
		" CREATE TABLE percona.heartbeat (ts VARCHAR(26), server_id INT UNSIGNED PRIMARY KEY); INSERT INTO percona.heartbeat VALUES (UTC_TIMESTAMP(6), 77)")
	exec("REVOKE ALTER, SELECT, REPLICATION SLAVE ADMIN ON *.* FROM recycler@'%'; GRANT ALTER, SELECT ON `shop\\_%`.* TO recycler@'%';" +
		" GRANT SELECT ON percona.* TO recycler@'%'; GRANT SELECT ON mysql.innodb_index_stats TO recycler@'%'; GRANT SELECT ON mysql.innodb_table_stats TO recycler@'%'")
	write("C0DBOPS", "    heartbeat_table: percona.heartbeat\n    heartbeat_utc: true\n    external: {url: \""+truth.URL+"/{name}\", json_path: role}")
	code, out = doctor()
	require.Zero(t, code, out)
	require.Regexp(t, "(?m)^ok    db-2 rights +recycler@% may do all it needs to in shop_a$", out)
	require.Regexp(t, "(?m)^ok    db-2 heartbeat +the newest is \\d+s old$", out)
	require.Regexp(t, `(?m)^ok    source of truth db +answers "primary" about db-1$`, out)
	exec("UPDATE percona.heartbeat SET ts = UTC_TIMESTAMP(6) + INTERVAL 8 HOUR")
	write("C0DBOPS", "    heartbeat_table: percona.heartbeat\n    heartbeat_utc: true\n    rebuild: {check_rows: true}\n    external: {url: \""+truth.URL+"/{name}\", json_path: data.role}")
	code, out = doctor()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "missing REPLICATION SLAVE ADMIN (to stop the applier during a rebuild)")
	require.Regexp(t, "(?m)^FAIL  db-2 heartbeat +the heartbeat of server_id 77 lies in the future", out)
	require.Regexp(t, "(?m)^FAIL  source of truth db +the answer has nothing at data.role$", out)

	// A role that hides its rights, as on RDS, may give what is not seen.
	exec("CREATE ROLE rds_superuser_role; GRANT rds_superuser_role TO recycler@'%'")
	_, out = doctor()
	require.Regexp(t, "(?m)^warn  db-1 rights +recycler@% has a role whose rights the server does not show; not seen: missing REPLICATION SLAVE ADMIN", out)
	exec("DROP ROLE rds_superuser_role")
	exec("GRANT ALTER, SELECT, REPLICATION SLAVE ADMIN ON *.* TO recycler@'%'; REVOKE ALTER, SELECT ON `shop\\_%`.* FROM recycler@'%'")

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
