package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const small = `
slack: {bot_token: xoxb-1-verysecret, app_token_file: app}
approvals: {approvers: {groups: [S0DBAS]}}
mysql: {user: keeper, password: word-of-the-file}
clusters:
  - name: a
    channel: C0A
    hosts: [{name: a-1}, {name: a-2, addr: "10.0.0.2:3307"}]
    limits: {max_lag: 2m}
  - {name: b, channel: C0B, hosts: [{name: b-1}], mysql: {user: other}, approvers: {users: [U0BOB]}}
`

func explain(t *testing.T, text string, env ...string) (Config, map[string]Setting, []Setting) {
	t.Helper()
	path := write(t, text)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "app"), []byte("xapp-1-verysecret\n"), 0o600))
	cfg, all, err := Explain(path, env)
	require.NoError(t, err)
	by := map[string]Setting{}
	for _, s := range all {
		require.NotContains(t, by, s.Path)
		by[s.Path] = s
	}
	return cfg, by, all
}

func TestExplainTellsWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	cfg, by, all := explain(t, small, "RECYCLER_LOG_LEVEL=debug", "RECYCLER_DB_PASSWORD=word-of-the-environment")
	for path, want := range map[string][2]string{
		"slack.bot_token":               {"<secret>", "file"},
		"slack.app_token":               {"<secret>", "app_token_file"},
		"slack.sockets":                 {"2", "default"},
		"log.level":                     {"debug", "RECYCLER_LOG_LEVEL"},
		"mysql.password":                {"<secret>", "RECYCLER_DB_PASSWORD"},
		"mysql.dial_timeout":            {"5s", "default"},
		"clusters[a].mysql.user":        {"keeper", "mysql.user"},
		"clusters[b].mysql.user":        {"other", "file"},
		"clusters[b].mysql.password":    {"<secret>", "mysql.password"},
		"clusters[a].limits.max_lag":    {"2m", "file"},
		"clusters[b].limits.max_lag":    {"10s", "default"},
		"clusters[a].approvers.groups":  {`["S0DBAS"]`, "approvals.approvers.groups"},
		"clusters[b].approvers.users":   {`["U0BOB"]`, "file"},
		"clusters[a].hosts[a-1].addr":   {"a-1:3306", "default"},
		"clusters[a].hosts[a-2].addr":   {"10.0.0.2:3307", "file"},
		"clusters[a].rebuild.min_gain":  {"64MiB", "default"},
		"clusters[a].rebuild.min_share": {"0.1", "default"},
	} {
		require.Equal(t, want, [2]string{by[path].Text(), by[path].From}, path)
	}
	text, err := YAML(cfg, all)
	require.NoError(t, err)
	for _, secret := range []string{"verysecret", "word-of"} {
		require.NotContains(t, string(text), secret)
	}
	require.Regexp(t, `(?m)^ +max_lag: 2m # file$`, string(text))

	// What is shown is a configuration: with its secrets filled in again it loads to the same.
	again := strings.NewReplacer("bot_token: <secret>", "bot_token: xoxb-1-verysecret", "app_token: <secret>", `app_token: ""`,
		"password: <secret>", "password: word-of-the-environment", "url: <secret>", "url: "+cfg.Storage.URL.Reveal()).Replace(string(text))
	got, err := Load(write(t, again), nil)
	require.NoError(t, err, again)
	require.Equal(t, cfg, got)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	_, _, old := explain(t, small)
	_, _, same := explain(t, small)
	for _, c := range Diff(old, same) {
		require.Equal(t, "slack.app_token_file", c.Path) // in two folders
	}
	edited := strings.NewReplacer("max_lag: 2m", "max_lag: 20s", "xoxb-1-verysecret", "xoxb-1-othersecret", "{name: b-1}", "{name: b-1}, {name: b-2}", "mysql: {user: other}, ", "",
		"U0BOB", "U0CAROL").Replace(small) + "storage: {url: \"sqlite:///elsewhere/state.db\"}\nlanguage: {channels: {C0A: zh}}\n"
	_, _, now := explain(t, edited)
	var lines []string
	for _, c := range Diff(old, now) {
		if c.Path == "slack.app_token_file" {
			continue // another folder
		}
		line := c.String()
		if c.Restart {
			line += " (restart)"
		}
		lines = append(lines, line)
	}
	require.Equal(t, []string{
		"slack.bot_token: another <secret> (restart)",
		"storage.url: another <secret> (restart)",
		`language.channels: {} → {"C0A":"zh"}`,
		"clusters[a].limits.max_lag: 2m → 20s",
		"clusters[b].hosts[b-2]: added",
		"clusters[b].mysql.user: other → keeper",
		`clusters[b].approvers.users: ["U0BOB"] → ["U0CAROL"]`,
	}, lines)
	back := Diff(now, old)
	require.Equal(t, "clusters[b].hosts[b-2]: removed", back[len(back)-1].String())
	_, _, more := explain(t, small+"  - {name: c, channel: C0C, hosts: [{name: c-1}]}\n")
	require.Contains(t, told(Diff(old, more)), "clusters[c]: added")
	require.Contains(t, told(Diff(more, old)), "clusters[c]: removed")
}

// TestKeepTakesWhatIsLive holds Keep, Diff and Settings together: after Keep, only what needs no
// restart differs from what was started.
func TestKeepTakesWhatIsLive(t *testing.T) {
	t.Parallel()
	started, _, _ := explain(t, small)
	next, _, all := explain(t, small, "RECYCLER_LOG_LEVEL=debug", "RECYCLER_STORAGE_URL=sqlite:///other.db", "RECYCLER_DB_PASSWORD=new")
	next.Engine.Workers, next.Engine.SnapshotMaxAge, next.API.Listen = 9, 1, "127.0.0.1:1"
	kept := Keep(started, next)
	require.Equal(t, started.Engine.Workers, kept.Engine.Workers)
	require.EqualValues(t, 1, kept.Engine.SnapshotMaxAge)
	require.Empty(t, kept.API.Listen)
	require.Equal(t, "debug", kept.Log.Level)
	require.Equal(t, "new", kept.Clusters[0].MySQL.Password.Reveal())
	require.Equal(t, started.Storage.URL.Reveal(), kept.Storage.URL.Reveal())
	for _, c := range Diff(started.Settings(), kept.Settings()) {
		require.False(t, c.Restart, c.Path)
	}
	for _, c := range Diff(kept.Settings(), next.Settings()) {
		require.True(t, c.Restart, c.Path)
	}
	require.Greater(t, len(all), 60)
	require.NotEqual(t, started.Hash(), kept.Hash())
	hash := next.Hash()
	next.MySQL.Password = NewSecret("something else")
	require.Equal(t, hash, next.Hash()) // a hash of a secret would be a hint to it
}

func TestFingerprintSeesEveryFile(t *testing.T) {
	t.Parallel()
	path := write(t, small)
	token := filepath.Join(filepath.Dir(path), "app")
	require.NoError(t, os.WriteFile(token, []byte("xapp-1"), 0o600))
	cfg, err := Load(path, nil)
	require.NoError(t, err)
	first := cfg.Fingerprint(path)
	require.Equal(t, first, cfg.Fingerprint(path))
	require.NoError(t, os.WriteFile(token, []byte("xapp-2"), 0o600))
	second := cfg.Fingerprint(path)
	require.NotEqual(t, first, second)
	require.NoError(t, os.WriteFile(path, []byte(small+"\n"), 0o600))
	require.NotEqual(t, second, cfg.Fingerprint(path))
}

func told(all []Change) (out []string) {
	for _, c := range all {
		out = append(out, c.String())
	}
	return out
}
