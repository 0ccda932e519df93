package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// minimal is the shortest valid file.
const minimal = `
slack: {bot_token: xoxb-file, app_token: xapp-file}
clusters:
  - name: shop
    channel: C1234
    hosts: [{name: db-1}]
    approvers: {users: [U1234]}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recycler.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// wrong loads a file that must be refused and returns its mistakes as lines.
func wrong(t *testing.T, text string, env ...string) []string {
	t.Helper()
	_, err := Load(write(t, text), env)
	var e *Error
	require.ErrorAs(t, err, &e)
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return lines
}

func TestMinimal(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, minimal), nil)
	require.NoError(t, err)
	require.Equal(t, "xoxb-file", c.Slack.BotToken.Reveal())
	require.Equal(t, "db-1:3306", c.Clusters[0].Hosts[0].Addr)
	require.Equal(t, "recycler", c.Clusters[0].MySQL.User)
	require.Equal(t, 1, c.Clusters[0].Approvers.MinApprovals)
	require.Equal(t, DefaultCluster().Limits, c.Clusters[0].Limits)
}

func TestEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	got := wrong(t, `
slack: {bot_token: 12345, app_tokn: xapp-1, api_url: "http://slack.example.net/api/", sockets: 1.5, fallback_channel: general}
storage: {url: "mysql://u:hunter2@db/x"}
node: {roles: [bot, wroker, bot], regions: [eu]}
log: {level: inof}
language: {channels: {general: zh, C1: fr}}
approvals: {expires: 10}
engine: {workers: 0, lease_ttl: 30s}
Clusters: []
surprise: 1
clusters:
  - name: shop
    hosts:
      - {name: db-1, addr: db-1}
      - {name: "bad name", addr: "db-2:99999"}
      - {addr: "db-3:3306"}
      -
    allow: ["*", "db-?", "10.0.0.0/0", "10.1.*", "db-*.x:y"]
    rebuild: {min_gain: 64, min_share: 3, mode: binlog, tolerance: 0.5}
    limits: {max_lag: 10m, disk_free: lots}
    mysql: {tls: {mode: preferred}}
  - name: SHOP
    channel: general
    hosts: [{name: db-1, addr: "other:3306"}, {name: db-9, addr: "DB-1:3306"}]
    approvers: {users: [U1, U111, U111], groups: [dbas], min_approvals: 2}
    policy: {allow_primary: yes}
    external: {url: "http://cmdb/{hots}", token: t}
  - name: pair
    channel: C123
    hosts: [{name: p1}]
    approvers: {users: [U111], min_approvals: 2}
    break_glass: {users: [X1]}
    commands: {ask: {users: [bob], groups: [S1]}, steer: {groups: [S0123DBAS, S0123DBAS]}, read: {}}
  - name: solo
    channel: C123
    hosts: [{name: s1}]
    approvers: {users: [U111]}
    policy: {allow_primary: true}
