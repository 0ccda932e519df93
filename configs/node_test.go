package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const nobodyChats = `
mysql: {password: p}
clusters:
  - {name: a, region: eu, channel: C123, approvers: {users: [U123]}, hosts: [{name: a1}]}
  - {name: b, region: us, channel: C123, approvers: {users: [U123]}, hosts: [{name: b1}]}
`

func TestWorkerNeedsNoSlack(t *testing.T) {
	t.Parallel()
	path := write(t, nobodyChats)
	_, err := Load(path, nil)
	require.ErrorContains(t, err, "slack.bot_token: is missing")
	c, err := Load(path, nil, WithNode([]string{RoleWorker}, []string{"us"}))
	require.NoError(t, err)
	require.True(t, c.Node.Works("us"))
	require.False(t, c.Node.Works("eu"))
	require.False(t, c.Node.Has(RoleBot))
	_, err = Load(path, nil, WithNode([]string{RoleWorker}, []string{"su"}))
	require.ErrorContains(t, err, `node.regions[0]: "su" is unknown; did you mean eu?`)
}

// TestStorageURLNeverPrints reads a URL with a password from each place it can be in.
func TestStorageURLNeverPrints(t *testing.T) {
	t.Parallel()
	const url = "postgres://u:hunter2@127.0.0.1:5433/d?sslmode=disable"
	worker := WithNode([]string{RoleWorker}, nil)
	path := write(t, nobodyChats)
	file := filepath.Join(filepath.Dir(path), "url")
	require.NoError(t, os.WriteFile(file, []byte(url+"\n"), 0o600))
	for _, from := range []struct{ text, env string }{
		{nobodyChats + "storage: {url: '" + url + "'}", "HOME=/"},
		{nobodyChats + "storage: {url_file: " + file + "}", "HOME=/"},
		{nobodyChats, "RECYCLER_STORAGE_URL=" + url},
		{nobodyChats, "RECYCLER_STORAGE_URL_FILE=" + file},
		{nobodyChats + "storage: {url: 'sqlite:///x.db'}", "RECYCLER_STORAGE_URL_FILE=" + file},
	} {
		c, err := Load(write(t, from.text), []string{from.env}, worker)
		require.NoError(t, err, from)
		require.Equal(t, url, c.Storage.URL.Reveal())
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), "hunter2")
	}
	_, err := Load(write(t, nobodyChats+"storage: {url: 'sqlite:///x.db', url_file: "+file+"}"), nil, worker)
	require.ErrorContains(t, err, "storage.url: is set together with url_file")
}