`)
	require.Equal(t, []string{
		"slack.bot_token: expected text in quotes, got a number (without a unit or quotes)",
		"slack.sockets: expected a whole number, got a number with a fraction",
		"slack.app_tokn: unknown key; did you mean app_token?",
		"approvals.expires: expected a length of time, for example 10s, got a number (without a unit or quotes)",
		"clusters[0].rebuild.min_gain: expected a size, for example 64MiB, got a number (without a unit or quotes)",
		`clusters[0].limits.disk_free: "lots" is not a size; write a number with a unit, for example 64MiB or 2GiB`,
		"clusters[1].policy.allow_primary: expected true or false, got text",
		"clusters[2].commands.read: unknown key; known here: look, ask, steer, schedule",
		"Clusters: unknown key; did you mean clusters?",
		"surprise: unknown key; known here: slack, storage, node, log, language, approvals, engine, api, alerts, schedules, backup, traces, mysql, plugins, clusters",
		"slack.app_token: is missing; set it in RECYCLER_SLACK_APP_TOKEN, in RECYCLER_SLACK_APP_TOKEN_FILE, or as slack.app_token_file",
		"slack.api_url: would send the tokens in plain text; use https",
		`slack.fallback_channel: "general" is not a channel id (C… or G…)`,
		"storage.url: must begin with sqlite:// or postgres://, for example sqlite:///var/lib/recycler/state.db",
		`node.roles[1]: "wroker" is unknown; did you mean worker?`,
		"node.roles[2]: bot is listed twice",
		`node.regions[0]: "eu" is unknown; write default`,
		`log.level: "inof" is unknown; did you mean info?`,
		`language.channels.C1: "C1" is not a channel id (C… or G…)`,
		`language.channels.C1: "fr" is unknown; write en, zh`,
		`language.channels.general: "general" is not a channel id (C… or G…)`,
		"engine.workers: 0 is outside 1 to 256",
		"engine.rescue_after: 15s is outside 30s to 1h0m0s",
		"clusters[0].channel: is missing; open the channel's details in Slack to copy its id (C…)",
		"clusters[0].approvers: nobody may approve; name users or groups here or in approvals.approvers",
		`clusters[0].hosts[0].addr: "db-1" is not host:port, for example db-prod-3.example.net:3306`,
		`clusters[0].hosts[1].name: "bad name" is not a name of letters, digits, dots, dashes and underscores`,
		`clusters[0].hosts[1].addr: "99999" is not a port, which is 1 to 65535`,
		"clusters[0].hosts[2].name: is missing",
		"clusters[0].hosts[3].name: is missing",
		`clusters[0].allow[0]: "*" fits any server; credentials must not be sent anywhere, so name a part of it`,
		`clusters[0].allow[1]: "db-?" is not a pattern of a host name, an address or a network; * is the only wildcard`,
		`clusters[0].allow[2]: "10.0.0.0/0" covers too many addresses to send credentials to`,
		`clusters[0].allow[4]: "y" is not a port, which is 1 to 65535 or *`,
		`clusters[0].mysql.tls.mode: "preferred" is unknown; write disabled, required, verify-ca, verify-identity`,
		`clusters[0].rebuild.mode: "binlog" is unknown; write binlog-off, binlog-on`,
		"clusters[0].rebuild.min_share: 3 is outside 0 to 1",
		"clusters[0].limits.critical_lag: 5m0s must be more than max_lag 10m0s, or 0 to turn it off",
		`clusters[1].channel: "general" is not a channel id (C… or G…)`,
		`clusters[1].approvers.users[0]: "U1" is not a member id (U… or W…)`,
		"clusters[1].approvers.users[2]: U111 is listed twice",
		`clusters[1].approvers.groups[0]: "dbas" is not a user group id (S…)`,
		"clusters[1].external.url: {hots} is unknown; write {cluster}, {name}, {host} or {port}",
		"clusters[1].external.url: would send the token in plain text; use https",
		"clusters[1].external.json_path: is missing; it names the field that tells the role, for example data.role",
		"clusters[2].approvers: 2 different people must approve, but the users named are 1",
		`clusters[2].break_glass.users[0]: "X1" is not a member id (U… or W…)`,
		"clusters[2].break_glass.channel: is missing; each use of break-glass is told there",
		`clusters[2].commands.ask.users[0]: "bob" is not a member id (U… or W…)`,
		`clusters[2].commands.ask.groups[0]: "S1" is not a user group id (S…)`,
		"clusters[2].commands.steer.groups[1]: S0123DBAS is listed twice",
		"clusters[3].policy.allow_primary: needs approvers.min_approvals of 2 or more",
		"clusters[1].name: the name shop is already used at clusters[0].name",
		"clusters[1].hosts[0].name: the name db-1 is already used at clusters[0].hosts[0].name",
	}, got)
}

func TestAddressTwice(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"clusters[0].hosts[1].addr: the address db-1:3306 is already used at clusters[0].hosts[0].addr"},
		wrong(t, `
slack: {bot_token: xoxb-1, app_token: xapp-1}
clusters:
  - {name: a, channel: C123, approvers: {users: [U123]}, hosts: [{name: db-1}, {name: x, addr: "DB-1:3306"}]}
`))
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.ErrorContains(t, err, "none.yaml has 1 mistake:\n  the file does not exist")
	require.Contains(t, wrong(t, "a: [")[0], "line 1")
	require.Contains(t, wrong(t, "log: {level: info}\nlog: {level: warn}\n")[0], `"log" already defined at line 1`)
	require.Contains(t, wrong(t, "log: info")[0], "log: expected a section with keys, got text")
}

func TestAnchorsAndEmptySections(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, `
x-limits: &limits {max_lag: 1m}
slack: {bot_token: xoxb-1, app_token: xapp-1}
engine:
clusters:
  - {name: a, channel: C123, approvers: {users: [U123]}, hosts: [{name: a1}], limits: *limits}
  - {name: b, channel: C123, approvers: {users: [U123]}, hosts: [{name: b1}], limits: {<<: *limits, disk_free: 0}}
`), nil)
	require.NoError(t, err)
	require.Equal(t, Defaults().Engine, c.Engine)
	require.Equal(t, "1m0s", c.Clusters[0].Limits.MaxLag.String())
	require.Equal(t, "1m0s", c.Clusters[1].Limits.MaxLag.String())
	require.Zero(t, c.Clusters[1].Limits.DiskFree)
}

func TestEnvironmentBeatsFile(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	secret := filepath.Join(filepath.Dir(path), "app")
	require.NoError(t, os.WriteFile(secret, []byte("xapp-mounted\n"), 0o600))
	c, err := Load(path, []string{
		"RECYCLER_SLACK_BOT_TOKEN=xoxb-env", "RECYCLER_SLACK_APP_TOKEN_FILE=" + secret,
		"RECYCLER_SLACK_API_URL=http://127.0.0.1:8080/api/", "RECYCLER_DB_PASSWORD=hunter2",
		"RECYCLER_LOG_LEVEL=debug", "RECYCLER_STORAGE_URL=sqlite:///tmp/x.db",
		"RECYCLER_SERVICE_HOST=10.0.0.1", "RECYCLER_SLACK_APP_TOKEN=", "HOME=/root",
	})
	require.NoError(t, err)
	require.Equal(t, "xoxb-env", c.Slack.BotToken.Reveal())
	require.Equal(t, "xapp-mounted", c.Slack.AppToken.Reveal())
	require.Equal(t, "http://127.0.0.1:8080/api/", c.Slack.APIURL)
	require.Equal(t, "debug", c.Log.Level)
	require.Equal(t, "sqlite:///tmp/x.db", c.Storage.URL.Reveal())
	password, err := c.Clusters[0].MySQL.Secret()
	require.NoError(t, err)
	require.Equal(t, "hunter2", password)

	require.Contains(t, wrong(t, minimal, "RECYCLER_DB_PASSWORD=a", "RECYCLER_DB_PASSWORD_FILE=/b")[0],
		"RECYCLER_DB_PASSWORD: is set together with RECYCLER_DB_PASSWORD_FILE")
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	path := write(t, `
slack: {bot_token_file: bot, app_token: xapp-1}
mysql: {password_file: pw}
clusters:
  - {name: a, channel: C123, approvers: {users: [U123]}, hosts: [{name: a1}]}
  - {name: b, channel: C123, approvers: {users: [U123]}, hosts: [{name: b1}], mysql: {password: own}}
`)
	_, err := Load(path, nil)
	require.ErrorContains(t, err, "slack.bot_token_file: read secret")
	require.ErrorContains(t, err, "mysql.password_file: read secret")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Mistakes, 2, "an inherited file is told once: %v", e)

	dir := filepath.Dir(path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bot"), []byte("xoxb-9\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("first"), 0o600))
	c, err := Load(path, nil)
	require.NoError(t, err)
	require.Equal(t, "xoxb-9", c.Slack.BotToken.Reveal())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("rotated\r\n"), 0o600))
	password, err := c.Clusters[0].MySQL.Secret()
	require.NoError(t, err)
	require.Equal(t, "rotated", password)
	password, err = c.Clusters[1].MySQL.Secret()
	require.NoError(t, err)
	require.Equal(t, "own", password)
}

// TestExternalFitsTheGuard refuses a source whose attempts together are longer than the guard waits.
func TestExternalFitsTheGuard(t *testing.T) {
	t.Parallel()
	for external, want := range map[string]string{
		"timeout: 2s, retries: 1":                                  "",
		"timeout: 2s, retries: 2":                                  "external.timeout: 2s for each of 3 attempts is up to 6.3s in all; the guard waits 5s for an answer",
		"timeout: 30s":                                             "external.timeout: 30s",
		"answer: primary, port_path: Key.Port, replica: []":        "",
		"answer: master":                                           "external.answer:",
		"port_path: Key.Port":                                      "external.port_path: is for answer: primary",
		"answer: role, replica: []":                                "external.replica: is empty",
		"answer: primary, timeout: 500ms, retries: 5, refusals: 0": "",
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(path, []byte("clusters:\n- {name: db, channel: C1234, hosts: [{name: db-1}], approvers: {users: [U1234]},"+
			" external: {url: https://truth.example/x, json_path: a, "+external+"}}\n"), 0o600))
		_, err := Load(path, tokens)
		if want == "" {
			require.NoError(t, err, external)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// TestNoSecretInMistakes puts a secret into every wrong place and looks for it in the error.
func TestNoSecretInMistakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"slack: {bot_token: hunter2}", "slack: {bot_token: [hunter2]}", "slack: {bot_token: {hunter2: 1}}",
		"slack: {bot_token: xoxb-hunter2, bot_token_file: x}", "mysql: {password: [hunter2]}",
		"storage: {url: 'mysql://u:hunter2@h/d'}", "storage: {url: 'postgres://u:hunter2@h'}", "storage: {url: 'postgres://u:hunter2%zz@h/d'}",
		"slack: {api_url: 'https://u:hunter2@h/'}", "mysql: {password: !!int hunter2}", "slack: {api_url: 'https://u:hunter2%zz@h/'}",
	} {
		for _, line := range wrong(t, text) {
			require.NotContains(t, line, "hunter2", text)
		}
	}
}
